package gateway

import (
	"encoding/json"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// settle ends every call, however it went: the stream is closed, what it held is released, and the record goes to the
// ledger, the log and the metrics. A panic of a step is answered like any failure and does not end the process. Each part
// is deferred, the last one first, so that a panic of one leaves none of the others out.
func (q *request) settle() {
	defer q.report()
	defer q.book() // mostly done before the last write
	defer q.closeEvents()
	defer q.closeStream()
	defer q.closeGuard()
	if p := recover(); p != nil {
		q.panicked(p)
	}
}

// closeStream releases the upstream. A panic stays here: the answer may be complete, and must not be broken off.
func (q *request) closeStream() {
	defer func() {
		if p := recover(); p != nil {
			q.logPanic(p)
		}
	}()
	if q.stream != nil {
		_ = q.stream.Close()
	}
}

// closeEvents ends the writing to the caller, comments included.
func (q *request) closeEvents() {
	if q.events != nil {
		q.events.close()
	}
}

// book puts the call into the ledger and turns what it held of budgets and limits into what it has cost. It is called
// before the last bytes of an answer are written: whoever has an answer has been charged for it, even when the process is
// killed in between. Once is enough.
func (q *request) book() {
	if q.booked {
		return
	}
	q.booked = true
	defer q.releaseHolds()
	q.estimate()
	q.rec.Ended = time.Now()
	q.noteAttempts()
	q.noteSteps()
	q.keepSaid()
	q.settleCache()
	q.noteGuardrails()
	if key := q.caller.Key; key != nil && q.rec.KeyMetadata == nil && len(key.Metadata) > 0 { // of a call that was not admitted
		q.rec.KeyMetadata, _ = json.Marshal(key.Metadata) // it was read from JSON
	}
	q.rec.Charges = q.charges()
	if q.g.opts.Ledger == nil || q.snap.SkipErrorRows && q.rec.Outcome != record.Success && q.rec.Cost == 0 {
		return
	}
	if err := q.g.opts.Ledger.Append(&q.rec); err != nil {
		q.g.opts.Log.Error("a call could not be put into the ledger", "call_id", q.rec.SentID, "error", err)
		if q.g.opts.Alerts != nil {
			q.g.opts.Alerts.TrackingFailed("a call could not be put into the ledger")
		}
	}
}

// releaseHolds ends what the call has held. The holds are nil where it was refused before.
func (q *request) releaseHolds() {
	defer q.pass.Close()
	defer q.targetPass.Close()
	q.hold.Settle(q.rec.Cost)
	if q.caller.Key != nil && q.rec.Cost > 0 {
		q.g.spendings.add(account.KeyScope(q.rec.KeyHash), q.rec.Cost)
	}
	q.target.Settle(q.rec.Cost)
	tokens := q.countedTokens(int64(q.rec.PromptTokens), int64(q.rec.CompletionTokens))
	if q.rec.CacheHit { // no upstream has used any
		tokens = 0
	}
	q.pass.Settle(tokens)
	q.targetPass.Settle(tokens)
}

// report tells the log and the metrics how the call went.
func (q *request) report() {
	telemetry.LogCall(q.g.opts.Log, &q.rec)
	q.noteNames()
	q.g.opts.Metrics.CallEnded(q.knownAlias(), &q.rec)
	q.emit()
	if alerts := q.g.opts.Alerts; alerts != nil {
		alerts.Ended(q.rec.ID)
		alerts.Observe(&q.rec)
	}
}

// estimate counts what a stream gave that ended before the upstream told its usage, mostly because the caller left:
// the upstream bills that too.
func (q *request) estimate() {
	switch {
	case q.rec.CostKnown:
		return
	case q.out != nil && q.out.Deployment != nil && q.produced > 0 && !q.rec.UsageKnown:
		q.rec.PromptTokens, q.rec.CompletionTokens, q.rec.Estimated = len(q.raw)/bytesPerToken, int(q.writtenTokens()), true
	}
	q.cost()
}

// writtenTokens estimates the tokens that a stream has given: a chunk is mostly one token, and some upstreams put many
// into one.
func (q *request) writtenTokens() int64 {
	const frame = 70 // bytes of a chunk's choices around its text
	return max(int64(q.produced), (q.volume-frame*int64(q.produced))/bytesPerToken)
}

// noteCaller fills in who calls and who pays.
func (q *request) noteCaller() {
	c, rec := &q.caller, &q.rec
	rec.Caller, rec.KeyHash = c.Name, c.KeyHash()
	rec.UserID, rec.TeamID, rec.OrgID = c.UserID(), c.TeamID(), c.OrgID()
	if c.Key != nil {
		rec.KeyAlias = c.Key.KeyAlias
	}
	if c.Team != nil {
		rec.TeamAlias = c.Team.TeamAlias
	}
	rec.ClientIP, rec.UserAgent = q.snap.Gate.Address(q.r), clip(q.r.UserAgent())
}

// noteAttempts fills in which deployments were asked, and which one answered.
func (q *request) noteAttempts() {
	if q.out == nil {
		return
	}
	for i := range q.out.Attempts {
		a := &q.out.Attempts[i]
		entry := record.Attempt{Deployment: a.Deployment.ID, Group: a.Group, Status: a.Status, Duration: a.Duration, MaybeBilled: a.MaybeBilled}
		if a.Err != nil {
			entry.Error = clip(a.Err.Error())
		}
		q.rec.Attempts = append(q.rec.Attempts, entry)
	}
	last := q.out.Deployment
	if last == nil && len(q.out.Attempts) > 0 {
		last = q.out.Attempts[len(q.out.Attempts)-1].Deployment
	}
	if last == nil {
		return
	}
	q.rec.Group, q.rec.Deployment, q.rec.Upstream, q.rec.Provider = q.out.Group, last.ID, last.UpstreamID, last.Provider
	q.rec.Retries, q.rec.Fallbacks = q.out.Retries, q.out.Fallbacks
	if m := q.snap.Models.byID(last.ID); m != nil {
		q.rec.APIBase = m.APIBase
	}
}

// errPanic is what a caller's answer hides behind; the log has the panic itself.
var errPanic = errors.New("gateway: panic")

func (q *request) panicked(p any) {
	q.logPanic(p)
	e := apierr.From(errPanic)
	q.rec.Outcome, q.rec.Status, q.rec.Error = record.Failure, e.Status, e.Message
	q.write(e)
}

func (q *request) logPanic(p any) {
	q.g.opts.Log.Error("panic while serving a call", "call_id", q.rec.SentID, "panic", p, "stack", string(debug.Stack()))
}

// knownAlias is the alias as a label of metrics: a caller's invention must not make a new series.
func (q *request) knownAlias() string {
	if q.out != nil && q.out.Deployment != nil {
		return q.out.Deployment.Alias
	}
	if slices.Contains(q.snap.Router.Names(), q.rec.Alias) {
		return q.rec.Alias
	}
	return ""
}
