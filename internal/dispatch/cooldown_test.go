package dispatch

import (
	"errors"
	"testing"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/provider"
)

// One failure, and whether it cools by the default rule: facts, router section.
func TestCooldown_OneFailure(t *testing.T) {
	tests := []struct {
		name          string
		err           error
		single, multi bool
	}{
		{name: "401", err: failing(401), single: true, multi: true},
		{name: "404", err: failing(404), single: true, multi: true},
		{name: "429", err: failing(429), single: false, multi: true},
		{name: "408", err: failing(408)},
		{name: "500", err: failing(500)},
		{name: "503", err: failing(503)},
		{name: "400", err: failing(400)},
		{name: "403", err: failing(403)},
		{name: "422", err: failing(422)},
		{name: "no connection", err: provider.ErrorFromTransport("OCI", errors.New("refused"))},
		{name: "unparsable", err: errors.New("nil map")},
		{name: "the gateway's refusal", err: &apierr.Error{Status: 401, Message: "no"}},
	}
	for _, tt := range tests {
		for _, multi := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", two deployments", false: ", one deployment"}[multi], func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					ds := deployments("a/1")
					if multi {
						ds = deployments("a/1", "a/2")
						ds[1].Weight = ptr(0.0)
						ds[0].Weight = ptr(1.0)
					}
					r := newRouter(t, options(func(o *Options) { o.NumRetries = 0 }), ds)
					u := &upstreams{script: map[string][]step{"1": fails(tt.err)}}
					_, _, _ = Call(t.Context(), r, chat("a"), u.ask)
					want := tt.single
					if multi {
						want = tt.multi
					}
					if got := r.Status()[0].Cooling; (got == 5*time.Second) != want || (got == 0) == want {
						t.Fatalf("cools for %v, want cooling %v", got, want)
					}
				})
			})
		}
	}
}

// play makes calls that fail (x) or answer (.) on deployment 1 of the alias a.
func play(t *testing.T, r *Router, text string, err error) {
	t.Helper()
	for _, c := range text {
		u := &upstreams{script: map[string][]step{}}
		if c == 'x' {
			u.script["1"] = fails(err)
		}
		_, _, _ = Call(t.Context(), r, chat("a"), u.ask)
		if len(u.asked) == 0 || u.asked[0] != "1" {
			t.Fatalf("deployment 1 was not asked but %v: it cools too early", u.asked)
		}
	}
}

// More than half of at least five calls of the minute, where there is another deployment.
func TestCooldown_ByShareOfFailures(t *testing.T) {
	tests := []struct {
		calls string
		multi bool
		cools bool
	}{
		{calls: "xxxx", multi: true, cools: false},
		{calls: "xxxxx", multi: true, cools: true},
		{calls: "..xxx", multi: true, cools: true},
		{calls: "...xxx", multi: true, cools: false}, // just half
		{calls: "xxxxxxxxxx", multi: false, cools: false},
	}
	for _, tt := range tests {
		t.Run(tt.calls, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds := deployments("a/1")
				if tt.multi {
					ds = deployments("a/1", "a/2")
					ds[0].Weight, ds[1].Weight = ptr(1.0), ptr(0.0)
				}
				r := newRouter(t, options(func(o *Options) { o.NumRetries = 0 }), ds)
				play(t, r, tt.calls, failing(500))
				if got := r.Status()[0].Cooling > 0; got != tt.cools {
					t.Fatalf("cools: %v, want %v", got, tt.cools)
				}
			})
		})
	}
}

// What failed more than a minute ago does not count.
func TestCooldown_ShareIsOfTheLastMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a/1", "a/2")
		ds[0].Weight, ds[1].Weight = ptr(1.0), ptr(0.0)
		r := newRouter(t, options(func(o *Options) { o.NumRetries = 0 }), ds)
		play(t, r, "xxxx", failing(500))
		time.Sleep(61 * time.Second)
		play(t, r, "xxxx", failing(500))
		if r.Status()[0].Cooling > 0 {
			t.Fatal("failures of an earlier minute were counted")
		}
	})
}

// 100 % failures and at least 1000 calls cool a lone deployment too.
func TestCooldown_AllOfAThousandFail(t *testing.T) {
	for c, want := range map[counts]bool{
		{failures: 999}:                false,
		{failures: 1000}:               true,
		{failures: 1000, successes: 1}: false,
	} {
		if got := failsByDefault(c, 500, true); got != want {
			t.Errorf("%+v: cools %v, want %v", c, got, want)
		}
	}
}

// allowed_fails: more failures than allowed within cooldown_time, also for a lone deployment (BerriAI/litellm#8668).
func TestCooldown_AllowedFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		err    error
		calls  string
		pause  time.Duration // before the last call
		cools  bool
	}{
		{name: "as many as allowed", change: func(o *Options) { o.AllowedFails = ptr(2) }, err: failing(500), calls: "xx"},
		{name: "one more", change: func(o *Options) { o.AllowedFails = ptr(2) }, err: failing(500), calls: "xxx", cools: true},
		{name: "answers do not clear the count", change: func(o *Options) { o.AllowedFails = ptr(2) }, err: failing(500), calls: "x.x.x", cools: true},
		{name: "not within cooldown_time", change: func(o *Options) { o.AllowedFails = ptr(2) }, err: failing(500), calls: "xxx", pause: 5 * time.Second},
		{name: "zero", change: func(o *Options) { o.AllowedFails = ptr(0) }, err: failing(500), calls: "x", cools: true},
		{name: "404 by the count too", change: func(o *Options) { o.AllowedFails = ptr(1) }, err: failing(404), calls: "x"},
		{name: "policy for the class", change: func(o *Options) { o.AllowedFailsPolicy = &AllowedFailsPolicy{RateLimit: ptr(0)} }, err: failing(429), calls: "x", cools: true},
		{name: "policy for another class: the default of 3", change: func(o *Options) { o.AllowedFailsPolicy = &AllowedFailsPolicy{RateLimit: ptr(0)} }, err: failing(500), calls: "xxx"},
		{name: "policy for another class: 3 are passed", change: func(o *Options) { o.AllowedFailsPolicy = &AllowedFailsPolicy{RateLimit: ptr(0)} }, err: failing(500), calls: "xxxx", cools: true},
		{name: "policy before the number", change: func(o *Options) { o.AllowedFails = ptr(0); o.AllowedFailsPolicy = &AllowedFailsPolicy{Timeout: ptr(5)} }, err: failing(408), calls: "xxxxx"},
		{name: "a 400 never", change: func(o *Options) { o.AllowedFails = ptr(0) }, err: failing(400), calls: "xxx"},
		{name: "cooldowns switched off", change: func(o *Options) { o.AllowedFails = ptr(0); o.DisableCooldowns = true }, err: failing(500), calls: "xxx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRouter(t, options(tt.change, func(o *Options) { o.NumRetries = 0 }), deployments("a/1"))
				last := len(tt.calls) - 1
				play(t, r, tt.calls[:last], tt.err)
				time.Sleep(tt.pause)
				play(t, r, tt.calls[last:], tt.err)
				if got := r.Status()[0].Cooling > 0; got != tt.cools {
					t.Fatalf("cools: %v, want %v", got, tt.cools)
				}
			})
		})
	}
}

// A cooldown ends the count of failures, also where it is shorter than the count's memory.
func TestCooldown_StartsTheCountAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a/1")
		ds[0].CooldownTime = ptr(time.Second)
		r := newRouter(t, options(func(o *Options) { o.AllowedFails = ptr(1); o.NumRetries = 0 }), ds)
		play(t, r, "xx", failing(500))
		if r.Status()[0].Cooling != time.Second {
			t.Fatal("does not cool")
		}
		time.Sleep(time.Second)
		play(t, r, "x", failing(500))
		if r.Status()[0].Cooling != 0 {
			t.Fatal("one failure behind a cooldown cools again")
		}
	})
}

// Each class has its own number.
func TestPolicies_ByClass(t *testing.T) {
	fails := &AllowedFailsPolicy{BadRequest: ptr(1), Authentication: ptr(2), Timeout: ptr(3), RateLimit: ptr(4), ContentPolicy: ptr(5),
		InternalServer: ptr(6), ServiceUnavailable: ptr(7), BadGateway: ptr(8), NotFound: ptr(9)}
	retries := &RetryPolicy{BadRequest: ptr(1), Authentication: ptr(2), Timeout: ptr(3), RateLimit: ptr(4), ContentPolicy: ptr(5), InternalServer: ptr(6)}
	tests := []struct {
		reason         provider.Reason
		fails, retries int // 0: none
	}{
		{provider.BadRequest, 1, 1}, {provider.ContextWindow, 1, 1}, {provider.Authentication, 2, 2}, {provider.Timeout, 3, 3},
		{provider.RateLimit, 4, 4}, {provider.ContentPolicy, 5, 5}, {provider.InternalServer, 6, 6}, {provider.ServiceUnavailable, 7, 0},
		{provider.BadGateway, 8, 0}, {provider.NotFound, 9, 0}, {provider.PermissionDenied, 0, 0}, {provider.Connection, 0, 0},
	}
	value := func(n *int) int {
		if n == nil {
			return 0
		}
		return *n
	}
	for _, tt := range tests {
		if got := value(fails.of(tt.reason)); got != tt.fails {
			t.Errorf("%s: %d failures allowed, want %d", tt.reason, got, tt.fails)
		}
		if got := value(retries.of(tt.reason)); got != tt.retries {
			t.Errorf("%s: %d retries, want %d", tt.reason, got, tt.retries)
		}
	}
	only := &RetryPolicy{BadRequest: ptr(3)}
	if got := value(only.of(provider.ContentPolicy)); got != 3 {
		t.Errorf("a content refusal is a bad request too: %d, want 3", got)
	}
}

// Time: the deployment's cooldown_time, else the upstream's Retry-After, else the router's; 0 is never.
func TestCooldown_Time(t *testing.T) {
	tests := []struct {
		name       string
		deployment *time.Duration
		after      time.Duration
		router     time.Duration
		want       time.Duration
	}{
		{name: "router", router: 5 * time.Second, want: 5 * time.Second},
		{name: "Retry-After", router: 5 * time.Second, after: 30 * time.Second, want: 30 * time.Second},
		{name: "deployment", router: 5 * time.Second, after: 30 * time.Second, deployment: ptr(7 * time.Second), want: 7 * time.Second},
		{name: "deployment 0", router: 5 * time.Second, after: 30 * time.Second, deployment: ptr(time.Duration(0)), want: 0},
		{name: "router 0", router: 0, after: 30 * time.Second, want: 0},
		{name: "a Retry-After of days", router: 5 * time.Second, after: 72 * time.Hour, want: time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds := deployments("a/1", "a/2")
				ds[0].CooldownTime = tt.deployment
				ds[0].Weight, ds[1].Weight = ptr(1.0), ptr(0.0)
				r := newRouter(t, options(func(o *Options) { o.CooldownTime = tt.router }), ds)
				u := &upstreams{script: map[string][]step{"1": fails(retryAfter(429, tt.after))}}
				if _, _, err := Call(t.Context(), r, chat("a"), u.ask); err != nil {
					t.Fatal(err)
				}
				s := r.Status()[0]
				if s.Cooling != tt.want || (tt.want > 0 && s.CooledBy != 429) {
					t.Fatalf("cools for %v by %d, want %v", s.Cooling, s.CooledBy, tt.want)
				}
				time.Sleep(tt.want)
				if s := r.Status()[0]; s.Cooling != 0 {
					t.Fatalf("still cools for %v", s.Cooling)
				}
			})
		})
	}
}

func TestCooldown_NobodyLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(), deployments("a"))
		u := &upstreams{script: map[string][]step{"a": fails(failing(401))}}
		_, _, err := Call(t.Context(), r, chat("a"), u.ask)
		wantError(t, err, 401, "litellm.AuthenticationError: AuthenticationError: OCIException")

		_, out, err := Call(t.Context(), r, chat("a"), u.ask)
		e := wantError(t, err, 429, "No deployments available for selected model, Try again in 5 seconds. All deployments for selected model are in cooldown. Passed model=a. pre-call-checks=False, cooldown_list=['a']")
		if e.Header.Get("Retry-After") != "5" || len(out.Attempts) != 0 {
			t.Fatalf("Retry-After %q, attempts %v", e.Header.Get("Retry-After"), out.Attempts)
		}

		time.Sleep(3500 * time.Millisecond)
		_, _, err = Call(t.Context(), r, chat("a"), u.ask)
		wantError(t, err, 429, "Try again in 2 seconds")

		// A deployment asked for by its id is asked, whatever it has done.
		r2 := newRouter(t, options(), deployments("alias/the-id"))
		u = &upstreams{script: map[string][]step{"the-id": fails(failing(401))}}
		_, _, _ = Call(t.Context(), r2, chat("alias"), u.ask)
		if answer, _, err := Call(t.Context(), r2, chat("the-id"), u.ask); err != nil || answer != "the-id" {
			t.Fatalf("%q %v", answer, err)
		}
	})
}

// A reload keeps what is known of a deployment that stays.
func TestState_OutlivesAReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		state := NewState()
		old, err := New(options(), deployments("a/1", "b/2"), state)
		if err != nil {
			t.Fatal(err)
		}
		u := &upstreams{script: map[string][]step{"1": fails(failing(401))}}
		_, _, _ = Call(t.Context(), old, chat("a"), u.ask)
		reloaded, err := New(options(), deployments("a/1", "a/3"), state)
		if err != nil {
			t.Fatal(err)
		}
		if got := reloaded.Status(); got[0].Cooling != 5*time.Second || got[1].Cooling != 0 {
			t.Fatalf("%+v", got)
		}
		if answer, _, err := Call(t.Context(), old, chat("b"), u.ask); err != nil || answer != "2" {
			t.Fatalf("a router that is replaced still serves its calls: %q %v", answer, err)
		}
	})
}
