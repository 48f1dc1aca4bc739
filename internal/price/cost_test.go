package price_test

import (
	"testing"

	"tollgate/internal/money"
	"tollgate/internal/price"
)

// table returns the built-in table.
func table(t testing.TB) *price.Table {
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
		// Oracle: 0.0156 dollars for 10,000 characters, 4 of them a token: 1500 x 6.24 = 9360 per million.
		{"cohere command by tokens", "oci/cohere.command-latest", price.Usage{Prompt: 1000, Completion: 500}, "0.00936"},
		// Oracle's own example in its arithmetic: 220 + 2205 characters at 0.0018 for 10,000.
		{"Oracle's example", "oci/meta.llama-3.3-70b-instruct", price.Usage{Prompt: 50, Completion: 500, PromptChars: 220, CompletionChars: 2205}, "0.0004365"},
		// 10,000 characters in and as many out.
		{"cohere command by characters", "oci/cohere.command-a-03-2025", price.Usage{PromptChars: 10000, CompletionChars: 10000}, "0.0312"},
		// 17 x 0.25 + 3 x 2 = 10.25 per million.
		{"gpt-5-mini", "oci/openai.gpt-5-mini", price.Usage{Prompt: 17, Completion: 3}, "0.00001025"},
		// 12 x 1.25 + 20 x 2.5 = 65.
		{"grok 4.20", "oci/xai.grok-4.20", price.Usage{Prompt: 12, Completion: 20}, "0.000065"},
		// 40 x 0.72 = 28.8.
		{"llama 4 maverick", "oci/meta.llama-4-maverick-17b-128e-instruct-fp8", price.Usage{Prompt: 30, Completion: 10}, "0.0000288"},
		// 7 x 0.30 + 1 x 2.50 = 4.6; the upstream counts thinking in the answer, and it is priced once.
		{"gemini flash", "oci/google.gemini-2.5-flash", price.Usage{Prompt: 7, Completion: 1, Reasoning: 1}, "0.0000046"},
		// 1000 of them sound: 500 x 0.30 + 1000 x 1.00 = 1150.
		{"gemini hears", "oci/google.gemini-2.5-flash", price.Usage{Prompt: 1500, PromptAudio: 1000}, "0.00115"},
		// 100 x 0.40 = 40.
		{"embedding, output free", "oci/cohere.embed-v4.0", price.Usage{Prompt: 100, Completion: 9}, "0.00004"},
		// One direction counted in characters, the other in tokens: 10,000 characters, and 100 x 0.72.
		{"mixed", "oci/meta.llama-3.3-70b-instruct", price.Usage{Completion: 100, PromptChars: 10000}, "0.001872"},
		// Characters do not matter to a model that is billed by tokens.
		{"characters of a token model", "oci/openai.gpt-5-mini", price.Usage{Prompt: 4, PromptChars: 99999}, "0.000001"},
		// 200 x 0.15 + 800 x 0.075 + 10 x 0.60 = 96. BerriAI/litellm#11364: cached tokens at the cache's price.
		{"cache price", "openai/gpt-4o-mini", price.Usage{Prompt: 1000, Cached: 800, Completion: 10}, "0.000096"},
		// 100 x 3 + 200 x 0.30 + 700 x 3.75 = 2985.
		{"cache written", "anthropic/claude-sonnet-4-6", price.Usage{Prompt: 1000, Cached: 200, CacheWritten: 700}, "0.002985"},
		// 700 written, 100 of them for an hour: 100 x 3 + 200 x 0.30 + 600 x 3.75 + 100 x 6 = 3210.
		{"cache written for an hour", "anthropic/claude-sonnet-4-6", price.Usage{Prompt: 1000, Cached: 200, CacheWritten: 700, CacheWrittenHour: 100}, "0.00321"},
		// No cache price on OCI: 1000 x 0.25.
		{"cached without a cache price", "oci/openai.gpt-5-mini", price.Usage{Prompt: 1000, Cached: 800}, "0.00025"},
		{"more cached than sent", "openai/gpt-4o-mini", price.Usage{Prompt: 100, Cached: 900}, "0.0000075"},
		// Thinking has a price of its own: 10 x 2 + 20 x 8 + 80 x 3 = 420. BerriAI/litellm#18599: once.
		{"reasoning price", "perplexity/sonar-deep-research", price.Usage{Prompt: 10, Completion: 100, Reasoning: 80}, "0.00042"},
		// Exactly at the bound the tier does not count: 200,000 x 1.25 + 10 x 2.5.
		{"at a tier's bound", "oci/xai.grok-4.20", price.Usage{Prompt: 200_000, Completion: 10}, "0.250025"},
		// One token more and the whole call costs the tier's prices: 150,001 x 2.5 + 50,000 x 0.4 + 10 x 5.
		{"above a tier's bound", "oci/xai.grok-4.20", price.Usage{Prompt: 200_001, Cached: 50_000, Completion: 10}, "0.3950525"},
		// Half of 1000 x 1.25 + 100 x 2.5, for want of a batch price.
		{"batch without a price of its own", "oci/xai.grok-3", price.Usage{Prompt: 1000, Completion: 100, Service: price.Batch}, "0.00375"},
		// Half of the tier: 300,000 x 1.25 + 10 x 2.5.
		{"large batch", "oci/xai.grok-4.20", price.Usage{Prompt: 300_000, Completion: 10, Service: price.Batch}, "0.375025"},
		// 1000 x 0.075 + 100 x 0.30.
		{"batch with a price of its own", "openai/gpt-4o-mini", price.Usage{Prompt: 1000, Completion: 100, Service: price.Batch}, "0.000105"},
		// 1000 x 0.25 + 100 x 1.
		{"priority", "openai/gpt-4o-mini", price.Usage{Prompt: 1000, Completion: 100, Service: price.Priority}, "0.00035"},
		{"flex without a price of its own", "openai/gpt-4o-mini", price.Usage{Prompt: 1000, Completion: 100, Service: price.Flex}, "0.00021"},
		// 300,000 x 4.5 + 10 x 27.
		{"large and priority", "gemini/gemini-2.5-pro", price.Usage{Prompt: 300_000, Completion: 10, Service: price.Priority}, "1.35027"},
		// Three searches at 2.50 for 1,000.
		{"rerank", "oci/cohere.rerank-v4.0-pro", price.Usage{Queries: 3}, "0.0075"},
		{"rerank that counts tokens besides", "oci/cohere.rerank-v4.0-pro", price.Usage{Queries: 3, Prompt: 900}, "0.0075"},
		{"nothing used", "oci/openai.gpt-5-mini", price.Usage{}, "0"},
		{"negative counts", "oci/openai.gpt-5-mini", price.Usage{Prompt: -5, Cached: -7, Completion: -1, Reasoning: -3, Queries: -1, InputMillis: -9}, "0"},
		// 40,000,000,000,000 tokens cost more than the range holds.
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

// costs makes rates of LiteLLM's keys and decimal text.
func costs(t testing.TB, pairs map[string]string) price.Rates {
	t.Helper()
	r, uncounted, err := price.WithCosts(price.Rates{}, pairs)
	if err != nil || len(uncounted) > 0 {
		t.Fatal(uncounted, err)
	}
	return r
}

func TestCostByUnits(t *testing.T) {
	tests := []struct {
		name  string
		rates map[string]string
		usage price.Usage
		want  string
		known bool
	}{
		{"seconds of sound", map[string]string{"input_cost_per_second": "0.0001", "output_cost_per_second": "0"}, price.Usage{InputMillis: 61_500}, "0.00615", true},
		{"a picodollar for a thousand seconds", map[string]string{"input_cost_per_second": "1e-12"}, price.Usage{InputMillis: 1499}, "0.000000000001", true},
		{"seconds without a price", map[string]string{"input_cost_per_token": "1e-6"}, price.Usage{InputMillis: 1000}, "0", false},
		{"seconds, priced by tokens", map[string]string{"input_cost_per_token": "1e-6"}, price.Usage{InputMillis: 1000, Prompt: 10}, "0.00001", true},
		{"pictures made", map[string]string{"input_cost_per_token": "1e-6", "output_cost_per_image": "0.04"}, price.Usage{Prompt: 10, OutputImages: 2}, "0.08001", true},
		{"pictures made of tokens", map[string]string{"input_cost_per_token": "1e-6", "output_cost_per_token": "1e-5", "output_cost_per_image_token": "3e-5"},
			price.Usage{Prompt: 10, OutputImages: 1, Completion: 1000, CompletionImage: 900}, "0.02801", true},
		{"pictures without a price", map[string]string{"input_cost_per_token": "1e-6"}, price.Usage{Prompt: 10, OutputImages: 2}, "0.00001", false},
		{"pictures sent", map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_image": "0.001"}, price.Usage{Prompt: 10, InputImages: 2}, "0.00201", true},
		{"pictures sent, in tokens", map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_image_token": "2e-6"}, price.Usage{Prompt: 10, PromptImage: 4, InputImages: 2}, "0.000014", true},
		{"each call", map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_request": "0.005"}, price.Usage{Prompt: 10}, "0.00501", true},
		{"searches without a price", map[string]string{"output_cost_per_token": "1e-6"}, price.Usage{Queries: 1}, "0", false},
		{"searches priced by tokens", map[string]string{"input_cost_per_token": "2e-8"}, price.Usage{Queries: 1, Prompt: 100}, "0.000002", true},
		{"sound spoken", map[string]string{"output_cost_per_token": "1e-6", "output_cost_per_audio_token": "1e-5"}, price.Usage{Completion: 100, CompletionAudio: 80}, "0.00082", true},
		{"cached sound", map[string]string{"input_cost_per_token": "1e-6", "input_cost_per_audio_token": "1e-5", "cache_read_input_token_cost": "1e-7", "cache_read_input_audio_token_cost": "3e-7"},
			// 100 text fresh, 50 text cached, 30 sound cached, 20 sound fresh.
			price.Usage{Prompt: 200, Cached: 80, CachedAudio: 30, PromptAudio: 50}, "0.000314", true},
		{"output in characters", map[string]string{"input_cost_per_token": "1e-6", "output_cost_per_character": "2e-6"}, price.Usage{Prompt: 1, CompletionChars: 5}, "0.000011", true},
		// 128k is exceeded, 200k is not; the answer has a price above 200k alone.
		{"the largest tier that is exceeded", map[string]string{
			"input_cost_per_token": "1e-6", "output_cost_per_token": "1e-6", "input_cost_per_token_above_128k_tokens": "2e-6",
			"input_cost_per_token_above_200k_tokens": "3e-6", "output_cost_per_token_above_200k_tokens": "5e-6",
		}, price.Usage{Prompt: 150_000, Completion: 10}, "0.30001", true},
		// Priority has no tier: above the bound the standard tier counts, and the answer, which has none, is priority's.
		{"a service without the tier", map[string]string{
			"input_cost_per_token": "1e-6", "output_cost_per_token": "1e-6", "input_cost_per_token_above_200k_tokens": "3e-6",
			"input_cost_per_token_priority": "2e-6", "output_cost_per_token_priority": "7e-6",
		}, price.Usage{Prompt: 300_000, Completion: 10, Service: price.Priority}, "0.90007", true},
		{"half of a picodollar", map[string]string{"input_cost_per_token": "1e-12"}, price.Usage{Prompt: 3, Service: price.Batch}, "0.000000000002", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := price.Cost(costs(t, tt.rates), tt.usage)
			if known != tt.known || got.String() != tt.want {
				t.Errorf("Cost = %s, %v; want %s, %v", got, known, tt.want, tt.known)
			}
		})
	}
}

func TestCostUnknown(t *testing.T) {
	perToken := price.Rate{USD: 2_000_000, Known: true}
	free := price.Rate{Known: true}
	tests := []struct {
		name  string
		rates price.Sheet
		usage price.Usage
		want  money.USD
		known bool
	}{
		{"no rates", price.Sheet{}, price.Usage{Prompt: 10, Completion: 10}, 0, false},
		{"no rates, nothing used", price.Sheet{}, price.Usage{}, 0, false},
		{"no output rate", price.Sheet{Input: perToken}, price.Usage{Prompt: 10, Completion: 1}, 20_000_000, false},
		{"no output rate, no output", price.Sheet{Input: perToken}, price.Usage{Prompt: 10}, 20_000_000, true},
		{"free", price.Sheet{Input: free, Output: free}, price.Usage{Prompt: 10, Completion: 10}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := price.Cost(price.Rates{Sheet: tt.rates}, tt.usage)
			if got != tt.want || known != tt.known {
				t.Errorf("Cost = %s, %v; want %s, %v", got, known, tt.want, tt.known)
			}
		})
	}
}

// Cost is on the way of every request.
func TestCostDoesNotAllocate(t *testing.T) {
	tab := table(t)
	plain, _ := tab.Lookup("oci/openai.gpt-5-mini")
	tiered, _ := tab.Lookup("gemini/gemini-2.5-pro")
	u := price.Usage{Prompt: 300_000, Cached: 100, Completion: 10, Reasoning: 3, Service: price.Priority}
	if n := testing.AllocsPerRun(100, func() { price.Cost(plain.Rates, u); price.Cost(tiered.Rates, u); price.Worst(tiered.Rates, u) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWorst(t *testing.T) {
	tab := table(t)
	for _, tt := range []struct {
		name, model string
		bound       price.Usage
		want        string
	}{
		{"plain", "anthropic/claude-sonnet-4-6", price.Usage{Prompt: 1000, Completion: 100}, "0.0045"},
		// All of the prompt may be written to the cache: 1000 x 3.75 + 100 x 15.
		{"may be cached", "anthropic/claude-sonnet-4-6", price.Usage{Prompt: 1000, Cached: 1, CacheWritten: 1, Completion: 100}, "0.00525"},
		// 1000 x 1.00, all of it heard.
		{"may be heard", "oci/google.gemini-2.5-flash", price.Usage{Prompt: 1000, PromptAudio: 1}, "0.001"},
		// 300,000 x 2.5 + 100 x 5.
		{"may be large", "oci/xai.grok-4.20", price.Usage{Prompt: 300_000, Completion: 100}, "0.7505"},
		// 10,000 characters in and 4,000 out at 1.56.
		{"by characters", "oci/cohere.command-a-03-2025", price.Usage{Prompt: 2500, PromptChars: 10_000, Completion: 1000, CompletionChars: 4000}, "0.02184"},
		{"thinking is dearer", "perplexity/sonar-deep-research", price.Usage{Completion: 100, Reasoning: 1}, "0.0008"},
		{"searches", "oci/cohere.rerank-v4.0-fast", price.Usage{Queries: 2}, "0.004"},
	} {
		e, ok := tab.Lookup(tt.model)
		if got, known := price.Worst(e.Rates, tt.bound); !ok || !known || got.String() != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, got, known, tt.want)
		}
	}
	if got, known := price.Worst(price.Rates{}, price.Usage{Prompt: 1}); got != 0 || known {
		t.Errorf("without rates: %s, %v", got, known)
	}
}

func BenchmarkCost(b *testing.B) {
	tab := table(b)
	for _, id := range []string{"oci/openai.gpt-5-mini", "gemini/gemini-2.5-pro"} {
		e, _ := tab.Lookup(id)
		b.Run(e.Provider, func(b *testing.B) {
			for b.Loop() {
				price.Cost(e.Rates, price.Usage{Prompt: 300_000, Cached: 100, Completion: 10, Reasoning: 3})
			}
		})
	}
}
