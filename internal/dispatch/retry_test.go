package dispatch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/provider"
)

func TestRetries_DefaultsAreLiteLLMs(t *testing.T) {
	o := DefaultOptions()
	if o.NumRetries != 2 || o.MaxFallbacks != 5 || o.Timeout != 6000*time.Second || o.CooldownTime != 5*time.Second || o.Strategy != "simple-shuffle" {
		t.Fatalf("defaults differ from LiteLLM's: %+v", o)
	}
}

// A first attempt, then num_retries more; the first error is told, with the count of retries.
func TestRetries_FirstErrorIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": fails(failing(500), failing(503), failing(502))}}
		r := newRouter(t, options(), deployments("a"))
		_, out, err := Call(t.Context(), r, chat("a"), u.ask)
		e := wantError(t, err, 500, "litellm.InternalServerError: InternalServerError: OCIException - upstream says Internal Server Error")
		wantError(t, e, 500, ". Received Model Group=a\nAvailable Model Group Fallbacks=None LiteLLM Retried: 2 times, LiteLLM Max Retries: 2")
		wantAsked(t, u, "a", "a", "a")
		if len(out.Attempts) != 3 || out.Deployment != nil || out.Attempts[1].Status != 503 {
			t.Fatalf("outcome %+v", out)
		}
		var ue *provider.UpstreamError
		if !errors.As(err, &ue) || ue.Status != 500 {
			t.Fatal("the upstream's error, and so its headers, must be reachable")
		}
		idle(t, r)
	})
}

func TestRetries_AnswerAfterRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": fails(failing(500))}}
		r := newRouter(t, options(), deployments("a"))
		answer, out, err := Call(t.Context(), r, chat("a"), u.ask)
		if err != nil || answer != "a" || out.Retries != 1 || out.Fallbacks != 0 || out.FellBack || out.Group != "a" || out.Deployment.ID != "a" {
			t.Fatalf("%v %+v %v", answer, out, err)
		}
		idle(t, r)
	})
}

// How often a lone deployment is asked for each class of error, and how long apart: facts, router section.
func TestRetries_PerClass(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		change func(*Options)
		q      func(*Query)
		d      func(*Deployment)
		calls  int
		status int
	}{
		{name: "500", err: failing(500), calls: 3, status: 500},
		{name: "502", err: failing(502), calls: 3, status: 502},
		{name: "408", err: failing(408), calls: 3, status: 408},
		{name: "429 with a healthy deployment", err: failing(429), calls: 3, status: 429},
		{name: "404 never", err: failing(404), calls: 1, status: 404},
		{name: "401 with one deployment never", err: failing(401), calls: 1, status: 401},
		{name: "401 with one deployment that does not cool", err: failing(401), change: func(o *Options) { o.DisableCooldowns = true }, calls: 1, status: 401},
		{name: "the caller's own 400", err: failing(400), calls: 1, status: 400},
		{name: "422", err: failing(422), calls: 1, status: 422},
		{name: "a refusal of the gateway's own", err: &apierr.Error{Status: 400, Message: "no such parameter"}, calls: 1, status: 400},
		{name: "an error of unknown kind", err: errors.New("nil map"), calls: 3, status: 500},
		{name: "request's num_retries", err: failing(500), q: func(q *Query) { q.NumRetries = ptr(1) }, calls: 2, status: 500},
		{name: "request's num_retries 0", err: failing(500), q: func(q *Query) { q.NumRetries = ptr(0) }, calls: 1, status: 500},
		{name: "policy before request", err: failing(500), calls: 5, status: 500,
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{InternalServer: ptr(4)} }, q: func(q *Query) { q.NumRetries = ptr(1) }},
		{name: "policy of another class", err: failing(500), calls: 3, status: 500,
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{RateLimit: ptr(4)} }},
		{name: "group's policy before the router's", err: failing(429), calls: 2, status: 429,
			change: func(o *Options) {
				o.RetryPolicy = &RetryPolicy{RateLimit: ptr(4)}
				o.GroupRetryPolicy = map[string]RetryPolicy{"a": {RateLimit: ptr(1)}}
			}},
		{name: "deployment before policy", err: failing(500), calls: 2, status: 500, d: func(d *Deployment) { d.NumRetries = ptr(1) },
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{InternalServer: ptr(4)} }},
		{name: "policy for 400", err: failing(400), calls: 3, status: 400,
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{BadRequest: ptr(2)} }},
		{name: "policy for timeouts", err: failing(408), calls: 2, status: 408,
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{Timeout: ptr(1)} }},
		{name: "content policy with its fallbacks set", err: reasoned(provider.ContentPolicy), calls: 1, status: 400,
			change: func(o *Options) {
				o.RetryPolicy = &RetryPolicy{ContentPolicy: ptr(3)}
				o.ContentPolicyFallbacks = chains(map[string][]string{"other": {"b"}})
			}},
		{name: "content policy by its policy", err: reasoned(provider.ContentPolicy), calls: 4, status: 400,
			change: func(o *Options) { o.RetryPolicy = &RetryPolicy{ContentPolicy: ptr(3)} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{"a": fails(tt.err, tt.err, tt.err, tt.err, tt.err, tt.err, tt.err)}}
				o, ds, q := options(), deployments("a"), chat("a")
				if tt.change != nil {
					tt.change(&o)
				}
				if tt.q != nil {
					tt.q(q)
				}
				if tt.d != nil {
					tt.d(&ds[0])
				}
				r := newRouter(t, o, ds)
				_, _, err := Call(t.Context(), r, q, u.ask)
				wantError(t, err, tt.status, "")
				if len(u.asked) != tt.calls {
					t.Fatalf("asked %d times, want %d", len(u.asked), tt.calls)
				}
				idle(t, r)
			})
		})
	}
}

// 401 is retried where another deployment may have a better key.
func TestRetries_RefusedKeyGoesToTheOtherDeployment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"1": fails(failing(401)), "2": fails(failing(401))}}
		r := newRouter(t, options(func(o *Options) { o.Rand = func() float64 { return 0 } }), deployments("a/1", "a/2", "a/3"))
		answer, out, err := Call(t.Context(), r, chat("a"), u.ask)
		if err != nil || answer != "3" || out.Retries != 2 {
			t.Fatalf("%q %+v %v", answer, out, err)
		}
		idle(t, r)
	})
}

// Sleep: 0 with a healthy deployment that has not been asked; else Retry-After within a minute; else min(0.5*2^n, 8)*(1-0.75*rand), at
// least retry_after. The router's chance is 0.5 here, so that the factor is 0.625.
func TestRetries_Sleeps(t *testing.T) {
	tests := []struct {
		name   string
		ds     []Deployment
		errs   []error
		change func(*Options)
		want   []float64
		fails  bool
	}{
		{name: "doubling, at most 8", ds: deployments("a"), errs: []error{failing(500), failing(500), failing(500), failing(500), failing(500), failing(500)},
			change: func(o *Options) { o.NumRetries = 6 }, want: []float64{0.3125, 0.625, 1.25, 2.5, 5, 5}},
		{name: "no jitter", ds: deployments("a"), errs: []error{failing(500), failing(500)},
			change: func(o *Options) { o.Rand = func() float64 { return 0 } }, want: []float64{0.5, 1}},
		{name: "retry_after is the least", ds: deployments("a"), errs: []error{failing(500), failing(500)},
			change: func(o *Options) { o.RetryAfter = 3 * time.Second }, want: []float64{3, 3}},
		{name: "Retry-After", ds: deployments("a"), errs: []error{retryAfter(429, 7*time.Second), retryAfter(429, time.Minute)}, want: []float64{7, 60}},
		{name: "Retry-After over a minute", ds: deployments("a"), errs: []error{retryAfter(429, 61*time.Second)}, want: []float64{0.3125}},
		{name: "at most 100 s in all", ds: deployments("a"), errs: []error{retryAfter(429, time.Minute), retryAfter(429, 30*time.Second), retryAfter(429, 11*time.Second)},
			change: func(o *Options) { o.NumRetries = 5 }, want: []float64{60, 30}, fails: true},
		{name: "another healthy deployment", ds: deployments("a/1", "a/2"), errs: []error{retryAfter(500, 7*time.Second)}, want: []float64{0}},
		{name: "all deployments asked", ds: deployments("a/1", "a/2"), errs: []error{failing(500), failing(500), failing(500), failing(500)},
			change: func(o *Options) { o.NumRetries = 4 }, want: []float64{0, 0.3125, 0.625, 1.25}},
		{name: "all deployments asked, Retry-After of the last", ds: deployments("a/1", "a/2"), errs: []error{failing(500), retryAfter(500, 7*time.Second)}, want: []float64{0, 7}},
		{name: "the next order is still to be asked", ds: ordered(deployments("a/1", "a/2"), 1, 2), errs: []error{failing(500), failing(500), failing(500), failing(500)},
			want: []float64{0, 0, 0, 0.3125}},
		{name: "the other one cools", ds: deployments("a/1", "a/2"), errs: []error{failing(429), failing(500), failing(500)},
			change: func(o *Options) { o.NumRetries = 3 }, want: []float64{0, 0.3125, 0.625}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := 0
				u := &upstreams{}
				o := options()
				if tt.change != nil {
					tt.change(&o)
				}
				_, _, err := Call(t.Context(), newRouter(t, o, tt.ds), chat("a"), func(ctx context.Context, target Target) (string, error) {
					u.next(target.ID)
					n++
					if n <= len(tt.errs) {
						return "", tt.errs[n-1]
					}
					return "", nil
				})
				if (err != nil) != tt.fails {
					t.Fatal(err)
				}
				if got := u.pauses(); !slices.Equal(got, tt.want) {
					t.Fatalf("slept %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// ordered gives each deployment its order.
func ordered(ds []Deployment, orders ...int) []Deployment {
	for i := range ds {
		ds[i].Order = &orders[i]
	}
	return ds
}

// An upstream that cannot be had any more ends the retries; the first error is told all the same.
func TestRetries_StopWithoutHealthyDeployment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"1": fails(failing(429)), "2": fails(failing(429))}}
		r := newRouter(t, options(func(o *Options) { o.NumRetries = 5 }), deployments("a/1", "a/2"))
		_, _, err := Call(t.Context(), r, chat("a"), u.ask)
		wantError(t, err, 429, "litellm.RateLimitError: RateLimitError: OCIException")
		if len(u.asked) != 2 {
			t.Fatalf("asked %v, want each once", u.asked)
		}
	})
}

// A lone deployment that has cooled is not waited for.
func TestRetries_NoWaitForACooledDeployment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": fails(failing(500))}}
		r := newRouter(t, options(func(o *Options) { o.AllowedFails = ptr(0) }), deployments("a"))
		start := time.Now()
		_, _, err := Call(t.Context(), r, chat("a"), u.ask)
		wantError(t, err, 500, "litellm.InternalServerError")
		if time.Since(start) != 0 {
			t.Fatalf("waited %v", time.Since(start))
		}
	})
}

// Lower orders first, with their retries; failing a level tries the next one.
func TestOrder(t *testing.T) {
	ordered := func() []Deployment {
		ds := deployments("a/none", "a/second", "a/first")
		ds[1].Order, ds[2].Order = ptr(2), ptr(1)
		return ds
	}
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{
			"first":  fails(failing(500), failing(503), failing(500), failing(401)),
			"second": fails(failing(502), failing(500), failing(500)),
		}}
		r := newRouter(t, options(), ordered())
		answer, out, err := Call(t.Context(), r, chat("a"), u.ask)
		if err != nil || answer != "none" || out.Retries != 6 || out.FellBack {
			t.Fatalf("%q %+v %v", answer, out, err)
		}
		wantAsked(t, u, "first", "first", "first", "second", "second", "second", "none")

		// The 401 cools the first; until it is back the second serves.
		u.asked = nil
		for range 2 {
			if answer, _, err = Call(t.Context(), r, chat("a"), u.ask); err != nil || answer != "second" {
				t.Fatalf("%q %v", answer, err)
			}
		}
		wantAsked(t, u, "first", "second", "second")
		time.Sleep(5 * time.Second)
		if answer, _, _ = Call(t.Context(), r, chat("a"), u.ask); answer != "first" {
			t.Fatalf("after the cooldown %q answered, want the lowest order", answer)
		}
		idle(t, r)
	})
}

func TestOrder_CallersOwnErrorStaysAtItsLevel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a/1", "a/2")
		ds[0].Order, ds[1].Order = ptr(1), ptr(2)
		u := &upstreams{script: map[string][]step{"1": fails(failing(400))}}
		_, _, err := Call(t.Context(), newRouter(t, options(), ds), chat("a"), u.ask)
		wantError(t, err, 400, "litellm.BadRequestError: OCIException")
		wantAsked(t, u, "1")
	})
}

func TestCancel_StopsAtOnce(t *testing.T) {
	tests := map[string]struct {
		steps []step
		after time.Duration
		calls int
	}{
		"in the upstream":  {steps: []step{{wait: time.Hour}}, after: time.Second, calls: 1},
		"in the back-off":  {steps: fails(failing(500)), after: 100 * time.Millisecond, calls: 1},
		"in a retry":       {steps: []step{{err: failing(500)}, {wait: time.Hour}}, after: 10 * time.Second, calls: 2},
		"before the start": {after: 0, calls: 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				u := &upstreams{script: map[string][]step{"a": tt.steps}}
				o := options(func(o *Options) {
					o.NumRetries = 1
					o.AllowedFails = ptr(1)
					o.Fallbacks = chains(map[string][]string{"a": {"b"}})
				})
				r := newRouter(t, o, deployments("a", "b"))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.after == 0 {
					cancel()
				} else {
					time.AfterFunc(tt.after, cancel)
				}
				start := time.Now()
				_, out, err := Call(ctx, r, chat("a"), u.ask)
				wantError(t, err, 499, "")
				if !errors.Is(err, context.Canceled) || time.Since(start) != tt.after || len(u.asked) != tt.calls || out.Fallbacks != 0 {
					t.Fatalf("%v after %v, asked %v", err, time.Since(start), u.asked)
				}
				if name == "in the upstream" {
					if !out.Attempts[0].MaybeBilled {
						t.Error("a cancelled attempt may have been billed")
					}
					if s := r.Status()[0]; s.Cooling != 0 || s.Failures != 0 {
						t.Errorf("a caller who left counts against the deployment: %+v", s)
					}
				}
				idle(t, r)
			})
		})
	}
}

func TestDeadline_OfTheWholeCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": {{wait: time.Hour}}}}
		r := newRouter(t, options(), deployments("a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := Call(ctx, r, chat("a"), u.ask)
		wantError(t, err, 408, "litellm.Timeout: APITimeoutError - Request timed out.")
		idle(t, r)
	})
}

// A wait that would outlast the call is not begun: the fallback comes while there is time.
func TestDeadline_NoWaitPastIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		u := &upstreams{script: map[string][]step{"a": fails(retryAfter(429, 30*time.Second))}}
		r := newRouter(t, options(set("a:b")), deployments("a", "b"))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		start := time.Now()
		answer, _, err := Call(ctx, r, chat("a"), u.ask)
		if err != nil || answer != "b" || time.Since(start) != 0 {
			t.Fatalf("%q after %v, %v", answer, time.Since(start), err)
		}
	})
}

// timeout bounds each attempt: request before deployment before router.
func TestTimeout_OfAnAttempt(t *testing.T) {
	tests := map[string]struct {
		router, deployment, request, want time.Duration
	}{
		"router":     {router: 4 * time.Second, want: 4 * time.Second},
		"deployment": {router: 4 * time.Second, deployment: 3 * time.Second, want: 3 * time.Second},
		"request":    {router: 4 * time.Second, deployment: 3 * time.Second, request: 2 * time.Second, want: 2 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds := deployments("a")
				ds[0].Timeout = tt.deployment
				r := newRouter(t, options(func(o *Options) { o.Timeout = tt.router; o.NumRetries = 1; o.RetryAfter = time.Second }), ds)
				q := chat("a")
				q.Timeout = tt.request
				u := &upstreams{script: map[string][]step{"a": {{wait: time.Hour}, {wait: time.Hour}}}}
				start := time.Now()
				_, out, err := Call(t.Context(), r, q, u.ask)
				wantError(t, err, 408, "litellm.Timeout: APITimeoutError - Request timed out.")
				wantError(t, err, 408, "Timeout passed="+seconds(tt.want)+" seconds")
				if got := time.Since(start); got != 2*tt.want+time.Second {
					t.Fatalf("took %v", got)
				}
				if len(out.Attempts) != 2 || !out.Attempts[0].MaybeBilled || out.Attempts[0].Status != 408 || out.Attempts[0].Duration != tt.want {
					t.Fatalf("%+v", out.Attempts)
				}
				idle(t, r)
			})
		})
	}
}

func TestPanic_GivesTheSlotBack(t *testing.T) {
	r := newRouter(t, options(), deployments("a"))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic must reach the caller")
			}
		}()
		_, _, _ = Call(t.Context(), r, chat("a"), func(context.Context, Target) (string, error) { panic("bug") })
	}()
	idle(t, r)
}
