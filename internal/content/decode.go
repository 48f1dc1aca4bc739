package content

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"tollgate/internal/jsonscan"
)

// decode is the text of a JSON string that is known to be well-formed, quotes included. Half of a surrogate pair becomes U+FFFD,
// as encoding/json has it; prompts are long, and this is several times faster.
func decode(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	next := bytes.IndexByte(inner, '\\')
	if next < 0 {
		return string(inner)
	}
	var out strings.Builder
	out.Grow(len(inner))
	for next >= 0 {
		out.Write(inner[:next])
		inner = inner[next:]
		if c := inner[1]; c != 'u' {
			if i := bytes.IndexByte(escapes, c); i >= 0 {
				c = escaped[i]
			}
			out.WriteByte(c)
			inner = inner[2:]
		} else {
			var r rune
			r, inner = codePoint(inner)
			out.WriteRune(r)
		}
		next = bytes.IndexByte(inner, '\\')
	}
	out.Write(inner)
	return out.String()
}

// Unescaped is JSON text with characters in place of their numbers, where that says the same: "\u0073ecret" is a secret to
// whoever reads the JSON. Anything that is no JSON stays as it is.
func Unescaped(text string) string {
	if !strings.Contains(text, `\u`) && !strings.Contains(text, `\/`) || jsonscan.Valid([]byte(text)) != nil {
		return text
	}
	out, rest := make([]byte, 0, len(text)), []byte(text)
	for {
		next := bytes.IndexByte(rest, '\\')
		if next < 0 {
			return string(append(out, rest...))
		}
		out, rest = append(out, rest[:next]...), rest[next:]
		switch rest[1] {
		case '/':
			out, rest = append(out, '/'), rest[2:]
		case 'u':
			r, behind := codePoint(rest)
			if r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError { // they cannot stand for themselves
				behind = rest[6:]
				out = append(out, rest[:6]...)
			} else {
				out = utf8.AppendRune(out, r)
			}
			rest = behind
		default:
			out, rest = append(out, rest[:2]...), rest[2:]
		}
	}
}

// escapes are the letters behind a backslash that stand for another character, and escaped what they stand for.
var escapes, escaped = []byte("bfnrt"), []byte("\b\f\n\r\t")

// codePoint reads \uXXXX, or two of them that are a pair, and returns what is behind.
func codePoint(s []byte) (rune, []byte) {
	r := hex(s)
	s = s[6:]
	if !utf16.IsSurrogate(r) {
		return r, s
	}
	if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
		if pair := utf16.DecodeRune(r, hex(s)); pair != utf8.RuneError {
			return pair, s[6:]
		}
	}
	return utf8.RuneError, s
}

func hex(s []byte) rune {
	n, err := strconv.ParseUint(string(s[2:6]), 16, 32)
	if err != nil { // the text was scanned before
		return utf8.RuneError
	}
	return rune(n)
}
