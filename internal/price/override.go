package price

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"tollgate/internal/money"
)

// WithCosts returns the rates with an operator's prices in place of the table's. costs holds LiteLLM's keys, each with
// decimal text: input_cost_per_token, output_cost_per_token_above_200k_tokens, cache_read_input_token_cost_batches ...
//
// The operator's word is the whole word: a token price takes away every price of the table for the same side, of the
// cache, of characters, of sound and pictures, of tiers and of services, unless the operator sets that too. uncounted
// names the keys that are no price that Cost counts, in order; a price that is not a decimal number, or is negative,
// is an error that names its key.
func WithCosts[T ~string](r Rates, costs map[string]T) (with Rates, uncounted []string, err error) {
	d := r.edit()
	if costs["input_cost_per_token"] != "" {
		d.clear(true)
	}
	if costs["output_cost_per_token"] != "" {
		d.clear(false)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(costs)) {
		if costs[name] == "" {
			continue
		}
		k, counted := parseKey(name)
		if !counted {
			uncounted = append(uncounted, name)
			continue
		}
		rate, err := parseRate(string(costs[name]))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		d.set(k, rate)
	}
	return d.rates(), uncounted, errors.Join(errs...)
}

// parseRate reads a price that a person or a program wrote, rounded to a picodollar.
func parseRate(text string) (Rate, error) {
	usd, err := money.ParseRounded(text)
	if err == nil && usd < 0 {
		err = errors.New("price is negative")
	}
	if err != nil {
		return Rate{}, err
	}
	return Rate{USD: usd, Known: true}, nil
}
