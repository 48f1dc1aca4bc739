package dispatch

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/openai"
)

// The semaphore of a deployment: a 429 at once when all are full, no queue, and the slot is held until the reply ends
// (BerriAI/litellm#18116). A refusal takes nothing of the rpm (#39309).
func TestMaxParallel(t *testing.T) {
	tests := map[string]struct {
		set  func(*Deployment, *Options)
		want int
	}{
		"max_parallel_requests":         {func(d *Deployment, _ *Options) { d.MaxParallel = 2; d.RPM = 9 }, 2},
		"rpm":                           {func(d *Deployment, _ *Options) { d.RPM = 3; d.TPM = 60000 }, 3},
		"tpm":                           {func(d *Deployment, _ *Options) { d.TPM = 24000 }, 4},
		"tpm, at least one":             {func(d *Deployment, _ *Options) { d.TPM = 100 }, 1},
		"default_max_parallel_requests": {func(_ *Deployment, o *Options) { o.DefaultMaxParallel = 5 }, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds, o := deployments("a"), options()
				tt.set(&ds[0], &o)
				r := newRouter(t, o, ds)
				hold := func(context.Context, Target) (int, error) { time.Sleep(time.Second); return 0, nil }
				for range tt.want {
					go func() {
						if _, _, err := Call(t.Context(), r, chat("a"), hold); err != nil {
							t.Error(err)
						}
					}()
				}
				synctest.Wait()
				start := time.Now()
				_, out, err := Call(t.Context(), r, chat("a"), hold)
				wantError(t, err, 429, "Deployment has all max_parallel_requests slots in use")
				if time.Since(start) != 0 || len(out.Attempts) != 0 {
					t.Fatalf("refused after %v and %d attempts, want at once", time.Since(start), len(out.Attempts))
				}
				s := r.Status()[0]
				if int(s.InFlight) != tt.want || int(s.Requests) != tt.want || s.Cooling != 0 {
					t.Fatalf("%+v", s)
				}
				time.Sleep(2 * time.Second)
				idle(t, r)
			})
		})
	}
}

func TestMaxParallel_AnotherDeploymentHasRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a/1", "a/2")
		ds[0].MaxParallel = 1
		r := newRouter(t, options(func(o *Options) { o.Rand = func() float64 { return 0 } }), ds)
		go func() {
			_, _, _ = Call(t.Context(), r, chat("a"), func(context.Context, Target) (int, error) { time.Sleep(time.Second); return 0, nil })
		}()
		synctest.Wait()
		if got := shares(t, r, 3, chat("a")); got["2"] != 3 {
			t.Fatalf("%v, want the one with room", got)
		}
		time.Sleep(time.Minute)
	})
}

// enforce_model_rate_limits: exactly the limit within a minute, tokens reserved before the call (BerriAI/litellm#18730,
// #24677).
func TestRateLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a")
		ds[0].RPM, ds[0].MaxParallel = 3, 100
		r := newRouter(t, options(func(o *Options) { o.EnforceModelRateLimits = true }), ds)
		time.Sleep(700 * time.Millisecond)
		for range 3 {
			if _, _, err := Call(t.Context(), r, chat("a"), (&upstreams{}).ask); err != nil {
				t.Fatalf("refused below the limit: %v", err)
			}
			time.Sleep(10 * time.Second)
		}
		_, _, err := Call(t.Context(), r, chat("a"), (&upstreams{}).ask)
		e := wantError(t, err, 429, "litellm.RateLimitError: Model rate limit exceeded. RPM limit=3, current usage=3")
		if e.Header.Get("Retry-After") != "30" {
			t.Fatalf("Retry-After %s, want the 30 s until the first call is a minute old", e.Header.Get("Retry-After"))
		}
		time.Sleep(30 * time.Second)
		if _, _, err := Call(t.Context(), r, chat("a"), (&upstreams{}).ask); err != nil {
			t.Fatalf("refused after Retry-After: %v", err)
		}
		_, _, err = Call(t.Context(), r, chat("a"), (&upstreams{}).ask)
		wantError(t, err, 429, "RPM limit=3")
	})
}

func TestRateLimits_TokensAreReserved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a")
		ds[0].TPM, ds[0].MaxParallel = 100, 100
		r := newRouter(t, options(func(o *Options) { o.EnforceModelRateLimits = true; o.NumRetries = 0 }), ds)
		q := chat("a")
		q.InputTokens, q.OutputTokens = 10, 30
		passed := 0
		for range 5 {
			go func() {
				_, out, err := Call(t.Context(), r, q, func(context.Context, Target) (int, error) { time.Sleep(time.Second); return 0, nil })
				if err == nil {
					passed++
					out.Record(openai.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15})
				} else {
					wantError(t, err, 429, "TPM limit=100, current usage=80")
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if passed != 2 {
			t.Fatalf("%d calls of 40 tokens passed a limit of 100", passed)
		}
		if s := r.Status()[0]; s.Tokens != 30 {
			t.Fatalf("%d tokens are counted, want the real 30", s.Tokens)
		}
		// A call that was refused by the upstream gives its tokens back.
		u := &upstreams{script: map[string][]step{"a": fails(failing(400))}}
		_, _, _ = Call(t.Context(), r, q, u.ask)
		if s := r.Status()[0]; s.Tokens != 30 || s.Requests != 3 {
			t.Fatalf("%d tokens and %d requests, want 30 and 3", s.Tokens, s.Requests)
		}
	})
}

// Real goroutines on real time: the limits hold exactly, and nothing is left in flight.
func TestLimits_HoldUnderContention(t *testing.T) {
	const slots, rpm, callers, calls = 2, 2000, 8, 300
	ds := deployments("a")
	ds[0].MaxParallel, ds[0].RPM = slots, rpm
	r := newRouter(t, options(func(o *Options) { o.EnforceModelRateLimits = true; o.NumRetries = 0 }), ds)
	var active, most, passed atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for done := 0; done < calls; {
				_, _, err := Call(t.Context(), r, chat("a"), func(context.Context, Target) (int, error) {
					n := active.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					runtime.Gosched()
					active.Add(-1)
					passed.Add(1)
					return 0, nil
				})
				if err == nil || passed.Load() >= rpm {
					done++
				}
			}
		})
	}
	all.Wait()
	if most.Load() > slots {
		t.Errorf("%d calls at once, may be %d", most.Load(), slots)
	}
	if passed.Load() != rpm {
		t.Errorf("%d calls passed a limit of %d", passed.Load(), rpm)
	}
	idle(t, r)
}

// What a caller says of its own size neither switches a tpm limit off nor takes a whole window that the deployment
// could not fill.
func TestTokenLimit_AbsurdNumbers(t *testing.T) {
	tests := []struct {
		name          string
		input, output int
		most          int   // max_output_tokens
		reserved      int64 // of the minute
		refused       bool  // beside 500 tokens of others
	}{
		{"a sum beyond an int64", 100, math.MaxInt, 0, 1 << 30, true},
		{"both beyond", math.MaxInt, math.MaxInt, 0, 1 << 30, true},
		{"negative", -5, math.MinInt, 0, 0, false},
		{"more than the deployment writes", 100, math.MaxInt, 300, 400, false},
		{"more than fits, of what it writes", 100, math.MaxInt, 600, 700, true},
		{"less than the deployment writes", 100, 200, 300, 300, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds := deployments("a")
				ds[0].TPM, ds[0].MaxParallel, ds[0].MaxOutputTokens = 1000, 9, tt.most
				enforced := func(o *Options) { o.EnforceModelRateLimits = true }
				q := chat("a")
				q.InputTokens, q.OutputTokens = tt.input, tt.output

				r := newRouter(t, options(enforced), ds)
				_, _, err := Call(t.Context(), r, q, (&upstreams{}).ask)
				if got := r.Status()[0].Tokens; err != nil || got != tt.reserved {
					t.Fatalf("alone: %d tokens are reserved, %v; want %d", got, err, tt.reserved)
				}
				r = newRouter(t, options(enforced), ds)
				others := chat("a")
				others.InputTokens = 500
				if _, _, err := Call(t.Context(), r, others, (&upstreams{}).ask); err != nil {
					t.Fatal(err)
				}
				if _, _, err = Call(t.Context(), r, q, (&upstreams{}).ask); (err != nil) != tt.refused {
					t.Errorf("beside others: %v", err)
				}
			})
		})
	}
}

func TestTokenLimit_AbsurdUsage(t *testing.T) {
	for told, want := range map[int]int64{math.MaxInt: 1 << 30, math.MinInt: 0, 70: 70} {
		bubble(t, func(t *testing.T) {
			r := newRouter(t, options(), deployments("a"))
			q := chat("a")
			q.InputTokens, q.OutputTokens = 20, 30
			_, out, err := Call(t.Context(), r, q, (&upstreams{}).ask)
			if err != nil {
				t.Fatal(err)
			}
			out.Record(openai.Usage{TotalTokens: told})
			if got := r.Status()[0].Tokens; got != want {
				t.Errorf("a usage of %d is counted as %d, want %d", told, got, want)
			}
		})
	}
}
