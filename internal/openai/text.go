package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"tollgate/internal/jsonscan"
)

// Text is a JSON string as it was written, quotes included; nil when there is none.
type Text []byte

// Quote makes a Text of s.
func Quote(s string) Text { return jsonscan.Text(s) }

// Empty reports whether there is no text or none in it.
func (t Text) Empty() bool { return len(t) <= 2 }

// String decodes the text.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	inner := t.Inner()
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if json.Unmarshal(t, &s) != nil {
		return ""
	}
	return s
}

// Inner is what stands between the quotes, escapes as written. The inner parts of two texts, one behind the
// other, are the inner part of the joined text.
func (t Text) Inner() []byte {
	if t.Empty() {
		return nil
	}
	return t[1 : len(t)-1]
}

// Blank reports whether the text is empty or holds white space alone.
func (t Text) Blank() bool {
	inner := t.Inner()
	for i, c := range inner {
		switch {
		case c == ' ':
			continue
		case c == '\\': // an escaped blank, perhaps
			return strings.TrimSpace(t.String()) == ""
		case c >= utf8.RuneSelf:
			return len(bytes.TrimSpace(inner[i:])) == 0
		}
		return false
	}
	return true
}
