package recorder

import (
	"fmt"
	"mime"
	"net/http"
	"sync"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// OTLP plays a backend of OpenTelemetry that takes traces, metrics and logs in protobuf: by HTTP as a handler, by gRPC where it
// is registered at a server (Register).
type OTLP struct {
	Header http.Header // that requests must have
	// Reject has the next requests of traces taken without so many of their spans.
	Reject int64
	inbox
	store spanStore
}

// Span is a span with the resource that it came with.
type Span struct {
	*trace.Span
	Resource map[string]any
}

// Attrs are the span's attributes as plain values.
func (s Span) Attrs() map[string]any { return plain(s.Span.GetAttributes()) }

// spanStore keeps what was taken.
type spanStore struct {
	mu      sync.Mutex
	spans   []Span
	known   map[string]bool // trace and span
	logs    []*logs.LogRecord
	metrics []*metrics.Metric
}

// Spans are the spans that were taken, in order.
func (o *OTLP) Spans() []Span {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	return append([]Span(nil), o.store.spans...)
}

// Logs are the records that were taken.
func (o *OTLP) Logs() []*logs.LogRecord {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	return append([]*logs.LogRecord(nil), o.store.logs...)
}

// Metrics are the metrics that were taken, each as often as it came.
func (o *OTLP) Metrics() []*metrics.Metric {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	return append([]*metrics.Metric(nil), o.store.metrics...)
}

// problem is google.rpc.Status, which answers of errors hold.
func problem(text string) *rpc.Status { return &rpc.Status{Code: 3, Message: text} }

// ServeHTTP implements http.Handler.
func (o *OTLP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.arrive(w) {
		return
	}
	refuse := func(status int, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		o.fault(text)
		answerProto(w, status, problem(text))
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-protobuf" {
		refuse(http.StatusUnsupportedMediaType, "the content type is %q", r.Header.Get("Content-Type"))
		return
	}
	for name := range o.Header {
		if r.Header.Get(name) != o.Header.Get(name) {
			refuse(http.StatusUnauthorized, "the header %s is wrong", name)
			return
		}
	}
	const longest = 20 << 20
	body, long, err := unpacked(r, longest)
	if err != nil || long {
		refuse(http.StatusBadRequest, "the body cannot be read, or is longer than 20 MiB")
		return
	}
	var answer proto.Message
	switch r.URL.Path {
	case "/v1/traces":
		var in coltrace.ExportTraceServiceRequest
		if err = proto.Unmarshal(body, &in); err == nil {
			answer, err = o.takeTraces(&in)
		}
	case "/v1/logs":
		var in collogs.ExportLogsServiceRequest
		if err = proto.Unmarshal(body, &in); err == nil {
			answer, err = o.takeLogs(&in)
		}
	case "/v1/metrics":
		var in colmetrics.ExportMetricsServiceRequest
		if err = proto.Unmarshal(body, &in); err == nil {
			answer, err = o.takeMetrics(&in)
		}
	default:
		refuse(http.StatusNotFound, "there is no %s", r.URL.Path)
		return
	}
	if err != nil {
		refuse(http.StatusBadRequest, "%v", err)
		return
	}
	answerProto(w, http.StatusOK, answer)
}

func answerProto(w http.ResponseWriter, status int, m proto.Message) {
	body, _ := proto.Marshal(m) // of our own making
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // protobuf, and the caller may be gone
}

// takeTraces keeps spans, or says what is wrong with them.
func (o *OTLP) takeTraces(in *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	taken, err := o.store.addTraces(in)
	for _, text := range taken {
		o.fault(text)
	}
	if err != nil {
		return nil, err
	}
	out := &coltrace.ExportTraceServiceResponse{}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Reject > 0 {
		out.PartialSuccess = &coltrace.ExportTracePartialSuccess{RejectedSpans: o.Reject, ErrorMessage: "too many attributes"}
		o.Reject = 0
	}
	return out, nil
}

// addTraces checks spans and keeps them; strange is what a backend takes all the same and should not have got.
func (s *spanStore) addTraces(in *coltrace.ExportTraceServiceRequest) (strange []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]bool{}
	}
	for _, r := range in.GetResourceSpans() {
		resource := plain(r.GetResource().GetAttributes())
		if resource["service.name"] == nil {
			return strange, fmt.Errorf("a resource has no service.name")
		}
		for _, scope := range r.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				if err := checkSpan(span); err != nil {
					return strange, err
				}
				id := string(span.GetTraceId()) + string(span.GetSpanId())
				if s.known[id] {
					strange = append(strange, fmt.Sprintf("the span %s %x came twice", span.GetName(), span.GetSpanId()))
				}
				s.known[id] = true
				s.spans = append(s.spans, Span{span, resource})
			}
		}
	}
	return strange, nil
}

func checkSpan(s *trace.Span) error {
	const idLength, spanLength = 16, 8
	switch {
	case len(s.GetTraceId()) != idLength || zeroes(s.GetTraceId()):
		return fmt.Errorf("the span %s has no trace id", s.GetName())
	case len(s.GetSpanId()) != spanLength || zeroes(s.GetSpanId()):
		return fmt.Errorf("the span %s has no id", s.GetName())
	case len(s.GetParentSpanId()) != 0 && (len(s.GetParentSpanId()) != spanLength || zeroes(s.GetParentSpanId())):
		return fmt.Errorf("the span %s has a parent that is none", s.GetName())
	case s.GetName() == "":
		return fmt.Errorf("a span has no name")
	case s.GetStartTimeUnixNano() == 0 || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano():
		return fmt.Errorf("the span %s does not end behind its start", s.GetName())
	}
	return checkAttrs(s.GetAttributes())
}

func zeroes(id []byte) bool {
	for _, b := range id {
		if b != 0 {
			return false
		}
	}
	return true
}

func checkAttrs(list []*common.KeyValue) error {
	seen := map[string]bool{}
	for _, kv := range list {
		switch {
		case kv.GetKey() == "" || kv.GetValue().GetValue() == nil:
			return fmt.Errorf("the attribute %q has no name or no value", kv.GetKey())
		case seen[kv.GetKey()]:
			return fmt.Errorf("the attribute %q is there twice", kv.GetKey())
		}
		seen[kv.GetKey()] = true
	}
	return nil
}

// takeLogs keeps records, or says what is wrong with them.
func (o *OTLP) takeLogs(in *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for _, r := range in.GetResourceLogs() {
		for _, scope := range r.GetScopeLogs() {
			for _, l := range scope.GetLogRecords() {
				if l.GetTimeUnixNano() == 0 || l.GetBody() == nil && l.GetEventName() == "" {
					return nil, fmt.Errorf("a record has no time, or says nothing")
				}
				if err := checkAttrs(l.GetAttributes()); err != nil {
					return nil, err
				}
				o.store.logs = append(o.store.logs, l)
			}
		}
	}
	return &collogs.ExportLogsServiceResponse{}, nil
}

// takeMetrics keeps metrics, or says what is wrong with them.
func (o *OTLP) takeMetrics(in *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	o.store.mu.Lock()
	defer o.store.mu.Unlock()
	for _, r := range in.GetResourceMetrics() {
		for _, scope := range r.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				if m.GetName() == "" || m.GetData() == nil {
					return nil, fmt.Errorf("a metric has no name or no data")
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					if len(p.GetBucketCounts()) != len(p.GetExplicitBounds())+1 {
						return nil, fmt.Errorf("the histogram %s has not one bucket more than bounds", m.GetName())
					}
					if err := checkAttrs(p.GetAttributes()); err != nil {
						return nil, err
					}
				}
				o.store.metrics = append(o.store.metrics, m)
			}
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

// fault notes what the real service would have refused.
func (b *inbox) fault(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, text)
}

// Plain are attributes as plain values.
func Plain(list []*common.KeyValue) map[string]any { return plain(list) }

func plain(list []*common.KeyValue) map[string]any {
	out := make(map[string]any, len(list))
	for _, kv := range list {
		out[kv.GetKey()] = plainValue(kv.GetValue())
	}
	return out
}

func plainValue(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return v.IntValue
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		var list []any
		for _, one := range v.ArrayValue.GetValues() {
			list = append(list, plainValue(one))
		}
		return list
	}
	return nil
}
