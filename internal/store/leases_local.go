package store

import (
	"context"
	"math"
	"sync"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/quota"
)

// localTruth is the truth of a process that has the store for itself: leases and windows lie in memory and end with the
// process, what is spent is the counters'. Safe for concurrent use.
type localTruth struct {
	mu     sync.Mutex
	leases map[string]map[string]int64 // by account, then replica
	rates  map[string]*localWindow
	alive  map[string]time.Time // until when a replica's leases stand
}

type localWindow struct {
	used int64
	ends time.Time
}

// localReplica is the local truth as one replica sees it.
type localReplica struct {
	s    *Store
	name string
	ttl  time.Duration
	life time.Duration // ttl, or for ever
}

// TTL implements quota.Truth.
func (l *localReplica) TTL() time.Duration { return l.ttl }

// Take implements quota.Truth. The ledger books a cost before it takes it off the lease, so between the two a dollar is
// counted twice, never missed.
func (l *localReplica) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	t := &l.s.local
	now := l.s.now()
	t.mu.Lock()
	t.live(l.name, now, l.life)
	t.mu.Unlock()
	grants := make([]quota.Grant, len(asks))
	for i := range asks {
		q := &asks[i]
		if q.Kind == quota.Rate {
			grants[i] = t.takeRate(q, now)
			continue
		}
		var err error
		if grants[i], err = l.takeLease(ctx, q, now); err != nil {
			return nil, err
		}
	}
	return grants, nil
}

func (l *localReplica) takeLease(ctx context.Context, q *quota.Ask, now time.Time) (quota.Grant, error) {
	t := &l.s.local
	t.mu.Lock()
	defer t.mu.Unlock() // also while the counter is read: two Takes must not see the same room
	var g quota.Grant
	if q.Kind == quota.Money {
		c, err := l.s.counterFor(ctx, q)
		if err != nil {
			return g, err
		}
		g.Used = int64(c.Spent)
		if c.ResetAt != nil {
			g.ResetAt = *c.ResetAt
		}
	}
	held, own := t.held(q.Account, l.name, now)
	room := minus(minus(q.Cap, g.Used), held) + max(-own, 0)
	need := max(q.Need, 0)
	if need <= room {
		g.Amount = min(max(q.Want, need), room)
	}
	if g.Amount > 0 {
		if t.leases[q.Account] == nil {
			t.leases[q.Account] = map[string]int64{}
		}
		t.leases[q.Account][l.name] += g.Amount
	}
	g.Own = own + g.Amount
	g.Leased = held - max(own, 0) + max(g.Own, 0)
	return g, nil
}

// counterFor reads the counter of a budget, begun anew and given the budget's period where that is due.
func (s *Store) counterFor(ctx context.Context, q *quota.Ask) (account.Counter, error) {
	scope, err := budgetScope(q.Account)
	if err != nil {
		return account.Counter{}, err
	}
	now := s.now()
	read := func(r runner) (c account.Counter, found bool, err error) {
		err = r.rows(ctx, `SELECT spent, total, duration, reset_at FROM counters WHERE scope = $1`, []any{string(scope)},
			func(scan func(...any) error) error {
				found = true
				return scan(scanUSD{&c.Spent}, scanUSD{&c.Total}, &c.Duration, scanTimePtr{&c.ResetAt})
			})
		return c, found, err
	}
	c, found, err := read(s.read())
	if err != nil || !(found || q.Period != "") || !stale(c, q.Period, now) {
		return c, err
	}
	err = s.write(ctx, func(tx *sqlTx) error {
		if c, _, err = read(tx.runner); err != nil || !stale(c, q.Period, now) {
			return err
		}
		c = s.renewed(c, q, now)
		_, err := tx.exec(ctx, `INSERT INTO counters (scope, spent, duration, reset_at, updated_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (scope) DO UPDATE SET spent = excluded.spent, duration = excluded.duration, reset_at = excluded.reset_at,
				updated_at = excluded.updated_at`,
			string(scope), s.dialect.money(c.Spent), c.Duration, orNull(c.ResetAt), now.UTC())
		return err
	})
	return c, err
}

// stale reports whether a counter has to be written before its budget is counted on it.
func stale(c account.Counter, period string, now time.Time) bool {
	return c.Duration != period || (period != "" && c.ResetAt == nil) || (c.ResetAt != nil && !c.ResetAt.After(now))
}

// renewed is a stale counter as it should be.
func (s *Store) renewed(c account.Counter, q *quota.Ask, now time.Time) account.Counter {
	if c.ResetAt != nil && !c.ResetAt.After(now) {
		c.Spent = 0
	}
	switch {
	case q.Period == "":
		c.ResetAt = nil
	case c.Duration != q.Period && q.ResetAt.After(now):
		at := q.ResetAt.UTC()
		c.ResetAt = &at
	default:
		c.ResetAt = s.resetAfter(q.Period, now)
	}
	c.Duration = q.Period
	return c
}

// takeRate takes from the window under way, or opens one.
func (t *localTruth) takeRate(q *quota.Ask, now time.Time) quota.Grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.rates[q.Account]
	if w == nil || !w.ends.After(now) {
		w = &localWindow{}
	}
	g := quota.Grant{Used: w.used, ResetAt: w.ends}
	need, room := max(q.Need, 0), minus(q.Cap, w.used)
	if need > room {
		return g
	}
	g.Amount = min(max(q.Want, need), room)
	if g.Amount == 0 {
		return g
	}
	if w.ends.IsZero() {
		w.ends = now.Add(q.Window)
		if t.rates == nil {
			t.rates = map[string]*localWindow{}
		}
		t.rates[q.Account] = w
	}
	w.used += g.Amount
	g.Used, g.ResetAt = w.used, w.ends
	return g
}

// Give implements quota.Truth.
func (l *localReplica) Give(_ context.Context, gives []quota.Give) error {
	t := &l.s.local
	now := l.s.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range gives {
		switch g.Kind {
		case quota.Rate:
			if w := t.rates[g.Account]; w != nil && w.ends.Equal(g.ResetAt) && w.ends.After(now) {
				w.used = max(0, w.used-g.Amount)
			}
		case quota.Slots:
			if have, ok := t.leases[g.Account][l.name]; ok {
				t.leases[g.Account][l.name] = max(0, have-g.Amount)
			}
		case quota.Money:
			t.takeOff(g.Account, l.name, g.Amount)
		}
	}
	return nil
}

// Beat implements quota.Truth.
func (l *localReplica) Beat(context.Context) error {
	t := &l.s.local
	now := l.s.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live(l.name, now, l.life)
	t.alive[l.name] = now.Add(l.life)
	for name, w := range t.rates {
		if !w.ends.After(now) {
			delete(t.rates, name)
		}
	}
	return nil
}

// live makes sure that a replica is alive: one that comes too late has lost what it held.
func (t *localTruth) live(replica string, now time.Time, life time.Duration) {
	if t.alive == nil {
		t.alive, t.leases = map[string]time.Time{}, map[string]map[string]int64{}
	}
	for name, until := range t.alive {
		if until.After(now) {
			continue
		}
		delete(t.alive, name)
		for _, leases := range t.leases {
			delete(leases, name)
		}
	}
	if _, ok := t.alive[replica]; !ok {
		t.alive[replica] = now.Add(life)
	}
}

// held is what all living replicas hold of an account, and what one of them does. A debt counts as nothing.
func (t *localTruth) held(name, replica string, now time.Time) (all, own int64) {
	for r, amount := range t.leases[name] {
		if r == replica {
			own = amount
		}
		if r == replica || t.alive[r].After(now) {
			all = plus(all, max(amount, 0))
		}
	}
	return all, own
}

// takeOff takes an amount off a lease that is there.
func (t *localTruth) takeOff(name, replica string, amount int64) {
	if have, ok := t.leases[name][replica]; ok {
		t.leases[name][replica] = minus(have, amount)
	}
}

// booked takes what the ledger has booked off the leases.
func (t *localTruth) booked(leases map[lease]money.USD) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l, amount := range leases {
		t.takeOff(l.account, l.replica, int64(amount))
	}
}

// plus and minus stay within int64.
func plus(a, b int64) int64 {
	switch sum := a + b; {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	default:
		return sum
	}
}

func minus(a, b int64) int64 {
	if b == math.MinInt64 {
		return plus(plus(a, math.MaxInt64), 1)
	}
	return plus(a, -b)
}
