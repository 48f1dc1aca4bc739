package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/cache"
	"tollgate/internal/callback"
)

// Callbacks and rows are told what the guardrails leave of a call, and nothing of what they keep from it.
func TestGuard_WhatIsTold(t *testing.T) {
	const yes = `,"stream":true`
	tests := []struct {
		name, kind, mode, more, says string
		status                       int
		answer                       string // what the caller gets
		prompt, reply                string // what is told of both; "" = nothing
		row                          bool   // the row has them too
	}{
		{"masked before", "mask", "pre_call", "", "Rome.", 200, "Rome.", "hello [SECRET]", "Rome.", true},
		{"blocked before", "block", "pre_call", "", "Rome.", 400, "There is a secret", "", "", true},
		{"could not judge", "fail", "pre_call", "", "Rome.", 500, "could not judge", "", "", true},
		{"unknown guardrail", "mask", "pre_call", `,"guardrails":["ghost"]`, "Rome.", 400, "ghost", "", "", true},
		{"masked after", "mask", "post_call", "", "It is s-9.", 200, "It is [SECRET].", "hello s-123", "It is [SECRET].", true},
		{"masked after, streamed", "mask", "post_call", yes, "It is s-9.", 200, "It is [SECRET].", "hello s-123", "It is [SECRET].", true},
		{"masked after in windows", "wmask", "post_call", yes, "It is s-9.", 200, "It is [SECRET].", "hello s-123", "It is [SECRET].", true},
		{"blocked after", "block", "post_call", "", "It is s-9.", 400, "There is a secret", "hello s-123", "", true},
		{"put back", "restore", "pre_call", "", "It is [SECRET].", 200, "It is s-123.", "hello [SECRET]", "It is [SECRET].", true},
		{"put back into a stream", "restore", "pre_call", yes, "It is [SECRET].", 200, "It is s-123.", "hello [SECRET]", "It is [SECRET].", true},
		{"the log's copy", "wmask", "logging_only", "", "It is s-9.", 200, "It is s-9.", "hello [SECRET]", "It is [SECRET].", true},
		{"the log's copy of a stream", "wmask", "logging_only", yes, "It is s-9.", 200, "It is s-9.", "hello [SECRET]", "It is [SECRET].", true},
		{"the log's copy by a vendor", "mask", "logging_only", "", "It is s-9.", 200, "It is s-9.", "hello [SECRET]", "It is [SECRET].", false},
		{"the log's copy blocked", "wblock", "logging_only", "", "It is s-9.", 200, "It is s-9.", "", "", true},
		{"the log's copy not judged", "fail", "logging_only", "", "It is s-9.", 200, "It is s-9.", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, events := toldGuarded(t, tt.kind, tt.mode)
			g.says(tt.says)
			key := g.key(t, `{}`)
			r := g.chat(t, key, ask("hello s-123", tt.more))
			answer := r.text
			if tt.status == 200 && tt.more == yes {
				answer, _ = streamed(t, r.text)
			}
			if r.status != tt.status || !strings.Contains(answer, tt.answer) {
				t.Errorf("the caller got %d %s", r.status, r.text)
			}
			e := next(t, events).event
			text, _ := json.Marshal(e)
			checkTold(t, "the callback", string(text), tt.prompt, tt.reply)
			if len(e.Payload.Guardrails) == 0 != (tt.name == "unknown guardrail") {
				t.Errorf("the callback hears of %+v", e.Payload.Guardrails)
			}
			row, _ := json.Marshal(g.row(t, key))
			if tt.row {
				checkTold(t, "the row", string(row), tt.prompt, tt.reply)
			} else {
				checkTold(t, "the row", string(row), "", "")
			}
		})
	}
}

// checkTold: what is told holds prompt and reply, and nothing that they do not.
func checkTold(t *testing.T, who, text, prompt, reply string) {
	t.Helper()
	for _, want := range []string{prompt, reply} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not hear %q: %s", who, want, text)
		}
	}
	for _, never := range []string{"s-123", "s-9", "hello", "It is"} {
		if !strings.Contains(prompt+reply, never) && strings.Contains(text, never) {
			t.Errorf("%s hears %q: %s", who, never, text)
		}
	}
}

// toldGuarded is a gateway with one guardrail whose calls a test hears of.
func toldGuarded(t *testing.T, kind, mode string) (*governed, <-chan heard) {
	t.Helper()
	events := make(chan heard, 10)
	g := governWith(t, "  store_prompts_in_spend_logs: true\nlitellm_settings:\n  callbacks: [capture]\nguardrails: [{guardrail_name: g, litellm_params: {guardrail: "+kind+", mode: "+mode+", default_on: true}}]\n",
		func(o *app.Options) {
			o.Integrations.Guardrails = guardrailKinds(nil)
			o.Integrations.Callbacks = map[string]callback.Opener{"capture": func(callback.Spec) (callback.Callback, error) { return capture{"capture", events}, nil }}
		})
	return g, events
}

// An answer out of the cache is guarded like one of the model's, and what is cached is what the model has said.
func TestGuard_OfTheCache(t *testing.T) {
	for _, kind := range []string{"mask", "wmask"} {
		for _, stream := range []string{"", `,"stream":true`} {
			g := guardedBy(t, "guardrails:\n"+
				"  - {guardrail_name: in, litellm_params: {guardrail: mask, mode: pre_call, default_on: true}}\n"+
				"  - {guardrail_name: out, litellm_params: {guardrail: "+kind+", mode: post_call}}\n", nil)
			c := withCache(t, g.handler, cache.Options{})
			times, _ := g.says("It is s-9.")
			const named = `,"guardrails":["out"]`
			for i, more := range []string{"", named, ""} { // s-1, s-2 ... are the same behind the mask
				r := g.chat(t, masterKey, ask("hello s-"+string(rune('1'+i)), stream+more))
				c.Settle()
				said := r.text
				if stream != "" {
					said, _ = streamed(t, r.text)
				}
				want := "It is s-9."
				if more == named {
					want = "It is [SECRET]."
				}
				if r.status != 200 || !strings.Contains(said, want) {
					t.Errorf("%s%s, call %d: %d %s", kind, stream, i, r.status, r.text)
				}
				if hit := r.header.Get("X-Litellm-Cache-Key") != ""; hit != (i > 0) {
					t.Errorf("%s%s, call %d: hit %v", kind, stream, i, hit)
				}
			}
			if times.Load() != 1 {
				t.Errorf("the upstream was asked %d times", times.Load())
			}
		}
	}
}

// A vendor that hangs holds so many calls and no more: what comes beyond is told without texts.
func TestGuard_LogCopiesAreBounded(t *testing.T) {
	gate, events := make(chan struct{}), make(chan heard, 300)
	g := governWith(t, "litellm_settings:\n  callbacks: [capture]\nguardrails: [{guardrail_name: g, litellm_params: {guardrail: gated, mode: logging_only}}]\n", func(o *app.Options) {
		o.Integrations.Guardrails = guardrailKinds(gate)
		o.Integrations.Callbacks = map[string]callback.Opener{"capture": func(callback.Spec) (callback.Callback, error) { return capture{"capture", events}, nil }}
	})
	t.Cleanup(func() { close(gate) })
	g.says("Rome.")
	for range 257 {
		if r := g.chat(t, masterKey, ask("hello s-123", "")); r.status != 200 {
			t.Fatal(r.text)
		}
	}
	e := next(t, events).event
	if text, _ := json.Marshal(e.Payload); strings.Contains(string(text), "s-123") || strings.Contains(string(text), "Rome") {
		t.Errorf("nobody has judged what was told: %s", text)
	}
	if len(events) != 0 {
		t.Error("calls were told that the vendor still looks at")
	}
}
