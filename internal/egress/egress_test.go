package egress_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
)

// newEgress builds an Egress whose connections close with the test.
func newEgress(t testing.TB, o egress.Options) *egress.Egress {
	t.Helper()
	e, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.CloseIdleConnections)
	return e
}

// get reads a URL through the client for upstreams.
func get(t *testing.T, e *egress.Egress, url string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := e.HTTPClient().Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body), nil
}

func TestClientOffersNoEncodingAndFollowsNothing(t *testing.T) {
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.Header.Get("Accept-Encoding"))
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	resp, _, err := get(t, newEgress(t, egress.Options{}), srv.URL+"/chat")
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusTemporaryRedirect || len(seen) != 1 || seen[0] != "/chat " {
		t.Errorf("status %d, server saw %q; want the redirect itself after one request", resp.StatusCode, seen)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	const callers = 100
	var started sync.WaitGroup
	started.Add(callers)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/together" {
			started.Done()
			started.Wait() // so that no connection serves two of them
		}
	}))
	defer srv.Close()
	var mu sync.Mutex
	dials := 0
	e := newEgress(t, egress.Options{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		dials++
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, _, err := get(t, e, srv.URL+"/together"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 3 * callers {
		if _, _, err := get(t, e, srv.URL); err != nil {
			t.Fatal(err)
		}
	}
	if dials != callers {
		t.Errorf("%d connections for %d callers at once and %d calls after them", dials, callers, 3*callers)
	}
}

func TestTLS(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })
	newServer := func(minVersion, maxVersion uint16) *httptest.Server {
		srv := httptest.NewUnstartedServer(hello)
		srv.EnableHTTP2 = true
		srv.TLS = &tls.Config{MinVersion: minVersion, MaxVersion: maxVersion}
		srv.Config.ErrorLog = discardLog()
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	srv, old := newServer(tls.VersionTLS12, 0), newServer(tls.VersionTLS10, tls.VersionTLS11)
	ca := writePEM(t, srv.Certificate().Raw)

	if _, _, err := get(t, newEgress(t, egress.Options{}), srv.URL); err == nil {
		t.Error("an unknown authority is trusted")
	}
	if _, body, err := get(t, newEgress(t, egress.Options{ExtraCAFile: ca}), srv.URL); err != nil || body != "HTTP/2.0" {
		t.Errorf("with the CA bundle: %q, %v; want HTTP/2.0", body, err)
	}
	if _, _, err := get(t, newEgress(t, egress.Options{InsecureSkipVerify: true}), srv.URL); err != nil {
		t.Errorf("without checks: %v", err)
	}
	if _, _, err := get(t, newEgress(t, egress.Options{InsecureSkipVerify: true}), old.URL); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v, want it refused for its version", err)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	if _, _, err := get(t, newEgress(t, egress.Options{}), srv.URL); err != nil {
		t.Errorf("with SSL_CERT_FILE: %v", err)
	}
}

func TestCertificateFileErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tests := []struct{ name, file, want string }{
		{"missing", filepath.Join(dir, "nowhere.pem"), "no such file"},
		{"a directory", dir, "is a directory"},
		{"empty", write("empty.pem", ""), "file is empty"},
		{"blank", write("blank.pem", "\n \n"), "no PEM certificate"},
		{"no certificate", write("key.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "no PEM certificate"},
	}
	check := func(t *testing.T, err error, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("New = %v, want an error that says %q", err, part)
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := egress.New(egress.Options{ExtraCAFile: tt.file})
			check(t, err, "CA bundle", tt.file, tt.want)
			t.Setenv("SSL_CERT_FILE", tt.file)
			_, err = egress.New(egress.Options{})
			check(t, err, "SSL_CERT_FILE", tt.file, tt.want)
		})
	}
}

func TestProxy(t *testing.T) {
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.RequestURI)
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer proxy.Close()
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "REQUEST_METHOD"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", ".direct.test")
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != proxy.Listener.Addr().String() {
			return nil, errors.New("dialled " + address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	e := newEgress(t, egress.Options{Dial: dial})

	if _, _, err := get(t, e, "http://upstream.test/v1"); err != nil {
		t.Error(err)
	}
	if _, _, err := get(t, e, "https://inference.test/v1"); err == nil {
		t.Error("the proxy's refusal is lost")
	}
	if _, _, err := get(t, e, "http://model.direct.test/v1"); err == nil || !strings.Contains(err.Error(), "dialled model.direct.test:80") {
		t.Errorf("NO_PROXY: %v, want a direct connection", err)
	}
	want := "GET http://upstream.test/v1, CONNECT inference.test:443"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("proxy saw %q, want %q", got, want)
	}

	seen = nil
	none := newEgress(t, egress.Options{Dial: dial, Proxy: &httpproxy.Config{}})
	if _, _, err := get(t, none, "http://upstream.test/v1"); err == nil || len(seen) > 0 {
		t.Errorf("an explicit configuration without proxies: %v, proxy saw %v", err, seen)
	}
}
