package post_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func batch(n int) []*callback.Event {
	events := make([]*callback.Event, n)
	for i := range events {
		events[i] = &callback.Event{Attempts: i}
	}
	return events
}

// number is an event's place as text, of three bytes.
func number(e *callback.Event) ([]byte, error) { return fmt.Appendf(nil, "%03d", e.Attempts), nil }

func TestBatches(t *testing.T) {
	away := errors.New("away")
	refused := &post.Refused{Status: 422}
	holds := func(body [][]byte, text string) bool {
		return slices.ContainsFunc(body, func(b []byte) bool { return string(b) == text })
	}
	for name, c := range map[string]struct {
		limits   post.Limits
		encode   func(*callback.Event) ([]byte, error)
		answer   func(body [][]byte) error
		sizes    []int // of the bodies
		done     int   // of a Partial, -1 = none
		rejected []int
		err      bool
	}{
		"all":     {post.Limits{Bytes: 1000}, number, nil, []int{10}, -1, nil, false},
		"count":   {post.Limits{Count: 4, Bytes: 1000}, number, nil, []int{4, 4, 2}, -1, nil, false},
		"bytes":   {post.Limits{Bytes: 12}, number, nil, []int{3, 3, 3, 1}, -1, nil, false},
		"nothing": {post.Limits{Bytes: 12}, func(*callback.Event) ([]byte, error) { return nil, nil }, nil, nil, -1, nil, false},
		"no text": {post.Limits{Bytes: 1000}, func(e *callback.Event) ([]byte, error) {
			if e.Attempts == 4 {
				return nil, errors.New("no")
			}
			return number(e)
		}, nil, []int{9}, -1, []int{4}, true},
		"too long": {post.Limits{Bytes: 10}, func(e *callback.Event) ([]byte, error) {
			if e.Attempts == 0 {
				return make([]byte, 11), nil
			}
			return number(e)
		}, nil, []int{2, 2, 2, 2, 1}, -1, []int{0}, true},
		"poison": {post.Limits{Bytes: 1000}, number, func(body [][]byte) error {
			if holds(body, "006") {
				return refused
			}
			return nil
		}, []int{10, 5, 5, 2, 1, 1, 3}, -1, []int{6}, true},
		"away at once": {post.Limits{Bytes: 1000}, number, func([][]byte) error { return away }, []int{10}, 0, nil, true},
		"away later": {post.Limits{Count: 4, Bytes: 1000}, func(e *callback.Event) ([]byte, error) {
			if e.Attempts == 1 || e.Attempts == 6 { // the second is found again when the rest comes again
				return nil, errors.New("no")
			}
			return number(e)
		}, func(body [][]byte) error {
			if holds(body, "008") {
				return away
			}
			return nil
		}, []int{4, 4}, 5, []int{1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var sizes []int
			err := post.Batches(batch(10), c.encode, c.limits, func(body [][]byte) error {
				sizes = append(sizes, len(body))
				if c.answer == nil {
					return nil
				}
				return c.answer(body)
			})
			if !slices.Equal(sizes, c.sizes) {
				t.Errorf("bodies of %v, want %v", sizes, c.sizes)
			}
			var partial *callback.Partial
			var rejected *callback.Rejected
			done := -1
			if errors.As(err, &partial) {
				done, rejected = partial.Done, partial.Rejected
			} else {
				errors.As(err, &rejected)
			}
			var places []int
			if rejected != nil {
				places = rejected.Events
			}
			if (err != nil) != c.err || done != c.done || !slices.Equal(places, c.rejected) {
				t.Errorf("%v: %d done, %v refused; want %d, %v", err, done, places, c.done, c.rejected)
			}
		})
	}
}

func TestPost(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		header  string
		body    string
		refused bool
		after   time.Duration
		want    string
	}{
		"taken":         {202, "", "", false, 0, ""},
		"refused":       {422, "", "  not\n\x00 like   this ", true, 0, "the backend answers 422: not like this"},
		"quotes":        {400, "", `cannot read "a prompt that nobody else may see"`, true, 0, "the backend answers 400"},
		"in a minute":   {429, "60", "", false, time.Minute, "the backend answers 429"},
		"busy":          {503, "soon", "", false, 0, "the backend answers 503"},
		"wrong key":     {401, "", "who?", false, 0, "the backend answers 401: who?"},
		"tells the key": {403, "", "no such key: the-backends-key", false, 0, "the backend answers 403"},
		"wrong path":    {404, "", "", false, 0, "the backend answers 404"},
		"moved":         {308, "", "", false, 0, "the backend redirects (308), which is not followed: give its final address"},
		"long windows":  {500, "", strings.Repeat("x", 1000), false, 0, "the backend answers 500: " + strings.Repeat("x", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer s.Close()
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			p := post.Poster{Client: &http.Client{Transport: transport}, URL: s.URL, Header: http.Header{"Authorization": {"Bearer the-backends-key"}}}
			err := p.Post(t.Context(), []byte(`{"messages":"a prompt that nobody else may see"}`))
			got := ""
			if err != nil {
				got = err.Error()
			}
			var refused *post.Refused
			var later *callback.RetryAfter
			errors.As(err, &later)
			if got != c.want || errors.As(err, &refused) != c.refused || (later != nil) != (c.after > 0) || later != nil && later.After != c.after {
				t.Errorf("%v (%T), want %q", err, err, c.want)
			}
		})
	}
}

// What goes wrong on the way does not name the address: it may hold a key.
func TestPost_HidesTheAddress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := post.Poster{Client: &http.Client{Transport: &http.Transport{}}, URL: "http://127.0.0.1:1/?key=secret"}
	if err := p.Post(ctx, nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	p.URL = "http://[secret"
	if err := p.Post(t.Context(), nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
