package content

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\n\t\"\\\/\b\f\r"`, `"\u00e9\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx\ude00"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\u0041"`, `"é\u0000"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want string
		if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' || !utf8.Valid(raw) || json.Unmarshal(raw, &want) != nil {
			return
		}
		if got := decode(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	})
}

// What is shown of arguments says the same as they do.
func FuzzUnescaped(f *testing.F) {
	for _, seed := range []string{`{"a":"\u0073ecret"}`, `"\ud83d\ude00\ud83d\\\u0022\u005c\u000a\/"`, `no \u0073`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var was, is any
		if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &was) != nil {
			return
		}
		if got := Unescaped(text); json.Unmarshal([]byte(got), &is) != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("%s: got %s", text, got)
		}
	})
}
