package gateway

import (
	"context"
	"sync"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// Counters are the store's sums of what was spent.
type Counters interface {
	Spend(ctx context.Context, scopes ...account.Scope) (map[account.Scope]account.Counter, error)
}

// spendings knows what keys without a budget have spent, for the reply's header: what the store said a moment ago, and what
// was spent here since. Keys with a budget are known to the budgets. Safe for concurrent use.
type spendings struct {
	counters Counters     // nil = nobody knows
	run      func(func()) // starts work in the background that the gateway waits for
	mu       sync.Mutex
	keys     map[account.Scope]*spending // guarded by mu
}

type spending struct {
	told    money.USD // by the store
	own     money.USD // since then, and what the store may not have had yet
	at      time.Time // when the store was asked; zero = never
	asking  bool
	touched time.Time
}

const (
	// spendingAge is how old the store's word may be.
	spendingAge = 10 * time.Second
	// spendingIdle is how long a key is remembered, and maxSpendings how many.
	spendingIdle = 10 * time.Minute
	maxSpendings = 100_000
)

func newSpendings(c Counters, run func(func())) *spendings {
	return &spendings{counters: c, run: run, keys: map[account.Scope]*spending{}}
}

// add notes the cost of a call and returns what its key has spent with it. ok is false until the store was asked, which
// happens in the background.
func (s *spendings) add(scope account.Scope, cost money.USD) (spent money.USD, ok bool) {
	if s.counters == nil {
		return 0, false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[scope]
	if k == nil {
		if len(s.keys) >= maxSpendings {
			s.forget(now)
		}
		k = &spending{}
		s.keys[scope] = k
	}
	k.touched = now
	k.own += cost
	if now.Sub(k.at) > spendingAge && !k.asking {
		k.asking = true
		s.run(func() { s.ask(scope, k) })
	}
	return k.told + k.own, !k.at.IsZero()
}

// forget drops the keys that nobody uses, and all when that is not enough: it is a header's worth.
func (s *spendings) forget(now time.Time) {
	for scope, k := range s.keys {
		if now.Sub(k.touched) > spendingIdle {
			delete(s.keys, scope)
		}
	}
	if len(s.keys) >= maxSpendings {
		clear(s.keys)
	}
}

// ask asks the store. What was spent here before is in its answer, but for the last moment.
func (s *spendings) ask(scope account.Scope, k *spending) {
	ctx, cancel := context.WithTimeout(context.Background(), spendingAge)
	defer cancel()
	s.mu.Lock()
	before := k.own
	s.mu.Unlock()
	found, err := s.counters.Spend(ctx, scope)
	s.mu.Lock()
	defer s.mu.Unlock()
	k.asking = false
	k.at = time.Now()
	if err == nil {
		k.told, k.own = found[scope].Spent, k.own-before
	}
}
