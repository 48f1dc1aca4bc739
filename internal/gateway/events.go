package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
	"tollgate/internal/sse"
)

// events is the event stream to one caller. The goroutine of the call writes chunks; a timer writes comments into
// long silences, the wait for the first chunk included, so that neither the caller nor a balancer gives up.
type events struct {
	mu     sync.Mutex
	header http.Header // guarded by mu until the stream is open
	w      http.ResponseWriter
	out    *sse.Writer // guarded by mu
	rc     *http.ResponseController
	opened bool        // guarded by mu
	over   bool        // nothing may be written any more; guarded by mu
	last   time.Time   // of the last write; guarded by mu
	due    time.Time   // when the write deadline was last moved; guarded by mu
	timer  *time.Timer // nil without keep-alive
}

// newEvents prepares a stream. silence is how long it may be quiet before a comment is sent, 0 for ever.
func newEvents(w http.ResponseWriter, silence time.Duration) *events {
	e := &events{header: w.Header(), w: w, out: sse.NewWriter(w), rc: http.NewResponseController(w), last: time.Now()}
	if silence > 0 {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.timer = time.AfterFunc(silence, func() { e.ping(silence) })
	}
	return e
}

// open sends the headers, which set may add to. When a comment has opened the stream already, the headers are gone.
func (e *events) open(set func(http.Header)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.opened && !e.over {
		set(e.header)
		e.start()
	}
}

// start is called with mu held.
func (e *events) start() {
	sse.SetHeaders(e.header)
	e.w.WriteHeader(http.StatusOK)
	e.opened = true
}

// writeTimeout is how long a caller may refuse to take an event before its stream is given up.
const writeTimeout = 2 * time.Minute

// write is called with mu held.
func (e *events) write(send func() error) error {
	if e.over {
		return io.ErrClosedPipe
	}
	e.last = time.Now()
	if e.last.Sub(e.due) > writeTimeout/4 {
		e.due = e.last
		_ = e.rc.SetWriteDeadline(e.last.Add(writeTimeout)) // not every writer in a test has one
	}
	return send()
}

// collect has data leave the flush to flush, which s calls before it waits: chunks that came in one packet go out in
// one. It does nothing for a stream that cannot tell when it waits.
func (e *events) collect(s openai.Stream) {
	if w, ok := s.(openai.Waiter); ok {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.out.Collect = w.OnWait(e.flush)
	}
}

// flush sends what data has collected. An error shows again at the next event.
func (e *events) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened && !e.over {
		_ = e.out.Flush()
	}
}

// data sends one event.
func (e *events) data(text []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.write(func() error { return e.out.Data(text) })
}

// done ends the stream as OpenAI does.
func (e *events) done() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.write(e.out.Done)
	e.over = true
	return err
}

// fail ends the call with an error: as a plain answer while nothing was sent, else as an error event with, like the
// newest LiteLLM's, [DONE] behind it.
func (e *events) fail(err *apierr.Error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened {
		e.out.Collect = false
		_ = e.write(func() error { return errors.Join(e.out.Data(err.Envelope()), e.out.Done()) })
	} else if !e.over {
		err.Write(e.w)
	}
	e.over = true
}

// ping writes a comment into a silence and looks again when the next one may be due.
func (e *events) ping(silence time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	quiet := time.Since(e.last)
	if quiet >= silence {
		if !e.opened {
			e.start()
		}
		if e.write(func() error { return e.out.Comment("ping") }) != nil {
			return // the call's own goroutine finds out by itself
		}
		quiet = 0
	}
	e.timer.Reset(silence - quiet)
}

// close makes sure that nothing is written any more: the response ends with the handler.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	if e.timer != nil {
		e.timer.Stop()
	}
}
