package openaimoderation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/openaimoderation"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/recorder/guardrails"
)

const key = "openai-key-0123456789"

func open(t *testing.T, s *guardrails.Server, more string) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, openaimoderation.Open, `{"api_base":"`+s.URL+`/v1"`+more+`}`, map[string]string{"OPENAI_API_KEY": key})
}

func TestCheck(t *testing.T) {
	s := guardrails.Moderation(t, key)
	g := open(t, s, "")
	if v := remotetest.Pre(t, g, remotetest.User(t, "Hello")); v.Action != "" {
		t.Errorf("got %+v", v)
	}
	if model := s.Calls()[0].Fields()["model"]; model != "omni-moderation-latest" {
		t.Errorf("the model is %v", model)
	}
	v := remotetest.Pre(t, g, remotetest.Chat(t, `[{"role":"system","content":"Be kind."},{"role":"user","content":"I want to kill him"}]`))
	result, _ := v.Detail["moderation_result"].(map[string]any)
	if v.Action != guardrail.Block || v.Reason != "Violated OpenAI moderation policy" || fmt.Sprint(result["violated_categories"]) != "[harassment/threatening violence]" {
		t.Errorf("got %+v", v)
	}
	if v := remotetest.Post(t, g, remotetest.User(t, "Why?"), remotetest.Answer(t, "So", "I will kill")); v.Action != guardrail.Block {
		t.Errorf("the second choice: %+v", v)
	}
	if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheck_images(t *testing.T) {
	chat := `[{"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":"https://example.org/fine.png"}},{"type":"image_url","image_url":{"url":"https://example.org/violent.png"}}]}]`
	s := guardrails.Moderation(t, key)
	if v := remotetest.Pre(t, open(t, s, ""), remotetest.Chat(t, chat)); v.Action != guardrail.Block || len(s.Calls()) != 3 {
		t.Errorf("got %+v after %d calls", v, len(s.Calls()))
	}
	if v := remotetest.Pre(t, open(t, s, `,"model":"text-moderation-latest"`), remotetest.Chat(t, chat)); v.Action != "" {
		t.Errorf("a model that takes none: %+v", v)
	}
}

func TestCheck_manyTexts(t *testing.T) {
	s := guardrails.Moderation(t, key)
	messages := strings.Repeat(`{"role":"user","content":"Hello"},`, 70) + `{"role":"user","content":"I want to kill him"}`
	if v := remotetest.Pre(t, open(t, s, ""), remotetest.Chat(t, "["+messages+"]")); v.Action != guardrail.Block || len(s.Calls()) != 3 {
		t.Errorf("got %+v after %d calls", v, len(s.Calls()))
	}
}

func TestCheck_failures(t *testing.T) {
	for _, r := range []guardrails.Reply{{Body: `{"results":[]}`}, {Body: `{"results":[{}]}`}, {Status: 500, Body: `{}`}, {Type: "text/html", Body: "<p>"}, {Status: 429, Body: `{"error":{"message":"Rate limit"}}`}} {
		s := guardrails.Moderation(t, key)
		s.Always(r)
		remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "Hello"))
	}
	s := guardrails.Moderation(t, "another").Lenient()
	var e *remote.Error
	if err := remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "Hello")); !errors.As(err, &e) || e.Status != 401 {
		t.Errorf("got %v", err)
	}
}

func FuzzReplies(f *testing.F) {
	remotetest.FuzzReplies(f, openaimoderation.Open, `{"api_key":"k"}`, `{"results":[{"flagged":true,"categories":{"hate":true},"category_scores":{"hate":1}},{"flagged":false}]}`)
}
