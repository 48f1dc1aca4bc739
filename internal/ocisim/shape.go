package ocisim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shape checks one place of a request body. The service refuses what it does not know: a wrong name, type or value is a
// 400. The shapes of the requests read like the documentation's tables: see shapes.go.
type shape func(at string, v any) *serviceError

// fields are the members of an object; a name that ends in "!" is mandatory. Null counts as absent everywhere.
type fields map[string]shape

// object takes exactly the given members.
func object(members fields) shape {
	known := make(fields, len(members))
	var needed []string
	for name, member := range members {
		name, must := strings.CutSuffix(name, "!")
		if known[name] = member; must {
			needed = append(needed, name)
		}
	}
	slices.Sort(needed)
	return func(at string, v any) *serviceError {
		m, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "an object")
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			member, ok := known[name]
			if !ok {
				return unknownField(join(at, name))
			}
			if m[name] == nil {
				continue
			}
			if err := member(join(at, name), m[name]); err != nil {
				return err
			}
		}
		for _, name := range needed {
			if m[name] == nil {
				return missingParameter("%s must not be null", join(at, name))
			}
		}
		return nil
	}
}

// unknownField is refused under a code of its own, which a variant sets when the error is written.
func unknownField(at string) *serviceError {
	return unparsable("%s: unknown field %s", correctFormat, at)
}

// correctFormat begins the text that was seen for a key that the service does not know.
const correctFormat = "Please pass in correct format of request"

func wrongType(at, want string) *serviceError {
	return unparsable("%s: %s must be %s", correctFormat, at, want)
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// oneOf is an object whose members depend on the text in its tag.
func oneOf(tag string, variants map[string]fields) shape {
	kinds := make(map[string]shape, len(variants))
	for name, members := range variants {
		with := maps.Clone(members)
		with[tag+"!"] = words(name)
		kinds[name] = object(with)
	}
	names := slices.Sorted(maps.Keys(variants))
	return func(at string, v any) *serviceError {
		m, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "an object")
		}
		name, _ := m[tag].(string)
		kind, ok := kinds[name]
		if !ok {
			return badParameter("%s must be one of %s", join(at, tag), strings.Join(names, ", "))
		}
		return kind(at, v)
	}
}

// list takes an array of the given element, of at most most elements (0: any number).
func list(element shape, most int) shape {
	return func(at string, v any) *serviceError {
		a, ok := v.([]any)
		if !ok {
			return wrongType(at, "an array")
		}
		if most > 0 && len(a) > most {
			return badParameter("%s must have at most %d elements", at, most)
		}
		for i, e := range a {
			if err := element(fmt.Sprintf("%s[%d]", at, i), e); err != nil {
				return err
			}
		}
		return nil
	}
}

func text(at string, v any) *serviceError {
	if _, ok := v.(string); !ok {
		return wrongType(at, "a string")
	}
	return nil
}

func flag(at string, v any) *serviceError {
	if _, ok := v.(bool); !ok {
		return wrongType(at, "a boolean")
	}
	return nil
}

func anything(string, any) *serviceError { return nil }

func anyObject(at string, v any) *serviceError {
	if _, ok := v.(map[string]any); !ok {
		return wrongType(at, "an object")
	}
	return nil
}

// words is a string out of a set.
func words(allowed ...string) shape {
	return func(at string, v any) *serviceError {
		s, ok := v.(string)
		if !ok {
			return wrongType(at, "a string")
		}
		if !slices.Contains(allowed, s) {
			return badParameter("%s must be one of %s", at, strings.Join(allowed, ", "))
		}
		return nil
	}
}

// number is a number in a range, both ends included.
func number(low, high float64) shape {
	return func(at string, v any) *serviceError {
		n, ok := v.(json.Number)
		if !ok {
			return wrongType(at, "a number")
		}
		f, err := n.Float64()
		if err != nil || f < low || f > high {
			return badParameter("%s must be between %g and %g", at, low, high)
		}
		return nil
	}
}

// integer is a whole number in a range, both ends included.
func integer(low, high int64) shape {
	return func(at string, v any) *serviceError {
		n, ok := v.(json.Number)
		if !ok {
			return wrongType(at, "an integer")
		}
		i, err := n.Int64()
		if err != nil {
			return wrongType(at, "an integer")
		}
		if i < low || i > high {
			return badParameter("%s must be between %d and %d", at, low, high)
		}
		return nil
	}
}

// textMap is an object of strings with limits on its size.
func textMap(pairs, keyLength, valueLength int) shape {
	return func(at string, v any) *serviceError {
		m, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "an object")
		}
		if len(m) > pairs {
			return badParameter("%s must have at most %d pairs", at, pairs)
		}
		for key, value := range m {
			s, ok := value.(string)
			if !ok {
				return wrongType(join(at, key), "a string")
			}
			if len(key) > keyLength || len(s) > valueLength {
				return badParameter("%s: keys have at most %d characters and values %d", at, keyLength, valueLength)
			}
		}
		return nil
	}
}
