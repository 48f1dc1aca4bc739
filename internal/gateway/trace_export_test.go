package gateway

import (
	"net/http"
	"testing"
	"time"

	"tollgate/internal/dispatch"
	"tollgate/internal/record"
)

// Traceparent and Tracestate read headers, for tests.
var (
	Traceparent = traceparent
	Tracestate  = tracestate
)

// BenchmarkTrace is what a call of one attempt pays for being traced.
func BenchmarkTrace(b *testing.B) {
	snap := &Snapshot{Tracing: true, Models: NewModels(nil)}
	out := &dispatch.Outcome{Attempts: []dispatch.Attempt{{Deployment: &dispatch.Deployment{ID: "d", UpstreamID: "m", Provider: "oci"}, Status: 200, Start: time.Now()}}}
	r := &http.Request{Header: http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}
	b.ReportAllocs()
	for b.Loop() {
		q := &request{snap: snap, r: r, out: out, op: "chat", rec: record.Call{Started: time.Now()}}
		q.startTrace()
		_ = q.noteAdmitted()
		_ = q.tellTrace(nil, q.attemptSpan())
		q.noteSteps()
	}
}
