package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// include merges the files that root names into it, and theirs in turn. Paths
// are relative to the folder of the main file, as in LiteLLM. chain is the way
// from the main file to this one.
func (l *loader) include(root *node, dir string, chain []string) *node {
	if root == nil {
		return nil
	}
	list := root.get("include")
	if list == nil {
		return root
	}
	root = root.without("include")
	items := []*node{list}
	if list.kind == listNode {
		items = list.items
	}
	for _, item := range items {
		if item.isNull() {
			continue
		}
		if item.kind != scalarNode || item.text == "" {
			l.add(Error, item.pos, "include", CodeInclude, "include takes the path of a file or a list of paths, this is %s", item.typeName())
			continue
		}
		if included := l.includeFile(item, dir, chain); included != nil {
			mergeInto(root, included)
		}
	}
	return root
}

// includeFile reads one file with what it includes; nil when there is nothing to merge.
func (l *loader) includeFile(item *node, dir string, chain []string) *node {
	if l.read == nil {
		l.add(Error, item.pos, "include", CodeInclude, "include works only in a configuration that is read from a file; put the content here instead")
		return nil
	}
	path := item.text
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path = filepath.Clean(path)
	same := func(other string) bool { return filepath.Clean(other) == path }
	switch {
	case slices.ContainsFunc(chain, same):
		l.add(Error, item.pos, "include", CodeInclude, "the files include each other in a circle (%s); remove this line", strings.Join(append(chain, path), " -> "))
		return nil
	case slices.ContainsFunc(l.files, same):
		l.add(Warning, item.pos, "include", CodeInclude, "%s is already included and is read once; remove this line", quote(path))
		return nil
	case len(l.files) >= maxFiles:
		l.add(Error, item.pos, "include", CodeTooLarge, "the configuration has more than %d files; join some", maxFiles)
		return nil
	}
	l.files = append(l.files, path)
	data, err := l.read(path)
	if err != nil {
		l.add(Error, item.pos, "include", CodeInclude, "the included file cannot be read: %v", err)
		return nil
	}
	return l.include(l.parseFile(path, data), dir, append(slices.Clone(chain), path))
}

// mergeInto adds an included file: lists grow, the included file's keys win
// within mappings, other values are replaced.
func mergeInto(root, included *node) {
	for _, e := range included.entries {
		have := root.get(e.key)
		switch {
		case have != nil && have.kind == listNode && e.value.kind == listNode:
			have.items = append(have.items, e.value.items...)
		case have != nil && have.kind == mapNode && e.value.kind == mapNode:
			for _, inner := range e.value.entries {
				have.set(inner)
			}
		default:
			root.set(e)
		}
	}
}
