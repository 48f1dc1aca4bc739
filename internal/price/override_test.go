package price_test

import (
	"slices"
	"strings"
	"testing"

	"tollgate/internal/price"
)

func TestWith(t *testing.T) {
	e, _ := table(t).Lookup("oci/cohere.command-latest")

	r, err := withCosts(e.Rates, map[string]string{"input_cost_per_token": "1.5e-06", "output_cost_per_token": "0"})
	if err != nil {
		t.Fatal(err)
	}
	// 100 x 1.5 per million, although characters were counted: the operator's price is the whole price
	// (BerriAI/litellm#11975: custom price shown, spend 0).
	got, known := price.Cost(r, price.Usage{Prompt: 100, Completion: 50, PromptChars: 400, CompletionChars: 200})
	if got.String() != "0.00015" || !known {
		t.Errorf("Cost = %s, %v; want 0.00015, true", got, known)
	}

	r, err = withCosts(e.Rates, map[string]string{"input_cost_per_character": "1e-6", "output_cost_per_character": "2e-6", "cache_read_input_token_cost": "3e-6"})
	if err != nil {
		t.Fatal(err)
	}
	got, _ = price.Cost(r, price.Usage{PromptChars: 10, CompletionChars: 10})
	if got.String() != "0.00003" {
		t.Errorf("Cost by characters = %s, want 0.00003", got)
	}
	got, _ = price.Cost(r, price.Usage{Prompt: 10, Cached: 10})
	if got.String() != "0.00003" {
		t.Errorf("Cost of cached tokens = %s, want 0.00003", got)
	}

	if r, err = withCosts(e.Rates, map[string]string{}); err != nil || r != e.Rates {
		t.Errorf("With(nothing) = %+v, %v; want the rates as they are", r, err)
	}

	gpt, _ := table(t).Lookup("openai/gpt-4o-mini")
	r, err = withCosts(gpt.Rates, map[string]string{"input_cost_per_token": "1e-6", "cache_creation_input_token_cost": "5e-6"})
	if err != nil {
		t.Fatal(err)
	}
	// The table's cache price does not belong to the operator's input price: 10 + 10 x 5 per million.
	got, _ = price.Cost(r, price.Usage{Prompt: 20, Cached: 10, CacheWritten: 10})
	if got.String() != "0.00006" {
		t.Errorf("Cost with cache = %s, want 0.00006", got)
	}
}

func TestWithErrors(t *testing.T) {
	_, err := withCosts(price.Rates{}, map[string]string{"input_cost_per_token": "cheap", "output_cost_per_token": "-1e-6"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"input_cost_per_token", `"cheap"`, "output_cost_per_token", "negative"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %s", err, want)
		}
	}
}

// The operator's word is the whole word: nothing of the table is left on the side that it prices.
func TestWithCostsReplacesASide(t *testing.T) {
	tab := table(t)
	pro, _ := tab.Lookup("gemini/gemini-2.5-pro")
	r, uncounted, err := price.WithCosts(pro.Rates, map[string]string{
		"input_cost_per_token": "1e-6", "input_cost_per_token_above_512k_tokens": "9e-6", "ocr_cost_per_page": "0.1", "output_cost_per_second_1080p": "0.4", "output_cost_per_token": "",
	})
	if err != nil || !slices.Equal(uncounted, []string{"ocr_cost_per_page", "output_cost_per_second_1080p"}) {
		t.Fatal(uncounted, err)
	}
	var names []string
	for name := range r.All() {
		names = append(names, name)
	}
	want := []string{
		"input_cost_per_token", "output_cost_per_token", "output_cost_per_token_above_200k_tokens", "input_cost_per_token_above_512k_tokens", "output_cost_per_token_batches",
		"output_cost_per_token_above_200k_tokens_batches", "output_cost_per_token_priority", "output_cost_per_token_above_200k_tokens_priority",
		"output_cost_per_token_flex", "output_cost_per_token_above_200k_tokens_flex",
	}
	if !slices.Equal(names, want) {
		t.Errorf("prices %q\nwant   %q", names, want)
	}
	// 600,000 x 9 + 10 x 15 per million.
	if got, known := price.Cost(r, price.Usage{Prompt: 600_000, Cached: 1000, Completion: 10}); got.String() != "5.40015" || !known {
		t.Errorf("Cost = %s, %v", got, known)
	}
	again, _ := tab.Lookup("gemini/gemini-2.5-pro")
	if again.Rates != pro.Rates {
		t.Error("the table changed")
	}
}

func TestRatesEqual(t *testing.T) {
	a := costs(t, map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_token_above_200k_tokens": "2e-6"})
	b := costs(t, map[string]string{"input_cost_per_token": "0.000001", "input_cost_per_token_above_200k_tokens": "0.000002"})
	c := costs(t, map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_token_above_128k_tokens": "2e-6"})
	d := costs(t, map[string]string{"input_cost_per_token": "1e-6"})
	if !a.Equal(b) || a.Equal(c) || a.Equal(d) || d.Equal(a) || !d.Equal(d) {
		t.Error("Equal is wrong")
	}
}

func TestCounted(t *testing.T) {
	for name, want := range map[string]bool{
		"input_cost_per_token": true, "output_cost_per_token_above_272k_tokens_flex": true, "cache_creation_input_token_cost_above_1hr_above_200k_tokens": true,
		"input_cost_per_token_cache_hit": true, "input_cost_per_query": true, "input_cost_per_token_batches": true,
		"input_cost_per_tokens": false, "input_cost_per_token_above_k_tokens": false, "input_cost_per_token_above_0k_tokens": false, "_above_200k_tokens": false,
		"input_cost_per_token_above_99999999999k_tokens": false, "ocr_cost_per_page": false, "": false, "_batches": false, "k_tokens": false,
	} {
		if got := price.Counted(name); got != want {
			t.Errorf("Counted(%q) = %v", name, got)
		}
	}
}

func withCosts(r price.Rates, costs map[string]string) (price.Rates, error) {
	with, _, err := price.WithCosts(r, costs)
	return with, err
}
