package app

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/store"
	"tollgate/internal/telemetry"
)

// standing is what is known of a budget.
type standing struct {
	spent, limit money.USD  // no limit: 0
	resetAt      *time.Time // nil = never
}

// stored is what the store says of those whose budgets are shown.
type stored struct {
	users, teams *int // nil = not known
	budgets      map[telemetry.Holder]standing
}

// holders remembers it, so that scrapes do not weigh on the store. The zero value is ready.
type holders struct {
	mu   sync.Mutex
	last stored    // guarded by mu, as is what follows
	at   time.Time // when the store was asked
	all  time.Time // when it was asked for everybody
	rest map[telemetry.Holder]standing
}

const (
	// holdersAge is how old the store's word may be, everybodyAge that of budgets nobody has used (LiteLLM's 5 minutes).
	holdersAge   = 15 * time.Second
	everybodyAge = 5 * time.Minute
	// scrapePatience bounds how long a scrape waits for the store.
	scrapePatience = 2 * time.Second
	// mostHolders bounds how many keys, and how many teams, are shown that have not called.
	mostHolders = 5000
)

// ask returns what the store says of those that were seen, and where everybody is wanted of all keys and teams with a budget.
// Without a store, or where it does not answer, it is what was said last.
func (h *holders) ask(s *store.Store, seen []telemetry.Holder, everybody bool) stored {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s == nil {
		return stored{budgets: none(seen)}
	}
	if time.Since(h.at) < holdersAge {
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	h.at = time.Now()
	next := stored{budgets: none(seen)}
	if everybody && time.Since(h.all) >= everybodyAge {
		h.all, h.rest = h.at, budgeted(ctx, s)
	}
	maps.Copy(next.budgets, h.rest)
	next.users, next.teams = count(ctx, s, account.Users), count(ctx, s, account.Teams)
	scopes := make([]account.Scope, 0, len(next.budgets))
	for holder := range next.budgets {
		scopes = append(scopes, holderScope(holder))
	}
	if counters, err := s.Spend(ctx, scopes...); err == nil {
		for holder, budget := range next.budgets {
			c := counters[holderScope(holder)]
			budget.spent, budget.resetAt = c.Spent, c.ResetAt
			next.budgets[holder] = budget
		}
	}
	h.last = next
	return next
}

// none are holders of whom nothing is known yet.
func none(seen []telemetry.Holder) map[telemetry.Holder]standing {
	all := make(map[telemetry.Holder]standing, len(seen))
	for _, holder := range seen {
		all[holder] = standing{}
	}
	return all
}

func count(ctx context.Context, s *store.Store, kind account.Kind) *int {
	n, err := s.Find(ctx, kind, account.Filter{Limit: 1}, func([]byte) error { return nil })
	if err != nil || n < 0 {
		return nil
	}
	return &n
}

// budgeted are the keys and teams with a budget of their own.
func budgeted(ctx context.Context, s *store.Store) map[telemetry.Holder]standing {
	all := map[telemetry.Holder]standing{}
	add := func(kind telemetry.HolderKind, id, alias string, budget account.Amount) {
		if budget.USD() > 0 {
			all[telemetry.Holder{Kind: kind, ID: id, Alias: alias}] = standing{limit: budget.USD()}
		}
	}
	first := account.Filter{Limit: mostHolders}
	_, _ = s.Find(ctx, account.Keys, first, func(doc []byte) error { // what cannot be read is not shown
		var k account.Key
		if err := json.Unmarshal(doc, &k); err != nil {
			return err
		}
		add(telemetry.HoldingKey, k.Token, k.KeyAlias, k.MaxBudget)
		return nil
	})
	_, _ = s.Find(ctx, account.Teams, first, func(doc []byte) error {
		var t account.Team
		if err := json.Unmarshal(doc, &t); err != nil {
			return err
		}
		add(telemetry.HoldingTeam, t.TeamID, t.TeamAlias, t.MaxBudget)
		return nil
	})
	return all
}
