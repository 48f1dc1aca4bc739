package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/dispatch"
	"tollgate/internal/openai"
	"tollgate/internal/record"
)

// This file is where a call stands among others: the caller's trace is taken up, the parts of the call that took time are
// noted, and the upstream is told where the operator wants that. Spans are made of it by callbacks, once the call has ended.

// tracing is what a call notes for traces; the zero value is that of a call that is not traced.
type tracing struct {
	on       bool
	admitted time.Time // when the call was let in; zero = it was not
	spans    []string  // of the attempts, in order
	lookup   *record.Step
}

// startTrace takes the caller's trace context, or begins a trace. Nothing is made where nobody exports it and no upstream is
// told.
func (q *request) startTrace() {
	if !q.snap.Tracing && !q.snap.ForwardTraceparent {
		return
	}
	q.traced.on = true
	var ids [24]byte
	_, _ = rand.Read(ids[:]) // it never fails
	q.rec.Trace = record.Trace{Span: hex.EncodeToString(ids[16:]), Sampled: true}
	if parent, ok := traceparent(q.r.Header); ok {
		q.rec.Trace.ID, q.rec.Trace.Parent, q.rec.Trace.Sampled = parent.ID, parent.Span, parent.Sampled
		q.rec.Trace.State = tracestate(q.r.Header)
		return
	}
	q.rec.Trace.ID = hex.EncodeToString(ids[:16])
}

// traceparent reads the caller's trace context (W3C Trace Context, section 3.2). One that is not as it must be, or that comes
// twice, is as good as none.
func traceparent(h http.Header) (parent record.Trace, ok bool) {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	values := h["Traceparent"]
	if len(values) != 1 || len(values[0]) < length {
		return record.Trace{}, false
	}
	v := values[0]
	version, id, span, flags := v[:2], v[3:35], v[36:52], v[53:55]
	switch {
	case v[2] != '-' || v[35] != '-' || v[52] != '-':
		return record.Trace{}, false
	case !lowerHex(version) || version == "ff" || !lowerHex(id) || !lowerHex(span) || !lowerHex(flags):
		return record.Trace{}, false
	case zeros(id) || zeros(span):
		return record.Trace{}, false
	case len(v) > length && (version == "00" || v[length] != '-'): // later versions may have more behind a dash
		return record.Trace{}, false
	}
	var bits [1]byte
	_, _ = hex.Decode(bits[:], []byte(flags)) // it was looked at
	return record.Trace{ID: id, Span: span, Sampled: bits[0]&1 == 1}, true
}

func lowerHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zeros(s string) bool { return strings.Trim(s, "0") == "" }

// Bounds of tracestate by W3C: what has more may be cut, or left out.
const (
	mostStates   = 32
	longestState = 512
)

// tracestate reads what other tracing systems have to say; "" where that is nothing, or not as it must be.
func tracestate(h http.Header) string {
	state := strings.Join(h["Tracestate"], ",")
	if state == "" || len(state) > longestState {
		return ""
	}
	members := 0
	for member := range strings.SplitSeq(state, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, ok := strings.Cut(member, "=")
		if members++; !ok || members > mostStates || !stateKey(key) || !stateValue(value) {
			return ""
		}
	}
	return state
}

// stateKey reports whether a key is one of tracestate's: lower case, and at most one "@" before the system's name. Names begin
// with a letter, a tenant's with a digit too.
func stateKey(key string) bool {
	const longest, longestTenant, longestSystem = 256, 241, 14
	tenant, system, several := strings.Cut(key, "@")
	if key == "" || len(key) > longest || several && (len(tenant) > longestTenant || len(system) > longestSystem) {
		return false
	}
	return !several && stateName(key, false) || several && stateName(tenant, true) && stateName(system, false)
}

func stateName(s string, digitFirst bool) bool {
	for i, c := range []byte(s) {
		letter, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		if !letter && !(digit && (i > 0 || digitFirst)) && (i == 0 || !strings.ContainsRune("_-*/", rune(c))) {
			return false
		}
	}
	return s != ""
}

// stateValue reports whether a value is one of tracestate's: printable, without "," and "=".
func stateValue(value string) bool {
	const longest = 256
	if value == "" || len(value) > longest {
		return false
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

// noteAdmitted is the step of a call that ends its admission.
func (q *request) noteAdmitted() error {
	if q.traced.on {
		q.traced.admitted = time.Now()
	}
	return nil
}

// tracedLookup is lookup, with the time that it took.
func (q *request) tracedLookup() error {
	if !q.traced.on || q.snap.Cache == nil {
		return q.lookup()
	}
	step := record.Step{Name: "cache lookup", Kind: record.StepCache, Span: newSpan(), Start: time.Now()}
	err := q.lookup()
	step.End = time.Now()
	if q.cached.plan != nil {
		step.Attrs = map[string]any{"hit": q.rec.CacheHit}
		if s := q.rec.CacheSimilarity; s > 0 {
			step.Attrs["similarity"] = s
		}
		q.traced.lookup = &step
	}
	return err
}

// attemptSpan makes the span of an attempt, "" where nobody traces. Each has one, sent or not: they are told by their order.
func (q *request) attemptSpan() string {
	if !q.traced.on {
		return ""
	}
	span := newSpan()
	q.traced.spans = append(q.traced.spans, span)
	return span
}

// tellTrace has the upstream take part in the trace, where the operator wants that (forward_traceparent_to_llm_provider).
func (q *request) tellTrace(h http.Header, span string) http.Header {
	if !q.traced.on || !q.snap.ForwardTraceparent {
		return h
	}
	if h = h.Clone(); h == nil {
		h = http.Header{}
	}
	flags := "-00"
	if q.rec.Trace.Sampled {
		flags = "-01"
	}
	h["Traceparent"] = []string{"00-" + q.rec.Trace.ID + "-" + span + flags}
	if q.rec.Trace.State != "" {
		h["Tracestate"] = []string{q.rec.Trace.State}
	}
	return h
}

// noteSteps fills in the parts of the call that took time, but for guardrails, which tell of theirs. It is called once the call
// has ended, and its attempts are in the record.
func (q *request) noteSteps() {
	if !q.snap.Tracing {
		return
	}
	admission := record.Step{Name: "admission", Kind: record.StepAdmission, Span: newSpan(), Start: q.rec.Started, End: q.traced.admitted}
	if q.traced.admitted.IsZero() {
		admission.End, admission.Error = q.rec.Ended, q.rec.Error
	}
	q.rec.Steps = append(q.rec.Steps, admission)
	if q.traced.lookup != nil {
		q.rec.Steps = append(q.rec.Steps, *q.traced.lookup)
	}
	if q.out == nil {
		return
	}
	for i := range q.out.Attempts {
		q.rec.Steps = append(q.rec.Steps, q.attemptStep(i, &q.out.Attempts[i]))
	}
}

// spanNames are the operations as OpenTelemetry's conventions for GenAI name them, as far as they do.
var spanNames = map[openai.Operation]string{
	openai.OpChat: "chat", openai.OpCompletion: "text_completion", openai.OpEmbedding: "embeddings", openai.OpRerank: "rerank",
}

// attemptStep is one attempt as a step. Of a stream that was opened it lasts until the call ended.
func (q *request) attemptStep(i int, a *dispatch.Attempt) record.Step {
	s := record.Step{Name: spanNames[q.op] + " " + a.Deployment.UpstreamID, Kind: record.StepAttempt, Start: a.Start, End: a.Start.Add(a.Duration)}
	if i < len(q.traced.spans) {
		s.Span = q.traced.spans[i]
	} else { // of an answer that was made up (mock_response)
		s.Span = newSpan()
	}
	if a.Err == nil && q.stream != nil {
		s.End = q.rec.Ended
	}
	s.Attrs = map[string]any{
		"deployment": a.Deployment.ID, "group": a.Group, "model": a.Deployment.UpstreamID, "provider": a.Deployment.Provider, "status": a.Status,
	}
	if m := q.snap.Models.byID(a.Deployment.ID); m != nil && m.APIBase != "" {
		s.Attrs["api_base"] = m.APIBase
	}
	if a.Err != nil {
		s.Error = clip(a.Err.Error())
	}
	return s
}

// newSpan makes the id of a span.
func newSpan() string {
	var id [8]byte
	_, _ = rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}
