package budget

import (
	"context"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/quota"
)

// extendWait bounds how long a stream stands still for more money.
const extendWait = 100 * time.Millisecond

// Hold is what a call under way may cost, on every scope that pays for it. End it with Settle or Release, once; later
// calls of either have no effect. Safe for concurrent use. A nil Hold is one of no scopes.
type Hold struct {
	book   *Book
	hold   quota.Hold
	scopes []Scope
}

// Amount is how much the call may cost now; money.Max without scopes.
func (h *Hold) Amount() money.USD {
	if h == nil || len(h.scopes) == 0 {
		return money.Max
	}
	return money.USD(h.hold.Amount(0))
}

// Extend holds more on all scopes, or on none and reports false. It never waits longer than a tenth of a second.
func (h *Hold) Extend(ctx context.Context, more money.USD) bool {
	if h == nil || len(h.scopes) == 0 || more <= 0 {
		return true
	}
	lines := make([]quota.Line, len(h.scopes))
	for i := range h.scopes {
		lines[i] = line(&h.scopes[i], more, more)
	}
	return h.book.quota.Extend(ctx, &h.hold, lines, extendWait) == nil
}

// Settle says what the call has cost, which may be more than was held, and ends the hold.
func (h *Hold) Settle(cost money.USD) {
	if h == nil {
		return
	}
	if h.hold.End(int64(cost)) && cost > 0 {
		h.book.settled(h, cost)
	}
}

// Release ends the hold of a call that has cost nothing.
func (h *Hold) Release() { h.Settle(0) }

// KeySpend is the spend and the cap of the scope that the reply's headers show, as far as known here: before Settle without
// the call's cost, after it with the cost. ok is false when no scope has Header.
func (h *Hold) KeySpend() (spent, limit money.USD, ok bool) {
	if h == nil {
		return 0, 0, false
	}
	for i := range h.scopes {
		if h.scopes[i].Header {
			return money.USD(h.hold.Standing(i).Used), h.scopes[i].Cap, true
		}
	}
	return 0, 0, false
}
