//go:build unix

package testkit

import (
	"syscall"
	"testing"
)

// Server is a server that a test may stop, pause and start again. It is removed when its test ends. Its address stays
// the same over restarts. The methods fail the test when the server does not obey.
type Server struct {
	// Addr is host:port.
	Addr string
	// URL is how a client connects: postgres://…/postgres, a database that nobody else uses, or redis://….
	URL string

	t       testing.TB
	process *process
	fast    string // the signal that ends the server in order
	crash   string // the signal that ends it as a crash does
}

// Stop ends the server in order: clients are disconnected, what is committed is kept.
func (s *Server) Stop() {
	s.t.Helper()
	s.end(s.fast)
}

// Crash ends the server at once, as a crash does; what it finds at its next start, it recovers. (PostgreSQL's
// immediate shutdown, which runs no more of its code than a kill but leaves nothing of the processes behind.)
func (s *Server) Crash() {
	s.t.Helper()
	s.end(s.crash)
}

// Start starts a stopped server and returns when it serves.
func (s *Server) Start() {
	s.t.Helper()
	s.must(s.process.start())
}

// Restart stops the server and starts it.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Pause stops all processes of the server where they are (SIGSTOP): connections stay open and nobody answers.
func (s *Server) Pause() {
	s.t.Helper()
	s.must(s.process.signal(syscall.SIGSTOP))
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	s.must(s.process.signal(syscall.SIGCONT))
}

func (s *Server) end(signal string) {
	s.t.Helper()
	_ = s.process.signal(syscall.SIGCONT) // processes that are paused do not hear how they end; none may run
	s.must(s.process.stop(signal))
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// removeAfter removes the server when its test ends.
func (s *Server) removeAfter(t testing.TB) *Server {
	t.Cleanup(func() {
		_ = s.process.signal(syscall.SIGCONT) // where the test left it paused
		if err := s.process.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
