package jsonschema

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

func (c *checker) array(s map[string]any, v []any, at *place, depth int) bool {
	if !c.bounded(s, len(v), "minItems", "maxItems", at) {
		return false
	}
	if unique, _ := s["uniqueItems"].(bool); unique && !c.unique(v) {
		return c.fail(at, "uniqueItems")
	}
	first, keyword := list(s, "prefixItems"), "prefixItems"
	rest, ok := s["items"]
	if older, is := rest.([]any); is { // up to draft 2019-09
		first, keyword = older, "items"
		rest, ok = s["additionalItems"]
	}
	for i, e := range v {
		switch {
		case i < len(first):
			if !c.check(first[i], e, at.to(keyword).to(strconv.Itoa(i)), depth+1) {
				return false
			}
		case ok:
			if !c.check(rest, e, at.to("items"), depth+1) {
				return false
			}
		}
	}
	return c.contains(s, v, at, depth)
}

// unique reports whether no two elements are the same.
func (c *checker) unique(v []any) bool {
	for i := range v {
		for j := range i {
			if c.steps++; equal(v[i], v[j]) {
				return false
			}
		}
		if c.steps > maxSteps {
			c.err = errTooMuch
			return false
		}
	}
	return true
}

func (c *checker) contains(s map[string]any, v []any, at *place, depth int) bool {
	sub, ok := s["contains"]
	if !ok {
		return true
	}
	n := 0
	for _, e := range v {
		if c.fits(sub, e, at, depth) {
			n++
		}
	}
	least, ok := number(s, "minContains")
	if !ok {
		least = 1
	}
	most, bounded := number(s, "maxContains")
	if float64(n) < least || bounded && float64(n) > most {
		return c.fail(at, "contains")
	}
	return c.err == nil
}

func (c *checker) object(s, v map[string]any, at *place, depth int) bool {
	if !c.bounded(s, len(v), "minProperties", "maxProperties", at) || !c.required(s, v, at) {
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !c.property(s, name, v[name], at, depth) {
			return false
		}
	}
	dependent, _ := s["dependentSchemas"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(dependent)) {
		if _, there := v[name]; there && !c.check(dependent[name], v, at.to("dependentSchemas").to(name), depth+1) {
			return false
		}
	}
	return true
}

func (c *checker) required(s, v map[string]any, at *place) bool {
	there := func(e any) bool {
		name, ok := e.(string)
		_, has := v[name]
		return has || !ok
	}
	for i, e := range list(s, "required") {
		if !there(e) {
			return c.fail(at.to("required"), strconv.Itoa(i))
		}
	}
	dependent, _ := s["dependentRequired"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(dependent)) {
		if _, has := v[name]; has && slices.ContainsFunc(list(dependent, name), func(e any) bool { return !there(e) }) {
			return c.fail(at, "dependentRequired")
		}
	}
	return true
}

// property checks one member of an object.
func (c *checker) property(s map[string]any, name string, value any, at *place, depth int) bool {
	if sub, ok := s["propertyNames"]; ok && !c.check(sub, name, at.to("propertyNames"), depth+1) {
		return false
	}
	known := false
	properties, _ := s["properties"].(map[string]any)
	if sub, ok := properties[name]; ok {
		known = true
		if !c.check(sub, value, at.to("properties").to(name), depth+1) {
			return false
		}
	}
	patterns, _ := s["patternProperties"].(map[string]any)
	for _, p := range slices.Sorted(maps.Keys(patterns)) {
		if re := c.pattern(p); re == nil || re.MatchString(name) {
			known = true
			if re != nil && !c.check(patterns[p], value, at.to("patternProperties").to(p), depth+1) {
				return false
			}
		}
	}
	if sub, ok := s["additionalProperties"]; ok && !known {
		return c.check(sub, value, at.to("additionalProperties"), depth+1)
	}
	return true
}

// unknown are keywords that change what fits and are not known here.
var unknown = []string{"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"}

// lint refuses an operator's schema that would not be checked whole.
func lint(root any) error {
	switch root.(type) {
	case map[string]any, bool:
	default:
		return fmt.Errorf("is no schema: a schema is an object")
	}
	return walk(root, root)
}

func walk(root, at any) error {
	switch v := at.(type) {
	case []any:
		for _, e := range v {
			if err := walk(root, e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range unknown {
			if _, ok := v[name]; ok {
				return fmt.Errorf("has %s, which is not known here", name)
			}
		}
		if ref, ok := v["$ref"].(string); ok {
			if _, ok := resolve(root, ref); !ok {
				return fmt.Errorf("refers to %q, which is not in it; write it into the schema, below $defs", ref)
			}
		}
		if p, ok := v["pattern"].(string); ok {
			if _, err := regexp.Compile(p); err != nil {
				return fmt.Errorf("has a pattern that RE2 does not know (%w): write it without look-around and back-references", err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == "enum" || name == "const" || name == "default" || name == "examples" {
				continue
			}
			if err := walk(root, v[name]); err != nil {
				return err
			}
		}
	}
	return nil
}
