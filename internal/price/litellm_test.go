package price_test

import (
	"slices"
	"strings"
	"testing"

	"tollgate/internal/price"
)

// The shapes are those of LiteLLM's file; the figures are made up.
const litellmFile = `{
  "sample_spec": {"litellm_provider": "one of ...", "mode": "one of: chat, embedding", "input_cost_per_token": 0},
  "gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": "1e-05",
    "input_cost_per_token_above_272k_tokens": 5e-06, "input_cost_per_token_batches": 1.25e-06, "max_input_tokens": 1e6, "max_output_tokens": "128000",
    "supports_vision": true, "supports_reasoning": null, "supports_function_calling": true, "regional_processing_uplift_multiplier_eu": 1.1, "supports_prompt_caching": true},
  "openai/gpt-x": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-06},
  "vertex_ai/gem": {"litellm_provider": "vertex_ai-language-models", "input_cost_per_token": 4.0000000000000003e-07, "output_cost_per_token": null, "source": "https://example.com/prices"},
  "command-x": {"litellm_provider": "cohere_chat", "mode": "chat", "input_cost_per_token": 1e-6, "input_cost_per_token_cache_hit": 3e-7, "cache_read_input_token_cost": 2e-7},
  "rank": {"litellm_provider": "cohere", "mode": "rerank", "input_cost_per_query": 0.002},
  "us/seek": {"litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0, "tiered_pricing": [{"range": [0, 1]}], "ocr_cost_per_page": 1},
  "guard": {"litellm_provider": "bedrock", "mode": "guardrail"},
  "bad-price": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": "cheap"},
  "negative": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": -1},
  "bad-count": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": "lots"},
  "bad-mode": {"litellm_provider": "openai", "mode": 7},
  "nobody": {"mode": "chat"}
}`

func TestReadLiteLLM(t *testing.T) {
	tab, report, err := price.ReadLiteLLM(strings.NewReader(litellmFile), "the file", "2026-11-25")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range tab.Models() {
		ids = append(ids, e.ID)
	}
	want := []string{"openai/gpt-x", "deepseek/us/seek", "vertex_ai/gem", "cohere/command-x", "cohere/rank"}
	if !slices.Equal(ids, want) || report.Models != len(want) {
		t.Errorf("models %q, report %d", ids, report.Models)
	}
	for id, check := range map[string]struct {
		usage price.Usage
		want  string
	}{
		"openai/gpt-x":     {price.Usage{Prompt: 10}, "0.00009"},
		"vertex_ai/gem":    {price.Usage{Prompt: 10}, "0.000004"},
		"cohere/command-x": {price.Usage{Prompt: 10, Cached: 10}, "0.000002"},
		"cohere/rank":      {price.Usage{Queries: 2}, "0.004"},
		"deepseek/us/seek": {price.Usage{Prompt: 10}, "0"},
	} {
		e, _ := tab.Lookup(id)
		if got, known := price.Cost(e.Rates, check.usage); !known || got.String() != check.want {
			t.Errorf("%s: %s, %v, want %s", id, got, known, check.want)
		}
	}
	if e, _ := tab.Lookup("vertex_ai/gem"); e.Source != "https://example.com/prices" || e.Date != "2026-11-25" || e.Mode != "chat" {
		t.Errorf("%+v", e)
	}
	var skipped []string
	for _, s := range report.Skipped {
		skipped = append(skipped, s.ID+": "+s.Reason)
	}
	for i, want := range []string{
		"bad-count: max_input_tokens", "bad-mode: mode", `bad-price: input_cost_per_token: money: not a decimal number: "cheap"`,
		"gpt-x: openai/gpt-x stands twice", `guard: unknown mode "guardrail"`, "negative: input_cost_per_token", "nobody: id \"nobody\" has no provider",
	} {
		if i >= len(skipped) || !strings.HasPrefix(skipped[i], want) {
			t.Fatalf("skipped %q\nwant the %dth to begin with %q", skipped, i, want)
		}
	}
	if got := report.UnreadPrices(); !slices.Equal(got, []string{"ocr_cost_per_page", "regional_processing_uplift_multiplier_eu", "tiered_pricing"}) {
		t.Errorf("unread prices %q", got)
	}
	if report.Unread["supports_prompt_caching"] != 1 {
		t.Errorf("unread %v", report.Unread)
	}
}

// The entry's own prices, with tier and batch, of the one that wins: the name with its provider.
func TestReadLiteLLMKeepsTiers(t *testing.T) {
	file := strings.Replace(litellmFile, `"openai/gpt-x"`, `"openai/other"`, 1)
	tab, _, err := price.ReadLiteLLM(strings.NewReader(file), "the file", "")
	if err != nil {
		t.Fatal(err)
	}
	e, _ := tab.Lookup("gpt-x")
	if e.MaxInputTokens != 1_000_000 || e.MaxOutputTokens != 128_000 || !e.Vision || e.Reasoning || !e.FunctionCalling {
		t.Errorf("%+v", e)
	}
	if got, _ := price.Cost(e.Rates, price.Usage{Prompt: 300_000, Completion: 1}); got.String() != "1.50001" {
		t.Errorf("a large prompt costs %s", got)
	}
	if got, _ := price.Cost(e.Rates, price.Usage{Prompt: 1000, Completion: 100, Service: price.Batch}); got.String() != "0.00175" {
		t.Errorf("a batch costs %s", got)
	}
}

func TestReadLiteLLMErrors(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"a": 1}`, "{}", `{"sample_spec": {"litellm_provider": "x", "mode": "chat"}}`, "id,mode\n"} {
		if _, _, err := price.ReadLiteLLM(strings.NewReader(text), "s", ""); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzReadLiteLLM(f *testing.F) {
	f.Add(litellmFile)
	f.Add(`{"#a": {"litellm_provider": "", "mode": "chat"}, "x/y z": {"mode": "chat", "source": ""}}`)
	f.Fuzz(func(t *testing.T, text string) {
		tab, _, err := price.ReadLiteLLM(strings.NewReader(text), "s", "2026-11-25")
		if err != nil {
			return
		}
		var csv strings.Builder
		if err := tab.Write(&csv); err != nil {
			t.Fatal(err)
		}
		again, err := price.Read(strings.NewReader(csv.String()))
		if err != nil {
			t.Fatalf("what was taken from %q is not read again: %v", text, err)
		}
		if d := price.Diff(tab, again); len(d) > 0 {
			t.Errorf("differences: %+v", d)
		}
	})
}
