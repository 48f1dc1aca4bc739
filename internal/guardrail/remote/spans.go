package remote

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Span is a piece of a text that is replaced. Start and End count characters (Unicode code points, as Python does), End is the
// one behind the last.
type Span struct {
	Start, End int
	With       string
}

// Splice replaces spans of text, in whatever order they come. Where several overlap, all that they cover is replaced by the
// first one's words, so that nothing of what was found stays. ok is false where a span is not inside the text, and then the
// text must not be used: what was found could be anywhere.
func Splice(text string, spans []Span) (out string, ok bool) {
	spans = Disjoint(spans)
	var b strings.Builder
	at, chars := 0, 0 // bytes and characters that are behind us
	for _, s := range spans {
		if s.Start < 0 || s.End <= s.Start {
			return text, false
		}
		start, ok := forward(text, at, s.Start-chars)
		if !ok {
			return text, false
		}
		end, ok := forward(text, start, s.End-s.Start)
		if !ok {
			return text, false
		}
		b.WriteString(text[at:start])
		b.WriteString(s.With)
		at, chars = end, s.End
	}
	b.WriteString(text[at:])
	return b.String(), true
}

// Disjoint sorts spans and joins those that overlap: the joined one covers all of them and keeps the words of the first, or of
// the longest where several begin together.
func Disjoint(spans []Span) []Span {
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End))
	})
	out := sorted[:0]
	for _, s := range sorted {
		if n := len(out); n > 0 && s.Start < out[n-1].End {
			out[n-1].End = max(out[n-1].End, s.End)
			continue
		}
		out = append(out, s)
	}
	return out
}

// Slice is the piece of text between two characters; ok is false where it is not inside.
func Slice(text string, start, end int) (piece string, ok bool) {
	if start < 0 || end < start {
		return "", false
	}
	from, ok := forward(text, 0, start)
	if !ok {
		return "", false
	}
	to, ok := forward(text, from, end-start)
	return text[from:to], ok
}

// forward is the byte that is n characters behind at.
func forward(text string, at, n int) (int, bool) {
	for ; n > 0; n-- {
		if at >= len(text) {
			return at, false
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at, true
}
