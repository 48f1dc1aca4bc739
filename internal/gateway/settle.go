package gateway

import (
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// settle ends every call, however it went: the stream is closed, and the record goes to the log and the metrics. A
// panic of a step is answered like any failure and does not end the process. Each part is deferred, the last one first,
// so that a panic of one leaves none of the others out.
func (q *request) settle() {
	defer q.report()
	defer q.closeEvents()
	defer q.closeStream()
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

// report tells the log and the metrics how the call went.
func (q *request) report() {
	q.estimate()
	q.rec.Ended = time.Now()
	telemetry.LogCall(q.g.opts.Log, &q.rec)
	q.g.opts.Metrics.CallEnded(q.knownAlias(), &q.rec)
}

// estimate counts what a stream gave that ended before the upstream told its usage, mostly because the caller left:
// the upstream bills that too.
func (q *request) estimate() {
	if q.rec.UsageKnown || q.produced == 0 {
		return
	}
	q.rec.PromptTokens, q.rec.CompletionTokens, q.rec.Estimated = len(q.raw)/bytesPerToken, q.produced, true
	q.cost()
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
	q.g.opts.Log.Error("panic while serving a call", "call_id", q.rec.ID, "panic", p, "stack", string(debug.Stack()))
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
