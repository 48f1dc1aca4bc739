package dispatch

import (
	"math"
	"slices"
	"time"
)

// verdict is whether a deployment may be asked now.
type verdict uint8

const (
	fit verdict = iota
	blocked
	cooling
	tooSmall // its context window is
	noSlot   // as many calls in flight as it may have
	overRate // its rpm or tpm is used up
)

// limits are the rates that hold for a target under the options and its group's strategy; 0 is none.
func (r *Router) limits(g *group, t *target) (rpm, tpm int64) {
	if r.o.EnforceModelRateLimits || respectsLimits(g.strategy) {
		return t.RPM, t.TPM
	}
	if r.o.EnablePreCallChecks {
		return t.RPM, 0
	}
	return 0, 0
}

// slots is how many calls a target may have in flight; 0 is unbounded. LiteLLM derives it from the rates where
// max_parallel_requests is not given.
func (r *Router) slots(t *target) int64 {
	switch {
	case t.MaxParallel > 0:
		return int64(t.MaxParallel)
	case t.RPM > 0:
		return t.RPM
	case t.TPM > 0:
		return max(1, t.TPM/1000/6)
	}
	return int64(r.o.DefaultMaxParallel)
}

func (r *Router) judge(g *group, t *target, q *Query, now tick) verdict {
	if t.Blocked {
		return blocked
	}
	if !g.pinned && t.health.cooled(now) {
		return cooling
	}
	if r.o.EnablePreCallChecks && t.MaxInputTokens > 0 && q.InputTokens > t.MaxInputTokens {
		return tooSmall
	}
	if limit := r.slots(t); limit > 0 && t.quota.inFlight.Load() >= limit {
		return noSlot
	}
	if rpm, tpm := r.limits(g, t); rpm > 0 || tpm > 0 {
		t.quota.mu.Lock()
		full := over(t.quota.window.at(now), rpm, tpm, t.estimate(q))
		t.quota.mu.Unlock()
		if full {
			return overRate
		}
	}
	return fit
}

// mostTokens bounds the tokens that are counted of one call. No model comes near; sums of such numbers stay far below
// what an int64 holds.
const mostTokens = 1 << 30

// countable bounds a number of tokens that came from outside.
func countable(tokens int) int64 { return int64(min(max(tokens, 0), mostTokens)) }

// estimate is what q may take of the target's tokens. A caller may ask for any number of tokens; what the deployment
// cannot write is not kept from others.
func (t *target) estimate(q *Query) int64 {
	output := q.OutputTokens
	if t.MaxOutputTokens > 0 {
		output = min(output, t.MaxOutputTokens)
	}
	return min(countable(q.InputTokens)+countable(output), mostTokens)
}

// usable appends to buf the deployments of g that may be asked now, whatever their order. The failure says why there
// are none.
func (r *Router) usable(buf []*target, g *group, q *Query, now tick) (list []*target, none *failure) {
	var seen [overRate + 1]int
	list = buf
	for _, t := range g.targets {
		v := r.judge(g, t, q, now)
		seen[v]++
		if v == fit {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return nil, r.whyNone(g, q, now, seen)
	}
	if r.o.EnableTagFiltering && !g.pinned {
		if list = r.byTags(list, q); len(list) == 0 {
			return nil, tagsMiss(g.name, q.Tags)
		}
	}
	return list, nil
}

// candidates are the usable deployments that are not below floor, narrowed to the lowest order.
//
// LiteLLM filters by order before tags and, when that leaves none, goes on to the next order; tags first comes to the
// same deployment without the detour.
func (r *Router) candidates(buf []*target, g *group, q *Query, floor int, broke []*target, now tick) (list []*target, none *failure) {
	if list, none = r.usable(buf, g, q, now); none != nil {
		return nil, none
	}
	list = without(list, broke)
	lowest := math.MaxInt
	for _, t := range list {
		if t.order >= floor {
			lowest = min(lowest, t.order)
		}
	}
	list = slices.DeleteFunc(list, func(t *target) bool { return t.order != lowest || t.order < floor })
	return list, nil
}

// whyNone names the filter that left no deployment, by how many deployments each has taken away.
func (r *Router) whyNone(g *group, q *Query, now tick, seen [overRate + 1]int) *failure {
	switch {
	case seen[blocked] == len(g.targets):
		return paused()
	case seen[tooSmall] > 0 && seen[noSlot]+seen[overRate] == 0:
		return windowExceeded(q.InputTokens)
	case seen[overRate] > 0 && r.o.EnforceModelRateLimits:
		return r.whyOver(g, q, now)
	case seen[noSlot] > 0 && seen[overRate] == 0:
		return noSlots(time.Second)
	}
	var ids []string
	wait := time.Duration(math.MaxInt64)
	for _, t := range g.targets {
		switch r.judge(g, t, q, now) {
		case cooling:
			ids = append(ids, t.ID)
			wait = min(wait, time.Duration(tick(t.health.cooledUntil.Load())-now))
		case overRate:
			wait = min(wait, r.untilFree(g, t, q, now))
		}
	}
	if wait == math.MaxInt64 { // the last one has recovered in between
		wait = time.Second
	}
	return r.noDeployments(g, wait, ids)
}

// whyOver names the limit of the deployment that has room again first.
func (r *Router) whyOver(g *group, q *Query, now tick) *failure {
	var first *target
	wait := time.Duration(math.MaxInt64)
	for _, t := range g.targets {
		if w := r.untilFree(g, t, q, now); w > 0 && w < wait {
			first, wait = t, w
		}
	}
	if first == nil {
		return r.noDeployments(g, time.Second, nil)
	}
	first.quota.mu.Lock()
	defer first.quota.mu.Unlock()
	return overLimit(first, first.quota.window.at(now), wait)
}

func (r *Router) untilFree(g *group, t *target, q *Query, now tick) time.Duration {
	rpm, tpm := r.limits(g, t)
	t.quota.mu.Lock()
	defer t.quota.mu.Unlock()
	return t.quota.window.free(now, rpm, tpm, t.estimate(q))
}

// reserve takes a slot, a request and the estimated tokens of t, unless a concurrent call has taken the last of them.
func (r *Router) reserve(g *group, t *target, q *Query, now tick) (second int64, ok bool) {
	h := t.quota
	h.mu.Lock()
	defer h.mu.Unlock()
	if limit := r.slots(t); limit > 0 && h.inFlight.Load() >= limit {
		return 0, false
	}
	rpm, tpm := r.limits(g, t)
	tokens := t.estimate(q)
	if over(h.window.at(now), rpm, tpm, tokens) {
		return 0, false
	}
	h.inFlight.Add(1) // only here, under mu, so that slots cannot be overrun; releasing needs no lock
	return h.window.add(now, counts{requests: 1, tokens: tokens}), true
}

// pick chooses a deployment of g for the next attempt and reserves its place there. tried deployments come last, so
// that a retry goes elsewhere when it can. The failure says why there is none; there is no attempt either when broke are
// the only ones.
func (r *Router) pick(g *group, q *Query, floor int, stream bool, tried, broke []*target) (*attempt, *failure) {
	for {
		var buf [16]*target
		now := r.state.now()
		list, none := r.candidates(buf[:0], g, q, floor, broke, now)
		if none != nil {
			return nil, none
		}
		if len(list) == 0 && len(broke) > 0 {
			return nil, nil
		}
		if len(list) == 0 { // what is usable lies below floor
			return nil, r.noDeployments(g, time.Second, nil)
		}
		t := r.choose(g, fresh(list, tried), stream, now)
		if second, ok := r.reserve(g, t, q, now); ok {
			return &attempt{r: r, q: q, g: g, t: t, stream: stream, start: now, second: second}, nil
		}
		// Others were faster. Every turn of the loop means that one of them got on, and candidates now sees it.
	}
}

// without leaves some targets out. It reuses list.
func without(list, some []*target) []*target {
	if len(some) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(t *target) bool { return slices.Contains(some, t) })
}

// fresh leaves those out that were tried, unless nothing else is there. It reorders list.
func fresh(list, tried []*target) []*target {
	if len(tried) == 0 {
		return list
	}
	n := 0
	for i, t := range list {
		if !slices.Contains(tried, t) {
			list[n], list[i] = list[i], list[n]
			n++
		}
	}
	if n == 0 {
		return list
	}
	return list[:n]
}
