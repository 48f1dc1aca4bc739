// Package schema rewrites JSON schemas into what the models behind OCI take. OpenAI's clients send whatever
// pydantic and zod make; most vendors accept a part of that and refuse the whole request for the rest.
//
// Meaning is kept where a dialect can say it: references are inlined, constants become enums, a nullable type
// becomes the type. The order of properties stays, since models write their answers in it.
package schema

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Dialect says which part of JSON schema a vendor takes.
type Dialect int

// The dialects.
const (
	// AsIs leaves a schema untouched (OpenAI; oracle/langchain-oracle#100 for gpt-oss).
	AsIs Dialect = iota
	// Plain has no references, constants, type lists, titles or extensions.
	Plain
	// Strict is Plain without the rarer keywords: xAI answers "Invalid function schema" for them
	// (oracle/langchain-oracle#45, BerriAI/litellm#31449).
	Strict
	// Google is Plain without unions, exclusive bounds and closed objects (oracle/langchain-oracle#157, #291).
	Google
)

// Empty is the schema of a function without parameters.
var Empty = []byte(`{"type":"object","properties":{}}`)

// ErrTooLarge is returned for a schema that inlining would blow up.
var ErrTooLarge = errors.New("the schema is too large once its references are resolved")

// maxNodes bounds what a schema may become: references that each hold two further ones double at every level.
const maxNodes = 20_000

// maxDepth bounds the nesting of a schema: each level is scanned once more.
const maxDepth = 100

// ErrTooDeep is a schema that is nested deeper than any that a model could follow.
var ErrTooDeep = errors.New("the schema is nested deeper than 100 levels")

// bytesPerNode is what a node weighs for that bound, in bytes.
const bytesPerNode = 64

// Rewrite returns raw, a valid JSON object, in a dialect. A schema without a type, or no schema, becomes that of
// an object.
func Rewrite(d Dialect, raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(bytes.TrimSpace(raw)) <= 2 {
		return Empty, nil
	}
	if d == AsIs {
		return raw, nil
	}
	root, err := parse(raw, 0)
	if err != nil {
		return nil, err
	}
	w := rewriter{dialect: d, root: root, budget: maxNodes}
	out := w.schema(root, nil)
	if w.budget <= 0 {
		return nil, ErrTooLarge
	}
	if out.get("type") == nil && out.get("anyOf") == nil {
		out.members = append([]member{{"type", word("object")}}, out.members...)
	}
	if isWord(out.get("type"), "object") && out.get("properties") == nil {
		out.set("properties", &node{kind: '{'})
	}
	return out.append(nil), nil
}

// rewriter walks a schema. stack holds the references being inlined.
type rewriter struct {
	dialect Dialect
	root    *node
	budget  int // nodes that may still be made; what is copied whole counts by its size
}

// dropped are keywords that no dialect but AsIs keeps; strictDropped and googleDropped are left out besides.
var (
	dropped       = set("$defs", "definitions", "$schema", "$id", "$comment", "$anchor", "title", "const", "$ref", "allOf")
	strictDropped = set("not", "if", "then", "else", "contains", "minContains", "maxContains", "patternProperties", "propertyNames",
		"dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "examples")
	googleDropped = set("anyOf", "oneOf", "exclusiveMinimum", "exclusiveMaximum", "additionalProperties", "not", "if", "then", "else",
		"patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "examples")
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

func (w *rewriter) drops(keyword string) bool {
	switch {
	case dropped[keyword], strings.HasPrefix(keyword, "x-"):
		return true
	case w.dialect == Strict:
		return strictDropped[keyword]
	case w.dialect == Google:
		return googleDropped[keyword]
	}
	return false
}

// schema rewrites one schema; in must not be changed, since references may lead to it again.
func (w *rewriter) schema(in *node, stack []string) *node {
	if w.budget--; w.budget <= 0 || in.kind != '{' { // true and false are schemas, too: anything goes
		return &node{kind: '{'}
	}
	in, stack = w.resolve(in, stack)
	in, stack = w.mergeAllOf(in, stack)
	in, stack = w.collapse(in, stack)
	out := &node{kind: '{'}
	for _, m := range in.members {
		if !w.drops(m.name) {
			w.keyword(out, m, stack)
		}
	}
	if c := in.get("const"); c != nil {
		out.set("enum", &node{kind: '[', elements: []*node{c}})
	}
	w.finish(out, in)
	return out
}

// keyword rewrites one keyword into out.
func (w *rewriter) keyword(out *node, m member, stack []string) {
	w.budget -= m.value.size / bytesPerNode
	switch m.name {
	case "type":
		out.set("type", singleType(m.value))
	case "default":
		if m.value.raw == nil || string(m.value.raw) != "null" {
			out.set(m.name, m.value)
		}
	case "properties", "patternProperties", "dependentSchemas":
		props := &node{kind: '{'}
		for _, p := range m.value.members {
			props.members = append(props.members, member{p.name, w.schema(p.value, stack)})
		}
		out.set(m.name, props)
	case "items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames":
		if m.value.kind != '{' {
			out.set(m.name, m.value)
			return
		}
		out.set(m.name, w.schema(m.value, stack))
	case "anyOf", "oneOf", "prefixItems":
		list := &node{kind: '['}
		for _, e := range m.value.elements {
			list.elements = append(list.elements, w.schema(e, stack))
		}
		out.set(m.name, list)
	default:
		out.set(m.name, m.value)
	}
}

// finish adds what a dialect wants to see in a schema.
func (w *rewriter) finish(out, in *node) {
	if isWord(out.get("type"), "any") {
		out.set("type", word("object"))
	}
	if isWord(out.get("type"), "array") && out.get("items") == nil {
		items := &node{kind: '{'}
		if w.dialect == Google {
			items.set("type", word("string"))
		}
		out.set("items", items)
	}
	if w.dialect == Google {
		inclusive(out, in, "exclusiveMinimum", "minimum", 1)
		inclusive(out, in, "exclusiveMaximum", "maximum", -1)
	}
}

// inclusive turns an exclusive bound into the inclusive one: exactly for integers, one value wider for others.
func inclusive(out, in *node, from, to string, step int64) {
	bound := in.get(from)
	if bound == nil || bound.raw == nil || out.get(to) != nil {
		return
	}
	if n, err := strconv.ParseInt(string(bound.raw), 10, 64); err == nil && isWord(out.get("type"), "integer") {
		bound = &node{raw: strconv.AppendInt(nil, n+step, 10)}
	} else if bound.raw[0] == 't' || bound.raw[0] == 'f' { // draft 4 had flags here
		return
	}
	out.set(to, bound)
}

// singleType turns ["string","null"] into "string".
func singleType(t *node) *node {
	for _, e := range t.elements {
		if !isWord(e, "null") {
			return e
		}
	}
	return t
}
