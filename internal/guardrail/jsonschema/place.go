package jsonschema

import "strings"

// place is where something stands in a schema; nil = the schema itself. It is written only where a check fails.
type place struct {
	parent *place
	step   string
}

func (p *place) to(step string) *place { return &place{p, step} }

// String is the place as a JSON pointer.
func (p *place) String() string {
	if p == nil {
		return "#"
	}
	return p.parent.String() + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p.step)
}
