package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serverOf answers every call with text, in pieces that are flushed one by one, and then with what end does.
func serverOf(t *testing.T, pieces []string, end func(http.ResponseWriter)) *caller {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			_ = http.NewResponseController(w).Flush()
		}
		if end != nil {
			end(w)
		}
	}))
	t.Cleanup(srv.Close)
	return &caller{client: srv.Client(), url: srv.URL, body: []byte("{}")}
}

func TestCallerCountsStreams(t *testing.T) {
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	const event, done = "data: {}\n\n", "data: [DONE]\n\n"
	for _, c := range []struct {
		name   string
		pieces []string
		end    func(http.ResponseWriter)
		want   observed
	}{
		{"whole", []string{event, event, done}, nil, observed{calls: 1}},
		{"comments are no events", []string{": ping\n\n", event, event, done}, nil, observed{calls: 1}},
		{"an event in two packets", []string{"da", "ta: {}\n\n", event, done}, nil, observed{calls: 1}},
		{"without its end mark", []string{event, event, event}, nil, observed{cut: 1}},
		{"with a chunk too few", []string{event, done}, nil, observed{cut: 1}},
		{"broken off", []string{event}, abort, observed{cut: 1}},
		{"broken off behind its end mark", []string{event, event, done}, abort, observed{cut: 1}},
		{"refused", nil, func(w http.ResponseWriter) { http.Error(w, "no", http.StatusTooManyRequests) }, observed{errors: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller := serverOf(t, c.pieces, c.end)
			caller.chunks = 2
			caller.call(t.Context(), time.Now())
			got := caller.got
			if got.calls != c.want.calls || got.errors != c.want.errors || got.cut != c.want.cut {
				t.Errorf("calls %d errors %d cut %d (%v); want %d %d %d", got.calls, got.errors, got.cut, got.failure, c.want.calls, c.want.errors, c.want.cut)
			}
		})
	}
}

func TestCallerCountsFromWhenACallWasDue(t *testing.T) {
	c := serverOf(t, []string{"data: {}\n\n", "data: [DONE]\n\n"}, nil)
	c.chunks = 1
	c.call(t.Context(), time.Now().Add(-time.Hour)) // begun an hour late
	for name, s := range map[string]samples{"total": c.got.total, "first byte": c.got.firstByte} {
		if len(s) != 1 || s[0] < time.Hour {
			t.Errorf("%s = %v, want one sample of an hour or more", name, s)
		}
	}
}

func TestCallerRefusesWrongAnswers(t *testing.T) {
	c := serverOf(t, []string{`{"error":{"message":"busy"}}`}, nil)
	c.call(t.Context(), time.Now())
	if c.got.errors != 1 || c.got.calls != 0 {
		t.Errorf("an error answered as 200 counted as %+v", c.got)
	}
}

func TestChatBody(t *testing.T) {
	for _, size := range []int{1 << 10, 32 << 10, 400 << 10} {
		text := chatBody("a-model", size, true)
		var body struct {
			Model    string
			Stream   bool
			Messages []struct{ Role, Content string }
		}
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatal(err)
		}
		if body.Model != "a-model" || !body.Stream || body.Messages[len(body.Messages)-1].Role != "user" {
			t.Errorf("%d: %s ... does not ask for a streamed answer to a user", size, text[:80])
		}
		if off := float64(len(text)) / float64(size); off < 0.9 || off > 1.1 {
			t.Errorf("chatBody of %d bytes has %d", size, len(text))
		}
	}
}

func TestUpstreamAnswersByScript(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(answerByScript))
	defer srv.Close()
	for _, s := range []script{{shape: "openai"}, {shape: "openai", chunks: 3, interval: 2 * time.Millisecond}} {
		c := &caller{client: srv.Client(), url: srv.URL + s.path() + "/v1/chat/completions", chunks: s.chunks, interval: s.interval}
		c.call(t.Context(), time.Now())
		if c.got.calls != 1 || len(c.got.jitter) != max(s.chunks-1, 0) {
			t.Errorf("%+v: %+v", s, c.got)
		}
	}
}

func TestScriptOf(t *testing.T) {
	for _, s := range []script{{shape: "openai"}, {shape: "generic", chunks: 32, interval: 5 * time.Millisecond}, {shape: "cohere", chunks: 1, interval: time.Second}} {
		if got, err := scriptOf(s.path() + "/any/path"); err != nil || got != s {
			t.Errorf("scriptOf(%s) = %+v, %v", s.path(), got, err)
		}
	}
	for _, path := range []string{"", "/openai/1/1s", "/openai/-1/1s/x", "/openai/many/1s/x", "/openai/1/soon/x", "/telepathy/1/1s/x"} {
		if s, err := scriptOf(path); err == nil {
			t.Errorf("scriptOf(%q) = %+v, want an error", path, s)
		}
	}
}

func TestWiresAreJSON(t *testing.T) {
	for shape, w := range wires {
		if !json.Valid([]byte(w.answer)) {
			t.Errorf("%s: the answer is no JSON", shape)
		}
	}
}
