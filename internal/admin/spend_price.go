package admin

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/money"
	"tollgate/internal/price"
)

type calculateRequest struct {
	Model      Opt[string]             `json:"model"`
	Messages   Opt[account.JSON]       `json:"messages"`
	Completion Opt[completionResponse] `json:"completion_response"`
}

// completionResponse is what prices an answer of /chat/completions.
type completionResponse struct {
	Model string `json:"model"`
	Usage struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

// spendCalculate is POST /spend/calculate: what an answer has cost, or what a prompt will cost.
func (a *API) spendCalculate(_ context.Context, _ *call, in calculateRequest) (any, error) {
	model := in.Model.Value
	var used price.Usage
	switch {
	case in.Completion.Given():
		r := in.Completion.Value
		if model == "" {
			model = r.Model
		}
		used = price.Usage{Prompt: r.Usage.Prompt, Completion: r.Usage.Completion, Cached: r.Usage.Details.Cached}
	case in.Messages.Given() && model != "":
		used.Prompt, _ = a.opts.Catalog.CountTokens(model, spoken(in.Messages.Value))
	default:
		return nil, badRequest("Either model and messages or completion_response must be given.")
	}
	usd, known := cost(a.opts.Catalog, model, used)
	if !known {
		return nil, unpriced(model)
	}
	return map[string]any{"cost": usd}, nil
}

func unpriced(model string) *apierr.Error {
	return named("model", notFound("Model %s has no known price. Check the name, or set input_cost_per_token and output_cost_per_token on its deployment.", quote(model)))
}

type estimateRequest struct {
	Model    Opt[string] `json:"model" required:"true"`
	Input    Opt[int64]  `json:"input_tokens"`
	Output   Opt[int64]  `json:"output_tokens"`
	PerDay   Opt[int64]  `json:"num_requests_per_day"`
	PerMonth Opt[int64]  `json:"num_requests_per_month"`
}

// costEstimate is POST /cost/estimate: what calls of a size cost, one of them and as many as a day or a month has.
func (a *API) costEstimate(_ context.Context, _ *call, in estimateRequest) (any, error) {
	model := in.Model.Value
	for name, n := range map[string]Opt[int64]{"input_tokens": in.Input, "output_tokens": in.Output, "num_requests_per_day": in.PerDay, "num_requests_per_month": in.PerMonth} {
		if n.Value < 0 {
			return nil, badParam(name, name+" must not be negative.")
		}
	}
	rates, known := a.opts.Catalog.Rates(model)
	input, inputKnown := price.Cost(rates, price.Usage{Prompt: in.Input.Value})
	output, outputKnown := price.Cost(rates, price.Usage{Completion: in.Output.Value})
	if !known || !inputKnown || !outputKnown {
		return nil, unpriced(model)
	}
	_, provider := a.opts.Catalog.Upstream(model)
	out := row{
		"model": model, "provider": orNull(provider), "input_tokens": in.Input.Value, "output_tokens": in.Output.Value,
		"num_requests_per_day": in.PerDay.Ptr(), "num_requests_per_month": in.PerMonth.Ptr(),
		"input_cost_per_token": rates.Input, "output_cost_per_token": rates.Output,
		"cost_per_request": addMoney(input, output), "input_cost_per_request": input, "output_cost_per_request": output, "margin_cost_per_request": 0,
	}
	for span, n := range map[string]*int64{"daily": in.PerDay.Ptr(), "monthly": in.PerMonth.Ptr()} {
		out[span+"_cost"], out[span+"_input_cost"], out[span+"_output_cost"], out[span+"_margin_cost"] = nil, nil, nil, nil
		if n != nil {
			out[span+"_cost"], out[span+"_margin_cost"] = times(addMoney(input, output), *n), 0
			out[span+"_input_cost"], out[span+"_output_cost"] = times(input, *n), times(output, *n)
		}
	}
	return out, nil
}

// times is n times an amount for display, at most the largest amount.
func times(usd money.USD, n int64) money.USD {
	product, err := usd.Mul(n)
	if err != nil {
		return money.Max
	}
	return product
}

// spoken is everything in a JSON value that a model reads: its texts, in order, joined by spaces.
func spoken(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	var text []byte
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			text = append(append(text, v...), ' ')
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name])
			}
		}
	}
	walk(v)
	return string(text[:max(len(text)-1, 0)])
}

// providerBudgets is GET /provider/budgets: what each provider that has a budget has spent of it.
func (a *API) providerBudgets(ctx context.Context, c *call, _ nothing) (any, error) {
	var scopes []account.Scope
	for name := range c.settings.ProviderBudgets {
		scopes = append(scopes, account.ProviderScope(name))
	}
	counters, err := a.spend(ctx, scopes...)
	out := map[string]any{}
	for name, b := range c.settings.ProviderBudgets {
		counter := counters[account.ProviderScope(name)]
		out[name] = map[string]any{"budget_limit": b.BudgetLimit, "time_period": orNull(b.TimePeriod), "spend": counter.Spent, "budget_reset_at": counter.ResetAt}
	}
	return map[string]any{"providers": out}, err
}
