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
	r.RemoteAddr = remote
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestAdmit(t *testing.T) {
	bearer := []string{"Authorization", "Bearer " + key}
	with := func(more ...string) []string { return append(append([]string{}, bearer...), more...) }
	office := access.Options{MasterKey: key, AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	officeProxied := office
	officeProxied.UseForwarded = true
	untrusted := officeProxied
	untrusted.Proxies = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
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
		{"forwarded address is believed when told to", officeProxied, chatRoute, request("10.2.2.3:1", with("X-Forwarded-For", "10.1.2.3, 10.9.9.9")...), 0, ""},
		{"forwarded address of a proxy that is not trusted", untrusted, chatRoute, request("10.2.2.3:1", with("X-Forwarded-For", "10.1.2.3")...), 403, "10.2.2.3"},
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
