package gateway

// Traceparent and Tracestate read headers, for tests.
var (
	Traceparent = traceparent
	Tracestate  = tracestate
)
