package access

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// fromThisMachine reports whether a call surely comes from a program or a page of this machine. The address alone does
// not say so: a proxy may stand here, and a browser here runs the scripts of any site.
func fromThisMachine(r *http.Request) bool {
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		if r.Header.Get(h) != "" { // came through a proxy: the neighbour's address says nothing of the caller
			return false
		}
	}
	if origin := r.Header.Get("Origin"); origin != "" && !loopbackOrigin(origin) {
		return false
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return false
	}
	// A site whose name was made to resolve to this machine (DNS rebinding) is of its own origin for the browser, which
	// then sends no Origin and no mark; but it sends the name.
	if !loopbackHost(r.Host) {
		return false
	}
	addr, ok := remoteAddr(r)
	return ok && addr.IsLoopback()
}

func loopbackOrigin(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && loopbackName(u.Hostname())
}

// loopbackHost is loopbackName of a Host header, with or without a port.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return loopbackName(name)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok {
			return false
		}
	}
	return loopbackName(host)
}

// loopbackName reports whether a host name can mean nothing but this machine: localhost and what is below it (RFC 6761,
// section 6.3), and the loopback addresses.
func loopbackName(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
