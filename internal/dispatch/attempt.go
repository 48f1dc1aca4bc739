package dispatch

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// timeoutPenalty is the latency that a timeout counts as for latency-based-routing, in seconds.
const timeoutPenalty = 1000

// attempt is one deployment asked once. It holds a slot of the deployment from pick until release.
type attempt struct {
	r         *Router
	q         *Query
	g         *group
	t         *target
	name      string // the alias being served
	overrides []jsonscan.Field
	stream    bool
	start     tick
	second    int64 // the window's second in which its request and tokens were counted
	released  atomic.Bool

	// What Record needs; written when the attempt ends, by the goroutine that calls Record.
	sampled bool
	number  uint64 // of its latency sample
	seconds float64
}

// target is what the caller's function gets to see.
func (a *attempt) target() Target {
	d := a.t.Deployment
	if a.q.Mock.answers() {
		d = mocked(d, &a.q.Mock)
	}
	return Target{Deployment: d, Group: a.name, Overrides: a.overrides}
}

// release gives the slot back. It may be called more than once and from any goroutine.
func (a *attempt) release() {
	if a.released.CompareAndSwap(false, true) {
		a.t.quota.inFlight.Add(-1)
	}
}

// timeout bounds a unary attempt and a stream's wait for each next chunk; 0 is unbounded.
func (a *attempt) timeout() time.Duration {
	return firstSet(a.q.Timeout, a.t.Timeout, a.r.o.Timeout)
}

// firstChunkTimeout bounds a stream's wait for its first chunk.
func (a *attempt) firstChunkTimeout() time.Duration {
	return firstSet(a.q.StreamTimeout, a.t.StreamTimeout, a.r.o.StreamTimeout, a.timeout())
}

func firstSet(list ...time.Duration) time.Duration {
	for _, d := range list {
		if d > 0 {
			return d
		}
	}
	return 0
}

// unary runs do under the attempt's timeout.
func (a *attempt) unary(ctx context.Context, do func(context.Context) error) error {
	limit := a.timeout()
	if limit <= 0 {
		return do(ctx)
	}
	late := &expired{what: "The upstream did not answer in time.", limit: limit}
	bounded, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	err := do(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(bounded), late) {
		return late.upstreamError(a.t.Deployment)
	}
	return err
}

// attempt picks a deployment of s and asks it. t is nil when there was none to ask.
func (c *call) attempt(ctx context.Context, s *stage, floor int) (f *failure, t *target) {
	if ctx.Err() != nil {
		return left(ctx), nil
	}
	if c.q.Mock.RateLimitError && !c.rateLimited {
		c.rateLimited = true
		return mockRateLimit(s.name), nil
	}
	a, none := c.pick(ctx, s, floor)
	if none != nil {
		return none, nil
	}
	return c.ask(ctx, a), a.t
}

// pick chooses a deployment whose budgets bear the call.
func (c *call) pick(ctx context.Context, s *stage, floor int) (*attempt, *failure) {
	for {
		a, none := c.r.pick(s.g, c.q, floor, c.stream, s.tried, c.broke)
		switch {
		case none != nil:
			return nil, none
		case a == nil:
			return nil, crossedBudget(c.why)
		}
		a.name, a.overrides = s.name, s.overrides
		if c.q.Pay == nil {
			return a, nil
		}
		err := c.q.Pay(ctx, a.target())
		if err == nil {
			return a, nil
		}
		a.giveBack()
		c.broke, c.why = append(c.broke, a.t), err
	}
}

// ask runs one attempt and books its outcome.
func (c *call) ask(ctx context.Context, a *attempt) (f *failure) {
	start := time.Now()
	returned := false
	defer func() {
		if !returned { // a panic passes through
			a.release()
		}
	}()
	err := c.exec(ctx, a)
	returned = true

	if err == nil {
		if !c.stream {
			a.release()
			a.succeeded()
		}
		c.out.Deployment, c.out.Group, c.out.FellBack, c.out.answered = a.t.Deployment, a.name, c.nested, a
		c.book(a, start, nil)
		return nil
	}
	a.release()
	if ctx.Err() != nil {
		f = left(ctx)
	} else {
		f = classify(err)
		a.failed(f)
	}
	if !f.billed {
		a.unreserve()
	}
	c.book(a, start, f)
	return f
}

// book adds the attempt to the outcome and tells the observer.
func (c *call) book(a *attempt, start time.Time, f *failure) {
	entry := Attempt{Deployment: a.t.Deployment, Group: a.name, Start: start, Duration: time.Since(start), Status: http.StatusOK}
	if f != nil {
		entry.Err, entry.Status, entry.MaybeBilled = f.cause, f.status, f.billed
	}
	c.out.Attempts = append(c.out.Attempts, entry)
	if hook := c.r.o.Hooks.Attempt; hook != nil {
		hook(entry)
	}
}

// succeeded counts an answer and its latency. Of a stream this is its end.
func (a *attempt) succeeded() {
	now := a.r.state.now()
	a.seconds, a.sampled = time.Duration(now-a.start).Seconds(), true
	h := a.t.health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.window.add(now, counts{successes: 1})
	a.number = h.latency.push(now, a.seconds, a.g.args.MaxLatencyListSize)
}

// failed counts a failure that is the deployment's and cools it when the rules say so.
func (a *attempt) failed(f *failure) {
	if !countsForCooldown(f) {
		return
	}
	now := a.r.state.now()
	h := a.t.health
	h.mu.Lock()
	h.window.add(now, counts{failures: 1})
	if f.reason == provider.Timeout {
		s := &h.latency
		if a.stream {
			s = &h.firstChunk
		}
		s.push(now, timeoutPenalty, a.g.args.MaxLatencyListSize)
	}
	cool := a.r.coolLocked(a.g, a.t, f, now)
	h.mu.Unlock()
	if hook := a.r.o.Hooks.Cooldown; cool > 0 && hook != nil {
		hook(a.t.Deployment, f.status, cool)
	}
}

// giveBack undoes the attempt's reservation: nobody was asked.
func (a *attempt) giveBack() {
	a.release()
	a.t.quota.mu.Lock()
	defer a.t.quota.mu.Unlock()
	a.t.quota.window.amend(a.r.state.now(), a.second, counts{requests: -1, tokens: -a.t.estimate(a.q)})
}

// unreserve gives back the tokens of a call that the upstream has not worked on. Its request stays counted: the
// upstream has seen it.
func (a *attempt) unreserve() { a.amendTokens(-a.t.estimate(a.q)) }

func (a *attempt) amendTokens(delta int64) {
	if delta == 0 {
		return
	}
	h := a.t.quota
	h.mu.Lock()
	defer h.mu.Unlock()
	h.window.amend(a.r.state.now(), a.second, counts{tokens: delta})
}

// record settles the reserved tokens to the real usage; see Outcome.Record.
func (a *attempt) record(u openai.Usage) {
	a.amendTokens(countable(u.TotalTokens) - a.t.estimate(a.q))
	if a.sampled && u.CompletionTokens > 0 {
		h := a.t.health
		h.mu.Lock()
		defer h.mu.Unlock()
		h.latency.amend(a.number, a.seconds/float64(u.CompletionTokens))
	}
}
