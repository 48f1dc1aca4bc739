package detect

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"tollgate/internal/content"
)

// Text is one text to look through. The arguments of a tool call are JSON as text: there Value has the characters that the
// escapes stand for, and Replace writes JSON again.
type Text struct {
	Value string // as it is read

	raw  string
	at   []int // where each byte of Value stands in raw, and the end; nil = at the same place
	json bool
}

// TextOf is a text of a body, to look through.
func TextOf(t *content.Text) Text {
	out := Text{Value: t.Value, raw: t.Value, json: t.Kind == content.Arguments}
	if out.json && strings.IndexByte(t.Value, '\\') >= 0 {
		out.unescape()
	}
	return out
}

// unescape reads what stands for a character.
func (t *Text) unescape() {
	var b strings.Builder
	b.Grow(len(t.raw))
	t.at = make([]int, 0, len(t.raw)+1)
	for i := 0; i < len(t.raw); {
		r, size := escaped(t.raw[i:])
		if size == 0 {
			b.WriteByte(t.raw[i])
			t.at = append(t.at, i)
			i++
			continue
		}
		n := b.Len()
		b.WriteRune(r)
		for range b.Len() - n {
			t.at = append(t.at, i)
		}
		i += size
	}
	t.at = append(t.at, len(t.raw))
	t.Value = b.String()
}

// simple are the escapes of one letter.
const simple, meant = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escaped is the character that a text begins with the escape of, and the escape's length; 0 where there is none.
func escaped(s string) (r rune, size int) {
	if len(s) < 2 || s[0] != '\\' {
		return 0, 0
	}
	if i := strings.IndexByte(simple, s[1]); i >= 0 {
		return rune(meant[i]), 2
	}
	unit, ok := unit(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(unit) {
		if low, ok := nextUnit(s); ok {
			if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
				return r, 12
			}
		}
		return utf8.RuneError, 6
	}
	return unit, 6
}

func unit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

func nextUnit(s string) (rune, bool) {
	if len(s) < 12 {
		return 0, false
	}
	return unit(s[6:])
}

// Replace is the text, as it is written, with with(match, found) in the place of every match, which must be as Resolve gives them.
// In arguments a number that is replaced becomes a text.
func (t *Text) Replace(found []Match, with func(m Match, found string) string) string {
	if !t.json {
		return Replace(t.raw, found, with)
	}
	var b strings.Builder
	behind, inside := 0, false // what is written, and whether a string is open there
	for _, m := range found {
		start, end := t.place(m.Start), t.place(m.End)
		inside = opened(t.raw[behind:start], inside)
		b.WriteString(t.raw[behind:start])
		text := quoted(with(m, t.Value[m.Start:m.End]))
		if inside {
			text = text[1 : len(text)-1]
		}
		b.WriteString(text)
		inside = opened(t.raw[start:end], inside)
		behind = end
	}
	b.WriteString(t.raw[behind:])
	return b.String()
}

func (t *Text) place(at int) int {
	if t.at == nil {
		return at
	}
	return t.at[at]
}

// opened reports whether a string is open behind a piece of JSON that does not begin inside of an escape.
func opened(piece string, inside bool) bool {
	for i := 0; i < len(piece); i++ {
		switch piece[i] {
		case '\\':
			i++
		case '"':
			inside = !inside
		}
	}
	return inside
}

// quoted is a text as JSON, with < and > as they are: masks are looked for in answers.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
