package remote

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

// sideBySide is how many calls one check makes at a time, where a vendor takes one text per call.
const sideBySide = 4

// Values are the texts themselves.
func Values(texts []content.Text) []string {
	out := make([]string, len(texts))
	for i := range texts {
		out[i] = texts[i].Value
	}
	return out
}

// Message is a text with who says it, as most vendors take it.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Messages makes a message of each text, one for one, so that an answer about the i-th message is about the i-th text. roles
// are those that the vendor knows; other is what any further one becomes, and user what has no role becomes.
func Messages(texts []content.Text, other string, roles ...string) []Message {
	out := make([]Message, len(texts))
	for i, t := range texts {
		role := t.Role
		switch {
		case role == "":
			role = "user"
		case !slices.Contains(roles, role):
			role = other
		}
		out[i] = Message{role, t.Value}
	}
	return out
}

// Each calls do for 0 to n-1, a few side by side, and returns the first error, with which the others are cancelled.
func Each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(sideBySide)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// Tally counts findings by kind. The zero value is empty; it is not safe for concurrent use.
type Tally struct {
	found map[string]*guardrail.Finding
}

// Add counts one finding. Of several scores the highest stands, of several actions the last.
func (t *Tally) Add(kind string, action guardrail.Action, score float64) {
	if t.found == nil {
		t.found = map[string]*guardrail.Finding{}
	}
	f := t.found[kind]
	if f == nil {
		f = &guardrail.Finding{Kind: kind}
		t.found[kind] = f
	}
	f.Count++
	f.Action, f.Score = action, max(f.Score, score)
}

// Findings are what was counted, by kind.
func (t *Tally) Findings() []guardrail.Finding {
	var out []guardrail.Finding
	for _, kind := range slices.Sorted(maps.Keys(t.found)) {
		out = append(out, *t.found[kind])
	}
	return out
}

// With counts the findings and says what becomes of them all.
func (t *Tally) With(action guardrail.Action) []guardrail.Finding {
	out := t.Findings()
	for i := range out {
		out[i].Action = action
	}
	return out
}
