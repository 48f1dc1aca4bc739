package access_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

// CVE-2026-42208: what is sent as a key is never a part of a query. It does not even reach the store unless it looks like
// a key, and then only as a hash.
func TestAuthenticate_InjectedKeys(t *testing.T) {
	m := newMemory(virtual(callersKey))
	var asked []string
	m.before = func(_ account.Kind, id string) { asked = append(asked, id) }
	g, _ := gate(m, access.Policy{}, synced)
	for _, text := range []string{
		"x' OR '1'='1", "x' OR (SELECT pg_sleep(8)) IS NOT NULL --", "sk-x' OR '1'='1", "sk-x' OR (SELECT pg_sleep(8)) IS NOT NULL --",
		"sk-" + strings.Repeat("A", 1<<16), "sk-\x00", account.HashKey(callersKey), "sk-" + account.HashKey(callersKey), "*", "../../" + callersKey,
	} {
		for _, route := range []*access.Route{chatRoute, adminRoute, infoRoute, {Method: "POST", Path: "/key/generate", Permission: access.Manage}} {
			if err := page(g, text, route); err == nil || err.Status != http.StatusUnauthorized {
				t.Errorf("%.40q on %s: %v", text, route.Path, err)
			}
		}
	}
	for _, id := range asked {
		if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("the store was asked for %q", id)
		}
	}
}

// CVE-2026-49468: the decision depends on the route that was dispatched and on nothing that a caller writes into Host or
// the target.
func TestAdmit_HostDecidesNothing(t *testing.T) {
	g, _ := gate(newMemory(virtual(callersKey)), access.Policy{}, synced)
	manage := &access.Route{Method: "POST", Path: "/key/generate", Permission: access.Manage}
	for _, host := range []string{"localhost:4000/#@x", "localhost/?", "localhost/health/liveness", "127.0.0.1", "x@localhost"} {
		for _, target := range []string{"/", "/health/liveness", "//health/liveness", "/%2e%2e/health", "/key/generate;/health/liveness"} {
			r := request("127.0.0.1:1", "Host", host)
			r.URL.Path, r.RequestURI = target, target
			if _, err := g.Admit(manage, r); err == nil || err.Status != http.StatusUnauthorized {
				t.Errorf("%s %s: %v", host, target, err)
			}
		}
	}
}

// CVE-2026-12772: who was demoted, deactivated or deleted is refused by the next call.
func TestAdmit_DemotedUsers(t *testing.T) {
	m := newMemory(virtual(callersKey, func(k *account.Key) { k.UserID = "u" }), &account.User{UserID: "u", UserRole: account.ProxyAdmin})
	g, d := gate(m, access.Policy{}, synced)
	if err := page(g, callersKey, adminRoute); err != nil {
		t.Fatal(err)
	}
	d.Apply(m.put(&account.User{UserID: "u", UserRole: account.InternalUser}))
	if page(g, callersKey, adminRoute) == nil {
		t.Error("demoted, and still the operator")
	}
	d.Apply(m.put(&account.User{UserID: "u", Metadata: map[string]any{"scim_active": false}}))
	wantRefusal(t, page(g, callersKey, infoRoute), 401, "auth_error", "Authentication Error, User=u is deactivated.")
}

// A key for calls alone may have been made for the operator by somebody else: it does not act, or read, as the operator.
func TestAuthenticate_KeysForCalls(t *testing.T) {
	for _, role := range []account.Role{account.ProxyAdmin, account.ProxyAdminViewer} {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.UserID, k.AllowedRoutes = "u", []string{"llm_api_routes", "/key/info"} }), &account.User{UserID: "u", UserRole: role})
		g, _ := gate(m, access.Policy{}, synced)
		if who := identify(t, g, callersKey); who.Role != account.InternalUser {
			t.Errorf("%s: acts as %s", role, who.Role)
		}
		m.put(virtual(callersKey, func(k *account.Key) { k.UserID, k.AllowedRoutes = "u", []string{"llm_api_routes", "/user/info"} }))
		g, _ = gate(m, access.Policy{}, synced)
		if who := identify(t, g, callersKey); who.Role != role {
			t.Errorf("%s: acts as %s", role, who.Role)
		}
	}
}

// Nothing of a gate or an identity prints the master key.
func TestGate_PrintsNoKey(t *testing.T) {
	g, _ := gate(newMemory(), access.Policy{}, synced)
	who := identify(t, g, key)
	for _, text := range []string{fmt.Sprintf("%+v", g), fmt.Sprintf("%#v", *g), fmt.Sprintf("%+v", who)} {
		if strings.Contains(text, key) {
			t.Error("the master key is printed")
		}
	}
	if who.KeyHash() != "litellm_proxy_master_key" || who.UserID() != "default_user_id" {
		t.Errorf("%s %s", who.KeyHash(), who.UserID())
	}
}
