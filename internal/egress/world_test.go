package egress_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
)

// public is an address that no table calls special; the tests' dialer leads it to a server of their own.
const public = "93.184.215.14"

// world is the network that a Fetch sees: names that resolve to what a test says, and a dialer that leads every
// address to one server and notes what it was asked to dial.
type world struct {
	mu      sync.Mutex
	names   map[string][][]string // name -> the answer to the first look-up, to the second, ...
	lookups int
	dialled []string
	server  string // host:port of the server
}

func (w *world) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups++
	name := strings.TrimSuffix(host, ".")
	answers := w.names[name]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.9.8.7:53", IsNotFound: true}
	}
	if len(answers) > 1 {
		w.names[name] = answers[1:]
	}
	var addrs []netip.Addr
	for _, s := range answers[0] {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialled = append(w.dialled, address)
	w.mu.Unlock()
	if w.server == "" {
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, w.server)
}

// newWorld starts a server that runs h and a world in which example.com is at a public address that leads there.
func newWorld(t *testing.T, h http.HandlerFunc) *world {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &world{
		names:  map[string][][]string{"example.com": {{public}}, "other.example": {{public}}, "intern.example": {{"10.0.0.7"}}},
		server: srv.Listener.Addr().String(),
	}
}

func (w *world) egress(t *testing.T, o egress.Options) *egress.Egress {
	t.Helper()
	o.Dial, o.Resolver = w.dial, w
	if o.Proxy == nil {
		o.Proxy = &httpproxy.Config{}
	}
	e, err := egress.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// kindOf returns the kind of a FetchError, "" for no error.
func kindOf(t *testing.T, err error) egress.Kind {
	t.Helper()
	if err == nil {
		return ""
	}
	fe, ok := errors.AsType[*egress.FetchError](err)
	if !ok {
		t.Fatalf("error %v (%T) is no FetchError", err, err)
	}
	return fe.Kind
}

// writePEM writes certificates into a file of the test and returns its name.
func writePEM(t *testing.T, certs ...[]byte) string {
	t.Helper()
	var b []byte
	for _, der := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
