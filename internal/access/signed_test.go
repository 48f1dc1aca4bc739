package access_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// issuer is an identity provider: a server of public keys, and the private ones.
type issuer struct {
	server  *httptest.Server
	mu      sync.Mutex
	keys    map[string]map[string]string // by id, as the key set shows them
	down    bool
	asked   atomic.Int64 // requests that have come
	fetched atomic.Int64 // and that were answered
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]map[string]string{}}
	i.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetched.Add(1)
		switch {
		case i.down:
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.server.URL, "jwks_uri": i.server.URL + "/keys"})
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": slices.Collect(maps.Values(i.keys))})
		}
	}))
	t.Cleanup(i.server.Close)
	return i
}

func encode(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// publish shows the public half of a key under an id.
func (i *issuer) publish(id string, private crypto.Signer) {
	jwk := map[string]string{"kid": id, "use": "sig"}
	switch k := private.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(k.N), encode(big.NewInt(int64(k.E)))
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", base64.RawURLEncoding.EncodeToString(point[1:1+half]), base64.RawURLEncoding.EncodeToString(point[1+half:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", base64.RawURLEncoding.EncodeToString(k)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[id] = jwk
}

func (i *issuer) withdraw(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.keys, id)
}

func (i *issuer) stop(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign makes a token that ends in an hour unless the claims say otherwise. An id of "-" is left out.
func sign(t *testing.T, method jwt.SigningMethod, id string, private any, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix(), "iss": "https://issuer", "aud": "gateway"}
	for name, v := range claims {
		if v == nil {
			delete(all, name)
			continue
		}
		all[name] = v
	}
	token := jwt.NewWithClaims(method, all)
	if id != "-" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tokenGate is a gate that reads the issuer's tokens.
func tokenGate(t *testing.T, i *issuer, m *memory, settings map[string]any, change ...func(*access.TokenOptions)) *access.Gate {
	t.Helper()
	s, err := access.ParseTokenSettings(settings)
	if err != nil {
		t.Fatal(err)
	}
	opts := access.TokenOptions{Settings: s, KeyURLs: []string{i.server.URL + "/keys"}, Audience: "gateway", Issuer: "https://issuer", Way: i.server.Client().Transport}
	for _, c := range change {
		c(&opts)
	}
	tokens, err := access.NewTokens(opts)
	if err != nil {
		t.Fatal(err)
	}
	return access.NewGate(access.Options{MasterKey: key, Tokens: tokens, Directory: access.NewDirectory(m, access.DirectoryOptions{LastSync: time.Now})})
}

func bear(g *access.Gate, route *access.Route, token string) (access.Identity, *apierr.Error) {
	return g.Admit(route, request("192.0.2.1:1", "Authorization", "Bearer "+token))
}

func TestTokens_Genuine(t *testing.T) {
	i := newIssuer(t)
	rs, other := rsaKey(t), rsaKey(t)
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.publish("rs", rs)
	i.publish("es", es)
	i.publish("ed", ed)
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(&account.User{UserID: "u"})
	g := tokenGate(t, i, m, map[string]any{"user_id_jwt_field": "sub"})
	user := jwt.MapClaims{"sub": "u"}
	with := func(name string, v any) jwt.MapClaims { return jwt.MapClaims{"sub": "u", name: v} }
	genuine := sign(t, jwt.SigningMethodRS256, "rs", rs, user)
	parts := strings.Split(genuine, ".")
	forged := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","exp":9999999999,"aud":"gateway","iss":"https://issuer"}`)) + "." + parts[2]
	const broken = "Authentication Error, Validation fails: The token is not a valid JSON web token"
	for _, tt := range []struct{ name, token, want string }{
		{"RS256", genuine, ""},
		{"PS512", sign(t, jwt.SigningMethodPS512, "rs", rs, user), ""},
		{"ES256", sign(t, jwt.SigningMethodES256, "es", es, user), ""},
		{"EdDSA", sign(t, jwt.SigningMethodEdDSA, "ed", ed, user), ""},
		{"a list of audiences", sign(t, jwt.SigningMethodRS256, "rs", rs, with("aud", []string{"x", "gateway"})), ""},
		{"another's key", sign(t, jwt.SigningMethodRS256, "rs", other, user), "Authentication Error, Validation fails: Signature verification failed"},
		{"changed claims", forged, "Authentication Error, Validation fails: Signature verification failed"},
		{"unknown key id", sign(t, jwt.SigningMethodRS256, "gone", rs, user), "Authentication Error, No matching public key found."},
		{"no key id among many", sign(t, jwt.SigningMethodRS256, "-", rs, user), "Authentication Error, No matching public key found."},
		{"the key of another kind", sign(t, jwt.SigningMethodES256, "rs", es, user), "Authentication Error, Validation fails: Signature verification failed"},
		{"alg none", sign(t, jwt.SigningMethodNone, "rs", jwt.UnsafeAllowNoneSignatureType, user), "Authentication Error, Validation fails: Signature verification failed"},
		{"HS256 with the public key", sign(t, jwt.SigningMethodHS256, "rs", der, user), "Authentication Error, Validation fails: Signature verification failed"},
		{"expired", sign(t, jwt.SigningMethodRS256, "rs", rs, with("exp", time.Now().Add(-time.Minute).Unix())), "Authentication Error, Token Expired"},
		{"never ends", sign(t, jwt.SigningMethodRS256, "rs", rs, with("exp", nil)), broken},
		{"not yet", sign(t, jwt.SigningMethodRS256, "rs", rs, with("nbf", time.Now().Add(time.Hour).Unix())), "Authentication Error, Validation fails: The token is not yet valid"},
		{"another audience", sign(t, jwt.SigningMethodRS256, "rs", rs, with("aud", "else")), "Authentication Error, Validation fails: Audience doesn't match"},
		{"no audience", sign(t, jwt.SigningMethodRS256, "rs", rs, with("aud", nil)), broken},
		{"another issuer", sign(t, jwt.SigningMethodRS256, "rs", rs, with("iss", "https://evil")), "Authentication Error, Validation fails: Invalid issuer"},
		{"no token", "a.b.c", broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			who, err := bear(g, infoRoute, tt.token)
			if tt.want == "" {
				if err != nil || who.UserID() != "u" || who.Role != account.InternalUser || who.Name != "user:u" {
					t.Errorf("%+v %v", who, err)
				}
				return
			}
			wantRefusal(t, err, 401, "auth_error", tt.want)
		})
	}
	if n := i.fetched.Load(); n > 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// CVE-2026-35030: tokens that begin alike are not taken for each other.
func TestTokens_CacheKnowsTheWholeToken(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	m := newMemory(&account.User{UserID: "low"}, &account.User{UserID: "admin", UserRole: account.ProxyAdmin})
	g := tokenGate(t, i, m, map[string]any{"user_id_jwt_field": "zz"})
	padding := strings.Repeat("a", 3000) // claims are written in the order of their names
	low := sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"a": padding, "zz": "low"})
	admin := sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"a": padding, "zz": "admin"})
	if low[:2000] != admin[:2000] {
		t.Fatal("the tokens do not begin alike")
	}
	for range 2 {
		for _, tt := range []struct {
			token string
			role  account.Role
		}{{admin, account.ProxyAdmin}, {low, account.InternalUser}} {
			if who, err := bear(g, infoRoute, tt.token); err != nil || who.Role != tt.role {
				t.Errorf("%v %v", who.Role, err)
			}
		}
	}
	cut := admin[:len(admin)-1] // and what is not the whole token is none
	if _, err := bear(g, infoRoute, cut); err == nil {
		t.Error("a token without its end is let in")
	}
}

func TestTokens_Rotation(t *testing.T) {
	i := newIssuer(t)
	first, second := rsaKey(t), rsaKey(t)
	i.publish("1", first)
	now := time.Now()
	var offset atomic.Int64
	clock := func(o *access.TokenOptions) {
		o.Now = func() time.Time { return now.Add(time.Duration(offset.Load())) }
		o.KeyURLs = []string{i.server.URL + "/.well-known/openid-configuration"}
	}
	g := tokenGate(t, i, newMemory(&account.User{UserID: "u"}), map[string]any{"user_id_jwt_field": "sub", "public_key_ttl": 600}, clock)
	claims := jwt.MapClaims{"sub": "u", "exp": now.Add(time.Hour * 24).Unix()}
	old, young := sign(t, jwt.SigningMethodRS256, "1", first, claims), sign(t, jwt.SigningMethodRS256, "2", second, claims)
	ok := func(token string, want bool) {
		t.Helper()
		if _, err := bear(g, infoRoute, token); (err == nil) != want {
			t.Errorf("let in: %v, want %v (%v)", err == nil, want, err)
		}
	}
	ok(old, true)
	i.publish("2", second)
	ok(young, false) // the keys were fetched a moment ago: invented ids must not make us fetch them again and again
	offset.Store(int64(10 * time.Second))
	ok(young, true)
	i.withdraw("1")
	ok(old, true) // until the keys are fetched again
	offset.Store(int64(20 * time.Second))
	ok(sign(t, jwt.SigningMethodRS256, "3", second, claims), false) // which a key that nobody knows causes
	ok(old, false)
	ok(young, true)
	offset.Store(int64(11 * time.Minute))
	ok(young, true)
	i.stop(true)
	offset.Store(int64(2 * time.Hour))
	ok(young, true) // the issuer is away: its last keys go on
	fetched := i.fetched.Load()
	for n := range 100 {
		ok(sign(t, jwt.SigningMethodRS256, string(rune('a'+n)), second, claims), false)
	}
	if n := i.fetched.Load() - fetched; n > 1 {
		t.Errorf("100 invented key ids caused %d fetches", n)
	}
}

func TestTokens_IssuerAway(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	i.stop(true)
	g := tokenGate(t, i, newMemory(&account.User{UserID: "u"}), map[string]any{"user_id_jwt_field": "sub"})
	_, err := bear(g, infoRoute, sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"sub": "u"}))
	wantRefusal(t, err, 503, "auth_error", "Authentication Error, The token issuer's keys cannot be fetched. Please retry shortly.")
}

// While one caller waits for an issuer that hangs, the others go on with the keys that are known. A key that the issuer may have
// withdrawn long ago opens nothing.
func TestTokens_IssuerHangs(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	now := atomic.Int64{}
	clock := func() time.Time { return time.Now().Add(time.Duration(now.Load())) }
	g := tokenGate(t, i, newMemory(&account.User{UserID: "u"}), map[string]any{"user_id_jwt_field": "sub"}, func(o *access.TokenOptions) { o.Now = clock })
	token := func() string {
		return sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"sub": "u", "exp": clock().Add(time.Hour).Unix()})
	}
	if _, err := bear(g, infoRoute, token()); err != nil {
		t.Fatal(err)
	}
	now.Store(int64(time.Hour))
	fetched := i.fetched.Load()
	i.mu.Lock() // the issuer hangs from here on
	waits := make(chan *apierr.Error, 1)
	go func() { _, err := bear(g, infoRoute, token()); waits <- err }()
	for i.asked.Load() == 1 {
		runtime.Gosched()
	}
	for range 3 {
		if _, err := bear(g, infoRoute, token()); err != nil {
			t.Errorf("%d %s", err.Status, err.Message)
		}
	}
	select {
	case err := <-waits:
		t.Errorf("the caller who fetches did not wait: %v", err)
	default:
	}
	i.mu.Unlock()
	if err := <-waits; err != nil || i.fetched.Load() != fetched+1 {
		t.Errorf("%v, fetched %d times", err, i.fetched.Load()-fetched)
	}
	i.stop(true)
	now.Store(int64(20 * time.Hour))
	if _, err := bear(g, infoRoute, token()); err != nil {
		t.Errorf("an issuer that is away for some hours: %d %s", err.Status, err.Message)
	}
	now.Store(int64(26 * time.Hour))
	_, err := bear(g, infoRoute, token())
	wantRefusal(t, err, 503, "auth_error", "Authentication Error, The token issuer's keys cannot be fetched. Please retry shortly.")
}

// upserts counts what it makes, in the store.
type upserts struct {
	m    *memory
	made []string
}

func (u *upserts) UpsertUser(_ context.Context, o *account.User) error {
	u.made = append(u.made, "user "+o.UserID+" "+string(o.UserRole))
	u.m.put(o)
	return nil
}

func (u *upserts) UpsertTeam(_ context.Context, o *account.Team) error {
	u.made = append(u.made, "team "+o.TeamID)
	u.m.put(o)
	return nil
}

func TestTokens_Claims(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	manage := &access.Route{Method: "POST", Path: "/key/generate", Permission: access.Manage}
	operators := &access.Route{Method: "POST", Path: "/team/new", Permission: access.Admin}
	type caller struct{ Role, User, Team, Org, EndUser string }
	for _, tt := range []struct {
		name     string
		settings map[string]any
		claims   jwt.MapClaims
		route    *access.Route
		want     caller
		status   int // 0 = admitted
		message  string
	}{
		{"nested claims", map[string]any{"user_id_jwt_field": `https://x\.example.who.id`, "end_user_id_jwt_field": "customer", "org_id_jwt_field": "org"},
			jwt.MapClaims{"https://x.example": map[string]any{"who": map[string]any{"id": "u"}}, "customer": "c", "org": "o"}, infoRoute,
			caller{"internal_user", "u", "", "o", "c"}, 0, ""},
		{"a team", map[string]any{"team_id_jwt_field": "team"}, jwt.MapClaims{"team": "t1"}, infoRoute, caller{"team", "", "t1", "", ""}, 0, ""},
		{"a team by its alias", map[string]any{"team_alias_jwt_field": "team"}, jwt.MapClaims{"team": "First"}, infoRoute, caller{"team", "", "t1", "", ""}, 0, ""},
		{"the first team that is here", map[string]any{"team_ids_jwt_field": "groups"}, jwt.MapClaims{"groups": []string{"gone", "t2", "t1"}}, infoRoute, caller{"team", "", "t2", "", ""}, 0, ""},
		{"the default team", map[string]any{"team_id_jwt_field": "team", "team_id_default": "t2"}, jwt.MapClaims{}, infoRoute, caller{"team", "", "t2", "", ""}, 0, ""},
		{"a team that is not here", map[string]any{"team_id_jwt_field": "team"}, jwt.MapClaims{"team": "t9"}, infoRoute, caller{}, 403,
			"Team doesn't exist in db. Team=t9. Create team via `/team/new` call."},
		{"a user that is not here", map[string]any{"user_id_jwt_field": "sub"}, jwt.MapClaims{"sub": "u9"}, infoRoute, caller{}, 403,
			"User doesn't exist in db. 'user_id'=u9. Create user via `/user/new` call."},
		{"an organisation that is not here", map[string]any{"user_id_jwt_field": "sub", "org_id_jwt_field": "org"}, jwt.MapClaims{"sub": "u", "org": "o9"}, infoRoute, caller{}, 403,
			"Organization doesn't exist in db. Organization=o9. Create organization via `/organization/new` call."},
		{"a user of a team that has no row", map[string]any{"user_id_jwt_field": "sub", "team_id_jwt_field": "team"}, jwt.MapClaims{"sub": "u9", "team": "t1"}, infoRoute,
			caller{"team", "u9", "t1", "", ""}, 0, ""},
		{"a team's routes", map[string]any{"team_id_jwt_field": "team"}, jwt.MapClaims{"team": "t1"}, manage, caller{}, 403,
			"Team not allowed to access this route. Route=/key/generate, Allowed Routes=['openai_routes', 'info_routes']"},
		{"the operator's scope", nil, jwt.MapClaims{"scope": "openid litellm_proxy_admin"}, operators, caller{"proxy_admin", "", "", "", ""}, 0, ""},
		{"a scope of ours", map[string]any{"admin_jwt_scope": "root"}, jwt.MapClaims{"scope": []string{"root"}}, operators, caller{"proxy_admin", "", "", "", ""}, 0, ""},
		{"not the operator's scope", map[string]any{"user_id_jwt_field": "sub"}, jwt.MapClaims{"sub": "u", "scope": "litellm_proxy_admins"}, operators, caller{}, 401,
			"Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=/team/new. Your role=internal_user. Your user_id=u"},
		{"the operator's routes", nil, jwt.MapClaims{"scope": "litellm_proxy_admin"}, chatRoute, caller{}, 403,
			"Admin not allowed to access this route. Route=/v1/chat/completions, Allowed Routes=['management_routes', 'spend_tracking_routes', 'global_spend_tracking_routes', 'info_routes']"},
		{"a mapped role", map[string]any{"roles_jwt_field": "roles", "object_id_jwt_field": "client", "role_mappings": []map[string]string{{"role": "svc", "internal_role": "team"}}},
			jwt.MapClaims{"roles": []string{"x", "svc"}, "client": "t1"}, infoRoute, caller{"team", "", "t1", "", ""}, 0, ""},
		{"a role by a pattern", map[string]any{"user_id_jwt_field": "sub", "roles_jwt_field": "roles", "jwt_litellm_role_map": []map[string]string{{"jwt_role": "audit-*", "litellm_role": "proxy_admin_viewer"}}},
			jwt.MapClaims{"sub": "u", "roles": []string{"audit-eu"}}, infoRoute, caller{"proxy_admin_viewer", "u", "", "", ""}, 0, ""},
		{"enforce_rbac", map[string]any{"user_id_jwt_field": "sub", "enforce_rbac": true}, jwt.MapClaims{"sub": "u"}, infoRoute, caller{}, 403,
			"Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user."},
		{"roles of users", map[string]any{"user_id_jwt_field": "sub", "user_roles_jwt_field": "r", "user_allowed_roles": []string{"dev"}}, jwt.MapClaims{"sub": "u", "r": []string{"ops"}}, infoRoute, caller{}, 403,
			"User role not allowed. Allowed roles=['dev']"},
		{"an id that no store can keep", map[string]any{"user_id_jwt_field": "sub"}, jwt.MapClaims{"sub": "u\x00"}, infoRoute, caller{}, 403,
			"Authentication Error, a claim of the token that names who calls is longer than 400 bytes, or no text that can be stored."},
		{"an id that no store can index", map[string]any{"team_ids_jwt_field": "teams"}, jwt.MapClaims{"teams": []string{"t1", strings.Repeat("x", 401)}}, infoRoute, caller{}, 403,
			"Authentication Error, a claim of the token that names who calls is longer than 400 bytes, or no text that can be stored."},
		{"a domain", map[string]any{"user_id_jwt_field": "sub", "user_email_jwt_field": "email", "user_allowed_email_domain": "corp.example"}, jwt.MapClaims{"sub": "u", "email": "a@evil.example"}, infoRoute, caller{}, 403,
			"User's email domain is not allowed. Allowed domain=corp.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(&account.User{UserID: "u", UserRole: account.InternalUser}, &account.Team{TeamID: "t1", TeamAlias: "First"}, &account.Team{TeamID: "t2"}, &account.Organization{OrganizationID: "o"})
			g := tokenGate(t, i, m, tt.settings)
			who, err := bear(g, tt.route, sign(t, jwt.SigningMethodRS256, "k", k, tt.claims))
			if tt.status != 0 {
				wantRefusal(t, err, tt.status, "auth_error", tt.message)
				return
			}
			if err != nil {
				t.Fatalf("%d %s", err.Status, err.Message)
			}
			got := caller{string(who.Role), who.UserID(), who.TeamID(), who.OrgID(), who.Token.EndUser}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTokens_Upsert(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	m := newMemory()
	up := &upserts{m: m}
	g := tokenGate(t, i, m, map[string]any{"user_id_jwt_field": "sub", "team_id_jwt_field": "team", "user_id_upsert": true, "team_id_upsert": true}, func(o *access.TokenOptions) { o.Upsert = up })
	for range 2 {
		who, err := bear(g, infoRoute, sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"sub": "new", "team": "fresh"}))
		if err != nil || who.User == nil || who.Team == nil {
			t.Fatalf("%+v %v", who, err)
		}
	}
	if diff := cmp.Diff([]string{"user new internal_user", "team fresh"}, up.made); diff != "" {
		t.Error(diff)
	}
}

// A token whose claim is registered stands for a virtual key, with all that the key is held to.
func TestTokens_VirtualKey(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	mapping := &account.JWTKeyMapping{ID: "1", ClaimName: "client_id", ClaimValue: "robot", Token: account.HashKey(callersKey), IsActive: true}
	m := newMemory(virtual(callersKey, func(k *account.Key) { k.MaxBudget = "3" }))
	s, err := access.ParseTokenSettings(map[string]any{"virtual_key_claim_field": "client_id", "unregistered_jwt_client_behavior": "reject"})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := access.NewTokens(access.TokenOptions{Settings: s, KeyURLs: []string{i.server.URL}, Way: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	d := access.NewDirectory(m, access.DirectoryOptions{LastSync: time.Now})
	g := access.NewGate(access.Options{MasterKey: key, Tokens: tokens, Directory: d})
	token := sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"client_id": "robot"})
	if _, err := bear(g, infoRoute, token); err == nil || err.Status != 403 {
		t.Fatalf("not registered: %v", err)
	}
	d.Apply(m.put(mapping))
	who, refused := bear(g, infoRoute, token)
	if refused != nil || who.KeyHash() != account.HashKey(callersKey) {
		t.Fatalf("%+v %v", who, refused)
	}
	out, refused := g.AdmitModel(t.Context(), &who, &access.ModelCall{Route: chatRoute, Model: "a"})
	if refused != nil {
		t.Fatal(refused)
	}
	wantCap(t, out, account.KeyScope(account.HashKey(callersKey)), "3")
	mapping.IsActive = false
	d.Apply(m.put(mapping))
	if _, err := bear(g, infoRoute, token); err == nil {
		t.Error("a mapping that is not active counts")
	}
}

// Of several teams the one that may call the model pays.
func TestTokens_TeamByModel(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	m := newMemory(&account.Team{TeamID: "t1", Models: []string{"a"}}, &account.Team{TeamID: "t2", Models: []string{"b"}}, &account.User{UserID: "u"})
	g := tokenGate(t, i, m, map[string]any{"team_ids_jwt_field": "groups", "user_id_jwt_field": "sub"})
	token := sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"groups": []string{"t1", "t2"}, "sub": "u"})
	for model, team := range map[string]string{"a": "t1", "b": "t2"} {
		who, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		out, err := g.AdmitModel(t.Context(), &who, &access.ModelCall{Route: chatRoute, Model: model})
		if err != nil || who.TeamID() != team || !slices.Contains(out.Charges, account.TeamScope(team)) || !slices.Contains(out.Charges, account.MemberScope(team, "u")) {
			t.Errorf("%s: %v %v %v", model, who.TeamID(), out, err)
		}
	}
	_, err := call(g, token, access.ModelCall{Model: "c"})
	wantRefusal(t, err, 403, "auth_error", "No team has access to the requested model: c. Checked teams=['t1', 't2']. Check `/models` to see all available models.")
}

func TestTokens_Bounds(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	scopes := map[string]any{"user_id_jwt_field": "sub", "enforce_scope_based_access": true, "scope_mappings": []map[string]any{{"scope": "chat", "models": []string{"a"}}}}
	for _, tt := range []struct {
		name     string
		settings map[string]any
		claims   jwt.MapClaims
		model    string
		ok       bool
	}{
		{"a scope opens its models", scopes, jwt.MapClaims{"sub": "u", "scope": "chat"}, "a", true},
		{"and no others", scopes, jwt.MapClaims{"sub": "u", "scope": "chat"}, "b", false},
		{"no scope opens nothing", scopes, jwt.MapClaims{"sub": "u"}, "a", false},
		{"models are of teams", map[string]any{"user_id_jwt_field": "sub", "enforce_team_based_model_access": true}, jwt.MapClaims{"sub": "u"}, "a", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := tokenGate(t, i, newMemory(&account.User{UserID: "u"}), tt.settings)
			if _, err := call(g, sign(t, jwt.SigningMethodRS256, "k", k, tt.claims), access.ModelCall{Model: tt.model}); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTokens_NoStore(t *testing.T) {
	i := newIssuer(t)
	k := rsaKey(t)
	i.publish("k", k)
	tokens, err := access.NewTokens(access.TokenOptions{Settings: access.TokenSettings{UserID: "sub"}, KeyURLs: []string{i.server.URL}, Way: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	g := access.NewGate(access.Options{MasterKey: key, Tokens: tokens, Directory: access.NewDirectory(nil, access.DirectoryOptions{})})
	_, refused := bear(g, infoRoute, sign(t, jwt.SigningMethodRS256, "k", k, jwt.MapClaims{"sub": "u"}))
	wantRefusal(t, refused, 400, "no_db_connection", noConnection)
}

func TestParseTokenSettings(t *testing.T) {
	for _, bad := range []map[string]any{{"oidc_userinfo_enabled": true}, {"unregistered_jwt_client_behavior": "pass"}, {"sync_user_role_and_teams": true}, {"user_id_upsert": "yes"}} {
		if _, err := access.ParseTokenSettings(bad); err == nil || !strings.Contains(err.Error(), "litellm_jwtauth") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := access.NewTokens(access.TokenOptions{}); err == nil {
		t.Error("tokens without an issuer")
	}
}
