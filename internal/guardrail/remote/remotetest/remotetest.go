// Package remotetest holds what the tests of vendors' guardrails share: specs, requests and answers, made as the gateway makes them.
package remotetest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
	"tollgate/internal/setting"
)

// Spec is a spec of settings as they stand in a YAML or JSON file, and of an environment.
func Spec(t testing.TB, settings string, env map[string]string, phases ...guardrail.Phase) guardrail.Spec {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(settings)))
	d.UseNumber()
	var values map[string]any
	if err := d.Decode(&values); err != nil {
		t.Fatalf("settings: %v", err)
	}
	return guardrail.Spec{
		Name: "guard", Phases: phases, Client: &http.Client{}, Log: slog.New(slog.DiscardHandler),
		Settings: setting.New("guardrails[0].litellm_params", values, func(name string) string { return env[name] }),
	}
}

// Open opens a guardrail, which must work.
func Open(t testing.TB, open guardrail.Opener, settings string, env map[string]string, phases ...guardrail.Phase) guardrail.Guardrail {
	t.Helper()
	g, err := open(Spec(t, settings, env, phases...))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Chat is the texts of a chat whose messages stand in JSON; further are more members of the request, in JSON too.
func Chat(t testing.TB, messages string, further ...string) *content.Body {
	t.Helper()
	body := `{"model":"m","messages":` + messages + strings.Join(append([]string{""}, further...), ",") + `}`
	r, err := openai.ParseRequest(openai.OpChat, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	c, err := content.Request(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// User is a chat of one message.
func User(t testing.TB, text string) *content.Body {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return Chat(t, `[{"role":"user","content":`+string(quoted)+`}]`)
}

// Answer is the texts of an answer with these choices.
func Answer(t testing.TB, choices ...string) *content.Body {
	t.Helper()
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	var list []map[string]any
	for i, text := range choices {
		list = append(list, map[string]any{"index": i, "message": message{"assistant", text}, "finish_reason": "stop"})
	}
	body, err := json.Marshal(map[string]any{"choices": list})
	if err != nil {
		t.Fatal(err)
	}
	c, err := content.Reply(openai.OpChat, body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Pre checks a request before the call; there must be a verdict.
func Pre(t testing.TB, g guardrail.Guardrail, c *content.Body) guardrail.Verdict {
	t.Helper()
	return verdict(t, g, &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}})
}

// Post checks an answer after the call; there must be a verdict.
func Post(t testing.TB, g guardrail.Guardrail, asked, answer *content.Body) guardrail.Verdict {
	t.Helper()
	return verdict(t, g, &guardrail.Input{Phase: guardrail.PostCall, Content: answer, Request: asked, Call: &guardrail.Call{}})
}

func verdict(t testing.TB, g guardrail.Guardrail, in *guardrail.Input) guardrail.Verdict {
	t.Helper()
	v, err := g.Check(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if v.Texts != nil {
		if len(v.Texts) != len(in.Content.Texts) {
			t.Fatalf("%d texts for %d", len(v.Texts), len(in.Content.Texts))
		}
		if _, err := in.Content.With(v.Texts); err != nil {
			t.Fatalf("the texts do not go back into the body: %v", err)
		}
	}
	return v
}

// Fails checks a request that must not get a verdict, and returns the error.
func Fails(t testing.TB, g guardrail.Guardrail, c *content.Body) error {
	t.Helper()
	v, err := g.Check(t.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}})
	if err == nil {
		t.Fatalf("there is a verdict: %+v", v)
	}
	return err
}

// Secretless fails the test where a text that goes into logs and errors holds one of the secrets.
func Secretless(t testing.TB, shown any, secrets ...string) {
	t.Helper()
	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(text), s) {
			t.Errorf("%s shows %q", text, s)
		}
	}
}
