package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// longStream is more chunks than any budget of these tests pays for, and more than sockets take that nobody reads.
const longStream = 200_000

// pouring is an upstream that heeds no cap and writes the same delta until nobody reads any more.
func pouring(t *testing.T, delta string) func(http.ResponseWriter, *http.Request, map[string]any) {
	return func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range longStream {
			if r.Context().Err() != nil || !chunk(w, delta) {
				return
			}
		}
		t.Error("the stream was never cut")
		endStream(w, 100*longStream)
	}
}

// TestStreamEndsWithItsBudget: whatever a stream consists of, it ends where its budget does, says why, and the upstream is
// not read any further.
func TestStreamEndsWithItsBudget(t *testing.T) {
	words, dense := strings.Repeat("word ", 100), strings.Repeat("漢", 100) // a hundred tokens each
	tests := []struct{ name, path, body, delta, mark string }{
		{"content", chatPath, chat("plain", `,"stream":true`), `{"content":"` + words + `"}`, "word "},
		{"dense text", chatPath, chat("plain", `,"stream":true`), `{"content":"` + dense + `"}`, "漢"},
		{"thinking", chatPath, chat("plain", `,"stream":true`), `{"reasoning_content":"` + words + `"}`, "word "},
		{"refusal", chatPath, chat("plain", `,"stream":true`), `{"refusal":"` + words + `"}`, "word "},
		{"tool call", chatPath, chat("plain", `,"stream":true`), `{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":"` + words + `"}}]}`, "word "},
		{"function call", chatPath, chat("plain", `,"stream":true`), `{"function_call":{"name":"f","arguments":"` + words + `"}}`, "word "},
		{"escapes", chatPath, chat("plain", `,"stream":true`), `{"content":"` + strings.Repeat(`\u6f22`, 100) + `"}`, `\u6f22`},
		{"no cap is heeded", chatPath, chat("undescribed", `,"stream":true`), `{"content":"` + words + `"}`, "word "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			g.upstream(pouring(t, tt.delta))
			const budget, price = 0.004, 0.000002 // two thousand tokens of answer
			key := g.key(t, fmt.Sprintf(`{"max_budget":%v}`, budget))
			got := g.post(t, tt.path, tt.body, key)
			if got.status != 200 || !strings.Contains(got.text, `"finish_reason":"length"`) || !strings.Contains(got.text, `"ended_by":"budget_exceeded"`) ||
				!strings.HasSuffix(got.text, "data: [DONE]\n\n") {
				t.Errorf("%d, and ends with %s", got.status, got.text[max(0, len(got.text)-300):])
			}
			// One chunk may have been written before it was looked at.
			given := price * float64(strings.Count(got.text, tt.mark))
			if given > budget+100*price || given < budget/4 {
				t.Errorf("%v of the budget were given away", given)
			}
			if spend := g.spend(t, key); spend > budget+100*price || spend < budget/4 {
				t.Errorf("spend %v, want about %v", spend, given)
			}
			if row := g.row(t, key); row["status"] != "success" {
				t.Errorf("status %v", row["status"])
			}
		})
	}
}

// TestStreamIsNotCutTooSoon: what fits the budget comes whole, though the first hold does not cover it.
func TestStreamIsNotCutTooSoon(t *testing.T) {
	delta := func(choices int) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, i int) {
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}]}\n\n", i%choices, strings.Repeat("abc", 100))
		}
	}
	tests := []struct {
		name, more string
		general    string
		budget     string
		write      func(http.ResponseWriter, int)
		chunks     int // a hundred tokens each
	}{
		{"one answer", "", "", `{"max_budget":0.01}`, delta(1), 30},
		{"four answers", `,"n":4`, "", `{"max_budget":0.01}`, delta(4), 30},
		{"no budget", "", "", `{}`, delta(1), 200},
		{"a budget of the provider alone", `,"max_tokens":20000`, "", `{}`, delta(1), 200},
		{"a soft budget", "", "", `{"soft_budget":0.001}`, delta(1), 200},
		{"the expected cost is held", "", "tollgate_settings: {budget_mode: estimate}\n", `{"max_budget":0.01}`, delta(1), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, tt.general)
			g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
				w.Header().Set("Content-Type", "text/event-stream")
				for i := range tt.chunks {
					tt.write(w, i)
				}
				endStream(w, int64(100*tt.chunks))
			})
			key := g.key(t, tt.budget)
			got := g.chat(t, key, chat("plain", `,"stream":true`, tt.more))
			if got.status != 200 || !strings.Contains(got.text, `"finish_reason":"stop"`) || strings.Contains(got.text, "budget_exceeded") {
				t.Errorf("%d, and ends with %s", got.status, got.text[max(0, len(got.text)-300):])
			}
			want := 0.00001 + 0.0002*float64(tt.chunks)
			if spend := g.spend(t, key); spend < want*0.999999 || spend > want*1.000001 {
				t.Errorf("spend %v, want the upstream's own count: %v", spend, want)
			}
		})
	}
}

// TestLeftStreamIsCounted: the answer of a caller who leaves is billed for what was written, and not for less because of
// how it is spelled.
func TestLeftStreamIsCounted(t *testing.T) {
	const tokens = 400
	for _, tt := range []struct {
		name, delta string
		least, most float64 // dollars
	}{
		{"words", `{"content":"` + strings.Repeat("word ", tokens) + `"}`, 0.0008, 0.0016},
		{"dense text", `{"content":"` + strings.Repeat("漢", tokens) + `"}`, 0.0006, 0.0016},
		{"thinking", `{"reasoning_content":"` + strings.Repeat("word ", tokens) + `"}`, 0.0008, 0.0016},
		{"tool call", `{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"` + strings.Repeat("word ", tokens) + `"}}]}`, 0.0008, 0.0016},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, "")
			g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
				w.Header().Set("Content-Type", "text/event-stream")
				chunk(w, tt.delta)
				panic(http.ErrAbortHandler)
			})
			key := g.key(t, `{"max_budget":1}`)
			g.chat(t, key, chat("plain", `,"max_tokens":1000,"stream":true`))
			if spend := g.spend(t, key); spend < tt.least || spend > tt.most {
				t.Errorf("spend %v, want %v to %v", spend, tt.least, tt.most)
			}
			metadata, _ := g.row(t, key)["metadata"].(map[string]any)
			if metadata["tollgate_tokens_estimated"] != true {
				t.Error("not marked as estimated")
			}
		})
	}
}
