package ocisim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// maxControlBody bounds a body of the control API.
const maxControlBody = 1 << 20

// control guards the control API: it answers loopback only, and only under a loopback name, so that a web page cannot
// reach it through a name that resolves to this machine.
func (s *Server) control(handle func(*Server, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) {
			controlReply(w, http.StatusForbidden, controlError{"the control API answers loopback only"})
			return
		}
		if err := handle(s, w, r); err != nil {
			status := http.StatusBadRequest
			if errors.Is(err, errNoRule) || errors.Is(err, errNoKey) {
				status = http.StatusNotFound
			}
			controlReply(w, status, controlError{err.Error()})
		}
	}
}

func isLoopback(hostport string) bool {
	host := strings.Trim(hostport, "[]")
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

type controlError struct {
	Error string `json:"error"`
}

func controlReply(w http.ResponseWriter, status int, v any) {
	b, err := encode(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the reply cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // who asked may have gone
}

func readControl(r *http.Request, v any) error {
	data, err := io.ReadAll(io.LimitReader(r.Body, maxControlBody))
	if err != nil {
		return err
	}
	return decodeStrict(data, v)
}

func (s *Server) listFaults(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Rules []RuleState `json:"rules"`
	}{s.faults.list()})
	return nil
}

// addFaults takes one rule and answers its id.
func (s *Server) addFaults(w http.ResponseWriter, r *http.Request) error {
	var rule Rule
	if err := readControl(r, &rule); err != nil {
		return err
	}
	id, err := s.faults.add(rule)
	if err != nil {
		return err
	}
	controlReply(w, http.StatusOK, struct {
		ID string `json:"id"`
	}{id})
	return nil
}

func (s *Server) clearFaults(w http.ResponseWriter, _ *http.Request) error {
	if err := s.faults.remove(""); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) removeFault(w http.ResponseWriter, r *http.Request) error {
	if err := s.faults.remove(r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) showUsage(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Keys map[string]KeyUsage `json:"keys"`
	}{s.Usage()})
	return nil
}

func (s *Server) resetUsage(w http.ResponseWriter, _ *http.Request) error {
	s.meter.reset()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listKeys(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Keys []string `json:"keys"`
	}{s.keys.names()})
	return nil
}

// errNoKey says that no credential has the name.
var errNoKey = errors.New("no such key")

// keyBody registers one credential: an API key (key_id, public_key), a token (token, public_key) or a GenAI API key
// (api_key). The public key is PEM.
type keyBody struct {
	KeyID     string    `json:"key_id"`
	Token     string    `json:"token"`
	APIKey    string    `json:"api_key"`
	PublicKey string    `json:"public_key"`
	Expires   time.Time `json:"expires"`
}

func (s *Server) postKey(w http.ResponseWriter, r *http.Request) error {
	var body keyBody
	if err := readControl(r, &body); err != nil {
		return err
	}
	name := ""
	if body.APIKey != "" {
		name = publicName(body.APIKey)
		s.AddAPIKey(body.APIKey, body.Expires)
	} else {
		public, err := parsePublicKey(body.PublicKey)
		if err != nil {
			return err
		}
		switch {
		case body.Token != "":
			name = publicName(tokenPrefix + body.Token)
			s.AddToken(body.Token, public, body.Expires)
		case body.KeyID != "":
			name = publicName(body.KeyID)
			s.AddKey(body.KeyID, public)
		default:
			return errors.New("one of key_id, token and api_key is needed")
		}
	}
	controlReply(w, http.StatusOK, struct {
		Name string `json:"name"`
	}{name})
	return nil
}

func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("public_key is not PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public_key: %w", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("public_key is not RSA")
	}
	return public, nil
}

func (s *Server) removeKey(w http.ResponseWriter, r *http.Request) error {
	if !s.keys.remove(r.URL.Query().Get("name")) {
		return errNoKey
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listEndpoints(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Endpoints []Endpoint `json:"endpoints"`
	}{s.models.listEndpoints()})
	return nil
}

func (s *Server) postEndpoint(w http.ResponseWriter, r *http.Request) error {
	var e Endpoint
	if err := readControl(r, &e); err != nil {
		return err
	}
	if err := s.models.addEndpoint(e); err != nil {
		return err
	}
	controlReply(w, http.StatusOK, e)
	return nil
}

func (s *Server) showVariants(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, s.Variants())
	return nil
}

// patchVariants changes the variants that the body names.
func (s *Server) patchVariants(w http.ResponseWriter, r *http.Request) error {
	v := s.Variants()
	if err := readControl(r, &v); err != nil {
		return err
	}
	s.SetVariants(v)
	controlReply(w, http.StatusOK, v)
	return nil
}

func (s *Server) listRequests(w http.ResponseWriter, _ *http.Request) error {
	controlReply(w, http.StatusOK, struct {
		Requests []entry `json:"requests"`
	}{s.journal.list()})
	return nil
}

func (s *Server) clearRequests(w http.ResponseWriter, _ *http.Request) error {
	s.journal.clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
