package dispatch

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// streams opens scripted streams, by deployment and call.
type streams struct {
	script map[string][][]step // per call: the chunks
	open   map[string]error    // refuses to open
	asked  []string
	made   []*fakeStream
}

func (s *streams) opener(ctx context.Context, t Target) (openai.Stream, error) {
	s.asked = append(s.asked, t.ID)
	if err := s.open[t.ID]; err != nil {
		return nil, err
	}
	f := &fakeStream{ctx: ctx, steps: []step{{}, {}, {}}}
	if list := s.script[t.ID]; len(list) > 0 {
		f.steps, s.script[t.ID] = list[0], list[1:]
	}
	s.made = append(s.made, f)
	return f, nil
}

// read counts the chunks of a stream and gives its last error; io.EOF is nil.
func read(s openai.Stream) (n int, err error) {
	for {
		if _, err = s.Next(); err != nil {
			break
		}
		n++
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func TestStream_WholeAndClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(), deployments("a"))
		u := &streams{}
		s, out, err := r.Stream(t.Context(), chat("a"), u.opener)
		if err != nil || out.Deployment.ID != "a" || out.Retries != 0 {
			t.Fatalf("%+v %v", out, err)
		}
		if got := r.Status()[0].InFlight; got != 1 {
			t.Fatalf("%d in flight while the stream is open, want 1", got)
		}
		if n, err := read(s); n != 3 || err != nil {
			t.Fatalf("%d chunks, %v; want all 3, the held one first", n, err)
		}
		if !slices.Equal(s.Meta().Dropped, []string{"n"}) {
			t.Fatal("the upstream's meta is lost")
		}
		idle(t, r) // the end releases, before Close
		_ = s.Close()
		_ = s.Close()
		if st := r.Status()[0]; st.Successes != 1 || st.InFlight != 0 || u.made[0].closed != 1 {
			t.Fatalf("%+v, closed %d times", st, u.made[0].closed)
		}
		if _, err := s.Next(); err != io.EOF {
			t.Fatalf("Next after the end: %v", err)
		}
	})
}

// A stream falls back until its first chunk (BerriAI/litellm#6532, #6957): failures to open it and of the first chunk.
func TestStream_FallsBackBeforeTheFirstChunk(t *testing.T) {
	for name, u := range map[string]*streams{
		"refused to open": {open: map[string]error{"a": failing(503)}},
		"first chunk":     {script: map[string][][]step{"a": {fails(failing(503)), fails(failing(503)), fails(failing(503))}}},
		"broken off":      {script: map[string][][]step{"a": {fails(io.ErrUnexpectedEOF), fails(failing(404))}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRouter(t, options(set("a:b")), deployments("a", "b"))
				s, out, err := r.Stream(t.Context(), chat("a"), u.opener)
				if err != nil || !out.FellBack || out.Deployment.ID != "b" {
					t.Fatalf("%+v %v", out, err)
				}
				if n, err := read(s); n != 3 || err != nil {
					t.Fatalf("%d %v", n, err)
				}
				for _, f := range u.made {
					if f.closed != 1 {
						t.Error("a stream was left open")
					}
				}
				idle(t, r)
			})
		})
	}
}

// After the first chunk nothing is tried again; the error is told once, closes the stream and counts for the cooldown
// (BerriAI/litellm#26015).
func TestStream_FailsLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(set("a:b"), func(o *Options) { o.AllowedFails = ptr(0) }), deployments("a", "b"))
		u := &streams{script: map[string][][]step{"a": {{{}, {}, {err: failing(429)}}}}}
		s, _, err := r.Stream(t.Context(), chat("a"), u.opener)
		if err != nil {
			t.Fatal(err)
		}
		n, err := read(s)
		wantError(t, err, 429, "litellm.RateLimitError: RateLimitError: OCIException")
		if n != 2 || len(u.asked) != 1 {
			t.Fatalf("%d chunks, asked %v", n, u.asked)
		}
		if _, again := s.Next(); again != err {
			t.Fatalf("Next after the error: %v", again)
		}
		if st := r.Status()[0]; st.InFlight != 0 || st.Cooling == 0 || st.Failures != 1 || u.made[0].closed != 1 {
			t.Fatalf("%+v", st)
		}
		var ue *provider.UpstreamError
		if !errors.As(err, &ue) {
			t.Fatal("the upstream's error must be reachable")
		}
	})
}

func TestStream_Empty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(), deployments("a"))
		u := &streams{script: map[string][][]step{"a": {{{err: io.EOF}}}}}
		s, _, err := r.Stream(t.Context(), chat("a"), u.opener)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := read(s); n != 0 || err != nil {
			t.Fatalf("%d %v, want an empty stream", n, err)
		}
		idle(t, r)
		if st := r.Status()[0]; st.Successes != 1 {
			t.Fatalf("%+v, want an answer", st)
		}
		_ = s.Close()
	})
}

// The first chunk is bounded by stream_timeout (request, deployment, router) or else timeout, each next one by
// timeout, and a stream that keeps giving is never cut by it.
func TestStream_Timeouts(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name   string
		change func(*Options)
		d      func(*Deployment)
		q      func(*Query)
		chunks []time.Duration
		n      int           // chunks that come
		took   time.Duration // until the end or the timeout
		limit  string        // of the message; "" no timeout
	}{
		{name: "keeps giving", change: func(o *Options) { o.Timeout = 3 * s }, chunks: []time.Duration{2 * s, 2 * s, 2 * s, 2 * s}, n: 4, took: 8 * s},
		{name: "first chunk by timeout", change: func(o *Options) { o.Timeout = 3 * s }, chunks: []time.Duration{4 * s}, took: 3 * s, limit: "3"},
		{name: "next chunk by timeout", change: func(o *Options) { o.Timeout = 3 * s }, chunks: []time.Duration{s, s, 4 * s}, n: 2, took: 5 * s, limit: "3"},
		{name: "router's stream_timeout", change: func(o *Options) { o.Timeout, o.StreamTimeout = 9*s, 2*s }, chunks: []time.Duration{3 * s}, took: 2 * s, limit: "2"},
		{name: "stream_timeout is the first chunk's alone", change: func(o *Options) { o.Timeout, o.StreamTimeout = 9*s, 2*s }, chunks: []time.Duration{s, 5 * s}, n: 2, took: 6 * s},
		{name: "deployment's", change: func(o *Options) { o.StreamTimeout = 2 * s }, d: func(d *Deployment) { d.StreamTimeout = 4 * s }, chunks: []time.Duration{5 * s}, took: 4 * s, limit: "4"},
		{name: "request's", d: func(d *Deployment) { d.StreamTimeout = 4 * s }, q: func(q *Query) { q.StreamTimeout = 500 * time.Millisecond }, chunks: []time.Duration{5 * s}, took: 500 * time.Millisecond, limit: "0.5"},
		{name: "idle", change: func(o *Options) { o.StreamIdleTimeout = 2 * s }, chunks: []time.Duration{5 * s, 3 * s}, n: 1, took: 7 * s, limit: "2"},
		{name: "the whole stream", change: func(o *Options) { o.MaxStreamingDuration = 5 * s }, chunks: []time.Duration{2 * s, 2 * s, 2 * s}, n: 2, took: 5 * s, limit: "5"},
		{name: "no limits", change: func(o *Options) { o.Timeout = 0 }, chunks: []time.Duration{time.Hour * 10, time.Hour * 10}, n: 2, took: 20 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				o, ds, q := options(func(o *Options) { o.NumRetries = 0 }), deployments("a"), chat("a")
				if tt.change != nil {
					tt.change(&o)
				}
				if tt.d != nil {
					tt.d(&ds[0])
				}
				if tt.q != nil {
					tt.q(q)
				}
				r := newRouter(t, o, ds)
				var steps []step
				for _, d := range tt.chunks {
					steps = append(steps, step{wait: d})
				}
				u := &streams{script: map[string][][]step{"a": {steps}}}
				start := time.Now()
				st, out, err := r.Stream(t.Context(), q, u.opener)
				n := 0
				if err == nil {
					n, err = read(st)
					_ = st.Close()
				} else if !out.Attempts[0].MaybeBilled {
					t.Error("an attempt that timed out may have been billed")
				}
				if n != tt.n || time.Since(start) != tt.took {
					t.Errorf("%d chunks in %v, want %d in %v", n, time.Since(start), tt.n, tt.took)
				}
				if tt.limit == "" && err != nil {
					t.Errorf("cut: %v", err)
				}
				if tt.limit != "" {
					wantError(t, err, 408, "litellm.Timeout: APITimeoutError - Request timed out.")
					wantError(t, err, 408, "Timeout passed="+tt.limit+" seconds")
				}
				idle(t, r)
			})
		})
	}
}

// A first chunk that comes when the call has been cancelled already is too late, so that what follows is not cut.
func TestStream_FirstChunkTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(func(o *Options) { o.StreamTimeout = time.Second; o.NumRetries = 0 }), deployments("a"))
		deaf := &fakeStream{ctx: t.Context(), steps: []step{{wait: 2 * time.Second}}}
		_, _, err := r.Stream(t.Context(), chat("a"), func(context.Context, Target) (openai.Stream, error) { return deaf, nil })
		wantError(t, err, 408, "Timeout passed=1 seconds")
		if deaf.closed != 1 {
			t.Fatal("the stream was left open")
		}
		idle(t, r)
	})
}

// A reader that takes its time is not the upstream's silence.
func TestStream_SlowReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(func(o *Options) { o.Timeout = time.Second }), deployments("a"))
		s, _, err := r.Stream(t.Context(), chat("a"), (&streams{}).opener)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.Close()
	})
}

func TestStream_CallerLeaves(t *testing.T) {
	tests := map[string]struct {
		chunks []step
		opens  bool
	}{
		"before the first chunk": {chunks: []step{{wait: time.Hour}}},
		"between chunks":         {chunks: []step{{}, {wait: time.Hour}}, opens: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRouter(t, options(set("a:b"), func(o *Options) { o.AllowedFails = ptr(0) }), deployments("a", "b"))
				u := &streams{script: map[string][][]step{"a": {tt.chunks}}}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Second, cancel)
				s, out, err := r.Stream(ctx, chat("a"), u.opener)
				if (err == nil) != tt.opens {
					t.Fatal(err)
				}
				if err == nil {
					_, err = read(s)
					_ = s.Close()
				} else if !out.Attempts[0].MaybeBilled {
					t.Error("may have been billed")
				}
				wantError(t, err, 499, "")
				if st := r.Status()[0]; st.Cooling != 0 || st.Failures != 0 || len(u.asked) != 1 || u.made[0].closed != 1 {
					t.Fatalf("%+v, asked %v", st, u.asked)
				}
				idle(t, r)
			})
		})
	}
}

// Close from another goroutine ends a pending Next.
func TestStream_CloseBesideNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(), deployments("a"))
		u := &streams{script: map[string][][]step{"a": {{{}, {wait: time.Hour}}}}}
		s, _, err := r.Stream(t.Context(), chat("a"), u.opener)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := read(s)
			done <- err
		}()
		synctest.Wait()
		_ = s.Close()
		if err := <-done; !errors.Is(err, errClosed) {
			t.Fatalf("Next gave %v", err)
		}
		if st := r.Status()[0]; st.Failures != 0 || st.InFlight != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

func TestStream_PanicGivesTheSlotBack(t *testing.T) {
	for name, open := range map[string]func(context.Context, Target) (openai.Stream, error){
		"open": func(context.Context, Target) (openai.Stream, error) { panic("bug") },
		"first chunk": func(ctx context.Context, _ Target) (openai.Stream, error) {
			return &panicking{fakeStream{ctx: ctx}}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t, options(func(o *Options) { o.MaxStreamingDuration = time.Hour }), deployments("a"))
			func() {
				defer func() { _ = recover() }()
				_, _, _ = r.Stream(t.Context(), chat("a"), open)
				t.Error("the panic must reach the caller")
			}()
			idle(t, r)
		})
	}
}

type panicking struct{ fakeStream }

func (p *panicking) Next() (openai.Chunk, error) { panic("bug") }

// tellingStream reads twice for each chunk and says so.
type tellingStream struct {
	*fakeStream
	onWait func()
}

func (s *tellingStream) OnWait(f func()) bool { s.onWait = f; return true }

func (s *tellingStream) Next() (openai.Chunk, error) {
	if s.onWait != nil {
		s.onWait()
		if f := sleep(s.ctx, 600*time.Millisecond); f != nil {
			return openai.Chunk{}, s.ctx.Err()
		}
		s.onWait()
	}
	return s.fakeStream.Next()
}

// What a reader does when the stream is about to wait takes the reader's time; the reads of one chunk share one wait.
func TestStream_OnWait(t *testing.T) {
	for _, tt := range []struct {
		name  string
		chunk time.Duration // until the second read has it
		want  string        // of the error
	}{
		{"a slow reader is not the upstream's silence", 300 * time.Millisecond, ""},
		{"a second read does not begin a new wait", 500 * time.Millisecond, "Timeout passed=1 seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRouter(t, options(func(o *Options) { o.Timeout = time.Second }), deployments("a"))
				st, _, err := r.Stream(t.Context(), chat("a"), func(ctx context.Context, _ Target) (openai.Stream, error) {
					return &tellingStream{fakeStream: &fakeStream{ctx: ctx, steps: []step{{}, {wait: tt.chunk}, {wait: tt.chunk}}}}, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				calls := 0
				if !st.(openai.Waiter).OnWait(func() { calls++; time.Sleep(time.Minute) }) {
					t.Fatal("the router's stream hides that the upstream's can tell")
				}
				n, err := read(st)
				_ = st.Close()
				if tt.want == "" {
					if n != 3 || err != nil || calls != 3 { // two chunks behind the first, and the end
						t.Errorf("%d chunks, %d calls, %v", n, calls, err)
					}
				} else {
					wantError(t, err, 408, tt.want)
				}
				idle(t, r)
			})
		})
	}
}

func TestStream_OnWaitOfOneThatCannotTell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(), deployments("a"))
		st, _, err := r.Stream(t.Context(), chat("a"), (&streams{}).opener)
		if err != nil {
			t.Fatal(err)
		}
		if st.(openai.Waiter).OnWait(func() { t.Error("called") }) {
			t.Error("it says that it will tell")
		}
		if n, err := read(st); n != 3 || err != nil {
			t.Errorf("%d chunks, %v", n, err)
		}
		_ = st.Close()
	})
}

// lateStream gives its chunk in the moment in which the wait for it ends.
type lateStream struct {
	fakeStream
	limit time.Duration
}

func (s *lateStream) Next() (openai.Chunk, error) {
	time.Sleep(s.limit)
	return openai.Chunk{Data: []byte("{}")}, nil
}

// A timer that has fired may not have ended the upstream call yet. The stream must not be given out then, to die under
// its reader.
func TestStream_FirstChunkInTheLastMoment(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the timer's goroutine waits for Next's to give way
	bubble(t, func(t *testing.T) {
		ds := deployments("a")
		ds[0].StreamTimeout, ds[0].NumRetries = time.Second, ptr(0)
		r := newRouter(t, options(), ds)
		for range 100 {
			s, _, err := r.Stream(t.Context(), chat("a"), func(ctx context.Context, _ Target) (openai.Stream, error) {
				return &lateStream{fakeStream: fakeStream{ctx: ctx}, limit: time.Second}, nil
			})
			if err == nil {
				synctest.Wait()
				dead := s.(*stream).ctx.Err()
				_ = s.Close()
				if dead != nil {
					t.Fatal("a stream was given out whose upstream call had ended")
				}
				continue
			}
			wantError(t, err, 408, "The first chunk of the stream did not come in time.")
			time.Sleep(time.Minute) // beyond the cooldown
		}
		idle(t, r)
	})
}
