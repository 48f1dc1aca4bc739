package gateway

import (
	"math"
	"slices"
	"testing"

	"tollgate/internal/dispatch"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
)

// perMillion is a price of so many dollars a million.
func perMillion(dollars int64) price.Rate {
	return price.Rate{USD: money.USD(dollars) * money.Dollar / 1_000_000, Known: true}
}

func plainRates() price.Rates {
	return price.Rates{Sheet: price.Sheet{Input: perMillion(1), Output: perMillion(2)}}
}

func TestSizeOfABody(t *testing.T) {
	chat, text := openai.OpChat, openai.OpCompletion
	tests := []struct {
		name            string
		op              openai.Operation
		body            string
		output, choices int64 // 0 choices: refused
		service         price.Service
	}{
		{"nothing named", chat, `{}`, 0, 1, price.Standard},
		{"the largest cap", chat, `{"max_tokens":3,"max_completion_tokens":5,"maxTokens":4,"maxCompletionTokens":2}`, 5, 1, price.Standard},
		{"the largest count", chat, `{"n":2,"best_of":7,"numGenerations":3}`, 0, 7, price.Standard},
		{"exponents", chat, `{"max_tokens":1e3,"n":0.2e1}`, 1000, 2, price.Standard},
		{"nulls", chat, `{"max_tokens":null,"n":null,"models":null}`, 0, 1, price.Standard},
		{"capitals", chat, `{"MAX_TOKENS":7,"N":2,"Service_Tier":"Flex"}`, 7, 2, price.Flex},
		{"letters that fold", chat, "{\"max_token\u017f\":7}", 7, 1, price.Standard},
		{"extra_body", chat, `{"max_tokens":1,"extra_body":{"max_tokens":9,"n":3,"service_tier":"priority"}}`, 9, 3, price.Priority},
		{"bounds", chat, `{"max_tokens":9223372036854775807,"n":9223372036854775807}`, mostCounted, mostCounted, price.Standard},
		{"beyond every number", chat, `{"max_tokens":1e999,"n":1e999}`, mostCounted, mostCounted, price.Standard},
		{"prompts", text, `{"prompt":["a","b"],"n":3}`, 0, 6, price.Standard},
		{"prompts of tokens", text, `{"prompt":[[1,2],[3]]}`, 0, 2, price.Standard},
		{"a prompt of tokens", text, `{"prompt":[1,2,3]}`, 0, 1, price.Standard},
		{"a prompt", text, `{"prompt":"[1,2]"}`, 0, 1, price.Standard},
		{"no prompts", text, `{"prompt":[]}`, 0, 1, price.Standard},
		{"prompts in extra_body", text, `{"prompt":"a","extra_body":{"prompt":["a","b","c"]}}`, 0, 3, price.Standard},
		{"prompts of a chat are none", chat, `{"prompt":["a","b"]}`, 0, 1, price.Standard},
		{"zero", chat, `{"max_tokens":0}`, 0, 0, price.Standard},
		{"below zero", chat, `{"n":-1}`, 0, 0, price.Standard},
		{"far below zero", chat, `{"n":-1e999}`, 0, 0, price.Standard},
		{"fraction", chat, `{"n":1.5}`, 0, 0, price.Standard},
		{"text", chat, `{"max_completion_tokens":"5"}`, 0, 0, price.Standard},
		{"list", chat, `{"max_tokens":[5]}`, 0, 0, price.Standard},
		{"true", chat, `{"n":true}`, 0, 0, price.Standard},
		{"text in extra_body", chat, `{"extra_body":{"n":"5"}}`, 0, 0, price.Standard},
		{"extra_body that is none", chat, `{"extra_body":[1]}`, 0, 0, price.Standard},
		{"others' models", chat, `{"models":["a"]}`, 0, 0, price.Standard},
		{"others' plugins in capitals", chat, `{"extra_body":{"Plugins":[]}}`, 0, 0, price.Standard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := openai.ParseRequest(tt.op, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			s := size{talks: true}
			switch err := s.read(body); {
			case tt.choices == 0 && err == nil:
				t.Errorf("it is not refused: %d tokens, %d answers", s.output, s.choices)
			case tt.choices > 0 && (err != nil || s.output != tt.output || s.choices != tt.choices || s.kinds.Service != tt.service):
				t.Errorf("%d tokens, %d answers, service %d, %v; want %d, %d and %d", s.output, s.choices, s.kinds.Service, err, tt.output, tt.choices, tt.service)
			}
		})
	}
}

func TestSearches(t *testing.T) {
	documents := func(n int) string {
		return "[" + string(slices.Repeat([]byte(`"d",`), n)) + `"d"]`
	}
	for _, tt := range []struct {
		op   openai.Operation
		body string
		want int64
	}{
		{openai.OpRerank, `{"documents":["a"]}`, 1},
		{openai.OpRerank, `{"documents":` + documents(99) + `}`, 1},
		{openai.OpRerank, `{"documents":` + documents(100) + `}`, 2},
		{openai.OpRerank, `{"documents":[],"extra_body":{"documents":` + documents(250) + `}}`, 3},
		{openai.OpRerank, `{"documents":"many"}`, 1},
		{openai.OpChat, `{"documents":` + documents(500) + `}`, 0},
	} {
		body, err := openai.ParseRequest(tt.op, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := searches(body); got != tt.want {
			t.Errorf("%.40s: %d, want %d", tt.body, got, tt.want)
		}
	}
}

// TestDeploymentsAdd: what a deployment adds to a call counts, and what it takes away does.
func TestDeploymentsAdd(t *testing.T) {
	d := &dispatch.Deployment{}
	tests := []struct {
		name            string
		asked           size
		model           Model
		output, choices int64
		uncappable      bool
	}{
		{"nothing", size{talks: true, output: 5, choices: 2}, Model{}, 5, 2, false},
		{"more answers", size{talks: true, output: 5, choices: 2}, Model{Defaults: Defaults{Choices: 8}}, 5, 8, false},
		{"fewer answers", size{talks: true, output: 5, choices: 2}, Model{Defaults: Defaults{Choices: 1}}, 5, 2, false},
		{"answers beyond all bounds", size{talks: true, choices: 1}, Model{Defaults: Defaults{Choices: math.MaxInt64}}, 0, mostCounted, false},
		{"a cap", size{talks: true, choices: 1}, Model{Defaults: Defaults{Output: 9}}, 9, 1, false},
		{"a cap beside the caller's", size{talks: true, output: 50, choices: 1}, Model{Defaults: Defaults{Output: 9}}, 50, 1, false},
		{"caps are dropped", size{talks: true, output: 5, choices: 1}, Model{Defaults: Defaults{DropsCap: true}}, 0, 1, true},
		{"nothing is said", size{output: 0, choices: 1}, Model{Defaults: Defaults{Choices: 8}}, 0, 1, false},
	}
	for _, tt := range tests {
		s := tt.asked
		s.apply(&tt.model, d)
		if s.output != tt.output || s.choices != tt.choices || s.uncappable != tt.uncappable {
			t.Errorf("%s: %d tokens, %d answers, uncappable %v", tt.name, s.output, s.choices, s.uncappable)
		}
	}
}

func TestAffords(t *testing.T) {
	tests := []struct {
		name   string
		size   size
		rates  price.Rates
		budget money.USD
		want   int64
	}{
		{"some", size{prompt: 1000, choices: 1}, plainRates(), money.Dollar / 100, 4500},
		{"shared by answers", size{prompt: 1000, choices: 3}, plainRates(), money.Dollar / 100, 1500},
		{"the prompt alone", size{prompt: 10_000, choices: 1}, plainRates(), money.Dollar / 100, 0},
		{"not even the prompt", size{prompt: 20_000, choices: 1}, plainRates(), money.Dollar / 100, 0},
		{"nothing", size{prompt: 1, choices: 1}, plainRates(), 0, 0},
		{"a debt", size{prompt: 1, choices: 1}, plainRates(), -money.Dollar, 0},
		{"everything", size{prompt: 1, choices: 1}, plainRates(), money.Max, mostCounted},
		{"a free answer", size{prompt: 1, choices: 1}, price.Rates{Sheet: price.Sheet{Input: perMillion(1), Output: price.Rate{Known: true}}}, money.Dollar, mostCounted},
		{"no price", size{prompt: 1, choices: 1}, price.Rates{}, money.Dollar, mostCounted},
	}
	for _, tt := range tests {
		if got := tt.size.affords(tt.rates, tt.budget); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// FuzzSize: whatever numbers a body has, the size is within its bounds, and what is held covers every cost of a call that
// stays within the size. What a budget affords is never more than the budget.
func FuzzSize(f *testing.F) {
	f.Add(`{"max_tokens":5,"n":2}`, int64(9), int64(3), int64(1_000_000), int64(2_000_000), int64(500_000), int64(7), false)
	f.Add(`{"max_tokens":4611686018427387904,"n":4}`, int64(1<<62), int64(1<<61), int64(1<<40), int64(1<<40), int64(1<<50), int64(-1), true)
	f.Add(`{"prompt":["a","b"],"best_of":1e300}`, int64(-5), int64(0), int64(0), int64(1), int64(0), int64(1<<62), false)
	f.Add(`{"extra_body":{"N":3,"maxTokens":1e5},"service_tier":"flex"}`, int64(100), int64(100), int64(1), int64(1), int64(1), int64(1), true)
	f.Fuzz(func(t *testing.T, text string, a, b, input, output, special, budget int64, complete bool) {
		op := openai.OpChat
		if complete {
			op = openai.OpCompletion
		}
		body, err := openai.ParseRequest(op, []byte(text))
		if err != nil {
			return
		}
		s := size{talks: true, prompt: int64(len(text)) + wrapping, kinds: price.Usage{Cached: 1, Reasoning: 1, CacheWritten: 1, PromptAudio: 1, PromptImage: 1, CompletionAudio: 1}}
		if s.read(body) != nil {
			return
		}
		if s.output < 0 || s.output > mostCounted || s.choices < 1 || s.choices > mostCounted {
			t.Fatalf("%d tokens, %d answers", s.output, s.choices)
		}
		rate := func(picodollars int64) price.Rate {
			return price.Rate{USD: money.USD(max(picodollars, 0)), Known: true}
		}
		r := price.Rates{Sheet: price.Sheet{
			Input: rate(input), Output: rate(output), CacheRead: rate(special / 2), CacheWrite: rate(special), Reasoning: rate(special), InputAudio: rate(special), OutputAudio: rate(special / 3), Request: rate(special),
		}}
		most, _ := s.longest(&dispatch.Deployment{}, body)
		hold, known := s.worth(r, most)
		if !known || hold < 0 || most < 1 {
			t.Fatalf("%v for %d tokens, known %v", hold, most, known)
		}
		within := func(n, bound int64) int64 { // a number from 0 to bound
			return int64(uint64(n) % uint64(bound+1))
		}
		u := price.Usage{Prompt: within(a, s.prompt), Completion: within(b, most*s.choices)}
		u.Cached, u.CacheWritten, u.PromptAudio = within(b, u.Prompt), within(a, u.Prompt), within(a^b, u.Prompt)
		u.Reasoning, u.CompletionAudio = within(a, u.Completion), within(a^b, u.Completion)
		if cost, known := price.Cost(r, u); !known || cost > hold || cost < 0 {
			t.Fatalf("%+v costs %v, known %v, and %v is held", u, cost, known, hold)
		}
		if floor, _ := s.worth(r, 0); money.USD(budget) >= floor {
			n := s.affords(r, money.USD(budget))
			if cost, _ := s.worth(r, n); n < 0 || n > mostCounted || cost > money.USD(budget) {
				t.Fatalf("%d tokens for %v cost %v", n, money.USD(budget), cost)
			}
		}
	})
}
