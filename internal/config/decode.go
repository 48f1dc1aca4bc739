package config

import (
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/secret"
)

// slot is where a value goes and what is known about it on the way.
type slot struct {
	path   string
	target reflect.Value // settable; the zero Value when the value is only checked
	masked bool          // a secret: messages must not quote it
	quiet  bool          // below a key without effect, which was said once already
}

// keyPath is the path of a key below path. A key too long to be one is cut, since
// every value below it repeats it.
func keyPath(path, key string) string {
	const most = 80
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "..."
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func itemPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// element is the shape of what a list or mapping of this shape holds.
func (s shape) element() shape {
	switch s.kind {
	case listKind, mappingKind, oneOrMoreKind:
		return *s.elem
	default:
		return anything
	}
}

// decode checks n against a shape and, where the slot has a target, stores it.
// A value that does not fit is reported and the target left as it was.
func (l *loader) decode(n *node, s shape, to slot) {
	if n.isNull() {
		return
	}
	l.positions[to.path] = n.pos
	if to.target.IsValid() && to.target.Type() == reflect.TypeFor[Values]() {
		to.target.Set(reflect.ValueOf(Values{node: n}))
		to.target = reflect.Value{} // what is in it is only checked
	}
	switch s.kind {
	case anyKind:
		to.store(n.asJSON())
	case listKind:
		l.decodeList(n, *s.elem, to)
	case oneOrMoreKind:
		l.decodeOneOrMore(n, *s.elem, to)
	case mappingKind:
		l.decodeMapping(n, *s.elem, to)
	case sectionKind:
		l.decodeSection(n, s.section, to)
	case fallbacksKind:
		to.store(l.fallbacks(n, to.path))
	case targetsKind:
		to.store(l.targets(n, to.path))
	case aliasKind:
		if alias, ok := l.groupAlias(n, to.path); ok {
			to.store(alias)
		}
	case clientParamKind:
		if param, ok := l.clientParam(n, to.path); ok {
			to.store(param)
		}
	default:
		l.decodeScalar(n, s, to)
	}
}

// store puts a value of the shape's natural Go type into the target.
func (to slot) store(value any) {
	if !to.target.IsValid() || value == nil {
		return
	}
	target := to.target
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	if s, isText := value.(string); isText && target.Type() == reflect.TypeFor[secret.String]() {
		value = secret.New(s)
	}
	target.Set(reflect.ValueOf(value).Convert(target.Type()))
}

func (l *loader) decodeScalar(n *node, s shape, to slot) {
	if n.kind != scalarNode {
		l.wrongType(n, s, to)
		return
	}
	switch s.kind {
	case textKind:
		to.store(n.text)
	case booleanKind:
		storeIf(l, n, s, to, n.asBool)
	case verifyKind:
		on, isBool := n.asBool()
		if isBool {
			to.store(SSLVerify{Disabled: !on})
		} else {
			to.store(SSLVerify{CAFile: n.text})
		}
	case integerKind, signedKind:
		if i, ok := n.asInt(); ok && i < 0 && s.kind == integerKind {
			l.badValue(n, to, "must not be negative")
			return
		}
		storeIf(l, n, s, to, n.asInt)
	case numberKind:
		if f, ok := n.asFloat(); ok && f < 0 {
			l.badValue(n, to, "must not be negative")
			return
		}
		storeIf(l, n, s, to, n.asFloat)
	case secondsKind:
		l.decodeSeconds(n, s, to)
	case decimalKind:
		if f, ok := n.asFloat(); ok && f < 0 {
			l.badValue(n, to, "must not be negative")
			return
		}
		storeIf(l, n, s, to, n.asDecimal)
	default:
		l.decodeWord(n, s, to)
	}
}

// decodeWord is decodeScalar for texts that must be of some kind.
func (l *loader) decodeWord(n *node, s shape, to slot) {
	switch s.kind {
	case choiceKind, hintKind:
		if !slices.Contains(s.choices, n.text) {
			severity := Error
			if s.kind == hintKind {
				severity = Warning
			}
			l.add(severity, n.pos, to.path, CodeBadValue, "%s is not among the values of this key (%s)%s",
				shown(n, to), strings.Join(s.choices, ", "), l.didYouMean(n.text, s.choices))
			if severity == Error {
				return
			}
		}
	case patternKind:
		if _, err := regexp.Compile(n.text); err != nil {
			l.badValue(n, to, "is not a regular expression of Go (RE2, which has no look-around)")
			return
		}
	case addressKind:
		_, addrErr := netip.ParseAddr(n.text)
		_, rangeErr := netip.ParsePrefix(n.text)
		if addrErr != nil && rangeErr != nil {
			l.badValue(n, to, "is neither an IP address nor a range such as 10.0.0.0/8")
			return
		}
	}
	to.store(n.text)
}

// maxSeconds is what any time in a file may be: far past every use, and far from
// the end of time.Duration.
const maxSeconds = 1e9

func (l *loader) decodeSeconds(n *node, s shape, to slot) {
	f, ok := n.asFloat()
	switch {
	case !ok:
		l.wrongType(n, s, to)
	case f < 0:
		l.badValue(n, to, "must not be negative")
	case f > maxSeconds:
		l.badValue(n, to, "is longer than thirty years; it is in seconds")
	default:
		to.store(time.Duration(f * float64(time.Second)))
	}
}

// storeIf stores what read gives, or reports that the value has the wrong type.
func storeIf[T any](l *loader, n *node, s shape, to slot, read func() (T, bool)) {
	if value, ok := read(); ok {
		to.store(value)
	} else {
		l.wrongType(n, s, to)
	}
}

func (l *loader) decodeList(n *node, elem shape, to slot) {
	if n.kind != listNode {
		l.wrongType(n, list(elem), to)
		return
	}
	for i, item := range n.items {
		if item.isNull() {
			continue
		}
		inner := to
		inner.path = itemPath(to.path, i)
		if to.target.IsValid() {
			inner.target = reflect.New(to.target.Type().Elem()).Elem()
		}
		before := len(l.found)
		l.decode(item, elem, inner)
		if to.target.IsValid() && !l.found[before:].HasErrors() {
			to.target.Set(reflect.Append(to.target, inner.target))
		}
	}
}

func (l *loader) decodeOneOrMore(n *node, elem shape, to slot) {
	if n.kind == listNode {
		l.decodeList(n, elem, to)
		return
	}
	if to.target.IsValid() && to.target.Kind() == reflect.Slice {
		one := &node{kind: listNode, pos: n.pos, items: []*node{n}}
		l.decodeList(one, elem, to)
		return
	}
	l.decode(n, elem, to)
}

func (l *loader) decodeMapping(n *node, elem shape, to slot) {
	if n.kind != mapNode {
		l.wrongType(n, mapOf(elem), to)
		return
	}
	if to.target.IsValid() {
		to.target.Set(reflect.MakeMapWithSize(to.target.Type(), len(n.entries)))
	}
	for _, e := range n.entries {
		inner := to
		inner.path = keyPath(to.path, e.key)
		if to.target.IsValid() {
			inner.target = reflect.New(to.target.Type().Elem()).Elem()
		}
		l.decode(e.value, elem, inner)
		if to.target.IsValid() && !e.value.isNull() {
			to.target.SetMapIndex(reflect.ValueOf(e.key), inner.target)
		}
	}
}

// filled is implemented by structs that take more from their mapping than single fields.
type filled interface {
	filled(n *node, path string)
}

// decodeSection decodes a mapping by its rows of the table; a struct as target
// gets the rows for which it has a field, their defaults included.
func (l *loader) decodeSection(n *node, s *section, to slot) {
	if n.kind != mapNode {
		l.wrongType(n, object(s), to)
		return
	}
	for _, e := range n.entries {
		inner := slot{path: keyPath(to.path, e.key), masked: to.masked, quiet: to.quiet}
		if e.path != "" {
			inner.path = e.path
		}
		k, known := s.find(e.key)
		if !known {
			l.unknownKey(e, s, inner)
			continue
		}
		inner.masked = inner.masked || k.masked
		if !k.effective {
			l.noticeAccepted(e, s, inner)
			inner.quiet = true
		}
		inner.target = fieldFor(to.target, e.key)
		l.decode(e.value, k.shape, inner)
	}
	if !to.target.IsValid() {
		return
	}
	l.applyDefaults(n, s, to)
	if f, ok := to.target.Addr().Interface().(filled); ok {
		f.filled(n, to.path)
	}
}

// applyDefaults fills the fields whose keys are absent: from the key's
// environment variable, else with LiteLLM's default.
func (l *loader) applyDefaults(n *node, s *section, to slot) {
	for _, k := range s.keys {
		nested := k.shape.kind == sectionKind
		if !nested && k.standard == "" && k.variable == "" {
			continue
		}
		field := fieldFor(to.target, k.name)
		if !field.IsValid() || !n.get(k.name).isNull() {
			continue
		}
		if nested {
			l.decode(&node{kind: mapNode}, k.shape, slot{path: keyPath(to.path, k.name), target: field})
			continue
		}
		value := &node{kind: scalarNode, tag: "!!str", text: k.standard}
		if fromEnv, ok := l.lookup(k.variable); k.variable != "" && ok && fromEnv != "" {
			value.text, value.variable = fromEnv, k.variable
		}
		if value.text != "" {
			l.decode(value, k.shape, slot{path: keyPath(to.path, k.name), target: field, masked: k.masked})
		}
	}
}

// fieldFor is the field of a struct that is tagged with a key, or the zero Value.
func fieldFor(target reflect.Value, key string) reflect.Value {
	if !target.IsValid() || target.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	for i := range target.NumField() {
		tag := target.Type().Field(i).Tag.Get("key")
		if tag == key || strings.Contains(tag, ",") && slices.Contains(strings.Split(tag, ","), key) {
			return target.Field(i)
		}
	}
	return reflect.Value{}
}
