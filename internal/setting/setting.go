// Package setting reads the settings of one integration (a guardrail, a cache, a callback) out of the free-form part of the
// configuration, with the environment variables that LiteLLM reads in their place. Faults are collected and named by
// their full path, so that an operator sees all of them at once.
package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/secret"
)

// Map is the settings of one integration. It is read by one goroutine, while the integration is opened.
type Map struct {
	path   string
	values map[string]any
	getenv func(string) string
	asked  map[string]bool
	faults []error
}

// New makes a Map of values as encoding/json knows them. path is where they stand in the configuration, for messages;
// getenv looks up environment variables, nil = there are none.
func New(path string, values map[string]any, getenv func(string) string) *Map {
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	return &Map{path: path, values: values, getenv: getenv, asked: map[string]bool{}}
}

// Fault notes a fault of a setting, or of the integration as a whole when name is "".
func (m *Map) Fault(name, format string, args ...any) {
	where := m.path
	if name != "" {
		where += "." + name
	}
	m.faults = append(m.faults, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

// Err returns all faults so far, nil when there are none.
func (m *Map) Err() error { return errors.Join(m.faults...) }

// Unknown lists the settings that nobody has asked for, sorted.
func (m *Map) Unknown() []string {
	var names []string
	for name := range m.values {
		if !m.asked[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Has reports whether the configuration gives a setting; null counts as absent.
func (m *Map) Has(name string) bool { _, ok := m.get(name); return ok }

func (m *Map) get(name string) (any, bool) {
	m.asked[name] = true
	v, ok := m.values[name]
	return v, ok && v != nil
}

// Text reads a text, "" when it is absent. A value "os.environ/NAME" is that variable; without a value the first variable
// of env that is set is taken.
func (m *Map) Text(name string, env ...string) string {
	v, ok := m.get(name)
	if !ok {
		return m.fromEnv(env)
	}
	switch v := v.(type) {
	case string:
		if variable, is := strings.CutPrefix(v, "os.environ/"); is {
			return m.getenv(variable)
		}
		if v == "" {
			return m.fromEnv(env)
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	m.Fault(name, "must be a text")
	return ""
}

func (m *Map) fromEnv(names []string) string {
	for _, name := range names {
		if v := m.getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// Need is Text for a setting that must not be absent.
func (m *Map) Need(name string, env ...string) string {
	v := m.Text(name, env...)
	if v == "" {
		m.missing(name, env)
	}
	return v
}

func (m *Map) missing(name string, env []string) {
	if len(env) > 0 {
		m.Fault(name, "is missing; give it here or in the environment variable %s", strings.Join(env, " or "))
		return
	}
	m.Fault(name, "is missing")
}

// Secret is Text for what must not be printed.
func (m *Map) Secret(name string, env ...string) secret.String {
	return secret.New(m.Text(name, env...))
}

// NeedSecret is Secret for a setting that must not be absent.
func (m *Map) NeedSecret(name string, env ...string) secret.String {
	return secret.New(m.Need(name, env...))
}

// Choice is Text for one of a few words; the first one is what an absent setting means.
func (m *Map) Choice(name string, choices ...string) string {
	v := m.Text(name)
	if v == "" {
		return choices[0]
	}
	if !slices.Contains(choices, v) {
		m.Fault(name, "must be one of %s", strings.Join(choices, ", "))
		return choices[0]
	}
	return v
}

// Flag reads a boolean, also out of a text such as "true"; standard when it is absent.
func (m *Map) Flag(name string, standard bool, env ...string) bool {
	text := m.Text(name, env...)
	if text == "" {
		return standard
	}
	v, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		m.Fault(name, "must be true or false")
		return standard
	}
	return v
}

// Number reads a number; standard when it is absent.
func (m *Map) Number(name string, standard float64, env ...string) float64 {
	text := m.Text(name, env...)
	if text == "" {
		return standard
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		m.Fault(name, "must be a number")
		return standard
	}
	return v
}

// Int reads a whole number that is not negative; standard when it is absent.
func (m *Map) Int(name string, standard int, env ...string) int {
	text := m.Text(name, env...)
	if text == "" {
		return standard
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 {
		m.Fault(name, "must be a whole number that is not negative")
		return standard
	}
	return v
}

// Seconds reads a length of time in seconds; standard when it is absent.
func (m *Map) Seconds(name string, standard time.Duration, env ...string) time.Duration {
	const longest = 1e9
	v := m.Number(name, standard.Seconds(), env...)
	if v < 0 || v > longest {
		m.Fault(name, "must be a number of seconds that is not negative")
		return standard
	}
	return time.Duration(v * float64(time.Second))
}

// Texts reads a list of texts, or one text, nil when it is absent. Out of a variable it is a list with commas.
func (m *Map) Texts(name string, env ...string) []string {
	v, ok := m.get(name)
	if !ok {
		return split(m.fromEnv(env))
	}
	switch v := v.(type) {
	case string:
		return split(v)
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				m.Fault(name, "must be a list of texts")
				return nil
			}
			list = append(list, s)
		}
		return list
	}
	m.Fault(name, "must be a list of texts")
	return nil
}

func split(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// Into decodes a setting of any shape into v, as encoding/json does, and refuses fields that v does not have. It reports
// whether the setting was there and fitted.
func (m *Map) Into(name string, v any) bool {
	value, ok := m.get(name)
	if !ok {
		return false
	}
	text, err := json.Marshal(value)
	if err != nil {
		m.Fault(name, "%v", err)
		return false
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		m.Fault(name, "%s", strings.TrimPrefix(err.Error(), "json: "))
		return false
	}
	return true
}

// Any returns a setting as encoding/json knows it, nil when it is absent.
func (m *Map) Any(name string) any { v, _ := m.get(name); return v }

// Path is where the settings stand in the configuration.
func (m *Map) Path() string { return m.path }

// Getenv looks up an environment variable.
func (m *Map) Getenv(name string) string { return m.getenv(name) }
