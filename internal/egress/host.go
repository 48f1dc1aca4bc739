package egress

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// host is the target of a URL that a caller supplied: a name, or an address when addr is valid.
type host struct {
	name string
	addr netip.Addr
}

// Reasons for which a host is refused before any look-up.
var (
	errHostEmpty    = errors.New("URL has no host")
	errHostZone     = errors.New("address has a zone")
	errHostSpelling = errors.New("address is not in its usual spelling")
	errHostName     = errors.New("host is not a domain name")
)

// parseHost reads the host of a URL without its port and brackets, as url.URL.Hostname gives it.
//
// An address counts as such only in its one usual spelling. Resolvers and browsers also read 2130706433, 0x7f.1,
// 0177.0.0.1 and 127.1 as 127.0.0.1; a host that could be read so (its last label is a number, the rule of the WHATWG
// URL standard) is refused, so that no later reader can understand another address than the one that was checked.
func parseHost(s string) (host, error) {
	if s == "" {
		return host{}, errHostEmpty
	}
	if strings.ContainsRune(s, ':') {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return host{}, errHostSpelling
		}
		if addr.Zone() != "" {
			return host{}, errHostZone
		}
		return host{name: addr.String(), addr: addr}, nil
	}
	name := strings.ToLower(s)
	if !isASCII(s) {
		// Before anything else is decided: the mapping turns full-width and circled digits into plain ones.
		var err error
		if name, err = idna.Lookup.ToASCII(s); err != nil {
			return host{}, errHostName
		}
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return host{name: name, addr: addr}, nil
	}
	name = strings.TrimSuffix(name, ".")
	if endsInNumber(name) {
		return host{}, errHostSpelling
	}
	if !isDomainName(name) {
		return host{}, errHostName
	}
	return host{name: name}, nil
}

// endsInNumber says whether the last label is decimal, octal or hexadecimal.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// isDomainName says whether a lower-case ASCII name is made of labels that DNS can carry.
func isDomainName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// isASCII says whether s has no byte above 0x7f.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 0x7f {
			return false
		}
	}
	return true
}
