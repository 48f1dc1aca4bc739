package admin

import (
	"tollgate/internal/money"
	"tollgate/internal/price"
)

// Catalog is what the management API asks about a model, which is an alias that callers use or an upstream id. Safe for
// concurrent use.
type Catalog interface {
	// Rates are what calls of the model cost; false when nobody knows the model or its price.
	Rates(model string) (price.Rates, bool)
	// Upstream is the upstream id that calls of the model go to first, and its provider; empty when nobody knows the model.
	Upstream(model string) (id, provider string)
	// CountTokens counts the tokens of a text for a model. The name says how: of a tokenizer, or that it is an estimate.
	CountTokens(model, text string) (tokens int64, tokenizer string)
	// SupportedParams lists the OpenAI parameters that the model takes; nil when that is not known.
	SupportedParams(model string) []string
}

// cost prices a call of a model. known is false where something that was used has no price.
func cost(c Catalog, model string, u price.Usage) (usd money.USD, known bool) {
	rates, ok := c.Rates(model)
	if !ok {
		return 0, false
	}
	return price.Cost(rates, u)
}
