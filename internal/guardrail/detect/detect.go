// Package detect finds things with a known shape in texts: numbers of cards and accounts, identifiers of people, addresses,
// keys. It does no I/O. Every rule says what must stand in each of its matches, a literal or digits, so that texts without
// it cost one pass; patterns look at the places alone where that stands.
package detect

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Match is something that was found: text[Start:End], in bytes, on the borders of characters.
type Match struct {
	Start, End int
	Kind       string
	Score      float64 // from 0 to 1: how sure the rule is
}

// Rule describes one kind of thing. Exactly one of Literals, Digits and neither says where its Pattern or Find looks: around
// a literal, at the beginning of a word with so many digits, or everywhere.
type Rule struct {
	Kind  string
	Score float64
	// Literals are what every match holds one of. ASCII; in small letters where Fold is set, which ignores case.
	Literals []string
	Fold     bool
	// Digits is how many digits every match has at least. It begins where a word does.
	Digits int
	// Letter says that a match begins with a letter. Only with Digits.
	Letter bool
	// Pattern is RE2. Where it looks at a literal or at digits, it is anchored Before bytes before it or there; its first
	// group that matches, where it has groups, is what is found.
	Pattern string
	// Find is in the place of a Pattern: it finds what stands around text[at], where a literal stands.
	Find func(text string, at int) (start, end int, ok bool)
	// Before is how many bytes a match may begin before its literal.
	Before int
	// Longest is how many bytes of a match a Pattern sees; 0 = 128. One that reaches so far takes the rest of its token too, up to longestRest.
	Longest int
	// Held is how many bytes of a match are waited for where a text comes in pieces, when it is fewer than Longest: those of a stream
	// that is held back.
	Held int
	// Loose says that a match may stand in the middle of a word.
	Loose bool
	// Check proves a match, by its check digits for example; nil = the shape is enough.
	Check func(match string) bool
	// Near are words, one of which must stand shortly before a match, for shapes that much else has too. In small letters.
	Near []string
}

// near is how many bytes before a match a word of Rule.Near may begin.
const near = 64

const longest = 128

type rule struct {
	Rule
	pattern *regexp.Regexp
}

// Scanner finds what its rules describe. It is safe for concurrent use.
type Scanner struct {
	rules    []*rule
	literals *literals
	digits   []*rule
	fewest   int // digits of a rule
	anywhere []*rule
	overlap  int
}

// New makes a Scanner. The error is that of a Pattern.
func New(rules []Rule) (*Scanner, error) {
	s := &Scanner{literals: &literals{}}
	for _, r := range rules {
		c := &rule{Rule: r}
		if c.Longest == 0 {
			c.Longest = longest
		}
		if c.Score == 0 {
			c.Score = 1
		}
		if r.Pattern != "" {
			pattern := r.Pattern
			if r.Digits > 0 || len(r.Literals) > 0 && r.Before == 0 {
				pattern = `\A(?:` + pattern + `)`
			}
			compiled, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			c.pattern = compiled
		}
		s.add(c)
	}
	return s, nil
}

// Must is New for tables that a test compiles.
func Must(rules []Rule) *Scanner {
	s, err := New(rules)
	if err != nil {
		panic(err)
	}
	return s
}

func (s *Scanner) add(r *rule) {
	s.rules = append(s.rules, r)
	reach := r.Longest
	if r.Held > 0 {
		reach = r.Held
	}
	reach += r.Before + 1
	if len(r.Near) > 0 {
		reach += near
	}
	s.overlap = max(s.overlap, reach)
	switch {
	case len(r.Literals) > 0:
		for _, l := range r.Literals {
			s.literals.add(l, r)
		}
	case r.Digits > 0:
		s.digits = append(s.digits, r)
		if s.fewest == 0 || r.Digits < s.fewest {
			s.fewest = r.Digits
		}
	default:
		s.anywhere = append(s.anywhere, r)
	}
}

// Overlap is how many characters must be seen again where a text is scanned in pieces.
func (s *Scanner) Overlap() int { return s.overlap }

// Scan finds everything in a text, from left to right. Of matches that overlap the longest stays, and covers all of them.
// Characters without width, and blanks, dashes and letters that only look other than ASCII's, hide nothing.
func (s *Scanner) Scan(text string) []Match {
	plain, at := undisguised(text)
	found := s.scan(plain)
	if at != nil {
		for i := range found {
			found[i].Start, found[i].End = at[found[i].Start], at[found[i].End]
		}
	}
	return found
}

func (s *Scanner) scan(text string) []Match {
	var found []Match
	found = s.literals.scan(text, found)
	if len(s.digits) > 0 {
		found = s.numbers(text, found)
	}
	for _, r := range s.anywhere {
		found = r.all(text, found)
	}
	return Resolve(found)
}

// Resolve sorts matches and joins those that overlap: the longest gives the kind, or of two as long the surer one.
func Resolve(found []Match) []Match {
	if len(found) < 2 {
		return found
	}
	slices.SortFunc(found, func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(b.Score, a.Score), cmp.Compare(a.Kind, b.Kind))
	})
	out, best := found[:1], found[0].End-found[0].Start // best is the length that the last one's kind has
	for _, m := range found[1:] {
		last := &out[len(out)-1]
		if m.Start >= last.End {
			out, best = append(out, m), m.End-m.Start
			continue
		}
		if n := m.End - m.Start; n > best || n == best && m.Score > last.Score {
			last.Kind, last.Score, best = m.Kind, m.Score, n
		}
		last.End = max(last.End, m.End)
	}
	return out
}

// Replace puts with(match, found text) in the place of every match, which must be as Scan gives them.
func Replace(text string, found []Match, with func(m Match, text string) string) string {
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	at := 0
	for _, m := range found {
		b.WriteString(text[at:m.Start])
		b.WriteString(with(m, text[m.Start:m.End]))
		at = m.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// all adds every match of a pattern that looks everywhere.
func (r *rule) all(text string, found []Match) []Match {
	for _, at := range r.pattern.FindAllStringSubmatchIndex(text, -1) {
		if m, ok := r.match(text, 0, at); ok {
			found = append(found, m)
		}
	}
	return found
}

// at adds the match around a literal at text[at].
func (r *rule) at(text string, at int, found []Match) []Match {
	if r.Find != nil {
		if start, end, ok := r.Find(text, at); ok {
			if m, ok := r.accept(text, start, end); ok {
				found = append(found, m)
			}
		}
		return found
	}
	from := max(at-r.Before, 0)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	until := min(at+r.Longest, len(text))
	for from <= at {
		loc := r.pattern.FindStringSubmatchIndex(text[from:until])
		if len(loc) < 2 || from+loc[0] > at {
			return found
		}
		if from+loc[1] > at {
			if from+loc[1] == until {
				loc = toTheEnd(text, from, loc)
				text = text[:from+loc[1]] // what goes on even further is one too
			}
			if m, ok := r.match(text, from, loc); ok {
				return append(found, m)
			}
		}
		if r.Before == 0 {
			return found
		}
		_, size := utf8.DecodeRuneInString(text[from+loc[0]:])
		from += loc[0] + max(size, 1)
	}
	return found
}

// longestRest bounds it: every literal of a text may begin a match.
const longestRest = 1024

// toTheEnd are the indexes of a match that was cut, with the rest of the token that it is: a mask must leave no part.
func toTheEnd(text string, base int, loc []int) []int {
	cut := loc[1]
	end := base + cut
	limit := min(end+longestRest, len(text))
	for end < limit && (isAlnum(text[end]) || strings.IndexByte("_-./+=~%", text[end]) >= 0) {
		end++
	}
	for i := 1; i < len(loc); i += 2 {
		if loc[i] == cut {
			loc[i] = end - base
		}
	}
	return loc
}

// match is what a pattern's indexes, counted from base, stand for.
func (r *rule) match(text string, base int, loc []int) (Match, bool) {
	start, end := loc[0], loc[1]
	for i := 2; i < len(loc); i += 2 {
		if loc[i] >= 0 {
			start, end = loc[i], loc[i+1]
			break
		}
	}
	return r.accept(text, base+start, base+end)
}

func (r *rule) accept(text string, start, end int) (Match, bool) {
	switch {
	case start >= end:
		return Match{}, false
	case !r.Loose && !bounded(text, start, end):
		return Match{}, false
	case r.Check != nil && !r.Check(text[start:end]):
		return Match{}, false
	case len(r.Near) > 0 && !r.isNear(text, start):
		return Match{}, false
	}
	return Match{Start: start, End: end, Kind: r.Kind, Score: r.Score}, true
}

// isNear reports whether one of the words stands before a match.
func (r *rule) isNear(text string, start int) bool {
	from := max(start-near, 0)
	before := strings.ToLower(text[from:start])
	for _, word := range r.Near {
		for rest := before; ; {
			i := strings.Index(rest, word)
			if i < 0 {
				break
			}
			if bounded(rest, i, i+len(word)) {
				return true
			}
			rest = rest[i+len(word):]
		}
	}
	return false
}

// bounded reports whether text[start:end] is neither the end nor the beginning of a longer word where it begins and ends
// with a letter or a digit itself.
func bounded(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	first, _ := utf8.DecodeRuneInString(text[start:])
	if start > 0 && isWord(before) && isWord(first) {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return end == len(text) || !isWord(last) || !isWord(after)
}

// isWord reports whether a character belongs to a word. Scripts without blanks between words have no such characters.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r))
	}
	const cjk = 0x2e80
	return r < cjk && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isUpper(c byte) bool { return c-'A' < 26 }

func isAlnum(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 26 }
