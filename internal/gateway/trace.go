package gateway

// startTrace takes the caller's trace context, or begins a trace.
func (q *request) startTrace() {}
