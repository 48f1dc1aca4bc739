package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
)

func servePNG(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "Image/PNG; q=1")
	fmt.Fprint(w, "pixels")
}

func TestFetch(t *testing.T) {
	var got *http.Request
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) { got = r; servePNG(rw, r) })
	f, err := w.egress(t, egress.Options{}).Fetch(t.Context(), "http://Example.com/a%20b?c=d#e", egress.FetchOptions{MaxBytes: 6, Types: []string{"image/*"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Body) != "pixels" || f.MediaType != "image/png" {
		t.Errorf("Fetch = %q, %q", f.Body, f.MediaType)
	}
	if w.dialled[0] != public+":80" || w.lookups != 1 {
		t.Errorf("dialled %v after %d look-ups, want the address of the only one", w.dialled, w.lookups)
	}
	if got.RequestURI != "/a%20b?c=d" || got.Header.Get("Accept-Encoding") != "" || got.Host != "Example.com" {
		t.Errorf("server saw %s of %s, headers %v", got.RequestURI, got.Host, got.Header)
	}
}

// GHSA-w98g-5w9p-p3rc, CVE-2025-59146, CVE-2025-62155, CVE-2026-42339, maximhq/bifrost#5772, songquanpeng/one-api#2388.
func TestFetchRefusesURL(t *testing.T) {
	tests := []struct {
		url  string
		want egress.Kind
	}{
		{"http://127.0.0.1/", egress.Blocked},
		{"http://127.0.0.1:6379/", egress.Blocked},
		{"https://10.1.2.3/", egress.Blocked},
		{"http://0.0.0.0/", egress.Blocked},
		{"http://169.254.169.254/opc/v2/instance/", egress.Blocked},
		{"http://100.64.0.1/", egress.Blocked},
		{"http://[::1]/", egress.Blocked},
		{"http://[::]/", egress.Blocked},
		{"http://[::ffff:127.0.0.1]/", egress.Blocked},
		{"http://[::ffff:7f00:1]/", egress.Blocked},
		{"http://[::127.0.0.1]/", egress.Blocked},
		{"http://[2002:7f00:1::]/", egress.Blocked},
		{"http://[64:ff9b::a9fe:a9fe]/", egress.Blocked},
		{"http://[fec0::1]/", egress.Blocked},
		{"http://[fd00:ec2::254]/", egress.Blocked},
		{"http://①②⑦.0.0.1/", egress.Blocked},
		{"http://intern.example/", egress.Blocked},
		{"http://INTERN.example./", egress.Blocked},
		{"http://%31%32%37.0.0.1/", egress.BadURL},
		{"http://2130706433/", egress.BadURL},
		{"http://0x7f.1/", egress.BadURL},
		{"http://0x7f000001/", egress.BadURL},
		{"http://0177.0.0.1/", egress.BadURL},
		{"http://127.1/", egress.BadURL},
		{"http://127.0.0.1./", egress.BadURL},
		{"http://[fe80::1%25eth0]/", egress.BadURL},
		{"http://user@example.com/", egress.BadURL},
		{"http://user:pass@example.com/", egress.BadURL},
		{"http://example.com@127.0.0.1/", egress.BadURL},
		{"http:///path", egress.BadURL},
		{"http://", egress.BadURL},
		{"//example.com/", egress.BadURL},
		{"example.com", egress.BadURL},
		{"file:///etc/passwd", egress.BadURL},
		{"ftp://example.com/", egress.BadURL},
		{"gopher://example.com/", egress.BadURL},
		{"data:text/plain,x", egress.BadURL},
		{"javascript:alert(1)", egress.BadURL},
		{"http://exa\nmple.com/", egress.BadURL},
		{"http://example.com:port/", egress.BadURL},
		{"", egress.BadURL},
		{"http://unknown.example/", egress.Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			w := newWorld(t, servePNG)
			_, err := w.egress(t, egress.Options{}).Fetch(t.Context(), tt.url, egress.FetchOptions{})
			if got := kindOf(t, err); got != tt.want {
				t.Errorf("Fetch = %v (%s), want %s", err, got, tt.want)
			}
			if len(w.dialled) > 0 {
				t.Errorf("dialled %v", w.dialled)
			}
		})
	}
}

// A name with one private address among public ones is refused whole, wherever that one stands.
func TestFetchRefusesMixedAnswer(t *testing.T) {
	for _, answer := range [][]string{{public, "127.0.0.1"}, {"fd00::1", public}, {public, "::ffff:10.0.0.1"}} {
		w := newWorld(t, servePNG)
		w.names["example.com"] = [][]string{answer}
		_, err := w.egress(t, egress.Options{}).Fetch(t.Context(), "http://example.com/", egress.FetchOptions{})
		if kindOf(t, err) != egress.Blocked || len(w.dialled) > 0 {
			t.Errorf("%v: Fetch = %v, dialled %v; want it blocked", answer, err, w.dialled)
		}
	}
}

// A name that changes its address between the check and the connection finds no second look-up to change it for.
func TestFetchDialsWhatItChecked(t *testing.T) {
	w := newWorld(t, servePNG)
	w.names["example.com"] = [][]string{{public}, {"127.0.0.1"}}
	if _, err := w.egress(t, egress.Options{}).Fetch(t.Context(), "http://example.com/", egress.FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	if w.lookups != 1 || len(w.dialled) != 1 || w.dialled[0] != public+":80" {
		t.Errorf("%d look-ups, dialled %v", w.lookups, w.dialled)
	}
}

// The second address is tried when the first does not answer.
func TestFetchTriesEveryAddress(t *testing.T) {
	w := newWorld(t, servePNG)
	w.names["example.com"] = [][]string{{"2606:2800:21f::1", public}}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "[") {
			return nil, errors.New("network is unreachable")
		}
		return w.dial(ctx, network, address)
	}
	e, err := egress.New(egress.Options{Dial: dial, Resolver: w})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Fetch(t.Context(), "http://example.com/", egress.FetchOptions{}); err != nil {
		t.Error(err)
	}
}

// GHSA-9f46-w24h-69w4: the check holds on every hop.
func TestFetchRedirects(t *testing.T) {
	var referers []string
	w := newWorld(t, func(rw http.ResponseWriter, r *http.Request) {
		referers = append(referers, r.Header.Get("Referer"))
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/hops/%d", &n); err == nil && n > 0 {
			http.Redirect(rw, r, fmt.Sprintf("http://other.example/hops/%d", n-1), http.StatusFound)
			return
		}
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(rw, r, to, http.StatusTemporaryRedirect)
			return
		}
		servePNG(rw, r)
	})
	tests := []struct {
		url  string
		want egress.Kind
	}{
		{"http://example.com/hops/3?secret=1", ""},
		{"http://example.com/hops/4", egress.BadRedirect},
		{"http://example.com/?to=" + url.QueryEscape("http://127.0.0.1/"), egress.Blocked},
		{"http://example.com/?to=" + url.QueryEscape("http://169.254.169.254/latest/"), egress.Blocked},
		{"http://example.com/?to=" + url.QueryEscape("http://intern.example/"), egress.Blocked},
		{"http://example.com/?to=" + url.QueryEscape("http://2130706433/"), egress.BadURL},
		{"http://example.com/?to=" + url.QueryEscape("file:///etc/passwd"), egress.BadURL},
		{"http://example.com/?to=" + url.QueryEscape("http://user@other.example/"), egress.BadURL},
	}
	for _, tt := range tests {
		w.dialled = nil
		_, err := w.egress(t, egress.Options{}).Fetch(t.Context(), tt.url, egress.FetchOptions{})
		if got := kindOf(t, err); got != tt.want {
			t.Errorf("Fetch(%s) = %v, want %q", tt.url, err, tt.want)
		}
		for _, a := range w.dialled {
			if a != public+":80" {
				t.Errorf("Fetch(%s) dialled %s", tt.url, a)
			}
		}
	}
	for _, ref := range referers {
		if ref != "" {
			t.Errorf("a redirect carried the Referer %s", ref)
		}
	}
}

func TestFetchRefusesAnswer(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   egress.Kind
	}{
		{"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, egress.BadStatus},
		{"partial content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) }, egress.BadStatus},
		{"type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<p>")
		}, egress.BadType},
		{"type that only begins the same", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "imagex/png")
			fmt.Fprint(w, "x")
		}, egress.BadType},
		{"no type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			fmt.Fprint(w, "x")
		}, egress.BadType},
		{"encoded", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			servePNG(w, r)
		}, egress.BadType},
		{"announced too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", "11")
			fmt.Fprint(w, "12345678901")
		}, egress.TooLarge},
		{"chunked too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			for range 11 {
				fmt.Fprint(w, "1")
				w.(http.Flusher).Flush()
			}
		}, egress.TooLarge},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", "8")
			fmt.Fprint(w, "1234")
		}, egress.Unreachable},
		{"endless headers", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 100_000))
			servePNG(w, r)
		}, egress.Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.answer)
			_, err := w.egress(t, egress.Options{}).Fetch(t.Context(), "http://example.com/", egress.FetchOptions{MaxBytes: 10, Types: []string{"image/*", "application/pdf"}})
			if got := kindOf(t, err); got != tt.want {
				t.Errorf("Fetch = %v, want %s", err, tt.want)
			}
		})
	}
}

// What the caller reads names no address of ours and no resolver; the log finds both behind it.
func TestFetchErrorsKeepTheNetworkToThemselves(t *testing.T) {
	w := newWorld(t, servePNG)
	e := w.egress(t, egress.Options{})

	_, err := e.Fetch(t.Context(), "http://intern.example/x?token=t", egress.FetchOptions{})
	fe, _ := errors.AsType[*egress.FetchError](err)
	if want := "fetch intern.example: host is not at a public address"; err.Error() != want || fe.Range != "private" {
		t.Errorf("error %q (range %q), want %q", err, fe.Range, want)
	}

	_, err = e.Fetch(t.Context(), "http://unknown.example/", egress.FetchOptions{})
	if want := "fetch unknown.example: host cannot be resolved"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, ok := errors.AsType[*net.DNSError](err); !ok {
		t.Error("the cause is lost")
	}

	w.server = ""
	_, err = e.Fetch(t.Context(), "http://example.com/", egress.FetchOptions{})
	if want := "fetch example.com: host cannot be reached"; err.Error() != want || kindOf(t, err) != egress.Unreachable {
		t.Errorf("error %q, want %q", err, want)
	}
	if cause := errors.Unwrap(err); cause == nil || !strings.Contains(cause.Error(), public) {
		t.Errorf("cause %v does not name the address", cause)
	}
}

func TestFetchFollowsContext(t *testing.T) {
	w := newWorld(t, servePNG)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.egress(t, egress.Options{}).Fetch(ctx, "http://example.com/", egress.FetchOptions{})
	if kindOf(t, err) != egress.Unreachable || !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch = %v, want context.Canceled", err)
	}
}

// A server that never answers holds the caller no longer than the caller's own deadline.
func TestFetchDeadline(t *testing.T) {
	w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := w.egress(t, egress.Options{}).Fetch(ctx, "http://example.com/", egress.FetchOptions{})
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "fetch example.com: host did not answer in time" {
		t.Errorf("Fetch = %v", err)
	}
}

// An operator's own image server: allowed by its network, the rest of the private world stays closed.
func TestFetchAllow(t *testing.T) {
	w := newWorld(t, servePNG)
	e := w.egress(t, egress.Options{FetchAllow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28")}})
	if _, err := e.Fetch(t.Context(), "http://intern.example/", egress.FetchOptions{}); err != nil {
		t.Errorf("allowed network: %v", err)
	}
	for _, u := range []string{"http://10.0.0.16/", "http://127.0.0.1/"} {
		if _, err := e.Fetch(t.Context(), u, egress.FetchOptions{}); kindOf(t, err) != egress.Blocked {
			t.Errorf("%s: %v, want it blocked", u, err)
		}
	}
}

func TestFetchOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(servePNG)) // its certificate is for example.com
	defer srv.Close()
	w := newWorld(t, servePNG)
	w.server = srv.Listener.Addr().String()
	ca := writePEM(t, srv.Certificate().Raw)

	if _, err := w.egress(t, egress.Options{ExtraCAFile: ca}).Fetch(t.Context(), "https://example.com/", egress.FetchOptions{}); err != nil {
		t.Error(err)
	}
	if w.dialled[0] != public+":443" {
		t.Errorf("dialled %v", w.dialled)
	}
	// The switch that turns checks off is for configured upstreams alone.
	if _, err := w.egress(t, egress.Options{InsecureSkipVerify: true}).Fetch(t.Context(), "https://example.com/", egress.FetchOptions{}); kindOf(t, err) != egress.Unreachable {
		t.Errorf("Fetch with an unknown authority = %v", err)
	}
}

func TestFetchAndProxy(t *testing.T) {
	var proxied []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied = append(proxied, r.RequestURI)
		servePNG(w, r)
	}))
	defer proxy.Close()
	w := newWorld(t, servePNG)
	direct := w.server
	w.names["proxy.intern"] = [][]string{{"10.0.0.9"}}
	conf := &httpproxy.Config{HTTPProxy: "http://proxy.intern:3128", NoProxy: "other.example"}

	if _, err := w.egress(t, egress.Options{Proxy: conf}).Fetch(t.Context(), "http://example.com/direct", egress.FetchOptions{}); err != nil || len(proxied) != 0 {
		t.Errorf("by default: %v, through the proxy: %v", err, proxied)
	}

	w.server = proxy.Listener.Addr().String()
	w.dialled = nil
	e := w.egress(t, egress.Options{Proxy: conf, FetchViaProxy: true})
	if _, err := e.Fetch(t.Context(), "http://example.com/", egress.FetchOptions{}); err != nil {
		t.Error(err)
	}
	if len(proxied) != 1 || proxied[0] != "http://example.com/" || w.dialled[0] != "proxy.intern:3128" {
		t.Errorf("proxy saw %v, dialled %v", proxied, w.dialled)
	}
	for _, u := range []string{"http://127.0.0.1/", "http://intern.example/"} {
		if _, err := e.Fetch(t.Context(), u, egress.FetchOptions{}); kindOf(t, err) != egress.Blocked {
			t.Errorf("%s through the proxy = %v, want it blocked", u, err)
		}
	}

	// What NO_PROXY names goes out directly, under guard.
	w.server, w.dialled = direct, nil
	if _, err := e.Fetch(t.Context(), "http://other.example/", egress.FetchOptions{}); err != nil || w.dialled[0] != public+":80" {
		t.Errorf("NO_PROXY: %v, dialled %v", err, w.dialled)
	}
	if len(proxied) != 1 {
		t.Errorf("proxy saw %v", proxied)
	}
}
