package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSpendHeaders: a reply tells what its key has spent, this call included, and the cap where there is one.
func TestSpendHeaders(t *testing.T) {
	g := govern(t, "")
	body := chat("plain", `,"max_tokens":100`) // 0.00001 for the prompt and 0.0002 for the answer
	tests := []struct {
		name, fields string
		spends       []string // after each call
		limit        string
	}{
		{"a budget", `{"max_budget":0.5}`, []string{"0.00021", "0.00042"}, "0.5"},
		{"a budget of a day", `{"max_budget":2,"budget_duration":"1d"}`, []string{"0.00021"}, "2.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := g.key(t, tt.fields)
			for i, want := range tt.spends {
				g.spend(t, key) // waits until the ledger has the calls before: while it books one, that may count twice for a moment
				got := g.chat(t, key, body)
				if got.status != 200 {
					t.Fatalf("%d %s", got.status, got.text)
				}
				if spend := got.header.Get("x-litellm-key-spend"); spend != want {
					t.Errorf("call %d: x-litellm-key-spend %q, want %q", i, spend, want)
				}
				if limit := got.header.Get("x-litellm-key-max-budget"); limit != tt.limit {
					t.Errorf("call %d: x-litellm-key-max-budget %q, want %q", i, limit, tt.limit)
				}
				if cost := got.header.Get("x-litellm-response-cost"); cost != "0.00021" {
					t.Errorf("call %d: x-litellm-response-cost %q", i, cost)
				}
			}
		})
	}
	for name, fields := range map[string]string{"no budget": `{}`, "a soft budget alone": `{"soft_budget":0.5}`} {
		t.Run(name, func(t *testing.T) {
			key := g.key(t, fields)
			// The store is asked beside the first call: one of the next has its word, which may lack the last moment.
			for i := 1; ; i++ {
				got := g.chat(t, key, body)
				spend, err := strconv.ParseFloat(got.header.Get("x-litellm-key-spend"), 64)
				if err != nil || spend < 0 || spend > 0.00021*float64(i)+1e-9 || i == 10_000 {
					t.Fatalf("call %d: x-litellm-key-spend %v, %v", i, spend, err)
				}
				if limit := got.header.Get("x-litellm-key-max-budget"); limit != "" {
					t.Fatalf("call %d: x-litellm-key-max-budget %q", i, limit)
				}
				if spend > 0 {
					return
				}
			}
		})
	}
	t.Run("no key", func(t *testing.T) {
		got := g.chat(t, masterKey, body)
		if spend := got.header.Get("x-litellm-key-spend"); spend != "0.0" {
			t.Errorf("x-litellm-key-spend %q", spend)
		}
	})
}

// TestBudgetRefusal: who is refused is told by which budget, how much the call may cost, when the budget begins anew, and
// not to try again.
func TestBudgetRefusal(t *testing.T) {
	g := govern(t, "")
	key := g.key(t, `{"max_budget":0.001,"budget_duration":"30d"}`)
	got := g.chat(t, key, chat("plain", `,"max_tokens":1000`))
	if got.status != 429 || got.errorField(t, "type") != "budget_exceeded" || got.errorField(t, "param") != nil || got.errorField(t, "code") != "429" {
		t.Errorf("%d %s", got.status, got.text)
	}
	if text, _ := got.errorField(t, "message").(string); !strings.HasPrefix(text, "Budget has been exceeded! Current cost: 0.0, Max budget: 0.001. This call may cost up to 0.002") {
		t.Errorf("message %q", text)
	}
	if scope := got.header.Get("x-tollgate-budget-scope"); !strings.HasPrefix(scope, "key:") || strings.Contains(scope, key) {
		t.Errorf("x-tollgate-budget-scope %q", scope)
	}
	if needed := got.header.Get("x-tollgate-budget-needed"); !strings.HasPrefix(needed, "0.002") {
		t.Errorf("x-tollgate-budget-needed %q", needed)
	}
	if at, err := time.Parse(time.RFC3339, got.header.Get("x-tollgate-budget-reset")); err != nil || !at.After(time.Now()) {
		t.Errorf("x-tollgate-budget-reset: %v %v", at, err)
	}
	if again := got.header.Get("x-should-retry"); again != "false" {
		t.Errorf("x-should-retry %q", again)
	}
	if cost := got.header.Get("x-litellm-response-cost"); cost != "0" {
		t.Errorf("x-litellm-response-cost %q", cost)
	}
}

// TestLimitHeaders: a reply tells how the limits of its key stand, and a refusal which one it was and when to come again.
func TestLimitHeaders(t *testing.T) {
	g := govern(t, "")
	key := g.key(t, `{"rpm_limit":2,"tpm_limit":10000}`)
	body := chat("plain", `,"max_tokens":90`)
	for i, left := range []string{"1", "0"} {
		got := g.chat(t, key, body)
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.text)
		}
		for name, want := range map[string]string{
			"x-ratelimit-api_key-limit-requests": "2", "x-ratelimit-api_key-remaining-requests": left, "x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": left,
			"x-ratelimit-api_key-limit-tokens": "10000", "x-ratelimit-limit-tokens": "10000", "x-litellm-key-rpm-limit": "2", "x-litellm-key-tpm-limit": "10000",
		} {
			if v := got.header.Get(name); v != want {
				t.Errorf("call %d: %s %q, want %q", i, name, v, want)
			}
		}
	}
	got := g.chat(t, key, body)
	if got.status != 429 || got.errorField(t, "type") != "throttling_error" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	text, _ := got.errorField(t, "message").(string)
	if !strings.HasPrefix(text, "Rate limit exceeded for api_key: ") || !strings.Contains(text, "Limit type: requests. Current limit: 2, Remaining: 0. Limit resets at: ") || strings.Contains(text, key) {
		t.Errorf("message %q", text)
	}
	for name, want := range map[string]string{"rate_limit_type": "requests", "x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-requests": "2"} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s %q, want %q", name, v, want)
		}
	}
	if v := got.header.Get("retry-after"); v == "" || v == "0" {
		t.Errorf("retry-after %q", v)
	}
	if _, err := time.Parse(time.DateTime, got.header.Get("reset_at")); err != nil {
		t.Errorf("reset_at: %v", err)
	}
}

// TestLegacyStatus: older releases of LiteLLM answered a spent budget with 400.
func TestLegacyStatus(t *testing.T) {
	for general, want := range map[string]int{"": 429, "tollgate_settings: {compat_status: newest}\n": 429, "tollgate_settings: {compat_status: legacy}\n": 400} {
		g := govern(t, general)
		got := g.chat(t, g.key(t, `{"max_budget":0}`), chat("plain", `,"max_tokens":9`))
		if got.status != want || got.errorField(t, "type") != "budget_exceeded" || got.errorField(t, "code") != fmt.Sprint(want) {
			t.Errorf("%q: %d %s", general, got.status, got.text)
		}
	}
}

// TestRefuseUnpriced: a model without a price is refused where a budget pays, unless the operator lets it pass.
func TestRefuseUnpriced(t *testing.T) {
	tests := []struct {
		name, general, fields, body string
		status                      int
	}{
		{"by default", "", `{"max_budget":1}`, chat("unpriced"), 403},
		{"by default, by a fallback", "", `{"max_budget":1}`, chat("falls-to-unpriced"), 500},
		{"no budget", "", `{}`, chat("unpriced"), 200},
		{"no budget, by a fallback", "", `{}`, chat("falls-to-unpriced"), 200},
		{"switched off", "tollgate_settings: {refuse_unpriced: false}\n", `{"max_budget":1}`, chat("unpriced"), 200},
		{"switched off, by a fallback", "tollgate_settings: {refuse_unpriced: false}\n", `{"max_budget":1}`, chat("falls-to-unpriced"), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, tt.general)
			key := g.key(t, tt.fields)
			if got := g.chat(t, key, tt.body); got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.text)
			}
			if spend := g.spend(t, key); spend != 0 {
				t.Errorf("spend %v of what has no price", spend)
			}
		})
	}
}

// TestEstimateMode: where the expected cost is held, a call passes that may cost more than its budget has, and its cost is
// charged all the same.
func TestEstimateMode(t *testing.T) {
	for general, want := range map[string]int{"": 429, "tollgate_settings: {budget_mode: strict}\n": 429, "tollgate_settings: {budget_mode: estimate}\n": 200} {
		g := govern(t, general)
		key := g.key(t, `{"max_budget":0.004}`)
		body := chat("plain", `,"max_tokens":50000`)
		g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { billed(w, "x", 2000) })
		if got := g.chat(t, key, body); got.status != want {
			t.Errorf("%q: %d %s", general, got.status, got.text)
		}
		if want == 429 {
			continue
		}
		if spend := g.spend(t, key); spend != 0.00401 {
			t.Errorf("%q: spend %v", general, spend)
		}
		if got := g.chat(t, key, body); got.status != 429 {
			t.Errorf("%q: a call on a spent budget: %d", general, got.status)
		}
	}
}

// TestWhichTokensCount: token limits count what the operator says, while a call is under way and when it has ended.
func TestWhichTokensCount(t *testing.T) {
	long := strings.Repeat("word ", 400) // some five hundred tokens
	tests := []struct {
		counts, name, prompt string
		answer, status       int
	}{
		{"total", "prompt", long, 1, 429}, {"total", "answer", "x", 300, 429}, {"total", "neither", "x", 20, 200},
		{"input", "prompt", long, 1, 429}, {"input", "answer", "x", 300, 200}, {"input", "neither", "x", 20, 200},
		{"output", "prompt", long, 1, 200}, {"output", "answer", "x", 300, 429}, {"output", "neither", "x", 20, 200},
	}
	for _, tt := range tests {
		t.Run(tt.counts+", "+tt.name, func(t *testing.T) {
			g := govern(t, "  token_rate_limit_type: "+tt.counts+"\n")
			key := g.key(t, `{"tpm_limit":200}`)
			plain := func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { billed(w, "x", 0) }
			next := func(when string) {
				g.upstream(plain)
				if got := g.chat(t, key, chat("plain", `,"max_tokens":20`)); got.status != tt.status {
					t.Errorf("%s: %d, want %d: %s", when, got.status, tt.status, got.text)
				}
			}
			g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
				next("beside it")
				fmt.Fprintf(w, `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":1}}`, len(tt.prompt)/4, tt.answer)
			})
			if got := g.chat(t, key, fmt.Sprintf(`{"model":"plain","max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, tt.answer, tt.prompt)); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			next("after it")
		})
	}
}

// TestTokensAreCorrected: what a call has not used of its tokens comes back to the limit.
func TestTokensAreCorrected(t *testing.T) {
	g := govern(t, "")
	key := g.key(t, `{"tpm_limit":1000}`)
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { billed(w, "x", 40) })
	for i, want := range []int{200, 200, 429} { // 900 or so are taken and 50 used; then 900 more; then too many
		tokens := []int{900, 850, 950}[i]
		if got := g.chat(t, key, fmt.Sprintf(`{"model":"plain","max_tokens":%d,"messages":[{"role":"user","content":"x"}]}`, tokens)); got.status != want {
			t.Errorf("call %d: %d, want %d: %s", i, got.status, want, got.text)
		}
	}
}

// TestOverflowOfATokenLimit: numbers beyond all bounds take all of a limit, not none of it.
func TestOverflowOfATokenLimit(t *testing.T) {
	for _, more := range []string{`,"max_tokens":4611686018427387904,"n":4`, `,"max_tokens":4611686018427387904,"n":2`, `,"max_tokens":1e300`} {
		g := govern(t, "")
		key := g.key(t, `{"tpm_limit":1000}`)
		g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			if got := g.chat(t, key, chat("plain", `,"max_tokens":500`)); got.status != 429 {
				t.Errorf("%s: beside it a call is served: %d", more, got.status)
			}
			billed(w, "x", 2)
		})
		g.chat(t, key, chat("plain", more))
	}
}

// TestServiceIsBilled: what a dearer class of service costs is charged, wherever the body asks for it.
func TestServiceIsBilled(t *testing.T) {
	g := govern(t, "")
	for _, body := range []string{
		chat("served-sooner", `,"max_tokens":500,"service_tier":"priority"`),
		chat("served-sooner", `,"max_tokens":500,"serviceTier":"PRIORITY"`),
		chat("served-sooner", `,"max_tokens":500,"extra_body":{"service_tier":"priority"}`),
		chat("broken", `,"max_tokens":500,"fallbacks":[{"model":"served-sooner","service_tier":"priority"}]`),
	} {
		key := g.key(t, `{"max_budget":1}`)
		if got := g.chat(t, key, body); got.status != 200 {
			t.Errorf("%s: %d %s", body, got.status, got.text)
		}
		if spend := g.spend(t, key); spend != 0.0101 { // ten tokens at 1e-5 and five hundred at 2e-5
			t.Errorf("%s: spend %v", body, spend)
		}
	}
}
