package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxRedirects is how many redirects Fetch follows.
	maxRedirects = 3
	// fetchTimeout bounds a whole fetch; the context may be shorter.
	fetchTimeout = 30 * time.Second
	// DefaultMaxFetchBytes bounds a fetched body when FetchOptions names no bound.
	DefaultMaxFetchBytes = 20 << 20
	maxFetchHeaderBytes  = 64 << 10
)

// FetchOptions says what a fetch may bring home.
type FetchOptions struct {
	// MaxBytes bounds the body; 0 means DefaultMaxFetchBytes.
	MaxBytes int64
	// Types lists the media types that are taken, "image/png" or "image/*"; empty means any.
	Types []string
}

// Fetched is the body behind a URL.
type Fetched struct {
	// MediaType is the type that the server declared, lower case, without parameters; "" when it declared none.
	MediaType string
	// Body is the whole body.
	Body []byte
}

// Fetch reads a URL that a caller supplied, under guard: http and https only, no user name, every address checked
// after resolution and on each of at most three redirects, size and type bounded, nothing of the gateway's sent along.
// Every error is a *FetchError; errors.Is finds context.Canceled and context.DeadlineExceeded in it.
func (e *Egress) Fetch(ctx context.Context, rawURL string, o FetchOptions) (Fetched, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxFetchBytes
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	u, err := url.Parse(rawURL)
	if err != nil {
		return Fetched{}, &FetchError{Kind: BadURL, reason: "URL cannot be parsed", err: err}
	}
	if err := e.guard.checkURL(u); err != nil {
		return Fetched{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Fetched{}, &FetchError{Kind: BadURL, reason: "URL cannot be parsed", err: err}
	}
	req.Header.Set("User-Agent", "tollgate")
	resp, err := e.fetch.Do(req)
	if err != nil {
		return Fetched{}, asFetchError(u, err)
	}
	defer resp.Body.Close()
	return readFetched(u, resp, o)
}

// newFetchClient builds the guarded client. Connections are not kept: hosts of callers rarely come twice, and none
// should outlive the check of its address.
func newFetchClient(g *guard, o Options, tlsConfig *tls.Config, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	t := &http.Transport{
		DialContext:            g.dialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    tlsHandshakeTimeout,
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		DisableCompression:     true, // a compressed body could pass the size bound when unpacked
		MaxResponseHeaderBytes: maxFetchHeaderBytes,
	}
	client := &http.Client{Transport: t, CheckRedirect: g.checkRedirect}
	if o.FetchViaProxy {
		proxied := t.Clone()
		proxied.Proxy = proxy
		proxied.DialContext = o.Dial
		client.Transport = &proxiedTransport{guard: g, proxy: proxy, direct: t, proxied: proxied}
	}
	return client
}

// proxiedTransport sends a request through the proxy that stands for its URL, after checking the addresses of its host
// here, and directly under guard where none does.
type proxiedTransport struct {
	guard           *guard
	proxy           func(*http.Request) (*url.URL, error)
	direct, proxied *http.Transport
}

func (t *proxiedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	via, err := t.proxy(r)
	if err != nil {
		return nil, err
	}
	if via == nil {
		return t.direct.RoundTrip(r)
	}
	if _, err := t.guard.addrs(r.Context(), r.URL.Hostname()); err != nil {
		return nil, err
	}
	return t.proxied.RoundTrip(r)
}

// checkRedirect applies the rules of the first URL to the next.
func (g *guard) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return &FetchError{Kind: BadRedirect, Host: via[0].URL.Hostname(), reason: fmt.Sprintf("more than %d redirects", maxRedirects)}
	}
	// A signed URL must not reach the next host as its Referer.
	r.Header.Del("Referer")
	return g.checkURL(r.URL)
}

// asFetchError gives the client's errors their type. The texts of net and net/http name addresses and resolvers, so
// they stay behind Unwrap.
func asFetchError(u *url.URL, err error) error {
	if fe, ok := errors.AsType[*FetchError](err); ok {
		return fe
	}
	reason := "host cannot be reached"
	if errors.Is(err, context.DeadlineExceeded) {
		reason = "host did not answer in time"
	}
	return &FetchError{Kind: Unreachable, Host: u.Hostname(), reason: reason, err: err}
}

// readFetched checks the answer and reads its body.
func readFetched(u *url.URL, resp *http.Response, o FetchOptions) (Fetched, error) {
	fail := func(k Kind, reason string) (Fetched, error) {
		return Fetched{}, &FetchError{Kind: k, Host: u.Hostname(), reason: reason}
	}
	if resp.StatusCode != http.StatusOK {
		return Fetched{}, &FetchError{
			Kind: BadStatus, Host: u.Hostname(), Status: resp.StatusCode,
			reason: fmt.Sprintf("host answered with status %d", resp.StatusCode),
		}
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return fail(BadType, "body is encoded although no encoding was asked for")
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	if !typeAllowed(o.Types, mediaType) {
		return fail(BadType, fmt.Sprintf("content type %q is not one of %s", mediaType, strings.Join(o.Types, ", ")))
	}
	tooLarge := fmt.Sprintf("body is larger than %d bytes", o.MaxBytes)
	if resp.ContentLength > o.MaxBytes {
		return fail(TooLarge, tooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, o.MaxBytes+1))
	if err != nil {
		return Fetched{}, asFetchError(u, err)
	}
	if int64(len(body)) > o.MaxBytes {
		return fail(TooLarge, tooLarge)
	}
	return Fetched{MediaType: mediaType, Body: body}, nil
}

// typeAllowed says whether a media type is in the list.
func typeAllowed(types []string, mediaType string) bool {
	if len(types) == 0 {
		return true
	}
	for _, t := range types {
		family, wild := strings.CutSuffix(t, "*")
		if t == mediaType || wild && strings.HasSuffix(family, "/") && strings.HasPrefix(mediaType, family) {
			return true
		}
	}
	return false
}
