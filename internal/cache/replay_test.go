package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

func tree(t fataler, text []byte) map[string]any {
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// read reads a stream to its end.
func read(t fataler, s openai.Stream) (chunks [][]byte) {
	for {
		chunk, err := s.Next()
		if errors.Is(err, io.EOF) {
			return chunks
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		chunks = append(chunks, chunk.Data)
	}
}

// anyMessage draws a message as models answer: some members, and never nothing.
func anyMessage() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z ,.]{0,200}`), rapid.StringMatching(`[\x{1F600}-\x{1F64F}漢é"\\]{0,60}`))
		m := map[string]any{"role": "assistant", "content": any(nil)}
		optional := func(name string, draw func() any) {
			if rapid.Bool().Draw(t, name) {
				m[name] = draw()
			}
		}
		optional("content", func() any { return "x" + text.Draw(t, "text") })
		optional("reasoning_content", func() any { return "y" + text.Draw(t, "text") })
		optional("refusal", func() any { return "z" + text.Draw(t, "text") })
		optional("annotations", func() any { return []any{map[string]any{"type": "url_citation", "url": "https://x"}} })
		optional("tool_calls", func() any {
			var calls []any
			for i := range rapid.IntRange(1, 3).Draw(t, "calls") {
				arguments, _ := json.Marshal(map[string]any{"a": text.Draw(t, "argument"), "b": i})
				calls = append(calls, map[string]any{"id": "call_" + string(rune('a'+i)), "type": "function", "function": map[string]any{"name": "f", "arguments": string(arguments)}})
			}
			return calls
		})
		optional("function_call", func() any { return map[string]any{"name": "old", "arguments": `{"x":1}`} })
		optional("provider_specific_fields", func() any { return map[string]any{"k": []any{1.0, 2.0}} })
		return m
	})
}

// anyReply draws an answer with one or several choices.
func anyReply(op openai.Operation) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		var choices []any
		for i := range rapid.IntRange(1, 3).Draw(t, "choices") {
			c := map[string]any{"index": float64(i), "finish_reason": rapid.SampledFrom([]string{"stop", "length", "tool_calls"}).Draw(t, "reason"), "logprobs": any(nil)}
			if op == openai.OpChat {
				c["message"] = anyMessage().Draw(t, "message")
			} else {
				c["text"] = "t" + rapid.String().Draw(t, "text")
			}
			if rapid.Bool().Draw(t, "logprobs") {
				c["logprobs"] = map[string]any{"content": []any{map[string]any{"token": "x", "logprob": -0.5}, map[string]any{"token": "y", "logprob": -1.5}}}
			}
			choices = append(choices, c)
		}
		object := "chat.completion"
		if op == openai.OpCompletion {
			object = "text_completion"
		}
		return map[string]any{"id": "chatcmpl-9", "object": object, "created": 1.7e9, "model": "up", "system_fingerprint": "fp", "choices": choices,
			"usage": map[string]any{"prompt_tokens": 3.0, "completion_tokens": 4.0, "total_tokens": 7.0}}
	})
}

// A replayed answer, put together again, is the answer: for any reply, every choice, and whatever it holds.
func TestReplay_IsTheAnswer(t *testing.T) {
	c := New(Options{})
	for _, op := range []openai.Operation{openai.OpChat, openai.OpCompletion} {
		t.Run(string(op), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := anyReply(op).Draw(t, "reply")
				text, err := json.Marshal(want)
				if err != nil {
					t.Fatalf("%v", err)
				}
				s, ok := c.Replay(context.Background(), op, text)
				if !ok {
					t.Fatalf("not replayed: %s", text)
				}
				a := content.NewAssembler(op)
				for _, chunk := range read(t, s) {
					tree(t, chunk)
					if err := a.Add(chunk); err != nil {
						t.Fatalf("%v: %s", err, chunk)
					}
				}
				if diff := cmp.Diff(want, tree(t, a.Reply())); diff != "" {
					t.Fatalf("%s", diff)
				}
			})
		})
	}
}

// The chunks are those of an upstream's stream: the role first, texts in pieces, a call opened before it is filled, one reason
// of the end for each choice and nothing of it behind, the usage last and alone.
func TestReplay_Chunks(t *testing.T) {
	body := `{"id":"chatcmpl-9","object":"chat.completion","created":1700000000,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("some words and ", 10) +
		`","reasoning_content":"hm","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"city\":\"Rome\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`
	s, ok := New(Options{}).Replay(t.Context(), openai.OpChat, []byte(body))
	if !ok {
		t.Fatal("not replayed")
	}
	chunks := read(t, s)
	var said []string
	for _, chunk := range chunks {
		m := tree(t, chunk)
		if m["id"] != "chatcmpl-9" || m["object"] != "chat.completion.chunk" || m["created"] != 1.7e9 || m["model"] != "up" {
			t.Errorf("%s", chunk)
		}
		_, choices, _ := strings.Cut(string(chunk), `"choices":`)
		said = append(said, strings.TrimSuffix(choices, "}"))
	}
	want := []string{
		`[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`,
		`[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"some words and some words "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"and some words and some "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"words and some words and "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"some words and some words "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"and some words and some "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"content":"words and some words and "},"finish_reason":null}]`,
		`[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]`,
		`[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":\"Rome\"}"}}]},"finish_reason":null}]`,
		`[{"index":0,"delta":{},"finish_reason":"tool_calls"}]`,
		`[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}`,
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

// With a delay each chunk but the first waits for it, and who waits is told before; a caller who leaves, or closes, waits no more.
func TestReplay_Delay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{ChunkDelay: 20 * time.Millisecond})
		body := []byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Rome"},"finish_reason":"stop"}]}`)
		s, _ := c.Replay(t.Context(), openai.OpChat, body)
		waits := 0
		if !s.OnWait(func() { waits++ }) {
			t.Fatal("it does not tell when it waits")
		}
		begun := time.Now()
		if n := len(read(t, s)); n != 3 || waits != 2 || time.Since(begun) != 40*time.Millisecond {
			t.Errorf("%d chunks, %d waits, %v", n, waits, time.Since(begun))
		}
		ctx, cancel := context.WithCancel(t.Context())
		s, _ = c.Replay(ctx, openai.OpChat, body)
		_, _ = s.Next()
		time.AfterFunc(5*time.Millisecond, cancel)
		if _, err := s.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who has left: %v", err)
		}
		s, _ = c.Replay(t.Context(), openai.OpChat, body)
		_, _ = s.Next()
		time.AfterFunc(5*time.Millisecond, func() { _ = s.Close(); _ = s.Close() })
		if _, err := s.Next(); !errors.Is(err, context.Canceled) {
			t.Errorf("a stream that was closed: %v", err)
		}
	})
}

// FuzzReplay: any bytes are replayed as JSON or refused.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"a\u00e9\ud83d\ude00\\","tool_calls":[{"custom":{"input":"x"}}]},"logprobs":{"content":[]},"finish_reason":"stop"}],"usage":{}}`))
	f.Add([]byte(`{"choices":[{"text":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []openai.Operation{openai.OpChat, openai.OpCompletion} {
			s, ok := New(Options{}).Replay(t.Context(), op, body)
			if !ok {
				continue
			}
			for _, chunk := range read(t, s) {
				if !json.Valid(chunk) {
					t.Fatalf("not JSON: %s\nof %s", chunk, body)
				}
			}
		}
	})
}

// FuzzDecode: any bytes are an answer or a miss, and what was read is written and read as the same.
func FuzzDecode(f *testing.F) {
	f.Add((&Answer{Time: time.Unix(1.7e9, 0), Body: []byte("{\"a\":\"\\u00e9\\\"\",\n\t\"b\":1}"), Served: Served{Deployment: "d", Cost: 5, Priced: true}}).encode())
	f.Add([]byte(`{"timestamp":1700000000.25,"response":"{}"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decode(raw)
		if err != nil {
			return
		}
		again, err := decode(e.encode())
		if err != nil {
			t.Fatalf("%v: %s", err, e.encode())
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkReplay(b *testing.B) {
	body := []byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("some words ", 200) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}`)
	c := New(Options{})
	b.ReportAllocs()
	for b.Loop() {
		s, _ := c.Replay(b.Context(), openai.OpChat, body)
		read(b, s)
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := (&Answer{Time: time.Unix(1.7e9, 0), Body: []byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("some words ", 200) + `"},"finish_reason":"stop"}]}`)}).encode()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}
