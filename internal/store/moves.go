package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
)

// A key that gets another value gets another name, and its counters move to it, while calls are under way that were
// admitted under the old one. So a move leaves word of where they have gone, and whoever books a call, or takes a part of
// a budget under the old name, goes on there. Leases stay in the accounts that they were taken from; what is free of a
// budget is counted over all accounts whose counters are one.

// movesKept is how long word of a move is kept. It is longer than a call may take, or a spool be kept from the store.
const movesKept = 90 * 24 * time.Hour

// movesLock is the key of the advisory lock that keeps counters from moving while calls are booked: a writer that had
// looked before the move would make the counter anew that has gone.
const movesLock = 7_026_513_890_412_005

// errMove says that a counter was to move that is no key's.
var errMove = errors.New("store: only the counters of keys move")

// movable splits the scope of a key into the name that moves, and its window or model. The scopes of others stay where
// they are.
func movable(scope account.Scope) (name, rest string, ok bool) {
	if !strings.HasPrefix(string(scope), "key:") {
		return "", "", false
	}
	name = nameOf(scope)
	return name, string(scope)[len(name):], true
}

// nameOf is a scope without window and model.
func nameOf(scope account.Scope) string {
	if end := strings.IndexAny(string(scope), "@#"); end >= 0 {
		return string(scope[:end])
	}
	return string(scope)
}

// movesOf is the query for where names have gone.
func (s *Store) movesOf() string {
	return `SELECT from_scope, to_scope FROM counter_moves WHERE ` + s.dialect.anyOf(`from_scope`, `$1`)
}

// moved is where names have gone.
type moved map[string]string

// of is the scope that is counted on in place of another.
func (m moved) of(scope account.Scope) account.Scope {
	if name, rest, ok := movable(scope); ok {
		if to, gone := m[name]; gone {
			return account.Scope(to + rest)
		}
	}
	return scope
}

// follow has entries charge what is counted on in place of what they were admitted under.
func (m moved) follow(entries []entry) {
	for i := range entries {
		e := &entries[i]
		e.charges = e.held
		if len(m) == 0 {
			continue
		}
		e.charges = slices.Clone(e.held)
		for j, scope := range e.charges {
			e.charges[j] = m.of(scope)
		}
		slices.Sort(e.charges)
		e.charges = slices.Compact(e.charges)
	}
}

// namesOf are the names that entries charge and that may have moved.
func namesOf(entries []entry) []string {
	all := map[string]bool{}
	var names []string
	for i := range entries {
		for _, scope := range entries[i].held {
			if name, _, ok := movable(scope); ok && !all[name] {
				all[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// MoveCounter implements account.Tx. Where the new name has counters already, they are added up.
func (tx *objectTx) MoveCounter(ctx context.Context, from, to account.Scope) error {
	if !storable(string(to)) {
		return ErrText
	}
	if from == to || !storable(string(from)) {
		return nil
	}
	for _, scope := range [...]account.Scope{from, to} {
		if name, rest, ok := movable(scope); !ok || rest != "" || name == "key:" {
			return errMove
		}
	}
	if err := tx.holdCounters(ctx, from, to); err != nil {
		return err
	}
	if err := tx.leaveWord(ctx, from, to); err != nil {
		return err
	}
	const renamed = `CAST($2 AS text) || substr(scope, length(CAST($1 AS text)) + 1)`
	_, err := tx.exec(ctx, `INSERT INTO counters (scope, spent, total, duration, reset_at, updated_at)
		SELECT `+renamed+`, spent, total, duration, reset_at, updated_at FROM counters WHERE `+family+`
		ON CONFLICT (scope) DO UPDATE SET spent = counters.spent + excluded.spent, total = counters.total + excluded.total,
			duration = excluded.duration, reset_at = excluded.reset_at, updated_at = excluded.updated_at`,
		string(from), string(to))
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO counter_corrections (scope, amount, reason, at)
		SELECT `+renamed+`, total, 'moved here', $3 FROM counters WHERE total <> 0 AND `+family,
		string(from), string(to), tx.s.now().UTC())
	if err != nil {
		return err
	}
	tx.note("", string(to))
	return tx.forget(ctx, from, "moved away")
}

// holdCounters keeps calls from being booked, and the two budgets from being taken from, until tx ends. SQLite has one
// writer as it is, and takes that look before or after the move both see what the other has taken.
func (tx *objectTx) holdCounters(ctx context.Context, from, to account.Scope) error {
	if tx.s.pool == nil {
		return nil
	}
	if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(movesLock)); err != nil {
		return err
	}
	_, err := tx.exec(ctx, lockAccounts, []string{string(from), string(to)})
	return err
}

// leaveWord writes where the counters of from go.
func (tx *objectTx) leaveWord(ctx context.Context, from, to account.Scope) error {
	now, err := tx.s.nowOf(ctx, tx.runner)
	if err != nil {
		return err
	}
	if err := tx.settle(ctx, to); err != nil {
		return err
	}
	for _, step := range [...]struct {
		text string
		args []any
	}{
		{`DELETE FROM counter_moves WHERE at < $1`, []any{now.Add(-movesKept)}},
		{`UPDATE counter_moves SET to_scope = $2 WHERE to_scope = $1`, []any{string(from), string(to)}},
		{`INSERT INTO counter_moves (from_scope, to_scope, at) VALUES ($1, $2, $3)
			ON CONFLICT (from_scope) DO UPDATE SET to_scope = excluded.to_scope, at = excluded.at`, []any{string(from), string(to), now}},
	} {
		if _, err := tx.exec(ctx, step.text, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// settle has a name stand for itself: a key has it now, or none shall.
func (tx *objectTx) settle(ctx context.Context, scope account.Scope) error {
	_, err := tx.exec(ctx, `DELETE FROM counter_moves WHERE from_scope = $1`, string(scope))
	return err
}
