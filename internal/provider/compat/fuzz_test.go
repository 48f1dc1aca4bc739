package compat_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
)

// checkEnd fails unless err is a proper end or an upstream's failure that can be shown.
func checkEnd(t *testing.T, err error) {
	t.Helper()
	var failed *provider.UpstreamError
	if err != nil && !errors.As(err, &failed) {
		t.Errorf("error = %v, want an UpstreamError", err)
	}
	if failed != nil && (failed.Status < 400 || failed.Status > 599 || failed.Message == "" || failed.Reason == "") {
		t.Errorf("error = %#v", failed)
	}
}

// FuzzStream takes any bytes for the body of a stream. Chunks must be JSON objects, and the same ones however the bytes
// are cut into reads.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		events(chunkRole, chunkText, chunkStop, chunkUsage, "[DONE]"),
		events(chunkStop),
		"event: error\ndata: worker died\n\n",
		events(`{"error":{"message":"m","code":"429","type":null}}`),
		events(`{"error":{"code":999}}`), events(`{"error":[]}`), events(`{"object":"error"}`),
		"data: {\"a\":\ndata: 1}\r\rdata: [DONE]", "data: {\"finish_reason\" : \"x\"", ": c\n\ndata\n\n", "\xef\xbb\xbfdata: {}\n\n",
	} {
		f.Add(seed, len(seed)/2)
	}
	w := newWire(f)
	f.Fuzz(func(t *testing.T, body string, cut int) {
		w.pieces = []string{streamHead, body}
		whole, err := collect(t, stream(t, w.client))
		checkEnd(t, err)
		for _, chunk := range whole {
			if _, err := jsonscan.Object([]byte(chunk), nil); err != nil {
				t.Errorf("chunk %q: %v", chunk, err)
			}
		}
		cut = max(0, min(cut, len(body)))
		w.pieces = []string{streamHead, body[:cut], body[cut:]}
		split, splitErr := collect(t, stream(t, w.client))
		if diff := cmp.Diff(whole, split); diff != "" {
			t.Errorf("cut at %d (-whole +cut):\n%s", cut, diff)
		}
		if fmt.Sprint(err) != fmt.Sprint(splitErr) {
			t.Errorf("cut at %d: error = %v, whole: %v", cut, splitErr, err)
		}
	})
}

// FuzzAnswer takes any bytes for an answer in one piece, of any status, given to a unary call and to a streamed one.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"object":"chat.completion","choices":[{"message":{"tool_calls":[{"id":"a"},null]}}],"usage":{}}`,
		`{"choices":[null]}`, `{"choices":[{"message":1}]}`, `{"choices":[{"message":null,"index":"x"}]}`, `{"choices":{}}`,
		`{"choices":[{"text":"a"}],"usage":null}`, `{"choices":[],"choices":[]}`, `{"Choices":[{}]}`,
		`{"error":{"message":"{\"error\":\"x\"}"}}`, `{"message":[{"a":1}]}`, `{"detail":[{"msg":"x"}]}`, `null`, ``, `{"a":1}x`, "{\"\xff\":1}",
	} {
		f.Add(uint16(200), seed)
		f.Add(uint16(429), seed)
	}
	w := newWire(f)
	f.Fuzz(func(t *testing.T, status uint16, body string) {
		w.pieces = []string{fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", 200+status%400), body}
		resp, err := w.client.Post(t.Context(), "/chat/completions", parts(`{}`), nil)
		checkEnd(t, err)
		if err == nil {
			if _, err := jsonscan.Object(resp.Body, nil); err != nil {
				t.Errorf("answer %q: %v", resp.Body, err)
			}
		}
		s, err := w.client.Stream(t.Context(), "/chat/completions", parts(`{}`), nil)
		checkEnd(t, err)
		if err != nil {
			return
		}
		defer s.Close()
		for {
			c, err := s.Next()
			if err == io.EOF {
				return
			}
			if _, bad := jsonscan.Object(c.Data, nil); err != nil || bad != nil {
				t.Fatalf("chunk %q of %q: %v %v", c.Data, body, err, bad)
			}
		}
	})
}
