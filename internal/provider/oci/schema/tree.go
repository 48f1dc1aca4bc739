package schema

import (
	"encoding/json"

	"tollgate/internal/jsonscan"
)

// node is a JSON value whose objects keep the order of their members.
type node struct {
	kind     byte // '{', '[' or 0
	size     int  // of the text it was read from, in bytes
	raw      []byte
	members  []member
	elements []*node
}

type member struct {
	name  string
	value *node
}

func parse(raw []byte, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, ErrTooDeep
	}
	switch raw[0] {
	case '{':
		members, err := jsonscan.Object(raw, nil)
		if err != nil {
			return nil, err
		}
		n := &node{kind: '{', size: len(raw), members: make([]member, 0, len(members))}
		for _, m := range members {
			value, err := parse(m.Value, depth+1)
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{string(m.Name), value})
		}
		return n, nil
	case '[':
		elements, err := jsonscan.Array(raw, nil)
		if err != nil {
			return nil, err
		}
		n := &node{kind: '[', size: len(raw), elements: make([]*node, 0, len(elements))}
		for _, e := range elements {
			value, err := parse(e, depth+1)
			if err != nil {
				return nil, err
			}
			n.elements = append(n.elements, value)
		}
		return n, nil
	}
	return &node{raw: raw, size: len(raw)}, nil
}

// append writes the value behind dst.
func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case '{':
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(jsonscan.AppendString(dst, m.name), ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		for i, e := range n.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, n.raw...)
}

// get returns the member called name, nil when n has none.
func (n *node) get(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (n *node) set(name string, value *node) {
	for i := range n.members {
		if n.members[i].name == name {
			n.members[i].value = value
			return
		}
	}
	n.members = append(n.members, member{name, value})
}

// text is the decoded string, "" for everything else.
func (n *node) text() string {
	var s string
	if len(n.raw) > 0 && n.raw[0] == '"' && json.Unmarshal(n.raw, &s) == nil {
		return s
	}
	return ""
}

func word(s string) *node { return &node{raw: jsonscan.Text(s)} }

func isWord(n *node, s string) bool { return n != nil && n.text() == s }
