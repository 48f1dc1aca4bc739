package config

import (
	"slices"
	"strings"
)

// The table of keys. Every key that a configuration may hold is in one of the
// key*.go files of this package, once, with its type, whether it is served, and
// one sentence. Known-ness, type checks, "accepted, no effect" notices, nearest
// names, defaults and the JSON schema all come from there. Whoever makes a key
// effective turns its accepted( into served( and gives it a field in types.go.

// section is a group of keys: a mapping of the file.
type section struct {
	name string
	doc  string
	// open: LiteLLM passes unknown keys on instead of ignoring them, so only
	// one that looks like a misspelling is worth a word.
	open bool
	// required are the keys that Load insists on.
	required []string
	keys     []key
}

// key is one row of the table.
type key struct {
	// name is the key; "*" matches any run of characters ("aws_*").
	name  string
	shape shape
	doc   string
	// effective: something in the gateway uses the value.
	effective bool
	// masked: the value is a secret.
	masked bool
	// lenient: a missing environment variable leaves the key unset, as in LiteLLM.
	lenient bool
	// usual: so does its usual variable alone (OCI_USER of oci_user); a name of the operator's own is one that must be there.
	usual bool
	// variable is the environment variable that gives the value when the key is absent.
	variable string
	// standard is the default, as it would be written in the file.
	standard string
}

func served(name string, s shape, doc string) key {
	return key{name: name, shape: s, doc: doc, effective: true}
}

func accepted(name string, s shape, doc string) key {
	return key{name: name, shape: s, doc: doc}
}

func (k key) secret() key               { k.masked = true; return k }
func (k key) optional() key             { k.lenient = true; return k }
func (k key) optionalAsUsual() key      { k.usual = true; return k }
func (k key) env(variable string) key   { k.variable = variable; return k }
func (k key) defaults(value string) key { k.standard = value; return k }
func (k key) isPattern() bool           { return strings.Contains(k.name, "*") }

// find returns the row of a key; an exact name wins over a pattern.
func (s section) find(name string) (key, bool) {
	if i := slices.IndexFunc(s.keys, func(k key) bool { return k.name == name }); i >= 0 {
		return s.keys[i], true
	}
	if i := slices.IndexFunc(s.keys, func(k key) bool { return k.isPattern() && matchesWildcard(k.name, name) }); i >= 0 {
		return s.keys[i], true
	}
	return key{}, false
}

// shapeKind says what kind of value a key takes.
type shapeKind int

const (
	anyKind         shapeKind = iota
	textKind                  // a scalar, taken as text
	booleanKind               // true, false, and the words and texts for them
	integerKind               // a whole number from 0
	signedKind                // a whole number
	numberKind                // a number from 0
	secondsKind               // a time from 0
	decimalKind               // a number from 0, its digits kept
	choiceKind                // one of a list of texts, anything else is an error
	hintKind                  // one of a list of texts, anything else is a warning
	patternKind               // a regular expression
	addressKind               // an IP address or a CIDR range
	listKind                  // a list of elem
	oneOrMoreKind             // elem, or a list of it
	mappingKind               // any keys to elem
	sectionKind               // a mapping with the keys of a section
	fallbacksKind             // a list of one-key mappings
	targetsKind               // a list of fallback targets
	aliasKind                 // a text or {model, hidden}
	clientParamKind           // a text or a one-key mapping to a pattern
	verifyKind                // a boolean or a path
)

// shape is a type of value.
type shape struct {
	kind    shapeKind
	elem    *shape
	section *section
	choices []string
}

var (
	anything      = shape{kind: anyKind}
	text          = shape{kind: textKind}
	boolean       = shape{kind: booleanKind}
	integer       = shape{kind: integerKind}
	signed        = shape{kind: signedKind}
	number        = shape{kind: numberKind}
	seconds       = shape{kind: secondsKind}
	decimal       = shape{kind: decimalKind}
	texts         = list(text)
	textOrTexts   = shape{kind: oneOrMoreKind, elem: &text}
	mapping       = mapOf(anything)
	textMap       = mapOf(text)
	patterns      = list(shape{kind: patternKind})
	addresses     = list(shape{kind: addressKind})
	fallbackLists = shape{kind: fallbacksKind}
	targets       = shape{kind: targetsKind}
	clientParams  = list(shape{kind: clientParamKind})
	ociAuth       = choice("auto", "api_key", "security_token", "instance_principal", "resource_principal", "oke_workload_identity")
	verify        = shape{kind: verifyKind}
)

func list(elem shape) shape         { return shape{kind: listKind, elem: &elem} }
func mapOf(elem shape) shape        { return shape{kind: mappingKind, elem: &elem} }
func object(s *section) shape       { return shape{kind: sectionKind, section: s} }
func choice(values ...string) shape { return shape{kind: choiceKind, choices: values} }
func hint(values ...string) shape   { return shape{kind: hintKind, choices: values} }
