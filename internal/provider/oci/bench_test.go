package oci

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkChat is a whole call but for the network and the signature's RSA operation: read, translate, hash, sign
// with nothing, read the answer, translate it back.
func BenchmarkChat(b *testing.B) {
	const cohereDone = `{"chatResponse":{"apiFormat":"COHERE","text":"ok","finishReason":"COMPLETE","usage":{"completionTokens":1,"promptTokens":2,"totalTokens":3}}}`
	for _, size := range []int{1 << 10, 32 << 10} {
		for _, model := range []string{"meta.llama-3.3-70b-instruct", "cohere.command-latest"} {
			b.Run(fmt.Sprintf("%s/%dkB", model, size>>10), func(b *testing.B) {
				reply := genericDone
				if strings.HasPrefix(model, "cohere") {
					reply = cohereDone
				}
				d := openDeployment(b, "model: oci/"+model, roundTripFunc(func(r *http.Request) (*http.Response, error) {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return nil, err
					}
					return answer(200, reply, false), nil
				}))
				r := parseRequest(b, `{"model":"alias","max_tokens":100,"temperature":0.2,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"`+
					strings.Repeat("All work and no play makes a dull day. ", size/39)+`"}]}`)
				b.ReportAllocs()
				b.SetBytes(int64(len(r.Body)))
				for b.Loop() {
					if _, err := d.Chat(b.Context(), r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkStream is a stream of 200 events, translated; the figure is for the whole stream.
func BenchmarkStream(b *testing.B) {
	generic := strings.Repeat("data: {\"index\":0,\"message\":{\"role\":\"ASSISTANT\",\"content\":[{\"type\":\"TEXT\",\"text\":\" word\"}]},\"pad\":\"aaaaaaa\"}\n\n", 200) +
		"data: {\"finishReason\":\"stop\"}\n\ndata: {\"usage\":{\"completionTokens\":200,\"promptTokens\":2,\"totalTokens\":202}}\n\ndata: [DONE]\n\n"
	cohere := strings.Repeat("data: {\"apiFormat\":\"COHERE\",\"text\":\" word\",\"pad\":\"aaaaaaa\"}\n\n", 200) +
		"data: {\"apiFormat\":\"COHERE\",\"text\":\"" + strings.Repeat(" word", 200) + "\",\"finishReason\":\"COMPLETE\"}\n\n"
	for model, events := range map[string]string{"meta.llama-3.3-70b-instruct": generic, "cohere.command-latest": cohere} {
		b.Run(model, func(b *testing.B) {
			d := openDeployment(b, "model: oci/"+model, roundTripFunc(func(*http.Request) (*http.Response, error) { return answer(200, events, true), nil }))
			r := parseRequest(b, hello)
			b.ReportAllocs()
			for b.Loop() {
				s, err := d.ChatStream(b.Context(), r)
				if err != nil {
					b.Fatal(err)
				}
				chunks := 0
				for {
					if _, err := s.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					chunks++
				}
				if err := s.Close(); err != nil || chunks < 201 {
					b.Fatalf("%d chunks, %v", chunks, err)
				}
			}
		})
	}
}
