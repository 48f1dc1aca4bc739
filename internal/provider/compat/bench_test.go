package compat_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/config"
	"tollgate/internal/openai"
)

// The benchmarks send over loopback to a server in the same process, so their figures hold that server and both ends
// of the connection too; BenchmarkTransport is that floor alone. Compare, do not take them for absolute.

const (
	smallAnswer = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Rome is the capital of Italy."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}`
	smallChunk  = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":" Rome"},"finish_reason":null}]}`
)

func benchServer(b *testing.B) string {
	stream := strings.Repeat(events(smallChunk), 199) + events(chunkStop, "[DONE]")
	return serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/stream/chat/completions" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, stream)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, smallAnswer)
	}).URL
}

func chatBody(size int, extra string) string {
	return fmt.Sprintf(`{"model":"alias",%s"messages":[{"role":"user","content":"%s"}]}`, extra, strings.Repeat("x", size))
}

func BenchmarkChat(b *testing.B) {
	url := benchServer(b)
	for name, size := range map[string]int{"1kB": 1 << 10, "400kB": 400 << 10} {
		b.Run(name, func(b *testing.B) {
			p := open(b, config.Params{Model: "openai/m", APIBase: url})
			r := request(b, openai.OpChat, chatBody(size, ""))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Chat(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkChatStream200(b *testing.B) {
	p := open(b, config.Params{Model: "openai/m", APIBase: benchServer(b) + "/stream"})
	r := request(b, openai.OpChat, chatBody(1<<10, `"stream":true,`))
	b.ReportAllocs()
	for b.Loop() {
		s, err := p.ChatStream(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for ; err == nil; n++ {
			_, err = s.Next()
		}
		if err != io.EOF || n != 201 {
			b.Fatal(n, err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTransport is a plain http.Client.Post to the same server with a body already made and the answer discarded.
func BenchmarkTransport(b *testing.B) {
	url := benchServer(b)
	for _, tt := range []struct {
		name, path string
		size       int
	}{{"1kB", "/chat/completions", 1 << 10}, {"400kB", "/chat/completions", 400 << 10}, {"stream200", "/stream/chat/completions", 1 << 10}} {
		b.Run(tt.name, func(b *testing.B) {
			client := newEgress(b, nil).HTTPClient()
			body := chatBody(tt.size, "")
			b.ReportAllocs()
			for b.Loop() {
				resp, err := client.Post(url+tt.path, "application/json", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}
