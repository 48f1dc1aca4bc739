package dispatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstreams plays what each deployment does, call by call, and notes which were asked. A deployment without a
// script, or at its end, answers at once.
type upstreams struct {
	mu     sync.Mutex
	script map[string][]step
	asked  []string
	at     []time.Time
}

// step is one call's behaviour: wait, then answer or fail.
type step struct {
	wait time.Duration
	err  error
	act  func(ctx context.Context) error // instead of both
}

func fails(errs ...error) []step {
	list := make([]step, len(errs))
	for i, err := range errs {
		list[i].err = err
	}
	return list
}

func (u *upstreams) next(id string) step {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, id)
	u.at = append(u.at, time.Now())
	list := u.script[id]
	if len(list) == 0 {
		return step{}
	}
	u.script[id] = list[1:]
	return list[0]
}

// ask is the function that Call takes. The answer is the deployment's id.
func (u *upstreams) ask(ctx context.Context, t Target) (string, error) {
	s := u.next(t.ID)
	if s.act != nil {
		return t.ID, s.act(ctx)
	}
	if f := sleep(ctx, s.wait); f != nil {
		return "", ctx.Err()
	}
	return t.ID, s.err
}

// pauses are the times between the calls, in seconds.
func (u *upstreams) pauses() []float64 {
	var list []float64
	for i := 1; i < len(u.at); i++ {
		list = append(list, u.at[i].Sub(u.at[i-1]).Seconds())
	}
	return list
}

// failing makes an upstream's error of a status, as providers do.
func failing(status int) *provider.UpstreamError {
	e := provider.ErrorFromResponse("OCI", status, http.Header{}, []byte(`{"message":"upstream says `+http.StatusText(status)+`"}`), time.Now())
	return e
}

func retryAfter(status int, d time.Duration) *provider.UpstreamError {
	e := failing(status)
	e.RetryAfter = d
	return e
}

func reasoned(reason provider.Reason) *provider.UpstreamError {
	return &provider.UpstreamError{Reason: reason, Status: 400, Provider: "OCI", Message: "refused"}
}

// deployments makes one per text "alias/id".
func deployments(list ...string) []Deployment {
	ds := make([]Deployment, len(list))
	for i, text := range list {
		alias, id, ok := strings.Cut(text, "/")
		if !ok {
			id = alias
		}
		ds[i] = Deployment{ID: id, Alias: alias, Model: "oci/" + id + "-model", UpstreamID: id + "-model", Provider: "OCI"}
	}
	return ds
}

func newRouter(t testing.TB, o Options, ds []Deployment) *Router {
	t.Helper()
	r, err := New(o, ds, NewState())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// options are the defaults with changes, and the middle of all chances.
func options(change ...func(*Options)) Options {
	o := DefaultOptions()
	o.Rand = func() float64 { return 0.5 }
	for _, f := range change {
		f(&o)
	}
	return o
}

func chains(list map[string][]string) map[string][]Fallback {
	m := map[string][]Fallback{}
	for alias, models := range list {
		m[alias] = to(models...)
	}
	return m
}

func to(models ...string) []Fallback {
	list := make([]Fallback, len(models))
	for i, m := range models {
		list[i].Model = m
	}
	return list
}

func ptr[T any](v T) *T { return &v }

func chat(alias string) *Query { return &Query{Alias: alias, Operation: openai.OpChat} }

// wantError checks status and a part of the text.
func wantError(t testing.TB, err error, status int, text string) *apierr.Error {
	t.Helper()
	var e *apierr.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want an *apierr.Error of %d", err, status)
	}
	if e.Status != status || !strings.Contains(e.Message, text) {
		t.Fatalf("got %d %q, want %d with %q", e.Status, e.Message, status, text)
	}
	return e
}

func wantAsked(t testing.TB, u *upstreams, want ...string) {
	t.Helper()
	if !slices.Equal(u.asked, want) {
		t.Fatalf("asked %v, want %v", u.asked, want)
	}
}

// idle checks that no call holds a slot any more.
func idle(t testing.TB, r *Router) {
	t.Helper()
	for _, s := range r.Status() {
		if s.InFlight != 0 {
			t.Errorf("%s has %d calls in flight, want 0", s.Deployment.ID, s.InFlight)
		}
	}
}

// bubble runs f under the fake clock.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// fakeStream plays chunks; its Next can wait, and ends when its context does.
type fakeStream struct {
	ctx    context.Context
	steps  []step // one per chunk; the error of the last one ends the stream
	closed int
}

func (s *fakeStream) Next() (openai.Chunk, error) {
	if len(s.steps) == 0 {
		return openai.Chunk{}, io.EOF
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	if f := sleep(s.ctx, next.wait); f != nil {
		return openai.Chunk{}, s.ctx.Err()
	}
	if next.err != nil {
		return openai.Chunk{}, next.err
	}
	return openai.Chunk{Data: []byte("{}")}, nil
}

func (s *fakeStream) Close() error      { s.closed++; return nil }
func (s *fakeStream) Meta() openai.Meta { return openai.Meta{Dropped: []string{"n"}} }
