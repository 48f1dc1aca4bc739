package provider

import "tollgate/internal/openai"

// WithDropped is s telling the names of parameters that were left out, sorted, in its Meta.
func WithDropped(s openai.Stream, names []string) openai.Stream {
	return &droppedStream{Stream: s, dropped: names}
}

type droppedStream struct {
	openai.Stream
	dropped []string
}

// Meta implements openai.Stream.
func (s *droppedStream) Meta() openai.Meta {
	m := s.Stream.Meta()
	m.Dropped = s.dropped
	return m
}

// OnWait implements openai.Waiter, where the stream inside does.
func (s *droppedStream) OnWait(f func()) bool {
	w, ok := s.Stream.(openai.Waiter)
	return ok && w.OnWait(f)
}
