package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// The router under random configurations, callers and upstreams, on a fake clock. world checks each step against
// what the rules say; it knows the cooldowns from the hook alone and shares no code with the picking.

// outcome is what an upstream does with one call.
type outcome struct {
	Status int // 200, an HTTP status, or one of the specials
	Wait   time.Duration
	After  time.Duration // Retry-After
}

const (
	hangs    = 1 // until its context ends
	panics   = 2
	noRoute  = 3 // a connection error
	tooLong  = 4 // a context window error
	breaksUp = 5 // a stream that fails at its second chunk
)

type scenario struct {
	Strategy     Strategy
	Retries      int
	MaxFallbacks int
	AllowedFails *int
	Cooldown     time.Duration
	RetryAfter   time.Duration
	Fallbacks    map[string][]string
	Deployments  []Deployment
	Calls        []plannedCall
	Outcomes     []outcome
	Seed         uint64
}

type plannedCall struct {
	Alias  string
	Pause  time.Duration // after the call before it has started
	Leaves time.Duration // the caller leaves; 0: stays
	Stream bool
}

func drawScenario(t *rapid.T) scenario {
	aliases := []string{"a", "b", "c"}
	ms := func(label string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * time.Millisecond
	}
	s := scenario{
		Strategy:     rapid.SampledFrom([]Strategy{SimpleShuffle, LeastBusy, LatencyBased, UsageBased, UsageBasedV2, CostBased}).Draw(t, "strategy"),
		Retries:      rapid.IntRange(0, 3).Draw(t, "retries"),
		MaxFallbacks: rapid.IntRange(0, 3).Draw(t, "max_fallbacks"),
		Cooldown:     ms("cooldown", 8000),
		RetryAfter:   ms("retry_after", 1000),
		Fallbacks:    map[string][]string{},
		Seed:         rapid.Uint64().Draw(t, "seed"),
	}
	if n := rapid.IntRange(-1, 2).Draw(t, "allowed_fails"); n >= 0 {
		s.AllowedFails = &n
	}
	for _, alias := range aliases {
		s.Fallbacks[alias] = rapid.SliceOfN(rapid.SampledFrom(aliases), 0, 3).Draw(t, "fallbacks "+alias)
		for i := range rapid.IntRange(1, 3).Draw(t, "deployments "+alias) {
			d := Deployment{ID: fmt.Sprintf("%s%d", alias, i), Alias: alias, Model: "oci/m", UpstreamID: "m", Provider: "OCI"}
			if n := rapid.IntRange(0, 2).Draw(t, "order"); n > 0 {
				d.Order = &n
			}
			d.MaxParallel = rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "max_parallel")
			d.RPM = rapid.SampledFrom([]int64{0, 0, 0, 2, 6}).Draw(t, "rpm")
			s.Deployments = append(s.Deployments, d)
		}
	}
	s.Calls = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plannedCall {
		c := plannedCall{
			Alias: rapid.SampledFrom(aliases).Draw(t, "alias"), Pause: ms("pause", 3000), Stream: rapid.Bool().Draw(t, "stream"),
		}
		if rapid.IntRange(0, 4).Draw(t, "leaves") == 0 {
			c.Leaves = 1 + ms("leaves after", 4000)
		}
		return c
	}), 1, 30).Draw(t, "calls")
	s.Outcomes = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) outcome {
		return outcome{
			Status: rapid.SampledFrom([]int{200, 200, 400, 401, 403, 404, 408, 422, 429, 500, 503, hangs, panics, noRoute, tooLong, breaksUp}).Draw(t, "status"),
			Wait:   ms("wait", 1500), After: time.Duration(rapid.IntRange(0, 4).Draw(t, "after")) * time.Second,
		}
	}), 1, 60).Draw(t, "outcomes")
	return s
}

const attemptLimit = 5 * time.Second

// world plays a scenario and collects what breaks a rule.
type world struct {
	s scenario
	r *Router

	mu       sync.Mutex
	next     int
	cooledAt map[string]time.Time
	until    map[string]time.Time
	active   map[string]int
	asked    map[string][]time.Time
	broken   []string
}

func (w *world) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

func (w *world) run(t *testing.T) {
	w.cooledAt, w.until, w.active, w.asked = map[string]time.Time{}, map[string]time.Time{}, map[string]int{}, map[string][]time.Time{}
	chance := rand.New(rand.NewPCG(w.s.Seed, 1))
	var chanceMu sync.Mutex
	o := DefaultOptions()
	o.Strategy, o.NumRetries, o.MaxFallbacks, o.AllowedFails = w.s.Strategy, w.s.Retries, w.s.MaxFallbacks, w.s.AllowedFails
	o.CooldownTime, o.RetryAfter, o.Timeout, o.Fallbacks = w.s.Cooldown, w.s.RetryAfter, attemptLimit, chains(w.s.Fallbacks)
	o.EnforceModelRateLimits = true
	o.Rand = func() float64 {
		chanceMu.Lock()
		defer chanceMu.Unlock()
		return chance.Float64()
	}
	o.Hooks.Cooldown = func(d *Deployment, _ int, duration time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cooledAt[d.ID], w.until[d.ID] = time.Now(), time.Now().Add(duration)
	}
	w.r = newRouter(t, o, w.s.Deployments)
	var calls sync.WaitGroup
	for i := range w.s.Calls {
		time.Sleep(w.s.Calls[i].Pause)
		calls.Go(func() { w.call(t.Context(), &w.s.Calls[i]) })
	}
	calls.Wait()
	synctest.Wait()
	for _, s := range w.r.Status() {
		if s.InFlight != 0 {
			w.breaks("%s has %d calls in flight at the end", s.Deployment.ID, s.InFlight)
		}
	}
}

// call makes one planned call and checks how it went.
func (w *world) call(ctx context.Context, p *plannedCall) {
	if p.Leaves > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		time.AfterFunc(p.Leaves, cancel)
	}
	panicked := true
	var out *Outcome
	var err error
	func() {
		defer func() { _ = recover() }()
		out, err = w.make(ctx, p)
		panicked = false
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !panicked {
		w.check(ctx, p, out, err)
	}
}

func (w *world) make(ctx context.Context, p *plannedCall) (*Outcome, error) {
	mine := &asking{w: w}
	q := &Query{Alias: p.Alias, Operation: openai.OpChat, InputTokens: 10}
	if !p.Stream {
		_, out, err := Call(ctx, w.r, q, func(ctx context.Context, t Target) (int, error) {
			o := mine.begin(t)
			defer mine.end(t)
			return 0, o.play(ctx)
		})
		out.Record(openai.Usage{TotalTokens: 20, CompletionTokens: 10})
		return out, err
	}
	s, out, err := w.r.Stream(ctx, q, func(ctx context.Context, t Target) (openai.Stream, error) {
		o := mine.begin(t)
		f := &fakeStream{ctx: ctx, steps: []step{{}, {wait: o.Wait}}}
		if o.Status == breaksUp {
			f.steps[1].err = failing(503)
		}
		opened := false
		defer func() {
			if !opened {
				mine.end(t)
			}
		}()
		if err := o.play(ctx); err != nil {
			return nil, err
		}
		opened = true
		return &countedStream{fakeStream: f, end: sync.OnceFunc(func() { mine.end(t) })}, nil
	})
	if err == nil {
		defer func() { _ = s.Close() }()
		_, _ = read(s)
	}
	return out, err
}

// countedStream tells when it is closed.
type countedStream struct {
	*fakeStream
	end func()
}

func (s *countedStream) Close() error { s.end(); return s.fakeStream.Close() }

func (o outcome) play(ctx context.Context) error {
	if o.Status == hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if f := sleep(ctx, o.Wait); f != nil {
		return ctx.Err()
	}
	switch o.Status {
	case http.StatusOK, breaksUp:
		return nil
	case panics:
		panic("a bug in a provider")
	case noRoute:
		return provider.ErrorFromTransport("OCI", io.ErrUnexpectedEOF)
	case tooLong:
		return reasoned(provider.ContextWindow)
	}
	return retryAfter(o.Status, o.After)
}

// asking follows one call through its deployments.
type asking struct {
	w     *world
	group string
	asked []*Deployment // in the group that is being served
}

func (a *asking) begin(t Target) outcome {
	w := a.w
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if a.group != t.Group {
		a.group, a.asked = t.Group, nil
	}
	if w.until[t.ID].After(now) && w.cooledAt[t.ID].Before(now) {
		w.breaks("%s was asked while it cools", t.ID)
	}
	w.checkOrder(a, t, now)
	a.asked = append(a.asked, t.Deployment)
	w.active[t.ID]++
	if t.MaxParallel > 0 && w.active[t.ID] > t.MaxParallel {
		w.breaks("%s has %d calls, may have %d", t.ID, w.active[t.ID], t.MaxParallel)
	}
	w.asked[t.ID] = append(w.asked[t.ID], now)
	recent := 0
	for _, at := range w.asked[t.ID] {
		if now.Sub(at) < 59*time.Second { // the window's buckets are of a second
			recent++
		}
	}
	if t.RPM > 0 && int64(recent) > t.RPM {
		w.breaks("%s was asked %d times within a minute, may be %d times", t.ID, recent, t.RPM)
	}
	o := w.s.Outcomes[w.next%len(w.s.Outcomes)]
	w.next++
	return o
}

func (a *asking) end(t Target) {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.active[t.ID]--
}

// checkOrder: a deployment of a lower order that could have been asked must have had its level tried first.
func (w *world) checkOrder(a *asking, t Target, now time.Time) {
	for i := range w.s.Deployments {
		d := &w.s.Deployments[i]
		limited := d.MaxParallel > 0 || d.RPM > 0
		if d.Alias != t.Alias || limited || orderOf(d) >= orderOf(t.Deployment) || !w.until[d.ID].Before(now) {
			continue
		}
		tried := false
		for _, before := range a.asked {
			tried = tried || orderOf(before) >= orderOf(d) && orderOf(before) < orderOf(t.Deployment)
		}
		if !tried {
			w.breaks("%s of order %d was asked before %s of order %d, which is healthy", t.ID, orderOf(t.Deployment), d.ID, orderOf(d))
		}
	}
}

func orderOf(d *Deployment) int {
	if d.Order == nil {
		return math.MaxInt
	}
	return *d.Order
}

func (w *world) check(ctx context.Context, p *plannedCall, out *Outcome, err error) {
	const levels = 3
	if most := (w.s.Retries + 1) * levels * (w.s.MaxFallbacks + 1); len(out.Attempts) > most {
		w.breaks("%d attempts, at most %d", len(out.Attempts), most)
	}
	if out.Fallbacks > w.s.MaxFallbacks || out.Retries >= (w.s.Retries+1)*levels {
		w.breaks("%d fallbacks and %d retries", out.Fallbacks, out.Retries)
	}
	if err == nil {
		if last := out.Attempts[len(out.Attempts)-1]; out.Deployment != last.Deployment || last.Err != nil || out.FellBack != (out.Group != p.Alias) {
			w.breaks("answered, but the outcome says %+v", out)
		}
	} else {
		w.checkError(ctx, p, out, err)
	}
	for i := 1; i < len(out.Attempts); i++ {
		w.checkPair(&out.Attempts[i-1], &out.Attempts[i])
	}
}

func (w *world) checkError(ctx context.Context, p *plannedCall, out *Outcome, err error) {
	switch {
	case ctx.Err() != nil:
		// The caller left in time or just behind the last failure.
	case len(out.Attempts) > 0 && out.Attempts[0].Group == p.Alias:
		if !errors.Is(err, out.Attempts[0].Err) {
			w.breaks("told %v, but the first failure was %v", err, out.Attempts[0].Err)
		}
		if status := out.Attempts[0].Status; (status == 400 && !isContextWindow(err) || status == 422) && len(out.Attempts) > 1 {
			w.breaks("a request of the caller's own fault was asked %d times", len(out.Attempts))
		}
	case out.Group != p.Alias || out.Deployment != nil:
		w.breaks("failed, but the outcome says %+v", out)
	}
}

func isContextWindow(err error) bool {
	var ue *provider.UpstreamError
	return errors.As(err, &ue) && ue.Reason == provider.ContextWindow
}

// checkPair checks two attempts that follow each other. A fallback comes without a wait, or behind the wait for a
// retry that found its deployment cooled or full by another call.
func (w *world) checkPair(a, b *Attempt) {
	gap := b.Start.Sub(a.Start.Add(a.Duration))
	if a.Group == b.Group && a.Status == http.StatusNotFound && orderOf(a.Deployment) == orderOf(b.Deployment) {
		w.breaks("a model that does not exist was asked for again at %s", b.Deployment.ID)
	}
	var ue *provider.UpstreamError
	asked := errors.As(a.Err, &ue) && ue.RetryAfter == gap
	least, most := max(initialRetryDelay/4, w.s.RetryAfter), max(maxRetryDelay, w.s.RetryAfter)
	if gap != 0 && !asked && (gap < least || gap > most) {
		w.breaks("waited %v between attempts, outside of %v to %v", gap, least, most)
	}
}

func TestSimulation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{s: drawScenario(rt)}
		synctest.Test(t, w.run)
		if len(w.broken) > 0 {
			rt.Fatalf("%d rules broken, first: %s", len(w.broken), w.broken[0])
		}
	})
}
