package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/dispatch"
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/limit"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// request is one call of a model route on its way through the gateway. One goroutine owns it.
type request struct {
	g     *Gateway
	snap  *Snapshot
	w     http.ResponseWriter
	r     *http.Request
	route *route
	op    openai.Operation
	// pathModel is the model named by the path; it beats the body's.
	pathModel string

	ctx    context.Context // ends when the caller leaves
	caller access.Identity
	// admission is what the call is held to; never nil once admit has returned nil.
	admission  *access.Admission
	size       size // filled by measure
	behind     []*dispatch.Deployment
	answerOf   answer
	slicing    bool         // the hold grows while the stream is written
	covered    int64        // tokens that a stream may have written before its hold is looked at again
	tight      bool         // a whole slice was not to be had
	last       int64        // tokens at which the stream must end, since its hold does not grow; 0 = it grows, or nobody has looked
	hold       *budget.Hold // of the caller's budgets; nil without any
	target     *budget.Hold // of the budgets of the deployment that is asked, and its provider's
	pass       *limit.Pass
	billed     money.USD   // what attempts that failed may have been billed
	targetPass *limit.Pass // the limits of the model that a fallback serves
	// targetCharges are counters that the cost is added to because a fallback serves another model.
	targetCharges []account.Scope
	outputCap     int64 // tokens that an answer is capped at because the hold covers no more; 0 = none
	raw           []byte
	body          *openai.Request
	sent          *openai.Request // the last body that went upstream; nil before the first
	// asked is the name as the caller wrote it, which the answer's model repeats; "" when the path gave the model.
	asked string
	alias string // what is asked of the router
	// credentials are the body's own credential fields, where the operator allows them; nil mostly.
	credentials map[string]string
	forwarded   http.Header // the caller's headers for the upstream; nil mostly
	query       *dispatch.Query
	out         *dispatch.Outcome
	reply       *openai.Response // one of reply and stream is set by a dispatch that succeeded
	stream      openai.Stream
	usage       openai.Usage // as the upstream has told it
	// produced counts the chunks with choices that a stream has given: about one token each; written their characters.
	produced int
	written  int64
	volume   int64   // bytes of the choices that a stream has given
	said     int64   // tokens that a stream has given, on the high side; counted while its hold grows
	kept     []byte  // what a stream has said, where answers are kept
	events   *events // of a call that asked for a stream; nil before that is known
	meter    meter   // counts what the upstream's stream gives

	guard    *guardrail.Run // nil = the call has no guardrails
	beside   *beside        // those that look on while the upstream answers; nil = none
	cleared  bool           // the guardrails have let the request pass
	withheld bool           // a guardrail has kept the answer from the caller
	counted  bool           // the usage of the answer in one piece is in the record
	cached   caching

	told   telling // what is kept for callbacks
	traced tracing
	rec    record.Call
	// booked is true once the record is where a kill of the process cannot take it away.
	booked bool
}

func newRequest(g *Gateway, w http.ResponseWriter, r *http.Request, rt *route, op openai.Operation, pathModel string) *request {
	q := &request{g: g, snap: g.snap.Load(), w: w, r: r, route: rt, op: op, pathModel: pathModel, ctx: r.Context()}
	q.admission = &noAdmission
	q.rec = record.Call{ID: telemetry.NewID(), Route: rt.Path, CallType: callTypes[op], Started: time.Now(), Replica: g.opts.Replica}
	q.rec.SentID = callID(r, q.rec.ID) // callers repeat theirs, so the ledger has an id of ours
	q.startTrace()
	if g.opts.Log.Enabled(q.ctx, slog.LevelDebug) {
		q.ctx = egress.WithCall(q.ctx, q.rec.SentID)
	}
	g.opts.Metrics.CallStarted()
	return q
}

// noAdmission is what a call is held to before it is admitted.
var noAdmission access.Admission

// callTypes are LiteLLM's names of the operations in its spend rows.
var callTypes = map[openai.Operation]string{
	openai.OpChat: "acompletion", openai.OpCompletion: "atext_completion", openai.OpEmbedding: "aembedding", openai.OpRerank: "arerank",
}

// callID takes the caller's id of the call when it is fit for a header and a log line, else own.
func callID(r *http.Request, own string) string {
	const longest = 128
	id := r.Header.Get("X-Litellm-Call-Id")
	if id == "" || len(id) > longest {
		return own
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c >= 0x7f {
			return own
		}
	}
	return id
}

// setID sets the headers that every answer has.
func setID(h http.Header, id string) {
	h["X-Litellm-Call-Id"] = []string{id}
	h["X-Request-Id"] = []string{id}
	h["X-Litellm-Version"] = []string{compatVersion}
}

// serve is the way of one call.
func (q *request) serve() {
	defer q.settle() // exactly once: success, refusal, panic, caller gone
	for _, step := range [...]func() error{
		q.identify, // who calls, and may they use this route? Before the body is read, so that a stranger costs nothing
		q.read,     // the body, bounded, and its top level
		q.admit,    // may this caller make this call, and what is it held to?
		q.reserve,  // its worst case fits the budgets, and it has a place in the limits
		q.noteAdmitted,
		q.guardInput,   // guardrails look at it, and may change it
		q.tracedLookup, // the cache may have its answer
		q.dispatch,     // else an upstream answers, after retries and fallbacks
		q.guardOutput,  // guardrails look at the answer, or stand in its stream
		q.answer,       // in one piece or as a stream
	} {
		if err := step(); err != nil {
			q.fail(err)
			return
		}
	}
	q.rec.Outcome = record.Success
}

// identify lets the caller in.
func (q *request) identify() error {
	setID(q.w.Header(), q.rec.SentID)
	caller, err := q.snap.Gate.Identify(&q.route.Route, q.r)
	if err != nil {
		return err
	}
	q.caller = caller
	q.noteCaller()
	return nil
}

// fail writes the error that ended the call: as the whole answer, or as an event where a stream has begun.
func (q *request) fail(err error) {
	if errors.Is(err, errAnswered) {
		return
	}
	if q.ctx.Err() != nil {
		// Written all the same: who closed only its sending half still reads, and must not see an empty 200.
		e := &apierr.Error{Status: statusClientClosed, Type: "client_closed_request", Message: "The caller left before the answer was complete."}
		q.rec.Outcome, q.rec.Status, q.rec.Error = record.Gone, e.Status, e.Message
		q.write(e)
		return
	}
	e := apierr.From(err)
	var upstream *provider.UpstreamError
	if errors.As(err, &upstream) {
		if e.Header == nil {
			e.Header = http.Header{}
		}
		q.g.upstreamHeaders(e.Header, upstream.Header)
	}
	if q.out != nil && len(q.out.Attempts) > 0 {
		e = e.WithHeader("X-Litellm-Model-Id", q.out.Attempts[len(q.out.Attempts)-1].Deployment.ID)
	}
	q.rec.Status, q.rec.Error, q.rec.ErrorType = e.Status, e.Message, e.Type
	q.rec.Outcome = record.Refused
	if (q.out != nil && len(q.out.Attempts) > 0 || e.Status >= http.StatusInternalServerError) && !blocked(err) {
		q.rec.Outcome = record.Failure
	}
	if e.Cause != nil {
		level := slog.LevelDebug // the access line has what the caller was told
		if e.Status >= http.StatusInternalServerError {
			level = slog.LevelWarn
		}
		told := []any{"call_id", q.rec.SentID, "error", e.Cause}
		if upstream != nil && upstream.Cause != nil {
			told = append(told, "cause", withoutURL(upstream.Cause))
		}
		q.g.opts.Log.Log(q.ctx, level, "call failed", told...)
	}
	q.write(e)
}

// withoutURL is what went wrong on the way to an upstream, for the log alone. The URL is left out: its query may hold a key.
func withoutURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		return with.Err
	}
	return err
}

// write answers with an error: as a plain answer while nothing was sent, else as an event of the stream.
func (q *request) write(e *apierr.Error) {
	q.book()
	cost := "0"
	if q.withheld { // by a guardrail: the model has answered all the same
		cost = q.rec.Cost.PythonFloat()
	}
	e = e.WithHeader("X-Litellm-Response-Cost", cost)
	if q.events != nil {
		q.events.fail(e)
		return
	}
	if q.rec.FirstByte == 0 { // else the answer has begun, and all that is left is to break it off
		e.Write(q.w)
	}
}

// statusClientClosed is the status of a call whose caller left (nginx's number).
const statusClientClosed = 499

// compatVersion is the LiteLLM release whose contract the answers follow.
const compatVersion = "1.110.2"
