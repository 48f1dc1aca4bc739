package dispatch

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/openai"
)

// shares makes n calls to the alias a and counts who answered.
func shares(t *testing.T, r *Router, n int, q *Query) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		answer, _, err := Call(t.Context(), r, q, (&upstreams{}).ask)
		if err != nil {
			t.Fatal(err)
		}
		got[answer]++
	}
	return got
}

func seeded(o *Options) { o.Rand = rand.New(rand.NewPCG(1, 2)).Float64 }

// simple-shuffle: weight of the first deployment rules, then rpm, then tpm, else all alike.
func TestSimpleShuffle(t *testing.T) {
	tests := []struct {
		name string
		set  func(ds []Deployment)
		want map[string]float64
	}{
		{name: "alike", set: func([]Deployment) {}, want: map[string]float64{"1": 1. / 3, "2": 1. / 3, "3": 1. / 3}},
		{name: "weight", set: func(ds []Deployment) { ds[0].Weight, ds[1].Weight = ptr(3.0), ptr(1.0); ds[2].RPM = 1000 },
			want: map[string]float64{"1": .75, "2": .25, "3": 0}},
		{name: "rpm", set: func(ds []Deployment) { ds[0].RPM, ds[1].RPM, ds[2].RPM = 60, 30, 10; ds[1].Weight = ptr(99.0) },
			want: map[string]float64{"1": .6, "2": .3, "3": .1}},
		{name: "tpm", set: func(ds []Deployment) { ds[0].TPM, ds[1].TPM = 100, 300; ds[2].RPM = 5 }, want: map[string]float64{"1": .25, "2": .75, "3": 0}},
		{name: "no weight at all", set: func(ds []Deployment) { ds[0].Weight = ptr(0.0) }, want: map[string]float64{"1": 1. / 3, "2": 1. / 3, "3": 1. / 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ds := deployments("a/1", "a/2", "a/3")
			tt.set(ds)
			const n = 20000
			got := shares(t, newRouter(t, options(seeded), ds), n, chat("a"))
			for id, want := range tt.want {
				if share := float64(got[id]) / n; math.Abs(share-want) > 0.02 || (want == 0 && got[id] > 0) {
					t.Errorf("%s answered %.3f of the calls, want %.3f", id, share, want)
				}
			}
		})
	}
}

func TestLeastBusy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(func(o *Options) { o.Strategy = LeastBusy }), deployments("a/1", "a/2", "a/3"))
		busy := func(id string) {
			_, _, _ = Call(t.Context(), r, chat(id), func(context.Context, Target) (int, error) { time.Sleep(time.Second); return 0, nil })
		}
		go busy("1")
		go busy("1")
		go busy("2")
		synctest.Wait()
		if got := shares(t, r, 5, chat("a")); got["3"] != 5 {
			t.Fatalf("%v, want all at 3, which has no call in flight", got)
		}
		go busy("3")
		go busy("3")
		synctest.Wait()
		if got := shares(t, r, 5, chat("a")); got["2"] != 5 {
			t.Fatalf("%v, want all at 2", got)
		}
		time.Sleep(time.Minute)
		idle(t, r)
	})
}

// Average latency per token of the answer; those within the buffer of the best share; an unknown one is tried first.
func TestLatencyBased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := options(func(o *Options) {
			o.Strategy = LatencyBased
			o.StrategyArgs.LowestLatencyBuffer = 0.5
			o.NumRetries = 0
		})
		r := newRouter(t, o, deployments("a/1", "a/2", "a/3", "a/4"))
		call := func(id string, took time.Duration, tokens int) {
			_, out, _ := Call(t.Context(), r, chat(id), func(context.Context, Target) (int, error) { time.Sleep(took); return 0, nil })
			out.Record(openai.Usage{CompletionTokens: tokens, TotalTokens: tokens})
		}
		call("1", 2*time.Second, 10)   // 0.2 s per token
		call("2", 28*time.Second, 100) // 0.28
		call("3", time.Second, 2)      // 0.5
		seeded(&r.o)
		r.rand = r.o.Rand
		if got := shares(t, r, 1, chat("a")); got["4"] != 1 {
			t.Fatalf("%v, want the deployment without a latency first", got)
		}
		call("4", 10*time.Second, 1)
		got := map[string]int{}
		for range 1000 {
			now := r.state.now()
			g := r.lookup("a", false)
			got[r.choose(g, append([]*target(nil), g.targets...), false, now).ID]++
		}
		if got["1"] < 300 || got["2"] < 300 || got["3"]+got["4"] > 0 {
			t.Fatalf("%v, want 1 and 2 alike, which are within half of the best", got)
		}
		// A timeout counts as 1000 seconds.
		q := chat("1")
		q.Timeout = time.Second
		_, _, _ = Call(t.Context(), r, q, func(ctx context.Context, _ Target) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		if got := r.choose(r.lookup("a", false), r.lookup("a", false).targets, false, r.state.now()); got.ID != "2" {
			t.Fatalf("%s is chosen after 1 has timed out, want 2", got.ID)
		}
	})
}

// Streams are compared by the time to their first chunk.
func TestLatencyBased_Streams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRouter(t, options(func(o *Options) { o.Strategy = LatencyBased }), deployments("a/1", "a/2"))
		for id, first := range map[string]time.Duration{"1": 3 * time.Second, "2": time.Second} {
			s, _, err := r.Stream(t.Context(), chat(id), func(ctx context.Context, _ Target) (openai.Stream, error) {
				return &fakeStream{ctx: ctx, steps: []step{{wait: first}}}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
		}
		g := r.lookup("a", false)
		if got := r.choose(g, g.targets, true, r.state.now()); got.ID != "2" {
			t.Fatalf("%s is chosen, want the faster first chunk", got.ID)
		}
	})
}

// Lowest tokens of the minute; those whose rpm or tpm is used up are left out; all of them: 429.
func TestUsageBased(t *testing.T) {
	for _, s := range []Strategy{UsageBased, UsageBasedV2} {
		t.Run(string(s), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ds := deployments("a/1", "a/2")
				ds[0].TPM, ds[1].RPM = 1000, 2
				r := newRouter(t, options(func(o *Options) { o.Strategy = s }), ds)
				q := chat("a")
				q.InputTokens = 10
				call := func(tokens int) string {
					answer, out, err := Call(t.Context(), r, q, (&upstreams{}).ask)
					if err != nil {
						wantError(t, err, 429, "No deployments available for selected model")
						return "429"
					}
					out.Record(openai.Usage{TotalTokens: tokens})
					return answer
				}
				q.Alias = "1"
				call(500)
				q.Alias = "a"
				for i, want := range []string{"2", "2", "1", "429"} {
					if i == 2 {
						// 2 has fewer tokens but its two requests are spent
						if got := call(495); got != want {
							t.Fatalf("call %d went to %s, want %s", i, got, want)
						}
						continue
					}
					if got := call(1); got != want {
						t.Fatalf("call %d went to %s, want %s", i, got, want)
					}
				}
				time.Sleep(60 * time.Second)
				if got := call(1); got == "429" {
					t.Fatal("the limits are those of a minute")
				}
			})
		})
	}
}

func TestCostBased(t *testing.T) {
	ds := deployments("a/unknown", "a/dear", "a/cheap", "a/input-only")
	ds[1].InputCost, ds[1].OutputCost = ptr(money.USD(100)), ptr(money.USD(900))
	ds[2].InputCost, ds[2].OutputCost = ptr(money.USD(300)), ptr(money.USD(400))
	ds[3].InputCost = ptr(money.USD(800))
	r := newRouter(t, options(func(o *Options) { o.Strategy = CostBased }), ds)
	if got := shares(t, r, 10, chat("a")); got["cheap"] != 10 {
		t.Fatalf("%v, want the lowest sum of both prices", got)
	}
}

func TestRoutingGroups_HaveTheirOwnStrategy(t *testing.T) {
	ds := deployments("a/1", "a/2", "b/3", "b/4")
	for i := range ds {
		ds[i].InputCost = ptr(money.USD(i))
	}
	o := options(seeded, func(o *Options) {
		o.RoutingGroups = []RoutingGroup{{Name: "cheap", Models: []string{"a"}, Strategy: CostBased}}
	})
	r := newRouter(t, o, ds)
	if got := shares(t, r, 50, chat("a")); got["1"] != 50 {
		t.Errorf("a: %v, want the cheapest", got)
	}
	if got := shares(t, r, 50, chat("b")); got["4"] == 0 {
		t.Errorf("b: %v, want a shuffle", got)
	}
}

func TestPreCallChecks_ContextWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ds := deployments("a/small", "a/large", "big")
		ds[0].MaxInputTokens, ds[1].MaxInputTokens = 100, 1000
		q := chat("a")
		off := newRouter(t, options(), ds)
		q.InputTokens = 5000
		if _, _, err := Call(t.Context(), off, q, (&upstreams{}).ask); err != nil {
			t.Fatalf("checks that are not enabled refuse: %v", err)
		}
		check := func(o *Options) { o.EnablePreCallChecks = true }
		on := newRouter(t, options(check), ds)
		q.InputTokens = 500
		if got := shares(t, on, 10, q); got["large"] != 10 {
			t.Fatalf("%v, want the large window", got)
		}
		// The large one being full is no reason to tell the caller that the prompt is too long.
		ds[1].MaxParallel = 1
		busy := newRouter(t, options(check), ds)
		_, _, _ = Call(t.Context(), busy, q, func(context.Context, Target) (int, error) {
			_, _, err := Call(t.Context(), busy, q, (&upstreams{}).ask)
			wantError(t, err, 429, "max_parallel_requests")
			return 0, nil
		})
		q.InputTokens = 5000
		_, _, err := Call(t.Context(), on, q, (&upstreams{}).ask)
		wantError(t, err, 400, "ContextWindowExceededError")
		wantError(t, err, 400, "context length") // the words by which clients tell this class
		fall := newRouter(t, options(check, func(o *Options) { o.ContextWindowFallbacks = chains(map[string][]string{"a": {"big"}}) }), ds)
		if answer, _, err := Call(t.Context(), fall, q, (&upstreams{}).ask); err != nil || answer != "big" {
			t.Fatalf("%q %v, want the context window fallback", answer, err)
		}
	})
}
