package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	chatPath = "/v1/chat/completions"
	textPath = "/v1/completions"
)

// TestBudgetIsNeverPassed: whatever a body says, in whatever spelling an upstream may read it, a key spends no more than
// its budget at an upstream that bills all that it is allowed to.
func TestBudgetIsNeverPassed(t *testing.T) {
	g := govern(t, "")
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	tests := []struct {
		name   string
		path   string
		budget float64
		body   string
		status int
	}{
		{"within the budget", chatPath, 0.001, chat("plain", `,"max_tokens":100`), 200},
		{"beyond the budget", chatPath, 0.001, chat("plain", `,"max_tokens":1000`), 429},
		{"two caps, the larger one last", chatPath, 0.001, chat("plain", `,"max_tokens":1,"max_completion_tokens":100000`), 429},
		{"two caps, the larger one first", chatPath, 0.001, chat("plain", `,"max_tokens":100000,"max_completion_tokens":1`), 429},
		{"cap as 1e5", chatPath, 0.001, chat("plain", `,"max_completion_tokens":1e5`), 429},
		{"cap as 10.0", chatPath, 0.001, chat("plain", `,"max_tokens":10.0`), 200},
		{"cap as a text", chatPath, 0.001, chat("plain", `,"max_tokens":"100000"`), 400},
		{"cap with a fraction", chatPath, 0.001, chat("plain", `,"max_tokens":1.5`), 400},
		{"cap of 0", chatPath, 0.001, chat("plain", `,"max_tokens":0`), 400},
		{"cap below 0", chatPath, 0.001, chat("plain", `,"max_tokens":-5`), 400},
		{"cap of null is none", chatPath, 0.01, chat("plain", `,"max_tokens":null`), 200},
		{"OCI's cap", chatPath, 0.001, chat("plain", `,"max_tokens":1,"maxTokens":100000`), 429},
		{"OCI's other cap", chatPath, 0.001, chat("plain", `,"max_tokens":1,"maxCompletionTokens":100000`), 429},
		{"answers as 10.0", chatPath, 0.001, chat("plain", `,"max_tokens":100,"n":10.0`), 429},
		{"answers as 1e1", chatPath, 0.001, chat("plain", `,"max_tokens":100,"n":1e1`), 429},
		{"answers as a text", chatPath, 0.001, chat("plain", `,"max_tokens":100,"n":"10"`), 400},
		{"answers below 0", chatPath, 0.001, chat("plain", `,"max_tokens":100,"n":-1`), 400},
		{"best_of as 10.0", textPath, 0.001, `{"model":"plain","prompt":"x","max_tokens":100,"best_of":10.0}`, 429},
		{"OCI's answers", chatPath, 0.001, chat("plain", `,"max_tokens":100,"numGenerations":10`), 429},
		{"product of 2^64", chatPath, 0.001, chat("plain", `,"max_tokens":4611686018427387904,"n":4`), 429},
		{"product of 2^63", chatPath, 0.001, chat("plain", `,"max_tokens":4611686018427387904,"n":2`), 429},
		{"cap beyond int64", chatPath, 0.001, chat("plain", `,"max_tokens":1e300`), 429},
		{"twenty prompts", textPath, 0.005, `{"model":"plain","max_tokens":1000,"prompt":[` + list(`"a"`, 20) + `]}`, 429},
		{"twenty prompts of tokens", textPath, 0.005, `{"model":"plain","max_tokens":1000,"prompt":[` + list(`[1]`, 20) + `]}`, 429},
		{"one prompt of twenty tokens", textPath, 0.005, `{"model":"plain","max_tokens":1000,"prompt":[` + list(`1`, 20) + `]}`, 200},
		{"no cap on a model that nobody has described", chatPath, 0.15, chat("undescribed"), 200},
		{"no cap and a budget beyond the longest answer", chatPath, 0.04, chat("plain"), 200},
		{"no cap, streamed, by a model that may think", chatPath, 0.004, chat("undescribed", `,"stream":true`), 200},
		{"a price for each call", chatPath, 0.001, chat("per-call", `,"max_tokens":1`), 429},
		{"a search without budget", "/v1/rerank", 0.001, `{"model":"ranks","query":"q","documents":["a"]}`, 429},
		{"no price", chatPath, 0.001, chat("unpriced", `,"max_tokens":1`), 403},
		{"a deployment that drops caps", chatPath, 0.01, chat("drops-caps", `,"max_tokens":1`), 429},
		{"a deployment that asks for eight answers", chatPath, 0.005, chat("answers-eight", `,"max_tokens":500`), 429},
		{"a fallback that asks for more", chatPath, 0.001, chat("broken", `,"max_tokens":1,"fallbacks":[{"model":"plain","max_tokens":100000,"n":10}]`), 500},
		{"a fallback that asks for more in OCI's words", chatPath, 0.001, chat("broken", `,"max_tokens":1,"fallbacks":[{"model":"plain","numGenerations":10,"maxTokens":100000}]`), 500},
		{"a fallback without a price", chatPath, 0.001, chat("broken", `,"max_tokens":1,"fallbacks":["unpriced"]`), 500},
		{"the operator's fallback without a price", chatPath, 0.001, chat("falls-to-unpriced", `,"max_tokens":1`), 500},
		{"a fallback with a price for each call", chatPath, 0.001, chat("broken", `,"max_tokens":1,"fallbacks":["per-call"]`), 500},
		{"a fallback from what is free", chatPath, 0.001, chat("free", `,"max_tokens":1,"fallbacks":["plain"]`), 200},
		{"a fallback within the budget", chatPath, 0.001, chat("broken", `,"max_tokens":100,"fallbacks":["plain"]`), 200},
		{"a cap in extra_body", chatPath, 0.001, chat("plain", `,"max_tokens":1,"extra_body":{"max_tokens":100000}`), 429},
		{"answers in extra_body", chatPath, 0.001, chat("plain", `,"max_tokens":100,"extra_body":{"n":10}`), 429},
		{"two caps of one name", chatPath, 0.001, chat("plain", `,"max_tokens":1,"max_tokens":100000`), 400},
		{"a cap in escapes", chatPath, 0.001, chat("plain", `,"max_tokens":1,"max_completion_token\u0073":100000`), 429},
		{"a cap in capitals", chatPath, 0.001, chat("plain", `,"max_tokens":1,"Max_Tokens":100000`), 429},
		{"prompts in extra_body", textPath, 0.005, `{"model":"plain","max_tokens":1000,"prompt":"a","extra_body":{"prompt":[` + list(`"a"`, 20) + `]}}`, 429},
		{"a dearer service", chatPath, 0.005, chat("served-sooner", `,"max_tokens":500,"service_tier":"priority"`), 429},
		{"a dearer service in capitals", chatPath, 0.005, chat("served-sooner", `,"max_tokens":500,"service_tier":"PRIORITY"`), 429},
		{"a dearer service in OCI's words", chatPath, 0.005, chat("served-sooner", `,"max_tokens":500,"serviceTier":"PRIORITY"`), 429},
		{"a dearer service in extra_body", chatPath, 0.005, chat("served-sooner", `,"max_tokens":500,"extra_body":{"service_tier":"priority"}`), 429},
		{"a dearer service by a fallback", chatPath, 0.005, chat("broken", `,"max_tokens":500,"fallbacks":[{"model":"served-sooner","service_tier":"priority"}]`), 500},
		{"the usual service", chatPath, 0.005, chat("served-sooner", `,"max_tokens":500`), 200},
		{"OpenRouter's models in extra_body", chatPath, 1, chat("plain", `,"max_tokens":1,"extra_body":{"models":["dear"]}`), 400},
		{"OpenRouter's models by a fallback", chatPath, 1, chat("broken", `,"max_tokens":1,"fallbacks":[{"model":"plain","models":["dear"]}]`), 500},
		{"OpenRouter's models", chatPath, 1, chat("plain", `,"max_tokens":1,"models":["dear"]`), 400},
		{"OpenRouter's route", chatPath, 1, chat("plain", `,"max_tokens":1,"route":"fallback"`), 400},
		{"OpenRouter's plugins", chatPath, 1, chat("plain", `,"max_tokens":1,"plugins":[{"id":"web"}]`), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := g.key(t, fmt.Sprintf(`{"max_budget":%v}`, tt.budget))
			got := g.post(t, tt.path, tt.body, key)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.text)
			}
			switch spend := g.spend(t, key); {
			case spend > tt.budget:
				t.Errorf("spent %v of %v", spend, tt.budget)
			case tt.status != 200 && spend > 0:
				t.Errorf("a call that was refused has cost %v", spend)
			}
			if tt.status == 429 && got.errorField(t, "type") != "budget_exceeded" {
				t.Errorf("refused by something else: %s", got.text)
			}
		})
	}
}

// TestNumbersOfUnbudgetedCallsArePassedOn: what is refused for a budget's sake is no matter where none pays.
func TestNumbersOfUnbudgetedCallsArePassedOn(t *testing.T) {
	g := govern(t, "")
	key := g.key(t, `{}`)
	for _, more := range []string{`,"max_tokens":"9"`, `,"n":1.5`, `,"models":["other"]`} {
		if got := g.chat(t, key, chat("plain", more)); got.status != 200 {
			t.Errorf("%s: %d %s", more, got.status, got.text)
		}
	}
}

// TestUpstreamIsGivenACap: where neither the caller nor the model bounds the answer, the upstream is told what the hold
// covers, under every name that a server of the deployment's kind may know.
func TestUpstreamIsGivenACap(t *testing.T) {
	tests := []struct {
		name, path, body string
		capped           []string
	}{
		{"somebody else's OpenAI", chatPath, chat("undescribed"), []string{"max_tokens", "max_completion_tokens"}},
		{"a stream that may think", chatPath, chat("undescribed", `,"stream":true`), []string{"max_tokens", "max_completion_tokens"}},
		{"a text completion", textPath, `{"model":"undescribed","prompt":"x"}`, []string{"max_tokens"}},
		{"a stream that holds slice after slice", chatPath, chat("plain", `,"stream":true`), nil},
		{"a caller's own cap", chatPath, chat("plain", `,"max_tokens":7`), []string{"max_tokens"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			var sent map[string]any
			g.upstream(func(w http.ResponseWriter, r *http.Request, body map[string]any) {
				sent = body
				greedy(w, r, body)
			})
			g.post(t, tt.path, tt.body, g.key(t, `{"max_budget":1}`))
			for _, name := range []string{"max_tokens", "max_completion_tokens"} {
				want := false
				for _, c := range tt.capped {
					want = want || c == name
				}
				if got := number(sent[name]) > 0; got != want {
					t.Errorf("%s: %v, want it: %v", name, sent[name], want)
				}
			}
		})
	}
}

// TestModelBudgetThroughAFallback: a model's own budget on a key is asked, and charged, where a fallback leads to the model.
func TestModelBudgetThroughAFallback(t *testing.T) {
	const budgets = `{"max_budget":10,"model_max_budget":{"plain":{"budget_limit":0.003,"time_period":"30d"}}}`
	for _, tt := range []struct{ name, body string }{
		{"asked for", chat("plain", `,"max_tokens":1000`)},
		{"the caller's fallback", chat("broken", `,"max_tokens":1000,"fallbacks":["plain"]`)},
		{"the operator's fallback", chat("falls", `,"max_tokens":1000`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			key := g.key(t, budgets)
			if got := g.chat(t, key, tt.body); got.status != 200 {
				t.Fatalf("the first call: %d %s", got.status, got.text)
			}
			g.restart(t) // what counts is what was charged, not what this process remembers
			if got := g.chat(t, key, tt.body); got.status == 200 {
				t.Errorf("the second call is served, spent %v", g.spend(t, key))
			}
			if got := g.chat(t, key, chat("plain", `,"max_tokens":1000`)); got.status != 429 {
				t.Errorf("the model's budget was not charged: %d", got.status)
			}
		})
	}
}

// TestAnswerWithoutUsage: what an upstream does not count is estimated, or priced by what needs no count.
func TestAnswerWithoutUsage(t *testing.T) {
	words := strings.Repeat("word ", 2000)
	tests := []struct {
		name, path, body, answer string
		least, most              float64
		estimated                bool
	}{
		// Two thousand words are two thousand tokens or a few more.
		{"chat", chatPath, chat("plain", `,"max_tokens":5000`), `{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"` + words + `"}}]}`, 0.004, 0.008, true},
		{"tool call", chatPath, chat("plain", `,"max_tokens":5000`), `{"id":"1","choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"` + words + `"}}]}}]}`, 0.004, 0.008, true},
		{"text", textPath, `{"model":"plain","prompt":"x","max_tokens":5000}`, `{"id":"1","choices":[{"index":0,"text":"` + words + `"}]}`, 0.004, 0.008, true},
		{"rerank by search", "/v1/rerank", `{"model":"ranks","query":"q","documents":["a","b"]}`, `{"id":"1","results":[{"index":0,"relevance_score":0.5}]}`, 0.002, 0.002, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { _, _ = w.Write([]byte(tt.answer)) })
			key := g.key(t, `{"max_budget":0.1}`)
			got := g.post(t, tt.path, tt.body, key)
			if got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			if spend := g.spend(t, key); spend < tt.least || spend > tt.most {
				t.Errorf("spend %v, want %v to %v", spend, tt.least, tt.most)
			}
			if got.header.Get("x-litellm-response-cost") == "" {
				t.Error("no x-litellm-response-cost")
			}
			metadata, _ := g.row(t, key)["metadata"].(map[string]any)
			if got := metadata["tollgate_tokens_estimated"] == true; got != tt.estimated {
				t.Errorf("marked as estimated: %v", got)
			}
		})
	}
}

// TestCallsThatGetNoAnswerCostTheirPrompt: what was sent upstream may be billed, though the caller has left or would not
// wait, and each attempt anew.
func TestCallsThatGetNoAnswerCostTheirPrompt(t *testing.T) {
	words := strings.Repeat("word ", 4000) // 20,000 bytes: five thousand tokens or so, half a cent
	body := `{"model":"%s","messages":[{"role":"user","content":"` + words + `"}],"max_tokens":100%s}`
	tests := []struct {
		name, model, more string
		leaves            bool
		status            int
		attempts          float64
	}{
		{"the caller leaves", "plain", "", true, 499, 1},
		{"the caller leaves a stream", "plain", `,"stream":true`, true, 499, 1},
		{"the caller's timeout", "plain", `,"timeout":0.05`, false, 408, 1},
		{"the caller's timeout, two attempts", "pair", `,"timeout":0.05,"num_retries":1`, false, 408, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			g.upstream(func(_ http.ResponseWriter, r *http.Request, _ map[string]any) {
				if tt.leaves {
					leave()
				}
				<-r.Context().Done()
			})
			key := g.key(t, `{"max_budget":1}`)
			w := httptest.NewRecorder()
			g.serve(ctx, w, "POST", chatPath, fmt.Sprintf(body, tt.model, tt.more), key)
			if w.Code != tt.status && tt.more != `,"stream":true` {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if spend := g.spend(t, key); spend < tt.attempts*0.005 || spend > tt.attempts*0.0055 {
				t.Errorf("spend %v, want %v or a little more", spend, tt.attempts*0.005)
			}
		})
	}
}
