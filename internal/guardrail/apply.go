package guardrail

import (
	"context"
	"time"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

// Apply has one guardrail look at one text, outside of any call, and returns the text as the guardrail leaves it. language and
// extra are for the guardrail, and mostly "" and nil. The error is that of a call: a block, a failure, or an unknown name.
func (s *Set) Apply(ctx context.Context, name, text, language string, extra map[string]any, call *Call) (string, error) {
	for _, p := range s.all() {
		if p.name != name {
			continue
		}
		m := p.pick(time.Now())
		const phase = PreCall
		u := &unit{member: m, phases: []Phase{phase}, extra: extra, language: language}
		r := &Run{set: s, call: call, surface: openai.OpChat, units: []*unit{u}}
		body := &content.Body{Surface: openai.OpChat, Texts: []content.Text{{Kind: content.Plain, Role: "user", Field: "content", Value: text}}}
		texts, _, err := r.chain(ctx, phase, body, nil)
		if err != nil {
			return "", err
		}
		return texts[0], nil
	}
	return "", unknownNames([]string{name}, s.Names())
}
