package ocisim

import (
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"tollgate/internal/ocisim/identity"
)

// Options configures a Server. The zero value is a working simulator that knows no key.
type Options struct {
	// Logger gets one debug line per request. Nil discards.
	Logger *slog.Logger
	// Now is the server's clock: skew, token expiry, retirement and the Date header follow it. Nil means time.Now.
	Now func() time.Time
	// Keys maps keyId (tenancy/user/fingerprint) to the public key that verifies its signatures.
	Keys map[string]*rsa.PublicKey
	// APIKeys are the GenAI API keys ("sk-...") that the OpenAI-compatible surface takes as bearer tokens.
	APIKeys []string
	// Compartments that callers may use. Empty accepts every compartment and tenancy OCID.
	Compartments []string
	// Region appears in generated OCIDs and decides which models are offered. Empty means us-chicago-1.
	Region string
	// Scenario adds models, endpoints, fault rules and variants. Nil means none.
	Scenario *Scenario
	// Seed makes answers, paddings and probabilities repeatable.
	Seed int64
	// Latency is how long a healthy reply takes.
	Latency Latency
	// Identity is who the principals are that the identity services know, and how long their tokens are good.
	Identity IdentityOptions
}

// Latency is the pace of a healthy service; zero is as fast as possible.
type Latency struct {
	First time.Duration // before a reply, or before the first event of a stream
	Event time.Duration // between the events of a stream
}

// Server simulates the service. It is safe for concurrent use and owns no goroutine, so there is nothing to close.
type Server struct {
	log     *slog.Logger
	now     func() time.Time
	region  string
	seed    int64
	latency Latency

	keys    *keyring
	models  *catalogue
	faults  *faultBook
	meter   *meter
	journal *journal
	mux     *http.ServeMux

	identity *Identity

	compartments map[string]bool // read-only after New; empty accepts all

	mu       sync.Mutex
	variants Variants   // guarded by mu
	random   *rand.Rand // guarded by mu
}

// New builds a simulator. It fails when the scenario names a model or a rule that cannot work.
func New(o Options) (*Server, error) {
	s := &Server{
		log: o.Logger, now: o.Now, region: o.Region, seed: o.Seed, latency: o.Latency,
		keys: newKeyring(), faults: newFaultBook(o.Seed), meter: newMeter(), journal: newJournal(),
		compartments: make(map[string]bool),
		variants:     DefaultVariants(),
		random:       rand.New(rand.NewPCG(uint64(o.Seed), 1)),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.region == "" {
		s.region = "us-chicago-1"
	}
	s.models = newCatalogue(s.region)
	s.identity = newIdentity(s, o.Identity)
	for id, key := range o.Keys {
		s.keys.addKey(id, key)
	}
	for _, key := range o.APIKeys {
		s.keys.addBearer(key, time.Time{})
	}
	for _, c := range o.Compartments {
		s.compartments[c] = true
	}
	if o.Scenario != nil {
		if err := s.apply(o.Scenario); err != nil {
			return nil, fmt.Errorf("ocisim: scenario: %w", err)
		}
	}
	s.mux = s.routes()
	return s, nil
}

// apply installs a scenario. It is called by New only, before the server is shared.
func (s *Server) apply(sc *Scenario) error {
	if sc.Variants != nil {
		s.variants = *sc.Variants
	}
	for _, m := range sc.Models {
		if err := s.models.add(m); err != nil {
			return err
		}
	}
	for _, e := range sc.Endpoints {
		if err := s.models.addEndpoint(e); err != nil {
			return err
		}
	}
	for _, r := range sc.Rules {
		if _, err := s.faults.add(r); err != nil {
			return err
		}
	}
	return s.identity.SetPolicies(sc.Policies)
}

// Handler serves both of the service's hosts (inference and management), the auth service, the metadata service of an
// instance, and the control API. A cluster's endpoint has a handler of its own, see Identity.
func (s *Server) Handler() http.Handler { return s.mux }

// AddKey lets signatures made with the private half of pub under keyID pass. A known keyID is replaced.
func (s *Server) AddKey(keyID string, pub *rsa.PublicKey) { s.keys.addKey(keyID, pub) }

// AddToken lets the keyId "ST$"+token pass until expires (zero: for ever), with signatures of pub's private half: the
// way of session tokens and of instance, resource and workload principals.
func (s *Server) AddToken(token string, pub *rsa.PublicKey, expires time.Time) {
	s.keys.addToken(token, pub, expires, s.clock(), identity.Principal{Kind: identity.Session})
}

// AddRule adds a fault rule; one of the same id is replaced.
func (s *Server) AddRule(r Rule) error {
	_, err := s.faults.add(r)
	return err
}

// Identity is the identity side of the service.
func (s *Server) Identity() *Identity { return s.identity }

// AddAPIKey lets a GenAI API key pass on the OpenAI-compatible surface until expires (zero: for ever).
func (s *Server) AddAPIKey(key string, expires time.Time) { s.keys.addBearer(key, expires) }

// Usage returns what was counted so far, by key id.
func (s *Server) Usage() map[string]KeyUsage { return s.meter.snapshot() }

// Variants returns the variants in force.
func (s *Server) Variants() Variants {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.variants
}

// SetVariants replaces the variants.
func (s *Server) SetVariants(v Variants) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.variants = v
}

// clock is the time as the service sees it: the given clock moved by the variants' offset.
func (s *Server) clock() time.Time {
	return s.now().Add(time.Duration(s.Variants().ClockOffset))
}

// hex returns n random upper-case hexadecimal digits.
func (s *Server) hex(n int) string {
	const digits = "0123456789ABCDEF"
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[s.random.IntN(16)]
	}
	return string(b)
}

// fork returns a source of randomness of its own for one request, so that concurrent streams do not share one.
func (s *Server) fork() *rand.Rand {
	s.mu.Lock()
	defer s.mu.Unlock()
	return rand.New(rand.NewPCG(s.random.Uint64(), s.random.Uint64()))
}
