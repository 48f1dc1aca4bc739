package generic_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/generic"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/recorder/guardrails"
)

func open(t *testing.T, s *guardrails.Server, more string) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, generic.Open, `{"api_base":"`+s.URL+`","api_key":"generic-key"`+more+`}`, nil)
}

func TestCheck_actions(t *testing.T) {
	s := guardrails.Generic(t, "generic-key")
	g := open(t, s, "")
	if v := remotetest.Pre(t, g, remotetest.User(t, "Hello")); v.Action != "" || v.Texts != nil {
		t.Errorf("nothing to find: %+v", v)
	}
	v := remotetest.Pre(t, g, remotetest.User(t, "a forbidden thing"))
	if v.Action != guardrail.Block || v.Reason != "Content blocked by guardrail: a forbidden word" {
		t.Errorf("blocked: %+v", v)
	}
	v = remotetest.Pre(t, g, remotetest.Chat(t, `[{"role":"system","content":"Be kind."},{"role":"user","content":"I am ada@example.org"}]`))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"Be kind.", "I am [EMAIL]"}) {
		t.Errorf("changed: %+v", v)
	}
	if v := remotetest.Post(t, g, remotetest.User(t, "Who?"), remotetest.Answer(t, "ada@example.org", "nobody")); v.Action != guardrail.Mask || v.Texts[0] != "[EMAIL]" {
		t.Errorf("the answer: %+v", v)
	}
	if kind := s.Calls()[3].Fields()["input_type"]; kind != "response" {
		t.Errorf("input_type is %v", kind)
	}
}

func TestCheck_request(t *testing.T) {
	s := guardrails.Generic(t, "generic-key")
	g := open(t, s, `,"headers":{"x-tenant":"os.environ/NOT_SET","x-static":"1"},"extra_headers":["x-request-id"],"additional_provider_specific_params":{"level":3}`)
	chat := remotetest.Chat(t, `[{"role":"system","content":"Be kind."},
		{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":"https://example.org/a.png"}},{"type":"text","text":"there"}]},
		{"role":"assistant","name":"helper","reasoning_content":"Hm","content":"Yes","tool_calls":[{"id":"c1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}]}]`,
		`"tools":[{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}]`)
	in := &guardrail.Input{
		Phase: guardrail.PreCall, Content: chat, Extra: map[string]any{"level": 0, "mine": true},
		Call: &guardrail.Call{
			ID: "call-1", KeyHash: "hash", KeyAlias: "alias", UserID: "u", UserEmail: "u@example.org", TeamID: "t", TeamAlias: "team", EndUser: "e", OrgID: "o",
			Header: http.Header{"X-Request-Id": {"r-1"}, "Authorization": {"Bearer sk-of-the-caller"}, "User-Agent": {"curl"}},
		},
	}
	if _, err := g.Check(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	call := s.Calls()[0]
	want := `{
		"texts": ["Be kind.", "Look", "there", "helper", "Hm", "Yes", "{\"q\":1}"], "images": ["https://example.org/a.png"],
		"tools": [{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}],
		"tool_calls": [{"type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}],
		"structured_messages": [{"role":"system","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"Look"},{"type":"text","text":"there"}]},
			{"role":"assistant","name":"helper","content":"Yes","tool_calls":[{"type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}]}],
		"request_data": {"user_api_key_hash":"hash","user_api_key_alias":"alias","user_api_key_user_id":"u","user_api_key_user_email":"u@example.org","user_api_key_team_id":"t",
			"user_api_key_team_alias":"team","user_api_key_end_user_id":"e","user_api_key_org_id":"o"},
		"request_headers": {"x-request-id":"r-1","authorization":"[present]","user-agent":"[present]"},
		"litellm_version": "tollgate", "input_type": "request", "litellm_call_id": "call-1", "litellm_trace_id": null,
		"additional_provider_specific_params": {"level": 3, "mine": true}}`
	if got, want := canonical(t, call.Body), canonical(t, []byte(want)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if call.Header.Get("X-Static") != "1" {
		t.Error("a static header is missing")
	}
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCheck_unreachable(t *testing.T) {
	for _, status := range []int{502, 503, 504} {
		s := guardrails.Generic(t, "generic-key")
		s.Always(guardrails.Reply{Status: status, Type: "text/html", Body: "<html>"})
		var e *remote.Error
		if err := remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "Hello")); !errors.As(err, &e) || !e.Unreachable() {
			t.Errorf("%d: closed by default: %v", status, err)
		}
		v := remotetest.Pre(t, open(t, s, `,"unreachable_fallback":"fail_open"`), remotetest.User(t, "Hello"))
		if v.Action != guardrail.Allow || len(v.Findings) != 1 || v.Findings[0].Kind != "unreachable" {
			t.Errorf("%d: open: %+v", status, v)
		}
	}
	nobody := remotetest.Open(t, generic.Open, `{"api_base":"http://127.0.0.1:1","unreachable_fallback":"fail_open"}`, nil)
	if v := remotetest.Pre(t, nobody, remotetest.User(t, "Hello")); v.Action != guardrail.Allow {
		t.Errorf("no connection: %+v", v)
	}
}

// What says something, but nothing that can be understood, never lets a call pass, fail_open or not.
func TestCheck_wrongReplies(t *testing.T) {
	for _, r := range []guardrails.Reply{
		{Status: 500, Body: `{}`}, {Status: 401, Body: `{}`}, {Type: "text/html", Body: "<html>"}, {Body: `{"action":"MAYBE"}`}, {Body: `{}`},
		{Body: `{"action":"GUARDRAIL_INTERVENED","texts":["one","two"]}`},
		{Body: `{"action":"GUARDRAIL_INTERVENED","images":["https://example.org/b.png"]}`}, {Body: `{"action":"GUARDRAIL_INTERVENED","tools":[{}]}`},
	} {
		s := guardrails.Generic(t, "generic-key")
		s.Always(r)
		if err := remotetest.Fails(t, open(t, s, `,"unreachable_fallback":"fail_open"`), remotetest.User(t, "my secret")); strings.Contains(err.Error(), "my secret") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestOpen(t *testing.T) {
	s := guardrails.Generic(t, "")
	for _, base := range []string{s.URL, s.URL + "/", s.URL + "/beta/litellm_basic_guardrail_api"} {
		g := remotetest.Open(t, generic.Open, `{}`, map[string]string{"GENERIC_GUARDRAIL_API_BASE": base})
		if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	for settings, want := range map[string]string{
		`{}`: "api_base: is missing; give it here or in the environment variable GENERIC_GUARDRAIL_API_BASE",
		`{"api_base":"http://x","unreachable_fallback":"open"}`:     "unreachable_fallback: must be one of fail_closed, fail_open",
		`{"api_base":"http://x","extra_headers":["Authorization"]}`: "extra_headers: Authorization holds the caller's key and is not forwarded",
	} {
		if _, err := generic.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzReplies(f *testing.F) {
	remotetest.FuzzReplies(f, generic.Open, `{"api_base":"http://g.example"}`, `{"action":"GUARDRAIL_INTERVENED","texts":["a","b"]}`, `{"action":"BLOCKED","blocked_reason":"x"}`)
}
