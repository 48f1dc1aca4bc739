package budget_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/money"
	"tollgate/internal/quota"
)

// However calls end, no hold stays open, and the whole rest can be had afterwards.
func TestNoHoldIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{Wait: 300 * time.Millisecond})
		team := budget.Scope{Counter: "team:t", Cap: 15 * dollar}
		scopes := append(one(key, 10*dollar), team)
		var calls sync.WaitGroup
		for i := range 1000 {
			calls.Go(func() {
				random := rand.New(rand.NewPCG(7, uint64(i)))
				nap := func() { time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond) }
				nap()
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(500))*time.Millisecond)
				defer cancel()
				h, err := b.Reserve(ctx, scopes[:1+random.IntN(2)], budget.Ask{Worst: dollar, Least: dollar / 10})
				if err != nil {
					return
				}
				defer h.Release() // after a Settle it has no effect
				nap()
				switch random.IntN(4) {
				case 0: // fails
				case 1:
					h.Settle(0)
				case 2:
					h.Extend(ctx, dollar/10)
				case 3:
					go h.Extend(ctx, dollar) // its end comes while it asks for more
					h.Release()
				}
			})
		}
		calls.Wait()
		time.Sleep(time.Second)
		if s := b.Stats(); s.Holds != 0 || s.Waiting != 0 {
			t.Errorf("left: %+v", s)
		}
		mustReserve(t, b, scopes, budget.Ask{Worst: 10 * dollar}).Release()
		mustReserve(t, b, scopes[1:], budget.Ask{Worst: 15 * dollar}).Release()
	})
}

// flaky is a truth that does not answer while it is away.
type flaky struct {
	quota.Truth
	away atomic.Bool
}

var errAway = errors.New("connection refused")

func (f *flaky) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	if f.away.Load() {
		return nil, errAway
	}
	return f.Truth.Take(ctx, asks)
}

func (f *flaky) Give(ctx context.Context, gives []quota.Give) error {
	if f.away.Load() {
		return errAway
	}
	return f.Truth.Give(ctx, gives)
}

func (f *flaky) Beat(ctx context.Context) error {
	if f.away.Load() {
		return errAway
	}
	return f.Truth.Beat(ctx)
}

func TestStoreAway(t *testing.T) {
	tests := []struct {
		name   string
		closed bool
		served int // of calls of a dollar while 3 of 10 dollars are spent and the store is away
	}{
		{"goes on with what is known", false, 7},
		{"refuses", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				f := &flaky{Truth: w.truth.Replica("a")}
				b := budget.New(f, budget.Options{Replica: "a", FailClosed: tt.closed, Log: slog.New(slog.DiscardHandler)})
				b.Start()
				defer b.Close(context.Background())
				other := w.replica("b", budget.Options{Wait: -1})
				scopes := one(key, 10*dollar)
				mustReserve(t, b, scopes, budget.Ask{Worst: 3 * dollar}).Settle(3 * dollar)
				w.write(b, "a", 3*dollar, key)
				time.Sleep(time.Second)
				f.away.Store(true)
				time.Sleep(20 * time.Second) // longer than leases live
				served := 0
				for range 20 {
					h, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: dollar})
					switch {
					case err == nil:
						served++
						h.Settle(dollar)
						time.Sleep(100 * time.Millisecond)
					case tt.closed && !errors.Is(err, budget.ErrUnavailable):
						t.Fatal(err)
					}
				}
				if served != tt.served {
					t.Errorf("served %d, want %d", served, tt.served)
				}
				f.away.Store(false)
				time.Sleep(5 * time.Second)
				if b.Stats().Down {
					t.Fatal("it did not come back within 5 seconds")
				}
				// What was settled meanwhile counts everywhere, before the ledger has booked it and after.
				want := 7 - served
				for range 2 {
					got := 0
					for range 10 {
						h, err := other.Reserve(t.Context(), scopes, budget.Ask{Worst: dollar})
						if err == nil {
							got++
							defer h.Release()
						}
					}
					if got != want {
						t.Errorf("the other replica may spend %d, want %d", got, want)
					}
					want = 0
					for range served {
						w.write(b, "a", dollar, key)
					}
				}
			})
		})
	}
}

// While the store is away, a budget of which nothing is known here is not taken for unspent, and one that is known to be
// used up stays so, however long no call has come.
func TestStoreAway_BudgetsNotAskedForLately(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		f := &flaky{Truth: w.truth.Replica("a")}
		b := budget.New(f, budget.Options{Replica: "a", Wait: -1, Log: slog.New(slog.DiscardHandler)})
		b.Start()
		defer b.Close(context.Background())
		mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar}).Settle(dollar)
		w.write(b, "a", dollar, key)
		time.Sleep(6 * time.Hour)
		f.away.Store(true)
		for _, tt := range []struct {
			scope account.Scope
			most  money.USD
		}{{key, 0}, {account.KeyScope("unknown"), dollar / 16}} {
			served := money.USD(0)
			for range 1000 {
				h, err := b.Reserve(t.Context(), one(tt.scope, dollar), budget.Ask{Worst: dollar / 320})
				if err != nil {
					break
				}
				h.Settle(dollar / 320)
				served += dollar / 320
			}
			if served != tt.most {
				t.Errorf("%s: %v was served, want %v", tt.scope, served, tt.most)
			}
		}
		f.away.Store(false)
		time.Sleep(5 * time.Second)
		mustReserve(t, b, one(account.KeyScope("unknown"), dollar), budget.Ask{Worst: dollar / 2}).Release()
	})
}

// picky is a truth that cannot keep one account.
type picky struct{ quota.Truth }

var errName = errors.New("no name for an account")

func (p picky) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	grants := make([]quota.Grant, len(asks))
	for i, q := range asks {
		if q.Account == "budget:key:bad" {
			grants[i].Err = errName
			continue
		}
		g, err := p.Truth.Take(ctx, []quota.Ask{q})
		if err != nil {
			return nil, err
		}
		grants[i] = g[0]
	}
	return grants, nil
}

// An account that the truth cannot keep is refused, and takes no other with it.
func TestAccountThatCannotBeKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := budget.New(picky{w.truth.Replica("a")}, budget.Options{Replica: "a", Wait: -1, Log: slog.New(slog.DiscardHandler)})
		b.Start()
		defer b.Close(context.Background())
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				scopes := append(one(key, dollar), one("key:bad", dollar)...)
				if _, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: 1}); !errors.Is(err, budget.ErrUnavailable) || !errors.Is(err, errName) {
					t.Errorf("the bad one: %v", err)
				}
			})
			calls.Go(func() {
				h, err := b.Reserve(t.Context(), one(key, dollar), budget.Ask{Worst: 1})
				if err != nil {
					t.Errorf("beside it: %v", err)
				}
				h.Release()
			})
		}
		calls.Wait()
		if s := b.Stats(); s.Down || s.Holds != 0 || s.Waiting != 0 || s.Errors != 0 {
			t.Errorf("after it: %+v", s)
		}
	})
}

// A replica that was stopped for longer than its leases live must not use what it had.
func TestPausedReplica(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		f := &flaky{Truth: w.truth.Replica("a")}
		a := budget.New(f, budget.Options{Replica: "a", FailClosed: true, Wait: -1, Log: slog.New(slog.DiscardHandler)})
		a.Start()
		defer a.Close(context.Background())
		b := w.replica("b", budget.Options{Wait: -1})
		scopes := one(key, 1000*dollar)
		for range 10 {
			mustReserve(t, a, scopes, budget.Ask{Worst: dollar}).Release() // it has a slice now
		}
		held := mustReserve(t, a, scopes, budget.Ask{Worst: 10 * dollar})
		f.away.Store(true)
		time.Sleep(11 * time.Second)
		rest := mustReserve(t, b, scopes, budget.Ask{Worst: 1000 * dollar}) // all of it: the leases of a are void
		if _, err := a.Reserve(t.Context(), scopes, budget.Ask{Worst: dollar}); err == nil {
			t.Error("it uses a lease that is void")
		}
		f.away.Store(false)
		time.Sleep(5 * time.Second)
		if _, err := a.Reserve(t.Context(), scopes, budget.Ask{Worst: dollar}); err == nil {
			t.Error("it was admitted over what another has taken")
		}
		rest.Settle(900 * dollar)
		w.write(b, "b", 900*dollar, key)
		time.Sleep(time.Second)
		// What its calls under way may cost is counted again.
		if _, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: 91 * dollar}); err == nil {
			t.Error("admitted over what a call of the paused replica holds")
		}
		mustReserve(t, b, scopes, budget.Ask{Worst: 90 * dollar}).Release()
		held.Settle(10 * dollar)
	})
}

// Without a ledger the truth is told at once, and budgets start anew with their period all the same.
func TestWithoutLedger(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{Wait: -1, Spend: func(account string, cost money.USD) { w.truth.Spend("a", account, int64(cost)) }})
		scopes := []budget.Scope{{Counter: key, Cap: dollar, Duration: "1m"}}
		for range 3 {
			mustReserve(t, b, scopes, budget.Ask{Worst: dollar}).Settle(dollar)
			if _, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: 1}); err == nil {
				t.Error("admitted over the cap")
			}
			time.Sleep(time.Minute)
		}
	})
}
