package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/provider"
)

func TestChatStream_CloseCancels(t *testing.T) {
	var upstream context.Context
	blocked, writer := io.Pipe()
	d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(r *http.Request) (*http.Response, error) {
		upstream = r.Context()
		resp := answer(200, "", true)
		resp.Body = blocked
		return resp, nil
	}))
	s, err := d.ChatStream(t.Context(), parseRequest(t, hello))
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := s.Next()
		result <- err
	}()
	if _, err := writer.Write([]byte(": not an event\n")); err != nil { // Next reads now
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != context.Canceled {
		t.Errorf("Next gave %v", err)
	}
	if upstream.Err() == nil {
		t.Error("the upstream call goes on")
	}
}

// L#39507: one id and one created for all chunks of a stream, and another id for the next one; langchain-oracle#253:
// two streams never mix.
func TestChatStream_Identity(t *testing.T) {
	ids := []string{"one", "two"}
	o := testOptions(&fakePrincipal{})
	o.NewID = func() string { id := ids[0]; ids = ids[1:]; return id }
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response {
		return answer(200, "data: {\"index\":0,\"message\":{\"toolCalls\":[{\"name\":\"f\",\"arguments\":\"{}\"}]}}\n\ndata: {\"finishReason\":\"stop\"}\n\ndata: [DONE]\n", true)
	}}
	d := openWith(t, o, "model: oci/google.gemini-2.5-flash", oci)
	first, second := ask(t, d, parseRequest(t, hello), true), ask(t, d, parseRequest(t, `{"model":"alias","messages":[{"role":"user","content":"Other"}]}`), true)
	for i := range first.lines {
		if !strings.Contains(first.lines[i], `"id":"chatcmpl-one"`) || !strings.Contains(second.lines[i], `"id":"chatcmpl-two"`) {
			t.Errorf("%s\n%s", first.lines[i], second.lines[i])
		}
	}
	if a, b := mintedID.FindString(first.lines[0]), mintedID.FindString(second.lines[0]); a == "" || a == b {
		t.Errorf("calls of two requests: %q and %q", a, b)
	}
}

// langchain-oracle#253: concurrent streams never mix. The answer of each is made of its question.
func TestChatStream_Concurrent(t *testing.T) {
	d := openDeployment(t, "model: oci/meta.llama-3.3-70b-instruct", roundTripFunc(func(r *http.Request) (*http.Response, error) {
		text := r.Header.Get("X-Content-Sha256")
		event := func(args string) string {
			return `data: {"index":0,"message":{"toolCalls":[{"id":"` + text + `","name":"f","arguments":"` + args + `"}]}}` + "\n\n"
		}
		return answer(200, event(`{\"a\":`)+event(`\"`+text+`\"}`)+"data: {\"finishReason\":\"tool_calls\"}\n\ndata: [DONE]\n\n", true), nil
	}))
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			got := ask(t, d, parseRequest(t, fmt.Sprintf(`{"messages":[{"role":"user","content":"%d"}]}`, i)), true)
			out, finishes := gathered(t, got.lines)
			calls := out.Choices[0].Message.ToolCalls
			if got.err != "" || finishes != 1 || len(calls) != 1 || calls[0].Function.Arguments != `{"a":"`+calls[0].ID+`"}` {
				t.Errorf("%s %+v", got.err, calls)
			}
		})
	}
	group.Wait()
}

// A connection that breaks in the middle is an error of the connection; behind the finish reason it breaks nothing.
func TestChatStream_ConnectionBreaks(t *testing.T) {
	const event, end = `data: {"index":0,"message":{"content":[{"type":"TEXT","text":"a"}]}}` + "\n\n", `data: {"finishReason":"stop"}` + "\n\n"
	reset := errors.New("connection reset by peer")
	tests := []struct {
		name, sent string
		cause      error
		want       string
	}{
		{"in the middle", event, reset, "litellm.APIConnectionError: OCIException - Connection error: the upstream could not be reached or broke off."},
		{"in the middle of a body with a length", event, io.ErrUnexpectedEOF, "litellm.APIConnectionError: OCIException - OCI's stream ended before its end mark."},
		{"within an event", event + `data: {"index":0,"mess`, io.EOF, "litellm.APIConnectionError: OCIException - OCI's stream ended before its end mark."},
		{"behind the finish", event + end, reset, ""},
		{"a bomb", "data: " + strings.Repeat("x", 17<<20), io.EOF, "litellm.BadGatewayError: OCIException - an event of OCI's stream is longer than 16777216 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) {
				resp := answer(200, "", true)
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(tt.sent), errorReader{tt.cause}))
				return resp, nil
			}))
			if got := ask(t, d, parseRequest(t, hello), true); got.err != tt.want {
				t.Errorf("got %s, want %s", got.err, tt.want)
			}
		})
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// A failure in a stream has the status that it would have had in time (oci-wire 1.7).
func TestChatStream_ReportedStatus(t *testing.T) {
	tests := []struct {
		event  string
		status int
	}{
		{`{"code":"429","message":"m"}`, 429}, {`{"code":"TooManyRequests","message":"m"}`, 429}, {`{"code":"NotAuthenticated","message":"m"}`, 401},
		{`{"code":"NotAuthorizedOrNotFound","message":"m"}`, 404}, {`{"code":"InvalidParameter","message":"m"}`, 400}, {`{"code":"ServiceUnavailable","message":"m"}`, 503},
		{`{"code":"InternalServerError","message":"m"}`, 500}, {`{"code":"9999","message":"m"}`, 500}, {`{"error":"m"}`, 500}, {`{"errorMessage":"m"}`, 500},
	}
	for _, tt := range tests {
		d := openDeployment(t, "model: oci/xai.grok-4", roundTripFunc(func(*http.Request) (*http.Response, error) { return answer(200, "data: "+tt.event+"\n\n", true), nil }))
		s, err := d.ChatStream(t.Context(), parseRequest(t, hello))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Next()
		if e := upstreamError(t, err); e.Status != tt.status || !strings.HasPrefix(e.Message, "m") || e.Billed != provider.MaybeBilled {
			t.Errorf("%s: %+v", tt.event, e)
		}
	}
}
