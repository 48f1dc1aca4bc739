package limit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tollgate/internal/quota"
)

// Type is what a limit counts, by LiteLLM's names.
type Type string

// The types of limits.
const (
	Requests Type = "requests"
	Tokens   Type = "tokens"
	Parallel Type = "max_parallel_requests"
)

// DefaultWindow is LiteLLM's: limits are per minute.
const DefaultWindow = time.Minute

// patience is how long the truth may take. It is short: without it each replica counts alone, and no call should hang.
const patience = time.Second

// Options say how a Limiter counts.
type Options struct {
	Window time.Duration    // 0 = DefaultWindow
	Now    func() time.Time // nil = time.Now
	Log    *slog.Logger     // nil = slog.Default
}

// Limiter holds calls to their rules. Safe for concurrent use.
type Limiter struct {
	quota  *quota.Book
	window time.Duration
	now    func() time.Time
}

// New returns a Limiter over the truth. While the truth does not answer it counts alone. Call Start before the first
// Admit, and Close at the end.
func New(truth quota.Truth, o Options) *Limiter {
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Limiter{quota: quota.NewBook(truth, quota.Options{Name: "limits", Timeout: patience, Log: o.Log, Now: o.Now}), window: o.Window, now: o.Now}
}

// Start begins the background work: it tells the truth that the replica lives and gives back what lies idle.
func (l *Limiter) Start() { l.quota.Start() }

// Close gives back what is not in use and ends the background work.
func (l *Limiter) Close(ctx context.Context) error { return l.quota.Close(ctx) }

// Stats are figures for metrics and tests.
func (l *Limiter) Stats() quota.Stats { return l.quota.Stats() }

// Exceeded refuses a call: 429 with Retry-After.
type Exceeded struct {
	Descriptor, Value string
	Type              Type
	Limit, Remaining  int64
	ResetAt           time.Time     // when the window ends
	RetryAfter        time.Duration // until then, whole seconds, at least one
}

// Error is LiteLLM's text.
func (e *Exceeded) Error() string {
	return fmt.Sprintf("Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s UTC",
		e.Descriptor, e.Value, e.Type, e.Limit, e.Remaining, e.ResetAt.UTC().Format(time.DateTime))
}

// Admit counts a call of about so many tokens against all rules, or against none: a call that is refused uses nothing up.
// The error is *Exceeded or the context's.
func (l *Limiter) Admit(ctx context.Context, rules []Rule, tokens int64) (*Pass, error) {
	p := &Pass{limiter: l, rules: rules}
	var few [6]quota.Line // on the stack
	lines := l.lines(few[:0], p, tokens)
	if len(lines) == 0 {
		return p, nil
	}
	err := l.quota.Acquire(ctx, &p.hold, lines, 0)
	if err == nil {
		return p, nil
	}
	var short *quota.Short
	if errors.As(err, &short) {
		return nil, l.exceeded(rules, p.limits[short.Line], short)
	}
	return nil, err
}

// lines appends what the rules ask for: the slots first, then requests, then tokens, each in the order of the rules.
func (l *Limiter) lines(lines []quota.Line, p *Pass, tokens int64) []quota.Line {
	p.limits = p.few[:0]
	add := func(i int, t Type, bound *int64, need int64) {
		if bound == nil {
			return
		}
		r := &p.rules[i]
		line := quota.Line{Key: quota.Key{Unit: units[t], Group: r.Descriptor, Name: r.Value}, Kind: quota.Rate, Cap: *bound, Window: l.window}
		if t == Parallel {
			line.Kind, line.Window = quota.Slots, 0
		}
		line.Least = need
		line.Most = need
		lines = append(lines, line)
		p.limits = append(p.limits, limited{rule: i, kind: t})
	}
	for i := range p.rules {
		add(i, Parallel, p.rules[i].Parallel, 1)
	}
	for i := range p.rules {
		add(i, Requests, p.rules[i].Requests, 1)
	}
	for i := range p.rules {
		if bound := p.rules[i].Tokens; bound != nil {
			// A call that is larger than the whole window may have a window of its own, and no more.
			add(i, Tokens, bound, max(0, min(tokens, *bound)))
		}
	}
	return lines
}

// units are the first part of the accounts' names.
var units = map[Type]string{Requests: "rpm", Tokens: "tpm", Parallel: "par"}

func (l *Limiter) exceeded(rules []Rule, at limited, short *quota.Short) *Exceeded {
	r := &rules[at.rule]
	e := &Exceeded{Descriptor: r.Descriptor, Value: r.Value, Type: at.kind, Limit: short.Cap, Remaining: max(0, short.Cap-short.Used), ResetAt: short.ResetAt}
	now := l.now()
	switch {
	case at.kind == Parallel:
		e.ResetAt, e.RetryAfter = now.Add(l.window), time.Second // a slot is free when any call ends
		return e
	case !e.ResetAt.After(now):
		e.ResetAt = now.Add(l.window)
	}
	e.RetryAfter = max(time.Second, (e.ResetAt.Sub(now) + time.Second - 1).Truncate(time.Second))
	return e
}
