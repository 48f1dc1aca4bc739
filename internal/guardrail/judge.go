package guardrail

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tollgate/internal/record"
)

// judge asks one guardrail and notes what it says. The error ends the call.
func (r *Run) judge(ctx context.Context, u *unit, in *Input) (Verdict, error) {
	v, err := r.ask(ctx, u, in)
	r.found(u, in.Phase, v.Findings)
	if err == nil && v.Action == Block {
		err = r.block(u, in.Phase, &v)
	}
	return v, err
}

// found notes what a guardrail has found.
func (r *Run) found(u *unit, phase Phase, findings []Finding) {
	if len(findings) == 0 {
		return
	}
	e := r.entry(u, phase)
	r.mu.Lock()
	defer r.mu.Unlock()
	e.found(findings)
}

// ask is judge, but for findings and blocks. A stream's windows overlap, and what is found in two of them is one thing; and a piece
// that is to be blocked is no error yet, since what ends where the piece does may be the beginning of something else.
func (r *Run) ask(ctx context.Context, u *unit, in *Input) (Verdict, error) {
	e := r.entry(u, in.Phase)
	start := time.Now()
	v, err := u.check(ctx, in, start)
	if err != nil && ctx.Err() != nil { // the call has ended, or another guardrail has blocked it
		r.note(e, start, func() {
			if e.Status == "" {
				e.Status = "not_run"
			}
		})
		return Verdict{}, ctx.Err()
	}
	r.note(e, start, func() { e.judged(&v, err) })
	switch {
	case err != nil && (u.FailOpenAlways || u.FailOpen && unreachable(err)):
		r.set.options.Log.Warn("a guardrail could not judge, and the call goes on as configured", "guardrail", u.Name, "error", err, "call_id", r.call.ID)
		return Verdict{}, nil
	case err != nil:
		return Verdict{}, u.failure(err)
	case in.Phase == DuringCall && v.Texts != nil:
		r.set.options.Log.Warn("a guardrail masks in during_call, where nothing can be changed any more: give it the mode pre_call", "guardrail", u.Name)
	}
	return v, nil
}

// block notes that a guardrail has ended the call, and returns the error that it ends with.
func (r *Run) block(u *unit, phase Phase, v *Verdict) error {
	e := r.entry(u, phase)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = r.blocked || phase != LoggingOnly
	e.Status, e.Action = "guardrail_intervened", string(Block)
	return u.refuse(phase, v)
}

// cannotMask is block for what a guardrail would mask in a way that cannot be put into effect.
func (r *Run) cannotMask(u *unit, phase Phase, why string) error {
	_ = r.block(u, phase, &Verdict{})
	return u.unmaskable(phase, why)
}

// check asks the guardrail within its time, unless it has failed again and again. A verdict that does not fit what was judged
// is a failure.
func (m *member) check(ctx context.Context, in *Input, now time.Time) (v Verdict, err error) {
	if m.breaker.try(now) {
		return Verdict{}, errPaused
	}
	limited, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	v, err = m.call(limited, in)
	if err == nil {
		err = v.fits(in)
	} else if limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no verdict within %s: %w", m.Timeout, context.DeadlineExceeded)
	}
	if err != nil {
		v = Verdict{}
	}
	chosen := in.Extra != nil || in.Language != ""                     // what the caller has chosen may be what it fails at
	if err == nil || ctx.Err() == nil && unreachable(err) && !chosen { // a request that it refuses says nothing of the next one
		m.breaker.note(err != nil, time.Now())
	}
	return v, err
}

// call calls the guardrail. A panic is a failure like any other.
func (m *member) call(ctx context.Context, in *Input) (v Verdict, err error) {
	defer func() {
		if p := recover(); p != nil { // its value may hold what a caller sent
			v, err = Verdict{}, fmt.Errorf("panic: %T\n%s", p, debug.Stack())
		}
	}()
	return m.Guardrail.Check(ctx, in)
}

var errVerdict = errors.New("its verdict does not fit what it judged")

// fits tidies a verdict up, and reports one that cannot be put into effect.
func (v *Verdict) fits(in *Input) error {
	switch v.Action {
	case "":
		v.Action = Allow
	case Allow, Mask, Block:
	default:
		return fmt.Errorf("%w: action %q", errVerdict, v.Action)
	}
	if v.Action != Mask {
		v.Texts = nil
	}
	if v.Texts != nil && len(v.Texts) != len(in.Content.Texts) {
		return fmt.Errorf("%w: %d texts for %d", errVerdict, len(v.Texts), len(in.Content.Texts))
	}
	return nil
}

// entry is one guardrail in one phase, all its checks of a stream together.
type entry struct {
	record.Guardrail
	start, end time.Time
}

// entry finds or starts the entry of a unit in a phase.
func (r *Run) entry(u *unit, phase Phase) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.Name == u.Name && e.Provider == u.Kind && e.Mode == string(phase) {
			return e
		}
	}
	e := &entry{Guardrail: record.Guardrail{Name: u.Name, Provider: u.Kind, Mode: string(phase)}}
	r.entries = append(r.entries, e)
	return e
}

// note changes an entry by f and adds the time since start to it.
func (r *Run) note(e *entry, start time.Time, f func()) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.start.IsZero() {
		e.start = start
	}
	e.end = now
	e.Start, e.End = record.Seconds(e.start), record.Seconds(now)
	e.Duration += now.Sub(start).Seconds()
	f()
}

// judged notes one verdict, but for a block, which block notes when it is certain.
func (e *entry) judged(v *Verdict, err error) {
	if err != nil {
		e.Status, e.ErrorType, e.Error = "guardrail_failed_to_respond", class(err), clip(err.Error())
		return
	}
	if e.Status == "" || e.Status == "not_run" {
		e.Status, e.Action = "success", string(Allow)
	}
	if v.Action == Mask && v.Texts != nil {
		e.Action = string(Mask)
	}
	if v.Log != nil {
		e.Response = v.Log
	}
}

// found adds findings up.
func (e *entry) found(findings []Finding) {
	for _, f := range findings {
		e.ConfidenceScore = max(e.ConfidenceScore, f.Score)
		if f.Action == Mask {
			if e.MaskedEntities == nil {
				e.MaskedEntities = map[string]int{}
			}
			e.MaskedEntities[f.Kind] += max(f.Count, 1)
			continue
		}
		if !slices.Contains(e.Violations, f.Kind) {
			e.Violations = append(e.Violations, f.Kind)
		}
	}
}

// clip bounds what is told of an error, to its first line.
func clip(s string) string {
	const longest = 300
	s, _, _ = strings.Cut(s, "\n")
	return s[:min(len(s), longest)]
}

// Records are the guardrails that ran, in order. The slice is a copy.
func (r *Run) Records() []record.Guardrail {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]record.Guardrail, 0, len(r.entries))
	for _, e := range r.entries {
		list = append(list, e.Guardrail)
	}
	return list
}

// Steps are the same as parts of a call that took time. span makes an id of a span.
func (r *Run) Steps(span func() string) []record.Step {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	steps := make([]record.Step, 0, len(r.entries))
	for _, e := range r.entries {
		steps = append(steps, record.Step{
			Name: "guardrail " + e.Name, Kind: record.StepGuardrail, Span: span(), Start: e.start, End: e.end, Error: e.Error,
			Attrs: map[string]any{"guardrail.name": e.Name, "guardrail.provider": e.Provider, "guardrail.mode": e.Mode, "guardrail.status": e.Status},
		})
	}
	return steps
}

// Applied are the names of the guardrails of the call, each once, for the header that tells them: of a call that was blocked
// those that ran, else all that do. Those of the log's copy are left out.
func (r *Run) Applied() []string {
	if r == nil {
		return nil
	}
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.blocked {
		for _, e := range r.entries {
			if e.Mode != string(LoggingOnly) {
				add(e.Name)
			}
		}
		return names
	}
	for _, u := range r.units {
		if u.in(PreCall) || u.in(DuringCall) || u.in(PostCall) {
			add(u.Name)
		}
	}
	return names
}
