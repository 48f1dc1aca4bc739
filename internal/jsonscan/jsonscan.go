// Package jsonscan reads and rewrites the top level of a JSON object without building a tree.
//
// A prompt of several hundred kilobytes passes through the gateway as bytes: admission needs a handful of
// top-level members and the upstream needs another model name, nothing more. Object checks the whole text
// (RFC 8259 grammar, UTF-8, bounds of nesting and of members, no repeated top-level name) in one pass and notes where each
// top-level member lies; Splice makes the new text as a list of slices of the old one.
package jsonscan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting of arrays and objects that Object accepts, the top level included.
const MaxDepth = 256

// MaxMembers is the most top-level members that Object accepts. Requests and answers have some dozens; Find and Splice
// look at each of them for every name they are asked about, which a caller must not be able to stretch.
const MaxMembers = 1024

// Member is one top-level member of an object. Its slices point into the scanned text and live as long as it does.
type Member struct {
	Name  []byte // decoded when the name held escapes, else a slice of the text
	Value []byte // the value as written, without surrounding white space
	start int    // offset of the name's opening quote
	end   int    // offset just behind the value
}

// Text is the member as it stands in data, the text that was scanned: name, colon and value.
func (m *Member) Text(data []byte) []byte { return data[m.start:m.end] }

// SyntaxError says where a text stops being acceptable JSON.
type SyntaxError struct {
	Reason string // for instance "trailing comma is not allowed"
	Line   int    // from 1
	Column int    // in characters, from 1
	Offset int    // in bytes, from 0
}

// Error gives the reason and the place in the form that LiteLLM's JSON parser uses.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s: line %d column %d (char %d)", e.Reason, e.Line, e.Column, e.Offset)
}

// Object scans data, which must hold exactly one JSON object, and appends its members to dst[:0].
// It fails with a *SyntaxError on anything else. It allocates nothing when dst has room and no name is escaped.
func Object(data []byte, dst []Member) ([]Member, error) {
	return (&scanner{data: data}).wholeObject(dst)
}

// InnerObject is Object for a value inside a text that Object, Array or Valid has accepted. What its strings hold is not
// looked at again, which makes it several times faster on long ones. For any other value the result is unspecified.
func InnerObject(value []byte, dst []Member) ([]Member, error) {
	return (&scanner{data: value, known: true}).wholeObject(dst)
}

// InnerArray is Array as InnerObject is Object.
func InnerArray(value []byte, dst [][]byte) ([][]byte, error) {
	return (&scanner{data: value, known: true}).wholeArray(dst)
}

// Array scans data, which must hold exactly one JSON array, and appends its elements, each as written, to
// dst[:0]. It fails with a *SyntaxError on anything else.
func Array(data []byte, dst [][]byte) ([][]byte, error) {
	return (&scanner{data: data}).wholeArray(dst)
}

// Valid reports, as a *SyntaxError or nil, whether data is one JSON value of any kind.
func Valid(data []byte) error {
	s := scanner{data: data}
	s.space()
	if s.value(1) {
		s.space()
		if s.pos == len(data) {
			return nil
		}
		s.fail("unexpected content after document")
	}
	return s.syntaxError()
}

// Find returns the value of the member called name.
func Find(members []Member, name string) ([]byte, bool) {
	for i := range members {
		if string(members[i].Name) == name {
			return members[i].Value, true
		}
	}
	return nil, false
}

type scanner struct {
	data   []byte
	known  bool // data is known to be well-formed
	pos    int
	reason string // the first failure
	at     int    // its offset
}

func (s *scanner) fail(reason string) bool {
	if s.reason == "" {
		s.reason, s.at = reason, s.pos
		if s.pos >= len(s.data) {
			s.reason, s.at = "unexpected end of data", len(s.data)
		}
	}
	return false
}

func (s *scanner) syntaxError() *SyntaxError {
	e := &SyntaxError{Reason: s.reason, Line: 1, Column: 1, Offset: s.at}
	for _, r := range string(s.data[:min(s.at, len(s.data))]) {
		e.Column++
		if r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// wholeObject is Object.
func (s *scanner) wholeObject(dst []Member) ([]Member, error) {
	members, ok := s.topObject(dst[:0])
	if !ok {
		return nil, s.syntaxError()
	}
	return members, nil
}

// wholeArray is Array.
func (s *scanner) wholeArray(dst [][]byte) ([][]byte, error) {
	s.space()
	if s.peek() != '[' {
		s.fail("expected a JSON array")
		return nil, s.syntaxError()
	}
	dst = dst[:0]
	if !s.array(1, func(element []byte) { dst = append(dst, element) }) {
		return nil, s.syntaxError()
	}
	s.space()
	if s.pos != len(s.data) {
		s.fail("unexpected content after document")
		return nil, s.syntaxError()
	}
	return dst, nil
}

// topObject reads the outer object and collects its members.
func (s *scanner) topObject(dst []Member) ([]Member, bool) {
	s.space()
	if s.peek() != '{' {
		return nil, s.fail("expected a JSON object")
	}
	var names nameSet
	ok := s.object(1, func(m Member) bool {
		if len(dst) == MaxMembers {
			s.pos = m.start
			return s.fail(fmt.Sprintf("more than %d members", MaxMembers))
		}
		if names.has(dst, m.Name) {
			s.pos = m.start
			return s.fail("duplicate key '" + printable(m.Name) + "'")
		}
		dst = append(dst, m)
		return true
	})
	if !ok {
		return nil, false
	}
	s.space()
	if s.pos != len(s.data) {
		return nil, s.fail("unexpected content after document")
	}
	return dst, true
}

// nameSet finds repeated names: by comparing each with all others while they are few, which allocates nothing, and by
// hashing where that would grow with their square.
type nameSet map[string]struct{}

// has reports whether members, all those before name, hold it.
func (n *nameSet) has(members []Member, name []byte) bool {
	const few = 32
	if len(members) < few {
		_, found := Find(members, string(name))
		return found
	}
	if *n == nil {
		*n = make(nameSet, 4*few)
		for i := range members {
			(*n)[string(members[i].Name)] = struct{}{}
		}
	}
	_, found := (*n)[string(name)]
	(*n)[string(name)] = struct{}{}
	return found
}

// object reads an object from its opening brace; each, when given, sees every member.
func (s *scanner) object(depth int, each func(Member) bool) bool {
	if depth > MaxDepth {
		return s.fail(fmt.Sprintf("nesting is deeper than %d levels", MaxDepth))
	}
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		start := s.pos
		if s.peek() != '"' {
			return s.fail("expected a double-quoted key")
		}
		if !s.str() {
			return false
		}
		rawName := s.data[start:s.pos]
		s.space()
		if s.peek() != ':' {
			return s.fail("expected ':' after a key")
		}
		s.pos++
		s.space()
		valueStart := s.pos
		if !s.value(depth + 1) {
			return false
		}
		if each != nil && !each(Member{Name: decodeName(rawName), Value: s.data[valueStart:s.pos], start: start, end: s.pos}) {
			return false
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
			if s.peek() == '}' {
				return s.fail("trailing comma is not allowed")
			}
		case '}':
			s.pos++
			return true
		default:
			return s.fail("expected ',' or '}'")
		}
	}
}

// array reads an array from its opening bracket; each, when given, sees every element.
func (s *scanner) array(depth int, each func(element []byte)) bool {
	if depth > MaxDepth {
		return s.fail(fmt.Sprintf("nesting is deeper than %d levels", MaxDepth))
	}
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return true
	}
	for {
		start := s.pos
		if !s.value(depth + 1) {
			return false
		}
		if each != nil {
			each(s.data[start:s.pos])
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
			if s.peek() == ']' {
				return s.fail("trailing comma is not allowed")
			}
		case ']':
			s.pos++
			return true
		default:
			return s.fail("expected ',' or ']'")
		}
	}
}

// value reads one value; depth is that of an array or object starting here.
func (s *scanner) value(depth int) bool {
	switch c := s.peek(); {
	case c == '"':
		return s.str()
	case c == '{':
		return s.object(depth, nil)
	case c == '[':
		return s.array(depth, nil)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || isDigit(c):
		return s.number()
	}
	return s.fail("unexpected character")
}

func (s *scanner) literal(word string) bool {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return s.fail("invalid literal")
	}
	s.pos += len(word)
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case isDigit(c):
		s.digits()
	default:
		return s.fail("invalid number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("invalid number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("invalid number")
		}
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

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
