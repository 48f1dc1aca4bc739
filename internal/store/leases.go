package store

import (
	"errors"
	"strings"
	"sync"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/quota"
)

// ledgerState is what the ledger half of a Store keeps in memory.
type ledgerState struct {
	partitions sync.Map   // months that have a partition, by the Unix time of their start
	dimsKnown  knownIDs   // rows of usage_dims that are there for ever
	local      localTruth // of SQLite
}

// forEver is how long the leases of a replica stand that need not say that it lives.
const forEver = 100 * 365 * 24 * time.Hour

// ErrAccount says that an account has a name that cannot be kept.
var ErrAccount = errors.New("store: an account has a name of at most 2000 bytes without zero characters, and one of money is named budget:SCOPE")

// longestAccount bounds the names of accounts, in bytes: they are keys of indexes.
const longestAccount = 2000

// keepable returns ErrAccount for an Ask whose account cannot be kept.
func keepable(q *quota.Ask) error {
	switch {
	case len(q.Account) > longestAccount || !storable(q.Account):
		return ErrAccount
	case q.Kind == quota.Money && !strings.HasPrefix(q.Account, "budget:"):
		return ErrAccount
	}
	return nil
}

// keepableOf are the asks that can be kept, and their places; those that cannot are answered with their error.
func keepableOf(asks []quota.Ask, grants []quota.Grant) (good []quota.Ask, places []int) {
	for i := range asks {
		if grants[i].Err = keepable(&asks[i]); grants[i].Err == nil {
			good, places = append(good, asks[i]), append(places, i)
		}
	}
	return good, places
}

// Truth is where the replica shares what is bounded: budgets, whose spend is the counters', rates and slots. ttl is how
// long the replica's leases outlive its last Beat; 0 = for ever. On PostgreSQL all processes share one truth, by the server's clock; on
// SQLite, which one process uses, it lies in memory.
func (s *Store) Truth(replica string, ttl time.Duration) quota.Truth {
	life := ttl
	if ttl == 0 {
		life = forEver
	}
	if s.pool == nil {
		return &localReplica{s: s, name: replica, ttl: ttl, life: life}
	}
	return &leaseTruth{s: s, replica: replica, ttl: ttl, life: life}
}

// budgetScope is the counter that a budget's account is counted on.
func budgetScope(name string) account.Scope {
	return account.Scope(strings.TrimPrefix(name, "budget:"))
}

// resetCandidates are two ends of the period under way, of which the first that is not past by the server's clock holds:
// the clock here may be behind.
func (s *Store) resetCandidates(period string) (first, second *time.Time) {
	if period == "" {
		return nil, nil
	}
	a := s.nextReset(period, s.now())
	b := s.nextReset(period, a)
	return &a, &b
}

// distinct cuts asks into runs without repetition of an account, since one statement must not change a row twice.
func distinct(asks []quota.Ask) [][]quota.Ask {
	var runs [][]quota.Ask
	seen := map[string]bool{}
	start := 0
	for i := range asks {
		if seen[asks[i].Account] {
			runs = append(runs, asks[start:i])
			start = i
			clear(seen)
		}
		seen[asks[i].Account] = true
	}
	return append(runs, asks[start:])
}
