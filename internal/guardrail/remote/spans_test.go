package remote_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/guardrail/remote"
)

func TestSplice_countsCharacters(t *testing.T) {
	tests := []struct {
		name, text string
		spans      []remote.Span
		want       string
		fails      bool
	}{
		{"ascii", "mail a@b.c now", []remote.Span{{5, 10, "<M>"}}, "mail <M> now", false},
		{"an emoji before is one", "👍 a@b.c", []remote.Span{{2, 7, "<M>"}}, "👍 <M>", false},
		{"a combining accent is one of its own", "Jose\u0301 a@b.c", []remote.Span{{6, 11, "<M>"}}, "Jose\u0301 <M>", false},
		{"a family is seven", "👨‍👩‍👧‍👦 x", []remote.Span{{8, 9, "y"}}, "👨‍👩‍👧‍👦 y", false},
		{"whatever order", "abcdef", []remote.Span{{4, 5, "5"}, {0, 1, "1"}}, "1bcd5f", false},
		{"to the end", "abc", []remote.Span{{1, 3, ""}}, "a", false},
		{"overlapping ones leave nothing", "abcdef", []remote.Span{{0, 3, "<1>"}, {2, 5, "<2>"}}, "<1>f", false},
		{"one inside another", "abcdef", []remote.Span{{1, 2, "<2>"}, {0, 4, "<1>"}}, "<1>ef", false},
		{"behind the end", "abc", []remote.Span{{2, 4, "x"}}, "", true},
		{"before the beginning", "abc", []remote.Span{{-1, 1, "x"}}, "", true},
		{"nothing", "abc", []remote.Span{{1, 1, "x"}}, "", true},
		{"bytes taken for characters", "éé", []remote.Span{{2, 4, "x"}}, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := remote.Splice(test.text, test.spans)
			if ok == test.fails {
				t.Fatalf("ok is %v", ok)
			}
			if ok && got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Whatever is cut, the pieces cover the text, each where it says it stands, and none is too long.
func TestCut_coversTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab \"\n\\éß世👍\u0301"))).Draw(t, "text")
		limit := rapid.IntRange(12, 60).Draw(t, "limit")
		overlap := rapid.IntRange(0, 30).Draw(t, "overlap")
		runes, covered := []rune(text), 0
		for _, p := range remote.Cut(text, limit, overlap, remote.JSONBytes) {
			piece := []rune(p.Text)
			if p.At > covered || p.At+len(piece) > len(runes) || string(runes[p.At:p.At+len(piece)]) != p.Text {
				t.Fatalf("a piece %q at %d does not stand there", p.Text, p.At)
			}
			cost := 0
			for _, r := range piece {
				cost += remote.JSONBytes(r)
			}
			if cost > limit {
				t.Fatalf("a piece costs %d of %d", cost, limit)
			}
			covered = p.At + len(piece)
		}
		if covered != len(runes) {
			t.Fatalf("%d of %d characters are covered", covered, len(runes))
		}
	})
}

// What is as long as the overlap is whole in some piece, wherever it stands.
func TestCut_overlapsEnough(t *testing.T) {
	const needle = "0123456789"
	for at := range 300 {
		text := strings.Repeat("a", at) + needle + strings.Repeat("b", 300-at)
		whole := false
		for _, p := range remote.Cut(text, 50, len(needle), remote.Characters) {
			whole = whole || strings.Contains(p.Text, needle)
		}
		if !whole {
			t.Fatalf("cut at %d", at)
		}
	}
}

func FuzzSplice(f *testing.F) {
	f.Add("abc", 0, 1, 1, 2)
	f.Add("👍é\xff", 1, 3, 0, 2)
	f.Fuzz(func(t *testing.T, text string, a, b, c, d int) {
		got, ok := remote.Splice(text, []remote.Span{{a, b, "<"}, {c, d, ">"}})
		runes := len([]rune(text))
		inside := func(s, e int) bool { return s >= 0 && e > s && e <= runes }
		if ok && !(inside(a, b) && inside(c, d)) && !(a <= c && c < b || c <= a && a < d) {
			t.Errorf("%q: a span outside was taken: %d-%d %d-%d gives %q", text, a, b, c, d, got)
		}
		if !ok && inside(a, b) && inside(c, d) {
			t.Errorf("%q: spans inside were refused", text)
		}
	})
}
