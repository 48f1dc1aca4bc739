package otel

import (
	"encoding/hex"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
)

// encodeLogs are the log records of a call: GenAI's event, and the line of the access log.
func (x *Exporter) encodeLogs(e *callback.Event) ([]byte, error) {
	ids := otlp.Of(e)
	var list []*logs.LogRecord
	if x.lines {
		list = append(list, accessLine(e, ids))
	}
	if x.events && x.sampler.takes(ids, e) {
		if r := detailsEvent(e, ids, x.content); r != nil {
			list = append(list, r)
		}
	}
	if list == nil {
		return nil, nil
	}
	body, err := x.source.Logs(list)
	if err == nil && len(body) > x.longest && x.content && x.events {
		list[len(list)-1] = detailsEvent(e, ids, false)
		return x.source.Logs(list)
	}
	return body, err
}

// detailsEvent is gen_ai.client.inference.operation.details; nil for a call that no upstream was asked for.
func detailsEvent(e *callback.Event, ids otlp.IDs, content bool) *logs.LogRecord {
	answered := answeringStep(e)
	if answered == none {
		return nil
	}
	s := &e.Steps[answered]
	return &logs.LogRecord{
		TimeUnixNano: nanos(e.Payload.EndTime), ObservedTimeUnixNano: nanos(e.Payload.EndTime), SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
		EventName: "gen_ai.client.inference.operation.details", TraceId: ids.Trace, SpanId: ids.Child(s, string(s.Kind), answered), Flags: 1,
		Attributes: attemptAttrs(e, s, true, content),
	}
}

// accessLine is the line of a call in the access log, as a record. It holds no text of the call.
func accessLine(e *callback.Event, ids otlp.IDs) *logs.LogRecord {
	p := &e.Payload
	r := &logs.LogRecord{
		TimeUnixNano: nanos(p.EndTime), ObservedTimeUnixNano: nanos(p.EndTime), SeverityNumber: logs.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
		TraceId: ids.Trace, SpanId: ids.Root, Flags: 1,
	}
	if e.HTTPStatus >= 500 {
		r.SeverityNumber, r.SeverityText = logs.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	var a otlp.Attrs
	a.Text("trace_id", hex.EncodeToString(ids.Trace))
	a.Int("status", int64(e.HTTPStatus))
	a.Text("outcome", p.Status)
	a.Float("duration_ms", (p.EndTime-p.StartTime)*1000)
	a.Int("prompt_tokens", int64(p.PromptTokens))
	a.Int("completion_tokens", int64(p.CompletionTokens))
	litellmAttrs(&a, e)
	if e.Failed() {
		a.Text("error.type", errorType(e))
		if p.ErrorStr != nil {
			a.Text("error.message", *p.ErrorStr)
		}
	}
	body := otlp.Attrs{}
	body.Text("", "call")
	r.Body, r.Attributes = body[0].GetValue(), a
	return r
}
