package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// governedYAML has a dollar a million tokens of prompt and two dollars a million of answer. What a test adds to it goes on
// in general_settings.
const governedYAML = `
model_list:
  - model_name: plain
    litellm_params: {model: openai/plain-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {id: plain-1, supports_reasoning: false}
  - model_name: undescribed
    litellm_params: {model: openai/undescribed-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: broken
    litellm_params: {model: openai/broken-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: falls
    litellm_params: {model: openai/broken-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: panics
    litellm_params: {model: hosted_vllm/panics-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {supports_reasoning: false}
  - model_name: unpriced
    litellm_params: {model: openai/nobody-knows, api_base: UPSTREAM/v1, api_key: k}
  - model_name: falls-to-unpriced
    litellm_params: {model: openai/broken-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: per-call
    litellm_params: {model: openai/per-call-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_request: 0.5}
  - model_name: free
    litellm_params: {model: openai/free-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0}
  - model_name: drops-caps
    litellm_params: {model: openai/drops-up, api_base: UPSTREAM/v1, api_key: k, additional_drop_params: [max_tokens], input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: answers-eight
    litellm_params: {model: openai/eight-up, api_base: UPSTREAM/v1, api_key: k, n: 8, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: ranks
    litellm_params: {model: jina_ai/ranks-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0, input_cost_per_query: 0.002}
    model_info: {mode: rerank}
  - model_name: served-sooner
    litellm_params: {model: openai/sooner-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, input_cost_per_token_priority: 0.00001, output_cost_per_token_priority: 0.00002}
  - model_name: pair
    litellm_params: {model: openai/flaky-up, api_base: UPSTREAM/v1, api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: pair
    litellm_params: {model: openai/flaky-up, api_base: UPSTREAM/v1, api_key: k2, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
router_settings:
  num_retries: 0
  fallbacks: [{falls: [plain]}, {falls-to-unpriced: [unpriced]}]
general_settings:
  master_key: ` + masterKey + "\n"

// governed is a gateway with a database. Calls go straight into its handler, so that a call that has returned has ended
// altogether: nobody needs to wait for its row or for what it held.
type governed struct {
	handler http.Handler
	app     *app.App
	options app.Options
	answers atomic.Pointer[answering]
}

// answering is how an upstream answers.
type answering func(w http.ResponseWriter, r *http.Request, body map[string]any)

// govern opens a gateway over governedYAML and more of it, with the replaced pairs. Its upstream is greedy until a test
// sets another.
func govern(t *testing.T, more string, replaced ...string) *governed {
	t.Helper()
	return governWith(t, more, nil, replaced...)
}

// governWith is govern with other options.
func governWith(t *testing.T, more string, change func(o *app.Options), replaced ...string) *governed {
	t.Helper()
	g := &governed{}
	u := newUpstream(t)
	u.handle = func(w http.ResponseWriter, r *http.Request, body map[string]any) { (*g.answers.Load())(w, r, body) }
	g.upstream(greedy)
	g.options = app.Options{
		Config:  []byte(strings.NewReplacer(append(replaced, "UPSTREAM", u.URL)...).Replace(governedYAML + more)),
		Version: "test", DataDir: t.TempDir(), Env: func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open, "jina_ai": compat.Open, "hosted_vllm": openPanics}
		},
		NewLog:  func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
		Metrics: telemetry.NewMetrics(),
	}
	if change != nil {
		change(&g.options)
	}
	g.open(t)
	t.Cleanup(func() { g.close(t) })
	return g
}

func (g *governed) open(t *testing.T) {
	t.Helper()
	a, found, err := app.Open(t.Context(), g.options)
	if err != nil {
		t.Fatalf("open: %v\n%v", err, found)
	}
	g.app, g.handler = a, a.Handler()
}

func (g *governed) close(t *testing.T) {
	if err := g.app.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// restart ends the gateway and starts it anew on what it has stored: what it knew besides is gone.
func (g *governed) restart(t *testing.T) {
	t.Helper()
	g.close(t)
	g.options.Metrics = telemetry.NewMetrics()
	g.open(t)
}

// upstream sets how the upstream answers from now on.
func (g *governed) upstream(f answering) { g.answers.Store(&f) }

// serve makes one call and returns when it has ended.
func (g *governed) serve(ctx context.Context, w http.ResponseWriter, method, path, body, key string, header ...string) {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	g.handler.ServeHTTP(w, r)
}

func (g *governed) post(t *testing.T, path, body, key string, header ...string) reply {
	t.Helper()
	w := httptest.NewRecorder()
	g.serve(t.Context(), w, "POST", path, body, key, header...)
	return reply{w.Code, w.Header(), w.Body.String()}
}

func (g *governed) chat(t *testing.T, key, body string, header ...string) reply {
	t.Helper()
	return g.post(t, "/v1/chat/completions", body, key, header...)
}

func (g *governed) get(t *testing.T, path string) reply {
	t.Helper()
	w := httptest.NewRecorder()
	g.serve(t.Context(), w, "GET", path, "", masterKey)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	return reply{w.Code, w.Header(), w.Body.String()}
}

// key makes a key with the given fields.
func (g *governed) key(t *testing.T, fields string) string {
	t.Helper()
	made := g.post(t, "/key/generate", fields, masterKey)
	key, _ := made.json(t)["key"].(string)
	if key == "" {
		t.Fatalf("no key: %s", made.text)
	}
	return key
}

// spend is what /key/info shows.
func (g *governed) spend(t *testing.T, key string) float64 {
	t.Helper()
	info, _ := g.get(t, "/key/info?key="+key).json(t)["info"].(map[string]any)
	spend, ok := info["spend"].(float64)
	if !ok {
		t.Fatalf("no spend: %v", info)
	}
	return spend
}

// rows are a key's rows of the ledger.
func (g *governed) rows(t *testing.T, key string) []map[string]any {
	t.Helper()
	var rows []map[string]any
	text := g.get(t, "/spend/logs?api_key="+key).text
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return rows
}

// row is a key's only row.
func (g *governed) row(t *testing.T, key string) map[string]any {
	t.Helper()
	rows := g.rows(t, key)
	if len(rows) != 1 {
		t.Fatalf("%d rows, want 1: %v", len(rows), rows)
	}
	return rows[0]
}

func number(v any) int64 {
	f, _ := v.(float64)
	return int64(min(f, 1<<40))
}

// allowed is how many tokens a body lets an upstream write, by the most generous reading there is; an upstream that is
// given no cap writes a hundred thousand.
func allowed(body map[string]any) int64 {
	tokens := max(number(body["max_tokens"]), number(body["max_completion_tokens"]), number(body["maxTokens"]), number(body["maxCompletionTokens"]))
	if tokens == 0 {
		tokens = 100_000
	}
	answers := max(number(body["n"]), number(body["best_of"]), number(body["numGenerations"]), 1)
	if prompts, ok := body["prompt"].([]any); ok {
		if _, tokens := prompts[0].(float64); !tokens {
			answers *= int64(len(prompts))
		}
	}
	return tokens * answers
}

// greedy is an upstream that bills all that it is allowed to; broken-up always fails.
func greedy(w http.ResponseWriter, _ *http.Request, body map[string]any) {
	if body["model"] == "broken-up" {
		failWith(w, http.StatusInternalServerError)
		return
	}
	used := allowed(body)
	if body["stream"] == true {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"content":"yes"}`)
		endStream(w, used)
		return
	}
	billed(w, "x", used)
}

func failWith(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	fmt.Fprint(w, `{"error":{"message":"no"}}`)
}

// billed answers in one piece, with so many tokens of answer and ten of prompt.
func billed(w http.ResponseWriter, text string, tokens int64) {
	fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"up","choices":[{"index":0,"text":%[1]q,"message":{"role":"assistant","content":%[1]q},"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":10,"completion_tokens":%d,"total_tokens":12}}`, text, tokens)
}

// chunk writes one chunk of a stream and flushes it; it reports whether anybody still reads.
func chunk(w http.ResponseWriter, delta string) bool {
	_, err := fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":null}]}\n\n", delta)
	return err == nil && http.NewResponseController(w).Flush() == nil
}

// endStream ends a stream and tells its usage.
func endStream(w http.ResponseWriter, tokens int64) {
	fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"+
		"data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":%d,\"total_tokens\":1}}\n\ndata: [DONE]\n\n", tokens)
}
