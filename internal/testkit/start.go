//go:build unix

package testkit

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// launch is how a server is started that has a port of its own and is ended with TERM, or at once with KILL.
type launch struct {
	name    string
	command func(folder string, port int) ([]string, error)
	ready   func(addr string) error
	// trusted runs the server as the user of the tests: an interpreter in root's home is not for others to read.
	trusted bool
}

// startAt starts a server on a free port of 127.0.0.1, once more on another where the first was taken in between.
func startAt(t testing.TB, l launch) *Server {
	t.Helper()
	var failed error
	for range starts {
		s, err := l.try()
		if err == nil {
			s.t = t
			return s.removeAfter(t)
		}
		failed = err
	}
	t.Fatal(failed)
	return nil
}

func (l *launch) try() (*Server, error) {
	var who *syscall.Credential
	if !l.trusted {
		var err error
		if who, err = unprivileged(); err != nil {
			return nil, err
		}
	}
	folder, err := newFolder(l.name)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	line, err := l.command(folder, port)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p, err := superviseAs(who, folder, "KILL", line, func() error { return l.ready(addr) })
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Server{Addr: addr, process: p, fast: "TERM", crash: "KILL"}, nil
}

// cached is the path of what a set-up script puts below .cache.
func cached(t testing.TB, path, script string) string {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(root, ".cache", path)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("this test needs %s. Run %s", path, script)
	}
	return path
}
