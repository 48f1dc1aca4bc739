package app

import (
	"fmt"
	"log/slog"
	"sync"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/price"
)

// tariff is what one entry of model_list says of the price of its models: of one, or of all that its pattern opens.
type tariff struct {
	table *price.Table
	kind  string                    // the provider
	own   map[string]config.Decimal // litellm_params' own prices
	info  *config.ModelInfo
}

func (a *App) tariff(kind string, m *config.Model) tariff {
	return tariff{table: a.prices, kind: kind, own: m.Params.Costs, info: &m.Info}
}

// of is what is known of an upstream's model: the table's line with the operator's word in its place. listed reports
// whether there is a line. The error is the operator's, and the same for each model.
func (t *tariff) of(upstreamID string) (entry price.Entry, rates price.Rates, listed bool, err error) {
	name := t.kind + "/" + upstreamID
	if t.info.BaseModel != "" {
		name = t.info.BaseModel
	}
	entry, listed = t.table.Lookup(name)
	entry = described(entry, t.info)
	rates, _, err = price.WithCosts(entry.Rates, t.own)
	return entry, rates, listed, err
}

func noPrice(kind, upstreamID string) string {
	return fmt.Sprintf("no price is known for %s/%s, so its calls cost 0; set input_cost_per_token and output_cost_per_token", kind, upstreamID)
}

// maxReported bounds the names that are remembered to have no price: callers choose them.
const maxReported = 512

// opened prices the models that a pattern opens, and says once of each that has no price: at start nobody knows which
// will be asked for. What it returns is safe for concurrent use.
func (t *tariff) opened(log *slog.Logger) func(upstreamID string) price.Rates {
	var mu sync.Mutex
	reported := map[string]bool{} // guarded by mu
	first := func(upstreamID string) bool {
		mu.Lock()
		defer mu.Unlock()
		if reported[upstreamID] || len(reported) >= maxReported {
			return false
		}
		reported[upstreamID] = true
		return true
	}
	return func(upstreamID string) price.Rates {
		_, rates, _, err := t.of(upstreamID)
		if err != nil { // refused when the pattern was read
			return price.Rates{}
		}
		if (rates == price.Rates{}) && first(upstreamID) {
			log.Warn(noPrice(t.kind, upstreamID), "model", t.kind+"/"+upstreamID)
		}
		return rates
	}
}

// rate tells the router what it needs to know of a deployment's model: prices, where it routes by cost, and the window.
func rate(d *dispatch.Deployment, entry price.Entry, rates price.Rates) {
	d.MaxInputTokens, d.MaxOutputTokens = entry.MaxInputTokens, entry.MaxOutputTokens
	d.InputCost, d.OutputCost = nil, nil
	if rates.Input.Known {
		d.InputCost = &rates.Input.USD
	}
	if rates.Output.Known {
		d.OutputCost = &rates.Output.USD
	}
}

// described is the price table's line with what the operator's model_info says in its place.
func described(e price.Entry, info *config.ModelInfo) price.Entry {
	if info.MaxInputTokens != nil {
		e.MaxInputTokens = int(*info.MaxInputTokens)
	}
	if info.MaxOutputTokens != nil {
		e.MaxOutputTokens = int(*info.MaxOutputTokens)
	}
	said := info.Echo()
	for key, has := range map[string]*bool{
		"supports_function_calling": &e.FunctionCalling, "supports_vision": &e.Vision, "supports_reasoning": &e.Reasoning,
		"supports_response_schema": &e.ResponseSchema, "supports_audio_input": &e.AudioInput, "supports_pdf_input": &e.PDFInput,
	} {
		if value, ok := said[key].(bool); ok {
			*has = value
		}
	}
	return e
}
