package egress_test

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
)

// What stands beside the process is asked without a proxy, and trusted by its own authority alone.
func TestDirect(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the proxy was asked for %s", r.RequestURI)
	}))
	defer proxy.Close()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "beside") }))
	defer srv.Close()
	srv.Config.ErrorLog = discardLog()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	e := newEgress(t, egress.Options{Proxy: &httpproxy.Config{HTTPSProxy: proxy.URL}, Dial: dial, InsecureSkipVerify: true})
	ask := func(roots *x509.CertPool) error {
		t.Helper()
		client := &http.Client{Transport: e.Direct(roots)}
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://example.com/") // a name of the certificate of httptest
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	own := x509.NewCertPool()
	own.AddCert(srv.Certificate())
	if err := ask(own); err != nil {
		t.Errorf("with its authority: %v", err)
	}
	if err := ask(x509.NewCertPool()); err == nil {
		t.Error("another authority is trusted")
	}
	if err := ask(nil); err != nil {
		t.Errorf("without an authority of its own, checks are those of all calls: %v", err)
	}
}
