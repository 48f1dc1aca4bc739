package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// bookPostgres books entries in one transaction: COPY for the rows, one statement for each table of sums. That no call is
// new twice is left to the primary key, which costs nothing; only when it objects are the entries compared with what is
// there. Counters come last, since all replicas wait for the busiest of them.
func (s *Store) bookPostgres(ctx context.Context, entries []entry) (booked int, err error) {
	if err := s.ensurePartitions(ctx, entries); err != nil {
		return 0, err
	}
	var made []string
	const attempts = 10
	for n := range attempts {
		err = s.write(ctx, func(tx *sqlTx) error {
			return tx.pgx(func(conn *pgx.Conn) error {
				b := pgBooking{s: s, conn: conn, entries: entries, compare: n > 0}
				err := b.run(ctx)
				booked, made = len(b.entries), b.made
				return err
			})
		})
		if err == nil {
			s.dimsKnown.add(made)
		}
		if !errors.Is(err, account.ErrExists) {
			return booked, err
		}
	}
	return 0, err
}

// pgBooking is one attempt to book entries.
type pgBooking struct {
	s       *Store
	conn    *pgx.Conn
	entries []entry // in the end those that were new
	compare bool    // with the rows that are there

	now  time.Time
	next map[account.Scope]time.Time // of counters whose period is over
	made []string                    // dims that are there once this is committed
}

func (b *pgBooking) run(ctx context.Context) error {
	for _, step := range [...]func(context.Context) error{b.look, b.copyRows, b.addUp} {
		if len(b.entries) == 0 {
			return nil
		}
		if err := step(ctx); err != nil {
			if errors.Is(err, errNotEngine) {
				return err
			}
			return b.s.fail(ctx, err)
		}
	}
	return nil
}

// errNotEngine marks an error that is ours, and keeps its meaning.
var errNotEngine = errors.New("store: the batch cannot be added up")

// look reads in one round trip what has to be known before anything is written.
func (b *pgBooking) look(ctx context.Context) error {
	scopes := map[string]bool{}
	var replies, calls []string
	var starts []time.Time
	for i := range b.entries {
		e := &b.entries[i]
		if e.row.RequestID != e.row.CallID {
			replies = append(replies, e.row.RequestID)
		}
		for _, scope := range e.held {
			scopes[string(scope)] = true
		}
		if b.compare {
			calls, starts = append(calls, e.row.CallID), append(starts, e.row.StartTime)
		}
	}
	slices.Sort(replies)
	var batch pgx.Batch
	taken, there := map[string]bool{}, map[string]bool{}
	batch.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, int64(movesLock))
	gone := moved{}
	batch.Queue(b.s.movesOf(), namesOf(b.entries)).Query(func(rows pgx.Rows) error {
		var from, to string
		_, err := pgx.ForEachRow(rows, []any{&from, &to}, func() error {
			gone[from] = to
			return nil
		})
		return err
	})
	batch.Queue(`SELECT coalesce($1::timestamptz, clock_timestamp())`, b.s.clock()).QueryRow(func(row pgx.Row) error { return row.Scan(&b.now) })
	b.queueDue(&batch, slices.Collect(maps.Keys(scopes)))
	if len(replies) > 0 {
		batch.Queue(`SELECT DISTINCT request_id FROM spend_logs WHERE request_id = ANY($1)`, slices.Compact(replies)).Query(collect(taken))
	}
	if b.compare {
		batch.Queue(`SELECT s.call_id FROM unnest($1::text[], $2::timestamp[]) AS n (id, at)
			JOIN spend_logs s ON s.call_id = n.id AND s.start_time = n.at`, calls, starts).Query(collect(there))
	}
	if err := b.conn.SendBatch(ctx, &batch).Close(); err != nil {
		return err
	}
	if len(there) > 0 {
		b.entries = slices.DeleteFunc(slices.Clone(b.entries), func(e entry) bool { return there[e.row.CallID] })
	}
	gone.follow(b.entries)
	nameRequests(b.entries, taken)
	return nil
}

// queueDue finds the counters whose period is over, where they are now.
func (b *pgBooking) queueDue(batch *pgx.Batch, scopes []string) {
	b.next = map[account.Scope]time.Time{}
	batch.Queue(`SELECT scope, duration FROM counters WHERE reset_at <= coalesce($2::timestamptz, clock_timestamp()) AND scope = ANY(ARRAY(
			SELECT coalesce(m.to_scope || substr(n.scope, length(m.from_scope) + 1), n.scope)
			FROM unnest($1::text[]) AS n (scope) LEFT JOIN counter_moves m ON m.from_scope = `+nameOfScope(`n.scope`)+`))`,
		scopes, b.s.clock()).Query(func(rows pgx.Rows) error {
		var scope account.Scope
		var duration string
		_, err := pgx.ForEachRow(rows, []any{&scope, &duration}, func() error {
			b.next[scope] = b.s.nextReset(duration, b.now)
			return nil
		})
		return err
	})
}

// nameOfScope is nameOf in SQL.
func nameOfScope(expr string) string { return `split_part(split_part(` + expr + `, '@', 1), '#', 1)` }

// nameRequests gives every row a request_id of its own. It may run again over what it has named.
func nameRequests(entries []entry, taken map[string]bool) {
	for i := range entries {
		r := &entries[i].row
		if taken[r.RequestID] && r.RequestID != r.CallID && !strings.HasSuffix(r.RequestID, "_"+r.CallID) {
			r.RequestID += "_" + r.CallID
		}
		taken[r.RequestID] = true
	}
}

// collect puts the texts of a query into a set.
func collect(into map[string]bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var text string
		_, err := pgx.ForEachRow(rows, []any{&text}, func() error {
			into[text] = true
			return nil
		})
		return err
	}
}

func (b *pgBooking) copyRows(ctx context.Context) error {
	n := 0
	_, err := b.conn.CopyFrom(ctx, pgx.Identifier{"spend_logs"}, rowColumns[:], pgx.CopyFromFunc(func() ([]any, error) {
		if n == len(b.entries) {
			return nil, nil
		}
		r := &b.entries[n].row
		n++
		return rowValues(r, numeric(int64(r.Spend))), nil
	}))
	return err
}

// addUp writes the sums, in one round trip. Every statement takes its rows in the order of their keys, as all writers do.
func (b *pgBooking) addUp(ctx context.Context) error {
	t, err := tallyOf(b.entries)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotEngine, err)
	}
	var batch pgx.Batch
	b.queueDims(&batch, t)
	b.queueAliases(&batch, t)
	for i, table := range factTables {
		queueFacts(&batch, table, t.facts[i])
	}
	b.queueCounters(&batch, t)
	b.queueLeases(&batch, t.leases)
	return b.conn.SendBatch(ctx, &batch).Close()
}

func (b *pgBooking) queueDims(batch *pgx.Batch, t *tally) {
	byID := map[string]dims{}
	for d, id := range t.dims {
		// Only those of a customer can go, when it is erased: they are written each time.
		if d.endUser != "" || !b.s.dimsKnown.has(id) {
			byID[id] = d
		}
		if d.endUser == "" {
			b.made = append(b.made, id)
		}
	}
	if len(byID) == 0 {
		return
	}
	var columns [11][]string
	var ids, charges []string
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		d := byID[id]
		ids, charges = append(ids, id), append(charges, d.chargesJSON())
		for i, text := range d.columns() {
			columns[i] = append(columns[i], text)
		}
	}
	args := []any{ids, charges}
	for _, c := range columns {
		args = append(args, c)
	}
	batch.Queue(`INSERT INTO usage_dims (id, charges, api_key, user_id, team_id, organization_id, end_user, model, model_id, model_group,
			custom_llm_provider, endpoint, tag)
		SELECT n.id::uuid, n.charges::jsonb, n.c1, n.c2, n.c3, n.c4, n.c5, n.c6, n.c7, n.c8, n.c9, n.c10, n.c11
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[]) AS n (id, charges, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11)
		ORDER BY n.id ON CONFLICT (id) DO NOTHING`, args...)
}

func queueFacts(batch *pgx.Batch, table string, facts map[fact]sums) {
	if len(facts) == 0 {
		return
	}
	var ids []string
	var slots []int32
	var n [7][]int64
	for _, k := range sortedFacts(facts) {
		v := facts[k]
		ids, slots = append(ids, k.dim), append(slots, int32(k.slot))
		for i, x := range [...]int64{int64(v.spend), v.prompt, v.completion, v.cacheRead, v.cacheCreation, v.successful, v.failed} {
			n[i] = append(n[i], x)
		}
	}
	batch.Queue(`INSERT INTO `+table+` AS u (dim, slot, spend, prompt, completion, cache_read, cache_creation, successful, failed)
		SELECT n.dim::uuid, n.slot, n.spend * 0.000000000001, n.prompt, n.completion, n.cache_read, n.cache_creation, n.successful, n.failed
		FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
			AS n (dim, slot, spend, prompt, completion, cache_read, cache_creation, successful, failed)
		ORDER BY n.dim, n.slot
		ON CONFLICT (dim, slot) DO UPDATE SET spend = u.spend + excluded.spend, prompt = u.prompt + excluded.prompt,
			completion = u.completion + excluded.completion, cache_read = u.cache_read + excluded.cache_read,
			cache_creation = u.cache_creation + excluded.cache_creation, successful = u.successful + excluded.successful,
			failed = u.failed + excluded.failed`,
		ids, slots, n[0], n[1], n[2], n[3], n[4], n[5], n[6])
}

// queueCounters adds to the counters. A next reset is given for those whose period was over when they were looked at: if
// it still is, they start anew before the amount is added.
func (b *pgBooking) queueCounters(batch *pgx.Batch, t *tally) {
	if len(t.counters) == 0 {
		return
	}
	scopes := slices.Sorted(maps.Keys(t.counters))
	amounts, next := make([]int64, len(scopes)), make([]*time.Time, len(scopes))
	for i, scope := range scopes {
		amounts[i] = int64(t.counters[scope])
		if at, due := b.next[scope]; due {
			next[i] = &at
		}
	}
	batch.Queue(`INSERT INTO counters AS c (scope, spent, total, reset_at, updated_at)
		SELECT n.scope, n.amount * 0.000000000001, n.amount * 0.000000000001, n.next, $4
		FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS n (scope, amount, next)
		ORDER BY n.scope COLLATE "C"
		ON CONFLICT (scope) DO UPDATE SET
			spent = CASE WHEN c.reset_at <= $4 AND excluded.reset_at IS NOT NULL THEN 0 ELSE c.spent END + excluded.spent,
			total = c.total + excluded.total,
			reset_at = CASE WHEN c.reset_at <= $4 AND excluded.reset_at IS NOT NULL THEN excluded.reset_at ELSE c.reset_at END,
			updated_at = excluded.updated_at`,
		scopes, amounts, next, b.now)
}

// queueLeases takes what was spent off what the replicas hold.
func (b *pgBooking) queueLeases(batch *pgx.Batch, leases map[lease]money.USD) {
	if len(leases) == 0 {
		return
	}
	var accounts, replicas []string
	var amounts []int64
	for l, amount := range leases {
		accounts, replicas, amounts = append(accounts, l.account), append(replicas, l.replica), append(amounts, int64(amount))
	}
	b.s.queueTakeOff(batch, accounts, replicas, amounts)
}

func sortedFacts(facts map[fact]sums) []fact {
	return slices.SortedFunc(maps.Keys(facts), func(a, b fact) int {
		if c := strings.Compare(a.dim, b.dim); c != 0 {
			return c
		}
		return int(a.slot - b.slot)
	})
}
