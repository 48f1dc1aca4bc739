// Package jsonscan reads and rewrites the top level of a JSON object without building a tree.
//
// A prompt of several hundred kilobytes passes through the gateway as bytes: admission needs a handful of
// top-level members and the upstream needs another model name, nothing more. Object checks the whole text
// (RFC 8259 grammar, UTF-8, bounds of nesting and of members, no repeated top-level name) in one pass and notes where each
// top-level member lies; Splice makes the new text as a list of slices of the old one.
package jsonscan

import (
	"fmt"
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
