package budget_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tollgate/internal/budget"
	"tollgate/internal/money"
)

// crowd is what came of many calls at once.
type crowd struct {
	refused, cut int
	spent, over  money.USD // over the cap
	waited       time.Duration
}

// A model of 128,000 output tokens at 10 dollars a million; a call reads 1,000 tokens at 2 dollars a million.
const (
	perToken   = 10 * money.Dollar / 1_000_000
	input      = 1000 * 2 * money.Dollar / 1_000_000
	mostTokens = 128_000
)

// rush lets calls without an output cap come at once to a key of 10 dollars. Their answers have 600 tokens in the median
// and 1,000 on average, at 100 tokens a second; a cut answer ends at its hold.
func rush(t *testing.T, calls int, o budget.Options, ask budget.Ask, stream money.USD) (c crowd) {
	bubble(t, func(t *testing.T, w *world) {
		const limit = 10 * dollar
		b := w.replica("a", o)
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		var all sync.WaitGroup
		for range calls {
			tokens := min(mostTokens, int64(600*math.Exp(random.NormFloat64())))
			all.Go(func() {
				began := time.Now()
				h, err := b.Reserve(t.Context(), one(key, limit), ask)
				mu.Lock()
				c.waited = max(c.waited, time.Since(began))
				mu.Unlock()
				if err != nil {
					var over *budget.Exceeded
					if !errors.As(err, &over) {
						t.Error(err)
					}
					mu.Lock()
					c.refused++
					mu.Unlock()
					return
				}
				cost := input + money.USD(tokens)*perToken
				cut := false
				switch {
				case stream > 0:
					for h.Amount() < cost && !cut {
						time.Sleep(time.Duration(stream/perToken) * 10 * time.Millisecond)
						cut = !h.Extend(t.Context(), stream)
					}
				case !o.Estimate:
					cut = cost > h.Amount()
				}
				if cut {
					cost = h.Amount()
				}
				time.Sleep(time.Duration((cost-input)/perToken) * 10 * time.Millisecond)
				h.Settle(cost)
				w.write(b, "a", cost, key)
				mu.Lock()
				defer mu.Unlock()
				if cut {
					c.cut++
				}
			})
		}
		all.Wait()
		c.spent = w.spent(key)
		c.over = max(0, c.spent-limit)
		if b.Held() != 0 {
			t.Errorf("%d holds are open", b.Held())
		}
	})
	return c
}

// The figures of docs/explanation/budgets.md: calls that the budget could have paid, and that were refused.
func TestFalseRefusals(t *testing.T) {
	worst := input + mostTokens*perToken
	least := input + 4096*perToken
	slice := input + 1024*perToken
	tests := []struct {
		name       string
		calls      int
		o          budget.Options
		ask        budget.Ask
		stream     money.USD
		maxRefused int
		maxCut     int
		maxOver    money.USD
	}{
		{"worst case", 200, budget.Options{}, budget.Ask{Worst: worst}, 0, 200, 0, 0},
		{"at least 4096 tokens", 200, budget.Options{}, budget.Ask{Worst: worst, Least: least}, 0, 0, 10, 0},
		{"slices of a stream", 200, budget.Options{}, budget.Ask{Worst: slice}, 1024 * perToken, 0, 0, 0},
		{"estimate", 200, budget.Options{Estimate: true}, budget.Ask{Worst: worst, Expected: input + 1000*perToken}, 0, 0, 0, 0},
		{"2000 calls, at least 4096 tokens", 2000, budget.Options{}, budget.Ask{Worst: worst, Least: least}, 0, 2000, 200, 0},
		{"2000 calls, slices of a stream", 2000, budget.Options{}, budget.Ask{Worst: slice}, 1024 * perToken, 2000, 2000, 0},
		{"2000 calls, estimate", 2000, budget.Options{Estimate: true}, budget.Ask{Worst: worst, Expected: input + 1000*perToken}, 0, 2000, 0, 5 * dollar},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := rush(t, tt.calls, tt.o, tt.ask, tt.stream)
			t.Logf("%d calls: refused %d, cut %d, spent %v, over the cap %v, longest wait %v", tt.calls, c.refused, c.cut, c.spent, c.over, c.waited)
			if c.refused > tt.maxRefused || c.cut > tt.maxCut || c.over > tt.maxOver {
				t.Errorf("more than %d refused, %d cut or %v over", tt.maxRefused, tt.maxCut, tt.maxOver)
			}
		})
	}
}
