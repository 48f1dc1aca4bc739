package compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/sse"
)

// eventStream is a stream of chunks as an upstream sends them.
type eventStream struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	header http.Header
	body   io.ReadCloser
	events *sse.Reader

	members  []jsonscan.Member // reused for every chunk
	finished bool              // the last chunk that spoke of finish_reason gave one
	err      error             // what ended the stream; sticky
	ended    atomic.Bool       // the end mark has come: Next reads no more, Close may
	closed   atomic.Bool
}

func newEventStream(ctx context.Context, cancel context.CancelFunc, c *Client, resp *http.Response) *eventStream {
	s := &eventStream{client: c, ctx: ctx, cancel: cancel, header: resp.Header, body: resp.Body}
	if c.o.LineEvents {
		s.events = sse.NewLineReader(resp.Body, 0)
	} else {
		s.events = sse.NewReader(resp.Body, 0)
	}
	return s
}

// Meta implements openai.Stream.
func (s *eventStream) Meta() openai.Meta { return openai.Meta{Header: s.header} }

// OnWait implements openai.Waiter.
func (s *eventStream) OnWait(f func()) bool {
	s.events.BeforeRead = f
	return true
}

// Next implements openai.Stream.
func (s *eventStream) Next() (openai.Chunk, error) {
	if s.err != nil {
		return openai.Chunk{}, s.err
	}
	for {
		ev, err := s.events.Next()
		if err != nil {
			return s.end(s.endOfSource(err))
		}
		data := bytes.TrimSpace(ev.Data)
		switch {
		case len(data) == 0 || ev.Name == "ping":
			continue
		case string(data) == "[DONE]":
			s.ended.Store(true)
			return s.end(io.EOF)
		}
		if err := s.check(ev, data); err != nil {
			return s.end(err)
		}
		return openai.Chunk{Data: data, Members: s.members}, nil
	}
}

func (s *eventStream) end(err error) (openai.Chunk, error) {
	s.err = err
	return openai.Chunk{}, err
}

// check reports why data is not a chunk that can be passed on, and notes a finish_reason.
func (s *eventStream) check(ev sse.Event, data []byte) error {
	members, err := jsonscan.Object(data, s.members)
	if err != nil {
		switch {
		case ev.Name == "error":
			return s.client.failedInside(s.header, nil, data)
		case ev.Truncated:
			return s.endOfSource(io.EOF)
		}
		return s.client.broken(s.header, fmt.Sprintf("the upstream's stream holds an event that is no JSON object: %v", err), err)
	}
	s.members = members
	if ev.Name == "error" || holdsError(members) {
		return s.client.failedInside(s.header, members, data)
	}
	if finished, told := finishReason(data); told {
		s.finished = finished
	}
	return nil
}

// endOfSource says how a stream ends whose source ended without the end mark. Behind a finish_reason the answer is
// complete, so its caller gets a proper end, whatever became of the connection.
func (s *eventStream) endOfSource(err error) error {
	var tooLong *sse.TooLongError
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case errors.As(err, &tooLong):
		return s.client.broken(s.header, fmt.Sprintf("an event of the upstream's stream is longer than %d bytes", tooLong.Limit), err)
	case s.finished:
		if err == io.EOF {
			s.ended.Store(true)
		}
		return io.EOF
	case err == io.EOF:
		return s.cut(io.ErrUnexpectedEOF)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return s.cut(err)
	}
	return provider.ErrorFromTransport(s.client.o.Provider, err)
}

// cut is the error of a stream that stops in the middle.
func (s *eventStream) cut(cause error) *provider.UpstreamError {
	e := provider.ErrorFromTransport(s.client.o.Provider, cause)
	e.Message = "The upstream's stream ended before its end mark."
	e.Header = s.header
	return e
}

// Close implements openai.Stream. Behind the end mark it waits a moment for the end of the body, so that the
// connection can be used again; before it, the call is cancelled.
func (s *eventStream) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return provider.CloseStream(s.body, s.cancel, s.ended.Load())
}

// finishReasonName is how a member finish_reason begins. Inside a string its quotes would be escaped, so these bytes
// followed by a colon are a member wherever they stand.
var finishReasonName = []byte(`"finish_reason"`)

// finishReason reports whether a chunk has finish_reason members (told) and whether all of them hold a reason. With
// several choices in one stream the last one that spoke decides.
func finishReason(chunk []byte) (finished, told bool) {
	finished = true
	for {
		i := bytes.Index(chunk, finishReasonName)
		if i < 0 {
			return finished && told, told
		}
		chunk = bytes.TrimLeft(chunk[i+len(finishReasonName):], " \t\r\n")
		if !bytes.HasPrefix(chunk, []byte{':'}) {
			continue // a string that is just this word
		}
		told = true
		if bytes.HasPrefix(bytes.TrimLeft(chunk[1:], " \t\r\n"), []byte("null")) {
			finished = false
		}
	}
}
