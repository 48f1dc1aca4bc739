package gateway_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/callback"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// heard is what a callback of a test got, and which one it was: "capture" or, of a key's or team's own, the variable "who".
type heard struct {
	who   string
	event *callback.Event
}

// capture is a callback that passes on what it gets.
type capture struct {
	who string
	to  chan<- heard
}

func (c capture) Batch() callback.Batch { return callback.Batch{Every: time.Millisecond} }

func (c capture) Deliver(_ context.Context, batch []*callback.Event) error {
	for _, e := range batch {
		c.to <- heard{c.who, e}
	}
	return nil
}

func (c capture) Ping(context.Context) error { return nil }

// tell opens a gateway whose calls a test hears of.
func tell(t *testing.T, settings string) (*governed, <-chan heard) {
	t.Helper()
	events := make(chan heard, 100)
	g := &governed{}
	u := newUpstream(t)
	u.handle = func(w http.ResponseWriter, r *http.Request, body map[string]any) { (*g.answers.Load())(w, r, body) }
	g.upstream(greedy)
	open := func(spec callback.Spec) (callback.Callback, error) {
		who := spec.Settings.Text("who")
		if who == "" {
			who = spec.Name
		}
		return capture{who, events}, spec.Settings.Err()
	}
	g.options = app.Options{
		Config:  []byte(strings.ReplaceAll(governedYAML, "UPSTREAM", u.URL) + "litellm_settings:\n" + settings),
		Version: "test", DataDir: t.TempDir(), Env: func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open, "jina_ai": compat.Open, "hosted_vllm": openPanics}
		},
		Integrations: app.Integrations{Callbacks: map[string]callback.Opener{"capture": open, "otel": open}}, // the one shows no traces
		NewLog:       func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
		Metrics:      telemetry.NewMetrics(),
	}
	g.open(t)
	t.Cleanup(func() { g.close(t) })
	return g, events
}

// next is the next event.
func next(t *testing.T, events <-chan heard) heard {
	t.Helper()
	select {
	case h := <-events:
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("nobody hears of the call")
	}
	return heard{}
}

const hello = `{"model":"plain","max_tokens":5,"messages":[{"role":"user","content":"attack at dawn"}]`

func TestEmit_ACallInOnePiece(t *testing.T) {
	g, events := tell(t, "  callbacks: [capture]\n")
	key := g.key(t, `{"key_alias":"ci","metadata":{"tags":["nightly"]}}`)
	answered := g.chat(t, key, hello+`,"metadata":{"spend_logs_metadata":{"run":1},"trace_name":"n","langfuse_secret_key":"sk-lf-1"}}`,
		"X-Run", "7", "Langfuse_trace_id", "t1", "X-Api-Key", "sk-secret", "X-Upstream-Token", "upstreams-own", "Cookie", "c=1", "X-Forward", "Bearer upstreams-own", "X-Litellm-Session-Id", "s1")
	e := next(t, events).event
	p := &e.Payload
	if p.Status != "success" || p.CallID != answered.header.Get("X-Litellm-Call-Id") || p.Model != "plain-up" || p.ModelGroup != "plain" || p.ModelID != "plain-1" || p.CallType != "acompletion" ||
		p.PromptTokens != 10 || p.CompletionTokens != 5 || p.TraceID != "s1" || e.Session != "s1" || p.Metadata.KeyAlias != "ci" || e.HTTPStatus != 200 {
		t.Errorf("%+v", p)
	}
	if p.ResponseCost != 0.00002 || p.CostBreakdown == nil || p.CostBreakdown.Input != 0.00001 || p.CostBreakdown.Output != 0.00001 {
		t.Errorf("cost: %v, %+v", p.ResponseCost, p.CostBreakdown)
	}
	if got := string(p.Messages); got != `[{"role":"user","content":"attack at dawn"}]` {
		t.Errorf("messages: %s", got)
	}
	if string(p.Response) != answered.text {
		t.Errorf("the caller got %s, the callback %s", answered.text, p.Response)
	}
	if len(p.RequestTags) != 1 || p.RequestTags[0] != "nightly" {
		t.Errorf("tags: %v", p.RequestTags)
	}
	headers := map[string]string{"x-run": "7", "langfuse_trace_id": "t1", "x-litellm-session-id": "s1"}
	if got := p.Metadata.RequesterHeaders; len(got) != len(headers) || got["x-run"] != "7" || got["langfuse_trace_id"] != "t1" {
		t.Errorf("headers: %v", got)
	}
	if got := string(p.Metadata.Requester); !strings.Contains(got, `"trace_name":"n"`) || strings.Contains(got, "sk-lf-1") {
		t.Errorf("metadata: %s", got)
	}
	text, _ := json.Marshal(e)
	for _, never := range []string{key, masterKey, "sk-secret", "sk-lf-1", "upstreams-own", "c=1"} {
		if strings.Contains(string(text), never) {
			t.Errorf("the event holds %q", never)
		}
	}
}

func TestEmit_AStream(t *testing.T) {
	g, events := tell(t, "  callbacks: [capture]\n")
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"role":"assistant","content":"The bri"}`)
		chunk(w, `{"content":"dge."}`)
		endStream(w, 3)
	})
	answered := g.chat(t, masterKey, hello+`,"stream":true}`) // without include_usage: the callback has it all the same
	if strings.Contains(answered.text, "usage") {
		t.Fatalf("the caller got a usage: %s", answered.text)
	}
	e := next(t, events).event
	var got struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Model   string `json:"model"`
		Choices []struct {
			Message struct{ Role, Content string } `json:"message"`
			Finish  string                         `json:"finish_reason"`
		} `json:"choices"`
		Usage struct {
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(e.Payload.Response, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "c" || got.Object != "chat.completion" || got.Model != "plain" || len(got.Choices) != 1 || got.Choices[0].Message.Content != "The bridge." || got.Choices[0].Finish != "stop" || got.Usage.Completion != 3 {
		t.Errorf("%s", e.Payload.Response)
	}
	if p := &e.Payload; !p.Stream || p.CompletionTokens != 3 || p.CompletionStartTime <= p.StartTime || p.CompletionStartTime > p.EndTime {
		t.Errorf("%+v", p)
	}
}

// Every end of a call is told, those before admission too.
func TestEmit_Failures(t *testing.T) {
	g, events := tell(t, "  success_callback: [none]\n  failure_callback: [capture]\n")
	poor := g.key(t, `{"max_budget":0.000001}`)
	for _, c := range []struct {
		name, body, key string
		status          int
		class           string
	}{
		{"no such key", hello + `}`, "sk-nobody", 401, "ProxyException"},
		{"no JSON", `{`, masterKey, 400, "ProxyException"},
		{"no such model", `{"model":"other","messages":[]}`, masterKey, 400, "ProxyException"},
		{"no budget", hello + `}`, poor, 429, "BudgetExceededError"},
		{"upstream", `{"model":"broken","messages":[{"role":"user","content":"attack at dawn"}]}`, masterKey, 500, "InternalServerError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answered := g.chat(t, c.key, c.body)
			if answered.status != c.status {
				t.Fatalf("%d %s", answered.status, answered.text)
			}
			h := next(t, events)
			info := h.event.Payload.ErrorInformation
			if p := &h.event.Payload; p.Status != "failure" || p.CallID != answered.header.Get("X-Litellm-Call-Id") || info == nil || info.Class != c.class || info.Message == "" || h.event.HTTPStatus != c.status {
				t.Errorf("%+v %+v", p, info)
			}
		})
	}
	g.chat(t, masterKey, hello+`}`) // a success, of which it does not hear
	g.chat(t, "sk-nobody", hello+`}`)
	if h := next(t, events); h.event.Payload.Status != "failure" {
		t.Error("failure_callback hears of a success")
	}
}

func TestEmit_WhatTheCallerSays(t *testing.T) {
	const on = "  callbacks: [capture]\n"
	for name, c := range map[string]struct {
		settings string
		body     string
		header   []string
		heard    bool
		redacted bool
	}{
		"nothing":                    {on, `}`, nil, true, false},
		"no-log":                     {on, `,"no-log":true}`, nil, false, false},
		"no-log, not allowed":        {on + "  global_disable_no_log_param: true\n", `,"no-log":true}`, nil, true, false},
		"disable":                    {on, `}`, []string{"X-Litellm-Disable-Callbacks", "langfuse, CAPTURE"}, false, false},
		"disable, not allowed":       {on + "  global_disable_no_log_param: true\n", `}`, []string{"X-Litellm-Disable-Callbacks", "capture"}, true, false},
		"redact":                     {on, `}`, []string{"X-Litellm-Enable-Message-Redaction", "true"}, true, true},
		"redacted by the operator":   {on + "  turn_off_message_logging: true\n", `}`, nil, true, true},
		"not redacted by the caller": {on + "  turn_off_message_logging: true\n", `}`, []string{"Litellm-Disable-Message-Redaction", "true"}, true, false},
		"masked":                     {on, `,"metadata":{"mask_input":true,"mask_output":"true"}}`, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, events := tell(t, c.settings)
			g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { billed(w, "so be it at dawn", 2) })
			if got := g.chat(t, masterKey, hello+c.body, c.header...); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			g.chat(t, masterKey, `{"model":"plain","messages":[{"role":"user","content":"the end"}]}`)
			e := next(t, events).event
			text, _ := json.Marshal(e)
			if heard := !strings.Contains(string(text), "the end"); heard != c.heard && !(c.redacted && e.Redacted) {
				t.Fatalf("heard: %v", heard)
			}
			if redacted := e.Redacted; redacted != c.redacted || c.redacted && strings.Contains(string(text), "dawn") {
				t.Errorf("redacted: %v: %s", redacted, text)
			}
		})
	}
}

func TestEmit_OwnCallbacks(t *testing.T) {
	g, events := tell(t, "  callbacks: [capture]\n  default_team_settings: [{team_id: t3, success_callback: [capture], who: defaults}]\n")
	own := func(who string) string {
		return `{"callback_settings":{"success_callback":["capture"],"failure_callback":["capture"],"callback_vars":{"who":"` + who + `"}}}`
	}
	g.post(t, "/team/new", `{"team_id":"t1","metadata":`+own("team")+`}`, masterKey)
	g.post(t, "/team/new", `{"team_id":"t2"}`, masterKey)
	g.post(t, "/team/new", `{"team_id":"t3"}`, masterKey)
	if got := g.post(t, "/team/t2/disable_logging", `{}`, masterKey); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for _, c := range []struct{ name, fields, want string }{
		{"none", `{}`, "capture"},
		{"the key's", `{"metadata":` + own("key") + `}`, "key"},
		{"the team's", `{"team_id":"t1"}`, "team"},
		{"the key's in a team", `{"team_id":"t1","metadata":` + own("key") + `}`, "key"},
		{"the operator's for the team", `{"team_id":"t3"}`, "defaults"},
		{"a team's that is switched off", `{"team_id":"t2"}`, ""},
		{"switched off for the key", `{"metadata":{"litellm_disabled_callbacks":["capture"]}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := g.key(t, c.fields)
			if got := g.chat(t, key, hello+`}`); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			if c.want == "" { // then the next call is the first to be heard of
				g.chat(t, masterKey, `{"model":"plain","messages":[{"role":"user","content":"the end"}]}`)
				if h := next(t, events); !strings.Contains(string(h.event.Payload.Messages), "the end") {
					t.Errorf("%s hears of it", h.who)
				}
				return
			}
			if h := next(t, events); h.who != c.want {
				t.Errorf("%s hears of it, want %s", h.who, c.want)
			}
		})
	}
}
