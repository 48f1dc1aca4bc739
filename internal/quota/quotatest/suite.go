// Package quotatest is what every quota.Truth must do: one suite for the memory, the stores and Redis.
package quotatest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/quota"
)

// World is a truth under test.
type World struct {
	// Truth is the truth as a replica has it. Replicas share it.
	Truth func(replica string) quota.Truth
	// Spend books a cost of a replica's call, as the ledger does. nil = the truth does not keep Money.
	Spend func(replica, account string, cost int64)
}

// Run runs the suite. open makes an empty truth whose leases live for ttl after the last Beat; in runs a test, in a
// bubble with a fake clock where the truth runs by that clock, nil = in real time.
func Run(t *testing.T, open func(t *testing.T, ttl time.Duration) World, in func(t *testing.T, f func(t *testing.T))) {
	if in == nil {
		in = func(t *testing.T, f func(*testing.T)) { f(t) }
	}
	for _, tt := range []struct {
		name string
		ttl  time.Duration
		run  func(s *suite)
	}{
		{"Rate", time.Minute, (*suite).rate},
		{"RateWindowEnds", time.Minute, (*suite).rateWindowEnds},
		{"RateAtOnce", time.Minute, (*suite).rateAtOnce},
		{"Slots", time.Minute, (*suite).slots},
		{"SlotsOfTheDead", time.Second, (*suite).slotsOfTheDead},
		{"Batch", time.Minute, (*suite).batch},
		{"Money", time.Minute, (*suite).money},
		{"MoneyDebt", time.Minute, (*suite).moneyDebt},
		{"MoneyOfTheDead", time.Second, (*suite).moneyOfTheDead},
		{"MoneyAtOnce", time.Minute, (*suite).moneyAtOnce},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := &suite{t: t, world: open(t, tt.ttl)}
				s.a, s.b = s.world.Truth("a"), s.world.Truth("b")
				if s.a.TTL() != tt.ttl {
					t.Errorf("TTL = %v, want %v", s.a.TTL(), tt.ttl)
				}
				s.beat(s.a)
				s.beat(s.b)
				if strings.HasPrefix(tt.name, "Money") && s.world.Spend == nil {
					s.noMoney()
					return
				}
				tt.run(s)
			})
		})
	}
}

type suite struct {
	t     *testing.T
	world World
	a, b  quota.Truth
}

func (s *suite) beat(truth quota.Truth) {
	s.t.Helper()
	if err := truth.Beat(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) take(truth quota.Truth, q quota.Ask) quota.Grant {
	s.t.Helper()
	g, err := truth.Take(s.t.Context(), []quota.Ask{q})
	if err != nil || len(g) != 1 {
		s.t.Fatalf("Take: %d grants, %v", len(g), err)
	}
	return g[0]
}

func (s *suite) give(truth quota.Truth, g quota.Give) {
	s.t.Helper()
	if err := truth.Give(s.t.Context(), []quota.Give{g}); err != nil {
		s.t.Fatal(err)
	}
}

// want compares what a grant says.
func (s *suite) want(what string, g quota.Grant, amount, used, leased, own int64) {
	s.t.Helper()
	if g.Amount != amount || g.Used != used || g.Leased != leased || g.Own != own {
		s.t.Errorf("%s: got amount %d, used %d, leased %d, own %d; want %d, %d, %d, %d", what, g.Amount, g.Used, g.Leased, g.Own, amount, used, leased, own)
	}
}

func (s *suite) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("never: " + what)
		}
	}
}

func (s *suite) rate() {
	q := quota.Ask{Account: "rpm:api_key:k", Kind: quota.Rate, Cap: 10, Need: 2, Want: 4, Window: time.Minute}
	before := time.Now()
	g := s.take(s.a, q)
	s.want("the first", g, 4, 4, 0, 0)
	if left := g.ResetAt.Sub(before); left < 59*time.Second || left > 61*time.Second {
		s.t.Errorf("the window ends in %v", left)
	}
	s.want("the second", s.take(s.b, q), 4, 8, 0, 0)
	q.Need = 3
	s.want("more than is left", s.take(s.b, q), 0, 8, 0, 0)
	q.Need = 1
	s.want("what is left", s.take(s.b, q), 2, 10, 0, 0)
	s.give(s.a, quota.Give{Account: q.Account, Kind: quota.Rate, Amount: 3, ResetAt: g.ResetAt})
	s.want("given back", s.take(s.b, q), 3, 10, 0, 0)
	s.give(s.a, quota.Give{Account: q.Account, Kind: quota.Rate, Amount: -5, ResetAt: g.ResetAt})
	q.Need, q.Want = 0, 0
	s.want("used more than was taken", s.take(s.b, q), 0, 15, 0, 0)
	s.give(s.a, quota.Give{Account: q.Account, Kind: quota.Rate, Amount: 5, ResetAt: g.ResetAt.Add(-2 * time.Minute)})
	s.want("given back to a window long over", s.take(s.b, q), 0, 15, 0, 0)
}

func (s *suite) rateWindowEnds() {
	q := quota.Ask{Account: "rpm:api_key:w", Kind: quota.Rate, Cap: 3, Need: 1, Want: 3, Window: 300 * time.Millisecond}
	g := s.take(s.a, q)
	s.want("the first", g, 3, 3, 0, 0)
	s.eventually("a new window", func() bool { return s.take(s.b, q).Amount == 3 })
	if early := time.Until(g.ResetAt); early > 0 {
		s.t.Errorf("a new window opened %v before the end of the last", early)
	}
	q.Account, q.Need, q.Want = "rpm:api_key:never", 0, 0
	s.want("one that nobody has opened", s.take(s.a, q), 0, 0, 0, 0)
}

// atOnce lets many replicas take at once until nothing is left, and returns the sum.
func (s *suite) atOnce(q quota.Ask) int64 {
	var mu sync.Mutex
	var sum int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			truth := s.world.Truth(string(rune('m' + i)))
			if err := truth.Beat(s.t.Context()); err != nil {
				s.t.Error(err)
				return
			}
			for {
				g, err := truth.Take(s.t.Context(), []quota.Ask{q})
				if err != nil {
					s.t.Error(err)
					return
				}
				if g[0].Amount == 0 {
					return
				}
				mu.Lock()
				sum += g[0].Amount
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return sum
}

func (s *suite) rateAtOnce() {
	q := quota.Ask{Account: "tpm:team:t", Kind: quota.Rate, Cap: 200, Need: 1, Want: 3, Window: time.Minute}
	if got := s.atOnce(q); got != 200 {
		s.t.Errorf("%d of 200 were granted", got)
	}
}

func (s *suite) slots() {
	q := quota.Ask{Account: "par:api_key:k", Kind: quota.Slots, Cap: 5, Need: 2, Want: 3}
	s.want("the first", s.take(s.a, q), 3, 0, 3, 3)
	s.want("the second", s.take(s.b, q), 2, 0, 5, 2)
	s.want("none left", s.take(s.b, q), 0, 0, 5, 2)
	s.give(s.a, quota.Give{Account: q.Account, Kind: quota.Slots, Amount: 3})
	s.want("given back", s.take(s.b, q), 3, 0, 5, 5)
	s.give(s.b, quota.Give{Account: q.Account, Kind: quota.Slots, Amount: 5})
	q.Need, q.Want = 0, 0
	s.want("all given back", s.take(s.a, q), 0, 0, 0, 0)
}

func (s *suite) slotsOfTheDead() {
	q := quota.Ask{Account: "par:team:t", Kind: quota.Slots, Cap: 5, Need: 5, Want: 5}
	s.want("all", s.take(s.a, q), 5, 0, 5, 5)
	began := time.Now()
	s.eventually("the dead one's slots are free", func() bool {
		s.beat(s.b)
		return s.take(s.b, q).Amount == 5
	})
	if took := time.Since(began); took < s.a.TTL()*8/10 {
		s.t.Errorf("free after %v, leases live for %v", took, s.a.TTL())
	}
	s.beat(s.a)
	for range 150 { // b goes on to live, and so does its lease
		s.beat(s.b)
		time.Sleep(10 * time.Millisecond)
	}
	q.Need = 1
	s.want("the one that came back", s.take(s.a, q), 0, 0, 5, 0)
}

func (s *suite) batch() {
	rate := quota.Ask{Account: "rpm:user:u", Kind: quota.Rate, Cap: 5, Need: 3, Want: 3, Window: time.Minute}
	slots := quota.Ask{Account: "par:user:u", Kind: quota.Slots, Cap: 1, Need: 1, Want: 1}
	over := quota.Ask{Account: "rpm:user:v", Kind: quota.Rate, Cap: 1, Need: 2, Want: 2, Window: time.Minute}
	g, err := s.a.Take(s.t.Context(), []quota.Ask{rate, over, slots, rate})
	if err != nil || len(g) != 4 {
		s.t.Fatalf("%d grants, %v", len(g), err)
	}
	if g[0].Amount != 3 || g[1].Amount != 0 || g[2].Amount != 1 || g[3].Amount != 0 {
		s.t.Errorf("granted %d, %d, %d, %d", g[0].Amount, g[1].Amount, g[2].Amount, g[3].Amount)
	}
	if g, err := s.a.Take(s.t.Context(), nil); err != nil || len(g) != 0 {
		s.t.Errorf("nothing: %v, %v", g, err)
	}
	if err := s.a.Give(s.t.Context(), nil); err != nil {
		s.t.Error(err)
	}
}

// dollars is large enough that a float would not do.
const dollars = 1_000_000_000_000

// noMoney holds a truth that does not keep money to saying so.
func (s *suite) noMoney() {
	if _, err := s.a.Take(s.t.Context(), []quota.Ask{budgetOf("key:k", 1, 1, 1)}); err == nil {
		s.t.Error("a truth that does not keep money grants it")
	}
}

func budgetOf(name string, limit, need, want int64) quota.Ask {
	return quota.Ask{Account: "budget:" + name, Kind: quota.Money, Cap: limit, Need: need, Want: want}
}

func (s *suite) money() {
	q := budgetOf("key:k", 900_000*dollars+7, 1, 500_000*dollars)
	s.want("the first", s.take(s.a, q), 500_000*dollars, 0, 500_000*dollars, 500_000*dollars)
	s.want("the rest", s.take(s.b, q), 400_000*dollars+7, 0, 900_000*dollars+7, 400_000*dollars+7)
	s.world.Spend("a", q.Account, 100_000*dollars)
	q.Need, q.Want = 0, 0
	s.want("a part is booked", s.take(s.a, q), 0, 100_000*dollars, 900_000*dollars+7-100_000*dollars, 400_000*dollars)
	s.give(s.a, quota.Give{Account: q.Account, Kind: quota.Money, Amount: 400_000 * dollars})
	q.Need, q.Want = 400_000*dollars, 400_000*dollars
	s.want("given back", s.take(s.b, q), 400_000*dollars, 100_000*dollars, 800_000*dollars+7, 800_000*dollars+7)
	q.Need = 1
	s.want("nothing is left", s.take(s.a, q), 0, 100_000*dollars, 800_000*dollars+7, 0)
	q.Cap, q.Need, q.Want = 1000*dollars, 0, 0
	s.want("a cap below what is spent", s.take(s.a, q), 0, 100_000*dollars, 800_000*dollars+7, 0)
}

func (s *suite) moneyDebt() {
	q := budgetOf("key:debt", 100, 10, 10)
	s.want("the first", s.take(s.a, q), 10, 0, 10, 10)
	s.world.Spend("a", q.Account, 30) // a call has cost more than was held
	q.Need, q.Want = 0, 0
	s.want("a debt counts as nothing leased", s.take(s.b, q), 0, 30, 0, 0)
	s.want("and is the debtor's own", s.take(s.a, q), 0, 30, 0, -20)
	q.Need, q.Want = 20+70, 20+70
	s.want("filling it takes no room", s.take(s.a, q), 90, 30, 70, 70)
	q.Need, q.Want = 1, 1
	s.want("nothing is left", s.take(s.b, q), 0, 30, 70, 0)
}

func (s *suite) moneyOfTheDead() {
	q := budgetOf("key:dead", 100, 60, 60)
	s.want("the first", s.take(s.a, q), 60, 0, 60, 60)
	s.eventually("the dead one's lease is free", func() bool {
		s.beat(s.b)
		return s.take(s.b, q).Amount == 60
	})
	s.world.Spend("b", q.Account, 50)
	s.beat(s.a)
	q.Need, q.Want = 41, 41
	s.want("the one that came back", s.take(s.a, q), 0, 50, 10, 0)
	q.Need, q.Want = 40, 40
	s.want("what is left", s.take(s.a, q), 40, 50, 50, 40)
}

func (s *suite) moneyAtOnce() {
	q := budgetOf("team:t", 100*dollars, dollars/4, dollars)
	if got := s.atOnce(q); got != 100*dollars {
		s.t.Errorf("%d of %d were granted", got, int64(100*dollars))
	}
}
