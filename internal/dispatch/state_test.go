package dispatch

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The window against a list of everything that was counted.
func TestWindow_MatchesAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var w window
		type entry struct {
			second int64
			tokens int64
		}
		var all []entry
		now := tick(1)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now += tick(rapid.Int64Range(0, int64(40*time.Second)).Draw(rt, "pause"))
			second := int64(now) / int64(time.Second)
			if len(all) > 0 && rapid.Bool().Draw(rt, "amend") {
				e := &all[rapid.IntRange(0, len(all)-1).Draw(rt, "which")]
				w.amend(now, e.second, counts{tokens: -e.tokens})
				e.tokens = 0
			} else {
				e := entry{tokens: rapid.Int64Range(0, 100).Draw(rt, "tokens")}
				e.second = w.add(now, counts{requests: 1, tokens: e.tokens})
				all = append(all, e)
			}
			var want counts
			for _, e := range all {
				if second-e.second < 60 {
					want.requests++
					want.tokens += e.tokens
				}
			}
			if got := w.at(now); got != want {
				rt.Fatalf("at second %d: %+v, want %+v", second, got, want)
			}
			rpm, tpm := rapid.Int64Range(0, 5).Draw(rt, "rpm"), rapid.Int64Range(0, 200).Draw(rt, "tpm")
			wait := w.free(now, rpm, tpm, 50)
			if wait < 0 || wait > time.Minute || (wait == 0) != !over(want, rpm, tpm, 50) {
				rt.Fatalf("free in %v under %d and %d with %+v", wait, rpm, tpm, want)
			}
			if later := w; wait > 0 && over(later.at(now+tick(wait)), rpm, tpm, 50) {
				rt.Fatalf("still full after %v", wait)
			}
		}
	})
}

// The back-off is what the formula says: min(0.5*2^n, 8), less up to three quarters.
func TestBackoff(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, random := rapid.IntRange(0, 100).Draw(rt, "n"), rapid.Float64Range(0, 0.999).Draw(rt, "random")
		top := math.Min(0.5*math.Pow(2, float64(n)), 8)
		if got := backoff(n, random).Seconds(); got > top || got < top*0.25 {
			rt.Fatalf("%v for retry %d, want between %v and %v", got, n, top*0.25, top)
		}
	})
}
