package jsonscan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// knownStr reads a string of a text that is known to be well-formed: up to the first quote without a backslash before
// it that is not itself behind one.
func (s *scanner) knownStr() bool {
	for i := s.pos + 1; ; i++ {
		n := bytes.IndexByte(s.data[i:], '"')
		if n < 0 {
			s.pos = len(s.data)
			return s.fail("unterminated string")
		}
		i += n
		slashes := i
		for s.data[slashes-1] == '\\' { // the opening quote ends it at the latest
			slashes--
		}
		if (i-slashes)%2 == 0 {
			s.pos = i + 1
			return true
		}
	}
}

// str reads a string from its opening quote.
func (s *scanner) str() bool {
	if s.known {
		return s.knownStr()
	}
	s.pos++
	start, ascii := s.pos, true
	for {
		var high bool
		s.pos, high = skipPlain(s.data, s.pos)
		ascii = ascii && !high
		if s.pos >= len(s.data) {
			return s.fail("unterminated string")
		}
		switch c := s.data[s.pos]; {
		case c == '"':
			if !ascii && !utf8.Valid(s.data[start:s.pos]) {
				s.pos = start + firstInvalid(s.data[start:s.pos])
				return s.fail("invalid UTF-8 in a string")
			}
			s.pos++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		default:
			return s.fail("control character in a string must be escaped")
		}
	}
}

func (s *scanner) escape() bool {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		s.pos++
		for range 4 {
			if !isHex(s.peek()) {
				return s.fail("invalid escape in a string")
			}
			s.pos++
		}
		return true
	}
	return s.fail("invalid escape in a string")
}

func isHex(c byte) bool {
	return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
}

// skipPlain returns the offset of the next quote, backslash or control character at or behind i, and
// whether a byte outside ASCII was passed. Eight bytes are looked at per step: prompts are long strings.
func skipPlain(data []byte, i int) (next int, high bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	var passed uint64
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		// A byte of ASCII gets its high bit exactly where the subtraction borrows: below 0x21 in the first term, to
		// which w^2 moves a quote (0x22) while control characters stay and blanks leave; below 1 in the second, for a
		// backslash. A borrow may spoil the bytes above, so only the lowest hit is used.
		hit := (((w ^ ones*2) - ones*0x21) | ((w ^ ones*'\\') - ones)) &^ w & highs
		if hit != 0 {
			n := bits.TrailingZeros64(hit) / 8
			passed |= w & (1<<(8*n) - 1)
			return i + n, passed&highs != 0
		}
		passed |= w
	}
	high = passed&highs != 0
	for ; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"' || c == '\\' || c < 0x20:
			return i, high
		case c >= utf8.RuneSelf:
			high = true
		}
	}
	return i, high
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// decodeName strips the quotes of a name and resolves its escapes: "mod\u0065l" is model to every JSON
// parser behind us, so it must be model to admission as well.
func decodeName(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			var name string
			if json.Unmarshal(raw, &name) == nil {
				return []byte(name)
			}
		}
	}
	return inner
}

func printable(name []byte) string {
	const longest = 64
	if len(name) > longest {
		name = name[:longest]
	}
	out := []rune(string(name))
	for i, r := range out {
		if r < 0x20 || r == 0x7f || r == utf8.RuneError {
			out[i] = '?'
		}
	}
	return string(out)
}
