package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHandler is the gateway's own part of a call: everything but the two connections. The deployment answers
// without an upstream.
func BenchmarkHandler(b *testing.B) {
	h := handler(b)
	for name, size := range map[string]int{"1kB": 1 << 10, "400kB": 400 << 10} {
		b.Run(name, func(b *testing.B) {
			body := []byte(chat("m", `,"user":"`+strings.Repeat("x", size)+`"`))
			b.ReportAllocs()
			for b.Loop() {
				call(h, body)
			}
		})
	}
}

// call makes a call of a chat, and forgets the answer.
func call(h http.Handler, body []byte) {
	h.ServeHTTP(&discard{http.Header{}}, &http.Request{
		Method: "POST", URL: &url.URL{Path: "/v1/chat/completions"}, RemoteAddr: "127.0.0.1:1", ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
		Header: http.Header{"Authorization": {"Bearer " + masterKey}, "Content-Type": {"application/json"}},
	})
}
