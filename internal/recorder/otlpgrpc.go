package recorder

import (
	"context"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"time"
)

// Register has a server of gRPC take what the handler takes by HTTP. Troubles (Fail) become the codes that gRPC has for them.
func (o *OTLP) Register(s grpc.ServiceRegistrar) {
	coltrace.RegisterTraceServiceServer(s, &otlpTraces{o: o})
	collogs.RegisterLogsServiceServer(s, &otlpLogs{o: o})
	colmetrics.RegisterMetricsServiceServer(s, &otlpMetrics{o: o})
}

type otlpTraces struct {
	coltrace.UnimplementedTraceServiceServer
	o *OTLP
}

// Export implements coltrace.TraceServiceServer.
func (t *otlpTraces) Export(ctx context.Context, in *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	if err := t.o.admit(ctx); err != nil {
		return nil, err
	}
	out, err := t.o.takeTraces(in)
	return out, t.o.refused(err)
}

type otlpLogs struct {
	collogs.UnimplementedLogsServiceServer
	o *OTLP
}

// Export implements collogs.LogsServiceServer.
func (l *otlpLogs) Export(ctx context.Context, in *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	if err := l.o.admit(ctx); err != nil {
		return nil, err
	}
	out, err := l.o.takeLogs(in)
	return out, l.o.refused(err)
}

type otlpMetrics struct {
	colmetrics.UnimplementedMetricsServiceServer
	o *OTLP
}

// Export implements colmetrics.MetricsServiceServer.
func (m *otlpMetrics) Export(ctx context.Context, in *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	if err := m.o.admit(ctx); err != nil {
		return nil, err
	}
	out, err := m.o.takeMetrics(in)
	return out, m.o.refused(err)
}

// refused notes what is wrong with a request.
func (o *OTLP) refused(err error) error {
	if err == nil {
		return nil
	}
	o.fault(err.Error())
	return status.Error(codes.InvalidArgument, err.Error())
}

// admit counts a call, looks at its headers and answers with trouble where it is due.
func (o *OTLP) admit(ctx context.Context) error {
	given, _ := metadata.FromIncomingContext(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests++
	for name := range o.Header {
		if got := given.Get(name); len(got) != 1 || got[0] != o.Header.Get(name) {
			o.faults = append(o.faults, "the header "+name+" is wrong")
			return status.Error(codes.Unauthenticated, "who?")
		}
	}
	if len(o.troubles) == 0 {
		return nil
	}
	t := o.troubles[0]
	o.troubles = o.troubles[1:]
	code := map[int]codes.Code{400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 429: codes.ResourceExhausted, 503: codes.Unavailable}[t.Status]
	s := status.New(code, "trouble")
	if t.RetryAfter > 0 {
		if with, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Duration(t.RetryAfter) * time.Second)}); err == nil {
			s = with
		}
	}
	return s.Err()
}
