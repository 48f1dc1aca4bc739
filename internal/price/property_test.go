package price_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/money"
	"tollgate/internal/price"
)

// anyUsage draws what a call used; upstreams may send parts that are larger than the whole, and negative counts.
func anyUsage(t *rapid.T) price.Usage {
	count := rapid.Int64Range(-10, 1_000_000)
	draw := func(name string) int64 { return count.Draw(t, name) }
	return price.Usage{
		Prompt: draw("prompt"), Cached: draw("cached"), CachedAudio: draw("cached audio"), CacheWritten: draw("written"), CacheWrittenHour: draw("hour"),
		PromptAudio: draw("prompt audio"), PromptImage: draw("prompt image"),
		Completion: draw("completion"), Reasoning: draw("reasoning"), CompletionAudio: draw("completion audio"), CompletionImage: draw("completion image"),
	}
}

// Each token is priced once: where all prices of tokens are the same, the parts do not matter, whatever an upstream says
// of them.
func TestEachTokenIsPricedOnce(t *testing.T) {
	tokens := []string{
		"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr",
		"output_cost_per_reasoning_token", "input_cost_per_audio_token", "cache_read_input_audio_token_cost", "output_cost_per_audio_token",
		"input_cost_per_image_token", "output_cost_per_image_token",
	}
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Int64Range(0, 1_000_000_000).Draw(t, "price")
		rates := map[string]string{"input_cost_per_token": money.USD(one).String(), "output_cost_per_token": money.USD(one).String()}
		for _, name := range tokens {
			if rapid.Bool().Draw(t, name) {
				rates[name] = money.USD(one).String()
			}
		}
		r, _, err := price.WithCosts(price.Rates{}, rates)
		if err != nil {
			t.Fatal(err)
		}
		u := anyUsage(t)
		want := money.USD(one * (max(u.Prompt, 0) + max(u.Completion, 0)))
		if got, known := price.Cost(r, u); got != want || !known {
			t.Fatalf("Cost = %s, %v; want %s for %+v", got, known, want, u)
		}
	})
}

// No upstream can lower a cost: it is never negative, and one more token of the prompt or of the answer never makes a
// call cheaper, tiers included, as long as special tokens cost at most what plain ones do and tiers at least what is below
// them.
func TestMoreNeverCostsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		usd := func(name string, least, most int64) string {
			return money.USD(rapid.Int64Range(least, most).Draw(t, name)).String()
		}
		rates := map[string]string{
			"input_cost_per_token": usd("input", 1000, 2000), "output_cost_per_token": usd("output", 1000, 2000),
			"cache_read_input_token_cost": usd("read", 0, 1000), "cache_creation_input_token_cost": usd("write", 0, 1000),
			"output_cost_per_reasoning_token": usd("reasoning", 0, 1000),
		}
		for i, above := range []int{128, 512} {
			least := int64(2000 * (i + 1))
			for _, name := range []string{"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost", "output_cost_per_reasoning_token"} {
				rates[fmt.Sprintf("%s_above_%dk_tokens", name, above)] = usd(name, least, least)
			}
		}
		r, _, err := price.WithCosts(price.Rates{}, rates)
		if err != nil {
			t.Fatal(err)
		}
		u := anyUsage(t)
		before, known := price.Cost(r, u)
		if before < 0 || !known {
			t.Fatalf("Cost = %s, %v", before, known)
		}
		for name, more := range map[string]price.Usage{
			"prompt":     func(u price.Usage) price.Usage { u.Prompt++; return u }(u),
			"completion": func(u price.Usage) price.Usage { u.Completion++; return u }(u),
		} {
			if after, _ := price.Cost(r, more); after < before {
				t.Fatalf("one token more of the %s: %s after %s", name, after, before)
			}
		}
	})
}

// What a call costs is never more than what was held for it: with the built-in prices, whatever parts of its bounds the
// call uses.
func TestWorstIsNeverPassed(t *testing.T) {
	models := table(t).Models()
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom(models).Draw(t, "model")
		bound := anyUsage(t)
		bound.Prompt, bound.Completion = max(bound.Prompt, 0), max(bound.Completion, 0)
		bound.Service = rapid.SampledFrom([]price.Service{price.Standard, price.Batch, price.Priority, price.Flex}).Draw(t, "service")
		worst, known := price.Worst(e.Rates, bound)
		if !known {
			if _, priced := price.Cost(e.Rates, bound); priced {
				t.Fatalf("%s: Worst is not known and Cost is", e.ID)
			}
			return
		}
		upTo := func(name string, most int64) int64 { return rapid.Int64Range(0, max(most, 0)).Draw(t, name) }
		used := price.Usage{Prompt: upTo("used prompt", bound.Prompt), Completion: upTo("used completion", bound.Completion), Service: bound.Service}
		for _, kind := range []struct {
			bound, whole int64
			used         *int64
		}{
			{bound.Cached, used.Prompt, &used.Cached}, {bound.CacheWritten, used.Prompt, &used.CacheWritten}, {bound.CacheWrittenHour, used.Prompt, &used.CacheWrittenHour},
			{bound.PromptAudio, used.Prompt, &used.PromptAudio}, {bound.PromptImage, used.Prompt, &used.PromptImage}, {bound.CachedAudio, used.Prompt, &used.CachedAudio},
			{bound.Reasoning, used.Completion, &used.Reasoning}, {bound.CompletionAudio, used.Completion, &used.CompletionAudio}, {bound.CompletionImage, used.Completion, &used.CompletionImage},
		} {
			if kind.bound != 0 {
				*kind.used = upTo("used part", kind.whole)
			}
		}
		if cost, _ := price.Cost(e.Rates, used); cost > worst {
			t.Fatalf("%s costs %s, more than the worst case %s: bound %+v, used %+v", e.ID, cost, worst, bound, used)
		}
	})
}
