package access_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"tollgate/internal/access"
)

const key = "sk-master-0123456789"

var (
	chatRoute  = &access.Route{Method: "POST", Path: "/v1/chat/completions", Permission: access.Models}
	adminRoute = &access.Route{Method: "GET", Path: "/health", Permission: access.Admin}
	openRoute  = &access.Route{Method: "GET", Path: "/health/liveness", Permission: access.Public}
)

func request(remote string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", "/v1/chat/completions", nil)
	r.RemoteAddr, r.Host = remote, "localhost:4000"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" { // net/http takes it out of the headers
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestAdmit(t *testing.T) {
	bearer := []string{"Authorization", "Bearer " + key}
	with := func(more ...string) []string { return append(append([]string{}, bearer...), more...) }
	office := access.Options{MasterKey: key, AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	officeProxied := office
	officeProxied.UseForwarded = true
	trusting := officeProxied
	trusting.Proxies = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
	const forwarded = "X-Forwarded-For"
	tests := []struct {
		name   string
		opts   access.Options
		route  *access.Route
		r      *http.Request
		status int // 0 = admitted
		want   string
	}{
		{"public needs nothing", access.Options{MasterKey: key}, openRoute, request("192.0.2.1:1"), 0, ""},
		{"master key", access.Options{MasterKey: key}, adminRoute, request("192.0.2.1:1", bearer...), 0, ""},
		{"a longer key", access.Options{MasterKey: key}, chatRoute, request("192.0.2.1:1", "Authorization", "Bearer "+key+"x"), 401, "Invalid proxy server token"},
		{"a Host header decides nothing", access.Options{MasterKey: key}, chatRoute, request("192.0.2.1:1", "Host", "localhost"), 401, "No api key passed in."},
		{"key header replaces the others", access.Options{MasterKey: key, KeyHeader: "X-Corp-Key"}, chatRoute, request("192.0.2.1:1", bearer...), 401, "No api key passed in."},
		{"key header", access.Options{MasterKey: key, KeyHeader: "X-Corp-Key"}, chatRoute, request("192.0.2.1:1", "X-Corp-Key", "Bearer "+key), 0, ""},
		{"key header needs Bearer", access.Options{MasterKey: key, KeyHeader: "X-Corp-Key"}, chatRoute, request("192.0.2.1:1", "X-Corp-Key", key), 401, "Malformed API Key"},
		{"address allowed", office, chatRoute, request("10.1.2.3:1", bearer...), 0, ""},
		{"address not allowed", office, chatRoute, request("10.2.2.3:1", bearer...), 403, "Access forbidden: IP address 10.2.2.3 not allowed."},
		{"forwarded address is not believed", office, chatRoute, request("10.2.2.3:1", with("X-Forwarded-For", "10.1.2.3")...), 403, "10.2.2.3"},
		{"forwarded address is believed when told to", officeProxied, chatRoute, request("10.2.2.3:1", with(forwarded, "10.1.2.3")...), 0, ""},
		{"what the caller wrote before it is not", officeProxied, chatRoute, request("10.2.2.3:1", with(forwarded, "10.1.2.3, 203.0.113.9")...), 403, "203.0.113.9"},
		{"nor in a line of its own", officeProxied, chatRoute, request("10.2.2.3:1", with(forwarded, "10.1.2.3", forwarded, "203.0.113.9")...), 403, "203.0.113.9"},
		{"no forwarded address", officeProxied, chatRoute, request("10.1.2.3:1", bearer...), 0, ""},
		{"an empty forwarded address", officeProxied, chatRoute, request("10.1.2.3:1", with(forwarded, " , ")...), 0, ""},
		{"a forwarded name", officeProxied, chatRoute, request("10.1.2.3:1", with(forwarded, "10.1.2.3, unknown")...), 403, "IP address unknown not"},
		{"a neighbour that is no trusted proxy", trusting, chatRoute, request("10.2.2.3:1", with(forwarded, "10.1.2.3")...), 403, "10.2.2.3"},
		{"through a trusted proxy", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.1.2.3")...), 0, ""},
		{"through two", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.1.2.3, 10.9.0.2")...), 0, ""},
		{"through two, in two lines", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "203.0.113.9, 10.1.2.3", forwarded, "10.9.0.2")...), 0, ""},
		{"an address invented before the caller's own", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.1.2.3, 203.0.113.9, 10.9.0.2")...), 403, "203.0.113.9"},
		{"a trusted proxy invented before the caller's own", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.1.2.3, 10.9.0.7, 203.0.113.9")...), 403, "203.0.113.9"},
		{"from the last trusted proxy itself", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.9.0.3, 10.9.0.2")...), 403, "10.9.0.3"},
		{"with ports", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "10.1.2.3:5555, [::ffff:10.9.0.2]:443")...), 0, ""},
		{"in brackets", trusting, chatRoute, request("10.9.0.1:1", with(forwarded, "[2001:db8::7]")...), 403, "2001:db8::7"},
		{"IPv4 in IPv6", office, chatRoute, request("[::ffff:10.1.2.3]:1", bearer...), 0, ""},
		{"route not allowed", access.Options{MasterKey: key, AllowedRoutes: []string{"/v1/embeddings"}}, chatRoute, request("192.0.2.1:1", bearer...), 403, "Access forbidden: Route /v1/chat/completions not allowed"},
		{"route allowed by group", access.Options{MasterKey: key, AllowedRoutes: []string{"llm_api_routes"}}, chatRoute, request("192.0.2.1:1", bearer...), 0, ""},
		{"route allowed by prefix", access.Options{MasterKey: key, AllowedRoutes: []string{"/v1/*"}}, chatRoute, request("192.0.2.1:1", bearer...), 0, ""},
		{"public route of the operator", access.Options{MasterKey: key, PublicRoutes: []string{"/health"}}, adminRoute, request("192.0.2.1:1"), 0, ""},
		{"no master key, this machine", access.Options{}, chatRoute, request("127.0.0.1:1"), 0, ""},
		{"no master key, IPv6", access.Options{}, chatRoute, request("[::1]:1"), 0, ""},
		{"no master key, another machine", access.Options{}, chatRoute, request("192.0.2.1:1"), 401, "no master key"},
		{"no master key, local page", access.Options{}, chatRoute, request("127.0.0.1:1", "Origin", "http://localhost:3000"), 0, ""},
		{"no master key, foreign page", access.Options{}, chatRoute, request("127.0.0.1:1", "Origin", "https://evil.example"), 401, "no master key"},
		{"no master key, a local page's own origin", access.Options{}, chatRoute, request("127.0.0.1:1", "Origin", "http://app.localhost:3000"), 0, ""},
		{"no master key, Host 127.0.0.1", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "127.0.0.1:4000"), 0, ""},
		{"no master key, Host 127.9.9.9", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "127.9.9.9"), 0, ""},
		{"no master key, Host [::1]", access.Options{}, chatRoute, request("[::1]:1", "Host", "[::1]"), 0, ""},
		{"no master key, Host [::1] with a port", access.Options{}, chatRoute, request("[::1]:1", "Host", "[::1]:4000"), 0, ""},
		{"no master key, Host LOCALHOST", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "LOCALHOST"), 0, ""},
		{"no master key, Host below localhost", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "gate.localhost:4000"), 0, ""},
		{"no master key, a name that was made to resolve to here", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "rebind.example:4000"), 401, "no master key"},
		{"no master key, a name that looks like localhost", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "localhost.evil.example"), 401, "no master key"},
		{"no master key, a name that ends like localhost", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "evillocalhost"), 401, "no master key"},
		{"no master key, Host 0.0.0.0", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", "0.0.0.0:4000"), 401, "no master key"},
		{"no master key, no Host", access.Options{}, chatRoute, request("127.0.0.1:1", "Host", ""), 401, "no master key"},
		{"with a master key any Host", access.Options{MasterKey: key}, chatRoute, request("127.0.0.1:1", with("Host", "gate.example")...), 0, ""},
		{"no master key, management", access.Options{}, adminRoute, request("127.0.0.1:1"), 401, "management API is closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := access.NewGate(tt.opts).Admit(tt.route, tt.r)
			switch {
			case tt.status == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case tt.status != 0 && err == nil:
				t.Error("admitted")
			case err != nil && (err.Status != tt.status || !strings.Contains(err.Message, tt.want)):
				t.Errorf("%d %s", err.Status, err.Message)
			}
		})
	}
}

// IsAdmin is about the key alone: neither a public route nor a list of allowed routes changes who has shown it.
func TestIsAdmin(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts access.Options
		r    *http.Request
		want bool
	}{
		{"the master key", access.Options{MasterKey: key}, request("192.0.2.1:1", "Authorization", "Bearer "+key), true},
		{"another key", access.Options{MasterKey: key}, request("192.0.2.1:1", "Authorization", "Bearer "+key+"x"), false},
		{"no key", access.Options{MasterKey: key, PublicRoutes: []string{"/model/info"}}, request("192.0.2.1:1"), false},
		{"the master key, few routes", access.Options{MasterKey: key, AllowedRoutes: []string{"llm_api_routes"}}, request("192.0.2.1:1", "Authorization", "Bearer "+key), true},
		{"a gateway without keys", access.Options{}, request("127.0.0.1:1", "Authorization", "Bearer "), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := access.NewGate(tt.opts).IsAdmin(tt.r); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// FuzzKey feeds foreign bytes to the parser of Authorization: nothing but the exact key gets in, and no answer
// repeats what was sent.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"Bearer " + key, "Basic x", "AWS4-HMAC-SHA256 Credential=Bearer x/y", "Bearer", "", "Bearer  " + key, "bearer\tx", "Bearer x' OR '1'='1"} {
		f.Add(s)
	}
	gate := access.NewGate(access.Options{MasterKey: key})
	f.Fuzz(func(t *testing.T, header string) {
		r := request("192.0.2.1:1")
		r.Header["Authorization"] = []string{header}
		who, err := gate.Admit(chatRoute, r)
		if err == nil {
			if !strings.Contains(header, key) || who.Role != access.ProxyAdmin {
				t.Fatalf("%q was let in as %v", header, who)
			}
			return
		}
		if err.Status != http.StatusUnauthorized {
			t.Fatalf("%q: status %d", header, err.Status)
		}
		if sent := strings.TrimPrefix(header, "Bearer "); len(sent) > 12 && strings.Contains(err.Message, sent) && !strings.Contains("Authentication Error, No api key passed in. Malformed API Key passed in. Ensure Key has `Bearer ` prefix.", sent) {
			t.Fatalf("the answer repeats the key: %s", err.Message)
		}
	})
}
