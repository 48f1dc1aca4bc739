package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"tollgate/internal/apierr"
)

// checkAddress refuses callers outside of allowed_ips.
func (g *Gate) checkAddress(r *http.Request) *apierr.Error {
	if len(g.opts.AllowedIPs) == 0 {
		return nil
	}
	addr, ok := g.callerAddr(r)
	if ok && contains(g.opts.AllowedIPs, addr) {
		return nil
	}
	shown := "unknown"
	if ok {
		shown = addr.String()
	}
	return &apierr.Error{Status: http.StatusForbidden, Type: "auth_error", Message: "Access forbidden: IP address " + shown + " not allowed."}
}

// callerAddr is the address that the call came from; ok is false when a proxy that is believed did not write it as one.
//
// Each proxy appends the address that it was called from to X-Forwarded-For, so only the end of the list is true:
// what stands before is as the caller sent it. The way back goes from the neighbour past the proxies that are
// trusted; the first that is none is the caller. Where no proxies are named, the neighbour is believed and nobody else.
func (g *Gate) callerAddr(r *http.Request) (caller netip.Addr, ok bool) {
	caller, ok = remoteAddr(r)
	if !g.opts.UseForwarded || !ok {
		return caller, ok
	}
	for _, hop := range slices.Backward(forwardedFor(r)) {
		if len(g.opts.Proxies) > 0 && !contains(g.opts.Proxies, caller) {
			break
		}
		if caller, ok = parseHop(hop); !ok {
			return netip.Addr{}, false
		}
		if len(g.opts.Proxies) == 0 {
			break
		}
	}
	return caller, true
}

// forwardedFor is the list of X-Forwarded-For: several lines are one list (RFC 9110, section 5.3), and empty members do
// not count.
func forwardedFor(r *http.Request) []string {
	var hops []string
	for _, line := range r.Header.Values("X-Forwarded-For") {
		for hop := range strings.SplitSeq(line, ",") {
			if hop = strings.TrimSpace(hop); hop != "" {
				hops = append(hops, hop)
			}
		}
	}
	return hops
}

// parseHop reads an address as proxies write it: bare, in brackets, or with a port.
func parseHop(hop string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr().Unmap(), true
	}
	if inner, ok := strings.CutPrefix(hop, "["); ok {
		hop, _ = strings.CutSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(hop)
	return addr.Unmap(), err == nil
}

func remoteAddr(r *http.Request) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil
}

func contains(ranges []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Address is the caller's address for the record of its call, "" when a trusted proxy has hidden it.
func (g *Gate) Address(r *http.Request) string {
	addr, ok := g.callerAddr(r)
	if !ok {
		return ""
	}
	return addr.String()
}
