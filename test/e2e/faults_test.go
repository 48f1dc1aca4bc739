package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// misbehave gives the simulator a rule; it is taken away at the end of the test.
func misbehave(t *testing.T, simURL, rule string) {
	t.Helper()
	resp, err := http.Post(simURL+"/_sim/faults", "application/json", strings.NewReader(rule))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("the simulator refuses %s: %d", rule, resp.StatusCode)
	}
	t.Cleanup(func() {
		req, err := http.NewRequest(http.MethodDelete, simURL+"/_sim/faults", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
}

// vary changes how the simulator's service behaves where no capture settles it.
func vary(t *testing.T, simURL, variants string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPatch, simURL+"/_sim/variants", strings.NewReader(variants))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("the simulator refuses %s: %d", variants, resp.StatusCode)
	}
}

func TestVariantsOfTheService(t *testing.T) {
	t.Parallel()
	url, env := sim(t)
	p := serve(t, env, sample(t))
	variants := map[string]string{
		"a new id on each fragment":          `{"llama_fresh_ids":true}`,
		"arguments as a JSON text in a text": `{"llama_double_encoded":true}`,
		"a finish event without a message":   `{"bare_tool_finish":true}`,
		"tool turns that say stop":           `{"llama_tool_finish":"stop"}`,
		"events split in two writes":         `{"split_writes":1}`,
		"events parted by one line feed":     `{"single_lf":1}`,
	}
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			vary(t, url, v)
			for _, model := range []string{"oci-llama-4-maverick", "oci-gpt5-mini", "oci-grok", "oci-gemini-2.5-flash", "oci-cohere-command"} {
				s := stream(t, p, ask(model, "What is the weather in Tokyo?", weather, obj{"stream": true}))
				if s.finish != "tool_calls" || s.finishes != 1 || len(s.tools) != 1 || s.tools[0].name != "get_weather" || !s.done {
					t.Errorf("%s: %+v", model, s)
					continue
				}
				checkLocation(t, s.tools[0].arguments)
				s = stream(t, p, ask(model, "What is the capital of Italy?", obj{"stream": true}))
				if !strings.Contains(s.content, "Rome") || s.finish != "stop" || s.finishes != 1 || !s.done {
					t.Errorf("%s: %+v", model, s)
				}
			}
		})
	}
}

func TestFaultsOfTheUpstream(t *testing.T) {
	t.Parallel()
	url, env := sim(t)
	// No cooldowns, so that one case does not decide the next.
	config := strings.Replace(sample(t), "router_settings:\n", "router_settings:\n  disable_cooldowns: true\n", 1)
	p := serve(t, env, config)
	const model = "oci-llama-4-maverick" // has no fallback
	question := ask(model, "What is the capital of Italy?")
	streamed := ask(model, "What is the capital of Italy?", obj{"stream": true})

	tests := []struct {
		name, rule string
		body       obj
		status     int
		want       string
	}{
		{"a burst that retries outlast", `{"model":"meta.*","status":503,"times":2}`, question, 200, "Rome"},
		{"a burst that they do not", `{"model":"meta.*","status":503,"times":9}`, question, 503, "litellm.ServiceUnavailableError: ServiceUnavailableError: OCIException - "},
		{"429", `{"model":"meta.*","status":429,"code":"TooManyRequests","message":"too many requests for the tenancy"}`, question, 429, "litellm.RateLimitError: RateLimitError: OCIException - too many requests for the tenancy"},
		{"429 with Retry-After that retries wait for", `{"model":"meta.*","status":429,"retry_after":1,"times":1}`, question, 200, "Rome"},
		{"500", `{"model":"meta.*","status":500,"code":"InternalServerError","message":"internal error"}`, question, 500, "litellm.InternalServerError: InternalServerError: OCIException - internal error"},
		{"404", `{"model":"meta.*","status":404,"code":"NotAuthorizedOrNotFound","message":"authorization failed or resource not found"}`, question, 404, "litellm.NotFoundError: OCIException - "},
		{"dropped connection", `{"model":"meta.*","drop":true}`, question, 500, "litellm.APIConnectionError"},
		{"no answer in time", `{"model":"meta.*","latency":"5s"}`, ask(model, "x", obj{"timeout": 0.2, "num_retries": 0}), 408, "litellm.Timeout"},
		{"garbage", `{"model":"meta.*","garbage_after":0}`, question, 502, "litellm.BadGatewayError: OCIException - "},
		{"a stream that fails before its first chunk is retried", `{"model":"meta.*","status":503,"times":1}`, streamed, 200, "data: [DONE]"},
		{"a stream that is refused", `{"model":"meta.*","status":503}`, streamed, 503, "litellm.ServiceUnavailableError"},
		{"a stream that is cut", `{"model":"meta.*","cut_after":2,"abrupt":true}`, streamed, 200, `data: {"error":{"message":`},
		{"a stream that stops early", `{"model":"meta.*","cut_after":2}`, streamed, 200, `data: {"error":{"message":`},
		{"a stream with an error event", `{"model":"meta.*","error_after":2}`, streamed, 200, `data: {"error":{"message":`},
		{"a stream whose first chunk is late", `{"model":"meta.*","first_token_delay":"5s"}`, ask(model, "x", obj{"stream": true, "stream_timeout": 0.2, "num_retries": 0}), 408, "litellm.Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			misbehave(t, url, tt.rule)
			r, err := p.post("/v1/chat/completions", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if r.status != tt.status || !strings.Contains(string(r.body), tt.want) {
				t.Errorf("%d, want %d and %q in %s", r.status, tt.status, tt.want, r.body)
			}
			if text := string(r.body); r.status == 200 && strings.Contains(text, `{"error"`) && !strings.HasSuffix(text, "data: [DONE]\n\n") {
				t.Errorf("no [DONE] behind the error: %s", r.body)
			}
		})
	}
}

func TestFallbackOnEveryKindOfFault(t *testing.T) {
	t.Parallel()
	url, env := sim(t)
	p := serve(t, env, strings.Replace(sample(t), "router_settings:\n", "router_settings:\n  disable_cooldowns: true\n  num_retries: 0\n", 1))
	for name, rule := range map[string]string{
		"429": `{"model":"xai.*","status":429}`, "500": `{"model":"xai.*","status":500}`, "404": `{"model":"xai.*","status":404,"code":"NotAuthorizedOrNotFound"}`, "drop": `{"model":"xai.*","drop":true}`,
	} {
		for _, streaming := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				misbehave(t, url, rule)
				r, err := p.post("/v1/chat/completions", ask("oci-grok", "What is the capital of Italy?", obj{"stream": streaming}))
				must(t, r, err)
				if r.header.Get("x-tollgate-served-model") != "cohere.command-latest" || r.header.Get("x-litellm-attempted-fallbacks") != "1" || !strings.Contains(string(r.body), `"model":"cohere.command-latest"`) {
					t.Errorf("%v %s", r.header, r.body)
				}
			})
		}
	}
	t.Run("not on the caller's own fault", func(t *testing.T) {
		r, err := p.post("/v1/chat/completions", ask("oci-grok", "x", obj{"messages": []obj{{"role": "nobody", "content": "x"}}}))
		if err != nil || r.status != 400 {
			t.Errorf("%v %d: %s", err, r.status, r.body)
		}
	})
}

func TestClockSkewIsNamed(t *testing.T) {
	t.Parallel()
	url, env := sim(t)
	p := serve(t, env, sample(t))
	vary(t, url, `{"clock_offset":"-1h"}`)
	r, err := p.post("/v1/chat/completions", ask("oci-llama-4-maverick", "x"))
	if err != nil || r.status != 401 || !regexp.MustCompile(`clock of this machine is (3599|360[0-9]) seconds ahead`).Match(r.body) {
		t.Errorf("%v %d: %s", err, r.status, r.body)
	}
}
