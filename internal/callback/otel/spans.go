package otel

import (
	"net/http"
	"strconv"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/record"
)

// spans are those of a call: its own, of the kind SERVER, and below it one for each part that took time.
func spans(e *callback.Event, ids otlp.IDs, content bool) []*trace.Span {
	p := &e.Payload
	root := &trace.Span{
		TraceId: ids.Trace, SpanId: ids.Root, ParentSpanId: ids.Parent, TraceState: e.Trace.State, Name: "POST " + e.Route, Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: nanos(p.StartTime), EndTimeUnixNano: nanos(p.EndTime), Status: &trace.Status{}, Flags: flags(ids),
	}
	root.Attributes = serverAttrs(e)
	if e.HTTPStatus >= http.StatusInternalServerError { // what the caller did wrong is no error of a server
		root.Status = failed(p)
	}
	list := []*trace.Span{root}
	answered := answeringStep(e)
	for i := range e.Steps {
		s := &e.Steps[i]
		span := child(ids, s.Name, s, string(s.Kind), i)
		switch s.Kind {
		case record.StepGuardrail:
			continue // they are told by what the guardrails say of themselves
		case record.StepAttempt:
			span.Kind = trace.Span_SPAN_KIND_CLIENT
			span.Attributes = attemptAttrs(e, s, i == answered, content)
		case record.StepCache:
			var a otlp.Attrs
			for name, value := range s.Attrs {
				a.Any("litellm.cache."+name, value)
			}
			span.Attributes = a
		}
		list = append(list, span)
	}
	if answered == none && content { // a hit, or a call that nobody has answered
		root.Attributes = contentAttrs(root.Attributes, e)
	}
	return append(list, guardrailSpans(e, ids)...)
}

// none is the place of what is not there.
const none = -1

// answeringStep is the place of the attempt that has answered, none without one.
func answeringStep(e *callback.Event) int {
	for i := len(e.Steps) - 1; i >= 0; i-- {
		if e.Steps[i].Kind == record.StepAttempt {
			if e.Steps[i].Error == "" {
				return i
			}
			return none
		}
	}
	return none
}

// child is a span below the call's own.
func child(ids otlp.IDs, name string, s *record.Step, kind string, n int) *trace.Span {
	span := &trace.Span{
		TraceId: ids.Trace, SpanId: ids.Child(s, kind, n), ParentSpanId: ids.Root, Name: name, Kind: trace.Span_SPAN_KIND_INTERNAL, Status: &trace.Status{}, Flags: 1,
	}
	if s != nil {
		span.StartTimeUnixNano, span.EndTimeUnixNano = unixNano(s.Start), unixNano(s.End)
		if s.Error != "" {
			span.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: s.Error}
		}
	}
	return span
}

// failed is the status of a call that failed.
func failed(p *callback.Payload) *trace.Status {
	st := &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
	if p.ErrorStr != nil {
		st.Message = *p.ErrorStr
	}
	return st
}

// flags says that the trace is sampled, and whether its parent is another process's.
func flags(ids otlp.IDs) uint32 {
	const sampled, hasRemote, isRemote = 1, 1 << 8, 1 << 9
	if ids.Parent == nil {
		return sampled | hasRemote
	}
	return sampled | hasRemote | isRemote
}

// serverAttrs are those of the call itself: HTTP's, and LiteLLM's.
func serverAttrs(e *callback.Event) otlp.Attrs {
	p := &e.Payload
	var a otlp.Attrs
	a.Text("http.request.method", http.MethodPost)
	a.Text("http.route", e.Route)
	if e.HTTPStatus > 0 {
		a.Int("http.response.status_code", int64(e.HTTPStatus))
	}
	a.Text("client.address", p.RequesterIP)
	a.Text("user_agent.original", p.UserAgent)
	if e.Failed() {
		a.Text("error.type", errorType(e))
	}
	a.Text("gen_ai.conversation.id", e.Session)
	litellmAttrs(&a, e)
	return a
}

// litellmAttrs are LiteLLM's keys.
func litellmAttrs(a *otlp.Attrs, e *callback.Event) {
	p, m := &e.Payload, &e.Payload.Metadata
	a.Text("litellm.call_id", p.CallID)
	a.Text("litellm.call_type", p.CallType)
	a.Text("litellm.request.route", e.Route)
	a.Bool("litellm.request.streaming", p.Stream)
	a.Text("litellm.request.model", p.ModelGroup)
	a.Text("litellm.provider.model", p.Model)
	a.Text("litellm.model_id", p.ModelID)
	a.Text("litellm.team.id", m.TeamID)
	a.Text("litellm.team.alias", m.TeamAlias)
	a.Text("litellm.api_key.hash", m.KeyHash)
	a.Text("litellm.api_key.alias", m.KeyAlias)
	a.Text("litellm.user.id", m.UserID)
	a.Text("litellm.org.id", m.OrgID)
	a.Text("litellm.end_user.id", p.EndUser)
	a.Texts("litellm.request.tags", p.RequestTags)
	a.Bool("litellm.cache_hit", p.CacheHit)
	a.Int("litellm.attempts", int64(e.Attempts))
	if p.CostBreakdown != nil {
		a.Float("litellm.cost.total", p.ResponseCost)
	}
	if p.SavedCacheCost > 0 {
		a.Float("litellm.cost.saved", p.SavedCacheCost)
	}
	a.Text("litellm.metadata", string(m.SpendLogs))
}

// errorType is what a call failed with, in few words.
func errorType(e *callback.Event) string {
	if info := e.Payload.ErrorInformation; info != nil && info.Class != "" {
		return info.Class
	}
	return strconv.Itoa(e.HTTPStatus)
}

// guardrailSpans are those of the guardrails that ran.
func guardrailSpans(e *callback.Event, ids otlp.IDs) []*trace.Span {
	var steps []*record.Step
	for i := range e.Steps {
		if e.Steps[i].Kind == record.StepGuardrail {
			steps = append(steps, &e.Steps[i])
		}
	}
	var list []*trace.Span
	for i := range e.Payload.Guardrails {
		g := &e.Payload.Guardrails[i]
		var s *record.Step
		if i < len(steps) {
			s = steps[i]
		}
		span := child(ids, "execute_guardrail "+g.Name, s, "guardrail", i)
		span.StartTimeUnixNano, span.EndTimeUnixNano = nanos(g.Start), nanos(g.End)
		span.Status = &trace.Status{}
		if g.Status == "guardrail_failed_to_respond" {
			span.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: g.Error}
		}
		span.Attributes = guardrailAttrs(g)
		list = append(list, span)
	}
	return list
}

func guardrailAttrs(g *record.Guardrail) otlp.Attrs {
	var a otlp.Attrs
	a.Text("litellm.guardrail.name", g.Name)
	a.Text("litellm.guardrail.provider", g.Provider)
	a.Text("litellm.guardrail.mode", g.Mode)
	a.Text("litellm.guardrail.status", g.Status)
	a.Text("litellm.guardrail.action", g.Action)
	a.Text("litellm.guardrail.detection_method", g.DetectionMethod)
	a.Texts("litellm.guardrail.violation_categories", g.Violations)
	a.Float("litellm.guardrail.duration", g.Duration)
	if g.ConfidenceScore > 0 {
		a.Float("litellm.guardrail.confidence_score", g.ConfidenceScore)
	}
	if len(g.MaskedEntities) > 0 {
		a.JSON("litellm.guardrail.masked_entity_count", g.MaskedEntities)
	}
	if len(g.Response) > 0 {
		a.JSON("litellm.guardrail.response", g.Response)
	}
	return a
}

// nanos is a time of LiteLLM's, in seconds, as OTLP has it.
func nanos(seconds float64) uint64 {
	if seconds <= 0 {
		return 0
	}
	return uint64(seconds*1e6) * 1000 // more than microseconds a float64 does not have
}

func unixNano(t time.Time) uint64 {
	if t.IsZero() || t.UnixNano() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}
