package egress

import (
	"net/netip"
)

// specialRange is a block of addresses that no URL supplied by a caller may reach.
type specialRange struct {
	prefix netip.Prefix
	name   string
}

// specialRanges are the IANA special-purpose registries for IPv4 and IPv6, the cloud metadata addresses, and the IPv6
// blocks that carry an IPv4 address inside and so would lead around the IPv4 rows (GHSA-w98g-5w9p-p3rc: 100.64/10,
// 2002::/16, 64:ff9b::/96 and fec0::/10 were missing elsewhere). The first row that holds an address names it, so
// narrow rows stand before the wide ones. IPv4-mapped addresses are unwrapped before the look-up.
var specialRanges = []specialRange{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},                         // RFC 791; Linux routes it to itself
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},                             // RFC 1918
	{netip.MustParsePrefix("100.100.100.200/32"), "cloud metadata"},              // Alibaba
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},                // RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},                           // RFC 1122
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},              // OCI, AWS, Azure, GCP
	{netip.MustParsePrefix("169.254.170.2/32"), "cloud metadata"},                // AWS ECS credentials
	{netip.MustParsePrefix("169.254.0.0/16"), "link local"},                      // RFC 3927
	{netip.MustParsePrefix("168.63.129.16/32"), "cloud metadata"},                // Azure wire server
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},                          // RFC 1918
	{netip.MustParsePrefix("192.0.0.192/32"), "cloud metadata"},                  // Oracle Cloud classic
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments"},         // RFC 6890
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},                     // RFC 5737
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112"},                          // RFC 7535
	{netip.MustParsePrefix("192.52.193.0/24"), "automatic multicast tunnelling"}, // RFC 7450
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},                      // RFC 7526
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},                         // RFC 1918
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112"},                          // RFC 7534
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},                     // RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},                  // RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},                   // RFC 5737
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},                          // RFC 5771
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},                   // RFC 919
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},                           // RFC 1112
	{netip.MustParsePrefix("::/128"), "unspecified"},                             // RFC 4291
	{netip.MustParsePrefix("::1/128"), "loopback"},                               // RFC 4291
	{netip.MustParsePrefix("::/96"), "IPv4-compatible"},                          // RFC 4291, deprecated
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "IPv4-translated"},                // RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},                             // RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"},                     // RFC 8215
	{netip.MustParsePrefix("100::/64"), "discard only"},                          // RFC 6666
	{netip.MustParsePrefix("100:0:0:1::/64"), "dummy"},                           // RFC 9780
	{netip.MustParsePrefix("2001::/32"), "Teredo"},                               // RFC 4380
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking"},                       // RFC 5180
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID"},                            // RFC 4843, deprecated
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2"},                          // RFC 7343
	{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments"},            // RFC 2928
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},                    // RFC 3849
	{netip.MustParsePrefix("2002::/16"), "6to4"},                                 // RFC 3056
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112"},                        // RFC 7534
	{netip.MustParsePrefix("3fff::/20"), "documentation"},                        // RFC 9637
	{netip.MustParsePrefix("5f00::/16"), "segment routing"},                      // RFC 9602
	{netip.MustParsePrefix("fd00:ec2::254/128"), "cloud metadata"},               // AWS
	{netip.MustParsePrefix("fd20:ce::254/128"), "cloud metadata"},                // GCP
	{netip.MustParsePrefix("fc00::/7"), "unique local"},                          // RFC 4193
	{netip.MustParsePrefix("fe80::/10"), "link local"},                           // RFC 4291
	{netip.MustParsePrefix("fec0::/10"), "site local"},                           // RFC 3879, deprecated
	{netip.MustParsePrefix("ff00::/8"), "multicast"},                             // RFC 4291
}

// globalUnicast6 is the only IPv6 block from which public addresses have been given out.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// special returns the name of the special range that holds a, "" when a is a public address.
func special(a netip.Addr) string {
	if !a.IsValid() {
		return "invalid"
	}
	a = a.Unmap().WithZone("")
	for _, r := range specialRanges {
		if r.prefix.Contains(a) {
			return r.name
		}
	}
	if a.Is6() && !globalUnicast6.Contains(a) {
		return "not global unicast"
	}
	return ""
}
