package budget_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"tollgate/internal/budget"
	"tollgate/internal/money"
	"tollgate/internal/quota"
)

// operation is a reservation, or the end of one.
type operation struct {
	settle bool
	amount money.USD // asked for, or held
	cost   money.USD
}

// state is a budget in the sequential world.
type state struct{ spent, held money.USD }

// sequential is a budget that one caller after the other uses: a reservation is admitted when spent + held + amount <= cap.
// With several replicas one may be refused for what lies idle elsewhere, but never admitted.
func sequential(limit money.USD, replicas int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, input, output any) (bool, any) {
			st, op := s.(state), input.(operation)
			if op.settle {
				return true, state{st.spent + op.cost, st.held - op.amount}
			}
			fits := st.spent+st.held+op.amount <= limit
			if output.(bool) {
				return fits, state{st.spent, st.held + op.amount}
			}
			return !fits || replicas > 1, st
		},
	}
}

// What happens at once is as if it had happened one after the other, in an order that fits what everybody saw.
func TestLinearizable(t *testing.T) {
	for name, replicas := range map[string]int{"one replica": 1, "two replicas": 2} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				const limit = 20 * dollar
				w := newWorld(t)
				var books []*budget.Book
				for i := range replicas {
					books = append(books, w.replica(string(rune('a'+i)), budget.Options{Wait: -1}))
				}
				var mu sync.Mutex
				var history []porcupine.Operation
				began := time.Now()
				record := func(client int, op operation, f func() bool) bool {
					call := time.Since(began)
					ok := f()
					back := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					history = append(history, porcupine.Operation{ClientId: client, Input: op, Call: int64(call), Output: ok, Return: int64(back)})
					return ok
				}
				var clients sync.WaitGroup
				for client := range 6 {
					clients.Go(func() {
						random := rand.New(rand.NewPCG(seed, uint64(client)))
						b := books[client%replicas]
						for range 25 {
							op := operation{amount: money.USD(1+random.Int64N(8)) * dollar}
							var h *budget.Hold
							if !record(client, op, func() (ok bool) {
								var err error
								h, err = b.Reserve(context.Background(), one(key, limit), budget.Ask{Worst: op.amount})
								return err == nil
							}) {
								continue
							}
							op.settle, op.cost = true, money.USD(random.Int64N(int64(op.amount/10)))
							record(client, op, func() bool { h.Settle(op.cost); return true })
						}
					})
				}
				clients.Wait()
				if result := porcupine.CheckOperationsTimeout(sequential(limit, replicas), history, 30*time.Second); result != porcupine.Ok {
					overspends := porcupine.CheckOperationsTimeout(sequential(limit, 2), history, 30*time.Second)
					t.Fatalf("seed %d: the history is %s; with refusals left out of account %s", seed, result, overspends)
				}
			}
		})
	}
}

// A Book on its own does what a table of sums would: any order of reservations, extensions and settlements, on several
// scopes, admits exactly what fits, and the sums of what is spent agree to the picodollar.
func TestAgreesWithSums(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := budget.New(quota.NewMemory(quota.MemoryOptions{}).Replica("a"), budget.Options{Wait: -1})
		defer b.Close(context.Background())
		amount := rapid.Custom(func(t *rapid.T) money.USD {
			if rapid.Bool().Draw(t, "small") {
				return money.USD(rapid.Int64Range(0, 100).Draw(t, "amount"))
			}
			return money.USD(rapid.Int64Range(0, int64(money.Max/4)).Draw(t, "amount"))
		})
		scopes := []budget.Scope{{Counter: key, Cap: amount.Draw(rt, "cap")}, {Counter: "team:t", Cap: amount.Draw(rt, "cap of the team")}}
		type open struct {
			hold   *budget.Hold
			scopes []budget.Scope
			amount money.USD
		}
		var holds []open
		spent, held := map[string]money.USD{}, map[string]money.USD{}
		fits := func(on []budget.Scope, more money.USD) bool {
			for _, s := range on {
				c := string(s.Counter)
				if sum := spent[c] + held[c]; sum > s.Cap-more || more == 0 && spent[c] >= s.Cap {
					return false
				}
			}
			return true
		}
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": func(rt *rapid.T) {
				on := scopes[:rapid.IntRange(1, 2).Draw(rt, "scopes")]
				a := amount.Draw(rt, "worst")
				h, err := b.Reserve(context.Background(), on, budget.Ask{Worst: a})
				if (err == nil) != fits(on, a) {
					rt.Fatalf("reserve %v: %v, with %v spent and %v held", a, err, spent, held)
				}
				if err == nil {
					holds = append(holds, open{h, on, a})
					for _, s := range on {
						held[string(s.Counter)] += a
					}
				}
			},
			"extend": func(rt *rapid.T) {
				if len(holds) == 0 {
					rt.Skip()
				}
				o := &holds[rapid.IntRange(0, len(holds)-1).Draw(rt, "hold")]
				more := 1 + amount.Draw(rt, "more")
				ctx, cancel := context.WithTimeout(context.Background(), 0)
				defer cancel()
				if !fits(o.scopes, more) {
					if o.hold.Extend(ctx, more) {
						rt.Fatalf("extended by %v, with %v spent and %v held", more, spent, held)
					}
					return
				}
				if !o.hold.Extend(context.Background(), more) {
					rt.Fatalf("not extended by %v, with %v spent and %v held", more, spent, held)
				}
				o.amount += more
				for _, s := range o.scopes {
					held[string(s.Counter)] += more
				}
			},
			"settle": func(rt *rapid.T) {
				if len(holds) == 0 {
					rt.Skip()
				}
				i := rapid.IntRange(0, len(holds)-1).Draw(rt, "hold")
				o := holds[i]
				holds = slices.Delete(holds, i, i+1)
				cost := money.USD(rapid.Int64Range(0, int64(o.amount)).Draw(rt, "cost"))
				o.hold.Settle(cost)
				for _, s := range o.scopes {
					held[string(s.Counter)] -= o.amount
					spent[string(s.Counter)] += cost
				}
			},
			"": func(rt *rapid.T) {
				for _, s := range scopes {
					if got, _, known := b.Spent(s.Counter); known && got != spent[string(s.Counter)] {
						rt.Fatalf("%s: spent %d, want %d", s.Counter, got, spent[string(s.Counter)])
					}
				}
				if b.Held() != len(holds) {
					rt.Fatalf("%d holds are open, want %d", b.Held(), len(holds))
				}
			},
		})
	})
}
