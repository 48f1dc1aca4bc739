package quota

import (
	"context"
	"math"
	"sync"
	"time"
)

// MemoryOptions of a Memory.
type MemoryOptions struct {
	TTL time.Duration    // of leases after the last Beat; 0 = for ever
	Now func() time.Time // nil = time.Now
	// Next is when a period under way at from ends. nil = Money accounts never start anew.
	Next func(period string, from time.Time) time.Time
}

// Memory is a truth within one process: the only one where nothing is shared, and the one that tests divide among
// replicas. Accounts of Rate and Slots leave it when they are idle; Money stays, since nothing else knows what was spent.
type Memory struct {
	ttl  time.Duration
	now  func() time.Time
	next func(period string, from time.Time) time.Time

	mu       sync.Mutex
	accounts map[string]*total
	replicas map[string]time.Time // when their leases are free again
	sweepAt  int                  // the number of accounts at which idle ones are removed
}

// total is the truth about one account.
type total struct {
	kind    Kind
	used    int64
	resetAt time.Time
	leases  map[string]int64 // by replica
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	m := &Memory{ttl: o.TTL, now: o.Now, next: o.Next, accounts: make(map[string]*total), replicas: make(map[string]time.Time), sweepAt: 1024}
	if m.now == nil {
		m.now = time.Now
	}
	return m
}

// Replica is the truth as one replica has it.
func (m *Memory) Replica(id string) Truth { return &memoryReplica{memory: m, id: id} }

// Spend books a cost of a replica's call, as the ledger does where there is one.
func (m *Memory) Spend(replica, account string, cost int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.total(account, Money)
	t.used += cost
	if m.ttl == 0 || m.replicas[replica].After(m.now()) {
		t.add(replica, -cost)
	}
}

// add changes a replica's lease.
func (t *total) add(replica string, amount int64) {
	if t.leases == nil {
		t.leases = make(map[string]int64)
	}
	if t.leases[replica] += amount; t.leases[replica] == 0 {
		delete(t.leases, replica)
	}
}

// Used is what was spent of an account, or taken in its window.
func (m *Memory) Used(account string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.accounts[account]; t != nil {
		return t.used
	}
	return 0
}

// SetUsed sets what was spent of an account by hand.
func (m *Memory) SetUsed(account string, used int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total(account, Money).used = used
}

// Accounts is how many accounts are in memory.
func (m *Memory) Accounts() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.accounts)
}

// total finds or makes an account.
func (m *Memory) total(account string, kind Kind) *total {
	t := m.accounts[account]
	if t == nil {
		if len(m.accounts) >= m.sweepAt {
			m.sweep()
		}
		t = &total{kind: kind}
		m.accounts[account] = t
	}
	return t
}

// sweep removes accounts that say nothing any more.
func (m *Memory) sweep() {
	now := m.now()
	for name, t := range m.accounts {
		if t.kind == Rate && !t.resetAt.After(now) || t.kind == Slots && len(t.leases) == 0 {
			delete(m.accounts, name)
		}
	}
	m.sweepAt = max(1024, 2*len(m.accounts))
}

// roll ends a window or period that is over, and opens the next.
func (m *Memory) roll(t *total, q *Ask, now time.Time) {
	switch {
	case t.kind == Rate:
		if !t.resetAt.After(now) {
			t.used, t.resetAt = 0, now.Add(q.Window)
		}
	case t.kind == Slots || q.Period == "" || m.next == nil:
	case t.resetAt.IsZero():
		if t.resetAt = q.ResetAt; !t.resetAt.After(now) {
			t.resetAt = m.next(q.Period, now)
		}
	case !t.resetAt.After(now):
		t.used, t.resetAt = 0, m.next(q.Period, now)
	}
}

// leased sums the leases that stand, without the one of a replica, and forgets the others.
func (m *Memory) leased(t *total, except string, now time.Time) int64 {
	sum := int64(0)
	for id, amount := range t.leases {
		switch {
		case id == except:
		case m.ttl > 0 && !m.replicas[id].After(now):
			delete(t.leases, id)
		default:
			sum += max(0, amount)
		}
	}
	return sum
}

func (m *Memory) take(id string, q *Ask) Grant {
	now := m.now()
	t := m.total(q.Account, q.Kind)
	m.roll(t, q, now)
	others, own := m.leased(t, id, now), t.leases[id]
	room := q.Cap - t.used - others
	if own > 0 || room > math.MinInt64-own && room < math.MaxInt64+own {
		room -= own
	}
	g := Grant{ResetAt: t.resetAt}
	if room >= q.Need {
		g.Amount = min(room, q.Want)
	}
	if q.Kind == Rate {
		t.used += g.Amount
	} else {
		own += g.Amount
		t.add(id, g.Amount)
	}
	g.Used, g.Leased, g.Own = t.used, others+max(0, own), own
	return g
}

func (m *Memory) give(id string, g *Give) {
	t := m.accounts[g.Account]
	if t == nil {
		return
	}
	if g.Kind == Rate {
		if t.resetAt.Equal(g.ResetAt) {
			t.used = max(0, t.used-g.Amount)
		}
		return
	}
	if m.ttl == 0 || m.replicas[id].After(m.now()) {
		t.add(id, -g.Amount)
	}
}

// memoryReplica is a Memory bound to a replica.
type memoryReplica struct {
	memory *Memory
	id     string
}

// Take grants what there is.
func (r *memoryReplica) Take(_ context.Context, asks []Ask) ([]Grant, error) {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	grants := make([]Grant, len(asks))
	for i := range asks {
		grants[i] = r.memory.take(r.id, &asks[i])
	}
	return grants, nil
}

// Give takes back.
func (r *memoryReplica) Give(_ context.Context, gives []Give) error {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	for i := range gives {
		r.memory.give(r.id, &gives[i])
	}
	return nil
}

// Beat lets the replica live on. One that comes back after its time has lost its leases.
func (r *memoryReplica) Beat(context.Context) error {
	m := r.memory
	if m.ttl == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !m.replicas[r.id].After(now) {
		for _, t := range m.accounts {
			delete(t.leases, r.id)
		}
	}
	m.replicas[r.id] = now.Add(m.ttl)
	for id, until := range m.replicas {
		if now.Sub(until) > m.ttl {
			delete(m.replicas, id)
		}
	}
	return nil
}

// TTL is how long leases outlive the last Beat.
func (r *memoryReplica) TTL() time.Duration { return r.memory.ttl }

var _ Truth = (*memoryReplica)(nil)
