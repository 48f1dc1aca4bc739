package ocisim

import (
	"crypto"
	"crypto/rsa"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"tollgate/internal/ocisim/identity"
)

// The operations of the identity services, as fault rules and counters name them.
const (
	opMetadata   = "imds"     // an instance's metadata service
	opFederation = "x509"     // the auth service gives an instance its token
	opProof      = "rpt"      // a service says which resource one of its own is
	opExchange   = "rpst"     // the auth service gives a resource its token
	opWorkload   = "workload" // a cluster's endpoint gives a pod its token
)

// IdentityOptions say who the principals are that the identity services know. What is empty is made up.
type IdentityOptions struct {
	// Tenancy, Compartment, Instance and Cluster are the OCIDs of one of each; Compartment is that of all principals.
	Tenancy, Compartment, Instance, Cluster string
	// Resources are a chain of OCIDs: the first is the resource of versions 1.1 and 2.2, and the leaf of version 3.0;
	// each next one is the parent of the one before.
	Resources []string
	// User is the OCID behind session tokens.
	User string
	// TokenLife is how long tokens of instances, resources and workloads are good: 20 minutes when zero, as seen on
	// tokens that were shown in public. SessionLife (1 hour) is that of session tokens and of service account tokens.
	TokenLife, SessionLife time.Duration
	// CertificateLife is how long an instance's certificate is good: 24 hours when zero. When half of it is over, the
	// metadata service hands out another.
	CertificateLife time.Duration
	// ClusterKeys verify service account tokens of other issuers than the simulator, such as a real API server.
	ClusterKeys []crypto.PublicKey
	// TrustAll takes service account tokens whatever their signature.
	TrustAll bool
	// BasicCluster makes the cluster one that is not enhanced: its endpoint answers 403.
	BasicCluster bool
}

// filled completes the options.
func (o IdentityOptions) filled(region string) IdentityOptions {
	fill := func(field *string, kind, where string) {
		if *field == "" {
			*field = "ocid1." + kind + ".oc1." + where + "." + randomName()
		}
	}
	fill(&o.Tenancy, "tenancy", "")
	fill(&o.Compartment, "compartment", "")
	fill(&o.User, "user", "")
	fill(&o.Instance, "instance", region)
	fill(&o.Cluster, "cluster", region)
	if len(o.Resources) == 0 {
		o.Resources = make([]string, 2)
		fill(&o.Resources[0], "fnfunc", region)
		fill(&o.Resources[1], "fnapp", region)
	}
	for field, usual := range map[*time.Duration]time.Duration{
		&o.TokenLife: 20 * time.Minute, &o.SessionLife: time.Hour, &o.CertificateLife: 24 * time.Hour,
	} {
		if *field == 0 {
			*field = usual
		}
	}
	return o
}

// LoadClusterKeys reads a file for ClusterKeys: a JSON Web Key Set, as an API server serves it at /openid/v1/jwks, or PEM
// with public keys, certificates or the private key that signs the tokens.
func LoadClusterKeys(file string) ([]crypto.PublicKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ocisim: issuer keys: %w", err)
	}
	keys, err := identity.IssuerKeys(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return keys, nil
}

// RequestCount is how often one of the identity services was asked, and how often it did not answer 200.
type RequestCount struct {
	Requests int `json:"requests"`
	Refused  int `json:"refused"`
}

// Identity is the identity side of a simulated service: an instance with its metadata service, the auth service, the
// services of resources, and a cluster. It is safe for concurrent use.
type Identity struct {
	s         *Server
	issuer    *identity.Issuer
	authority *identity.Authority
	cluster   *identity.Cluster

	mu       sync.Mutex
	options  IdentityOptions         // guarded by mu, as are the others; OCIDs do not change
	policies []identity.Policy       // none lets everybody call
	counts   map[string]RequestCount // by operation
	folders  map[string]folder       // what was written, by path
}

func newIdentity(s *Server, o IdentityOptions) *Identity {
	o = o.filled(s.region)
	return &Identity{
		s: s, options: o, issuer: identity.NewIssuer(),
		authority: identity.NewAuthority(identity.Principal{
			Kind: identity.Instance, ID: o.Instance, Tenancy: o.Tenancy, Compartment: o.Compartment,
		}),
		cluster: identity.NewCluster(identity.ClusterOptions{
			ID: o.Cluster, Tenancy: o.Tenancy, Compartment: o.Compartment, Keys: o.ClusterKeys, TrustAll: o.TrustAll,
		}),
		counts: make(map[string]RequestCount), folders: make(map[string]folder),
	}
}

// Options returns the options in force, complete with what was made up.
func (i *Identity) Options() IdentityOptions {
	i.mu.Lock()
	defer i.mu.Unlock()
	o := i.options
	o.Resources = slices.Clone(o.Resources)
	return o
}

// SetTokenLife changes how long the tokens are good that are given from now on.
func (i *Identity) SetTokenLife(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.options.TokenLife = d
}

// SetBasicCluster makes the cluster one that is not enhanced, or enhanced again.
func (i *Identity) SetBasicCluster(basic bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.options.BasicCluster = basic
}

// SetPolicies replaces the policies; none lets everybody call. A call that no policy allows gets 404.
func (i *Identity) SetPolicies(policies []identity.Policy) error {
	for _, p := range policies {
		if err := p.Check(); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.policies = slices.Clone(policies)
	return nil
}

// allows reports whether a policy lets the principal call.
func (i *Identity) allows(who identity.Principal) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.policies) == 0 || slices.ContainsFunc(i.policies, func(p identity.Policy) bool { return p.Allows(who) })
}

// Revoke forgets the tokens of a kind of principal, of all kinds when it is empty, and says how many there were. Their
// next call gets 401.
func (i *Identity) Revoke(kind identity.Kind) int { return i.s.keys.revoke(kind) }

// RotateCertificate gives the instance another certificate and key. The old certificate stays good until it expires.
func (i *Identity) RotateCertificate() error {
	return i.authority.Rotate(i.s.clock(), i.Options().CertificateLife, false)
}

// Requests returns how often each of the identity services was asked: imds, x509, rpt, rpst and workload.
func (i *Identity) Requests() map[string]RequestCount {
	i.mu.Lock()
	defer i.mu.Unlock()
	return maps.Clone(i.counts)
}

func (i *Identity) resetRequests() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.counts)
}

// counted notes one request with the status of its answer, zero for none.
func (i *Identity) counted(op string, status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.counts[op]
	c.Requests++
	if status != http.StatusOK {
		c.Refused++
	}
	i.counts[op] = c
}

// life is from now until d later, by the service's clock.
func (i *Identity) life(d time.Duration) identity.Life {
	now := i.s.clock()
	return identity.Life{Issued: now, Expires: now.Add(d)}
}

// grant makes the token of a principal and lets it pass until it expires.
func (i *Identity) grant(who identity.Principal, pub *rsa.PublicKey, d time.Duration, fingerprint string) (string, error) {
	life := i.life(d)
	token, err := i.issuer.Token(who, pub, life, fingerprint)
	if err != nil {
		return "", fmt.Errorf("ocisim: token: %w", err)
	}
	i.s.keys.addToken(token, pub, life.Expires, life.Issued, who)
	return token, nil
}

// resource is the principal of a link of the chain of resources, counted from the leaf.
func (o IdentityOptions) resource(n int) identity.Principal {
	return identity.Principal{Kind: identity.Resource, ID: o.Resources[n], Tenancy: o.Tenancy, Compartment: o.Compartment}
}
