package config

import (
	"regexp"
	"strings"

	"tollgate/internal/secret"
)

// inAddress finds the password before the host of an address, and one in its query.
var inAddress = regexp.MustCompile(`(?i)([a-z][a-z0-9+.\-]*://[^\s/@:?#]*:|[?&][^=&\s]*(?:password|secret|token|key)[^=&\s]*=)[^\s/@&#]+(@|&|#|$)`)

// Masked returns the parameters as JSON-ready values (see Extra) with every secret
// masked: what /model/info repeats of them. The map is new at each call.
func (p Params) Masked() map[string]any {
	if p.node == nil {
		return map[string]any{}
	}
	out, _ := masked(p.node, object(&litellmParams), false).asJSON().(map[string]any)
	return out
}

// masked is a copy of a tree in which secrets read as the mask. hide is set below
// a key that holds one.
func masked(n *node, s shape, hide bool) *node {
	out := *n
	switch n.kind {
	case listNode:
		out.items = make([]*node, len(n.items))
		for i, item := range n.items {
			out.items[i] = masked(item, s.element(), hide)
		}
	case mapNode:
		out.entries = make([]entry, len(n.entries))
		for i, e := range n.entries {
			inner, secretHere := s.element(), SecretName(e.key)
			if s.kind == sectionKind {
				row, _ := s.section.find(e.key)
				inner, secretHere = row.shape, secretKey(s.section, e.key)
			}
			if e.key == "credential_values" && e.value.kind == mapNode {
				e.value = maskedCredential(e.value)
			} else {
				e.value = masked(e.value, inner, hide || secretHere)
			}
			out.entries[i] = e
		}
	default:
		switch {
		case hide && !n.isNull():
			out.tag, out.text = "!!str", secret.Mask
		case strings.Contains(n.text, "://"):
			out.text = inAddress.ReplaceAllString(n.text, "${1}"+secret.Mask+"${2}")
		}
	}
	return &out
}

// maskedCredential hides every value of a credential that the table does not know as harmless: a provider may take any name.
func maskedCredential(n *node) *node {
	out := *n
	out.entries = make([]entry, len(n.entries))
	for i, e := range n.entries {
		row, known := litellmParams.find(e.key)
		e.value = masked(e.value, row.shape, !known || row.isPattern() || secretKey(&litellmParams, e.key))
		out.entries[i] = e
	}
	return &out
}
