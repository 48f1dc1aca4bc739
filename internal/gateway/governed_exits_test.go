package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
)

// panicker is a provider that panics: at once when it is asked for an answer in one piece, after the first chunk of a stream.
type panicker struct{ provider.Chatter }

func openPanics(spec provider.Spec) (provider.Chatter, error) {
	c, err := compat.Open(spec)
	return panicker{c}, err
}

func (panicker) Chat(context.Context, *openai.Request) (*openai.Response, error) {
	panic("cannot chat")
}

func (p panicker) ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	s, err := p.Chatter.ChatStream(ctx, r)
	return &panicStream{Stream: s}, err
}

type panicStream struct {
	openai.Stream
	chunks int
}

func (s *panicStream) Next() (openai.Chunk, error) {
	if s.chunks++; s.chunks > 1 {
		panic("cannot go on")
	}
	return s.Stream.Next()
}

// leaver is a caller who leaves when the first byte of the answer has come.
type leaver struct {
	*httptest.ResponseRecorder
	leave func()
}

func (l leaver) Write(p []byte) (int, error) {
	l.leave()
	return l.ResponseRecorder.Write(p)
}

// exits are the ways in which a call can end. The first call of each is made with max_tokens 1000.
var exits = []struct {
	name, model, more string
	handle            func(leave func()) func(http.ResponseWriter, *http.Request, map[string]any) // nil = short answers
	leaves            bool                                                                        // the caller, at the first byte
	status            int
}{
	{name: "success", model: "plain", status: 200},
	{name: "streamed success", model: "plain", more: `,"stream":true`, status: 200},
	{name: "no messages", model: "plain", status: 400},
	{name: "unknown model", model: "nobody", status: 400},
	{name: "unknown fallback", model: "plain", more: `,"fallbacks":["nobody"]`, status: 400},
	{name: "dear fallback", model: "broken", more: `,"fallbacks":[{"model":"plain","n":100}]`, status: 500},
	{name: "refused upstream", model: "plain", handle: failing(http.StatusBadRequest), status: 400},
	{name: "failure upstream", model: "plain", handle: failing(http.StatusInternalServerError), status: 500},
	{name: "no JSON upstream", model: "plain", handle: writing("<html>"), status: 502},
	{name: "fallback", model: "falls", status: 200},
	{name: "all fallbacks fail", model: "falls", handle: failing(http.StatusServiceUnavailable), status: 503},
	{name: "retry", model: "pair", more: `,"num_retries":1`, handle: failingOnce, status: 200},
	{name: "retries fail", model: "pair", more: `,"num_retries":1`, handle: failing(http.StatusBadGateway), status: 502},
	{name: "timeout", model: "plain", more: `,"timeout":0.05`, handle: hanging, status: 408},
	{name: "timeout of a stream", model: "plain", more: `,"timeout":0.05,"stream":true`, handle: hanging, status: 408},
	{name: "panic", model: "panics", status: 500},
	{name: "panic in a stream", model: "panics", more: `,"stream":true`, status: 200},
	{name: "caller leaves", model: "plain", handle: leaving, status: 499},
	{name: "caller leaves before the stream", model: "plain", more: `,"stream":true`, handle: leaving, status: 499},
	{name: "caller leaves a stream", model: "plain", more: `,"stream":true`, handle: endless, leaves: true, status: 200},
	{name: "stream broken off", model: "plain", more: `,"stream":true`, handle: breaking, status: 200},
	{name: "stream with an error", model: "plain", more: `,"stream":true`, handle: erring, status: 200},
}

// TestNothingStaysHeld: whatever ends a call, what it held of its key's budget, of its provider's and of the calls at once
// is free when it has ended. The budgets bear one call at a time, and what the others have cost.
func TestNothingStaysHeld(t *testing.T) {
	short := func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		body["max_tokens"], body["n"] = 2.0, 1.0
		greedy(w, r, body)
	}
	for _, tt := range exits {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "tollgate_settings: {budget_wait: 0.01}\n", "num_retries: 0", "num_retries: 0\n  provider_budget_config: {openai: {budget_limit: 0.0035, time_period: 30d}, hosted_vllm: {budget_limit: 0.0035, time_period: 30d}}")
			key := g.key(t, `{"max_budget":0.0035,"max_parallel_requests":1}`)
			body := `{"model":"` + tt.model + `","max_tokens":1000` + tt.more
			if tt.name != "no messages" {
				body += `,"messages":[{"role":"user","content":"x"}]`
			}
			for range 2 {
				ctx, leave := context.WithCancel(t.Context())
				g.upstream(short)
				if tt.handle != nil {
					g.upstream(tt.handle(leave))
				}
				w := httptest.NewRecorder()
				var out http.ResponseWriter = w
				if tt.leaves {
					out = leaver{w, leave}
				}
				g.serve(ctx, out, "POST", chatPath, body+"}", key)
				leave()
				if w.Code != tt.status {
					t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
				}
			}
			g.upstream(short)
			if got := g.chat(t, key, chat("plain", `,"max_tokens":1000`)); got.status != 200 {
				t.Errorf("the next call is refused: %d %s", got.status, got.text)
			}
			if spend := g.spend(t, key); spend > 0.0005 {
				t.Errorf("calls that gave next to nothing cost %v", spend)
			}
			if rows := g.rows(t, key); len(rows) != 3 {
				t.Errorf("%d rows, want one a call", len(rows))
			}
		})
	}
}

// TestRefusedByLimitHoldsNoBudget: a call that has its budget's word and finds no place at once gives back what it held.
func TestRefusedByLimitHoldsNoBudget(t *testing.T) {
	g := govern(t, "")
	key := g.key(t, `{"max_budget":0.006,"max_parallel_requests":1}`) // two calls of 1000 tokens
	body := chat("plain", `,"max_tokens":1000`)
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		for range 3 {
			if got := g.chat(t, key, body); got.status != 429 || got.errorField(t, "type") != "throttling_error" {
				t.Errorf("a second call at once: %d %s", got.status, got.text)
			}
		}
		billed(w, "x", 2)
	})
	if got := g.chat(t, key, body); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.text)
	}
}

func failing(status int) func(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
		return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { failWith(w, status) }
	}
}

func writing(text string) func(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
		return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { _, _ = w.Write([]byte(text)) }
	}
}

func failingOnce(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	asked := 0 // one after the other
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		if asked++; asked == 1 {
			failWith(w, http.StatusInternalServerError)
			return
		}
		billed(w, "x", 2)
	}
}

func hanging(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(_ http.ResponseWriter, r *http.Request, _ map[string]any) { <-r.Context().Done() }
}

func leaving(leave func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(_ http.ResponseWriter, r *http.Request, _ map[string]any) {
		leave()
		<-r.Context().Done()
	}
}

func endless(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"content":"yes"}`)
		<-r.Context().Done()
	}
}

func breaking(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"content":"yes"}`)
		panic(http.ErrAbortHandler)
	}
}

func erring(func()) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"content":"yes"}`)
		fmt.Fprint(w, "data: {\"error\":{\"message\":\"no more\",\"code\":500}}\n\n")
	}
}
