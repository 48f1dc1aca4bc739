package config

import "reflect"

// The values of router_settings that no plain type describes: fallback lists,
// group aliases, fields that callers may override.

// fallbacks reads a list of one-key mappings from an alias to the aliases that
// are tried in its place.
func (l *loader) fallbacks(n *node, path string) []Fallback {
	to, form := slot{path: path}, shape{kind: fallbacksKind}
	if n.kind != listNode {
		l.wrongType(n, form, to)
		return nil
	}
	out := make([]Fallback, 0, len(n.items))
	for i, item := range n.items {
		if item.isNull() {
			continue
		}
		at := itemPath(path, i)
		if item.kind != mapNode || len(item.entries) != 1 {
			l.fallbackForm(item, at)
			continue
		}
		e := item.entries[0]
		out = append(out, Fallback{
			Model: e.key, Targets: l.targets(e.value, keyPath(at, e.key)), Pos: e.keyPos, Path: at,
		})
	}
	return out
}

// fallbackForm says what is wrong with an item that is not a one-key mapping.
func (l *loader) fallbackForm(item *node, path string) {
	if item.kind == mapNode && len(item.entries) > 1 {
		l.add(Error, item.pos, path, CodeBadValue, "one entry names %d aliases; begin a new list item (-) for each", len(item.entries))
		return
	}
	l.add(Error, item.pos, path, CodeWrongType, "an entry must be a mapping with one key, {alias: [alias, ...]}, but it is %s", item.typeName())
}

// targets reads a list of fallback targets: aliases, or mappings with model and
// the fields to override. One alias alone is taken as a list of it.
func (l *loader) targets(n *node, path string) []FallbackTarget {
	items := []*node{n}
	if n.kind == listNode {
		items = n.items
	}
	out := make([]FallbackTarget, 0, len(items))
	for i, item := range items {
		at := path
		if n.kind == listNode {
			at = itemPath(path, i)
		}
		switch {
		case item.isNull():
			l.add(Error, item.pos, at, CodeMissingKey, "a fallback target is empty; name an alias or remove the entry")
		case item.kind == scalarNode:
			out = append(out, FallbackTarget{Model: item.text, Pos: item.pos, Path: at})
		case item.kind == mapNode && !item.get("model").isNull() && item.get("model").kind == scalarNode:
			params, _ := item.without("model").asJSON().(map[string]any)
			out = append(out, FallbackTarget{Model: item.get("model").text, Params: params, Pos: item.pos, Path: at})
		default:
			l.add(Error, item.pos, at, CodeWrongType, "a fallback target must be an alias or a mapping with model, but it is %s", item.typeName())
		}
	}
	return out
}

func (l *loader) groupAlias(n *node, path string) (GroupAlias, bool) {
	if n.kind == scalarNode {
		return GroupAlias{Model: n.text, Pos: n.pos}, true
	}
	if n.kind != mapNode {
		l.wrongType(n, groupAlias, slot{path: path})
		return GroupAlias{}, false
	}
	alias := GroupAlias{Pos: n.pos}
	for _, e := range n.entries {
		at := slot{path: keyPath(path, e.key)}
		switch e.key {
		case "model":
			if e.value.kind != scalarNode {
				l.wrongType(e.value, text, at)
				return alias, false
			}
			alias.Model = e.value.text
		case "hidden":
			hidden, ok := e.value.asBool()
			if !ok && !e.value.isNull() {
				l.wrongType(e.value, boolean, at)
				return alias, false
			}
			alias.Hidden = hidden
		default:
			l.add(Warning, e.keyPos, at.path, CodeUnknownKey, "%s is no key of a group alias and is ignored; it has model and hidden", quote(e.key))
		}
	}
	if alias.Model == "" {
		l.add(Error, n.pos, path, CodeMissingKey, "the alias has no model; name the model_name that it stands for")
		return alias, false
	}
	return alias, true
}

func (l *loader) clientParam(n *node, path string) (ClientsideAuthParam, bool) {
	switch {
	case n.kind == scalarNode:
		return ClientsideAuthParam{Name: n.text}, true
	case n.kind == mapNode && len(n.entries) == 1:
		e := n.entries[0]
		param := ClientsideAuthParam{Name: e.key}
		at := slot{path: keyPath(path, e.key), target: reflect.ValueOf(&param.Pattern).Elem()}
		l.decode(e.value, shape{kind: patternKind}, at)
		return param, param.Pattern != ""
	default:
		l.wrongType(n, shape{kind: clientParamKind}, slot{path: path})
		return ClientsideAuthParam{}, false
	}
}
