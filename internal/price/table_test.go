package price_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/money"
	"tollgate/internal/price"
)

func TestLookup(t *testing.T) {
	tab := table(t)
	for _, id := range []string{
		"cohere.command-latest", "oci/cohere.command-latest", "gpt-4o-mini", "openai/gpt-4o-mini",
	} {
		if _, ok := tab.Lookup(id); !ok {
			t.Errorf("%s is not found", id)
		}
	}
	for _, id := range []string{"", "oci/", "oci/xai.grok-NONEXISTENT-9999", "openai/cohere.command-latest", "id", "ocid1.generativeaiendpoint.oc1.x"} {
		if e, ok := tab.Lookup(id); ok {
			t.Errorf("%q is found as %s", id, e.ID)
		}
	}
	if e, ok := tab.Lookup("gpt-4o-mini"); !ok || e.ID != "openai/gpt-4o-mini" {
		t.Errorf("gpt-4o-mini is %q: a name without a provider is OpenAI's, although Azure has it as well", e.ID)
	}
	e, ok := tab.Lookup("cohere.rerank-v3.5")
	if !ok || e.Mode != "rerank" || e.Rates != (price.Rates{}) {
		t.Errorf("rerank = %+v, %v; want an entry without rates", e, ok)
	}
	if _, known := price.Cost(e.Rates, price.Usage{Prompt: 1}); known {
		t.Error("the price of a rerank is known")
	}
}

// The samples' six aliases stand for these models; each needs a price, or their costs would be zero.
func TestSampleModelsHavePrices(t *testing.T) {
	tab := table(t)
	for _, id := range []string{
		"oci/cohere.command-latest", "oci/xai.grok-4.20", "oci/openai.gpt-5-mini", "oci/google.gemini-2.5-flash",
		"oci/meta.llama-4-maverick-17b-128e-instruct-fp8", "oci/cohere.embed-v4.0", "oci/cohere.embed-english-v3.0",
	} {
		e, ok := tab.Lookup(id)
		if !ok || !e.Input.Known || !e.Output.Known || e.Input.USD <= 0 {
			t.Errorf("%s: %+v, %v; want input and output prices", id, e.Rates, ok)
		}
	}
}

func TestModelsAreSound(t *testing.T) {
	tab := table(t)
	models := tab.Models()
	if len(models) < 400 {
		t.Fatalf("table has %d models", len(models))
	}
	for _, e := range models {
		if e.Input.Known != e.Output.Known {
			t.Errorf("%s has one price of two", e.ID)
		}
		if e.Mode == "embedding" && e.OutputVectorSize == 0 {
			t.Errorf("%s has no vector size", e.ID)
		}
		if e.Mode == "chat" && e.MaxInputTokens == 0 {
			t.Errorf("%s has no context size", e.ID)
		}
		if e.Date == "" {
			t.Errorf("%s has no date", e.ID)
		}
		// A thousand dollars for a million tokens is an error of the source.
		for name, rate := range e.All() {
			if strings.Contains(name, "token") && rate.USD >= money.Dollar/1000 {
				t.Errorf("%s: %s is %s", e.ID, name, rate.USD)
			}
		}
		// A price of zero for a call is free of charge, and no budget holds it.
		if e.Input.Known && e.Input.USD == 0 && !e.Query.Known {
			t.Errorf("%s is free", e.ID)
		}
		// Where Oracle bills by the character, the token's price is that of four characters.
		if e.InputChar.Known && e.Input.USD != 4*e.InputChar.USD {
			t.Errorf("%s: %s a token, %s a character", e.ID, e.Input.USD, e.InputChar.USD)
		}
		perCharacter := strings.HasPrefix(e.ID, "oci/cohere.") || strings.HasPrefix(e.ID, "oci/meta.")
		if e.Input.Known && e.InputChar.Known != perCharacter {
			t.Errorf("%s: character price known = %v", e.ID, e.InputChar.Known)
		}
	}
	models[0].ID = "changed"
	if tab.Models()[0].ID == "changed" {
		t.Error("Models gives the table itself")
	}
}

// LiteLLM's names for /model/info (BerriAI/litellm model_prices_and_context_window.json).
func TestEntryJSON(t *testing.T) {
	tab := table(t)
	for id, want := range map[string]string{
		"oci/google.gemini-2.5-flash": `{"key":"oci/google.gemini-2.5-flash","litellm_provider":"oci","mode":"chat",` +
			`"input_cost_per_token":0.0000003,"output_cost_per_token":0.0000025,"cache_read_input_token_cost":null,` +
			`"cache_creation_input_token_cost":null,"input_cost_per_character":null,"output_cost_per_character":null,"input_cost_per_audio_token":0.000001,` +
			`"max_input_tokens":1048576,"max_output_tokens":65536,` +
			`"supports_function_calling":true,"supports_vision":true,"supports_reasoning":true,` +
			`"supports_response_schema":true,"supports_audio_input":true,"supports_pdf_input":true,` +
			`"source":"Oracle price list; LiteLLM lists 0.15/0.60","source_date":"2026-09-13"}`,
		"oci/xai.grok-4.3": `{"key":"oci/xai.grok-4.3","litellm_provider":"oci","mode":"chat",` +
			`"input_cost_per_token":0.00000125,"output_cost_per_token":0.0000025,"cache_read_input_token_cost":0.0000002,` +
			`"cache_creation_input_token_cost":null,"input_cost_per_character":null,"output_cost_per_character":null,"max_input_tokens":1000000,` +
			`"supports_function_calling":true,"supports_vision":false,"supports_reasoning":true,` +
			`"supports_response_schema":true,"supports_audio_input":false,"supports_pdf_input":false,` +
			`"source":"Oracle price list (Grok 4.3)","source_date":"2026-09-13",` +
			`"input_cost_per_token_above_200k_tokens":0.0000025,"output_cost_per_token_above_200k_tokens":0.000005,"cache_read_input_token_cost_above_200k_tokens":0.0000004}`,
	} {
		e, _ := tab.Lookup(id)
		got, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
