package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits on one configuration. They are far above what is met in the field
// (a thousand deployments are about 20,000 nodes) and keep a hostile or broken
// file from taking memory or time: aliases multiply, and each use counts.
const (
	maxFileBytes = 8 << 20
	maxNodes     = 250_000
	maxKeys      = 10_000 // of one mapping
	maxDepth     = 64
	maxFiles     = 100
)

// parseFile turns the bytes of one file into a tree. It returns nil after an
// error, and an empty mapping for an empty file.
func (l *loader) parseFile(name string, data []byte) *node {
	start := Position{File: name, Line: 1, Column: 1}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > maxFileBytes {
		l.add(Error, start, "", CodeTooLarge, "the file is larger than %d MB; split it with include, or remove what is not configuration", maxFileBytes>>20)
		return nil
	}
	if !utf8.Valid(data) {
		l.add(Error, invalidUTF8(name, data), "", CodeEncoding, "the file is not UTF-8; save it as UTF-8 without other encodings")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return &node{kind: mapNode, pos: start}
	case err != nil:
		l.syntaxError(name, data, err)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		if len(second.Content) > 0 && second.Content[0].ShortTag() != "!!null" {
			l.add(Error, positionOf(name, second.Content[0]), "", CodeSyntax, "a second YAML document begins here (after ---); a configuration is one document, so join them")
		}
	} else if !errors.Is(err, io.EOF) {
		l.syntaxError(name, data, err)
		return nil
	}
	root := l.expand(name, &doc)
	switch {
	case root == nil:
		return nil
	case root.isNull():
		return &node{kind: mapNode, pos: start}
	case root.kind != mapNode:
		l.add(Error, root.pos, "", CodeWrongType, "the file holds %s; a configuration is a mapping with keys such as model_list", root.typeName())
		return nil
	}
	return root
}

func positionOf(file string, y *yaml.Node) Position {
	return Position{File: file, Line: max(y.Line, 1), Column: max(y.Column, 1)}
}

// invalidUTF8 is the place of the first byte that is not UTF-8.
func invalidUTF8(name string, data []byte) Position {
	pos := Position{File: name, Line: 1, Column: 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		pos.Column++
		if r == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
		data = data[size:]
	}
	return pos
}

// The YAML library says place and cause in the text of its errors alone.
var (
	yamlLine      = regexp.MustCompile(`^line (\d+): `)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.+)' referenced`)
)

// find is the place of the first occurrence of a text, else of the beginning.
func find(name string, data []byte, text string) Position {
	before, _, found := strings.Cut(string(data), text)
	if !found {
		before = ""
	}
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return Position{File: name, Line: strings.Count(before, "\n") + 1, Column: column}
}

// syntaxError reports what the YAML library could not read. The library's line is
// sometimes one off; for tabs, the commonest cause, the true place is looked up.
func (l *loader) syntaxError(name string, data []byte, err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	pos := Position{File: name, Line: 1, Column: 1}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		pos.Line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		l.add(Error, find(name, data, "*"+m[1]), "", CodeSyntax, "the alias *%s has no anchor &%s above it; define it or correct the name", m[1], m[1])
		return
	}
	lines := strings.Split(string(data), "\n")
	for line := max(pos.Line-1, 1); line <= min(pos.Line+1, len(lines)); line++ {
		text := lines[line-1]
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			l.add(Error, Position{File: name, Line: line, Column: tab + 1}, "", CodeSyntax, "a tab stands in the indentation; YAML allows spaces only, so replace it")
			return
		}
	}
	if at := min(pos.Line, len(lines)); at >= 1 {
		text := lines[at-1]
		pos.Line = at
		pos.Column = len(text) - len(strings.TrimLeft(text, " ")) + 1
	}
	l.add(Error, pos, "", CodeSyntax, "this is not valid YAML: %s; check the indentation, quotes and colons here and one line above", message)
}

// count adds to the values of the configuration and reports whether it is still
// within the limit.
func (l *loader) count(values int) bool {
	l.nodes += values
	return l.nodes <= maxNodes
}

// expansion is the walk that turns yaml.Node graphs into a tree.
type expansion struct {
	*loader
	file   string
	active map[*yaml.Node]bool // aliases being expanded: an alias inside its own anchor
	failed bool
}

// expand replaces aliases and merge keys. It returns nil when the file breaks a limit.
func (l *loader) expand(file string, doc *yaml.Node) *node {
	x := &expansion{loader: l, file: file, active: make(map[*yaml.Node]bool)}
	if len(doc.Content) == 0 {
		return &node{kind: scalarNode, tag: "!!null", pos: positionOf(file, doc)}
	}
	n := x.walk(doc.Content[0], "", 0)
	if x.failed {
		return nil
	}
	return n
}

func (x *expansion) fail(y *yaml.Node, path, code, format string, args ...any) *node {
	pos := positionOf(x.file, y)
	x.failed = true
	x.add(Error, pos, path, code, format, args...)
	return &node{kind: scalarNode, tag: "!!null", pos: pos}
}

func (x *expansion) walk(y *yaml.Node, path string, depth int) *node {
	if x.failed {
		return &node{kind: scalarNode, tag: "!!null"}
	}
	if !x.count(1) {
		return x.fail(y, path, CodeTooLarge, "the configuration has more than %d values once its aliases are expanded; remove nested aliases", maxNodes)
	}
	if depth > maxDepth {
		return x.fail(y, path, CodeTooLarge, "values are nested deeper than %d levels; flatten them", maxDepth)
	}
	n := &node{pos: positionOf(x.file, y), anchored: y.Anchor != ""}
	switch y.Kind {
	case yaml.AliasNode:
		if x.active[y.Alias] {
			return x.fail(y, path, CodeSyntax, "the alias *%s stands inside its own anchor; a value cannot contain itself", y.Value)
		}
		x.active[y.Alias] = true
		n = x.walk(y.Alias, path, depth)
		delete(x.active, y.Alias)
		// The place of the value stays where it is written; that it is an
		// anchor matters there, not here.
		n.anchored = false
		return n
	case yaml.SequenceNode:
		n.kind = listNode
		for i, child := range y.Content {
			item := x.walk(child, itemPath(path, i), depth+1)
			n.anchored = n.anchored || item.anchored
			n.items = append(n.items, item)
		}
	case yaml.MappingNode:
		n.kind = mapNode
		x.mapping(y, n, path, depth)
	default:
		x.scalar(y, n, path)
	}
	return n
}

// mapping fills n with the entries of y: its own keys, then what merge keys bring
// for the keys that are still absent.
func (x *expansion) mapping(y *yaml.Node, n *node, path string, depth int) {
	if len(y.Content)/2 > maxKeys {
		x.fail(y, path, CodeTooLarge, "a mapping has more than %d keys; split it", maxKeys)
		return
	}
	own := make(map[string]Position, len(y.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		keyNode, valueNode := y.Content[i], y.Content[i+1]
		if keyNode.Kind == yaml.ScalarNode && keyNode.ShortTag() == "!!merge" {
			merges = append(merges, valueNode)
			continue
		}
		if keyNode.Kind == yaml.AliasNode && keyNode.Alias.Kind == yaml.ScalarNode {
			keyNode = keyNode.Alias
		}
		pos := positionOf(x.file, y.Content[i])
		if keyNode.Kind != yaml.ScalarNode {
			x.fail(y.Content[i], path, CodeSyntax, "a key is a list or a mapping; keys are plain texts (a value that begins with { or [ needs quotes)")
			return
		}
		if first, twice := own[keyNode.Value]; twice {
			x.add(Error, pos, keyPath(path, keyNode.Value), CodeDuplicateKey, "the key %s is already in this mapping (line %d); remove one", quote(keyNode.Value), first.Line)
			continue
		}
		own[keyNode.Value] = pos
		value := x.walk(valueNode, keyPath(path, keyNode.Value), depth+1)
		n.anchored = n.anchored || value.anchored
		n.entries = append(n.entries, entry{key: keyNode.Value, keyPos: pos, value: value})
	}
	for _, merge := range merges {
		x.merge(merge, n, own, path, depth)
	}
}

// merge brings in a `<<` value: a mapping or a list of mappings, the earlier of
// which wins. Keys already in own stay.
func (x *expansion) merge(y *yaml.Node, n *node, own map[string]Position, path string, depth int) {
	value := x.walk(y, path, depth+1)
	sources := []*node{value}
	if value.kind == listNode {
		sources = value.items
	}
	for _, source := range sources {
		if x.failed {
			return
		}
		if source.kind != mapNode {
			x.add(Error, positionOf(x.file, y), keyPath(path, "<<"), CodeWrongType, "the merge key << takes a mapping or a list of mappings, this is %s", source.typeName())
			continue
		}
		if len(n.entries)+len(source.entries) > maxKeys {
			x.fail(y, path, CodeTooLarge, "a mapping has more than %d keys once its merge keys are expanded; split it", maxKeys)
			return
		}
		for _, e := range source.entries {
			if _, have := own[e.key]; !have {
				own[e.key] = e.keyPos
				n.entries = append(n.entries, e)
			}
		}
	}
}

// scalar fills n from a scalar of YAML's core types; other tags have no meaning here.
func (x *expansion) scalar(y *yaml.Node, n *node, path string) {
	n.kind, n.text, n.tag = scalarNode, y.Value, y.ShortTag()
	switch n.tag {
	case "!!str":
		if y.Style == 0 && plainBool.MatchString(y.Value) {
			n.tag = "!!bool"
		}
	case "!!int", "!!float", "!!bool", "!!null":
	case "!!timestamp", "!!merge":
		n.tag = "!!str"
	default:
		x.add(Error, n.pos, path, CodeSyntax, "the tag %s is not supported; write the value without a tag", quote(n.tag))
		n.tag = "!!str"
	}
}
