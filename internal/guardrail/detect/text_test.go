package detect_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/guardrail/detect"
)

// masked replaces every x@y by a mask.
func masked(kind content.Kind, text, mask string) string {
	t := detect.TextOf(&content.Text{Kind: kind, Value: text})
	var found []detect.Match
	for at := 0; ; {
		i := strings.Index(t.Value[at:], "x@y")
		if i < 0 {
			break
		}
		found = append(found, detect.Match{Start: at + i, End: at + i + 3})
		at += i + 3
	}
	return t.Replace(found, func(_ detect.Match, _ string) string { return mask })
}

func TestText(t *testing.T) {
	tests := []struct {
		name string
		kind content.Kind
		text string
		mask string
		want string
	}{
		{"plain text", content.Plain, `to x@y \n "x@y"`, `["]`, `to ["] \n "["]"`},
		{"arguments without escapes", content.Arguments, `{"to":"x@y"}`, `<A_1>`, `{"to":"<A_1>"}`},
		{"a mask with a quote", content.Arguments, `{"to":"x@y"}`, `["]`, `{"to":"[\"]"}`},
		{"behind an escape", content.Arguments, `{"to":"a\nx@y\\"}`, `*`, `{"to":"a\n*\\"}`},
		{"written as an escape", content.Arguments, `{"to":"x\u0040y\u0301"}`, `*`, `{"to":"*\u0301"}`},
		{"surrogates", content.Arguments, `{"to":"\ud83d\ude00x@y\ud83d"}`, `*`, `{"to":"\ud83d\ude00*\ud83d"}`},
		{"outside of a string", content.Arguments, `{"a":"\"", "to":x@y, "b":"x@y"}`, `*`, `{"a":"\"", "to":"*", "b":"*"}`},
		{"no JSON", content.Arguments, `\x@y\`, `*`, `\"*"\`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := masked(test.kind, test.text, test.mask); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Whatever stands in arguments, masked strings leave them JSON.
func FuzzText(f *testing.F) {
	f.Add(`{"a":"x@y","b":["\u00e9x@y\"x@y"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		out := masked(content.Arguments, text, `<"\>`)
		if json.Valid([]byte(text)) && !json.Valid([]byte(out)) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}
