// Package otel tells OpenTelemetry backends of calls, by OTLP over HTTP or gRPC: a trace of each call, and where it is asked
// for, metrics of GenAI's conventions, events and the lines of the access log.
package otel

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/callback/post"
)

// Exporter sends what calls were to a backend. Safe for concurrent use.
type Exporter struct {
	traces  otlp.Sender // nil = none are sent
	logs    otlp.Sender // nil = neither events nor lines
	metrics *metrics    // nil = none
	source  otlp.Source
	sampler sampler
	content bool // texts go along
	events  bool // GenAI's event of each call
	lines   bool // the access log
	longest int  // of one request, in bytes
	batch   callback.Batch
	log     *slog.Logger

	mu     sync.Mutex
	warned time.Time // when a signal beside the traces failed last; guarded by mu
}

// Batch implements callback.Batcher.
func (x *Exporter) Batch() callback.Batch { return x.batch }

// Deliver implements callback.Callback. Traces decide what becomes of the batch: metrics and logs are sent of the events that
// are dealt with, once, and one of those that fails is logged.
func (x *Exporter) Deliver(ctx context.Context, batch []*callback.Event) error {
	err := x.sendTraces(ctx, batch)
	dealt := batch
	var partial *callback.Partial
	var rejected *callback.Rejected
	switch {
	case errors.As(err, &partial):
		dealt = batch[:min(partial.Done, len(batch))]
	case err != nil && !errors.As(err, &rejected):
		return err
	}
	if len(dealt) > 0 {
		x.warn("logs", x.sendLogs(ctx, dealt))
		x.warn("metrics", x.metrics.tell(ctx, dealt, len(batch) >= x.batch.Events))
	}
	return err
}

// sendTraces sends the spans of a batch.
func (x *Exporter) sendTraces(ctx context.Context, batch []*callback.Event) error {
	if x.traces == nil {
		return nil
	}
	return post.Batches(batch, x.encode, post.Limits{Bytes: x.longest}, func(texts [][]byte) error { return x.traces.Send(ctx, otlp.Join(texts)) })
}

// encode is an event's spans, nil where its trace is not sampled. Texts that are too long for one request stay behind.
func (x *Exporter) encode(e *callback.Event) ([]byte, error) {
	ids := otlp.Of(e)
	if !x.sampler.takes(ids, e) {
		return nil, nil
	}
	body, err := x.source.Traces(spans(e, ids, x.content))
	if err == nil && len(body) > x.longest && x.content {
		return x.source.Traces(spans(e, ids, false))
	}
	return body, err
}

// sendLogs sends events and lines.
func (x *Exporter) sendLogs(ctx context.Context, batch []*callback.Event) error {
	if x.logs == nil || !x.events && !x.lines {
		return nil
	}
	return post.Batches(batch, x.encodeLogs, post.Limits{Bytes: x.longest}, func(texts [][]byte) error { return x.logs.Send(ctx, otlp.Join(texts)) })
}

// quiet is how long the log stays silent of signals that go on failing.
const quiet = 30 * time.Second

// warn logs that a signal beside the traces was not taken.
func (x *Exporter) warn(signal string, err error) {
	if err == nil {
		return
	}
	x.mu.Lock()
	silent := time.Since(x.warned) < quiet
	if !silent {
		x.warned = time.Now()
	}
	x.mu.Unlock()
	if !silent {
		x.log.Warn("an OpenTelemetry backend does not take a signal", "signal", signal, "error", err)
	}
}

// Ping sends a span that says that it is a test.
func (x *Exporter) Ping(ctx context.Context) error {
	if x.traces == nil {
		return nil
	}
	now := uint64(time.Now().UnixNano()) //nolint:gosec // it is after 1970
	ids := otlp.IDs{Trace: otlp.TraceID("check " + x.source.Version + time.Now().String()), Root: otlp.SpanID("check")}
	body, err := x.source.Traces([]*trace.Span{{
		TraceId: ids.Trace, SpanId: ids.Root, Name: "check", Kind: trace.Span_SPAN_KIND_INTERNAL, StartTimeUnixNano: now, EndTimeUnixNano: now,
		Status: &trace.Status{},
	}})
	if err != nil {
		return err
	}
	return x.traces.Send(ctx, body)
}

// captures are the words that have texts go along (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT).
var captures = []string{"true", "1", "span_only", "event_only", "span_and_event"}

// captured reports whether a word has texts go along.
func captured(word string) bool { return slices.Contains(captures, word) }

// WantsTexts reports whether spans carry prompts and answers. Where they do not, events need none.
func (x *Exporter) WantsTexts() bool { return x.content }
