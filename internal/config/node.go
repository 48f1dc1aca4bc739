package config

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// kind is the shape of a node.
type kind int

const (
	scalarNode kind = iota
	listNode
	mapNode
)

// node is a YAML value after aliases and merge keys have been expanded, and later
// after os.environ/ references have been replaced. Unlike yaml.Node it is a plain
// tree of bounded size, and each node knows its place.
type node struct {
	kind    kind
	pos     Position
	tag     string // of a scalar: !!str !!int !!float !!bool !!null
	text    string // of a scalar
	items   []*node
	entries []entry

	// anchored: an anchor is defined here or below, so that a key nobody
	// knows may be there for the aliases to it.
	anchored bool
	// variable is the name of the environment variable that text came from.
	variable string
}

// entry is one key of a mapping, in the order of the file.
type entry struct {
	key    string
	keyPos Position
	value  *node
	// path is where the entry stands in the file, when that is not below the
	// mapping that holds it here (a key inherited from another section).
	path string
}

func (n *node) isNull() bool { return n == nil || n.kind == scalarNode && n.tag == "!!null" }

// get returns the value of a mapping's key, or nil.
func (n *node) get(key string) *node {
	if n == nil || n.kind != mapNode {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return n.entries[i].value
		}
	}
	return nil
}

// set replaces the value of a key or appends the entry.
func (n *node) set(e entry) {
	for i := range n.entries {
		if n.entries[i].key == e.key {
			n.entries[i] = e
			return
		}
	}
	n.entries = append(n.entries, e)
}

// without is a shallow copy of a mapping that lacks a key.
func (n *node) without(key string) *node {
	out := *n
	out.entries = make([]entry, 0, len(n.entries))
	for _, e := range n.entries {
		if e.key != key {
			out.entries = append(out.entries, e)
		}
	}
	return &out
}

// typeName is the node's type in words that an operator knows.
func (n *node) typeName() string {
	switch {
	case n.kind == listNode:
		return "a list"
	case n.kind == mapNode:
		return "a mapping"
	}
	switch n.tag {
	case "!!int", "!!float":
		if _, finite := n.asFloat(); !finite {
			return "no finite number"
		}
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "nothing"
	default:
		return "a text"
	}
}

// asBool reads a boolean as laxly as LiteLLM does: YAML 1.1 words and texts too.
func (n *node) asBool() (bool, bool) {
	if n.kind != scalarNode {
		return false, false
	}
	switch strings.ToLower(n.text) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

// asFloat reads a finite number, a text that holds one included.
func (n *node) asFloat() (float64, bool) {
	if n.kind != scalarNode || n.tag == "!!bool" {
		return 0, false
	}
	if i, ok := integerText(n.text); ok {
		return float64(i), true
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(n.text), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// asInt reads a whole number: 5, "5" and 5.0.
func (n *node) asInt() (int64, bool) {
	if n.kind != scalarNode || n.tag == "!!bool" {
		return 0, false
	}
	if i, ok := integerText(n.text); ok {
		return i, true
	}
	f, ok := n.asFloat()
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// integerText reads YAML's integers: decimal, 0x, 0o, 0b, with underscores.
func integerText(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	if !strings.ContainsAny(text, "_xXoObB") {
		return 0, false
	}
	i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	return i, err == nil
}

// decimalText: an unsigned decimal number with an optional exponent that stays in
// the range money knows; the digits are kept as they stand.
var decimalText = regexp.MustCompile(`^\+?(\d{1,20}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,2})?$`)

func (n *node) asDecimal() (Decimal, bool) {
	text := strings.TrimSpace(n.text)
	if n.kind != scalarNode || !decimalText.MatchString(text) {
		return "", false
	}
	return Decimal(strings.TrimPrefix(text, "+")), true
}

// jsonNumber: what JSON allows as a number; its text then goes out unchanged.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// plainBool: the words that YAML 1.1, and so LiteLLM's reader, takes for booleans.
var plainBool = regexp.MustCompile(`^(yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$`)

// asMap is asJSON of a mapping; nil for anything else.
func (n *node) asMap() map[string]any {
	if n == nil {
		return nil
	}
	m, _ := n.asJSON().(map[string]any)
	return m
}

// asJSON is the value as encoding/json knows it: map[string]any, []any, string,
// bool, nil, and json.Number so that a number keeps its digits. Infinities and
// NaN, which JSON has not, become texts.
func (n *node) asJSON() any {
	switch n.kind {
	case listNode:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.asJSON()
		}
		return out
	case mapNode:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = e.value.asJSON()
		}
		return out
	}
	switch n.tag {
	case "!!null":
		return nil
	case "!!bool":
		b, _ := n.asBool()
		return b
	case "!!int", "!!float":
		if jsonNumber.MatchString(n.text) {
			return json.Number(n.text)
		}
		if i, ok := integerText(n.text); ok {
			return json.Number(strconv.FormatInt(i, 10))
		}
		if f, ok := n.asFloat(); ok {
			return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	return n.text
}
