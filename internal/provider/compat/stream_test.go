package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
)

// Chunks as OpenAI sends them, with what makes a careless reader stumble: line ends inside strings, characters outside
// ASCII, the words that mark an end inside a text.
const (
	chunkRole  = `{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`
	chunkText  = `{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Grüße \"finish_reason\":\"stop\"\n[DONE] 😀"},"finish_reason":null}]}`
	chunkStop  = `{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	chunkUsage = `{"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}`
)

func TestStream_SplitAtEveryByte(t *testing.T) {
	body := ": keep-alive\r\n\r\n" + events(chunkRole) + "event: ping\ndata: {\"type\":\"ping\"}\n\n" +
		"data:" + chunkText + "\r\n\r\n" + "data: \n\n" + "event: message\nid: 4\n" + events(chunkStop, chunkUsage, "[DONE]")
	want := []string{chunkRole, chunkText, chunkStop, chunkUsage}
	w := newWire(t)
	for i := range len(body) {
		w.pieces = []string{streamHead, body[:i], body[i:]}
		got, err := collect(t, stream(t, w.client))
		if err != nil {
			t.Fatalf("split at %d: %v", i, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("split at %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestStream_CutAtEveryByte cuts a stream everywhere, by a connection that closes and by one that breaks: before the
// chunk with the finish reason is complete the caller must learn of it, behind it the answer is whole.
func TestStream_CutAtEveryByte(t *testing.T) {
	whole := events(chunkRole, chunkText, chunkStop)
	body := whole + events(chunkUsage, "[DONE]")
	breaking := strings.Replace(streamHead, "Connection: close", fmt.Sprintf("Content-Length: %d", len(body)), 1)
	for head, complete := range map[string]int{
		streamHead: len(whole) - len("\n\n"), // at the end of the source an event needs no blank line
		breaking:   len(whole),
	} {
		w := newWire(t)
		for i := range len(body) {
			w.pieces = []string{head, body[:i]}
			got, err := collect(t, stream(t, w.client))
			if i >= complete {
				if err != nil || len(got) < 3 {
					t.Fatalf("cut at %d, behind the finish reason: %d chunks, %v", i, len(got), err)
				}
				continue
			}
			var failed *provider.UpstreamError
			if !errors.As(err, &failed) || !errors.Is(err, io.ErrUnexpectedEOF) || failed.Billed != provider.MaybeBilled ||
				failed.Reason != provider.Connection || failed.Message != "The upstream's stream ended before its end mark." {
				t.Fatalf("cut at %d of %d: %d chunks, %v", i, len(body), len(got), err)
			}
		}
	}
}

func TestStream_Ends(t *testing.T) {
	boom := `{"error":{"message":"engine overloaded","type":"overloaded_error"}}`
	tests := []struct {
		name   string
		body   string
		chunks int
		status int // of the error, 0 for a proper end
		reason provider.Reason
		text   string
	}{
		{name: "with the end mark", body: events(chunkText, "[DONE]"), chunks: 1},
		{name: "end mark without a line end", body: events(chunkText) + "data: [DONE]", chunks: 1},
		{name: "nothing counts behind the end mark", body: events(chunkText, "[DONE]", boom), chunks: 1},
		{name: "without the mark, after a finish reason", body: events(chunkText, chunkStop), chunks: 2},
		{name: "without the mark, after a finish reason and usage", body: events(chunkStop, chunkUsage), chunks: 2},
		{name: "several choices, all finished", body: events(chunkStop, strings.Replace(chunkStop, `"index":0`, `"index":1`, 1)), chunks: 2},
		{name: "several choices, one cut", body: events(chunkStop, strings.Replace(chunkText, `"index":0`, `"index":1`, 1)), chunks: 2,
			status: 500, reason: provider.Connection, text: "ended before its end mark"},
		{name: "two choices in a chunk, one cut", body: events(`{"choices":[{"finish_reason" : "stop"},{"finish_reason" : null}]}`), chunks: 1,
			status: 500, reason: provider.Connection, text: "ended before its end mark"},
		{name: "a text that is the name of a mark", body: events(`{"choices":[{"delta":{"content":"finish_reason"}}]}`), chunks: 1,
			status: 500, reason: provider.Connection, text: "ended before its end mark"},
		{name: "empty", body: "", status: 500, reason: provider.Connection, text: "ended before its end mark"},
		{name: "comments alone", body: ": ping\n\n: ping\n\n", status: 500, reason: provider.Connection, text: "ended before its end mark"},
		{name: "an error object", body: events(chunkText, boom), chunks: 1, status: 503, reason: provider.ServiceUnavailable, text: "engine overloaded"},
		{name: "an error object first", body: events(boom), status: 503, reason: provider.ServiceUnavailable, text: "engine overloaded"},
		{name: "an error object beside choices", body: events(`{"choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"Provider disconnected"}}`),
			status: 502, reason: provider.BadGateway, text: "Provider disconnected"},
		{name: "an error by its event's name", body: "event: error\ndata: {\"message\":\"slow down\",\"type\":\"rate_limit_error\"}\n\n", status: 429, reason: provider.RateLimit, text: "slow down"},
		{name: "an error that is no JSON", body: "event: error\ndata: worker died\n\n", status: 500, reason: provider.InternalServer, text: "worker died"},
		{name: "an error that is no JSON, its event left open", body: "event: error\ndata: worker died", status: 500, reason: provider.InternalServer, text: "worker died"},
		{name: "an error that is a text", body: events(`{"error":"CUDA out of memory"}`), status: 500, reason: provider.InternalServer, text: "CUDA out of memory"},
		{name: "vLLM's older error", body: events(`{"object":"error","message":"too long: maximum context length is 8","type":"BadRequestError","code":400}`),
			status: 400, reason: provider.ContextWindow, text: "maximum context length"},
		{name: "OCI's flat error", body: events(`{"code":"TooManyRequests","message":"slow down"}`), status: 429, reason: provider.RateLimit, text: "slow down"},
		{name: "an error with a status as text", body: events(`{"error":{"message":"no","code":"401"}}`), status: 401, reason: provider.Authentication, text: "no"},
		{name: "a null error is none", body: events(`{"error":null,"choices":[]}`, "[DONE]"), chunks: 1},
		{name: "a field called message is no error", body: events(`{"message":"x","code":1,"choices":[{"delta":{}}]}`, "[DONE]"), chunks: 1},
		{name: "garbage", body: events(chunkText, "{oops}"), chunks: 1, status: 502, reason: provider.BadGateway, text: "no JSON object"},
		{name: "an array", body: events("[1,2]", "[DONE]"), status: 502, reason: provider.BadGateway, text: "no JSON object"},
		{name: "data over several lines", body: "data: {\"choices\":\ndata: []}\n\n" + events("[DONE]"), chunks: 1},
		{name: "an event without an end", body: "data: " + strings.Repeat("x", 17<<20), status: 502, reason: provider.BadGateway, text: "longer than 16777216 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := stream(t, newWire(t, streamHead, tt.body).client)
			got, err := collect(t, s)
			if len(got) != tt.chunks {
				t.Errorf("%d chunks, want %d: %q", len(got), tt.chunks, got)
			}
			if tt.status == 0 {
				if err != nil {
					t.Errorf("error = %v", err)
				}
			} else {
				var failed *provider.UpstreamError
				if !errors.As(err, &failed) || failed.Status != tt.status || failed.Reason != tt.reason || failed.Billed != provider.MaybeBilled || !strings.Contains(failed.Message, tt.text) {
					t.Errorf("error = %#v", err)
				}
			}
			want := err
			if want == nil {
				want = io.EOF
			}
			if _, again := s.Next(); again != want {
				t.Errorf("a second Next behind the end = %v, want %v", again, want)
			}
		})
	}
}

func TestStream_LineEvents(t *testing.T) {
	// OCI separates some events by a single line end.
	body := "data: " + chunkRole + "\ndata: " + chunkStop + "\ndata: [DONE]\n"
	s := serve(t, answer(200, "text/event-stream; charset=utf-8", body))
	c := newClient(t, s.URL, func(o *compat.Options) { o.LineEvents = true })
	got, err := collect(t, stream(t, c))
	if diff := cmp.Diff([]string{chunkRole, chunkStop}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestStream_ContentTypes(t *testing.T) {
	tests := []struct {
		contentType, body string
		chunks            int
		text              string // of the error that Stream gives, "" for none
	}{
		{"text/event-stream", events(chunkStop), 1, ""},
		{"Text/Event-Stream; charset=UTF-8", events(chunkStop), 1, ""},
		{"", events(chunkStop), 1, ""},
		{"text/html; charset=utf-8", "<html></html>", 0, `content type "text/html"`},
		{"application/x-ndjson", chunkStop, 0, `content type "application/x-ndjson"`},
		{"application/json", `{"error":{"message":"nope","code":"429"}}`, 0, "nope"},
		{"application/json", `{"id":"x"}`, 0, "no choices"},
		{"application/json", `[]`, 0, "no JSON object"},
		{"application/json", `{"choices":[{"message":{"tool_calls":7}}]}`, 0, "a choice that makes no sense"},
		{"application/json", `{"choices":[{"message":{"tool_calls":[null]}}]}`, 0, "a choice that makes no sense"},
		{"application/json", `{"choices":[{"message":null}]}`, 0, "a choice that makes no sense"},
		{"application/json", `{"choices":[null]}`, 0, "a choice that makes no sense"},
	}
	for _, tt := range tests {
		t.Run(tt.contentType, func(t *testing.T) {
			head := "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
			if tt.contentType != "" {
				head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + tt.contentType + "\r\n\r\n"
			}
			s, err := newWire(t, head, tt.body).client.Stream(t.Context(), "/chat/completions", parts(`{}`), nil)
			if tt.text != "" {
				var failed *provider.UpstreamError
				if !errors.As(err, &failed) || !strings.Contains(failed.Message, tt.text) {
					t.Errorf("error = %v, want %q in it", err, tt.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := collect(t, s); err != nil || len(got) != tt.chunks {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestStream_OfAnAnswerInOnePiece(t *testing.T) {
	tests := []struct {
		name, answer string
		want         []string
	}{
		{"chat with tool calls",
			`{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"total_tokens":3},"system_fingerprint":"fp"}`,
			[]string{
				`{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"delta":{"content":null,"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"},"id":"a","index":0,"type":"function"},{"function":{"name":"g","arguments":"{}"},"id":"b","index":1,"type":"function"}]},"finish_reason":null,"index":0}],"system_fingerprint":"fp"}`,
				`{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"delta":{},"finish_reason":"tool_calls","index":0}],"system_fingerprint":"fp"}`,
				`{"id":"c1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],"usage":{"total_tokens":3},"system_fingerprint":"fp"}`,
			}},
		{"two choices without index, finish reason or usage",
			`{"id":"c1","object":"chat.completion","choices":[{"message":{"content":"a"}},{"message":{"content":"b"},"finish_reason":"length"}]}`,
			[]string{
				`{"id":"c1","object":"chat.completion.chunk","choices":[{"delta":{"content":"a"},"finish_reason":null,"index":0},{"delta":{"content":"b"},"finish_reason":null,"index":1}]}`,
				`{"id":"c1","object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop","index":0},{"delta":{},"finish_reason":"length","index":1}]}`,
			}},
		{"text completion",
			`{"id":"t1","object":"text_completion","choices":[{"text":"hi","index":0,"logprobs":null,"finish_reason":"length"}],"usage":null}`,
			[]string{
				`{"id":"t1","object":"text_completion","choices":[{"finish_reason":null,"index":0,"logprobs":null,"text":"hi"}]}`,
				`{"id":"t1","object":"text_completion","choices":[{"finish_reason":"length","index":0,"text":""}]}`,
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, answer(200, "application/json", tt.answer))
			st := stream(t, newClient(t, s.URL))
			if st.Meta().Header.Get("Content-Type") != "application/json" {
				t.Errorf("header = %v", st.Meta().Header)
			}
			got, err := collect(t, st)
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if _, err := st.Next(); err != io.EOF {
				t.Errorf("behind the end: %v", err)
			}
		})
	}
}

// endless streams chunks until its caller has gone, and says so.
func endless(t *testing.T, first int) (server *httptest.Server, gone chan struct{}) {
	gone = make(chan struct{})
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, strings.Repeat(events(chunkText), first))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	}), gone
}

func TestStream_CloseCancelsTheCall(t *testing.T) {
	server, gone := endless(t, 1)
	s := stream(t, newClient(t, server.URL))
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	pending := make(chan error)
	go func() { _, err := s.Next(); pending <- err }()
	for range 2 { // twice, and from another goroutine than Next
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-pending; err != context.Canceled {
		t.Errorf("pending Next = %v", err)
	}
	<-gone
}

func TestStream_ContextGovernsTheWholeStream(t *testing.T) {
	server, gone := endless(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := newClient(t, server.URL).Stream(ctx, "/chat/completions", parts(`{}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = s.Next()
	}
	if err != context.Canceled {
		t.Errorf("Next = %v", err)
	}
	<-gone
}

// TestStream_ConnectionIsUsedAgain: streams that ended properly must not cost a handshake each.
func TestStream_ConnectionIsUsedAgain(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(answer(200, "text/event-stream", events(chunkText, chunkStop, "[DONE]")))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, s.URL)
	for range 20 {
		if got, err := collect(t, stream(t, c)); err != nil || len(got) != 2 {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("20 streams took %d connections", n)
	}
}

// TestStream_CloseDoesNotWaitForASilentUpstream: some upstreams keep the response open behind the end mark.
func TestStream_CloseDoesNotWaitForASilentUpstream(t *testing.T) {
	gone := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, events(chunkStop, "[DONE]"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	if got, err := collect(t, stream(t, newClient(t, server.URL))); err != nil || len(got) != 1 {
		t.Fatalf("%q, %v", got, err)
	}
	<-gone
}

func TestStream_OverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("protocol = %s", r.Proto)
		}
		answer(200, "text/event-stream", events(chunkText, chunkStop, chunkUsage, "[DONE]"))(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := newClient(t, s.URL, func(o *compat.Options) { o.Egress = insecureEgress(t) })
	for range 3 {
		got, err := collect(t, stream(t, c))
		if diff := cmp.Diff([]string{chunkText, chunkStop, chunkUsage}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}
