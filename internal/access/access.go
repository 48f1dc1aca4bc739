// Package access says who calls, what they may do and who pays. The decisions are taken in one place, the Gate, from the
// entry of the route that was dispatched: never from a raw path or anything else that a caller can write in two ways.
// A Host header lets nobody in; in a gateway without a key it can only keep out (machine.go).
//
// A page is admitted by Gate.Admit. A call of a model is admitted in two steps: Gate.Identify before its body is read, so
// that a stranger costs nothing, and Gate.AdmitModel (admit.go) once the model is known. Keys are found in the Directory
// (directory.go), which keeps them in memory.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// Permission is what a route demands of its caller.
type Permission string

// The permissions.
const (
	Public    Permission = "public"     // anybody, without a key
	Models    Permission = "models"     // any valid key: calls of models
	Info      Permission = "info"       // any valid key: what it may know of itself and of the models
	Manage    Permission = "manage"     // whoever may manage something; what, the management API decides by the object
	AdminView Permission = "admin_view" // the operator, and whom the operator lets look
	Admin     Permission = "admin"      // the operator
)

// Route is one entry of the route table.
type Route struct {
	Method     string
	Path       string // in http.ServeMux's notation
	Permission Permission
	Summary    string // one sentence for the OpenAPI description
	// Groups are LiteLLM's names of groups of routes that hold this one besides those that Path and Permission tell.
	Groups []string
}

// The roles that other rooms ask for.
const (
	ProxyAdmin   = account.ProxyAdmin
	InternalUser = account.InternalUser
)

// Options configure a Gate.
type Options struct {
	MasterKey       string         // "" = no key at all: loopback callers only
	KeyHeader       string         // general_settings.litellm_key_header_name; replaces all other places
	AllowedIPs      []netip.Prefix // empty = everybody
	UseForwarded    bool           // use_x_forwarded_for
	Proxies         []netip.Prefix // trusted_proxy_ranges: the proxies whose word in X-Forwarded-For is believed; empty = the neighbour's alone
	AllowedRoutes   []string       // general_settings.allowed_routes; empty = all
	PublicRoutes    []string       // general_settings.public_routes: served without a key
	AdminOnlyRoutes []string       // general_settings.admin_only_routes

	// Directory knows the virtual keys; nil = there is no key but the master key.
	Directory *Directory
	// Tokens reads signed bearer tokens; nil = there are none (enable_jwt_auth).
	Tokens *Tokens
	// ServeUnknown lets in, as nobody, the callers whose key cannot be looked up because the store does not answer
	// (allow_requests_on_db_unavailable).
	ServeUnknown bool
	Policy       Policy
}

// Gate decides who may call what. It is immutable and safe for concurrent use.
type Gate struct {
	opts   Options // without the master key, so that nothing can print it
	keyed  bool    // there is a master key
	master [sha256.Size]byte
}

// NewGate makes a Gate.
func NewGate(opts Options) *Gate {
	g := &Gate{opts: opts, keyed: opts.MasterKey != "", master: sha256.Sum256([]byte(opts.MasterKey))}
	g.opts.MasterKey = ""
	return g
}

// HasMasterKey reports whether callers must show a key.
func (g *Gate) HasMasterKey() bool { return g.keyed }

// Admit decides whether the caller of r may use route, which calls no model.
func (g *Gate) Admit(route *Route, r *http.Request) (Identity, *apierr.Error) {
	who, err := g.Identify(route, r)
	if err != nil || who.open {
		return who, err
	}
	if err := g.checkCaller(&who); err != nil {
		return Identity{}, err
	}
	if err := g.checkPermission(route, &who); err != nil {
		return Identity{}, err
	}
	who.gate = g
	return who, nil
}

// Identify finds who calls. It refuses strangers, blocked keys, and addresses and routes that are closed to everybody.
// It is the first step of a call of a model; the rest is AdmitModel's. Everything else is for Admit.
func (g *Gate) Identify(route *Route, r *http.Request) (Identity, *apierr.Error) {
	if route.Permission == Public {
		return Identity{open: true}, nil
	}
	if err := g.checkAddress(r); err != nil {
		return Identity{}, err
	}
	if err := g.checkRoute(route); err != nil {
		return Identity{}, err
	}
	if slices.Contains(g.opts.PublicRoutes, route.Path) {
		return Identity{open: true}, nil
	}
	if !g.HasMasterKey() {
		return g.admitKeyless(route, r)
	}
	who, err := g.identify(r)
	if err != nil {
		return Identity{}, err
	}
	if err := who.checkBlocked(); err != nil {
		return Identity{}, err
	}
	return who, nil
}

// IsAdmin reports whether the caller of r is the operator, for what an answer shows to some callers alone.
// Whether they may use the route is Admit's to say.
func (g *Gate) IsAdmin(r *http.Request) bool {
	if !g.HasMasterKey() {
		return false
	}
	who, err := g.identify(r)
	return err == nil && who.Role == ProxyAdmin && who.checkBlocked() == nil && g.checkCaller(&who) == nil
}

// identify finds whose key r carries, in a gateway that has keys.
func (g *Gate) identify(r *http.Request) (Identity, *apierr.Error) {
	key, err := g.Key(r)
	if err != nil {
		return Identity{}, err
	}
	return g.Authenticate(r.Context(), key)
}

// Authenticate finds whose key, or signed token, it is. It checks neither block nor expiry nor what may be used.
func (g *Gate) Authenticate(ctx context.Context, key string) (Identity, *apierr.Error) {
	// Hashing first makes the comparison independent of the length and content of what was sent.
	sum := sha256.Sum256([]byte(key))
	if g.isMaster(sum) {
		return Identity{Role: ProxyAdmin, Name: masterName}, nil
	}
	if g.opts.Tokens != nil && looksSigned(key) {
		return g.token(ctx, key, sum)
	}
	if g.opts.Directory == nil || !strings.HasPrefix(key, "sk-") {
		return Identity{}, unknownKey(key)
	}
	record, err := g.opts.Directory.lookup(ctx, sum)
	if err != nil {
		return g.notFound(key, err)
	}
	return record.identity, nil
}

// isMaster reports whether it is the hash of the master key.
func (g *Gate) isMaster(sum [sha256.Size]byte) bool {
	return g.HasMasterKey() && subtle.ConstantTimeCompare(sum[:], g.master[:]) == 1
}

// admitKeyless serves callers on this machine alone: without a master key everybody who can reach the port
// would spend the operator's money. A browser counts as the site whose script it runs.
func (g *Gate) admitKeyless(route *Route, r *http.Request) (Identity, *apierr.Error) {
	if route.Permission != Models && route.Permission != Info {
		return Identity{}, unauthorized("Authentication Error, the management API is closed because no master key is set. Set general_settings.master_key or LITELLM_MASTER_KEY and restart.")
	}
	if !fromThisMachine(r) {
		return Identity{}, unauthorized("Authentication Error, this gateway has no master key and therefore serves callers on its own machine only. Set general_settings.master_key or LITELLM_MASTER_KEY and restart.")
	}
	return Identity{Role: InternalUser, Name: "anonymous"}, nil
}
