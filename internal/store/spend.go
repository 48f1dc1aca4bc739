package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/money"
)

// Spend implements account.Reader. A counter whose period has ended reads as started anew, whether or not its reset has
// been written yet.
func (s *Store) Spend(ctx context.Context, scopes ...account.Scope) (map[account.Scope]account.Counter, error) {
	return s.spend(ctx, s.read(), scopes)
}

// Spend implements account.Reader.
func (tx *objectTx) Spend(ctx context.Context, scopes ...account.Scope) (map[account.Scope]account.Counter, error) {
	return tx.s.spend(ctx, tx.runner, scopes)
}

func (s *Store) spend(ctx context.Context, r runner, scopes []account.Scope) (map[account.Scope]account.Counter, error) {
	found := make(map[account.Scope]account.Counter, len(scopes))
	names := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if storable(string(scope)) {
			names = append(names, string(scope))
		}
	}
	const most = 10_000 // of one statement
	for part := range slices.Chunk(names, most) {
		err := r.rows(ctx, `SELECT scope, spent, total, duration, reset_at, `+s.dialect.clock(`$2`)+` FROM counters WHERE `+s.dialect.anyOf(`scope`, `$1`),
			[]any{s.dialect.list(part), s.clock()}, func(scan func(...any) error) error {
				var scope account.Scope
				var c account.Counter
				var now time.Time
				err := scan(&scope, scanUSD{&c.Spent}, scanUSD{&c.Total}, &c.Duration, scanTimePtr{&c.ResetAt}, scanTime{&now})
				found[scope] = s.current(c, now)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// current is the counter as it stands now: begun anew when its period has ended.
func (s *Store) current(c account.Counter, now time.Time) account.Counter {
	if c.ResetAt != nil && !c.ResetAt.After(now) {
		c.Spent, c.ResetAt = 0, s.resetAfter(c.Duration, now)
	}
	return c
}

// SetSpent implements account.Tx.
func (tx *objectTx) SetSpent(ctx context.Context, scope account.Scope, spent money.USD) error {
	if !storable(string(scope)) {
		return ErrText
	}
	found, err := tx.Spend(ctx, scope)
	if err != nil {
		return err
	}
	// The end of the period is written as well: what is set belongs to the period under way, and a reset that is due
	// must not take it back.
	_, err = tx.exec(ctx, `INSERT INTO counters (scope, spent, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (scope) DO UPDATE SET spent = excluded.spent, reset_at = $4, updated_at = excluded.updated_at`,
		string(scope), tx.s.dialect.money(spent), tx.s.now().UTC(), orNull(found[scope].ResetAt))
	if err == nil {
		tx.note("", string(scope))
	}
	return err
}

// SetPeriod implements account.Tx.
func (tx *objectTx) SetPeriod(ctx context.Context, scope account.Scope, duration string, resetAt *time.Time) error {
	if !storable(string(scope)) || !storable(duration) {
		return ErrText
	}
	now, err := tx.s.nowOf(ctx, tx.runner)
	if err != nil {
		return err
	}
	if span, err := budget.ParseDuration(duration); err == nil && span.None() {
		duration, resetAt = "", nil
	} else if resetAt == nil {
		next, err := budget.Next(duration, now, tx.s.opts.Location)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		resetAt = &next
	}
	// An amount whose period has ended belongs to it, not to the new one.
	_, err = tx.exec(ctx, `INSERT INTO counters (scope, duration, reset_at, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (scope) DO UPDATE SET duration = excluded.duration, reset_at = excluded.reset_at, updated_at = excluded.updated_at,
			spent = CASE WHEN counters.reset_at <= excluded.updated_at THEN 0 ELSE counters.spent END`,
		string(scope), duration, orNull(resetAt), now)
	if err == nil {
		tx.note("", string(scope))
	}
	return err
}

// family is the condition that scope is $1, or one of its windows or models. The ranges are those of the texts that begin
// with $1 and a separator; inside of names both are escaped.
const family = `(scope = CAST($1 AS text) OR (scope > CAST($1 AS text) || '#' AND scope < CAST($1 AS text) || '$')
	OR (scope > CAST($1 AS text) || '@' AND scope < CAST($1 AS text) || 'A'))`

// DropCounter implements account.Tx.
func (tx *objectTx) DropCounter(ctx context.Context, scope account.Scope) error {
	if !storable(string(scope)) {
		return nil
	}
	if err := tx.settle(ctx, scope); err != nil {
		return err
	}
	return tx.forget(ctx, scope, "dropped")
}

// forget removes the counters of a scope. What its calls have cost stays in the usage, so the ledger is told why the two
// differ, should the scope be charged again.
func (tx *objectTx) forget(ctx context.Context, scope account.Scope, reason string) error {
	_, err := tx.exec(ctx, `INSERT INTO counter_corrections (scope, amount, reason, at)
		SELECT scope, -total, $2, $3 FROM counters WHERE total <> 0 AND `+family, string(scope), reason, tx.s.now().UTC())
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `DELETE FROM counters WHERE `+family, string(scope))
	if err == nil {
		tx.note("", string(scope))
	}
	return err
}
