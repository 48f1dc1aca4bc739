package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// Verify implements ledger.Maintenance. Everything is read as of one moment, while calls go on. Three things must hold:
//
//   - Rows and usage: on every day since which rows are kept, the calls and the money of each key are the same in both.
//   - Usage by the quarter of an hour and by the day, of keys and of models, have the same money, day by day; so have those
//     of customers and of tags.
//   - Usage and counters: the total of a counter is the usage whose calls were charged to it and its corrections (what was
//     moved, dropped or imported). Usage is never pruned, so this holds however old the calls are. A counter that was
//     dropped is not looked for.
func (s *Store) Verify(ctx context.Context, progress func(done, all int64)) ([]ledger.Finding, error) {
	tx, err := s.reads.BeginTx(ctx, &sql.TxOptions{Isolation: s.snapshot(), ReadOnly: true})
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	v := &verification{s: s, r: runner{s: s, on: tx, limit: reportTimeout}}
	if err := v.rows(ctx, progress); err != nil {
		return nil, err
	}
	for _, step := range [...]func(context.Context) error{v.days, v.counters} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return v.findings, nil
}

// snapshot is the isolation in which a transaction sees one moment. SQLite's always do.
func (s *Store) snapshot() sql.IsolationLevel {
	if s.pool == nil {
		return sql.LevelDefault
	}
	return sql.LevelRepeatableRead
}

type verification struct {
	s        *Store
	r        runner
	findings []ledger.Finding
}

func (v *verification) found(scope account.Scope, got, expected money.USD, what string, args ...any) {
	v.findings = append(v.findings, ledger.Finding{Scope: scope, What: fmt.Sprintf(what, args...), Got: got, Expected: expected})
}

// keySums are the calls and the money of each key.
type keySums map[string]keySum

type keySum struct {
	calls int64
	spend money.USD
}

// rows compares rows and usage, day by day (UTC).
func (v *verification) rows(ctx context.Context, progress func(done, all int64)) error {
	from, err := v.s.prunedBefore(ctx, v.r)
	if err != nil {
		return err
	}
	first, end, err := v.span(ctx, from)
	if err != nil {
		return err
	}
	for day := first; day < end; day++ {
		lo, hi := time.Unix(day*24*60*60, 0).UTC(), time.Unix((day+1)*24*60*60, 0).UTC()
		if from.After(lo) {
			lo = from
		}
		rows, err := v.sums(ctx, `SELECT api_key, count(*), sum(spend) FROM spend_logs WHERE start_time >= $1 AND start_time < $2 GROUP BY api_key`, lo, hi)
		if err != nil {
			return err
		}
		usage, err := v.sums(ctx, `SELECT d.api_key, CAST(sum(u.successful + u.failed) AS bigint), sum(u.spend) FROM usage u JOIN usage_dims d ON d.id = u.dim
			WHERE u.slot >= CAST($1 AS integer) AND u.slot < CAST($2 AS integer) GROUP BY d.api_key`,
			floorDiv(lo.Unix(), secondsPerSlot), floorDiv(hi.Unix(), secondsPerSlot))
		if err != nil {
			return err
		}
		v.compare(lo.Format(time.DateOnly), rows, usage)
		if progress != nil {
			progress(day-first+1, end-first)
		}
	}
	return nil
}

// span are the days that have rows or usage, from a time on.
func (v *verification) span(ctx context.Context, from time.Time) (first, end int64, err error) {
	var oldest, newest time.Time
	if err := v.r.row(ctx, `SELECT min(start_time), max(start_time) FROM spend_logs`, nil, scanTime{&oldest}, scanTime{&newest}); err != nil {
		return 0, 0, err
	}
	var firstDay, lastDay sql.NullInt64
	if err := v.r.row(ctx, `SELECT min(slot), max(slot) FROM usage_days`, nil, &firstDay, &lastDay); err != nil {
		return 0, 0, err
	}
	days := make([]int64, 0, 4)
	if !oldest.IsZero() {
		days = append(days, floorDiv(oldest.Unix(), 24*60*60), floorDiv(newest.Unix(), 24*60*60))
	}
	if firstDay.Valid {
		days = append(days, firstDay.Int64, lastDay.Int64)
	}
	if len(days) == 0 {
		return 0, 0, nil
	}
	first, end = slices.Min(days), slices.Max(days)+1
	if !from.IsZero() {
		first = max(first, floorDiv(from.Unix(), 24*60*60))
	}
	return first, end, nil
}

func (v *verification) sums(ctx context.Context, text string, args ...any) (keySums, error) {
	sums := keySums{}
	err := v.r.rows(ctx, text, args, func(scan func(...any) error) error {
		var key string
		var sum keySum
		err := scan(&key, &sum.calls, scanUSD{&sum.spend})
		sums[key] = sum
		return err
	})
	return sums, err
}

func (v *verification) compare(day string, rows, usage keySums) {
	keys := maps.Clone(rows)
	maps.Copy(keys, usage)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		r, u := rows[key], usage[key]
		if r != u {
			v.found(account.KeyScope(key), u.spend, r.spend, "%s: usage has %d calls and its money, the rows are %d", day, u.calls, r.calls)
		}
	}
}

// days compares the tables of usage that must have the same sums.
func (v *verification) days(ctx context.Context) error {
	for i := 0; i < len(factTables); i += 2 {
		// Slots before 1970 do not come up: division rounds the same way on both engines above zero.
		if err := v.sameDays(ctx, factTables[i], fmt.Sprintf("slot / %d", slotsPerDay), factTables[i+1]); err != nil {
			return err
		}
	}
	return v.sameDays(ctx, factTables[usageOfKeys+1], "slot", factTables[usageOfModels+1])
}

// sameDays compares a table, whose days are an expression, with a table of days.
func (v *verification) sameDays(ctx context.Context, table, day, days string) error {
	return v.r.rows(ctx, `SELECT day, sum(a), sum(b) FROM (
			SELECT `+day+` AS day, sum(spend) AS a, 0 AS b FROM `+table+` GROUP BY `+day+`
			UNION ALL SELECT slot, 0, sum(spend) FROM `+days+` GROUP BY slot) AS x
		GROUP BY day HAVING sum(a) <> sum(b) ORDER BY day`, nil, func(scan func(...any) error) error {
		var day int64
		var got, expected money.USD
		if err := scan(&day, scanUSD{&expected}, scanUSD{&got}); err != nil {
			return err
		}
		v.found("", got, expected, "%s: %s differs from %s", time.Unix(day*24*60*60, 0).UTC().Format(time.DateOnly), days, table)
		return nil
	})
}

// counters compares the totals of counters with the usage that was charged to them.
func (v *verification) counters(ctx context.Context) error {
	each := `jsonb_array_elements_text(d.charges) AS c (value)`
	if v.s.pool == nil {
		each = `json_each(d.charges) AS c`
	}
	return v.r.rows(ctx, `WITH per_dim AS (
			SELECT dim, sum(spend) AS spend FROM (SELECT dim, spend FROM usage_days UNION ALL SELECT dim, spend FROM usage_customer_days
				UNION ALL SELECT dim, spend FROM usage_tag_days) AS u GROUP BY dim),
		charged AS (
			SELECT c.value AS scope, sum(p.spend) AS spend FROM per_dim p JOIN usage_dims d ON d.id = p.dim, `+each+` GROUP BY c.value),
		corrected AS (SELECT scope, sum(amount) AS amount FROM counter_corrections GROUP BY scope)
		SELECT k.scope, k.total, coalesce(h.spend, 0) + coalesce(o.amount, 0)
		FROM counters k LEFT JOIN charged h ON h.scope = k.scope LEFT JOIN corrected o ON o.scope = k.scope
		WHERE k.total <> coalesce(h.spend, 0) + coalesce(o.amount, 0) ORDER BY k.scope`, nil, func(scan func(...any) error) error {
		var scope account.Scope
		var got, expected money.USD
		if err := scan(&scope, scanUSD{&got}, scanUSD{&expected}); err != nil {
			return err
		}
		v.found(scope, got, expected, "the counter's total differs from the usage that was charged to it")
		return nil
	})
}
