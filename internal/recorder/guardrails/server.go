// Package guardrails plays the vendors of guardrails for tests and demonstrations: servers that are as strict about
// authentication, shapes and limits as the real ones, and note everything that the real one would refuse. It is written from
// what the vendors publish and shares no code with the clients.
package guardrails

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Call is one call as it came.
type Call struct {
	Method, Path string // the path as it was escaped
	Header       http.Header
	Body         []byte
	Status       int // what it was answered
}

// Fields is the body as a JSON object, nil when it is none.
func (c *Call) Fields() map[string]any {
	var out map[string]any
	if json.Unmarshal(c.Body, &out) != nil {
		return nil
	}
	return out
}

// Reply is an answer that is set by a test in place of the vendor's own.
type Reply struct {
	Status int           // 0 = 200
	Header http.Header   // may be nil
	Type   string        // the content type; "" = application/json
	Body   string        // as it is sent
	Delay  time.Duration // before the answer; it ends when the caller leaves
}

// Server plays one vendor. It is safe for concurrent use, and an http.Handler.
type Server struct {
	// URL is where it listens, "" unless a test has started it.
	URL string

	vendor string
	answer func(s *Server, r *http.Request, body []byte) reply

	mu       sync.Mutex
	calls    []Call
	problems []string // what the real one would refuse
	next     []Reply
	every    *Reply
	lenient  bool
}

// reply is what a vendor answers. A refusal says besides what is wrong, for the test.
type reply struct {
	status int
	header http.Header
	body   any
	wrong  string
}

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

// start listens for a test, which fails when anything came that the real one would refuse.
func start(t testing.TB, s *Server) *Server {
	t.Helper()
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		server.Close()
		if s.mu.Lock(); !s.lenient {
			for _, p := range s.problems {
				t.Errorf("%s would refuse: %s", s.vendor, p)
			}
		}
		s.mu.Unlock()
	})
	return s
}

// Lenient lets the test go on with what the real one would refuse: it is what the test is about.
func (s *Server) Lenient() *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lenient = true
	return s
}

// Next sets the answers of the next calls, one each. They are given after the vendor's own checks.
func (s *Server) Next(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, replies...)
}

// Always sets the answer of all calls that Next has none for.
func (s *Server) Always(r Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.every = &r
}

// Calls are the calls so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Problems are what the real one would have refused so far.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// biggest is what is read of a request, in bytes.
const biggest = 32 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, biggest))
	if err != nil {
		return // the caller has left
	}
	out := s.answer(s, r, body)
	set := s.scripted(out.wrong == "")
	status := out.status
	if set != nil {
		if status = set.Status; status == 0 {
			status = http.StatusOK
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, Call{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header.Clone(), Body: body, Status: status})
	if out.wrong != "" {
		s.problems = append(s.problems, fmt.Sprintf("%s %s: %s", r.Method, r.URL.Path, out.wrong))
	}
	s.mu.Unlock()
	if set != nil {
		set.send(w, r, status)
		return
	}
	maps.Copy(w.Header(), out.header)
	if text, plain := out.body.(string); plain {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // an error is the caller's
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out.body) // an error is the caller's
}

// scripted takes the answer that a test has set, nil where it has set none.
func (s *Server) scripted(fine bool) *Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !fine {
		return nil
	}
	if len(s.next) > 0 {
		r := s.next[0]
		s.next = s.next[1:]
		return &r
	}
	return s.every
}

func (p *Reply) send(w http.ResponseWriter, r *http.Request, status int) {
	if p.Delay > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(p.Delay):
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if p.Type != "" {
		w.Header().Set("Content-Type", p.Type)
	}
	maps.Copy(w.Header(), p.Header)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, p.Body) // an error is the caller's
}

// isJSON checks the content type of a request.
func isJSON(r *http.Request) bool {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// decode reads a body strictly: unknown fields and anything behind the object are errors.
func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the object")
	}
	return nil
}

// charsBefore counts the characters before a byte.
func charsBefore(text string, at int) int { return len([]rune(text[:at])) }
