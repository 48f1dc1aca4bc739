// Package callbacktest makes finished calls for the tests of callbacks.
package callbacktest

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/setting"
)

// Spec is what a callback is opened with in tests: settings, an environment, and a client of its own whose connections
// end with the test.
func Spec(t testing.TB, settings map[string]any, env map[string]string) callback.Spec {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return callback.Spec{
		Name: "test", Settings: setting.New("callback_settings.test", settings, func(name string) string { return env[name] }),
		Client: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler), Version: "test",
	}
}

// Call is the call number n, a chat that went well. change may be nil.
func Call(t testing.TB, n int, change func(*record.Call)) *record.Call {
	cost, err := money.Parse("0.00034")
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now().Add(-2 * time.Second).Truncate(time.Microsecond).UTC()
	id := fmt.Sprintf("call-%d", n)
	c := &record.Call{
		ID: id, SentID: id, Route: "/chat/completions", CallType: "acompletion", Started: started, Ended: started.Add(1500 * time.Millisecond), Caller: "88dc28d0", KeyHash: "88dc28d0",
		KeyAlias: "ci", UserID: "u1", TeamID: "t1", TeamAlias: "platform", EndUser: "customer-7", Tags: []string{"nightly", "a,b"}, SessionID: "session-9", ClientIP: "192.0.2.7",
		Alias: "gpt", Group: "gpt", Deployment: "d1", Upstream: "gpt-5-mini", Provider: "openai", APIBase: "https://api.openai.com/v1", RequestID: fmt.Sprintf("chatcmpl-%d", n),
		Outcome: record.Success, Status: 200, PromptTokens: 12, CompletionTokens: 5, CachedTokens: 4, ReasoningTokens: 2, UsageKnown: true, Cost: cost, CostKnown: true,
		FirstByte: 400 * time.Millisecond, Upstreams: 1480 * time.Millisecond,
		Trace:    record.Trace{ID: fmt.Sprintf("%032x", n+1), Span: fmt.Sprintf("%016x", n+1)},
		Request:  []byte(`{"model":"gpt","messages":[{"role":"user","content":"When do we attack?"}],"temperature":0.2}`),
		Response: fmt.Appendf(nil, `{"id":"chatcmpl-%d","object":"chat.completion","created":1790000000,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"At dawn."},"finish_reason":"stop"}]}`, n),
	}
	if change != nil {
		change(c)
	}
	return c
}

// Events are the calls from 0 to n as callbacks get them. change may be nil.
func Events(t testing.TB, n int, change func(i int, c *record.Call)) []*callback.Event {
	events := make([]*callback.Event, n)
	for i := range events {
		events[i] = callback.NewEvent(Call(t, i, func(c *record.Call) {
			if change != nil {
				change(i, c)
			}
		}), callback.Rules{})
	}
	return events
}
