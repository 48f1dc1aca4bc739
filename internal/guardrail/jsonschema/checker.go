package jsonschema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxSteps bounds the work of one check. Schemas come from callers, and a short one may say the same thing a billion times over.
	maxSteps = 200_000
	maxDepth = 200
)

var errTooMuch = errors.New("the JSON schema is too much work to check")

// checker checks values against a schema (JSON Schema 2020-12, and the items of older drafts), within bounds. References outside
// of the schema, $anchor, $dynamicRef and the unevaluated keywords are not known to it; formats are notes, as the standard says.
type checker struct {
	ctx      context.Context
	root     any
	steps    int
	patterns map[string]*regexp.Regexp // nil = it does not compile here
	targets  map[string]any            // by reference
	where    string                    // what failed first, in the schema
	err      error
}

func newChecker(ctx context.Context, root any) *checker {
	return &checker{ctx: ctx, root: root, patterns: map[string]*regexp.Regexp{}, targets: map[string]any{}}
}

// fail notes the first failure.
func (c *checker) fail(at *place, keyword string) bool {
	if c.where == "" {
		c.where = at.to(keyword).String()
	}
	return false
}

// check reports whether value fits schema, which stands at at.
func (c *checker) check(schema, value any, at *place, depth int) bool {
	if c.steps++; c.err != nil || c.steps > maxSteps || depth > maxDepth {
		if c.err == nil {
			c.err = errTooMuch
		}
		return false
	}
	if c.steps%1024 == 0 && c.ctx.Err() != nil {
		c.err = c.ctx.Err()
		return false
	}
	s, ok := schema.(map[string]any)
	if !ok {
		if schema == false {
			return c.fail(at, "false")
		}
		return true
	}
	return c.reference(s, value, at, depth) && c.anyValue(s, value, at) && c.combined(s, value, at, depth) && c.typed(s, value, at, depth)
}

// fits is check without a trace of a failure.
func (c *checker) fits(schema, value any, at *place, depth int) bool {
	where := c.where
	ok := c.check(schema, value, at, depth+1)
	c.where = where
	return ok
}

func (c *checker) reference(s map[string]any, value any, at *place, depth int) bool {
	ref, ok := s["$ref"].(string)
	if !ok {
		return true
	}
	target, ok := c.targets[ref]
	if !ok {
		if target, ok = resolve(c.root, ref); !ok {
			c.err = fmt.Errorf("the JSON schema refers to %q, which is not in it", ref)
			return false
		}
		c.targets[ref] = target
	}
	return c.check(target, value, at.to("$ref"), depth+1)
}

// resolve finds what a reference inside of a schema means.
func resolve(root any, ref string) (any, bool) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || path != "" && path[0] != '/' {
		return nil, false
	}
	at := root
	for _, step := range strings.Split(path, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch v := at.(type) {
		case map[string]any:
			if at, ok = v[step]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			at = v[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// anyValue checks what is asked of values of every type.
func (c *checker) anyValue(s map[string]any, value any, at *place) bool {
	if t, ok := s["type"]; ok && !isOneOf(t, value) {
		return c.fail(at, "type")
	}
	if list, ok := s["enum"].([]any); ok && !slices.ContainsFunc(list, func(e any) bool { return equal(e, value) }) {
		return c.fail(at, "enum")
	}
	if want, ok := s["const"]; ok && !equal(want, value) {
		return c.fail(at, "const")
	}
	return true
}

// isOneOf reports whether a value has one of the types of a schema.
func isOneOf(types, value any) bool {
	switch t := types.(type) {
	case string:
		return isA(t, value)
	case []any:
		return slices.ContainsFunc(t, func(e any) bool { name, _ := e.(string); return isA(name, value) })
	}
	return true
}

func isA(name string, value any) bool {
	switch v := value.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	case json.Number:
		n, err := v.Float64()
		return name == "number" || name == "integer" && err == nil && n == math.Trunc(n)
	}
	return false
}

// equal reports whether two values are the same: numbers by their worth, objects without an order.
func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			w, ok := b[name]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(string(a)+string(b), ".eE") && a != "-0" && b != "-0" {
		return false // whole numbers beyond what a float64 tells apart
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

// combined checks the schemas that are made of schemas.
func (c *checker) combined(s map[string]any, value any, at *place, depth int) bool {
	for i, sub := range list(s, "allOf") {
		if !c.check(sub, value, at.to("allOf").to(strconv.Itoa(i)), depth+1) {
			return false
		}
	}
	if subs := list(s, "anyOf"); subs != nil && c.count(subs, value, at, depth, 1) == 0 {
		return c.fail(at, "anyOf")
	}
	if subs := list(s, "oneOf"); subs != nil && c.count(subs, value, at, depth, 2) != 1 {
		return c.fail(at, "oneOf")
	}
	if sub, ok := s["not"]; ok && c.fits(sub, value, at, depth) {
		return c.fail(at, "not")
	}
	if cond, ok := s["if"]; ok {
		branch := "else"
		if c.fits(cond, value, at, depth) {
			branch = "then"
		}
		if sub, ok := s[branch]; ok {
			return c.check(sub, value, at.to(branch), depth+1)
		}
	}
	return c.err == nil
}

// count counts the schemas that fit, up to enough.
func (c *checker) count(subs []any, value any, at *place, depth, enough int) (n int) {
	for _, sub := range subs {
		if c.fits(sub, value, at, depth) {
			if n++; n == enough {
				break
			}
		}
	}
	return n
}

func list(s map[string]any, keyword string) []any { l, _ := s[keyword].([]any); return l }

func (c *checker) typed(s map[string]any, value any, at *place, depth int) bool {
	switch v := value.(type) {
	case string:
		return c.text(s, v, at)
	case json.Number:
		return c.number(s, v, at)
	case []any:
		return c.array(s, v, at, depth)
	case map[string]any:
		return c.object(s, v, at, depth)
	}
	return true
}

// bounded checks a length against two keywords.
func (c *checker) bounded(s map[string]any, n int, least, most string, at *place) bool {
	if limit, ok := number(s, least); ok && float64(n) < limit {
		return c.fail(at, least)
	}
	if limit, ok := number(s, most); ok && float64(n) > limit {
		return c.fail(at, most)
	}
	return true
}

func number(s map[string]any, keyword string) (float64, bool) {
	n, ok := s[keyword].(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Float64()
	return v, err == nil
}

func (c *checker) text(s map[string]any, v string, at *place) bool {
	if !c.bounded(s, utf8.RuneCountInString(v), "minLength", "maxLength", at) {
		return false
	}
	if p, ok := s["pattern"].(string); ok {
		if re := c.pattern(p); re != nil && !re.MatchString(v) {
			return c.fail(at, "pattern")
		}
	}
	return true
}

// pattern compiles an expression, nil where RE2 does not know it (look-around, back-references).
func (c *checker) pattern(p string) *regexp.Regexp {
	re, ok := c.patterns[p]
	if !ok {
		re, _ = regexp.Compile(p) //nolint:errcheck // nil then
		c.patterns[p] = re
	}
	return re
}

func (c *checker) number(s map[string]any, n json.Number, at *place) bool {
	v, err := n.Float64()
	if err != nil {
		return c.fail(at, "type")
	}
	for _, bound := range [...]struct {
		keyword string
		fails   func(limit float64) bool
	}{
		{"minimum", func(l float64) bool { return v < l }},
		{"exclusiveMinimum", func(l float64) bool { return v <= l }},
		{"maximum", func(l float64) bool { return v > l }},
		{"exclusiveMaximum", func(l float64) bool { return v >= l }},
		{"multipleOf", func(l float64) bool {
			q := v / l
			return l > 0 && math.Abs(q-math.Round(q)) > 1e-9*math.Max(1, math.Abs(q))
		}},
	} {
		if limit, ok := number(s, bound.keyword); ok && bound.fails(limit) {
			return c.fail(at, bound.keyword)
		}
	}
	return true
}
