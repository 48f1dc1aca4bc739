package compat_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider/compat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the clock of all clients here.
func now() time.Time { return time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC) }

func newEgress(t testing.TB, dial egress.DialFunc) *egress.Egress {
	t.Helper()
	e, err := egress.New(egress.Options{Dial: dial, Proxy: &httpproxy.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.CloseIdleConnections)
	return e
}

// newClient is a client of a server at base.
func newClient(t testing.TB, base string, change ...func(*compat.Options)) *compat.Client {
	t.Helper()
	o := compat.Options{Provider: "OpenAI", BaseURL: base, Egress: newEgress(t, nil), Now: now}
	for _, f := range change {
		f(&o)
	}
	c, err := compat.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// answer is a handler that gives one fixed answer.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// wire is an upstream whose every connection reads one request, gives pieces as the answer, each in a write of its
// own, and closes. The pieces are the bytes of HTTP, headers included; they may change between calls.
type wire struct {
	pieces []string
	client *compat.Client
}

func newWire(t testing.TB, pieces ...string) *wire {
	t.Helper()
	w := &wire{pieces: pieces}
	w.client = newClient(t, "http://upstream.test/v1", func(o *compat.Options) { o.Egress = newEgress(t, w.dial) })
	return w
}

func (w *wire) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go w.serve(there, w.pieces)
	return here, nil
}

func (w *wire) serve(conn net.Conn, pieces []string) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return
	}
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
	}
}

// streamHead begins an answer that ends with its connection.
const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

func parts(text ...string) jsonscan.Parts {
	p := make(jsonscan.Parts, len(text))
	for i, s := range text {
		p[i] = []byte(s)
	}
	return p
}

// collect reads a stream to its end and closes it.
func collect(t testing.TB, s openai.Stream) ([]string, error) {
	t.Helper()
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	var chunks []string
	for {
		c, err := s.Next()
		if err == io.EOF {
			return chunks, nil
		}
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, string(c.Data))
	}
}

// stream opens a stream on c.
func stream(t testing.TB, c *compat.Client) openai.Stream {
	t.Helper()
	s, err := c.Stream(t.Context(), "/chat/completions", parts(`{"stream":true}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events frames chunks as an event stream.
func events(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "data: %s\n\n", c)
	}
	return b.String()
}

// quietLog is for servers whose complaints are part of a test.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// insecureEgress takes the certificates of test servers.
func insecureEgress(t testing.TB) *egress.Egress {
	t.Helper()
	e, err := egress.New(egress.Options{InsecureSkipVerify: true, Proxy: &httpproxy.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.CloseIdleConnections)
	return e
}
