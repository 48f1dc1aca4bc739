package compat_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
)

// TestPost_NeverSendsACallTwice drives an upstream that drops its kept connections at the worst moments. A call that
// fails may have been worked on once, never twice: a second time would be a second bill.
func TestPost_NeverSendsACallTwice(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := range 3 {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					mu.Lock()
					seen[req.Header.Get("X-Call")]++
					mu.Unlock()
					if n == 2 { // worked on, and never answered
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
			})
		}
	})
	defer served.Wait()
	defer listener.Close()

	failed := 0
	e := newEgress(t, nil)
	for range 60 {
		id := rand.Text()
		c := newClient(t, "http://"+listener.Addr().String(), func(o *compat.Options) {
			o.Egress = e
			o.Header = http.Header{"X-Call": {id}}
		})
		_, err := c.Post(t.Context(), "/chat/completions", parts(`{}`), nil)
		mu.Lock()
		times := seen[id]
		mu.Unlock()
		if times > 1 {
			t.Fatalf("a call was worked on %d times", times)
		}
		if err == nil {
			continue
		}
		failed++
		var got *provider.UpstreamError
		if !errors.As(err, &got) || got.Billed != provider.MaybeBilled || got.Reason != provider.Connection {
			t.Fatalf("error = %v, want a connection error that may be billed", err)
		}
	}
	if failed != 20 {
		t.Errorf("%d calls failed, want every third", failed)
	}
	e.CloseIdleConnections()
}

// keptConn is a connection that can break while it lies in the pool.
type keptConn struct {
	net.Conn
	upstream net.Conn
	broken   atomic.Bool   // writes fail
	once     sync.Once     // for closed
	closed   chan struct{} // closed when net/http has given the connection up
}

func (c *keptConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

func (c *keptConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestPost_RepeatsWhatWasNeverSent has kept connections break just after a call took them from the pool and before any
// byte was written. Nothing was worked on, so the call goes out on a new connection.
func TestPost_RepeatsWhatWasNeverSent(t *testing.T) {
	for name, spoil := range map[string]func(*keptConn){
		"closed by the upstream": func(c *keptConn) { _ = c.upstream.Close(); <-c.closed },
		"broken":                 func(c *keptConn) { c.broken.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			var worked atomic.Int32
			var last atomic.Pointer[keptConn]
			dial := func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				last.Store(&keptConn{Conn: here, upstream: there, closed: make(chan struct{})})
				go func() {
					in := bufio.NewReader(there)
					for {
						req, err := http.ReadRequest(in)
						if err != nil {
							return
						}
						if body, err := io.ReadAll(req.Body); err != nil || string(body) != `{"a":1}` {
							t.Errorf("body = %q, %v", body, err)
						}
						worked.Add(1)
						_, _ = io.WriteString(there, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
					}
				}()
				return last.Load(), nil
			}
			c := newClient(t, "http://upstream.test", func(o *compat.Options) { o.Egress = newEgress(t, dial) })
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
				if info.Reused {
					spoil(last.Load())
				}
			}})
			const calls = 20
			for i := range calls {
				if _, err := c.Post(ctx, "/chat/completions", parts(`{"a":`, `1}`), nil); err != nil {
					t.Fatalf("call %d: %v", i, err)
				}
			}
			if n := worked.Load(); n != calls {
				t.Errorf("the upstream worked on %d calls, want %d", n, calls)
			}
		})
	}
}
