package price_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/money"
	"tollgate/internal/price"
)

// table returns the built-in table.
func table(t *testing.T) *price.Table {
	t.Helper()
	tab, err := price.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// The expected figures are worked out by hand from USD per million tokens.
func TestCost(t *testing.T) {
	tab := table(t)
	tests := []struct {
		name  string
		model string
		usage price.Usage
		want  string
	}{
		// 1000 x 1.56 + 500 x 1.56 = 2340 per million.
		{"cohere command by tokens", "oci/cohere.command-latest", price.Usage{Prompt: 1000, Completion: 500}, "0.00234"},
		// 17 x 0.25 + 3 x 2 = 10.25 per million.
		{"gpt-5-mini", "oci/openai.gpt-5-mini", price.Usage{Prompt: 17, Completion: 3}, "0.00001025"},
		// 12 x 1.25 + 20 x 2.5 = 65.
		{"grok 4.20", "oci/xai.grok-4.20", price.Usage{Prompt: 12, Completion: 20}, "0.000065"},
		// 40 x 0.72 = 28.8.
		{"llama 4 maverick", "oci/meta.llama-4-maverick-17b-128e-instruct-fp8", price.Usage{Prompt: 30, Completion: 10}, "0.0000288"},
		// 7 x 0.15 + 1 x 0.60 = 1.65.
		{"gemini flash", "oci/google.gemini-2.5-flash", price.Usage{Prompt: 7, Completion: 1}, "0.00000165"},
		// 100 x 0.12 = 12.
		{"embedding, output free", "oci/cohere.embed-v4.0", price.Usage{Prompt: 100, Completion: 9}, "0.000012"},
		// 0.0018 dollars for 10,000 characters: 10,000 in and 5,000 out.
		{"llama by characters", "oci/meta.llama-3.3-70b-instruct", price.Usage{Prompt: 9, Completion: 9, PromptChars: 10000, CompletionChars: 5000}, "0.0027"},
		// One direction counted in characters, the other in tokens: 10,000 characters, and 100 x 0.72.
		{"mixed", "oci/meta.llama-3.3-70b-instruct", price.Usage{Completion: 100, PromptChars: 10000}, "0.001872"},
		// Characters do not matter to a model that is billed by tokens.
		{"characters of a token model", "oci/openai.gpt-5-mini", price.Usage{Prompt: 4, PromptChars: 99999}, "0.000001"},
		// 200 x 0.15 + 800 x 0.075 + 10 x 0.60 = 96. BerriAI/litellm#11364: cached tokens at the cache's price.
		{"cache price", "openai/gpt-4o-mini", price.Usage{Prompt: 1000, Cached: 800, Completion: 10}, "0.000096"},
		// 100 x 3 + 200 x 0.30 + 700 x 3.75 = 2985.
		{"cache written", "anthropic/claude-sonnet-4-6", price.Usage{Prompt: 1000, Cached: 200, CacheWritten: 700}, "0.002985"},
		// No cache price on OCI: 1000 x 0.25.
		{"cached without a cache price", "oci/openai.gpt-5-mini", price.Usage{Prompt: 1000, Cached: 800}, "0.00025"},
		{"more cached than sent", "openai/gpt-4o-mini", price.Usage{Prompt: 100, Cached: 900}, "0.0000075"},
		{"nothing used", "oci/openai.gpt-5-mini", price.Usage{}, "0"},
		{"negative counts", "oci/openai.gpt-5-mini", price.Usage{Prompt: -5, Cached: -7, Completion: -1}, "0"},
		// 9,000,000,000,000,000 tokens cost more than the range holds.
		{"out of range", "oci/openai.gpt-5-mini", price.Usage{Prompt: 9e15, Completion: 1}, money.Max.String()},
		{"sum out of range", "oci/openai.gpt-5-mini", price.Usage{Prompt: 3.6e13, Completion: 4e12}, money.Max.String()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := tab.Lookup(tt.model)
			if !ok {
				t.Fatalf("%s is not in the table", tt.model)
			}
			got, known := price.Cost(e.Rates, tt.usage)
			if !known || got.String() != tt.want {
				t.Errorf("Cost = %s, %v; want %s, true", got, known, tt.want)
			}
		})
	}
}

func TestCostUnknown(t *testing.T) {
	perToken := price.Rate{USD: 2_000_000, Known: true}
	tests := []struct {
		name  string
		rates price.Rates
		usage price.Usage
		want  money.USD
		known bool
	}{
		{"no rates", price.Rates{}, price.Usage{Prompt: 10, Completion: 10}, 0, false},
		{"no rates, nothing used", price.Rates{}, price.Usage{}, 0, false},
		{"no output rate", price.Rates{Input: perToken}, price.Usage{Prompt: 10, Completion: 1}, 20_000_000, false},
		{"no output rate, no output", price.Rates{Input: perToken}, price.Usage{Prompt: 10}, 20_000_000, true},
		{"free", price.Rates{Input: price.Rate{Known: true}, Output: price.Rate{Known: true}}, price.Usage{Prompt: 10, Completion: 10}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := price.Cost(tt.rates, tt.usage)
			if got != tt.want || known != tt.known {
				t.Errorf("Cost = %s, %v; want %s, %v", got, known, tt.want, tt.known)
			}
		})
	}
}

func TestWith(t *testing.T) {
	e, _ := table(t).Lookup("oci/cohere.command-latest")

	r, err := e.With(price.Override{InputCostPerToken: "1.5e-06", OutputCostPerToken: "0"})
	if err != nil {
		t.Fatal(err)
	}
	// 100 x 1.5 per million, although characters were counted: the operator's price is the whole price
	// (BerriAI/litellm#11975: custom price shown, spend 0).
	got, known := price.Cost(r, price.Usage{Prompt: 100, Completion: 50, PromptChars: 400, CompletionChars: 200})
	if got.String() != "0.00015" || !known {
		t.Errorf("Cost = %s, %v; want 0.00015, true", got, known)
	}

	r, err = e.With(price.Override{InputCostPerCharacter: "1e-6", OutputCostPerCharacter: "2e-6", CacheReadInputTokenCost: "3e-6"})
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

	if r, err = e.With(price.Override{}); err != nil || r != e.Rates {
		t.Errorf("With(nothing) = %+v, %v; want the rates as they are", r, err)
	}

	gpt, _ := table(t).Lookup("openai/gpt-4o-mini")
	r, err = gpt.With(price.Override{InputCostPerToken: "1e-6", CacheCreationInputTokenCost: "5e-6"})
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
	_, err := price.Rates{}.With(price.Override{InputCostPerToken: "cheap", OutputCostPerToken: "-1e-6"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"input_cost_per_token", `"cheap"`, "output_cost_per_token", "negative"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %s", err, want)
		}
	}
}

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
	e, ok := tab.Lookup("cohere.rerank-v4.0-fast")
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
	if len(models) < 70 {
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
	e, _ := table(t).Lookup("oci/google.gemini-2.5-flash")
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"key":"oci/google.gemini-2.5-flash","litellm_provider":"oci","mode":"chat",` +
		`"input_cost_per_token":0.00000015,"output_cost_per_token":0.0000006,"cache_read_input_token_cost":null,` +
		`"cache_creation_input_token_cost":null,"input_cost_per_character":null,"output_cost_per_character":null,` +
		`"max_input_tokens":1048576,"max_output_tokens":65536,` +
		`"supports_function_calling":true,"supports_vision":true,"supports_reasoning":true,` +
		`"supports_response_schema":true,"supports_audio_input":true,"supports_pdf_input":true,` +
		`"source":"LiteLLM catalogue; Google lists 0.30/2.50 a million"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadErrors(t *testing.T) {
	const head = "id,mode,input_cost_per_token,output_cost_per_token,cache_read_input_token_cost," +
		"cache_creation_input_token_cost,input_cost_per_character,output_cost_per_character," +
		"max_input_tokens,max_output_tokens,output_vector_size,caps,source\n"
	const good = "oci/a,chat,1e-6,1e-6,,,,,1,1,,tools,s\n"
	tests := []struct{ name, in, want string }{
		{"empty", "", "EOF"},
		{"other header", "id,mode\n", "first line"},
		{"too few fields", head + "oci/a,chat\n", "wrong number of fields"},
		{"no provider", head + "a,chat,,,,,,,,,,,s\n", "line 2: id \"a\" has no provider"},
		{"mode", head + "oci/a,chats,,,,,,,,,,,s\n", "unknown mode"},
		{"no source", head + "oci/a,chat,,,,,,,,,,,\n", "source"},
		{"price", head + "oci/a,chat,x,,,,,,,,,,s\n", "not a decimal number"},
		{"negative price", head + "oci/a,chat,-1,,,,,,,,,,s\n", "negative"},
		{"price too fine", head + "oci/a,chat,1e-13,,,,,,,,,,s\n", "finer"},
		{"count", head + "oci/a,chat,,,,,,,many,,,,s\n", "many"},
		{"negative count", head + "oci/a,chat,,,,,,,-1,,,,s\n", "negative"},
		{"capability", head + "oci/a,chat,,,,,,,,,,flying,s\n", "flying"},
		{"twice", head + good + "# a comment\n" + good, "line 4: oci/a stands twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := price.Read(strings.NewReader(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want an error that says %q", err, tt.want)
			}
		})
	}
	tab, err := price.Read(strings.NewReader(head + good + "openai/a,chat,2e-6,2e-6,,,,,1,1,,,s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := tab.Lookup("a"); ok {
		t.Error("an id that two providers share is found without its provider")
	}
	if e, _ := tab.Lookup("openai/a"); e.Input.USD != 2_000_000 {
		t.Errorf("openai/a costs %s", e.Input.USD)
	}
}
