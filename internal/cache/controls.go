package cache

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// controls are what one call says of the cache, as LiteLLM names it: the body's object cache, its boolean caching, and the
// header Cache-Control, over which the body's word counts.
type controls struct {
	noCache   bool           // do not look
	noStore   bool           // do not keep
	ttl       *time.Duration // how long the answer is kept; nil = as configured
	maxAge    *time.Duration // only entries that are younger; nil = any
	namespace string
	use       *bool // use-cache, or caching; nil = as configured
}

const (
	// longestTTL bounds what a caller may ask for.
	longestTTL = 365 * 24 * time.Hour
	// longestNamespace bounds a namespace, in bytes.
	longestNamespace = 128
)

// Controls lists the members of a body's object cache, in its order, for who allows only some of them to a key. A namespace
// that stands in the metadata is one of them.
func Controls(r *openai.Request) []string {
	var names []string
	if metadataNamespace(r) != "" {
		names = append(names, "namespace")
	}
	raw, ok := r.Get("cache")
	if !ok {
		return names
	}
	members, err := jsonscan.InnerObject(raw, nil)
	if err != nil {
		return names // no object: Plan refuses it
	}
	for i := range members {
		names = append(names, string(members[i].Name))
	}
	return names
}

// metadataNamespace is LiteLLM's other place for a namespace.
func metadataNamespace(r *openai.Request) string {
	raw, ok := r.Get("metadata")
	if !ok || raw[0] != '{' {
		return ""
	}
	members, err := jsonscan.InnerObject(raw, nil)
	if err != nil {
		return ""
	}
	return openai.StringMember(members, "redis_namespace")
}

// readControls reads them. The error is an *openai.ParseError.
func readControls(call *Call) (controls, error) {
	var c controls
	r := call.Request
	for _, line := range call.Header["Cache-Control"] {
		c.header(line, call.Allowed)
	}
	if raw, ok := r.Get("caching"); ok {
		switch string(raw) {
		case "true":
			c.use = new(true)
		case "false":
			c.use = new(false)
		default:
			return c, wrong("caching", "expected a boolean")
		}
	}
	c.namespace = metadataNamespace(r)
	if err := c.body(r); err != nil {
		return c, err
	}
	return c, checkNamespace(c.namespace)
}

func wrong(param, what string) error {
	return &openai.ParseError{Param: param, Message: fmt.Sprintf("Invalid value for '%s': %s.", param, what)}
}

// body reads the object cache.
func (c *controls) body(r *openai.Request) error {
	raw, ok := r.Get("cache")
	if !ok {
		return nil
	}
	if raw[0] != '{' {
		return wrong("cache", `expected an object such as {"no-cache": true} or {"ttl": 600}; to switch the cache for this call use 'caching' with a boolean`)
	}
	members, err := jsonscan.InnerObject(raw, nil)
	if err != nil {
		return wrong("cache", err.Error())
	}
	for i := range members {
		if string(members[i].Value) == "null" {
			continue
		}
		if err := c.member(string(members[i].Name), members[i].Value, members); err != nil {
			return err
		}
	}
	return nil
}

// member reads one member of cache. Those of other names are left alone, as LiteLLM leaves them.
func (c *controls) member(name string, value []byte, all []jsonscan.Member) (err error) {
	switch name {
	case "no-cache":
		c.noCache, err = flag(name, value)
	case "no-store":
		c.noStore, err = flag(name, value)
	case "use-cache":
		var use bool
		if use, err = flag(name, value); err == nil {
			c.use = &use
		}
	case "ttl":
		c.ttl, err = seconds(name, value)
	case "s-maxage", "s-max-age":
		c.maxAge, err = seconds(name, value)
	case "namespace":
		if value[0] != '"' {
			return wrong("cache.namespace", "expected a string")
		}
		c.namespace = openai.StringMember(all, name)
	}
	return err
}

func flag(name string, value []byte) (bool, error) {
	switch string(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, wrong("cache."+name, "expected a boolean")
}

func seconds(name string, value []byte) (*time.Duration, error) {
	s, err := strconv.ParseFloat(string(value), 64)
	if err != nil || s < 0 || math.IsNaN(s) {
		return nil, wrong("cache."+name, "expected a number of seconds that is not negative")
	}
	return new(min(time.Duration(min(s, longestTTL.Seconds())*float64(time.Second)), longestTTL)), nil
}

// header reads a Cache-Control: no-cache, no-store and max-age as HTTP has them, s-maxage as LiteLLM has it, which is how long
// the answer is kept. What it does not understand is ignored, as HTTP has it, and so is what is not allowed: browsers and
// proxies send the header without being asked.
func (c *controls) header(line string, allowed []string) {
	for directive := range strings.SplitSeq(line, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		name = strings.ToLower(name)
		if len(allowed) > 0 && !slices.Contains(allowed, inBody[name]) {
			continue
		}
		switch name {
		case "no-cache":
			c.noCache = true
		case "no-store":
			c.noStore = true
		case "max-age":
			if d, err := seconds(name, []byte(strings.Trim(value, `"`))); err == nil {
				c.maxAge = d
			}
		case "s-maxage":
			if d, err := seconds(name, []byte(strings.Trim(value, `"`))); err == nil {
				c.ttl = d
			}
		}
	}
}

// inBody are the directives of a Cache-Control by the body's names.
var inBody = map[string]string{"no-cache": "no-cache", "no-store": "no-store", "max-age": "s-maxage", "s-maxage": "ttl"}

func checkNamespace(name string) error {
	if len(name) > longestNamespace {
		return wrong("cache.namespace", fmt.Sprintf("at most %d bytes", longestNamespace))
	}
	for _, b := range []byte(name) {
		if b <= ' ' || b >= 0x7f {
			return wrong("cache.namespace", "expected letters, digits and signs of ASCII without spaces")
		}
	}
	return nil
}
