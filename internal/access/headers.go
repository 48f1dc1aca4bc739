package access

import (
	"slices"
	"strings"
)

// IsKeyHeader reports whether a request header may carry a caller's key. Such a header never leaves the gateway.
func (g *Gate) IsKeyHeader(name string) bool {
	return (g.opts.KeyHeader != "" && strings.EqualFold(name, g.opts.KeyHeader)) ||
		slices.ContainsFunc(keyHeaders, func(h string) bool { return strings.EqualFold(h, name) })
}
