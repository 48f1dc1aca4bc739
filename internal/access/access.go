// Package access says who calls and what they may do. The decision is taken in one place, Gate.Admit, from the
// entry of the route that was dispatched: never from a raw path or anything else that a caller can write in two ways.
// A Host header lets nobody in; in a gateway without a key it can only keep out (machine.go).
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"tollgate/internal/apierr"
)

// Permission is what a route demands of its caller.
type Permission string

// The permissions.
const (
	Public Permission = "public" // anybody, without a key
	Models Permission = "models" // calls of models and lists of models
	Admin  Permission = "admin"  // the operator
)

// Route is one entry of the route table.
type Route struct {
	Method     string
	Path       string // in http.ServeMux's notation
	Permission Permission
	Summary    string // one sentence for the OpenAPI description
}

// Role is what an identity is allowed in general, by LiteLLM's names.
type Role string

// The roles of this gateway.
const (
	ProxyAdmin   Role = "proxy_admin"
	InternalUser Role = "internal_user"
)

// Identity is a caller who was let in.
type Identity struct {
	Role Role
	Name string // safe to log: "master", or "anonymous" in a gateway without keys
}

// Options configure a Gate.
type Options struct {
	MasterKey     string         // "" = no key at all: loopback callers only
	KeyHeader     string         // general_settings.litellm_key_header_name; replaces all other places
	AllowedIPs    []netip.Prefix // empty = everybody
	UseForwarded  bool           // use_x_forwarded_for
	Proxies       []netip.Prefix // trusted_proxy_ranges: the proxies whose word in X-Forwarded-For is believed; empty = the neighbour's alone
	AllowedRoutes []string       // general_settings.allowed_routes; empty = all
	PublicRoutes  []string       // general_settings.public_routes: served without a key
}

// Gate decides who may call what. It is immutable and safe for concurrent use.
type Gate struct {
	opts   Options
	master [sha256.Size]byte
}

// NewGate makes a Gate.
func NewGate(opts Options) *Gate {
	return &Gate{opts: opts, master: sha256.Sum256([]byte(opts.MasterKey))}
}

// HasMasterKey reports whether callers must show a key.
func (g *Gate) HasMasterKey() bool { return g.opts.MasterKey != "" }

// Admit decides whether the caller of r may use route.
func (g *Gate) Admit(route *Route, r *http.Request) (Identity, *apierr.Error) {
	if route.Permission == Public {
		return Identity{}, nil
	}
	if err := g.checkAddress(r); err != nil {
		return Identity{}, err
	}
	if err := g.checkRoute(route); err != nil {
		return Identity{}, err
	}
	if slices.Contains(g.opts.PublicRoutes, route.Path) {
		return Identity{}, nil
	}
	if !g.HasMasterKey() {
		return g.admitKeyless(route, r)
	}
	return g.identify(r)
}

// IsAdmin reports whether the caller of r has shown the master key, for what an answer shows to some callers alone.
// Whether they may use the route is Admit's to say.
func (g *Gate) IsAdmin(r *http.Request) bool {
	if !g.HasMasterKey() {
		return false
	}
	who, err := g.identify(r)
	return err == nil && who.Role == ProxyAdmin
}

// identify finds whose key r carries, in a gateway that has keys.
func (g *Gate) identify(r *http.Request) (Identity, *apierr.Error) {
	key, err := g.Key(r)
	if err != nil {
		return Identity{}, err
	}
	// Hashing first makes the comparison independent of the length and content of what was sent.
	sum := sha256.Sum256([]byte(key))
	if subtle.ConstantTimeCompare(sum[:], g.master[:]) == 1 {
		return Identity{Role: ProxyAdmin, Name: "master"}, nil
	}
	return Identity{}, unknownKey(key)
}

// admitKeyless serves callers on this machine alone: without a master key everybody who can reach the port
// would spend the operator's money. A browser counts as the site whose script it runs.
func (g *Gate) admitKeyless(route *Route, r *http.Request) (Identity, *apierr.Error) {
	if route.Permission == Admin {
		return Identity{}, unauthorized("Authentication Error, the management API is closed because no master key is set. Set general_settings.master_key or LITELLM_MASTER_KEY and restart.")
	}
	if !fromThisMachine(r) {
		return Identity{}, unauthorized("Authentication Error, this gateway has no master key and therefore serves callers on its own machine only. Set general_settings.master_key or LITELLM_MASTER_KEY and restart.")
	}
	return Identity{Role: InternalUser, Name: "anonymous"}, nil
}

func (g *Gate) checkRoute(route *Route) *apierr.Error {
	if len(g.opts.AllowedRoutes) == 0 {
		return nil
	}
	for _, allowed := range g.opts.AllowedRoutes {
		if allowed == route.Path || (allowed == "llm_api_routes" && route.Permission == Models) || (allowed == "management_routes" && route.Permission == Admin) {
			return nil
		}
		if prefix, wild := strings.CutSuffix(allowed, "*"); wild && strings.HasPrefix(route.Path, prefix) {
			return nil
		}
	}
	return &apierr.Error{Status: http.StatusForbidden, Type: "auth_error", Message: "Access forbidden: Route " + route.Path + " not allowed"}
}

// keyHeaders are the places of a key in LiteLLM's order; the Authorization header stands second.
var keyHeaders = []string{"X-Litellm-Api-Key", "Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"}

// Key finds the caller's key in the request (LiteLLM's order of headers; source: its auth builder).
func (g *Gate) Key(r *http.Request) (string, *apierr.Error) {
	if g.opts.KeyHeader != "" {
		v := r.Header.Get(g.opts.KeyHeader)
		if v == "" {
			return "", noKey()
		}
		key, ok := cutBearer(v)
		if !ok {
			return "", malformedKey()
		}
		return key, nil
	}
	for _, name := range keyHeaders {
		v := strings.TrimSpace(r.Header.Get(name))
		if v == "" {
			continue
		}
		key, prefixed := cutBearer(v)
		if name == "Authorization" && !prefixed {
			return "", malformedKey()
		}
		if key != "" {
			return key, nil
		}
	}
	return "", noKey()
}

// cutBearer understands "Bearer X", "bearer X", "Basic X" (X raw) and the SigV4 form that carries a bearer key
// in its Credential.
func cutBearer(v string) (key string, ok bool) {
	scheme, rest, found := strings.Cut(v, " ")
	if !found {
		return v, false
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"), scheme == "Basic":
		return strings.TrimSpace(rest), true
	case scheme == "AWS4-HMAC-SHA256":
		if _, cred, ok := strings.Cut(rest, "Credential=Bearer "); ok {
			key, _, _ = strings.Cut(cred, "/")
			return key, true
		}
	}
	return v, false
}

func unauthorized(message string) *apierr.Error {
	return &apierr.Error{Status: http.StatusUnauthorized, Type: "auth_error", Message: message}
}

func noKey() *apierr.Error { return unauthorized("Authentication Error, No api key passed in.") }

func malformedKey() *apierr.Error {
	return unauthorized("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.")
}

// unknownKey answers a key that is not known, in LiteLLM's words. Of the key itself only the end is shown.
func unknownKey(key string) *apierr.Error {
	if !strings.HasPrefix(key, "sk-") {
		return unauthorized("LiteLLM Virtual Key expected. Received=" + masked(key) + ", expected to start with 'sk-'.")
	}
	tail := ""
	if len(key) > 12 {
		tail = key[len(key)-4:]
	}
	sum := sha256.Sum256([]byte(key))
	return &apierr.Error{
		Status: http.StatusUnauthorized, Type: "token_not_found_in_db", Param: "key",
		Message: "Authentication Error, Invalid proxy server token passed. Received API Key = sk-..." + tail + ", Key Hash (Token) =" + hex.EncodeToString(sum[:]) +
			". Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
	}
}

// masked shows the ends of a long text that was sent as a key, and nothing of a short one.
func masked(key string) string {
	for _, c := range []byte(key) {
		if c < 0x20 || c >= 0x7f {
			return "****"
		}
	}
	if len(key) < 16 {
		return "****"
	}
	return key[:4] + "****" + key[len(key)-4:]
}
