package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/app"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const masterKey = "sk-test-master-0123456789"

// upstream is an OpenAI-compatible server whose answer a test sets.
type upstream struct {
	*httptest.Server
	handle func(w http.ResponseWriter, r *http.Request, body map[string]any)
}

func newUpstream(t *testing.T) *upstream {
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &body); err != nil {
			t.Errorf("the upstream got no JSON: %v: %s", err, text)
		}
		w.Header().Set("Content-Type", "application/json")
		u.handle(w, r, body)
	}))
	t.Cleanup(u.Close)
	u.handle = func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		answer(w, body["model"].(string), "Rome.")
	}
	return u
}

func answer(w http.ResponseWriter, model, text string) {
	fmt.Fprintf(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}`, model, text)
}

// open starts a gateway on a configuration in which UPSTREAM stands for the upstream's address.
func open(t *testing.T, u *upstream, yaml string) *httptest.Server {
	t.Helper()
	return openLogged(t, u, yaml, slog.New(slog.DiscardHandler))
}

// chatOnly opens a provider that has chat and nothing else, as OCI's for text completions.
func chatOnly(spec provider.Spec) (provider.Chatter, error) {
	c, err := compat.Open(spec)
	return struct{ provider.Chatter }{c}, err
}

func openLogged(t *testing.T, u *upstream, yaml string, log *slog.Logger) *httptest.Server {
	t.Helper()
	yaml = strings.ReplaceAll(yaml, "UPSTREAM", u.URL)
	a, found, err := app.Open(t.Context(), app.Options{
		Config: []byte(yaml), Version: "test", RootPath: "/root", DataDir: t.TempDir(),
		Env: func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open, "hosted_vllm": chatOnly}
		},
		NewLog:  func(bool, bool) (*slog.Logger, slog.Level) { return log, slog.LevelInfo },
		Metrics: telemetry.NewMetrics(),
	})
	if err != nil {
		t.Fatalf("open: %v\n%v", err, found)
	}
	s := httptest.NewServer(a.Handler())
	t.Cleanup(func() {
		s.Close()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

const plain = `
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-up, api_base: UPSTREAM/v1, api_key: sk-upstream-secret, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {id: fast-1}
  - model_name: vendor/with-slash
    litellm_params: {model: openai/slash-up, api_base: UPSTREAM/v1, api_key: k}
  - model_name: broken
    litellm_params: {model: openai/broken-up, api_base: UPSTREAM/v1, api_key: k}
router_settings:
  num_retries: 0
  fallbacks: [{broken: [fast]}]
general_settings:
  master_key: ` + masterKey + `
`

type reply struct {
	status int
	header http.Header
	text   string
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(r.text), &v); err != nil {
		t.Fatalf("no JSON object: %v: %s", err, r.text)
	}
	return v
}

func (r reply) errorField(t *testing.T, name string) any {
	t.Helper()
	e, ok := r.json(t)["error"].(map[string]any)
	if !ok {
		t.Fatalf("no error envelope: %s", r.text)
	}
	return e[name]
}

func do(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if len(header) == 0 {
		req.Header.Set("Authorization", "Bearer "+masterKey)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

func chat(model string, more ...string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"Capital of Italy?"}]%s}`, model, strings.Join(more, ""))
}

func TestWhoMayCall(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	tests := []struct {
		name   string
		header []string
		status int
		typ    string
		want   string
	}{
		{"no key", []string{"X-None", "1"}, 401, "auth_error", "Authentication Error, No api key passed in."},
		{"no Bearer", []string{"Authorization", masterKey}, 401, "auth_error", "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix."},
		{"unknown key", []string{"Authorization", "Bearer sk-0123456789abcWXYZ"}, 401, "token_not_found_in_db", "Invalid proxy server token passed. Received API Key = sk-...WXYZ, Key Hash (Token) ="},
		{"no key of ours", []string{"Authorization", "Bearer abcd-not-a-key-wxyz"}, 401, "auth_error", "LiteLLM Virtual Key expected. Received=abcd****wxyz, expected to start with 'sk-'."},
		{"SQL", []string{"Authorization", "Bearer x' OR '1'='1"}, 401, "auth_error", "Received="},
		{"Bearer", []string{"Authorization", "Bearer " + masterKey}, 200, "", ""},
		{"bearer", []string{"Authorization", "bearer " + masterKey}, 200, "", ""},
		{"Basic", []string{"Authorization", "Basic " + masterKey}, 200, "", ""},
		{"SigV4 form", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=Bearer " + masterKey + "/2026/x"}, 200, "", ""},
		{"x-litellm-api-key", []string{"x-litellm-api-key", masterKey}, 200, "", ""},
		{"x-litellm-api-key wins", []string{"x-litellm-api-key", masterKey, "Authorization", "Bearer sk-wrong"}, 200, "", ""},
		{"API-Key", []string{"API-Key", masterKey}, 200, "", ""},
		{"x-api-key", []string{"x-api-key", masterKey}, 200, "", ""},
		{"x-goog-api-key", []string{"x-goog-api-key", masterKey}, 200, "", ""},
		{"Ocp-Apim-Subscription-Key", []string{"Ocp-Apim-Subscription-Key", masterKey}, 200, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast"), tt.header...)
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.text)
			}
			if tt.status == 200 {
				return
			}
			if msg := got.errorField(t, "message").(string); !strings.Contains(msg, tt.want) {
				t.Errorf("message %q, want %q in it", msg, tt.want)
			}
			if got.errorField(t, "type") != tt.typ || got.errorField(t, "code") != fmt.Sprint(tt.status) {
				t.Errorf("type or code: %s", got.text)
			}
			if strings.Contains(got.text, masterKey) {
				t.Errorf("the answer shows the master key: %s", got.text)
			}
			if got.header.Get("x-litellm-call-id") == "" {
				t.Error("no x-litellm-call-id")
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	s := open(t, newUpstream(t), plain+"  max_request_size_mb: 0.01\n")
	json := []string{"Authorization", "Bearer " + masterKey}
	tests := []struct {
		name, body string
		header     []string
		status     int
		param      any
		want       string
	}{
		{"empty", "", json, 400, "request_body", "Invalid JSON payload: unexpected end of data: line 1 column 1 (char 0)"},
		{"truncated", `{"model":"fast"`, json, 400, "request_body", "Invalid JSON payload: unexpected end of data"},
		{"trailing comma", `{"model":"fast",}`, json, 400, "request_body", "Invalid JSON payload: trailing comma is not allowed: line 1 column 17 (char 16)"},
		{"list", `[]`, json, 400, "request_body", "expected a JSON object"},
		{"depth bomb", `{"a":` + strings.Repeat("[", 5000), json, 400, "request_body", "nesting is deeper than 256 levels"},
		{"invalid UTF-8", "{\"model\":\"\xff\"}", json, 400, "request_body", "invalid UTF-8"},
		{"duplicate model", `{"model":"a","model":"b"}`, json, 400, "request_body", "duplicate key 'model'"},
		{"model in another case", `{"Model":"fast","messages":[]}`, json, 400, "Model", "write it as 'model'"},
		{"model no text", `{"model":1,"messages":[]}`, json, 400, "model", "/chat/completions: Invalid type for 'model': expected a string."},
		{"stream no boolean", `{"model":"fast","stream":"yes","messages":[]}`, json, 400, "stream", "expected a boolean"},
		{"no model", `{"messages":[]}`, json, 400, "model", "/chat/completions: Missing required parameter: 'model'."},
		{"no messages", `{"model":"fast"}`, json, 400, "messages", "/chat/completions: Missing required parameter: 'messages'."},
		{"messages no list", `{"model":"fast","messages":"hi"}`, json, 400, "messages", "expected an array"},
		{"too large", `{"a":"` + strings.Repeat("x", 20000) + `"}`, json, 413, "content-length", "Request size is too large. Request size is 0.02 MB. Max size is 0.01 MB"},
		{"form", `{}`, append(json, "Content-Type", "application/x-www-form-urlencoded"), 415, "content-type", "application/json"},
		{"compressed", `{}`, append(json, "Content-Encoding", "gzip"), 415, "content-encoding", "uncompressed"},
		{"unknown model", chat("nope"), json, 400, nil, "/chat/completions: Invalid model name passed in model=nope. Call `/v1/models` to view available models for your key."},
		{"api_base", chat("fast", `,"api_base":"http://evil"`), json, 401, "api_base", "Authentication Error, Rejected Request: api_base is not allowed in request body."},
		{"api_key", chat("fast", `,"api_key":"x"`), json, 401, "api_key", "api_key is not allowed"},
		{"oci_region", chat("fast", `,"oci_region":"x"`), json, 401, "oci_region", "oci_region is not allowed"},
		{"model in another case in extra_body", chat("fast", `,"extra_body":{"Model":"x"}`), json, 400, "extra_body.Model", "write it as 'model'"},
		{"negative timeout", chat("fast", `,"timeout":-1`), json, 400, "timeout", "a number of seconds"},
		{"fallbacks no list", chat("fast", `,"fallbacks":"x"`), json, 400, "fallbacks", "a list of model names"},
		{"too many fallbacks", chat("fast", `,"fallbacks":[`+strings.Repeat(`"fast",`, 20)+`"fast"]`), json, 400, "fallbacks", "at most 20 names"},
		{"an unknown fallback", chat("fast", `,"fallbacks":["nope"]`), json, 400, nil, "Invalid model name passed in model=nope"},
		{"fallback with a credential", chat("fast", `,"fallbacks":[{"model":"broken","api_base":"http://evil"}]`), json, 400, "fallbacks", "a list of model names"},
		{"broken JSON of a stranger", `{`, []string{"Authorization", "Bearer sk-stranger-0123456789"}, 401, "key", "Invalid proxy server token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := do(t, "POST", s.URL+"/v1/chat/completions", tt.body, tt.header...)
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.text)
			}
			if msg := got.errorField(t, "message").(string); !strings.Contains(msg, tt.want) {
				t.Errorf("message %q, want %q in it", msg, tt.want)
			}
			if got.errorField(t, "param") != tt.param {
				t.Errorf("param %v, want %v", got.errorField(t, "param"), tt.param)
			}
		})
	}
}

func TestOneChat(t *testing.T) {
	u := newUpstream(t)
	var sent map[string]any
	u.handle = func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		sent = body
		if got := r.Header.Get("Authorization"); got != "Bearer sk-upstream-secret" {
			t.Errorf("the upstream was called with %q", got)
		}
		w.Header().Set("X-Ratelimit-Remaining-Requests", "9")
		w.Header().Set("Openai-Processing-Ms", "7")
		answer(w, "gpt-up-2024", "Rome.")
	}
	s := open(t, u, plain)
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"unknown_field":{"kept":true},"metadata":{"tags":["x"]},"num_retries":1`))
	if got.status != 200 {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if m := got.json(t)["model"]; m != "fast" {
		t.Errorf("model %v, want the name that was asked for", m)
	}
	if sent["model"] != "gpt-up" || sent["unknown_field"] == nil {
		t.Errorf("sent upstream: %v", sent)
	}
	if sent["metadata"] != nil || sent["num_retries"] != nil {
		t.Errorf("the gateway's own fields went upstream: %v", sent)
	}
	for name, want := range map[string]string{
		"x-litellm-model-id": "fast-1", "x-litellm-model-group": "fast", "x-litellm-attempted-retries": "0", "x-litellm-attempted-fallbacks": "0",
		"x-litellm-response-cost": "1.4e-05", "x-litellm-key-spend": "0.0", "x-tollgate-served-model": "gpt-up", "x-litellm-model-api-base": u.URL + "/v1",
		"x-ratelimit-remaining-requests": "9", "llm_provider-openai-processing-ms": "7", "content-type": "application/json",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	for _, name := range []string{"x-litellm-call-id", "x-request-id", "x-litellm-version", "x-litellm-response-duration-ms", "x-litellm-overhead-duration-ms"} {
		if got.header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestPaths(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	tests := []struct {
		method, path, body string
		status             int
		model              any
	}{
		{"POST", "/v1/chat/completions", chat("fast"), 200, "fast"},
		{"POST", "/chat/completions", chat("fast"), 200, "fast"},
		{"POST", "/chat/completions/", chat("fast"), 200, "fast"},
		{"POST", "/root/v1/chat/completions", chat("fast"), 200, "fast"},
		{"POST", "/cursor/chat/completions", chat("fast"), 200, "fast"},
		{"POST", "/engines/fast/chat/completions", chat("other"), 200, "other"},
		{"POST", "/openai/deployments/vendor/with-slash/chat/completions?api-version=2024", chat("x"), 200, "x"},
		{"POST", "/openai/deployments/vendor/with-slash/chat/completions", `{"messages":[]}`, 200, "slash-up"},
		{"POST", "/v1/completions", `{"model":"fast","prompt":"x"}`, 200, "fast"},
		{"POST", "/engines/fast/embeddings", `{"input":"x"}`, 200, "gpt-up"},
		{"GET", "/v1/models/fast", "", 200, nil},
		{"GET", "/models/vendor/with-slash", "", 200, nil},
		{"GET", "/v1/models/nope", "", 404, nil},
		{"GET", "/v1/chat/completions", "", 405, nil},
		{"POST", "/v1/nothing", "{}", 404, nil},
		{"POST", "/engines//chat/completions", "{}", 404, nil},
		{"POST", "/engines/fast/nothing", "{}", 404, nil},
		{"POST", "//v1/chat/completions", "{}", 404, nil},
		{"POST", "/v1/./chat/completions", "{}", 404, nil},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			got := do(t, tt.method, s.URL+tt.path, tt.body)
			if got.status != tt.status {
				t.Fatalf("status %d, want %d: %s", got.status, tt.status, got.text)
			}
			if tt.model != nil && got.json(t)["model"] != tt.model {
				t.Errorf("model %v, want %v", got.json(t)["model"], tt.model)
			}
			if tt.status >= 400 && got.errorField(t, "code") == nil {
				t.Errorf("no envelope: %s", got.text)
			}
		})
	}
}

func TestPublicPages(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	nobody := []string{"X-None", "1"}
	for path, want := range map[string]string{
		"/health/liveness": `"I'm alive!"`, "/health/liveliness": `"I'm alive!"`, "/health/readiness": `"status":"healthy"`,
		"/": "Tollgate", "/openapi.json": `"/v1/chat/completions"`,
	} {
		if got := do(t, "GET", s.URL+path, "", nobody...); got.status != 200 || !strings.Contains(got.text, want) {
			t.Errorf("%s: %d %s", path, got.status, got.text)
		}
	}
	for _, path := range []string{"/health", "/metrics", "/v1/models", "/model/info", "/model_group/info"} {
		if got := do(t, "GET", s.URL+path, "", nobody...); got.status != 401 {
			t.Errorf("%s without a key: %d", path, got.status)
		}
		if got := do(t, "GET", s.URL+path, ""); got.status != 200 {
			t.Errorf("%s with the key: %d %s", path, got.status, got.text)
		} else if strings.Contains(got.text, "sk-upstream-secret") {
			t.Errorf("%s shows an upstream's key", path)
		}
	}
}

func TestFallbackNamesTheServedModel(t *testing.T) {
	u := newUpstream(t)
	u.handle = func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		if body["model"] == "broken-up" {
			w.Header().Set("X-Request-Id", "up-1")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"error":{"message":"down"}}`)
			return
		}
		answer(w, "gpt-up-2024", "Rome.")
	}
	s := open(t, u, plain)
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("broken"))
	if got.status != 200 || got.json(t)["model"] != "gpt-up" {
		t.Fatalf("%d: %s", got.status, got.text)
	}
	if got.header.Get("x-litellm-attempted-fallbacks") != "1" || got.header.Get("x-litellm-model-group") != "fast" {
		t.Errorf("headers: %v", got.header)
	}
	got = do(t, "POST", s.URL+"/v1/chat/completions", chat("broken", `,"disable_fallbacks":true`))
	if got.status != 503 || !strings.Contains(got.errorField(t, "message").(string), "litellm.ServiceUnavailableError: ServiceUnavailableError: OpenAIException - down") {
		t.Errorf("%d: %s", got.status, got.text)
	}
	if got.header.Get("llm_provider-x-request-id") != "up-1" {
		t.Errorf("the upstream's headers are lost: %v", got.header)
	}
	if got.header.Get("x-litellm-response-cost") != "0" {
		t.Errorf("x-litellm-response-cost: %q", got.header.Get("x-litellm-response-cost"))
	}
}

const chunks = `data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"gpt-up-2024","choices":[{"index":0,"delta":{"role":"assistant","content":"Ro"},"finish_reason":null}]}

data: {"id":"B","object":"chat.completion.chunk","created":2,"model":"gpt-up-2024","choices":[{"index":0,"delta":{"content":"me."},"finish_reason":null}],"usage":null}

data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"gpt-up-2024","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"gpt-up-2024","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}

data: [DONE]

`

func streaming(text string) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, text)
	}
}

func TestStream(t *testing.T) {
	u := newUpstream(t)
	u.handle = streaming(chunks)
	s := open(t, u, plain)
	first := `data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"fast","choices":[{"index":0,"delta":{"role":"assistant","content":"Ro"},"finish_reason":null}]}

data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"fast","choices":[{"index":0,"delta":{"content":"me."},"finish_reason":null}]}

data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"fast","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

`
	usage := `data: {"id":"A","object":"chat.completion.chunk","created":1,"model":"fast","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}

`
	done := "data: [DONE]\n\n"
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
	if got.text != first+done {
		t.Errorf("without usage:\n%s", got.text)
	}
	if ct := got.header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type %q", ct)
	}
	if got.header.Get("x-litellm-response-cost") != "" || got.header.Get("x-litellm-model-id") != "fast-1" {
		t.Errorf("headers: %v", got.header)
	}
	got = do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true,"stream_options":{"include_usage":true}`))
	if got.text != first+usage+done {
		t.Errorf("with usage:\n%s", got.text)
	}
}

func TestStreamThatBreaks(t *testing.T) {
	u := newUpstream(t)
	s := open(t, u, plain)
	t.Run("before the first chunk it is a plain error", func(t *testing.T) {
		u.handle = streaming(`data: {"error":{"message":"quota","code":"429"}}` + "\n\n")
		got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
		if got.status < 400 || got.errorField(t, "message") == nil {
			t.Errorf("%d: %s", got.status, got.text)
		}
	})
	t.Run("after it, an error event and DONE", func(t *testing.T) {
		u.handle = streaming(strings.SplitAfter(chunks, "\n\n")[0] + `data: {"error":{"message":"the model fell over"}}` + "\n\n")
		got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
		if got.status != 200 || !strings.Contains(got.text, `data: {"error":{"message":`) || !strings.Contains(got.text, "the model fell over") || !strings.HasSuffix(got.text, "data: [DONE]\n\n") {
			t.Errorf("%d: %s", got.status, got.text)
		}
	})
	t.Run("a cut stream is an error event", func(t *testing.T) {
		u.handle = streaming(strings.SplitAfter(chunks, "\n\n")[0])
		got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
		if !strings.Contains(got.text, `data: {"error":`) || !strings.HasSuffix(got.text, "data: [DONE]\n\n") {
			t.Errorf("%s", got.text)
		}
	})
}

func TestCallerWhoLeavesEndsTheUpstreamCall(t *testing.T) {
	u := newUpstream(t)
	ended := make(chan struct{})
	u.handle = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, strings.SplitAfter(chunks, "\n\n")[0])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(ended)
	}
	s := open(t, u, plain)
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(chat("fast", `,"stream":true`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	resp.Body.Close()
	<-ended // the test's own deadline is the bound
}

// TestCallerWhoLeavesIsBilledForWhatWasProduced: the access line of the call tells the tokens that came before the
// caller left.
func TestCallerWhoLeavesIsBilledForWhatWasProduced(t *testing.T) {
	u := newUpstream(t)
	u.handle = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, strings.SplitAfter(chunks, "\n\n")[0]+strings.SplitAfter(chunks, "\n\n")[1])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	log := make(lineLog, 16)
	s := openLogged(t, u, plain, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(chat("fast", `,"stream":true`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(resp.Body)
	for range 3 { // both events
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	resp.Body.Close()
	for line := range log {
		if !strings.Contains(line, "msg=call ") {
			continue
		}
		if !strings.Contains(line, "outcome=gone") || !strings.Contains(line, "completion_tokens=2 ") || !strings.Contains(line, "estimated=true") {
			t.Errorf("%s", line)
		}
		return
	}
}

// lineLog is a log whose lines a test receives.
type lineLog chan string

func (l lineLog) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestKeepAliveComments(t *testing.T) {
	u := newUpstream(t)
	release := make(chan struct{})
	u.handle = func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		<-release
		streaming(chunks)(w, r, body)
	}
	s := open(t, u, plain+"litellm_settings: {sse_keepalive_ping_interval_seconds: 0.05}\n")
	req, err := http.NewRequest("POST", s.URL+"/v1/chat/completions", strings.NewReader(chat("fast", `,"stream":true`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || line != ": ping\n" {
		t.Fatalf("%q, %v", line, err)
	}
	close(release)
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), `"content":"me."`) || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("%v: %s", err, rest)
	}
}

func TestReasoningInTheContent(t *testing.T) {
	u := newUpstream(t)
	s := open(t, u, strings.Replace(plain, "api_key: sk-upstream-secret,", "api_key: sk-upstream-secret, merge_reasoning_content_in_choices: true,", 1))
	u.handle = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		fmt.Fprint(w, `{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"hm","content":"Rome."},"finish_reason":"stop"}]}`)
	}
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast"))
	if !strings.Contains(got.text, `"message":{"role":"assistant","content":"<think>hm</think>Rome."}`) {
		t.Errorf("in one piece: %s", got.text)
	}
	part := func(delta, finish string) string {
		return `data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + "}]}\n\n"
	}
	u.handle = streaming(part(`{"role":"assistant","reasoning_content":"h"}`, "null") + part(`{"reasoning_content":"m"}`, "null") + part(`{"content":"Ro"}`, "null") + part(`{"content":"me."}`, "null") + part(`{}`, `"stop"`) + "data: [DONE]\n\n")
	got = do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
	for _, want := range []string{`"delta":{"role":"assistant","content":"<think>h"}`, `"delta":{"content":"m"}`, `"delta":{"content":"</think>Ro"}`, `"delta":{"content":"me."}`, `"delta":{},"finish_reason":"stop"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("no %s in the stream: %s", want, got.text)
		}
	}
}

func TestToolTurnsFinishAsToolCalls(t *testing.T) {
	u := newUpstream(t)
	s := open(t, u, plain)
	const call = `"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`
	u.handle = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		fmt.Fprint(w, `{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"<b>",`+call+`},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"no \"tool_calls\""},"finish_reason":"stop"}]}`)
	}
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast"))
	if !strings.Contains(got.text, `"content":"<b>",`+call+`},"finish_reason":"tool_calls"}`) || strings.Count(got.text, `"finish_reason":"stop"`) != 1 {
		t.Errorf("in one piece: %s", got.text)
	}
	part := func(delta, finish string) string {
		return `data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + "}]}\n\n"
	}
	u.handle = streaming(part(`{"role":"assistant","tool_calls":[]}`, "null") + part(`{`+call+`}`, "null") + part(`{}`, `"stop"`) + "data: [DONE]\n\n")
	got = do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
	if !strings.Contains(got.text, `"delta":{},"finish_reason":"tool_calls"`) {
		t.Errorf("streamed: %s", got.text)
	}
	u.handle = streaming(part(`{"role":"assistant","tool_calls":[]}`, "null") + part(`{"content":"x"}`, `"stop"`) + "data: [DONE]\n\n")
	got = do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", `,"stream":true`))
	if !strings.Contains(got.text, `"delta":{"content":"x"},"finish_reason":"stop"`) {
		t.Errorf("a turn without calls: %s", got.text)
	}
}

func TestCallersCredentials(t *testing.T) {
	u, theirs := newUpstream(t), newUpstream(t)
	theirs.handle = func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		if r.Header.Get("Authorization") != "Bearer sk-callers-own" || r.Header.Get("X-Operator") != "" || r.Header.Get("OpenAI-Organization") != "" {
			t.Errorf("their upstream got %v", r.Header)
		}
		if body["api_base"] != nil || body["api_key"] != nil || body["seed"] != nil {
			t.Errorf("their upstream got %v", body)
		}
		answer(w, "m", "theirs")
	}
	own := `,"api_key":"sk-callers-own","api_base":"` + theirs.URL + `"`
	// What the operator has set for the deployment stays with the operator's upstream.
	config := strings.Replace(plain, "api_key: sk-upstream-secret,", "api_key: sk-upstream-secret, organization: org-operator, extra_headers: {X-Operator: secret, Authorization: Bearer operator}, seed: 7,", 1)
	everywhere := open(t, u, config+"  allow_client_side_credentials: true\n")
	one := open(t, u, strings.Replace(config, "seed: 7,", "seed: 7, configurable_clientside_auth_params: [api_key, {api_base: 'http://127.0.0.1:[0-9]+'}],", 1))
	tests := []struct {
		name   string
		s      *httptest.Server
		body   string
		status int
		want   string
	}{
		{"an address that the operator's pattern passes", one, chat("fast", own), 200, "theirs"},
		{"one that it does not", one, chat("fast", `,"api_key":"k","api_base":"http://evil.example/?http://127.0.0.1:1"`), 401, "api_base is not allowed"},
		{"another deployment", one, chat("broken", own), 401, "is not allowed in request body"},
		{"another deployment as a fallback", one, chat("fast", `,"api_key":"k","api_base":"http://127.0.0.1:1","fallbacks":["broken"]`), 500, "is not allowed in request body"},
		{"an address without a key of its own", everywhere, chat("fast", `,"api_base":"`+theirs.URL+`"`), 400, "must bring its own api_key"},
		{"an address inside, which nobody has vetted", everywhere, chat("fast", own), 500, "Connection error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := do(t, "POST", tt.s.URL+"/v1/chat/completions", tt.body)
			if got.status != tt.status || !strings.Contains(got.text, tt.want) {
				t.Errorf("%d, want %d and %q in %s", got.status, tt.status, tt.want, got.text)
			}
		})
	}
}

func TestForwardedHeaders(t *testing.T) {
	u := newUpstream(t)
	var seen http.Header
	u.handle = func(w http.ResponseWriter, r *http.Request, _ map[string]any) { seen = r.Header; answer(w, "m", "x") }
	header := []string{"Authorization", "Bearer " + masterKey, "x-api-key", masterKey, "x-trace", "t1", "x-stainless-lang", "python", "x-pass-beta", "b1", "anthropic-beta", "a1", "Cookie", "c=1"}
	do(t, "POST", open(t, u, plain).URL+"/v1/chat/completions", chat("fast"), header...)
	if seen.Get("x-trace") != "" || seen.Get("beta") != "" {
		t.Errorf("switched off: %v", seen)
	}
	do(t, "POST", open(t, u, plain+"  forward_client_headers_to_llm_api: true\n").URL+"/v1/chat/completions", chat("fast"), header...)
	if seen.Get("x-trace") != "t1" || seen.Get("anthropic-beta") != "a1" {
		t.Errorf("switched on: %v", seen)
	}
	do(t, "POST", open(t, u, plain+"  forward_client_headers_to_llm_api: true\n  litellm_key_header_name: X-Corp-Key\n").URL+"/v1/chat/completions", chat("fast"), append(header, "X-Corp-Key", "Bearer "+masterKey)...)
	if seen.Get("X-Corp-Key") != "" || seen.Get("x-trace") != "t1" {
		t.Errorf("the header of the key was forwarded: %v", seen)
	}
	if seen.Get("Authorization") != "Bearer sk-upstream-secret" || seen.Get("x-api-key") != "" || seen.Get("x-stainless-lang") != "" || seen.Get("Cookie") != "" {
		t.Errorf("forwarded what must not be: %v", seen)
	}
}

func TestAnOperationThatTheModelDoesNotHave(t *testing.T) {
	u := newUpstream(t)
	s := open(t, u, strings.Replace(plain, "model_info: {id: fast-1}", "model_info: {id: fast-1, mode: embedding}", 1))
	u.handle = func(http.ResponseWriter, *http.Request, map[string]any) { t.Error("the upstream was asked") }
	got := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast"))
	if got.status != 400 || !strings.Contains(got.text, "does not serve this operation") {
		t.Errorf("%d: %s", got.status, got.text)
	}
}

func TestWithoutMasterKey(t *testing.T) {
	s := open(t, newUpstream(t), strings.Split(plain, "general_settings")[0])
	url := s.URL + "/v1/chat/completions"
	if got := do(t, "POST", url, chat("fast"), "X-None", "1"); got.status != 200 {
		t.Errorf("a caller on this machine: %d %s", got.status, got.text)
	}
	for name, header := range map[string][]string{
		"through a proxy": {"X-Forwarded-For", "203.0.113.9"}, "another site's script": {"Origin", "https://evil.example"}, "cross-site": {"Sec-Fetch-Site", "cross-site"},
	} {
		if got := do(t, "POST", url, chat("fast"), header...); got.status != 401 || !strings.Contains(got.text, "no master key") {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	if got := do(t, "GET", s.URL+"/health", "", "X-None", "1"); got.status != 401 || !strings.Contains(got.text, "management API is closed") {
		t.Errorf("the management API: %d %s", got.status, got.text)
	}
}

func TestModelLists(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	got := do(t, "GET", s.URL+"/v1/models", "")
	if !strings.HasPrefix(got.text, `{"data":[{"id":"fast","object":"model","created":1677610602,"owned_by":"openai"`) || !strings.HasSuffix(got.text, `"object":"list"}`) {
		t.Errorf("/v1/models: %s", got.text)
	}
	if got := do(t, "GET", s.URL+"/v1/models?scope=all", ""); got.status != 400 || got.errorField(t, "message") != "Invalid scope parameter. Only 'expand' is currently supported. Received: all" {
		t.Errorf("scope: %s", got.text)
	}
	if got := do(t, "GET", s.URL+"/v1/models?include_metadata=true", ""); !strings.Contains(got.text, `"id":"broken","object":"model","created":1677610602,"owned_by":"openai","metadata":{"fallbacks":["fast"]}`) {
		t.Errorf("metadata: %s", got.text)
	}
	if got := do(t, "GET", s.URL+"/model/info?litellm_model_id=fast-1", ""); !strings.Contains(got.text, `"input_cost_per_token":0.000001`) && !strings.Contains(got.text, `"input_cost_per_token":1e-06`) {
		t.Errorf("/model/info: %s", got.text)
	}
	if got := do(t, "GET", s.URL+"/model_group/info", ""); !strings.Contains(got.text, `"model_group":"fast"`) {
		t.Errorf("/model_group/info: %s", got.text)
	}
}

func TestWhatIsNotServedSaysSo(t *testing.T) {
	s := open(t, newUpstream(t), plain)
	for path, want := range map[string]struct {
		status int
		what   string
	}{"/v1/responses": {501, "Responses API"}, "/cache/settings": {501, "cache settings"}, "/scim/v2/Users": {400, "SCIM"}, "/project/new": {400, "projects"}} {
		got := do(t, "POST", s.URL+path, "{}")
		if got.status != want.status || !strings.Contains(got.errorField(t, "message").(string), want.what) {
			t.Errorf("%s: %d %s", path, got.status, got.text)
		}
		if got := do(t, "POST", s.URL+path, "{}", "X-None", "1"); got.status != 401 {
			t.Errorf("%s without a key: %d", path, got.status)
		}
	}
	if got := do(t, "POST", s.URL+"/keys", "{}"); got.status != 404 {
		t.Errorf("/keys: %d %s", got.status, got.text)
	}
	keyless := open(t, newUpstream(t), strings.Split(plain, "general_settings")[0])
	if got := do(t, "POST", keyless.URL+"/key/generate", "{}", "X-None", "1"); got.status != 401 || !strings.Contains(got.text, "management API is closed") {
		t.Errorf("without a master key: %d %s", got.status, got.text)
	}
}

func TestTextCompletionsByChat(t *testing.T) {
	u := newUpstream(t)
	yaml := strings.Replace(plain, "model_list:\n", "model_list:\n  - model_name: chatty\n    litellm_params: {model: hosted_vllm/c, api_base: UPSTREAM/v1}\n", 1)
	body := `{"model":"chatty","prompt":["a","b"],"suffix":"s","echo":false,"best_of":1}`
	got := do(t, "POST", open(t, u, yaml).URL+"/v1/completions", body)
	if got.status != 400 || !strings.Contains(got.text, "does not support parameters: ['suffix']") {
		t.Errorf("%d %s", got.status, got.text)
	}
	got = do(t, "POST", open(t, u, yaml+"litellm_settings: {drop_params: true}\n").URL+"/v1/completions", body)
	if got.status != 200 || got.header.Get("x-tollgate-dropped-params") != "suffix" || strings.Count(got.text, `"text":"Rome."`) != 2 || !strings.Contains(got.text, `"index":1`) {
		t.Errorf("%d %v %s", got.status, got.header, got.text)
	}
}
