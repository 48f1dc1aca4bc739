package langfuse

import (
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"tollgate/internal/callback/otlp"
	"tollgate/internal/record"
)

// iso is how Langfuse reads times.
const iso = "2006-01-02T15:04:05.000000Z"

// spans are the call's observation, the guardrails and the attempts that failed, each with what Langfuse wants on every span of
// a trace. A span is sent once, when it has ended: Langfuse keeps what comes twice.
func (v *view) spans() []*trace.Span {
	p := &v.e.Payload
	root := v.span(v.name, v.root, v.parent, at(p.StartTime), at(p.EndTime), v.level, v.message)
	var a otlp.Attrs
	a.Text("langfuse.observation.type", v.kind)
	a.Text("langfuse.observation.model.name", p.Model)
	if len(p.ModelParameters) > 0 {
		a.JSON("langfuse.observation.model.parameters", v.parameters())
	}
	a.Text("langfuse.observation.input", v.input)
	a.Text("langfuse.observation.output", v.output)
	if v.tells("input") {
		a.Text("langfuse.trace.input", v.input)
	}
	if v.tells("output") {
		a.Text("langfuse.trace.output", v.output)
	}
	if v.usage != nil {
		a.JSON("langfuse.observation.usage_details", v.usage)
	}
	if v.cost != nil {
		a.JSON("langfuse.observation.cost_details", v.cost)
	}
	if streamed(p) {
		a.Text("langfuse.observation.completion_start_time", at(p.CompletionStartTime).Format(iso))
	}
	if v.prompt != "" {
		a.Text("langfuse.observation.prompt.name", v.prompt)
		a.Int("langfuse.observation.prompt.version", v.promptVersion)
	}
	for name, value := range v.metadata {
		a.Any("langfuse.observation.metadata."+name, value)
	}
	root.Attributes = append(root.Attributes, a...)
	list := []*trace.Span{root}
	for i := range p.Guardrails {
		list = append(list, v.guardrail(&p.Guardrails[i], i))
	}
	for i := range v.e.Steps {
		if s := &v.e.Steps[i]; s.Kind == record.StepAttempt && s.Error != "" {
			list = append(list, v.attempt(s, i))
		}
	}
	return list
}

// parameters are the request's, without its tools, which are a part of the input.
func (v *view) parameters() map[string]any {
	out := map[string]any{}
	for name, value := range v.e.Payload.ModelParameters {
		if name != "tools" && name != "functions" {
			out[name] = value
		}
	}
	return out
}

// span is an observation with what every one of them has.
func (v *view) span(name string, id, parent []byte, start, end time.Time, level, message string) *trace.Span {
	s := &trace.Span{
		TraceId: v.ids.Trace, SpanId: id, ParentSpanId: parent, Name: name, Kind: trace.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: nano(start), EndTimeUnixNano: nano(end), Status: &trace.Status{}, Flags: 1,
	}
	if level == "ERROR" {
		s.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR, Message: message}
	}
	var a otlp.Attrs
	if v.tells("name") {
		a.Text("langfuse.trace.name", v.traceName)
	}
	if v.tells("user_id") {
		a.Text("langfuse.user.id", v.user)
	}
	if v.tells("session_id") {
		a.Text("langfuse.session.id", v.session)
	}
	if v.tells("tags") {
		a.Texts("langfuse.trace.tags", v.tags)
	}
	if v.tells("metadata") && len(v.traceMetadata) > 0 {
		a.JSON("langfuse.trace.metadata", v.traceMetadata)
	}
	a.Text("langfuse.environment", v.environment)
	a.Text("langfuse.release", v.release)
	a.Text("langfuse.version", v.version)
	a.Text("langfuse.observation.level", level)
	a.Text("langfuse.observation.status_message", message)
	s.Attributes = a
	return s
}

// guardrail is the observation of a guardrail that ran.
func (v *view) guardrail(g *record.Guardrail, n int) *trace.Span {
	level, message := guardrailLevel(g)
	s := v.span(g.Name, v.ids.Child(nil, "guardrail", n), v.root, at(g.Start), at(g.End), level, message)
	var a otlp.Attrs
	a.Text("langfuse.observation.type", "guardrail")
	a.JSON("langfuse.observation.output", g)
	s.Attributes = append(s.Attributes, a...)
	return s
}

// guardrailLevel is how a guardrail's run is shown.
func guardrailLevel(g *record.Guardrail) (level, message string) {
	switch g.Status {
	case "guardrail_intervened":
		return "WARNING", g.Status
	case "guardrail_failed_to_respond":
		return "ERROR", g.Error
	}
	return "DEFAULT", ""
}

// attempt is the observation of an attempt that failed.
func (v *view) attempt(s *record.Step, n int) *trace.Span {
	span := v.span(s.Name, v.ids.Child(s, "attempt", n), v.root, s.Start, s.End, "WARNING", s.Error)
	var a otlp.Attrs
	a.Text("langfuse.observation.type", "span")
	for name, value := range s.Attrs {
		a.Any("langfuse.observation.metadata."+name, value)
	}
	span.Attributes = append(span.Attributes, a...)
	return span
}

func nano(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }
