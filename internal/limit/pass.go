package limit

import (
	"time"

	"tollgate/internal/quota"
)

// Pass is a call that was admitted. Settle it when its tokens are known, and Close it when it has ended. A nil Pass has
// no rules. Safe for concurrent use.
type Pass struct {
	limiter *Limiter
	hold    quota.Hold
	rules   []Rule
	limits  []limited // of the hold's lines
	few     [6]limited
}

// limited is what a line of the hold counts.
type limited struct {
	rule int
	kind Type
}

// Settle says how many tokens the call has used. What was counted too many of comes back, within the window in which the
// call was admitted; what was counted too few of is counted in the window that is open now.
func (p *Pass) Settle(tokens int64) {
	if p == nil {
		return
	}
	for i, at := range p.limits {
		if at.kind == Tokens {
			p.hold.Correct(i, tokens)
		}
	}
}

// Close ends the call: its slots are free. Later calls have no effect.
func (p *Pass) Close() {
	if p != nil && len(p.limits) > 0 {
		p.hold.End(0)
	}
}

// Remaining is how one limit stands.
type Remaining struct {
	Descriptor, Value string
	Type              Type
	Limit, Remaining  int64
	ResetAt           time.Time // zero for Parallel
}

// Remaining lists how the limits stand, as far as this replica knows: for the headers
// x-ratelimit-{descriptor}-remaining-{requests,tokens}.
func (p *Pass) Remaining() []Remaining {
	if p == nil {
		return nil
	}
	list := make([]Remaining, 0, len(p.limits))
	for i, at := range p.limits {
		r, standing := &p.rules[at.rule], p.hold.Standing(i)
		list = append(list, Remaining{
			Descriptor: r.Descriptor, Value: r.Value, Type: at.kind,
			Limit: standing.Cap, Remaining: max(0, standing.Cap-standing.Used), ResetAt: standing.ResetAt,
		})
	}
	return list
}
