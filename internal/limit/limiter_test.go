package limit_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/limit"
	"tollgate/internal/quota"
)

func n(v int64) *int64 { return &v }

func keyRule(requests, tokens, parallel *int64) []limit.Rule {
	return []limit.Rule{{Descriptor: "api_key", Value: "ab12", Requests: requests, Tokens: tokens, Parallel: parallel}}
}

// bubble runs f under a fake clock with so many limiters over one truth.
func bubble(t *testing.T, replicas int, f func(t *testing.T, l []*limit.Limiter)) {
	synctest.Test(t, func(t *testing.T) {
		truth := quota.NewMemory(quota.MemoryOptions{TTL: 10 * time.Second})
		var all []*limit.Limiter
		for i := range replicas {
			l := limit.New(truth.Replica(string(rune('a'+i))), limit.Options{})
			l.Start()
			t.Cleanup(func() {
				if err := l.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
			all = append(all, l)
		}
		f(t, all)
	})
}

func admit(t *testing.T, l *limit.Limiter, rules []limit.Rule, tokens int64) (*limit.Pass, *limit.Exceeded) {
	t.Helper()
	p, err := l.Admit(t.Context(), rules, tokens)
	var over *limit.Exceeded
	if err != nil && !errors.As(err, &over) {
		t.Fatal(err)
	}
	return p, over
}

// The fake clock begins at 2000-01-01 00:00:00 UTC.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		rules  []limit.Rule
		tokens int64
		admits int // calls that are admitted before the one that is refused
		want   string
		retry  time.Duration
	}{
		{"requests", keyRule(n(3), nil, nil), 0, 3,
			"Rate limit exceeded for api_key: ab12. Limit type: requests. Current limit: 3, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
		{"tokens", keyRule(nil, n(100), nil), 40, 2,
			"Rate limit exceeded for api_key: ab12. Limit type: tokens. Current limit: 100, Remaining: 20. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
		{"parallel", keyRule(nil, nil, n(2)), 0, 2,
			"Rate limit exceeded for api_key: ab12. Limit type: max_parallel_requests. Current limit: 2, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Second},
		{"0 allows nothing", keyRule(n(0), nil, nil), 0, 0,
			"Rate limit exceeded for api_key: ab12. Limit type: requests. Current limit: 0, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
		{"0 tokens allow nothing", keyRule(nil, n(0), nil), 0, 0,
			"Rate limit exceeded for api_key: ab12. Limit type: tokens. Current limit: 0, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
		{"a call larger than the window has a window of its own", keyRule(nil, n(100), nil), 5000, 1,
			"Rate limit exceeded for api_key: ab12. Limit type: tokens. Current limit: 100, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
		{"slots come before requests", keyRule(n(1), n(1), n(1)), 1, 1,
			"Rate limit exceeded for api_key: ab12. Limit type: max_parallel_requests. Current limit: 1, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Second},
		{"the tightest of several", []limit.Rule{{Descriptor: "api_key", Value: "ab12", Requests: n(9)}, {Descriptor: "team_member", Value: "t1:u1", Requests: n(2)}}, 0, 2,
			"Rate limit exceeded for team_member: t1:u1. Limit type: requests. Current limit: 2, Remaining: 0. Limit resets at: 2000-01-01 00:01:00 UTC", time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, l []*limit.Limiter) {
				for i := range tt.admits {
					if _, over := admit(t, l[0], tt.rules, tt.tokens); over != nil {
						t.Fatalf("call %d: %v", i, over)
					}
				}
				_, over := admit(t, l[0], tt.rules, tt.tokens)
				if over == nil || over.Error() != tt.want || over.RetryAfter != tt.retry {
					t.Errorf("got %v, retry after %v\nwant %v, %v", over, over.RetryAfter, tt.want, tt.retry)
				}
			})
		})
	}
}

// A call that is refused for its slots uses up no request (BerriAI/litellm#39309).
func TestRefusedCallsUseNothing(t *testing.T) {
	bubble(t, 2, func(t *testing.T, l []*limit.Limiter) {
		rules := keyRule(n(3), n(1000), n(1))
		p, _ := admit(t, l[0], rules, 100)
		for range 50 {
			if _, over := admit(t, l[0], rules, 100); over == nil || over.Type != limit.Parallel {
				t.Fatalf("got %v", over)
			}
		}
		p.Close()
		p.Close()
		time.Sleep(time.Second)
		for i := range 2 {
			p, over := admit(t, l[1], rules, 100)
			if over != nil {
				t.Fatalf("call %d: %v", i+2, over)
			}
			p.Close()
		}
		if _, over := admit(t, l[1], rules, 100); over == nil || over.Type != limit.Requests {
			t.Errorf("a fourth call: %v", over)
		}
	})
}

// The window opens with the first call, ends after a minute, and lets exactly the limit through, wherever calls come in
// (BerriAI/litellm#24677: limits hit at 60-70 %, blocked for minutes).
func TestWindowsAreExact(t *testing.T) {
	bubble(t, 3, func(t *testing.T, l []*limit.Limiter) {
		rules := keyRule(n(1000), nil, nil)
		for window := range 3 {
			var served atomic.Int64
			var calls sync.WaitGroup
			for i := range 1500 {
				calls.Go(func() {
					time.Sleep(time.Duration(i%50) * 700 * time.Millisecond)
					p, err := l[i%3].Admit(t.Context(), rules, 0)
					if err == nil {
						served.Add(1)
					}
					p.Close()
				})
			}
			calls.Wait()
			if got := served.Load(); got != 1000 {
				t.Errorf("window %d: served %d of 1000", window, got)
			}
			time.Sleep(time.Minute)
		}
	})
}

// 5 calls at once do not pass a limit on tokens (BerriAI/litellm#18730: 663 of 100 passed).
func TestTokensAreReserved(t *testing.T) {
	bubble(t, 1, func(t *testing.T, l []*limit.Limiter) {
		rules := keyRule(nil, n(100), nil)
		served := 0
		for range 5 {
			if p, over := admit(t, l[0], rules, 40); over == nil {
				served++
				defer p.Close()
			}
		}
		if served != 2 {
			t.Errorf("served %d of 5", served)
		}
	})
}

func TestSettle(t *testing.T) {
	remaining := func(p *limit.Pass) int64 { return p.Remaining()[0].Remaining }
	bubble(t, 2, func(t *testing.T, l []*limit.Limiter) {
		rules := keyRule(nil, n(1000), nil)
		p, _ := admit(t, l[0], rules, 400)
		if got := remaining(p); got != 600 {
			t.Errorf("after a call of about 400: %d", got)
		}
		p.Settle(100)
		p.Settle(100)
		if got := remaining(p); got != 900 {
			t.Errorf("after it has used 100: %d", got)
		}
		p.Settle(1300)
		if got := remaining(p); got != 0 {
			t.Errorf("after it has used 1300: %d", got)
		}
		time.Sleep(time.Second) // the other replica hears of it
		if _, over := admit(t, l[1], rules, 1); over == nil {
			t.Error("admitted over the limit")
		}
		time.Sleep(time.Minute)

		// In another window nothing comes back, and what was used too much counts.
		p, _ = admit(t, l[0], rules, 400)
		time.Sleep(time.Minute)
		q, _ := admit(t, l[0], rules, 100)
		p.Settle(100)
		if got := remaining(q); got != 900 {
			t.Errorf("a call of the last window gave back: %d", got)
		}
		p.Settle(300)
		if got := remaining(q); got != 700 {
			t.Errorf("a call of the last window used 200 more: %d", got)
		}
		p.Close()
		p.Settle(0) // too late
		if got := remaining(q); got != 700 {
			t.Errorf("settled after its end: %d", got)
		}
	})
}

// Slots hold over replicas, and those of a replica that died are free again (BerriAI/litellm#16011).
func TestParallel(t *testing.T) {
	bubble(t, 2, func(t *testing.T, l []*limit.Limiter) {
		rules := keyRule(nil, nil, n(10))
		var passes []*limit.Pass
		for i := range 20 {
			if p, over := admit(t, l[i%2], rules, 0); over == nil {
				passes = append(passes, p)
			}
		}
		if len(passes) != 10 {
			t.Fatalf("%d at once of 10", len(passes))
		}
		for _, p := range passes {
			p.Close()
		}
		time.Sleep(time.Second)
		for i := range 10 {
			if _, over := admit(t, l[1], rules, 0); over != nil {
				t.Fatalf("call %d: %v", i, over)
			}
		}
	})
}

func TestRemaining(t *testing.T) {
	bubble(t, 1, func(t *testing.T, l []*limit.Limiter) {
		p, _ := admit(t, l[0], []limit.Rule{
			{Descriptor: "api_key", Value: "ab12", Requests: n(10), Tokens: n(1000), Parallel: n(4)},
			{Descriptor: "team", Value: "t1"},
			{Descriptor: "model_per_key", Value: "ab12:gpt", Requests: n(5)},
		}, 200)
		var got []string
		for _, r := range p.Remaining() {
			got = append(got, strings.Join([]string{r.Descriptor, string(r.Type), itoa(r.Limit), itoa(r.Remaining)}, " "))
		}
		want := "api_key max_parallel_requests 4 3, api_key requests 10 9, model_per_key requests 5 4, api_key tokens 1000 800"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got  %s\nwant %s", s, want)
		}
		var none *limit.Pass
		none.Settle(1)
		none.Close()
		if p, over := admit(t, l[0], nil, 5); over != nil || len(p.Remaining())+len(none.Remaining()) != 0 {
			t.Error("no rules")
		}
	})
}

func itoa(v int64) string { return strconv.FormatInt(v, 10) }

// awayTruth does not answer while it is away.
type awayTruth struct {
	quota.Truth
	away atomic.Bool
}

var errAway = errors.New("connection refused")

func (a *awayTruth) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	if a.away.Load() {
		return nil, errAway
	}
	return a.Truth.Take(ctx, asks)
}

func (a *awayTruth) Give(ctx context.Context, gives []quota.Give) error {
	if a.away.Load() {
		return errAway
	}
	return a.Truth.Give(ctx, gives)
}

func (a *awayTruth) Beat(ctx context.Context) error {
	if a.away.Load() {
		return errAway
	}
	return a.Truth.Beat(ctx)
}

// Without the truth each replica counts alone; when it is back, what was used meanwhile is made good.
func TestTruthAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := quota.NewMemory(quota.MemoryOptions{TTL: 10 * time.Second})
		truth := &awayTruth{Truth: memory.Replica("a")}
		a, b := limit.New(truth, limit.Options{}), limit.New(memory.Replica("b"), limit.Options{})
		a.Start()
		b.Start()
		defer a.Close(context.Background())
		defer b.Close(context.Background())
		rules := keyRule(n(10), nil, n(5))
		p, _ := admit(t, a, rules, 0)
		p.Close()
		truth.away.Store(true)
		served := 0
		for range 20 {
			if p, over := admit(t, a, rules, 0); over == nil {
				served++
				defer p.Close()
			}
		}
		if served != 5 {
			t.Errorf("served %d, want the 5 at once that the limit allows", served)
		}
		if !a.Stats().Down {
			t.Error("it did not notice")
		}
		truth.away.Store(false)
		time.Sleep(5 * time.Second)
		if a.Stats().Down {
			t.Error("it did not come back")
		}
		if _, over := admit(t, b, rules, 0); over == nil || over.Type != limit.Parallel {
			t.Errorf("the other replica does not know of the calls: %v", over)
		}
		rest := 0
		for range 20 {
			if p, over := admit(t, b, keyRule(n(10), nil, nil), 0); over == nil {
				rest++
				p.Close()
			}
		}
		if rest != 4 {
			t.Errorf("%d requests were left, want 4", rest)
		}
	})
}

func BenchmarkAdmit(b *testing.B) {
	l := limit.New(quota.NewMemory(quota.MemoryOptions{}).Replica("a"), limit.Options{})
	l.Start()
	defer l.Close(context.Background())
	rules := keyRule(n(1e12), n(1e15), n(1e6))
	for b.Loop() {
		p, err := l.Admit(b.Context(), rules, 500)
		if err != nil {
			b.Fatal(err)
		}
		p.Settle(300)
		p.Close()
	}
}
