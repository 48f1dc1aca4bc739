// Package egress holds the one dialer and the one transport through which every outgoing call goes.
//
// Two kinds of target exist. Upstreams that the operator configured are reached by Transport and HTTPClient: pooled,
// through the proxies of the environment, any address. URLs that callers supplied (an image in a prompt, say) are
// reached by Fetch alone, which checks every address after name resolution and on every redirect, so that a caller
// cannot make the gateway speak to the network it stands in. Most holes of this kind in other gateways came from a
// second place that dialled on its own.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Defaults of Options.
const (
	// DefaultDialTimeout bounds one TCP connection attempt.
	DefaultDialTimeout = 10 * time.Second
	// DefaultMaxIdlePerHost is how many idle connections are kept to one upstream host. All deployments of a region
	// share one OCI host, so this is the number of concurrent calls that need no new handshake.
	DefaultMaxIdlePerHost = 512
)

const (
	tlsHandshakeTimeout = 10 * time.Second
	idleConnTimeout     = 90 * time.Second
	// A reasoning model can be silent for tens of seconds; pings tell such a silence from a dead HTTP/2 connection.
	http2PingAfter   = 30 * time.Second
	http2PingTimeout = 15 * time.Second
	// A prompt of 32 kB and its headers leave in one write of 64 KiB, which takes a fifth off the call against 32 KiB
	// and more against net/http's 4 KiB; beyond that nothing is gained (BenchmarkTransportBuffers). Answers come in
	// small pieces, and reads of large ones pass the buffer by.
	writeBufferSize = 64 << 10
	readBufferSize  = 16 << 10
)

// DialFunc opens one connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Resolver turns a host name into its addresses; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options says how the process reaches the outside. The zero value is usable.
type Options struct {
	// ExtraCAFile is a PEM file of certificate authorities that are trusted beside the system's and SSL_CERT_FILE's.
	ExtraCAFile string
	// InsecureSkipVerify turns certificate checks off for configured upstreams (LiteLLM's ssl_verify: false). Fetch
	// always checks.
	InsecureSkipVerify bool
	// Proxy names the proxies; nil means HTTPS_PROXY, HTTP_PROXY and NO_PROXY as they stand when New is called.
	Proxy *httpproxy.Config
	// DialTimeout bounds one TCP connection attempt; 0 means DefaultDialTimeout.
	DialTimeout time.Duration
	// MaxIdlePerHost is the number of idle connections kept to one host; 0 means DefaultMaxIdlePerHost.
	MaxIdlePerHost int

	// FetchViaProxy sends Fetch through the proxies too. The name is still resolved and checked here, but the proxy
	// resolves it again, so the proxy must have its own guard.
	FetchViaProxy bool
	// FetchAllow lists special networks that Fetch may reach all the same, for an image server of the operator's own.
	FetchAllow []netip.Prefix

	// Debug, where its level is that of debug logs, shows each request of Transport and the status of its answer, without keys.
	Debug *slog.Logger
	// DebugBodies shows what is sent as well.
	DebugBodies bool

	// Dial opens connections in place of net.Dialer, for tests.
	Dial DialFunc
	// Resolver resolves the names that Fetch meets; nil means the system's.
	Resolver Resolver
}

// Egress is the way out of the process. It is safe for concurrent use.
type Egress struct {
	upstream *http.Transport
	shown    *shown  // in front of upstream; nil = debug logs are off
	guarded  *Egress // nil in the guarded one itself
	fetch    *http.Client
	guard    *guard
}

// TLSConfig is how clients that speak no HTTP check certificates: as the transports do. It fails as New does.
func TLSConfig(extraCAFile string) (*tls.Config, error) {
	roots, err := certPool(extraCAFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}

// New builds the transports. It fails when a certificate file cannot be read or holds no certificate.
func New(o Options) (*Egress, error) {
	roots, err := certPool(o.ExtraCAFile)
	if err != nil {
		return nil, err
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	if o.MaxIdlePerHost == 0 {
		o.MaxIdlePerHost = DefaultMaxIdlePerHost
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Proxy == nil {
		o.Proxy = httpproxy.FromEnvironment()
	}
	proxyOf := o.Proxy.ProxyFunc()
	proxy := func(r *http.Request) (*url.URL, error) { return proxyOf(r.URL) }

	g := &guard{resolver: o.Resolver, dial: o.Dial, allow: o.FetchAllow}
	e := &Egress{guard: g}
	e.upstream = &http.Transport{
		Proxy:               proxy,
		DialContext:         o.Dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: o.InsecureSkipVerify},
		TLSHandshakeTimeout: tlsHandshakeTimeout,
		MaxIdleConnsPerHost: o.MaxIdlePerHost,
		IdleConnTimeout:     idleConnTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: http2PingAfter, PingTimeout: http2PingTimeout},
		// No Accept-Encoding is offered unless a caller sets one: OCI compresses a stream event by event, one zstd
		// frame each, and a stream has nothing to gain.
		DisableCompression: true,
		WriteBufferSize:    writeBufferSize,
		ReadBufferSize:     readBufferSize,
		// No ResponseHeaderTimeout: how long a model may think is decided by the context of each call.
	}
	e.fetch = newFetchClient(g, o, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, proxy)
	cautious := e.upstream.Clone()
	cautious.Proxy, cautious.DialContext = nil, g.dialContext
	cautious.TLSClientConfig.InsecureSkipVerify = false
	e.guarded = &Egress{upstream: cautious, fetch: e.fetch, guard: g}
	if o.Debug != nil && o.Debug.Enabled(context.Background(), slog.LevelDebug) {
		e.shown = &shown{way: e.upstream, log: o.Debug, bodies: o.DebugBodies}
		e.guarded.shown = &shown{way: cautious, log: o.Debug, bodies: o.DebugBodies}
	}
	return e, nil
}

// Guarded is the way to upstreams whose address a caller chose: like Fetch it reaches public addresses alone, checked
// after name resolution, and goes through no proxy.
func (e *Egress) Guarded() *Egress {
	if e.guarded == nil {
		return e
	}
	return e.guarded
}

// Transport returns the pooled transport for upstreams that the operator configured. It never follows a redirect.
func (e *Egress) Transport() http.RoundTripper {
	if e.shown != nil {
		return e.shown
	}
	return e.upstream
}

// Direct returns a transport to what stands beside the process, a cloud's metadata service or a cluster's own endpoint:
// it goes through no proxy, which would ask its own neighbours. With roots it trusts them alone, and checks whatever
// InsecureSkipVerify says. Each call makes a new one: close its idle connections when it is not needed any more.
func (e *Egress) Direct(roots *x509.CertPool) http.RoundTripper {
	t := e.upstream.Clone()
	t.Proxy = nil
	if roots != nil {
		t.TLSClientConfig.RootCAs, t.TLSClientConfig.InsecureSkipVerify = roots, false
	}
	return t
}

// HTTPClient returns a client on Transport that hands redirects back instead of following them: an upstream must not
// be able to send a signed request or a key elsewhere. It has no timeout; the context of each call decides.
func (e *Egress) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     e.upstream,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CloseIdleConnections closes the connections that no call is using, at shutdown and after a reload.
func (e *Egress) CloseIdleConnections() {
	e.upstream.CloseIdleConnections()
	if e.guarded != nil {
		e.guarded.CloseIdleConnections()
	}
}
