// Package builtin holds the explicit lists of what is built in. A new provider is its folder and one line here.
package builtin

import (
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/provider/oci"
)

// Providers are the openers by LiteLLM's provider prefix. Each call makes new ones, so that credentials are read anew
// when the configuration is. getenv looks up environment variables, as os.Getenv does.
func Providers(getenv func(string) string, prices *price.Table) map[string]provider.Opener {
	maxOutput := func(model string) int {
		entry, _ := prices.Lookup("oci/" + model)
		return entry.MaxOutputTokens
	}
	list := map[string]provider.Opener{
		"oci": oci.New(oci.Options{Getenv: getenv, MaxOutput: maxOutput}).Open,
	}
	for _, u := range compat.Upstreams {
		list[u.Prefix] = compat.Open
	}
	return list
}
