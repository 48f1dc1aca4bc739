package dispatch

import (
	"context"
	"testing"
	"time"
)

func BenchmarkPick(b *testing.B) {
	for _, s := range []Strategy{SimpleShuffle, LeastBusy, LatencyBased, UsageBasedV2, CostBased} {
		b.Run(string(s), func(b *testing.B) {
			r := newRouter(b, options(func(o *Options) { o.Strategy = s }), deployments("a/1", "a/2", "a/3", "a/4"))
			g, q := r.lookup("a", false), chat("a")
			b.ReportAllocs()
			for b.Loop() {
				a, none := r.pick(g, q, 0, false, nil, nil)
				if none != nil {
					b.Fatal(none)
				}
				a.release()
			}
		})
	}
}

// BenchmarkCall is the router's whole share of a call, with the attempt's timer.
func BenchmarkCall(b *testing.B) {
	for name, timeout := range map[string]time.Duration{"timer": time.Minute, "no timer": 0} {
		b.Run(name, func(b *testing.B) {
			r := newRouter(b, options(func(o *Options) { o.Timeout = timeout }), deployments("a/1", "a/2", "a/3", "a/4"))
			q := chat("a")
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, _, err := Call(context.Background(), r, q, func(context.Context, Target) (int, error) { return 0, nil }); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
