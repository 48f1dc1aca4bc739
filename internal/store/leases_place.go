package store

import (
	"context"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/quota"
)

// place is where a budget is counted.
type place struct {
	scope   account.Scope // the counter, where it is now
	counter account.Counter
	found   bool     // the counter is there
	others  []string // accounts besides the one asked for whose leases count against the same budget
}

// placeOf finds where a budget is counted, in one statement: a counter that moves is seen where it was or where it is.
func (s *Store) placeOf(ctx context.Context, r runner, q *quota.Ask) (place, error) {
	asked := budgetScope(q.Account)
	name := nameOf(asked)
	rest := string(asked[len(name):])
	p := place{scope: asked}
	// All names that have become one with the name, and that one itself.
	err := r.rows(ctx, `WITH one (name) AS (SELECT coalesce((SELECT to_scope FROM counter_moves WHERE from_scope = $1), $1)),
			same (name, in_force) AS (SELECT name, 1 FROM one UNION ALL SELECT from_scope, 0 FROM one JOIN counter_moves ON to_scope = name)
		SELECT s.name, s.in_force, c.scope IS NOT NULL, coalesce(c.spent, 0), coalesce(c.total, 0), coalesce(c.duration, ''), c.reset_at
		FROM same s LEFT JOIN counters c ON s.in_force AND c.scope = s.name || $2`, []any{name, rest},
		func(scan func(...any) error) error {
			var same string
			var inForce, found bool
			var counter account.Counter
			err := scan(&same, &inForce, &found, scanUSD{&counter.Spent}, scanUSD{&counter.Total}, &counter.Duration, scanTimePtr{&counter.ResetAt})
			if inForce {
				p.scope, p.found, p.counter = account.Scope(same+rest), found, counter
			}
			if same != name {
				p.others = append(p.others, budgetAccount(account.Scope(same+rest)))
			}
			return err
		})
	return p, err
}

// renewCounter begins the counter of a budget anew, and gives it the budget's period, where that is due.
func (s *Store) renewCounter(ctx context.Context, q *quota.Ask) error {
	now := s.now()
	p, err := s.placeOf(ctx, s.read(), q)
	if err != nil || !p.stale(q, now) {
		return err
	}
	return s.write(ctx, func(tx *sqlTx) error {
		p, err := s.placeOf(ctx, tx.runner, q)
		if err != nil || !p.stale(q, now) {
			return err
		}
		c := s.renewed(p.counter, q, now)
		_, err = tx.exec(ctx, `INSERT INTO counters (scope, spent, duration, reset_at, updated_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (scope) DO UPDATE SET spent = excluded.spent, duration = excluded.duration, reset_at = excluded.reset_at,
				updated_at = excluded.updated_at`,
			string(p.scope), s.dialect.money(c.Spent), c.Duration, orNull(c.ResetAt), now.UTC())
		return err
	})
}

// stale reports whether a counter has to be written before its budget is counted on it.
func (p *place) stale(q *quota.Ask, now time.Time) bool {
	c := &p.counter
	return (p.found || q.Period != "") &&
		(c.Duration != q.Period || (q.Period != "" && c.ResetAt == nil) || (c.ResetAt != nil && !c.ResetAt.After(now)))
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
