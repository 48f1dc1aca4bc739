package store

import (
	"context"
	"math"
	"sync"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/quota"
)

// localTruth is the truth of a process that has the store for itself: leases and windows lie in memory and end with the
// process, what is spent is the counters'. Safe for concurrent use.
type localTruth struct {
	mu     sync.Mutex
	leases map[string]map[string]localLease // by account, then replica
	rates  map[string]*localWindow
	alive  map[string]time.Time // until when a replica's leases stand

	// booking is held while what a batch costs is committed and then taken off the leases. It is locked before mu.
	booking sync.RWMutex
}

type localLease struct {
	amount  int64
	changed time.Time
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

// Take implements quota.Truth.
func (l *localReplica) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	t := &l.s.local
	now := l.s.now()
	t.mu.Lock()
	t.live(l.name, now, l.life)
	t.mu.Unlock()
	grants := make([]quota.Grant, len(asks))
	for i := range asks {
		q := &asks[i]
		if grants[i].Err = keepable(q); grants[i].Err != nil {
			continue
		}
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

// takeLease grants what there is. The ledger books a cost before it takes it off the lease, so between the two a dollar is
// counted twice, never missed; nothing is refused for that.
func (l *localReplica) takeLease(ctx context.Context, q *quota.Ask, now time.Time) (quota.Grant, error) {
	g, stale, err := l.tryLease(ctx, q, now, false)
	if err == nil && stale {
		if err = l.s.renewCounter(ctx, q); err == nil {
			g, _, err = l.tryLease(ctx, q, now, true)
		}
	}
	if err != nil || g.Amount > 0 || q.Need <= 0 || q.Kind != quota.Money {
		return g, err
	}
	l.s.local.booking.RLock()
	defer l.s.local.booking.RUnlock() // nothing may be written meanwhile: a writer may wait for it
	g, _, err = l.tryLease(ctx, q, now, true)
	return g, err
}

// tryLease grants what is free by what it finds. A counter that has to be written before it is counted on is stale: then
// nothing is granted, or what there will be once it is written.
func (l *localReplica) tryLease(ctx context.Context, q *quota.Ask, now time.Time, staleToo bool) (g quota.Grant, stale bool, err error) {
	t := &l.s.local
	t.mu.Lock()
	defer t.mu.Unlock() // also while the counter is read: two Takes must not see the same room
	held, own := t.held(q.Account, l.name, now)
	if q.Kind == quota.Money {
		p, err := l.s.placeOf(ctx, l.s.read(), q)
		if err != nil {
			return g, false, err
		}
		if p.stale(q, now) {
			if !staleToo {
				return g, true, nil
			}
			p.counter = l.s.renewed(p.counter, q, now)
		}
		g.Used = int64(p.counter.Spent)
		if at := p.counter.ResetAt; at != nil {
			g.ResetAt = *at
		}
		for _, account := range p.others {
			more, _ := t.held(account, l.name, now)
			held = plus(held, more)
		}
	}
	room := minus(minus(q.Cap, g.Used), held) + max(-own, 0)
	need := max(q.Need, 0)
	if need <= room {
		g.Amount = min(max(q.Want, need), room)
	}
	if g.Amount > 0 {
		t.change(q.Account, l.name, now, own+g.Amount)
	}
	g.Own = own + g.Amount
	g.Leased = held - max(own, 0) + max(g.Own, 0)
	return g, false, nil
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
				t.change(g.Account, l.name, now, max(0, have.amount-g.Amount))
			}
		case quota.Money:
			t.takeOff(g.Account, l.name, now, g.Amount)
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
	t.forgetEmpty(now)
	return nil
}

// forgetEmpty removes leases that have been empty for long.
func (t *localTruth) forgetEmpty(now time.Time) {
	for name, leases := range t.leases {
		for replica, l := range leases {
			if l.amount == 0 && now.Sub(l.changed) > emptyAfter {
				delete(leases, replica)
			}
		}
		if len(leases) == 0 {
			delete(t.leases, name)
		}
	}
}

// live makes sure that a replica is alive: one that comes too late has lost what it held.
func (t *localTruth) live(replica string, now time.Time, life time.Duration) {
	if t.alive == nil {
		t.alive, t.leases = map[string]time.Time{}, map[string]map[string]localLease{}
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
	for r, l := range t.leases[name] {
		if r == replica {
			own = l.amount
		}
		if r == replica || t.alive[r].After(now) {
			all = plus(all, max(l.amount, 0))
		}
	}
	return all, own
}

// change writes a lease.
func (t *localTruth) change(name, replica string, now time.Time, amount int64) {
	if t.leases[name] == nil {
		t.leases[name] = map[string]localLease{}
	}
	t.leases[name][replica] = localLease{amount, now}
}

// takeOff takes an amount off a lease that is there.
func (t *localTruth) takeOff(name, replica string, now time.Time, amount int64) {
	if have, ok := t.leases[name][replica]; ok {
		t.change(name, replica, now, minus(have.amount, amount))
	}
}

// book commits what calls cost, and takes it off the leases.
func (t *localTruth) book(commit func() error, leases map[lease]money.USD, now time.Time) error {
	t.booking.Lock()
	defer t.booking.Unlock()
	if err := commit(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for l, amount := range leases {
		t.takeOff(l.account, l.replica, now, int64(amount))
	}
	return nil
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
