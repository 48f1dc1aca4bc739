package gateway

import (
	"slices"

	"tollgate/internal/price"
)

// Catalog tells other rooms of the deployments in force. Safe for concurrent use.
type Catalog struct{ g *Gateway }

// Catalog is the gateway's own.
func (g *Gateway) Catalog() Catalog { return Catalog{g} }

// Aliases lists the names that callers may ask for.
func (c Catalog) Aliases() []string { return c.g.snap.Load().Router.Names() }

// AccessGroups maps each model access group of the configuration to the aliases in it.
func (c Catalog) AccessGroups() map[string][]string {
	groups := map[string][]string{}
	models := c.g.snap.Load().Models
	for i := range models.list {
		m := &models.list[i]
		for _, group := range m.AccessGroups {
			if !slices.Contains(groups[group], m.Alias) {
				groups[group] = append(groups[group], m.Alias)
			}
		}
	}
	return groups
}

// Deployments describes every deployment as /model/info shows it to the operator.
func (c Catalog) Deployments() []map[string]any {
	models := c.g.snap.Load().Models
	list := make([]map[string]any, len(models.list))
	for i := range models.list {
		list[i] = models.list[i].show(true)
	}
	return list
}

// Rates are what calls of a model cost: an alias that callers use, or an upstream id.
func (c Catalog) Rates(model string) (price.Rates, bool) {
	m, upstream := c.find(model)
	if m == nil {
		return price.Rates{}, false
	}
	r := m.Rates
	if m.Opened != nil {
		r = m.Opened(upstream)
	}
	return r, r != price.Rates{}
}

// Upstream is the upstream id that calls of the model go to first, and its provider.
func (c Catalog) Upstream(model string) (id, provider string) {
	m, upstream := c.find(model)
	if m == nil {
		return "", ""
	}
	return upstream, m.Provider
}

// SupportedParams lists the OpenAI parameters that the model takes; nil when that is not known.
func (c Catalog) SupportedParams(model string) []string {
	if m, _ := c.find(model); m != nil {
		return m.Supported
	}
	return nil
}

// CountTokens estimates the tokens of a text; the name says that it is an estimate. Upstreams count with tokenizers of
// their own, and their usage is what is billed.
func (c Catalog) CountTokens(_, text string) (tokens int64, tokenizer string) {
	return int64((len(text) + bytesPerToken - 1) / bytesPerToken), "estimate: four bytes a token"
}

// find is the first deployment of an alias, or the one that calls an upstream id.
func (c Catalog) find(model string) (m *Model, upstream string) {
	snap := c.g.snap.Load()
	for _, d := range snap.Router.Deployments(model) {
		if m := snap.Models.byID(d.ID); m != nil {
			return m, d.UpstreamID
		}
	}
	for i := range snap.Models.list {
		m := &snap.Models.list[i]
		if model == m.UpstreamID || model == m.Provider+"/"+m.UpstreamID {
			return m, m.UpstreamID
		}
	}
	return nil, ""
}
