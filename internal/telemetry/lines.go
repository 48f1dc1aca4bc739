package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// callMessage is the message of the access line.
	callMessage = "call"
	// lateBy is how late the access line of a call that went well may be written. Under load a write for every call
	// costs more than the rest of the line (bench/README.md).
	lateBy = 100 * time.Millisecond
	// maxWaiting is how many bytes of lines wait for that.
	maxWaiting = 32 << 10
)

// lines collects log lines and writes them together. Safe for concurrent use.
type lines struct {
	w io.Writer

	mu      sync.Mutex
	waiting []byte // guarded by mu
	armed   bool   // a timer will flush; guarded by mu
}

// Write implements io.Writer. Errors show in flush alone, and there is nobody to tell: it is the log that failed.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, line...)
	switch {
	case len(l.waiting) >= maxWaiting:
		l.flushLocked()
	case !l.armed:
		l.armed = true
		time.AfterFunc(lateBy, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.armed = false
			l.flushLocked()
		})
	}
	return len(line), nil
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
}

func (l *lines) flushLocked() {
	if len(l.waiting) > 0 {
		_, _ = l.w.Write(l.waiting)
		l.waiting = l.waiting[:0]
	}
}

// prompt has every record written at once, and those that wait before it, but for the access lines of calls that went
// well.
type prompt struct {
	slog.Handler
	lines *lines
}

// Handle implements slog.Handler.
func (p prompt) Handle(ctx context.Context, r slog.Record) error {
	err := p.Handler.Handle(ctx, r)
	if r.Message != callMessage || r.Level > slog.LevelInfo {
		p.lines.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (p prompt) WithAttrs(attrs []slog.Attr) slog.Handler {
	return prompt{p.Handler.WithAttrs(attrs), p.lines}
}

// WithGroup implements slog.Handler.
func (p prompt) WithGroup(name string) slog.Handler {
	return prompt{p.Handler.WithGroup(name), p.lines}
}
