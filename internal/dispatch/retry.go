package dispatch

import (
	"context"
	"math"
	"slices"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
)

// The back-off between retries (LiteLLM's INITIAL_RETRY_DELAY, MAX_RETRY_DELAY and JITTER).
const (
	initialRetryDelay = 500 * time.Millisecond
	maxRetryDelay     = 8 * time.Second
	jitter            = 0.75
	// longestWait is the longest Retry-After that a caller is made to sit through.
	longestWait = 60 * time.Second
	// longestSleep bounds what all retries of a call sleep: agents' clients give up after 120 s, and their own retries
	// multiply with these.
	longestSleep = 100 * time.Second
)

// call is one Query on its way.
type call struct {
	r      *Router
	q      *Query
	stream bool
	// exec asks a deployment. It returns nil when the answer, or a stream's first chunk, is there.
	exec func(ctx context.Context, a *attempt) error
	out  *Outcome

	visited     []*group // never asked twice in one call
	left        int      // fallback aliases that may still be tried
	nested      bool     // fallbacks are being tried
	slept       time.Duration
	rateLimited bool      // mock_testing_rate_limit_error has been played
	broke       []*target // whose budgets do not bear the call
	why         error     // of the last one of them
}

// stage is a group in its role in a call.
type stage struct {
	name      string // the alias that led to it
	g         *group
	overrides []jsonscan.Field
	attempts  int
	tried     []*target // in the order in which they were asked, with repeats
}

// run makes a call. The Outcome is never nil, the error is an *apierr.Error.
func (r *Router) run(ctx context.Context, q *Query, stream bool, exec func(context.Context, *attempt) error) (*Outcome, error) {
	c := &call{r: r, q: q, stream: stream, exec: exec, out: &Outcome{Group: q.Alias}, left: r.o.MaxFallbacks}
	if q.MaxFallbacks != nil {
		c.left = *q.MaxFallbacks
	}
	g := r.lookup(q.Alias, q.SpecificDeployment)
	if g == nil {
		return c.out, UnknownModel(q.Operation, q.Alias)
	}
	if f := c.serve(ctx, &stage{name: q.Alias, g: g}); f != nil {
		return c.out, f.api()
	}
	return c.out, nil
}

// levels asks the deployments of the lowest order with all their retries, then those of the next one, and so on. The
// first failure is the one that is told.
func (c *call) levels(ctx context.Context, s *stage) *failure {
	var first *failure
	floor := math.MinInt
	for {
		f, order := c.level(ctx, s, floor)
		if f == nil || f.kind == gone {
			return f
		}
		if first == nil {
			first = f
		}
		if f.kind != upstream || ofRequest(f.reason) || order == math.MaxInt || !c.reaches(s, order+1) {
			return first
		}
		floor = order + 1
	}
}

// reaches reports whether a deployment of at least this order may be asked.
func (c *call) reaches(s *stage, order int) bool {
	var buf [16]*target
	list, none := c.r.candidates(buf[:0], s.g, c.q, order, c.broke, c.r.state.now())
	return none == nil && len(list) > 0
}

// level makes a first attempt and its retries. It returns the first failure, and the highest order that was asked
// (math.MaxInt when that was the last).
func (c *call) level(ctx context.Context, s *stage, floor int) (first *failure, order int) {
	order = math.MinInt
	sleeps := 0
	for n := 0; ; n++ {
		f, t := c.attempt(ctx, s, floor)
		s.attempts++
		c.out.Retries = s.attempts - 1
		if f == nil {
			return nil, order
		}
		if first == nil {
			first = f
			first.maxRetries = c.retries(s, t, f)
		}
		first.retries = n
		if t != nil {
			s.tried = append(s.tried, t)
			order = max(order, t.order)
		} else if order == math.MinInt {
			order = math.MaxInt
		}
		if f.kind == gone {
			return f, order
		}
		healthy, untried := c.usable(s)
		if n >= first.maxRetries || !c.retryable(s, f, healthy) {
			return first, order
		}
		wait := c.pause(s, f, sleeps, untried)
		if !c.affords(ctx, wait) {
			return first, order
		}
		if gone := sleep(ctx, wait); gone != nil {
			return gone, order
		}
		if wait > 0 {
			sleeps++
		}
	}
}

// usable is how many deployments of the group may be asked now, and how many of them have not been.
func (c *call) usable(s *stage) (healthy, untried int) {
	var buf [16]*target
	list, _ := c.r.usable(buf[:0], s.g, c.q, c.r.state.now())
	list = without(list, c.broke)
	for _, t := range list {
		if !slices.Contains(s.tried, t) {
			untried++
		}
	}
	return len(list), untried
}

// retries is how often a failure may be retried: the deployment's num_retries, else the policy's for its class, else
// the request's, else the router's. A request that is at fault itself is retried only when a policy says so.
func (c *call) retries(s *stage, t *target, f *failure) int {
	policy := c.policy(s, f.reason)
	switch {
	case f.kind == callersOwn && policy != nil:
		return *policy
	case f.kind == callersOwn:
		return 0
	case t != nil && t.NumRetries != nil:
		return *t.NumRetries
	case policy != nil:
		return *policy
	case c.q.NumRetries != nil:
		return *c.q.NumRetries
	}
	return c.r.o.NumRetries
}

// policy is the number of retries that the group's policy, else the router's, gives a class of failure.
func (c *call) policy(s *stage, reason provider.Reason) *int {
	for _, name := range [...]string{s.name, s.g.name} {
		if p, ok := c.r.o.GroupRetryPolicy[name]; ok {
			if n := p.of(reason); n != nil {
				return n
			}
		}
	}
	return c.r.o.RetryPolicy.of(reason)
}

func (p *RetryPolicy) of(reason provider.Reason) *int {
	if p == nil {
		return nil
	}
	switch reason {
	case provider.BadRequest, provider.Unprocessable, provider.ContextWindow:
		return p.BadRequest
	case provider.ContentPolicy:
		if p.ContentPolicy == nil {
			return p.BadRequest // LiteLLM's class is a BadRequestError too
		}
		return p.ContentPolicy
	case provider.Authentication:
		return p.Authentication
	case provider.Timeout:
		return p.Timeout
	case provider.RateLimit:
		return p.RateLimit
	case provider.InternalServer:
		return p.InternalServer
	}
	return nil
}

// retryable applies LiteLLM's list of what is never retried: a model that the upstream does not know, a context or
// content refusal that has fallbacks, a refused key with no other deployment, and anything with no healthy deployment
// left.
func (c *call) retryable(s *stage, f *failure, healthy int) bool {
	switch {
	case f.kind == unavailable || f.own != nil && f.kind == callersOwn:
		return false
	case f.kind == callersOwn && c.policy(s, f.reason) == nil:
		return false
	case f.reason == provider.NotFound:
		return false
	case f.reason == provider.Authentication && len(s.g.targets) <= 1:
		return false
	case f.reason == provider.ContextWindow || f.reason == provider.ContentPolicy:
		if c.classLists(f.reason) != nil {
			return false
		}
		// The same words get the same refusal of the same deployment; another may have a larger window.
		if c.policy(s, f.reason) == nil && !slices.ContainsFunc(s.g.targets, func(t *target) bool { return !slices.Contains(s.tried, t) }) {
			return false
		}
	}
	return healthy > 0
}

// ofRequest reports whether a class of failure says that the request itself does not fit.
func ofRequest(reason provider.Reason) bool {
	return reason == provider.ContextWindow || reason == provider.ContentPolicy
}

// pause is the sleep before a retry, n being the sleeps so far. Another deployment is asked at once. LiteLLM goes on
// so for as long as one of several is healthy, and so asks them as fast as they refuse; here they get time to recover
// once each has been asked.
func (c *call) pause(s *stage, f *failure, n, untried int) time.Duration {
	if len(s.g.targets) > 1 && untried > 0 {
		return 0
	}
	if f.wait > 0 && f.wait <= longestWait {
		return f.wait
	}
	return max(backoff(n, c.r.rand()), c.r.o.RetryAfter)
}

// affords reports whether a call has the time to wait, and books it. Where it has not, a fallback comes sooner.
func (c *call) affords(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && wait > 0 && time.Until(deadline) <= wait {
		return false
	}
	c.slept += wait
	return c.slept <= longestSleep
}

// backoff doubles from 0.5 s to 8 s and takes up to three quarters off, by random in [0,1).
func backoff(n int, random float64) time.Duration {
	delay := maxRetryDelay
	if n < 4 {
		delay = min(initialRetryDelay<<n, maxRetryDelay)
	}
	return time.Duration(float64(delay) * (1 - jitter*random))
}

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) *failure {
	if ctx.Err() != nil {
		return left(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return left(ctx)
	}
}
