// Package callback tells other systems of finished calls: logs, traces, archives. One shared worker queues events for each
// callback, on disk where there is one, and delivers them in batches with pauses while a backend is away. Each kind of
// callback has a file or folder below.
package callback

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"tollgate/internal/setting"
)

// Callback delivers events to one backend. It is safe for concurrent use.
type Callback interface {
	// Deliver sends a batch, in order, and returns once the backend has it. An error of type *Rejected says which events will
	// never be taken; any other error has the batch sent again later. A batch may come again after a crash.
	Deliver(ctx context.Context, batch []*Event) error
	// Ping tries the backend with a harmless call: `tollgate check` and /health/services.
	Ping(ctx context.Context) error
}

// Rejected says that a backend refuses some events for good. The others of the batch were taken.
type Rejected struct {
	Events []int // their places in the batch
	Reason error // what the backend said, without secrets
}

// Error tells how many were refused and why.
func (r *Rejected) Error() string {
	return fmt.Sprintf("%d events refused: %v", len(r.Events), r.Reason)
}

// Unwrap gives the reason.
func (r *Rejected) Unwrap() error { return r.Reason }

// Partial says that a part of a batch is dealt with: the rest is sent again.
type Partial struct {
	Done     int       // so many from the front are taken or refused for good
	Rejected *Rejected // those of them that were refused; nil = none
	Err      error     // why the rest was not taken
}

// Error tells what has become of the rest.
func (p *Partial) Error() string { return p.Err.Error() }

// Unwrap gives the reason.
func (p *Partial) Unwrap() error { return p.Err }

// RetryAfter is an error after which a backend wants to be left alone for a while.
type RetryAfter struct {
	After time.Duration
	Err   error
}

// Error is that of what happened.
func (e *RetryAfter) Error() string { return e.Err.Error() }

// Unwrap gives what happened.
func (e *RetryAfter) Unwrap() error { return e.Err }

// Spec is what a callback is opened with.
type Spec struct {
	Name string // as the configuration has it: "langfuse_otel", "datadog" ...
	// Settings are callback_settings.<name> and the callback's own keys of litellm_settings (datadog_params ...).
	Settings *setting.Map
	// Own is true for a key's or a team's own account at the backend: no credential of the gateway's may go to it.
	Own     bool
	Client  *http.Client // the gateway's one way out, without a timeout of its own
	Log     *slog.Logger
	Version string // of the gateway
}

// MessageLogging reads a callback's own switch for texts, message_logging or turn_off_message_logging; nil = it has none.
func MessageLogging(m *setting.Map) *bool {
	keep, off := m.Flag("message_logging", true), m.Flag("turn_off_message_logging", false)
	if !m.Has("message_logging") && !m.Has("turn_off_message_logging") {
		return nil
	}
	return new(keep && !off)
}

// Opener makes a callback. It does no network I/O. Faults go to spec.Settings; the error is nil where there are none.
type Opener func(spec Spec) (Callback, error)

// Timeout is how long a delivery may take by default.
const Timeout = 10 * time.Second
