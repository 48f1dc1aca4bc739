package dispatch

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"tollgate/internal/openai"
)

// errClosed is the cause of a stream's context after Close.
var errClosed = errors.New("dispatch: the stream was closed")

// stream is an upstream's stream that holds its deployment's slot until it ends or is closed. Each wait for a chunk
// is timed, and so is the whole; the time that the reader takes between chunks is not, except by the whole.
type stream struct {
	a      *attempt
	parent context.Context
	ctx    context.Context // of the upstream call
	cancel context.CancelCauseFunc
	inner  openai.Stream
	meta   openai.Meta

	wait    *time.Timer   // runs while Next is in the upstream
	waiting bool          // Next is, and wait runs
	tells   bool          // inner says when it waits (OnWait)
	limit   time.Duration // of wait, as it runs now; 0: no timer
	idle    time.Duration
	whole   *time.Timer // MaxStreamingDuration; nil: none

	held   bool // first has not been given yet
	first  openai.Chunk
	err    error // what Next returns from now on
	closed sync.Once
}

// openStream opens a stream and reads its first chunk. On an error, and on a panic of open or of the stream, nothing
// stays open.
func openStream(ctx context.Context, a *attempt, open func(context.Context, Target) (openai.Stream, error)) (*stream, error) {
	s := &stream{a: a, parent: ctx, limit: a.firstChunkTimeout(), idle: firstSet(a.r.o.StreamIdleTimeout, a.timeout())}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	opened := false
	defer func() {
		if !opened {
			_ = s.Close() // the error that matters is the one being returned
		}
	}()
	if d := a.r.o.MaxStreamingDuration; d > 0 {
		s.whole = time.AfterFunc(d, func() { s.cancel(&expired{what: "The stream took longer than a stream may.", limit: d}) })
	}
	late := &expired{what: "The first chunk of the stream did not come in time.", limit: s.limit}
	if s.limit > 0 {
		s.wait = time.AfterFunc(s.limit, func() { s.cancel(late) })
	}
	inner, err := open(s.ctx, a.target())
	if err != nil {
		return nil, s.cause(err)
	}
	s.inner, s.meta = inner, inner.Meta()
	chunk, err := inner.Next()
	if s.wait != nil && !s.wait.Stop() && err == nil {
		s.cancel(late) // too late by a moment: the timer's own goroutine may only be about to do so
		err = s.ctx.Err()
	}
	switch {
	case errors.Is(err, io.EOF): // an empty stream is an answer
		s.end(io.EOF)
	case err != nil:
		return nil, s.cause(err)
	default:
		s.first, s.held = chunk, true
		a.firstChunkCame()
		s.time()
	}
	opened = true
	return s, nil
}

// time makes the timer for the chunks behind the first.
func (s *stream) time() {
	s.limit = s.idle
	if s.limit <= 0 {
		s.wait = nil
		return
	}
	late := &expired{what: "The next chunk of the stream did not come in time.", limit: s.limit}
	s.wait = time.AfterFunc(s.limit, func() { s.cancel(late) })
	s.wait.Stop()
}

// cause is what an error of the upstream call really is: the end of a wait, of the caller, or itself.
func (s *stream) cause(err error) error {
	if s.parent.Err() != nil {
		return s.parent.Err()
	}
	var late *expired
	if errors.As(context.Cause(s.ctx), &late) {
		return late.upstreamError(s.a.t.Deployment)
	}
	return err
}

// Next gives the next chunk. An error other than io.EOF is an *apierr.Error and counts for the deployment's cooldown,
// unless the caller has gone or closed the stream.
func (s *stream) Next() (openai.Chunk, error) {
	if s.held {
		s.held = false
		return s.first, nil
	}
	if s.err != nil {
		return openai.Chunk{}, s.err
	}
	if !s.tells {
		s.startWaiting()
	}
	chunk, err := s.inner.Next()
	s.stopWaiting()
	if err == nil {
		return chunk, nil
	}
	s.end(err)
	return openai.Chunk{}, s.err
}

func (s *stream) startWaiting() {
	s.waiting = true
	if s.wait != nil {
		s.wait.Reset(s.limit)
	}
}

func (s *stream) stopWaiting() {
	if s.waiting && s.wait != nil {
		s.wait.Stop()
	}
	s.waiting = false
}

// OnWait implements openai.Waiter, where the upstream's stream does. f is called once per Next, before the wait begins
// to count: it may take its time, as the reader may between chunks.
func (s *stream) OnWait(f func()) bool {
	w, ok := s.inner.(openai.Waiter)
	s.tells = ok && w.OnWait(func() {
		if !s.waiting {
			f()
			s.startWaiting()
		}
	})
	return s.tells
}

// end books how the stream ended and closes it.
func (s *stream) end(err error) {
	switch {
	case errors.Is(err, io.EOF):
		s.err = io.EOF
		s.a.succeeded()
	case s.parent.Err() != nil:
		s.err = left(s.parent).api()
	case errors.Is(context.Cause(s.ctx), errClosed):
		s.err = errClosed
	default:
		f := classify(s.cause(err))
		s.a.failed(f)
		s.err = f.api()
	}
	_ = s.Close() // what went wrong is in s.err
}

// Close releases the upstream call and the deployment's slot. Safe to call more than once and beside Next.
func (s *stream) Close() error {
	var err error
	s.closed.Do(func() {
		s.cancel(errClosed)
		if s.whole != nil {
			s.whole.Stop()
		}
		if s.wait != nil {
			s.wait.Stop()
		}
		defer s.a.release() // behind the upstream call, which holds what the slot stands for
		if s.inner != nil {
			err = s.inner.Close()
		}
	})
	return err
}

// Meta is the upstream's.
func (s *stream) Meta() openai.Meta { return s.meta }

// firstChunkCame records the time to the first chunk.
func (a *attempt) firstChunkCame() {
	now := a.r.state.now()
	h := a.t.health
	h.mu.Lock()
	defer h.mu.Unlock()
	h.firstChunk.push(now, time.Duration(now-a.start).Seconds(), a.g.args.MaxLatencyListSize)
}
