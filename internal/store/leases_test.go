package store_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/quota"
	"tollgate/internal/quota/quotatest"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

const ttl = 10 * time.Second

func take(t *testing.T, truth quota.Truth, asks ...quota.Ask) []quota.Grant {
	t.Helper()
	grants, err := truth.Take(t.Context(), asks)
	if err != nil {
		t.Fatal(err)
	}
	if len(grants) != len(asks) {
		t.Fatalf("%d answers to %d asks", len(grants), len(asks))
	}
	return grants
}

func give(t *testing.T, truth quota.Truth, gives ...quota.Give) {
	t.Helper()
	if err := truth.Give(t.Context(), gives); err != nil {
		t.Fatal(err)
	}
}

func beat(t *testing.T, truth quota.Truth) {
	t.Helper()
	if err := truth.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// spend books a call of a replica.
func spend(t *testing.T, s *store.Store, replica string, id string, cost money.USD, scopes ...account.Scope) {
	t.Helper()
	c := traffic().Call(0, 1)
	c.ID, c.RequestID, c.Replica, c.Cost, c.Charges = id, id, replica, cost, scopes
	write(t, s, []record.Call{c})
}

// The suite of all truths, over tables and over memory.
func TestTruth(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel() // much of it waits
			quotatest.Run(t, func(t *testing.T, life time.Duration) quotatest.World {
				s := e.new(t)()
				n := atomic.Int64{}
				return quotatest.World{
					Truth: func(replica string) quota.Truth { return s.Truth(replica, life) },
					Spend: func(replica, name string, cost int64) {
						spend(t, s, replica, fmt.Sprint(n.Add(1)), money.USD(cost), account.Scope(strings.TrimPrefix(name, "budget:")))
					},
				}
			}, nil)
		})
	}
}

// An account whose name cannot be kept does not keep others from being granted.
func TestTruth_BadNames(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		truth := s.Truth("a", ttl)
		g := take(t, truth, askOf("key:good", 10, 1, 5), askOf("member:t/\x00", 10, 1, 5), askOf(account.Scope("user:"+strings.Repeat("x", 8000)), 10, 1, 5),
			quota.Ask{Account: "key:none", Kind: quota.Money, Cap: 10, Need: 1, Want: 5},
			quota.Ask{Account: "rpm:" + strings.Repeat("x", 8000), Kind: quota.Rate, Cap: 10, Need: 1, Want: 5, Window: time.Minute},
			quota.Ask{Account: "rpm:x", Kind: quota.Rate, Cap: 10, Need: 1, Want: 4, Window: time.Minute}, askOf("key:good", 10, 1, 4))
		for i, want := range []int64{5, -1, -1, -1, -1, 4, 4} {
			if bad := errors.Is(g[i].Err, store.ErrAccount); bad != (want < 0) || !bad && g[i].Amount != want {
				t.Errorf("%d: %+v, want %d", i, g[i], want)
			}
		}
	})
}

// What is booked moves from the lease to the counter in one moment: nobody is refused since it is counted twice.
func TestTruth_WhileCallsAreBooked(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		a, b := s.Truth("a", ttl), s.Truth("b", ttl)
		for i := range 40 {
			scope := account.KeyScope(fmt.Sprint("k", i))
			take(t, a, askOf(scope, 100, 50, 50))
			booked := make(chan struct{})
			var other sync.WaitGroup
			other.Go(func() {
				for done := false; !done; {
					select {
					case <-booked:
						done = true
					default:
					}
					g, err := b.Take(t.Context(), []quota.Ask{askOf(scope, 100, 50, 50)})
					if err != nil || g[0].Amount != 50 {
						t.Errorf("%d: %+v, %v", i, g, err)
						return
					}
					if err := b.Give(t.Context(), []quota.Give{{Account: "budget:" + string(scope), Kind: quota.Money, Amount: 50}}); err != nil {
						t.Error(err)
						return
					}
				}
			})
			spend(t, s, "a", fmt.Sprint(i), 50, scope)
			close(booked)
			other.Wait()
		}
	})
}

// A lease of nothing is forgotten after a while, a debt is not.
func TestTruth_ForgetsEmptyLeases(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		truth := s.Truth("a", 0)
		names := []account.Scope{"key:empty", "key:debt", "key:held"}
		for _, scope := range names {
			take(t, truth, askOf(scope, 100, 10, 10))
		}
		give(t, truth, quota.Give{Account: "budget:key:empty", Kind: quota.Money, Amount: 10})
		spend(t, s, "a", "1", 30, names[1])
		own := func() (all [3]int64) {
			for i, scope := range names {
				all[i] = take(t, truth, askOf(scope, 100, 0, 0))[0].Own
			}
			return all
		}
		for _, wait := range []time.Duration{time.Minute, 2 * time.Hour} {
			c.add(wait)
			beat(t, truth)
			if got, want := own(), [3]int64{0, -20, 10}; got != want {
				t.Errorf("after %v: %v, want %v", wait, got, want)
			}
			want := 3
			if wait > time.Hour {
				want = 2
			}
			if n := s.Leases(t.Context()); n != want {
				t.Errorf("after %v: %d leases, want %d", wait, n, want)
			}
		}
	})
}

func TestTruth_Money(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		scope := account.KeyScope("k")
		ask := func(need, want int64) quota.Ask {
			return quota.Ask{Account: "budget:" + string(scope), Kind: quota.Money, Cap: 100, Need: need, Want: want}
		}
		a, b := s.Truth("a", ttl), s.Truth("b", ttl)
		for i, step := range []struct {
			truth quota.Truth
			ask   quota.Ask
			want  quota.Grant
		}{
			{a, ask(10, 60), quota.Grant{Amount: 60, Leased: 60, Own: 60}},
			{b, ask(41, 50), quota.Grant{Amount: 0, Leased: 60, Own: 0}}, // 40 are left
			{b, ask(10, 50), quota.Grant{Amount: 40, Leased: 100, Own: 40}},
			{b, ask(0, 0), quota.Grant{Amount: 0, Leased: 100, Own: 40}},
			{a, ask(1, 1), quota.Grant{Amount: 0, Leased: 100, Own: 60}},
		} {
			if got := take(t, step.truth, step.ask)[0]; got != step.want {
				t.Errorf("%d: %+v, want %+v", i, got, step.want)
			}
		}
		spend(t, s, "a", "1", 50, scope)
		if got, want := take(t, a, ask(0, 0))[0], (quota.Grant{Used: 50, Leased: 50, Own: 10}); got != want {
			t.Errorf("after a call: %+v, want %+v", got, want)
		}
		give(t, b, quota.Give{Account: "budget:" + string(scope), Kind: quota.Money, Amount: 30})
		// A call that costs 25 where 10 are leased leaves a debt of 15, which is in what is spent: filling it takes no room.
		spend(t, s, "a", "2", 25, scope)
		if got, want := take(t, a, ask(0, 0))[0], (quota.Grant{Used: 75, Leased: 10, Own: -15}); got != want {
			t.Errorf("a debt: %+v, want %+v", got, want)
		}
		if got, want := take(t, a, ask(31, 31))[0], (quota.Grant{Used: 75, Leased: 10, Own: -15}); got != want {
			t.Errorf("more than there is: %+v, want %+v", got, want)
		}
		if got, want := take(t, a, ask(30, 99))[0], (quota.Grant{Amount: 30, Used: 75, Leased: 25, Own: 15}); got != want {
			t.Errorf("the debt and the rest: %+v, want %+v", got, want)
		}
		if got := take(t, b, quota.Ask{Account: "budget:team:none", Kind: quota.Money, Need: 1, Want: 1})[0]; got.Amount != 0 {
			t.Errorf("a cap of 0 gives %+v", got)
		}
		huge := quota.Ask{Account: "budget:team:huge", Kind: quota.Money, Cap: math.MaxInt64, Need: 1, Want: math.MaxInt64}
		if got := take(t, b, huge, huge)[0]; got.Amount != math.MaxInt64 {
			t.Errorf("all the money there is: %+v", got)
		}
	})
}

func TestTruth_PeriodsStartAnew(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		scope := account.KeyScope("k")
		ask := quota.Ask{Account: "budget:" + string(scope), Kind: quota.Money, Cap: 100, Need: 1, Want: 10, Period: "1d"}
		truth := s.Truth("a", 1000*time.Hour)
		midnight := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
		if got := take(t, truth, ask)[0]; got.Amount != 10 || !got.ResetAt.Equal(midnight) {
			t.Errorf("a new budget: %+v", got)
		}
		spend(t, s, "a", "1", 95, scope)
		give(t, truth, quota.Give{Account: ask.Account, Kind: quota.Money, Amount: -85}) // settled
		if got := take(t, truth, quota.Ask{Account: ask.Account, Kind: quota.Money, Cap: 100, Need: 6, Want: 6, Period: "1d"})[0]; got.Amount != 0 || got.Used != 95 {
			t.Errorf("a used budget: %+v", got)
		}
		c.set(midnight.Add(time.Hour))
		if got := take(t, truth, ask)[0]; got.Amount != 10 || got.Used != 0 || !got.ResetAt.Equal(midnight.AddDate(0, 0, 1)) {
			t.Errorf("the day after: %+v", got)
		}
		ask.Period, ask.ResetAt = "30d", time.Date(2026, 12, 9, 0, 0, 0, 0, time.UTC)
		if got := take(t, truth, ask)[0]; !got.ResetAt.Equal(ask.ResetAt) {
			t.Errorf("another period: %+v", got)
		}
		ask.Period, ask.ResetAt = "", time.Time{}
		if got := take(t, truth, ask)[0]; !got.ResetAt.IsZero() {
			t.Errorf("no period: %+v", got)
		}
		if got, err := s.Spend(t.Context(), scope); err != nil || got[scope].Total != 95 {
			t.Errorf("the total: %+v, %v", got, err)
		}
		wantVerified(t, s)
	})
}

func TestTruth_RatesAndSlots(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		a, b := s.Truth("a", ttl), s.Truth("b", ttl)
		rpm := quota.Ask{Account: "rpm:k", Kind: quota.Rate, Cap: 10, Need: 1, Want: 6, Window: time.Minute}
		slots := quota.Ask{Account: "parallel:k", Kind: quota.Slots, Cap: 3, Need: 1, Want: 2}
		got := take(t, a, rpm, slots)
		end := noon.Add(time.Minute)
		if got[0].Amount != 6 || got[0].Used != 6 || !got[0].ResetAt.Equal(end) || got[1].Amount != 2 || got[1].Own != 2 {
			t.Errorf("the first: %+v", got)
		}
		c.add(20 * time.Second)
		beat(t, a)
		got = take(t, b, rpm, slots, slots)
		if got[0].Amount != 4 || got[0].Used != 10 || !got[0].ResetAt.Equal(end) || got[1].Amount != 2 || got[2].Amount != 1 {
			t.Errorf("the second, when the first has been silent for too long: %+v", got)
		}
		if got := take(t, a, rpm, slots); got[0].Amount != 0 || got[1].Amount != 0 {
			t.Errorf("the third: %+v", got)
		}
		give(t, a, quota.Give{Account: "rpm:k", Kind: quota.Rate, Amount: 5, ResetAt: end}, quota.Give{Account: "rpm:k", Kind: quota.Rate, Amount: 2, ResetAt: end.Add(-time.Minute)})
		give(t, b, quota.Give{Account: "parallel:k", Kind: quota.Slots, Amount: 1})
		if got := take(t, a, rpm, slots); got[0].Amount != 5 || got[1].Amount != 1 {
			t.Errorf("after the gives: %+v", got)
		}
		give(t, a, quota.Give{Account: "rpm:k", Kind: quota.Rate, Amount: -3, ResetAt: end}) // a call used more tokens than were taken
		if got := take(t, a, rpm)[0]; got.Amount != 0 || got.Used != 13 {
			t.Errorf("more than the cap is used: %+v", got)
		}
		c.set(end)
		if got := take(t, b, rpm)[0]; got.Amount != 6 || got.Used != 6 || !got.ResetAt.Equal(end.Add(time.Minute)) {
			t.Errorf("the next window: %+v", got)
		}
	})
}

// What a dead replica held is free after its TTL, and what it booked in time is not lost.
func TestTruth_DeadReplicas(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(noon)
		scope := account.KeyScope("k")
		ask := quota.Ask{Account: "budget:" + string(scope), Kind: quota.Money, Cap: 100, Need: 1, Want: 100}
		a, b := s.Truth("a", ttl), s.Truth("b", ttl)
		beat(t, a)
		take(t, a, ask)
		for range 4 {
			c.add(ttl / 2)
			beat(t, a)
			beat(t, b)
		}
		if got := take(t, b, ask)[0]; got.Amount != 0 {
			t.Errorf("a living replica's lease was free: %+v", got)
		}
		spend(t, s, "a", "1", 30, scope)
		c.add(ttl)
		if got := take(t, b, ask)[0]; got.Amount != 70 || got.Used != 30 {
			t.Errorf("a dead replica's lease: %+v", got)
		}
		beat(t, a) // too late: it begins with nothing
		if got := take(t, a, ask)[0]; got.Amount != 0 || got.Own != 0 || got.Leased != 70 {
			t.Errorf("a replica that comes back: %+v", got)
		}
		spend(t, s, "a", "2", 5, scope)
		if got := take(t, b, quota.Ask{Account: ask.Account, Kind: quota.Money, Cap: 100})[0]; got.Used != 35 || got.Own != 70 {
			t.Errorf("a late call of the dead: %+v", got)
		}
	})
}

// However many replicas take, spend and give at once, what is spent and leased never passes the cap.
func TestTruth_NobodyOverspends(t *testing.T) { ledgerOn(t, store.Options{}, nobodyOverspends) }

// Statements that go out together stay one transaction behind a pooler, too.
func TestLedger_BehindPgBouncer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *store.Store){"BooksOnce": bookedOnce, "NobodyOverspends": nobodyOverspends} {
		t.Run(name, func(t *testing.T) { test(t, open(t, store.Options{URL: testkit.PgBouncer(t, testkit.Postgres(t))})) })
	}
}

func nobodyOverspends(t *testing.T, s *store.Store) {
	scopes := []account.Scope{account.GlobalScope, account.KeyScope("k"), account.TeamScope("t")}
	const limit = 400
	var granted atomic.Int64
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		truth := s.Truth(name, time.Minute)
		for w := range 2 {
			wg.Go(func() {
				for i := range 20 {
					asks := make([]quota.Ask, 0, 3)
					for j := range scopes {
						scope := scopes[(j+w)%3]
						asks = append(asks, quota.Ask{Account: "budget:" + string(scope), Kind: quota.Money, Cap: limit, Need: 7, Want: 7})
					}
					grants, err := truth.Take(t.Context(), asks)
					if err != nil {
						t.Error(err)
						return
					}
					lowest := grants[0].Amount
					for j, g := range grants {
						lowest = min(lowest, g.Amount)
						if g.Amount > 0 && g.Used+g.Leased > limit {
							t.Errorf("%s: used %d, leased %d", asks[j].Account, g.Used, g.Leased)
						}
					}
					if lowest > 0 && i%3 > 0 {
						granted.Add(7)
						c := traffic().Call(0, 1)
						c.ID = name + string(rune('0'+w)) + string(rune('A'+i))
						c.RequestID, c.Replica, c.Cost, c.Charges = c.ID, name, 7, scopes
						if _, err := s.Write(t.Context(), []record.Call{c}); err != nil {
							t.Error(err)
						}
						continue
					}
					for j, g := range grants {
						if err := truth.Give(t.Context(), []quota.Give{{Account: asks[j].Account, Kind: quota.Money, Amount: g.Amount}}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	got, err := s.Spend(t.Context(), scopes...)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		if got[scope].Spent != money.USD(granted.Load()) || got[scope].Spent > limit || got[scope].Spent == 0 {
			t.Errorf("%s: spent %d of %d that were granted", scope, got[scope].Spent, granted.Load())
		}
	}
	for _, truth := range []quota.Truth{s.Truth("a", ttl), s.Truth("b", ttl), s.Truth("c", ttl)} {
		if g := take(t, truth, quota.Ask{Account: "budget:global", Kind: quota.Money, Cap: limit})[0]; g.Own != 0 || g.Leased != 0 {
			t.Errorf("a lease is left: %+v", g)
		}
	}
	wantVerified(t, s)
}
