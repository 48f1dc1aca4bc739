package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/quota"
	"tollgate/internal/record"
	"tollgate/internal/store"
)

// rotate moves the counters of a key to another name.
func rotate(t *testing.T, s *store.Store, from, to account.Scope) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.MoveCounter(t.Context(), from, to) }); err != nil {
		t.Fatal(err)
	}
}

func askOf(scope account.Scope, limit, need, want int64) quota.Ask {
	return quota.Ask{Account: "budget:" + string(scope), Kind: quota.Money, Cap: limit, Need: need, Want: want}
}

// wantSpent checks what counters have; -1 = there is none.
func wantSpent(t *testing.T, s *store.Store, want map[account.Scope]money.USD) {
	t.Helper()
	for scope, amount := range want {
		found, err := s.Spend(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := found[scope]; ok != (amount >= 0) || ok && (c.Spent != amount || c.Total != amount) {
			t.Errorf("%s: %+v (%v), want %d", scope, c, ok, amount)
		}
	}
}

// A call that was admitted before its key got another value is booked on the key, in all its windows and models, and what
// replicas hold for such calls counts against the one budget.
func TestMoveCounter_CallsUnderWay(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		old, now, newer := account.KeyScope("old"), account.KeyScope("new"), account.KeyScope("newer")
		a, b := s.Truth("a", ttl), s.Truth("b", ttl)
		beat(t, a)
		beat(t, b)
		window, model := old.Window("1d"), old.Model("gpt")
		for _, scope := range []account.Scope{old, window} {
			if g := take(t, a, askOf(scope, 100, 60, 60))[0]; g.Amount != 60 {
				t.Fatalf("%s: %+v", scope, g)
			}
		}
		rotate(t, s, old, now)
		if g := take(t, b, askOf(now, 100, 41, 99), askOf(now.Window("1d"), 100, 41, 99), askOf(now.Model("gpt"), 100, 41, 50)); g[0].Amount != 0 || g[0].Leased != 60 || g[1].Amount != 0 || g[2].Amount != 50 {
			t.Errorf("the new name hands out what the old one holds: %+v", g)
		}
		if g := take(t, b, askOf(now, 100, 40, 99))[0]; g.Amount != 40 || g.Leased != 100 || g.Own != 40 {
			t.Errorf("what is left: %+v", g)
		}
		spend(t, s, "a", "1", 50, old, window, model)
		wantSpent(t, s, map[account.Scope]money.USD{old: -1, window: -1, model: -1, now: 50, now.Window("1d"): 50, now.Model("gpt"): 50})
		if g := take(t, a, askOf(old, 100, 1, 1))[0]; g.Amount != 0 || g.Used != 50 || g.Leased != 50 || g.Own != 10 {
			t.Errorf("a stream that wants more under the old name: %+v", g)
		}
		give(t, b, quota.Give{Account: "budget:" + string(now), Kind: quota.Money, Amount: 40})

		// Both names in one question share what is left, and so after another move.
		for i, names := range [][2]account.Scope{{old, now}, {now, newer}, {old, newer}} {
			if i == 1 {
				rotate(t, s, now, newer)
			}
			g := take(t, a, askOf(names[0], 100, 1, 30), askOf(names[1], 100, 1, 30), askOf(account.GlobalScope, 100, 1, 30))
			if g[0].Amount != 30 || g[1].Amount != 10 || g[2].Amount == 0 {
				t.Errorf("%d: %+v", i, g)
			}
			for j, scope := range []account.Scope{names[0], names[1], account.GlobalScope} {
				give(t, a, quota.Give{Account: "budget:" + string(scope), Kind: quota.Money, Amount: g[j].Amount})
			}
		}
		spend(t, s, "a", "2", 7, old, now.Window("1d"))
		wantSpent(t, s, map[account.Scope]money.USD{old: -1, now: -1, newer: 57, newer.Window("1d"): 57})
		if g := take(t, a, askOf(old, 100, 0, 0))[0]; g.Own != 3 {
			t.Errorf("the cost is not taken off what was held for it: %+v", g)
		}
		wantVerified(t, s)
	})
}

// A budget under the old name knows the period of the counter, and begins it anew, and makes no counter of its own.
func TestMoveCounter_Periods(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		old, now := account.KeyScope("old"), account.KeyScope("new")
		a := s.Truth("a", 0)
		ask := askOf(old, 100, 1, 1)
		ask.Period = "1d"
		take(t, a, ask)
		spend(t, s, "a", "1", 5, old)
		rotate(t, s, old, now)
		reset := take(t, a, ask)[0].ResetAt
		c.set(reset)
		spend(t, s, "a", "2", 7, old)
		found, err := s.Spend(t.Context(), old, now)
		if got := found[now]; err != nil || len(found) != 1 || got.Spent != 7 || got.Total != 12 || !got.ResetAt.After(reset) {
			t.Errorf("booked in the next period: %+v, %v", found, err)
		}
		c.set(*found[now].ResetAt)
		if g := take(t, a, ask)[0]; g.Used != 0 || !g.ResetAt.After(c.now()) {
			t.Errorf("taken in the one after it: %+v", g)
		}
		wantSpent(t, s, map[account.Scope]money.USD{old: -1})
		wantVerified(t, s)
	})
}

// A value that a key had before can be another key's: what that one costs is its own.
func TestMoveCounter_ValueUsedAgain(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		old, now := account.KeyScope("old"), account.KeyScope("new")
		rotate(t, s, old, now)
		spend(t, s, "", "1", 1, old)
		if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.Insert(t.Context(), &account.Key{Token: "old"}) }); err != nil {
			t.Fatal(err)
		}
		spend(t, s, "", "2", 2, old)
		wantSpent(t, s, map[account.Scope]money.USD{old: 2, now: 1})
		rotate(t, s, now, old) // and back
		spend(t, s, "", "3", 4, now, old)
		wantSpent(t, s, map[account.Scope]money.USD{old: 7, now: -1})
		for _, scope := range []account.Scope{account.TeamScope("t"), old.Window("1d"), account.KeyScope("")} {
			if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.MoveCounter(t.Context(), scope, now) }); err == nil {
				t.Errorf("%s has moved", scope)
			}
		}
		wantVerified(t, s)
	})
}

// While a key gets one value after another, calls are admitted and booked under all of them: nothing that they cost is
// lost, and together they stay within the budget.
func TestMoveCounter_WhileCallsGoOn(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		const limit, cost = 600, 7
		name := func(n int) account.Scope { return account.KeyScope(fmt.Sprint("value", n)) }
		var at, booked atomic.Int64
		var wg sync.WaitGroup
		for w := range 4 {
			replica := fmt.Sprint("replica", w)
			wg.Go(func() {
				truth := s.Truth(replica, ttl)
				for i := range 100 {
					scope := name(max(0, int(at.Load())-i%3)) // the one in force, or one before it
					g, err := truth.Take(t.Context(), []quota.Ask{askOf(scope, limit, cost, cost), askOf(account.TeamScope("t"), limit*10, 1, cost)})
					if err != nil {
						t.Error(err)
						return
					}
					if g[0].Used+g[0].Leased > limit {
						t.Errorf("%s: %+v", scope, g[0])
					}
					if g[0].Amount == 0 {
						continue
					}
					c := traffic().Call(0, 1)
					c.ID = fmt.Sprintf("%s-%d", replica, i)
					c.RequestID, c.Replica, c.Cost, c.Charges = c.ID, replica, cost, []account.Scope{scope}
					if _, err := s.Write(t.Context(), []record.Call{c}); err != nil {
						t.Error(err)
						return
					}
					booked.Add(cost)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		last := 0
		for going := true; going; last++ {
			rotate(t, s, name(last), name(last+1))
			at.Store(int64(last + 1))
			select {
			case <-done:
				going = false
			default:
			}
		}
		for n := range last {
			wantSpent(t, s, map[account.Scope]money.USD{name(n): -1})
		}
		if got := booked.Load(); got == 0 || got > limit {
			t.Errorf("%d of %d were booked", got, limit)
		}
		wantSpent(t, s, map[account.Scope]money.USD{name(last): money.USD(booked.Load())})
		wantVerified(t, s)
	})
}
