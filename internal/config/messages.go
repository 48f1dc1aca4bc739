package config

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The sentences that decoding reports, and what of a value they may show.

// quote shows a short text in a message.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return strconv.Quote(s)
}

func (l *loader) noticeAccepted(e entry, s *section, to slot) {
	at := s.name + "." + e.key
	if to.quiet || e.value.isNull() || l.noticed[at] {
		return
	}
	l.noticed[at] = true
	l.add(Notice, e.keyPos, to.path, CodeAccepted, "accepted, no effect: nothing uses %s yet", e.key)
}

func (l *loader) wrongType(n *node, s shape, to slot) {
	l.add(Error, n.pos, to.path, CodeWrongType, "this must be %s, but it is %s", s.describe(), describeValue(n, s, to))
}

func (l *loader) badValue(n *node, to slot, what string) {
	l.add(Error, n.pos, to.path, CodeBadValue, "%s %s", shown(n, to), what)
}

// shown is a scalar as a message may show it.
func shown(n *node, to slot) string {
	switch {
	case n.variable != "":
		return fmt.Sprintf("the value of the environment variable %s", n.variable)
	case to.masked:
		return "the value"
	default:
		return quote(n.text)
	}
}

// describeValue is what stands where a value of shape s should. A scalar in the
// place of a list or mapping is not quoted: nobody knows what it was meant to be.
func describeValue(n *node, s shape, to slot) string {
	switch {
	case n.kind != scalarNode || s.kind >= listKind && s.kind != verifyKind:
		return n.typeName()
	case n.variable != "" || to.masked:
		return shown(n, to)
	default:
		return n.typeName() + " (" + shown(n, to) + ")"
	}
}

// describe is the shape in words that follow "this must be".
func (s shape) describe() string {
	switch s.kind {
	case textKind, patternKind, addressKind, choiceKind, hintKind:
		return "a text"
	case booleanKind:
		return "true or false"
	case integerKind, signedKind:
		return "a whole number"
	case numberKind, decimalKind:
		return "a number"
	case secondsKind:
		return "a number of seconds"
	case listKind:
		return "a list"
	case oneOrMoreKind:
		return s.elem.describe() + " or a list"
	case mappingKind, sectionKind:
		return "a mapping"
	case fallbacksKind:
		return "a list of mappings with one key each, {alias: [alias, ...]}"
	case targetsKind:
		return "a list of aliases"
	case aliasKind:
		return "an alias or a mapping with model and hidden"
	case clientParamKind:
		return "a name or a mapping with one key, {name: pattern}"
	case verifyKind:
		return "true, false or the path of a CA bundle"
	default:
		return "a value"
	}
}
