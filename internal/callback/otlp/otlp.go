// Package otlp speaks OpenTelemetry's protocol for the callbacks that send traces and logs: over HTTP and gRPC, an event's
// spans in one piece, with the delivery that callbacks are asked for. It knows nothing of what spans say.
//
// The SDK's exporters are not used for these: they make of a backend's answer an error that tells neither what may be sent
// again nor when.
package otlp

import (
	"bytes"
	"context"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Sender takes encoded requests of one signal to a backend. Its error is what post.Poster's Post says of one. Safe for
// concurrent use.
type Sender interface {
	Send(ctx context.Context, body []byte) error
}

// Source says who sends.
type Source struct {
	Resource []*common.KeyValue
	Scope    string
	Version  string
}

// Traces encodes spans as a request of their own. Several requests that are joined are one again (Join).
func (s *Source) Traces(spans []*trace.Span) ([]byte, error) {
	return proto.Marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: s.Resource},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{Name: s.Scope, Version: s.Version}, Spans: spans}},
	}}})
}

// Logs encodes log records, as Traces does spans.
func (s *Source) Logs(records []*logs.LogRecord) ([]byte, error) {
	return proto.Marshal(&collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource:  &resource.Resource{Attributes: s.Resource},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: s.Scope, Version: s.Version}, LogRecords: records}},
	}}})
}

// Join makes one request of several of the same signal: messages of protobuf one behind the other are one message with the
// elements of all of them.
func Join(requests [][]byte) []byte { return bytes.Join(requests, nil) }

// Signal is a kind of what is sent.
type Signal string

// The signals of this package. Their values are the names in paths and variables.
const (
	Traces Signal = "traces"
	Logs   Signal = "logs"
)

// method is the signal's method of gRPC.
func (s Signal) method() string {
	if s == Logs {
		return "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	}
	return "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
}

// partial reads what a backend that has taken a request says it has not taken of it.
func (s Signal) partial(answer []byte) (rejected int64, why string) {
	if s == Logs {
		var r collogs.ExportLogsServiceResponse
		if proto.Unmarshal(answer, &r) != nil {
			return 0, ""
		}
		return r.GetPartialSuccess().GetRejectedLogRecords(), r.GetPartialSuccess().GetErrorMessage()
	}
	var r coltrace.ExportTraceServiceResponse
	if proto.Unmarshal(answer, &r) != nil {
		return 0, ""
	}
	return r.GetPartialSuccess().GetRejectedSpans(), r.GetPartialSuccess().GetErrorMessage()
}
