package openai

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestRequest_Chars(t *testing.T) {
	for _, tt := range []struct {
		op   Operation
		body string
		want int64
	}{
		{OpChat, `{"model":"m","messages":[{"role":"system","content":"abc"},{"role":"user","content":[{"type":"text","text":"défg"},{"type":"image_url","image_url":{"url":"data:..."}}]},{"role":"assistant","content":null,"tool_calls":[]}]}`, 7},
		{OpChat, `{"messages":[{"role":"assistant","content":"ab","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}}]}],"tools":[{"type":"function","function":{"name":"f","description":"abc"}}]}`, 9},
		{OpChat, `{"messages":[{"content":"\n\"\u00e9\ud83d\ude00😀"}]}`, 5},
		{OpCompletion, `{"prompt":["ab","cde"]}`, 5},
		{OpCompletion, `{"prompt":"ab"}`, 2},
		{OpEmbedding, `{"input":[[1,2],"x"]}`, 1},
		{OpRerank, `{"query":"ab","documents":["c",{"text":"de"}]}`, 5},
		{OpChat, `{"messages":"no list"}`, 0},
		{OpChat, `{}`, 0},
	} {
		r, err := ParseRequest(tt.op, []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Chars(); got != tt.want {
			t.Errorf("%s: %d characters, want %d", tt.body, got, tt.want)
		}
	}
}

func TestChoiceChars(t *testing.T) {
	for text, want := range map[string]int64{
		`[{"index":0,"message":{"role":"assistant","content":"Tokyo"}},{"message":{"content":"é"}}]`: 6,
		`[{"delta":{"content":"ab"},"finish_reason":null}]`:                                          2,
		`[{"text":"abc"}]`: 3,
		`[{"delta":{}}]`:   0,
		`[]`:               0,
		`null`:             0,
		`[{"delta":{"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}]`: 8,
	} {
		if got := ChoiceChars([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func FuzzStringChars(f *testing.F) {
	f.Add("abc")
	f.Add("a\n\"\\é😀\u2028<>")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := stringChars(text[1:len(text)-1]), int64(utf8.RuneCountInString(s)); got != want {
			t.Errorf("%s: %d characters, want %d", text, got, want)
		}
	})
}
