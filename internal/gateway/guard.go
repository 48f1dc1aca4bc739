package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"tollgate/internal/dispatch"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
	"tollgate/internal/record"
)

// This file is where guardrails stand in the way of a call: before the cache and the upstream, beside the upstream, and between
// the answer, be it the upstream's or the cache's, and the caller.

// guardInput has the guardrails of before the call look at the request; they may change it. Those of beside the call begin.
func (q *request) guardInput() error {
	run, err := q.snap.Guardrails.Select(q.selection())
	if err != nil || run == nil {
		q.cleared = err == nil
		return err
	}
	q.guard = run
	if err := q.checkOverrides(); err != nil {
		return err
	}
	body, err := run.Pre(q.ctx, q.body)
	q.tellApplied()
	if err != nil {
		return q.guarded(err)
	}
	if body != q.body {
		q.body, q.raw = body, body.Body
		if q.snap.StorePrompts {
			q.rec.Prompt = q.raw
		}
	}
	if q.cleared = !run.Has(guardrail.DuringCall); !q.cleared {
		q.guardBeside()
	}
	return nil
}

// selection is what decides which guardrails the call has.
func (q *request) selection() guardrail.Selection {
	s := guardrail.Selection{Request: q.body, Tags: q.rec.Tags}
	if key := q.caller.Key; key != nil {
		s.Key = key.Metadata
	}
	if team := q.caller.Team; team != nil {
		s.Team = team.Metadata
	}
	if q.snap.Models.guarded {
		s.Model = q.modelGuardrails()
	}
	if q.snap.Guardrails == nil {
		return s
	}
	s.Call = &guardrail.Call{
		ID: q.rec.SentID, TraceID: cmp.Or(q.rec.SessionID, q.rec.Trace.ID), Model: q.alias, KeyHash: q.rec.KeyHash, KeyAlias: q.rec.KeyAlias, UserID: q.rec.UserID,
		TeamID: q.rec.TeamID, TeamAlias: q.rec.TeamAlias, OrgID: q.rec.OrgID, EndUser: q.rec.EndUser, Header: q.r.Header,
	}
	if u := q.caller.User; u != nil {
		s.Call.UserEmail = u.UserEmail
	}
	return s
}

// modelGuardrails are the guardrails of every deployment that may serve the call, after fallbacks too: which one does is known
// when the request has left.
func (q *request) modelGuardrails() []string {
	names := append([]string{q.alias}, q.askedFallbacks()...)
	for _, kind := range [...]string{"general", "context_window", "content_policy"} {
		for _, fb := range q.snap.Router.FallbacksOf(q.alias, kind) {
			names = append(names, fb.Model)
		}
	}
	var list []string
	for _, name := range names {
		for _, d := range q.snap.Router.Deployments(name) {
			if m := q.snap.Models.byID(d.ID); m != nil {
				list = append(list, m.Guardrails...)
			}
		}
	}
	return list
}

// checkOverrides refuses fallbacks of the caller's that would send an upstream what no guardrail has seen.
func (q *request) checkOverrides() error {
	lists := [][]dispatch.Fallback{q.query.Fallbacks}
	for _, m := range [...]map[string][]dispatch.Fallback{q.query.ContextWindowFallbacks, q.query.ContentPolicyFallbacks} {
		for _, list := range m {
			lists = append(lists, list)
		}
	}
	for _, list := range lists {
		for _, fb := range list {
			for _, f := range fb.Overrides {
				if err := q.guard.CheckOverride(f.Name, f.Value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tellApplied sets the header that names the guardrails.
func (q *request) tellApplied() {
	if names := q.guard.Applied(); len(names) > 0 {
		q.w.Header()["X-Litellm-Applied-Guardrails"] = []string{strings.Join(names, ",")}
	}
}

// guarded turns what a guardrail has ended the call with into its answer, or its error.
func (q *request) guarded(err error) error {
	var instead *guardrail.Answered
	if errors.As(err, &instead) {
		return q.answerInstead(instead.Text)
	}
	return badBody(q.op, err)
}

// beside is the guardrails that look at the request while the upstream answers.
type beside struct {
	ctx    context.Context // of the upstream's calls: it ends when a guardrail blocks
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed
}

// guardBeside starts the guardrails of during_call.
func (q *request) guardBeside() {
	looking, stop := context.WithCancel(q.ctx)
	asking, cut := context.WithCancel(q.ctx)
	b := &beside{ctx: asking, cancel: func() { stop(); cut() }, done: make(chan struct{})}
	q.beside = b
	body := q.body
	go func() {
		defer close(b.done)
		defer func() {
			if p := recover(); p != nil {
				b.err = caught(p)
			}
			if b.err != nil {
				cut() // the upstream is not asked any further
			}
		}()
		b.err = q.guard.During(looking, body)
	}()
}

// upstreamContext is the context that upstreams are asked in.
func (q *request) upstreamContext() context.Context {
	if q.beside != nil {
		return q.beside.ctx
	}
	return q.ctx
}

// judged is what a dispatch that ended with err really ended with: a guardrail that has blocked the call has cut it off.
func (q *request) judged(err error) error {
	b := q.beside
	if b == nil || err == nil {
		return err
	}
	select {
	case <-b.done:
	default:
		b.cancel() // there is no answer that its verdict could matter to
		<-b.done
	}
	q.cleared = b.err == nil
	if !q.cleared && !errors.Is(b.err, context.Canceled) {
		return q.guarded(b.err)
	}
	return err
}

// closeGuard ends what still runs beside the call.
func (q *request) closeGuard() {
	if q.beside != nil {
		q.beside.cancel()
		<-q.beside.done
	}
}

// guardOutput has the guardrails of after the call look at the answer, or puts them into its stream. The answer waits for those
// of beside the call.
func (q *request) guardOutput() error {
	if q.guard == nil {
		return nil
	}
	if b := q.beside; b != nil {
		<-b.done
		if q.cleared = b.err == nil; !q.cleared {
			return q.refuseAnswer(b.err)
		}
	}
	if !q.guard.ChangesAnswer() {
		return nil
	}
	if q.stream != nil {
		return q.guardStream()
	}
	if err := q.countReply(nil); err != nil {
		return err
	}
	body, err := q.guard.Post(q.ctx, q.reply.Body)
	if err != nil {
		return q.refuseAnswer(err)
	}
	if len(body) != len(q.reply.Body) || &body[0] != &q.reply.Body[0] {
		q.reply = &openai.Response{Meta: q.reply.Meta, Body: body}
	}
	return nil
}

// guardStream puts the guardrails into the stream and waits for what they let pass first, so that an answer that they block at
// once is an error by its status.
func (q *request) guardStream() error {
	guarded := q.guard.Stream(q.ctx, q.stream)
	first, err := guarded.Next()
	q.stream = &begun{Stream: guarded, first: first, err: err, held: true}
	if err != nil && !errors.Is(err, io.EOF) {
		return q.refuseAnswer(err)
	}
	return nil
}

// begun is a stream whose first chunk was read.
type begun struct {
	openai.Stream
	first openai.Chunk
	err   error
	held  bool
}

// Next implements openai.Stream.
func (s *begun) Next() (openai.Chunk, error) {
	if s.held {
		s.held = false
		return s.first, s.err
	}
	return s.Stream.Next()
}

// OnWait implements openai.Waiter, where the stream does.
func (s *begun) OnWait(f func()) bool {
	w, ok := s.Stream.(openai.Waiter)
	return ok && w.OnWait(f)
}

// refuseAnswer ends a call whose answer the caller does not get. It has cost what it has cost.
func (q *request) refuseAnswer(err error) error {
	if !q.rec.CacheHit {
		q.chargeAnswer()
	}
	q.rec.Reply, q.kept = nil, nil
	return q.guarded(err)
}

// chargeAnswer counts what the upstream has used for an answer that nobody gets. Of a stream that nobody has read, the first
// chunk is there.
func (q *request) chargeAnswer() {
	q.withheld = true
	if q.stream != nil {
		if q.produced == 0 {
			_, _ = q.stream.Next()
		}
		_ = q.stream.Close()
		q.estimate()
		return
	}
	if q.countReply(nil) == nil { // an answer that cannot be read has no count
		q.cost()
	}
}

// noteGuardrails fills in which guardrails ran, and takes out of what the ledger keeps what logs are not told. A prompt that the
// guardrails have not cleared, because they have blocked it or were never asked, is not kept.
func (q *request) noteGuardrails() {
	if q.snap.Guardrails != nil && !q.cleared {
		q.rec.Prompt = nil
	}
	if q.guard == nil {
		return
	}
	if q.snap.StorePrompts {
		q.rec.Reply = q.guard.Conceal(q.rec.Reply)
		if q.guard.Has(guardrail.LoggingOnly) {
			q.guardRow()
		}
	}
	q.rec.Guardrails = q.guard.Records()
	if q.snap.Tracing {
		q.rec.Steps = append(q.rec.Steps, q.guard.Steps(newSpan)...)
	}
}

// guardRow has the guardrails of the log look at prompt and answer as the ledger keeps them. The row is written before the caller
// has the last of its answer, which must not wait for a vendor: then neither is kept.
func (q *request) guardRow() {
	prompt, kept := q.body, q.rec.Reply
	if q.rec.Prompt == nil {
		prompt = nil
	}
	q.rec.Prompt, q.rec.Reply = nil, nil
	if q.guard.Offline() {
		q.rec.Prompt, q.rec.Reply = q.guard.LogCopy(context.WithoutCancel(q.ctx), prompt, kept)
	}
}

// tellGuarded gives the call to the callbacks, without what the guardrails keep from them: those of the log have a look first, off
// the caller's way. A request that they have not cleared is not told.
func (q *request) tellGuarded(c *record.Call) {
	run, callbacks := q.guard, q.g.opts.Callbacks
	body := q.body
	if q.snap.Guardrails != nil && !q.cleared {
		c.Request, body = nil, nil
	}
	if run == nil {
		callbacks.Emit(c)
		return
	}
	ctx := context.WithoutCancel(q.ctx)
	tell := func() {
		ctx, cancel := context.WithTimeout(ctx, logCopyTimeout)
		defer cancel()
		c.Request, c.Response = run.LogCopy(ctx, body, c.Response)
		c.Guardrails = run.Records()
		callbacks.Emit(c)
	}
	if run.Offline() {
		tell()
		return
	}
	select {
	case q.g.copying <- struct{}{}:
		q.g.underWay.Go(func() {
			defer func() {
				<-q.g.copying
				if p := recover(); p != nil {
					q.g.opts.Log.Error("panic while the copy for the log was made", "call_id", c.SentID, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				}
			}()
			tell()
		})
	default: // a vendor is slow, and each of these holds a whole call: as with one that could not judge, no texts are told
		c.Request, c.Response = nil, nil
		c.Guardrails = run.Records()
		callbacks.Emit(c)
	}
}

const (
	// logCopyTimeout bounds the time that all guardrails of the log take for one call.
	logCopyTimeout = 30 * time.Second
	// mostCopies bounds for how many calls they are at work at once.
	mostCopies = 256
)

// blocked reports whether an error is a guardrail's verdict.
func blocked(err error) bool {
	var b *guardrail.Blocked
	return errors.As(err, &b)
}
