package openai

import "testing"

func TestSaid(t *testing.T) {
	for text, want := range map[string]int64{
		`[{"index":0,"delta":{"role":"assistant","content":"abcdef"}}]`:                                                                2,
		`[{"delta":{"content":"日本語"}}]`:                                                                                                3,
		`[{"delta":{"reasoning_content":"abc","refusal":"abc","content":null}}]`:                                                       2,
		`[{"delta":{"tool_calls":[{"index":0,"id":"call_123456","type":"function","function":{"name":"abc","arguments":"abcdef"}}]}}]`: 3,
		`[{"message":{"role":"assistant","content":[{"type":"text","text":"abc"}]}},{"text":"abc"}]`:                                   2,
		`[{"delta":{},"finish_reason":"stop"}]`:                                                                                        0,
		`[]`:                                                                                                                           0,
		`null`:                                                                                                                         0,
	} {
		if got := Said([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
