package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/sse"
)

// stream is a chat answer in chunks.
type stream struct {
	d      *Deployment
	ctx    context.Context
	cancel context.CancelFunc
	meta   openai.Meta
	body   io.ReadCloser
	events *sse.Reader
	chunks *chunker

	ending bool        // the last chunks are queued: behind them is io.EOF
	err    error       // what ended the stream; sticky
	ended  atomic.Bool // the end mark has come: Next reads no more, Close may
	closed atomic.Bool
}

var (
	_ openai.Stream = (*stream)(nil)
	_ openai.Waiter = (*stream)(nil)
)

// newStream reads resp, which ctx governs and cancel ends.
func (d *Deployment) newStream(ctx context.Context, cancel context.CancelFunc, resp *http.Response, r *replyTo, dropped []string) *stream {
	return &stream{
		d: d, ctx: ctx, cancel: cancel, meta: openai.Meta{Header: resp.Header, Dropped: dropped},
		// OCI ends some events with a single line feed, so every data line is one.
		body: resp.Body, events: sse.NewLineReader(resp.Body, 0), chunks: newChunker(r),
	}
}

// newAnswerStream makes a stream of an answer that came in one piece although a stream was asked for.
func (d *Deployment) newAnswerStream(ctx context.Context, cancel context.CancelFunc, resp *http.Response, r *replyTo, dropped []string) (openai.Stream, error) {
	body, err := d.readAnswer(ctx, resp)
	if err == nil {
		resp.Body = http.NoBody
		s := d.newStream(ctx, cancel, resp, r, dropped)
		if err = s.chunks.answer(body); err == nil {
			return s, nil
		}
		err = d.answerError(resp.Header, err)
	}
	cancel()
	return nil, err
}

// Meta implements openai.Stream.
func (s *stream) Meta() openai.Meta { return s.meta }

// OnWait implements openai.Waiter.
func (s *stream) OnWait(f func()) bool {
	s.events.BeforeRead = f
	return true
}

// Next implements openai.Stream.
func (s *stream) Next() (openai.Chunk, error) {
	for {
		if chunk, ok := s.chunks.take(); ok {
			return chunk, nil
		}
		if s.ending && s.err == nil {
			s.err = io.EOF
		}
		if s.err != nil {
			return openai.Chunk{}, s.err
		}
		s.read()
	}
}

// read takes one event, or the end of the source.
func (s *stream) read() {
	ev, err := s.events.Next()
	if err != nil {
		s.sourceEnded(err)
		return
	}
	data := bytes.TrimSpace(ev.Data)
	switch {
	case len(data) == 0:
		return
	case string(data) == "[DONE]":
		s.ended.Store(true)
		s.finish()
		return
	}
	if err := s.chunks.event(data); err != nil {
		if ev.Truncated {
			s.err = s.cut(io.ErrUnexpectedEOF)
			return
		}
		s.err = s.d.answerError(s.meta.Header, err)
	}
}

func (s *stream) finish() {
	s.chunks.finish()
	s.ending = true
}

// sourceEnded says how a stream ends whose source did. That is the rule for COHERE, which has no end mark; behind a
// finish reason the answer is complete whatever became of the connection.
func (s *stream) sourceEnded(err error) {
	var tooLong *sse.TooLongError
	switch {
	case s.ctx.Err() != nil:
		s.err = s.ctx.Err()
	case errors.As(err, &tooLong):
		s.err = s.d.broken(s.meta.Header, fmt.Sprintf("an event of OCI's stream is longer than %d bytes", tooLong.Limit), err)
	case s.chunks.complete():
		s.ended.Store(true)
		s.finish()
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		s.err = s.cut(io.ErrUnexpectedEOF)
	default:
		e := provider.ErrorFromTransport(providerName, err)
		e.Header = s.meta.Header
		s.err = e
	}
}

// cut is the error of a stream that stops in the middle.
func (s *stream) cut(cause error) *provider.UpstreamError {
	e := provider.ErrorFromTransport(providerName, cause)
	e.Message, e.Header = "OCI's stream ended before its end mark.", s.meta.Header
	return e
}

// Close implements openai.Stream.
func (s *stream) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return provider.CloseStream(s.body, s.cancel, s.ended.Load())
}

// answerError turns what came in place of an answer, with a 2xx or in the middle of a stream, into an upstream's
// error.
func (d *Deployment) answerError(h http.Header, err error) error {
	var failure *reported
	if !errors.As(err, &failure) {
		return d.broken(h, err.Error(), err)
	}
	e := provider.ErrorFromResponse(providerName, reportedStatus(failure.body), h, reportedMessage(failure.body), d.o.Now())
	e.Billed = provider.MaybeBilled
	return d.advised(e, d.o.Now())
}

// reportedStatus guesses the status that a failure would have had, had it come in time.
func reportedStatus(body []byte) int {
	members, err := object("failure", body, new(scratch))
	if err != nil {
		return http.StatusInternalServerError
	}
	code := textValue(members, "code").String()
	if status, err := strconv.Atoi(code); err == nil && status >= 400 && status <= 599 {
		return status
	}
	switch code {
	case "TooManyRequests":
		return http.StatusTooManyRequests
	case "NotAuthenticated":
		return http.StatusUnauthorized
	case "NotAuthorizedOrNotFound", "NotFound":
		return http.StatusNotFound
	case "InvalidParameter", "CannotParseRequest", "MissingParameter", "LimitExceeded", "QuotaExceeded":
		return http.StatusBadRequest
	case "ServiceUnavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// reportedMessage brings Cohere's errorMessage into the form of an error body.
func reportedMessage(body []byte) []byte {
	members, err := object("failure", body, new(scratch))
	if err != nil {
		return body
	}
	text := textValue(members, "errorMessage")
	if text.Empty() {
		return body
	}
	var o jsonOut
	o.open('{')
	o.textMember("message", text)
	o.close('}')
	return o.b
}
