package config

import (
	"strings"

	"tollgate/internal/secret"
)

// reference begins a value that stands for an environment variable. It counts
// only when it is the whole value: LiteLLM replaces nothing inside a text.
const reference = "os.environ/"

// readEnvironment resolves environment_variables first: what it sets is in force
// for every other reference and default (BerriAI/litellm#22088).
func (l *loader) readEnvironment(root *node) {
	n := root.get("environment_variables")
	if n == nil || n.kind != mapNode {
		return
	}
	for _, e := range n.entries {
		l.resolve(e.value, text, "environment_variables."+e.key, Error)
		if e.value.kind == scalarNode && !e.value.isNull() {
			l.environment[e.key] = secret.New(e.value.text)
		}
	}
}

// lookup finds a variable in environment_variables, then in the process.
func (l *loader) lookup(name string) (string, bool) {
	if value, ok := l.environment[name]; ok {
		return value.Reveal(), true
	}
	if l.env == nil {
		return "", false
	}
	return l.env(name)
}

// resolve replaces the references in a tree. severity is what a missing variable
// is there: it falls from Error to Warning below keys without effect, and to
// Notice where LiteLLM does without the value too, and where the usual variable of
// one of OCI's parameters is not set, since another principal may sign then.
func (l *loader) resolve(n *node, s shape, path string, severity Severity) {
	switch n.kind {
	case listNode:
		for i, item := range n.items {
			l.resolve(item, s.element(), itemPath(path, i), severity)
		}
	case mapNode:
		for _, e := range n.entries {
			inner, grade := s.element(), severity
			if s.kind == sectionKind {
				k, known := s.section.find(e.key)
				switch {
				case !known && s.section == &topLevel:
					continue // LiteLLM reads it not at all; aliases to it are resolved where they stand
				case known && (k.lenient || k.usual && e.value.text == reference+strings.ToUpper(e.key)):
					grade = Notice
				case known && !k.effective:
					grade = max(severity, Warning)
				case !known && !s.section.open:
					grade = Warning
				}
				grade, inner = max(grade, severity), k.shape
			}
			l.resolve(e.value, inner, keyPath(path, e.key), grade)
		}
	default:
		l.resolveScalar(n, path, severity)
	}
}

func (l *loader) resolveScalar(n *node, path string, severity Severity) {
	name, whole := strings.CutPrefix(n.text, reference)
	switch {
	case n.tag != "!!str" || n.variable != "":
		return
	case !whole:
		if strings.Contains(n.text, reference) {
			l.add(Warning, n.pos, path, CodePartialReference, "os.environ/ is replaced only when it is the whole value; put the whole text into the variable")
		}
		return
	case name == "":
		l.add(Error, n.pos, path, CodeBadValue, "os.environ/ names no variable; write os.environ/NAME")
	default:
		value, found := l.lookup(name)
		if found && value != "" {
			n.text, n.variable = value, name
			// LiteLLM gives these two texts as booleans.
			if value == "True" || value == "False" {
				n.tag = "!!bool"
			}
			return
		}
		state := "is not set"
		if found {
			state = "is set but empty"
		}
		remedy := "set it, or remove this line"
		if severity == Notice {
			remedy = "the value counts as absent"
		}
		l.add(severity, n.pos, path, CodeMissingVariable, "the environment variable %s %s; %s", name, state, remedy)
	}
	n.text, n.tag = "", "!!null"
}
