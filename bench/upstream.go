package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// script says how the upstream answers. It stands in the path, so that one process serves every cell and the way there
// (a direct call, the floor, a deployment of the gateway) needs no header or field of its own.
type script struct {
	shape    string        // openai, generic or cohere
	chunks   int           // content chunks of a stream; 0 is an answer in one piece
	interval time.Duration // between two chunks
	// short has the gateway sign with the short key. It is the gateway's deployment that knows it, not the upstream.
	short bool
}

// path is where the upstream answers by s: a base URL's path, without a slash at its end.
func (s script) path() string { return fmt.Sprintf("/%s/%d/%s", s.shape, s.chunks, s.interval) }

// alias is the gateway's name of the deployment that leads to s.
func (s script) alias() string {
	alias := fmt.Sprintf("%s-%d-%s", s.shape, s.chunks, s.interval)
	if s.short {
		alias += "-short"
	}
	return alias
}

// scriptOf reads a script from the path of a call.
func scriptOf(path string) (script, error) {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 4)
	if len(parts) != 4 {
		return script{}, fmt.Errorf("path %q: expected /shape/chunks/interval and an operation", path)
	}
	chunks, err := strconv.Atoi(parts[1])
	if err != nil || chunks < 0 || chunks > 10_000 {
		return script{}, fmt.Errorf("path %q: chunks must be 0 to 10000", path)
	}
	interval, err := time.ParseDuration(parts[2])
	if err != nil || interval < 0 {
		return script{}, fmt.Errorf("path %q: interval must be a duration", path)
	}
	if _, known := wires[parts[0]]; !known {
		return script{}, fmt.Errorf("path %q: unknown shape", path)
	}
	return script{shape: parts[0], chunks: chunks, interval: interval}, nil
}

// wire is one shape of answers as bytes on the wire.
type wire struct {
	answer      string // in one piece
	first       string // the first content event
	chunk       string // each further one
	end         string // what stands behind the last content event
	contentType string // of a stream
}

// wires are the shapes: OpenAI's, and two of OCI's (recorded streams have a pad member in each event; COHERE has no
// end mark and repeats the whole text at the end).
var wires = map[string]wire{
	"openai": {
		answer: `{"id":"chatcmpl-bench0000000000000000000000","object":"chat.completion","created":1764000000,"model":"bench-model-2026-01-01","choices":[{"index":0,"message":{"role":"assistant","content":"` +
			prose + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":212,"completion_tokens":96,"total_tokens":308,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
			`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_bench"}`,
		first: openAIEvent(`[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`, "null"),
		chunk: openAIEvent(`[{"index":0,"delta":{"content":" harbour"},"finish_reason":null}]`, "null"),
		end: openAIEvent(`[{"index":0,"delta":{},"finish_reason":"stop"}]`, "null") +
			openAIEvent(`[]`, `{"prompt_tokens":212,"completion_tokens":96,"total_tokens":308}`) + "data: [DONE]\n\n",
		contentType: "text/event-stream; charset=utf-8",
	},
	"generic": {
		answer: `{"modelId":"meta.llama-3.3-70b-instruct","modelVersion":"1.0.0","chatResponse":{"apiFormat":"GENERIC","timeCreated":"2026-11-24T12:00:01.204Z","choices":[{"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"` +
			prose + `"}],"toolCalls":[]},"finishReason":"stop","logprobs":{}}],"usage":{"completionTokens":96,"promptTokens":212,"totalTokens":308}}}`,
		first: `data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":""}]},"pad":"aaaaaaaaaa"}` + "\n\n",
		chunk: `data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":" harbour"}]},"pad":"aaaaaa"}` + "\n\n",
		end: `data: {"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":""}]},"finishReason":"stop","pad":"aaa"}` + "\n\n" +
			`data: {"usage":{"completionTokens":96,"promptTokens":212,"totalTokens":308},"pad":"aaaaaaaa"}` + "\n\n" + "data: [DONE]\n\n",
		contentType: "text/event-stream",
	},
	"cohere": {
		answer: `{"modelId":"cohere.command-a-03-2025","modelVersion":"1.0","chatResponse":{"apiFormat":"COHERE","text":"` + prose +
			`","finishReason":"COMPLETE","chatHistory":[{"role":"USER","message":"Tide?"}],"usage":{"completionTokens":96,"promptTokens":212,"totalTokens":308}}}`,
		first: `data: {"apiFormat":"COHERE","text":"The","pad":"aaaaa"}` + "\n\n",
		chunk: `data: {"apiFormat":"COHERE","text":" harbour","pad":"aaa"}` + "\n\n",
		end: `data: {"apiFormat":"COHERE","text":"The harbour","chatHistory":[{"role":"USER","message":"Tide?"},{"role":"CHATBOT","message":"The harbour"}],"finishReason":"COMPLETE","pad":"aaa",` +
			`"usage":{"completionTokens":96,"promptTokens":212,"totalTokens":308}}` + "\n\n",
		contentType: "text/event-stream",
	},
}

// prose is the text of an answer: 96 tokens or so, as JSON text inside quotes.
const prose = `High water at the harbour is at noon, and the tide turns about six hours later.\n\nIf you mean to sail on the ebb, cast off by one o'clock: ` +
	`the stream through the narrows reaches three knots by mid-afternoon, and the wind (\"fresh, south-west\") will be against it. Take the second buoy to port, keep the church and the mill in line until the bar is behind you, ` +
	`and expect a short sea outside. The pilot book gives the depth over the bar as 2.4 m at low water.`

func openAIEvent(choices, usage string) string {
	return `data: {"id":"chatcmpl-bench0000000000000000000000","object":"chat.completion.chunk","created":1764000000,"model":"bench-model-2026-01-01","service_tier":"default","system_fingerprint":"fp_bench","choices":` +
		choices + `,"usage":` + usage + "}\n\n"
}

// serveUpstream is the process that stands for the model: it reads a call and answers by its script at once.
func serveUpstream(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("upstream", flag.ContinueOnError)
	address := f.String("address", "127.0.0.1:0", "address to listen on")
	if err := f.Parse(args); err != nil {
		return err
	}
	return listenAndServe(ctx, *address, http.HandlerFunc(answerByScript))
}

func answerByScript(w http.ResponseWriter, r *http.Request) {
	s, err := scriptOf(r.URL.Path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	wire := wires[s.shape]
	h := w.Header()
	h["X-Request-Id"] = []string{"req_bench"}
	h["X-Ratelimit-Remaining-Requests"] = []string{"9999"}
	if s.chunks == 0 {
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(wire.answer))}
		_, _ = io.WriteString(w, wire.answer) // a caller who left is the caller's to notice
		return
	}
	h["Content-Type"] = []string{wire.contentType}
	h["Cache-Control"] = []string{"no-cache"}
	stream(r.Context(), w, s, wire)
}

// stream writes each event by itself. Chunk i is due at the start plus i intervals, so that lateness does not add up.
func stream(ctx context.Context, w http.ResponseWriter, s script, wire wire) {
	flusher := http.NewResponseController(w)
	start := time.Now()
	for i := range s.chunks {
		if wait := time.Until(start.Add(time.Duration(i) * s.interval)); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		event := wire.chunk
		if i == 0 {
			event = wire.first
		}
		if _, err := io.WriteString(w, event); err != nil || flusher.Flush() != nil {
			return
		}
	}
	_, _ = io.WriteString(w, wire.end)
}

// listenAndServe serves until ctx ends.
func listenAndServe(ctx context.Context, address string, h http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	_ = server.Close()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
