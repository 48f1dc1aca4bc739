package aporia_test

import (
	"errors"
	"slices"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/aporia"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/recorder/guardrails"
)

const key = "aporia-key-0123456789"

func open(t *testing.T, s *guardrails.Server) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, aporia.Open, `{"api_base":"`+s.URL+`/project-1","api_key":"`+key+`"}`, nil)
}

func TestCheck_prompt(t *testing.T) {
	s := guardrails.Aporia(t, "project-1", key)
	g := open(t, s)
	chat := func(text string) string {
		return `[{"role":"system","content":"Be kind."},{"role":"user","content":"` + text + `"},{"role":"assistant","content":"Yes"},{"role":"tool","tool_call_id":"c","content":"42"}]`
	}
	if v := remotetest.Pre(t, g, remotetest.Chat(t, chat("Hello"))); v.Action != "" {
		t.Errorf("got %+v", v)
	}
	messages := s.Calls()[0].Fields()["messages"].([]any)
	if role := messages[3].(map[string]any)["role"]; role != "other" {
		t.Errorf("a tool speaks as %v", role)
	}
	v := remotetest.Pre(t, g, remotetest.Chat(t, chat("please block, ada@example.org")))
	if v.Action != guardrail.Block || v.Reason != "Violated guardrail policy" || v.Detail["aporia_ai_response"] == nil {
		t.Errorf("got %+v", v)
	}
	remotetest.Secretless(t, []any{v.Reason, v.Detail, v.Log, v.Findings}, "ada@example.org")
	v = remotetest.Pre(t, g, remotetest.Chat(t, chat("I am ada@example.org")))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"Be kind.", "I am <EMAIL>", "Yes", "42"}) {
		t.Errorf("rephrased: %+v", v)
	}
	v = remotetest.Pre(t, g, remotetest.Chat(t, chat("please modify")))
	if v.Action != guardrail.Mask || v.Texts[1] != "please modify [checked]" {
		t.Errorf("modified: %+v", v)
	}
}

func TestCheck_answer(t *testing.T) {
	s := guardrails.Aporia(t, "project-1", key)
	g := open(t, s)
	v := remotetest.Post(t, g, remotetest.User(t, "Who?"), remotetest.Answer(t, "nobody", "ada@example.org"))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"nobody", "<EMAIL>"}) {
		t.Errorf("got %+v", v)
	}
	for _, c := range s.Calls() {
		if f := c.Fields(); f["validation_target"] != "response" || f["response"] == nil {
			t.Errorf("sent %v", f)
		}
	}
	if v := remotetest.Post(t, g, remotetest.User(t, "Who?"), remotetest.Answer(t, "fine", "please block")); v.Action != guardrail.Block {
		t.Errorf("one of two choices: %+v", v)
	}
}

func TestCheck_wrongReplies(t *testing.T) {
	for _, body := range []string{`{}`, `{"action":"explode"}`, `{"action":"rephrase"}`, `{"action":"modify","revised_prompt":null}`} {
		s := guardrails.Aporia(t, "project-1", key)
		s.Always(guardrails.Reply{Body: body})
		remotetest.Fails(t, open(t, s), remotetest.User(t, "Hello"))
	}
	s := guardrails.Aporia(t, "project-1", "another").Lenient()
	var e *remote.Error
	if err := remotetest.Fails(t, open(t, s), remotetest.User(t, "Hello")); !errors.As(err, &e) || e.Status != 401 {
		t.Errorf("got %v", err)
	}
}

// LiteLLM's source spells the variables APORIO, its documents APORIA.
func TestOpen_bothSpellings(t *testing.T) {
	s := guardrails.Aporia(t, "project-1", key)
	for _, spelling := range []string{"APORIO", "APORIA"} {
		g := remotetest.Open(t, aporia.Open, `{}`, map[string]string{spelling + "_API_KEY": key, spelling + "_API_BASE": s.URL + "/project-1/"})
		if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", spelling, err)
		}
	}
	if _, err := aporia.Open(remotetest.Spec(t, `{}`, nil)); err == nil {
		t.Error("opened without anything")
	}
}

func FuzzReplies(f *testing.F) {
	remotetest.FuzzReplies(f, aporia.Open, `{"api_base":"http://a.example","api_key":"k"}`, `{"action":"rephrase","revised_prompt":"x","revised_response":"y"}`,
		`{"action":"modify","policy_execution_result":{"action":{"revised_message":"z"}}}`)
}
