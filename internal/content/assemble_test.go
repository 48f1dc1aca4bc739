package content_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

func assemble(t *testing.T, op openai.Operation, chunks ...string) string {
	t.Helper()
	a := content.NewAssembler(op)
	for _, c := range chunks {
		if err := a.Add([]byte(c)); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
	return string(a.Reply())
}

func TestAssembler(t *testing.T) {
	tests := []struct {
		name   string
		op     openai.Operation
		chunks []string
		want   string
	}{
		{"texts, finish reason, usage", openai.OpChat, []string{
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"h\ud83d"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"\ude00m"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"content":"To\""},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"content":"kyo"},"finish_reason":null}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
			`{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`,
		}, `{"id":"c1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"To\"kyo","reasoning_content":"h\ud83d\ude00m"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`},
		{"tool calls by index", openai.OpChat, []string{
			`{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}`,
			`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}`,
			`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}},{"index":0,"function":{"arguments":"1}"}}]}}]}`,
			`{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
		}, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]}`},
		{"whole tool calls without an index", openai.OpChat, []string{
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`,
		}, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}]}`},
		{"every choice, logprobs, refusal, other members", openai.OpChat, []string{
			`{"id":"c","system_fingerprint":"fp","choices":[{"index":1,"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1}],"refusal":null}}]}`,
			`{"id":"c","system_fingerprint":"fp","choices":[{"index":0,"delta":{"refusal":"no"},"logprobs":null},{"index":1,"delta":{"content":"c","annotations":[1]},"logprobs":{"content":[{"token":"c","logprob":-2}]}}]}`,
			`{"id":"c","choices":[{"index":1,"delta":{"annotations":[2]},"finish_reason":"length"},{"index":0,"delta":{},"finish_reason":"stop","content_filter_results":{"x":1}}]}`,
		}, `{"id":"c","object":"chat.completion","system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"no"},"logprobs":null,"finish_reason":"stop","content_filter_results":{"x":1}},` +
			`{"index":1,"message":{"role":"assistant","content":"bc","annotations":[1,2]},"logprobs":{"content":[{"token":"b","logprob":-1},{"token":"c","logprob":-2}]},"finish_reason":"length"}]}`},
		{"the older function call", openai.OpChat, []string{
			`{"choices":[{"index":0,"delta":{"function_call":{"name":"f","arguments":"{"}}}]}`,
			`{"choices":[{"index":0,"delta":{"function_call":{"arguments":"}"}},"finish_reason":"function_call"}]}`,
		}, `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},"logprobs":null,"finish_reason":"function_call"}]}`},
		{"text completion", openai.OpCompletion, []string{
			`{"id":"t","object":"text_completion","created":1,"model":"m","choices":[{"text":"a","index":0,"logprobs":{"tokens":["a"],"text_offset":[0]},"finish_reason":null}]}`,
			`{"id":"t","object":"text_completion","created":1,"model":"m","choices":[{"text":"b","index":0,"logprobs":{"tokens":["b"],"text_offset":[1]},"finish_reason":"stop"}]}`,
		}, `{"id":"t","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"ab","logprobs":{"tokens":["a","b"],"text_offset":[0,1]},"finish_reason":"stop"}]}`},
		{"nothing", openai.OpChat, nil, `{"object":"chat.completion","choices":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := assemble(t, tt.op, tt.chunks...)
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("that is no JSON")
			}
		})
	}
}

func TestAssembler_Refuses(t *testing.T) {
	for _, chunk := range []string{`{"choices":5}`, `{"choices":[5]}`, `{"choices":[{"delta":{"content":5}}]}`, `{"choices":[{"delta":{"tool_calls":[5]}}]}`, `[]`} {
		if err := content.NewAssembler(openai.OpChat).Add([]byte(chunk)); err == nil {
			t.Errorf("%s was taken", chunk)
		}
	}
}

// An answer that is cut into chunks at any places is put together again.
func TestAssembler_AnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := content.NewAssembler(openai.OpChat)
		want := map[int]string{}
		for range rapid.IntRange(1, 30).Draw(t, "chunks") {
			index, piece := rapid.IntRange(0, 2).Draw(t, "index"), rapid.String().Draw(t, "piece")
			want[index] += piece
			chunk, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": index, "delta": map[string]any{"content": piece}}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Add(chunk); err != nil {
				t.Fatal(err)
			}
		}
		var got struct {
			Choices []struct {
				Index   int
				Message struct{ Content string }
			}
		}
		if err := json.Unmarshal(a.Reply(), &got); err != nil {
			t.Fatal(err)
		}
		all := map[int]string{}
		for _, c := range got.Choices {
			all[c.Index] = c.Message.Content
		}
		if !reflect.DeepEqual(all, want) {
			t.Fatalf("got %v, want %v", all, want)
		}
	})
}

// FuzzAssembler: whatever chunks come, what is put together is JSON.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}]},"logprobs":{"content":[1]}}]}`), []byte(`{"choices":[{"index":0,"delta":{"annotations":[]},"finish_reason":"stop"}],"usage":{}}`))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		for _, op := range []openai.Operation{openai.OpChat, openai.OpCompletion} {
			a := content.NewAssembler(op)
			for _, chunk := range [][]byte{one, two, one} {
				if json.Valid(chunk) && a.Add(chunk) != nil {
					return
				}
			}
			if got := a.Reply(); !json.Valid(got) {
				t.Fatalf("%s", got)
			}
		}
	})
}

func BenchmarkAssembler(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-abc","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}`)
	b.ReportAllocs()
	a := content.NewAssembler(openai.OpChat)
	for b.Loop() {
		if err := a.Add(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
