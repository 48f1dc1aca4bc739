package schema

import (
	"slices"
	"strings"
)

// resolve follows a $ref, whose siblings (a description) win over what it leads to. A reference that is being
// inlined already, or leads nowhere, becomes any object: a recursive type cannot be written out.
func (w *rewriter) resolve(in *node, stack []string) (*node, []string) {
	for {
		ref := in.get("$ref")
		if ref == nil {
			return in, stack
		}
		pointer := ref.text()
		target := w.lookup(pointer)
		if target == nil || slices.Contains(stack, pointer) || target.kind != '{' {
			target = &node{kind: '{', members: []member{{"type", word("object")}}}
		}
		stack = append(slices.Clip(stack), pointer)
		in = overlay(target, in, "$ref")
	}
}

// lookup follows a JSON pointer within the document.
func (w *rewriter) lookup(pointer string) *node {
	path, ok := strings.CutPrefix(pointer, "#")
	if !ok {
		return nil
	}
	at := w.root
	for _, step := range strings.Split(path, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if at = at.get(step); at == nil {
			return nil
		}
	}
	return at
}

// overlay returns base with the members of top put over it, but for the one called except.
func overlay(base, top *node, except string) *node {
	out := &node{kind: '{', members: slices.Clone(base.members)}
	for _, m := range top.members {
		if m.name != except {
			out.set(m.name, m.value)
		}
	}
	return out
}

// without is a copy of n that lacks one member.
func without(n *node, name string) *node {
	return overlay(&node{kind: '{'}, n, name)
}

// mergeAllOf folds the branches of allOf into one schema: pydantic wraps a single reference in it, and the
// properties of several branches add up.
func (w *rewriter) mergeAllOf(in *node, stack []string) (*node, []string) {
	all := in.get("allOf")
	if all == nil {
		return in, stack
	}
	out := &node{kind: '{'}
	for _, branch := range append(slices.Clip(all.elements), without(in, "allOf")) {
		branch, stack = w.resolve(branch, stack)
		for _, m := range branch.members {
			have := out.get(m.name)
			switch {
			case have != nil && m.name == "properties":
				out.set(m.name, overlay(have, m.value, ""))
			case have != nil && m.name == "required":
				out.set(m.name, &node{kind: '[', elements: append(slices.Clip(have.elements), m.value.elements...)})
			default:
				out.set(m.name, m.value)
			}
		}
	}
	return without(out, "allOf"), stack
}

// collapse replaces a union that has one branch besides null by that branch. Google's dialect has no unions at
// all: texts with enums are joined, else the first branch stands and the description tells of the others.
func (w *rewriter) collapse(in *node, stack []string) (*node, []string) {
	for _, keyword := range []string{"anyOf", "oneOf"} {
		union := in.get(keyword)
		if union == nil {
			continue
		}
		var branches []*node
		for _, b := range union.elements {
			if b.kind == '{' && !isWord(b.get("type"), "null") {
				branches = append(branches, b)
			}
		}
		if len(branches) == 0 || (len(branches) > 1 && w.dialect != Google) {
			continue
		}
		chosen, inner := w.resolve(branches[0], stack)
		rest := without(in, keyword)
		if len(branches) > 1 {
			chosen = w.joined(chosen, branches[1:], stack)
			if note := rest.get("description"); note != nil && chosen.get("description") != nil {
				chosen.set("description", word(note.text()+" "+chosen.get("description").text()))
				rest = without(rest, "description")
			}
		}
		out := overlay(chosen, rest, "")
		return w.collapse(out, inner)
	}
	return in, stack
}

// joined is first with what its siblings would also allow.
func (w *rewriter) joined(first *node, siblings []*node, stack []string) *node {
	out := without(first, "const")
	values := enumOf(first)
	var others []string
	for _, s := range siblings {
		s, _ = w.resolve(s, stack)
		more := enumOf(s)
		if values == nil || more == nil {
			values = nil
		} else {
			values = append(slices.Clip(values), more...)
		}
		others = append(others, string(s.append(nil)))
	}
	if values != nil {
		out.set("enum", &node{kind: '[', elements: values})
		return out
	}
	if c := first.get("const"); c != nil {
		out.set("const", c)
	}
	note := "Alternatively a value of this JSON schema: " + strings.Join(others, " or ")
	if d := first.get("description"); d != nil {
		note = d.text() + " " + note
	}
	out.set("description", word(note))
	return out
}

func enumOf(n *node) []*node {
	if e := n.get("enum"); e != nil {
		return e.elements
	}
	if c := n.get("const"); c != nil {
		return []*node{c}
	}
	return nil
}
