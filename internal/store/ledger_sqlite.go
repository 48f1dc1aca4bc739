package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/account"
)

// bookSQLite books entries in one transaction, each with its own insert, which tells whether the call is new: the file
// has one writer, and a prepared statement is the fastest way into it.
func (s *Store) bookSQLite(ctx context.Context, entries []entry) (booked int, err error) {
	var made []string
	err = s.write(ctx, func(tx *sqlTx) error {
		fresh, err := tx.insertRows(ctx, entries)
		if err != nil {
			return err
		}
		booked = len(fresh)
		if err := tx.followMoves(ctx, fresh); err != nil {
			return err
		}
		t, err := tallyOf(fresh)
		if err != nil {
			return fmt.Errorf("store: the batch cannot be added up: %w", err)
		}
		tx.seal = func(commit func() error) error { return s.local.book(commit, t.leases, s.now()) }
		made, err = tx.addUp(ctx, t)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.dimsKnown.add(made)
	return booked, nil
}

// followMoves has the entries charge the counters where they are now.
func (tx *sqlTx) followMoves(ctx context.Context, entries []entry) error {
	gone := moved{}
	err := tx.rows(ctx, tx.s.movesOf(), []any{tx.s.dialect.list(namesOf(entries))}, func(scan func(...any) error) error {
		var from, to string
		err := scan(&from, &to)
		gone[from] = to
		return err
	})
	gone.follow(entries)
	return err
}

// insertRows returns the entries that were new.
func (tx *sqlTx) insertRows(ctx context.Context, entries []entry) ([]entry, error) {
	places := make([]string, len(rowColumns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	// The reply's id, or that with the call's id where a row has it.
	places[1] = `CASE WHEN $2 = $1 OR NOT EXISTS (SELECT 1 FROM spend_logs WHERE request_id = $2) THEN $2 ELSE $2 || '_' || $1 END`
	text := `INSERT INTO spend_logs (` + rowList() + `) VALUES (` + strings.Join(places, ", ") + `) ON CONFLICT DO NOTHING`
	fresh := make([]entry, 0, len(entries))
	err := tx.each(ctx, text, len(entries), func(i int) []any {
		return rowValues(&entries[i].row, int64(entries[i].row.Spend))
	}, func(i int, changed int64) {
		if changed > 0 {
			fresh = append(fresh, entries[i])
		}
	})
	return fresh, err
}

// each runs one statement n times.
func (tx *sqlTx) each(ctx context.Context, text string, n int, args func(int) []any, done func(i int, changed int64)) error {
	if n == 0 {
		return nil
	}
	var stmt *sql.Stmt
	stmt, err := tx.conn.PrepareContext(ctx, text)
	if err != nil {
		return tx.s.fail(ctx, err)
	}
	defer stmt.Close()
	for i := range n {
		tx.watch.touch()
		res, err := stmt.ExecContext(ctx, args(i)...)
		if err != nil {
			return tx.s.fail(ctx, err)
		}
		if done != nil {
			changed, err := res.RowsAffected()
			if err != nil {
				return tx.s.fail(ctx, err)
			}
			done(i, changed)
		}
	}
	return nil
}

// addUp writes the sums. made are the dims that are there for ever once they are committed.
func (tx *sqlTx) addUp(ctx context.Context, t *tally) (made []string, err error) {
	var all []dims
	for d, id := range t.dims {
		// Only those of a customer can go, when it is erased: they are written each time.
		if d.endUser != "" || !tx.s.dimsKnown.has(id) {
			all = append(all, d)
		}
		if d.endUser == "" {
			made = append(made, id)
		}
	}
	err = tx.each(ctx, `INSERT INTO usage_dims (id, charges, api_key, user_id, team_id, organization_id, end_user, model, model_id, model_group,
		custom_llm_provider, endpoint, tag) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		len(all), func(i int) []any {
			args := []any{t.dims[all[i]], all[i].chargesJSON()}
			for _, text := range all[i].columns() {
				args = append(args, text)
			}
			return args
		}, nil)
	if err == nil {
		var more []string
		more, err = tx.addAliases(ctx, t)
		made = append(made, more...)
	}
	for i, table := range factTables {
		if err == nil {
			err = tx.addFacts(ctx, table, t.facts[i])
		}
	}
	if err == nil {
		err = tx.addCounters(ctx, t)
	}
	return made, err
}

func (tx *sqlTx) addFacts(ctx context.Context, table string, facts map[fact]sums) error {
	keys := sortedFacts(facts)
	return tx.each(ctx, `INSERT INTO `+table+` (dim, slot, spend, prompt, completion, cache_read, cache_creation, successful, failed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (dim, slot) DO UPDATE SET spend = min(spend + excluded.spend, 9223372036854775807), prompt = prompt + excluded.prompt,
			completion = completion + excluded.completion, cache_read = cache_read + excluded.cache_read,
			cache_creation = cache_creation + excluded.cache_creation, successful = successful + excluded.successful,
			failed = failed + excluded.failed`,
		len(keys), func(i int) []any {
			k, v := keys[i], facts[keys[i]]
			return []any{k.dim, k.slot, int64(v.spend), v.prompt, v.completion, v.cacheRead, v.cacheCreation, v.successful, v.failed}
		}, nil)
}

// addCounters adds to the counters, and begins those anew whose period is over.
func (tx *sqlTx) addCounters(ctx context.Context, t *tally) error {
	now := tx.s.now().UTC()
	var scopes []string
	next := map[account.Scope]any{}
	for scope := range t.counters {
		scopes = append(scopes, string(scope))
	}
	slices.Sort(scopes)
	err := tx.rows(ctx, `SELECT scope, duration FROM counters WHERE reset_at <= $1 AND `+tx.s.dialect.anyOf(`scope`, `$2`),
		[]any{now, tx.s.dialect.list(scopes)}, func(scan func(...any) error) error {
			var scope account.Scope
			var duration string
			if err := scan(&scope, &duration); err != nil {
				return err
			}
			next[scope] = orNull(tx.s.resetAfter(duration, now))
			return nil
		})
	if err != nil {
		return err
	}
	return tx.each(ctx, `INSERT INTO counters (scope, spent, total, updated_at) VALUES ($1, $2, $2, $3)
		ON CONFLICT (scope) DO UPDATE SET total = min(total + excluded.total, 9223372036854775807), updated_at = excluded.updated_at,
			spent = CASE WHEN $4 THEN excluded.spent ELSE min(spent + excluded.spent, 9223372036854775807) END,
			reset_at = CASE WHEN $4 THEN $5 ELSE reset_at END`,
		len(scopes), func(i int) []any {
			scope := account.Scope(scopes[i])
			at, due := next[scope]
			return []any{scopes[i], int64(t.counters[scope]), now, due, at}
		}, nil)
}
