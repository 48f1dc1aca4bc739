package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
)

// guard decides where Fetch may go. It has one dial and one look-up, and nothing dials a name.
type guard struct {
	resolver Resolver
	dial     DialFunc
	allow    []netip.Prefix
}

// checkURL refuses what can be refused without a look-up: it runs on the first URL and on every redirect.
func (g *guard) checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return &FetchError{Kind: BadURL, reason: "only http and https URLs are fetched"}
	}
	if u.User != nil {
		return &FetchError{Kind: BadURL, reason: "URL carries a user name or password"}
	}
	h, err := parseHost(u.Hostname())
	if err != nil {
		return &FetchError{Kind: BadURL, reason: err.Error()}
	}
	if h.addr.IsValid() {
		return g.checkAddr(h.name, h.addr)
	}
	return nil
}

// checkAddr refuses addresses of special ranges.
func (g *guard) checkAddr(name string, a netip.Addr) error {
	a = a.Unmap()
	rng := special(a)
	if rng == "" {
		return nil
	}
	for _, p := range g.allow {
		if p.Contains(a) {
			return nil
		}
	}
	return &FetchError{Kind: Blocked, Host: name, Range: rng, reason: "host is not at a public address"}
}

// addrs resolves a host. It refuses the host when any of its addresses is special: an answer that mixes public and
// private addresses is an attack or a mistake.
func (g *guard) addrs(ctx context.Context, hostname string) ([]netip.Addr, error) {
	h, err := parseHost(hostname)
	if err != nil {
		return nil, &FetchError{Kind: BadURL, reason: err.Error()}
	}
	found := []netip.Addr{h.addr}
	if !h.addr.IsValid() {
		// The trailing dot keeps the search domains of resolv.conf out of it.
		found, err = g.resolver.LookupNetIP(ctx, "ip", h.name+".")
		if err == nil && len(found) == 0 {
			err = errors.New("no address")
		}
		if err != nil {
			return nil, &FetchError{Kind: Unreachable, Host: h.name, reason: "host cannot be resolved", err: err}
		}
	}
	for _, a := range found {
		if err := g.checkAddr(h.name, a); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// dialContext is the transport's dialer: it resolves once, checks every address, and connects to what it checked.
func (g *guard) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	hostname, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	found, err := g.addrs(ctx, hostname)
	if err != nil {
		return nil, err
	}
	var failed error
	for _, a := range found {
		conn, err := g.dial(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &FetchError{Kind: Unreachable, Host: hostname, reason: "host cannot be reached", err: failed}
}
