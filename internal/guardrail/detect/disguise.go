package detect

import (
	"strings"
	"unicode/utf8"
)

// undisguised is a text as a reader sees it: without characters that have no width, with ASCII's blanks and dashes for those that
// pages and documents have between digits, and for letters and digits of full width. at says where each byte stands in the text, and
// the end; nil = at the same place.
func undisguised(text string) (plain string, at []int) {
	if !strings.ContainsFunc(text, func(r rune) bool { return lookOf(r) != r }) {
		return text, nil
	}
	var b strings.Builder
	b.Grow(len(text))
	at = make([]int, 0, len(text)+1)
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			b.WriteByte(text[i])
			at = append(at, i)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch c := lookOf(r); {
		case c < 0:
		case c != r:
			b.WriteByte(byte(c))
			at = append(at, i)
		default:
			b.WriteString(text[i : i+size])
			for n := range size {
				at = append(at, i+n)
			}
		}
		i += size
	}
	return b.String(), append(at, len(text))
}

// lookOf is the character of ASCII that another one looks like, -1 for one without width, else itself.
func lookOf(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		return r
	case invisible(r):
		return -1
	case r == '\u00a0' || '\u2000' <= r && r <= '\u200a' || r == '\u202f' || r == '\u3000':
		return ' '
	case '\u2010' <= r && r <= '\u2015' || r == '\u2212':
		return '-'
	case '\uff01' <= r && r <= '\uff5e':
		return r - '\uff01' + '!'
	}
	return r
}
