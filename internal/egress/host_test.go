package egress

import (
	"net/netip"
	"strings"
	"testing"
)

func TestSpecialRanges(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"0.0.0.0", "this network"}, {"0.1.2.3", "this network"},
		{"10.0.0.1", "private"}, {"172.16.0.1", "private"}, {"172.31.255.255", "private"}, {"192.168.1.1", "private"},
		{"100.64.0.1", "carrier-grade NAT"}, {"100.127.255.255", "carrier-grade NAT"}, {"100.100.100.200", "cloud metadata"},
		{"127.0.0.1", "loopback"}, {"127.255.255.254", "loopback"},
		{"169.254.169.254", "cloud metadata"}, {"169.254.170.2", "cloud metadata"}, {"169.254.0.1", "link local"},
		{"168.63.129.16", "cloud metadata"}, {"192.0.0.192", "cloud metadata"}, {"192.0.0.8", "IETF protocol assignments"},
		{"192.0.2.1", "documentation"}, {"198.51.100.1", "documentation"}, {"203.0.113.1", "documentation"},
		{"192.31.196.1", "AS112"}, {"192.52.193.1", "automatic multicast tunnelling"}, {"192.88.99.1", "6to4 relay"},
		{"192.175.48.1", "AS112"}, {"198.18.0.1", "benchmarking"}, {"198.19.255.255", "benchmarking"},
		{"224.0.0.1", "multicast"}, {"239.255.255.255", "multicast"}, {"240.0.0.1", "reserved"}, {"255.255.255.255", "broadcast"},
		{"::", "unspecified"}, {"::1", "loopback"}, {"::127.0.0.1", "IPv4-compatible"}, {"::808:808", "IPv4-compatible"},
		{"::ffff:127.0.0.1", "loopback"}, {"::ffff:10.0.0.1", "private"}, {"::ffff:169.254.169.254", "cloud metadata"},
		{"::ffff:0:127.0.0.1", "IPv4-translated"}, {"64:ff9b::7f00:1", "NAT64"}, {"64:ff9b::808:808", "NAT64"},
		{"64:ff9b:1::1", "local NAT64"}, {"100::1", "discard only"}, {"100:0:0:1::1", "dummy"},
		{"2001::1", "Teredo"}, {"2001:2::1", "benchmarking"}, {"2001:10::1", "ORCHID"}, {"2001:20::1", "ORCHIDv2"},
		{"2001:100::1", "IETF protocol assignments"}, {"2001:db8::1", "documentation"}, {"2002:7f00:1::", "6to4"},
		{"2620:4f:8000::1", "AS112"}, {"3fff::1", "documentation"}, {"5f00::1", "segment routing"},
		{"fd00:ec2::254", "cloud metadata"}, {"fd20:ce::254", "cloud metadata"}, {"fc00::1", "unique local"}, {"fdff::1", "unique local"},
		{"fe80::1", "link local"}, {"fe80::1%eth0", "link local"}, {"fec0::1", "site local"}, {"ff02::1", "multicast"},
		{"4000::1", "not global unicast"}, {"1::1", "not global unicast"}, {"8000::", "not global unicast"},
		// Neighbours of the ranges, and plain public addresses.
		{"1.0.0.0", ""}, {"9.255.255.255", ""}, {"11.0.0.0", ""}, {"100.63.255.255", ""}, {"100.128.0.0", ""}, {"126.255.255.255", ""},
		{"128.0.0.0", ""}, {"169.253.255.255", ""}, {"169.255.0.0", ""}, {"172.15.255.255", ""}, {"172.32.0.0", ""}, {"192.0.1.0", ""},
		{"192.167.255.255", ""}, {"192.169.0.0", ""}, {"198.17.255.255", ""}, {"198.20.0.0", ""}, {"223.255.255.255", ""},
		{"8.8.8.8", ""}, {"93.184.215.14", ""}, {"::ffff:8.8.8.8", ""}, {"2001:200::1", ""}, {"2001:4860:4860::8888", ""},
		{"2003::1", ""}, {"2606:2800:21f::1", ""}, {"3ffe::1", ""},
	}
	for _, tt := range tests {
		if got := special(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("special(%s) = %q, want %q", tt.addr, got, tt.want)
		}
	}
	if special(netip.Addr{}) == "" {
		t.Error("no address counts as a public one")
	}
	if len(specialRanges) < 40 {
		t.Errorf("%d ranges", len(specialRanges))
	}
}

// Every range is refused from its first address to its last, and no row stands behind a wider one that hides it.
func TestSpecialRangesEnds(t *testing.T) {
	for i, r := range specialRanges {
		if r.prefix != r.prefix.Masked() {
			t.Errorf("%s has bits behind its length", r.prefix)
		}
		if special(r.prefix.Addr()) == "" || special(last(r.prefix)) == "" {
			t.Errorf("an end of %s passes", r.prefix)
		}
		for _, before := range specialRanges[:i] {
			if before.prefix.Bits() <= r.prefix.Bits() && before.prefix.Contains(r.prefix.Addr()) {
				t.Errorf("%s is hidden by %s", r.prefix, before.prefix)
			}
		}
	}
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestParseHost(t *testing.T) {
	tests := []struct {
		in   string
		name string
		addr string
		err  error
	}{
		{in: "example.com", name: "example.com"},
		{in: "Example.COM.", name: "example.com"},
		{in: "a_b.example-1.com", name: "a_b.example-1.com"},
		{in: "localhost", name: "localhost"},
		{in: "xn--mnchen-3ya.de", name: "xn--mnchen-3ya.de"},
		{in: "münchen.de", name: "xn--mnchen-3ya.de"},
		{in: "1e100.net", name: "1e100.net"},
		{in: "0xabc.example", name: "0xabc.example"},
		{in: "8.8.8.8", name: "8.8.8.8", addr: "8.8.8.8"},
		{in: "2001:DB8::1", name: "2001:db8::1", addr: "2001:db8::1"},
		{in: "::ffff:127.0.0.1", name: "::ffff:127.0.0.1", addr: "::ffff:127.0.0.1"},
		{in: "①②⑦.⓪.⓪.①", name: "127.0.0.1", addr: "127.0.0.1"}, // an address for whoever maps it, so for us too
		{in: "127。0。0。1", name: "127.0.0.1", addr: "127.0.0.1"},
		{in: "", err: errHostEmpty},
		{in: "fe80::1%eth0", err: errHostZone},
		{in: "::1::", err: errHostSpelling},
		{in: "2130706433", err: errHostSpelling},
		{in: "0x7f000001", err: errHostSpelling},
		{in: "0X7F.1", err: errHostSpelling},
		{in: "0x7f.0x0.0x0.0x1", err: errHostSpelling},
		{in: "0x", err: errHostSpelling},
		{in: "017700000001", err: errHostSpelling},
		{in: "0177.0.0.1", err: errHostSpelling},
		{in: "127.1", err: errHostSpelling},
		{in: "127.0.0.1.", err: errHostSpelling},
		{in: "127.0.0.01", err: errHostSpelling},
		{in: "1.2.3.256", err: errHostSpelling},
		{in: "1.2.3.4.5", err: errHostSpelling},
		{in: "example.0x1", err: errHostSpelling},
		{in: ".", err: errHostName},
		{in: "a..b", err: errHostName},
		{in: ".example.com", err: errHostName},
		{in: "exa mple.com", err: errHostName},
		{in: "example.com\x00.evil", err: errHostName},
		{in: "a/b", err: errHostName},
		{in: "a@b", err: errHostName},
		{in: "a%2eb", err: errHostName},
		{in: strings.Repeat("a", 64) + ".com", err: errHostName},
		{in: strings.Repeat("a.", 127) + "com", err: errHostName},
	}
	for _, tt := range tests {
		h, err := parseHost(tt.in)
		var addr string
		if h.addr.IsValid() {
			addr = h.addr.String()
		}
		if err != tt.err || h.name != tt.name || addr != tt.addr {
			t.Errorf("parseHost(%q) = %q, %q, %v; want %q, %q, %v", tt.in, h.name, addr, err, tt.name, tt.addr, tt.err)
		}
	}
}

// A host that passes is an address in its usual spelling or a name that nobody can take for one, and it passes again as
// what it became.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{
		"example.com", "127.0.0.1", "::1", "0x7f.1", "0177.0.0.1", "2130706433", "①.1.1.1", "a_b", "1.2.3.4.", "fe80::1%1", "xn--a", "ﬀ.com", "0Xg",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHost(s)
		if err != nil {
			return
		}
		again, err := parseHost(h.name)
		if err != nil || again != h {
			t.Fatalf("parseHost(%q) = %+v, which parses as %+v, %v", s, h, again, err)
		}
		if h.addr.IsValid() {
			if h.name != h.addr.String() {
				t.Fatalf("parseHost(%q): %q is not the usual spelling of %s", s, h.name, h.addr)
			}
			return
		}
		if !isASCII(h.name) || strings.ContainsAny(h.name, "/@:%?#[] \t\r\n\x00") || endsInNumber(h.name) {
			t.Fatalf("parseHost(%q) lets the name %q pass", s, h.name)
		}
	})
}
