package store

import "sync"

// signal wakes whoever waits, as often as it is rung. Safe for concurrent use.
type signal struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next ring
}

func newSignal() *signal { return &signal{next: make(chan struct{})} }

// wait is closed by the next ring. To miss nothing, it is taken before looking at what the ring tells of.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

func (s *signal) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}
