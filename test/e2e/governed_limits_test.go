package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"tollgate/internal/testkit"
)

// TestLimits: a limit lets through exactly what it says, on one and on two replicas, through PostgreSQL and Redis.
func TestLimits(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { limits(t, settings{}) })
	t.Run("PostgreSQL, 1 replica", func(t *testing.T) { limits(t, settings{database: testkit.Postgres(t)}) })
	t.Run("PostgreSQL, 2 replicas", func(t *testing.T) { limits(t, settings{replicas: 2, database: testkit.Postgres(t)}) })
	t.Run("Redis, 2 replicas", func(t *testing.T) {
		limits(t, settings{replicas: 2, database: testkit.Postgres(t), env: redisEnv(testkit.Redis(t))})
	})
}

func limits(t *testing.T, s settings) {
	w := newWorld(t, s)
	w.manage("POST", "/team/new", obj{"team_id": "limited", "rpm_limit": 12})
	w.manage("POST", "/user/new", obj{"user_id": "limited", "rpm_limit": 11, "auto_create_key": false})
	for _, tt := range []struct {
		name string
		keys []string
	}{
		{"key", []string{w.key(obj{"rpm_limit": 10})}},
		{"team", []string{w.key(obj{"team_id": "limited"}), w.key(obj{"team_id": "limited"})}},
		{"user", []string{w.key(obj{"user_id": "limited"}), w.key(obj{"user_id": "limited"})}},
		{"model of a key", []string{w.key(obj{"model_rpm_limit": obj{"chat": 9}})}},
	} {
		want := map[string]int{"key": 10, "team": 12, "user": 11, "model of a key": 9}[tt.name]
		t.Run("requests of a "+tt.name, func(t *testing.T) {
			all := w.crowd(48, tt.keys, mixed)
			if n := served(all); n != want {
				t.Errorf("%d calls pass a limit of %d: %s", n, want, outcomes(all))
			}
			refusals(t, all)
		})
	}
	t.Run("none", func(t *testing.T) {
		if n := served(w.crowd(8, []string{w.key(obj{"rpm_limit": 0})}, mixed)); n != 0 {
			t.Errorf("%d calls pass a limit of 0", n)
		}
	})
	t.Run("tokens", func(t *testing.T) { tokenLimit(t, w) })
	t.Run("parallel", func(t *testing.T) { parallelLimit(t, w) })
	t.Run("headers", func(t *testing.T) { limitHeaders(t, w) })
}

// crowd lets n callers call at once, over all replicas and the keys.
func (w *world) crowd(n int, keys []string, body func(i int) obj) []answered {
	return crowd(n, func(i int) answered { return w.replicas[i%len(w.replicas)].call(keys[i/2%len(keys)], body(i)) })
}

// refusals checks what callers are told who come too often: how long to wait, and whose limit it is.
func refusals(t *testing.T, all []answered) {
	t.Helper()
	for _, a := range all {
		if a.ok() {
			continue
		}
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 60 {
			t.Fatalf("%v %d Retry-After %q %s", a.err, a.status, a.header.Get("Retry-After"), a.body)
		}
		for _, text := range []string{"Rate limit exceeded for ", "Limit type: requests", "Remaining: 0", `"code":"429"`} {
			if !strings.Contains(a.body, text) {
				t.Fatalf("no %s in %s", text, a.body)
			}
		}
	}
}

// tokenLimit: tokens are counted before a call and corrected after it, so that calls at once do not pass the limit
// together. One after the other, as many fit as their real counts say.
func tokenLimit(t *testing.T, w *world) {
	const bound = 300
	key := w.key(obj{"tpm_limit": bound})
	before := w.sim.usage()
	all := w.crowd(48, []string{key}, mixed)
	used := w.sim.usage().minus(before)
	if tokens := used.PromptTokens + used.CompletionTokens; tokens > bound || served(all) == 0 {
		t.Errorf("%d tokens pass a limit of %d at once: %s", tokens, bound, outcomes(all))
	}
	// What was reserved too much comes back, and what the other replica holds idle: the window has room for what is left.
	eventually(t, recovery, func() string {
		a := w.replicas[0].call(key, question("chat"))
		used = w.sim.usage().minus(before)
		if tokens := used.PromptTokens + used.CompletionTokens; tokens < bound-outputTokens-60 {
			return fmt.Sprintf("%d tokens pass a limit of %d one after the other: %d %s", tokens, bound, a.status, a.body)
		}
		return ""
	})
	if tokens := used.PromptTokens + used.CompletionTokens; tokens > bound {
		t.Errorf("%d tokens pass a limit of %d one after the other", tokens, bound)
	}
}

// parallelLimit: never more at once than the limit, and a slot is free again when its call ends.
func parallelLimit(t *testing.T, w *world) {
	w.sim.fault(`{"latency": "400ms", "id": "slow"}`)
	defer w.sim.heal()
	key := w.key(obj{"max_parallel_requests": 5})
	all := w.crowd(40, []string{key}, mixed)
	if n := served(all); n != 5 {
		t.Errorf("%d calls at once pass a limit of 5: %s", n, outcomes(all))
	}
	for _, a := range all {
		if !a.ok() && (a.status != http.StatusTooManyRequests || !strings.Contains(a.body, "max_parallel_requests") || a.header.Get("Retry-After") == "") {
			t.Fatalf("%v %d %v %s", a.err, a.status, a.header, a.body)
		}
	}
	eventually(t, recovery, func() string {
		if n := served(w.crowd(5, []string{key}, mixed)); n != 5 {
			return fmt.Sprintf("%d of 5 calls are served after the slots are free", n)
		}
		return ""
	})
}

func limitHeaders(t *testing.T, w *world) {
	key := w.key(obj{"rpm_limit": 100, "tpm_limit": 100000})
	a := w.replicas[0].call(key, question("chat"))
	for name, want := range map[string]string{
		"x-ratelimit-api_key-limit-requests": "100", "x-ratelimit-api_key-remaining-requests": "99", "x-ratelimit-limit-requests": "100",
		"x-ratelimit-remaining-requests": "99", "x-ratelimit-api_key-limit-tokens": "100000", "x-ratelimit-limit-tokens": "100000",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	left, err := strconv.Atoi(a.header.Get("x-ratelimit-api_key-remaining-tokens"))
	if err != nil || left >= 100000 || left < 90000 {
		t.Errorf("x-ratelimit-api_key-remaining-tokens: %q", a.header.Get("x-ratelimit-api_key-remaining-tokens"))
	}
}
