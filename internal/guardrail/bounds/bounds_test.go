package bounds_test

import (
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/bounds"
	"tollgate/internal/guardrail/remote/remotetest"
)

func TestCheck_requests(t *testing.T) {
	for _, c := range []struct{ settings, messages, want string }{
		{`{"max_characters":5}`, `[{"role":"user","content":"héllo"}]`, ""},
		{`{"max_characters":5}`, `[{"role":"user","content":"héllo!"}]`, "The request has 6 characters; at most 5 are allowed."},
		{`{"input_max_words":2}`, `[{"role":"system","content":"one"},{"role":"user","content":"two three"}]`, "The request has 3 words; at most 2 are allowed."},
		{`{"max_tokens":2}`, `[{"role":"user","content":"12345678"}]`, ""},
		{`{"max_tokens":2}`, `[{"role":"user","content":"123456789"}]`, "The request has 3 tokens; at most 2 are allowed."},
		{`{"max_tokens":2}`, `[{"role":"user","content":"港静か"}]`, "The request has 3 tokens; at most 2 are allowed."},
		{`{"max_messages":1}`, `[{"role":"user","content":"a"},{"role":"user","content":"b"}]`, "The request has 2 messages; at most 1 are allowed."},
		{`{"min_characters":3}`, `[{"role":"user","content":"ab"}]`, "The request has 2 characters; at least 3 are needed."},
		{`{"max_words":1,"input_max_words":3}`, `[{"role":"user","content":"a b c"}]`, ""},
		{`{"output_max_words":1}`, `[{"role":"user","content":"a b c"}]`, ""},
	} {
		v := remotetest.Pre(t, remotetest.Open(t, bounds.Open, c.settings, nil), remotetest.Chat(t, c.messages))
		if v.Reason != c.want || (v.Action == guardrail.Block) != (c.want != "") {
			t.Errorf("%s on %s: %+v", c.settings, c.messages, v)
		}
	}
}

func TestCheck_answers(t *testing.T) {
	g := remotetest.Open(t, bounds.Open, `{"output_max_words":2,"input_max_words":1}`, nil)
	asked := remotetest.User(t, "Hello")
	if v := remotetest.Post(t, g, asked, remotetest.Answer(t, "one two", "three four")); v.Action != "" {
		t.Errorf("each choice by itself: %+v", v)
	}
	if v := remotetest.Post(t, g, asked, remotetest.Answer(t, "one", "two three four")); v.Reason != "The answer has 3 words; at most 2 are allowed." {
		t.Errorf("got %+v", v)
	}
}

func TestOpen_faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`: "give a limit", `{"max_words":-1}`: "not negative", `{"min_words":3,"max_words":2}`: "greater than the maximum", `{"output_max_tokens":"x"}`: "whole number",
	} {
		if _, err := bounds.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
