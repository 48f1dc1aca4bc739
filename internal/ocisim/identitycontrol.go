package ocisim

import (
	"errors"
	"net/http"
	"time"

	"tollgate/internal/ocisim/identity"
)

// identityState is what the control API tells of the identity services, and identitySettings what it changes.
type identityState struct {
	Tenancy     string   `json:"tenancy"`
	Compartment string   `json:"compartment"`
	User        string   `json:"user"`
	Instance    string   `json:"instance"`
	Resources   []string `json:"resources"`
	Cluster     string   `json:"cluster"`

	identitySettings
	CertificateFingerprint string                  `json:"certificate_fingerprint"`
	CertificateExpires     time.Time               `json:"certificate_expires"`
	Policies               []identity.Policy       `json:"policies"`
	Tokens                 map[identity.Kind]int   `json:"tokens"`
	Requests               map[string]RequestCount `json:"requests"`
}

type identitySettings struct {
	TokenLife       Duration `json:"token_life"`
	SessionLife     Duration `json:"session_life"`
	CertificateLife Duration `json:"certificate_life"`
	BasicCluster    bool     `json:"basic_cluster"`
}

func (o IdentityOptions) settings() identitySettings {
	return identitySettings{Duration(o.TokenLife), Duration(o.SessionLife), Duration(o.CertificateLife), o.BasicCluster}
}

func (s *Server) showIdentity(w http.ResponseWriter, _ *http.Request) error {
	i := s.identity
	o := i.Options()
	leaf, err := i.authority.Leaf(s.clock(), o.CertificateLife)
	if err != nil {
		return err
	}
	i.mu.Lock()
	policies := append([]identity.Policy{}, i.policies...)
	i.mu.Unlock()
	controlReply(w, http.StatusOK, identityState{
		Tenancy: o.Tenancy, Compartment: o.Compartment, User: o.User, Instance: o.Instance, Resources: o.Resources, Cluster: o.Cluster,
		identitySettings: o.settings(), CertificateFingerprint: leaf.Fingerprint, CertificateExpires: leaf.Expires,
		Policies: policies, Tokens: s.keys.tokens(s.clock()), Requests: i.Requests(),
	})
	return nil
}

// patchIdentity changes the settings that the body names.
func (s *Server) patchIdentity(w http.ResponseWriter, r *http.Request) error {
	i := s.identity
	settings := i.Options().settings()
	if err := readControl(r, &settings); err != nil {
		return err
	}
	if settings.TokenLife <= 0 || settings.SessionLife <= 0 || settings.CertificateLife <= 0 {
		return errors.New("token_life, session_life and certificate_life are more than nothing")
	}
	i.mu.Lock()
	i.options.TokenLife, i.options.SessionLife = time.Duration(settings.TokenLife), time.Duration(settings.SessionLife)
	i.options.CertificateLife, i.options.BasicCluster = time.Duration(settings.CertificateLife), settings.BasicCluster
	i.mu.Unlock()
	controlReply(w, http.StatusOK, settings)
	return nil
}

// rotateIdentity gives the instance another certificate, and writes every folder of a principal anew.
func (s *Server) rotateIdentity(w http.ResponseWriter, _ *http.Request) error {
	if err := s.identity.RotateCertificate(); err != nil {
		return err
	}
	if err := s.identity.Renew(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) revokeTokens(w http.ResponseWriter, r *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Revoked int `json:"revoked"`
	}{s.identity.Revoke(identity.Kind(r.URL.Query().Get("kind")))})
	return nil
}

func (s *Server) resetIdentityRequests(w http.ResponseWriter, _ *http.Request) error {
	s.identity.resetRequests()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putPolicies replaces the policies.
func (s *Server) putPolicies(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Policies []identity.Policy `json:"policies"`
	}
	if err := readControl(r, &body); err != nil {
		return err
	}
	if err := s.identity.SetPolicies(body.Policies); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
