package store

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/quota"
)

// leaseTruth is quota.Truth in the tables leases, replicas and rates, bound to a replica. Every call is one round trip: a
// batch of statements, which PostgreSQL runs in one transaction.
//
// Takes of one account, and of all budgets of a scope, wait for each other at an advisory lock, taken in the order of the
// locks' keys. They do not wait for the ledger: it takes from a lease what it adds to the counter, in one transaction, and
// a statement sees both or neither.
type leaseTruth struct {
	s       *Store
	replica string
	ttl     time.Duration
	life    time.Duration // ttl, or for ever
	beaten  atomic.Int64  // when the last Beat was sent, Unix nanoseconds
}

// TTL implements quota.Truth.
func (l *leaseTruth) TTL() time.Duration { return l.ttl }

// at is the common table of the time: the server's, or the store's own clock where it has one.
const at = `at AS MATERIALIZED (SELECT coalesce($1::timestamptz, clock_timestamp()) AS now)`

// Take implements quota.Truth.
func (l *leaseTruth) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	grants := make([]quota.Grant, len(asks))
	good, places := keepableOf(asks, grants)
	for _, run := range distinct(good) {
		part, err := l.take(ctx, run)
		if err != nil {
			return nil, err
		}
		for i := range part {
			grants[places[i]] = part[i]
		}
		places = places[len(part):]
	}
	return grants, nil
}

// take answers asks of different accounts. Those whose counter another one of them is counted on as well, since a key has
// got another value, are answered after it.
func (l *leaseTruth) take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	var grants []quota.Grant
	var later []int
	err := l.send(ctx, func(batch *pgx.Batch) {
		grants, later = make([]quota.Grant, len(asks)), nil
		l.queueTake(batch, asks, grants, &later)
	})
	for _, i := range later {
		if err != nil {
			return nil, err
		}
		var one []quota.Grant
		if one, err = l.take(ctx, asks[i:i+1]); err == nil {
			grants[i] = one[0]
		}
	}
	return grants, err
}

func (l *leaseTruth) queueTake(batch *pgx.Batch, asks []quota.Ask, grants []quota.Grant, later *[]int) {
	var leased, rated asked
	for i := range asks {
		if asks[i].Kind == quota.Rate {
			rated.add(i, &asks[i])
			rated.locks = rated.accounts
			continue
		}
		leased.add(i, &asks[i])
	}
	leased.money(l.s, asks)
	if len(leased.movable) > 0 {
		// Twice: one may have moved while this waited for it. Before all others, which nobody who waits for it then holds.
		l.lock(batch, leased.movable)
		l.lock(batch, leased.movable)
	}
	l.lock(batch, slices.Concat(leased.locks, rated.locks))
	if silent := l.s.now().UnixNano() - l.beaten.Load(); silent < 0 || silent > int64(l.life/2) {
		l.queueBeat(batch)
	}
	if len(leased.periods) > 0 {
		l.queuePeriods(batch, &leased)
	}
	if len(leased.accounts) > 0 {
		l.queueLeased(batch, &leased, grants, later)
	}
	if len(rated.accounts) > 0 {
		l.queueRates(batch, &rated, grants)
	}
}

// asked are asks by column.
type asked struct {
	index             []int // in the asks
	accounts          []string
	locks             []string // names of accounts that are taken from one after the other
	caps, needs, want []int64
	spans             []int64 // microseconds, of rates

	scopes                []*string // of budgets; nil of slots
	names, rest           []*string // of the budgets of keys, whose counters may have moved
	movable               []string  // the names
	periodScopes, periods []string
	resets, next, after   []*time.Time
}

func (a *asked) add(i int, q *quota.Ask) {
	need := max(q.Need, 0)
	a.index, a.accounts = append(a.index, i), append(a.accounts, q.Account)
	a.caps, a.needs, a.want = append(a.caps, q.Cap), append(a.needs, need), append(a.want, max(q.Want, need))
	a.spans = append(a.spans, q.Window.Microseconds())
}

// money adds what counters need to know of budgets.
func (a *asked) money(s *Store, asks []quota.Ask) {
	for _, i := range a.index {
		q := &asks[i]
		if q.Kind != quota.Money {
			a.locks, a.scopes, a.names, a.rest = append(a.locks, q.Account), append(a.scopes, nil), append(a.names, nil), append(a.rest, nil)
			continue
		}
		scope := budgetScope(q.Account)
		text := string(scope)
		a.scopes = append(a.scopes, &text)
		if name, rest, ok := movable(scope); ok {
			a.names, a.rest, a.movable = append(a.names, &name), append(a.rest, &rest), append(a.movable, name)
		} else {
			a.names, a.rest, a.locks = append(a.names, nil), append(a.rest, nil), append(a.locks, nameOf(scope))
		}
		next, after := s.resetCandidates(q.Period)
		a.periodScopes, a.periods = append(a.periodScopes, text), append(a.periods, q.Period)
		a.next, a.after = append(a.next, next), append(a.after, after)
		var reset *time.Time
		if !q.ResetAt.IsZero() {
			t := q.ResetAt.UTC()
			reset = &t
		}
		a.resets = append(a.resets, reset)
	}
}

// lockAccounts locks accounts of rates and slots, and names of budgets: where they have moved, the names in force.
const lockAccounts = `SELECT pg_advisory_xact_lock(k) FROM (
	SELECT DISTINCT hashtextextended(coalesce(m.to_scope, n.name), 7026513890) AS k
	FROM unnest($1::text[]) AS n (name) LEFT JOIN counter_moves m ON m.from_scope = n.name ORDER BY k OFFSET 0) AS locks`

func (l *leaseTruth) lock(batch *pgx.Batch, names []string) { batch.Queue(lockAccounts, names) }

// queuePeriods begins the periods that are over anew, and gives counters the period of their budget. Mostly there is
// nothing to do.
func (l *leaseTruth) queuePeriods(batch *pgx.Batch, a *asked) {
	batch.Queue(`WITH `+at+`, a AS (
			SELECT DISTINCT ON (1) coalesce(m.to_scope || substr(n.scope, length(m.from_scope) + 1), n.scope) AS scope, n.period, n.reset,
				CASE WHEN n.next > at.now THEN n.next ELSE n.after END AS next
			FROM at CROSS JOIN unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[]) AS n (scope, period, reset, next, after)
			LEFT JOIN counter_moves m ON m.from_scope = `+nameOfScope(`n.scope`)+`)
		INSERT INTO counters AS c (scope, duration, reset_at, updated_at)
		SELECT a.scope, a.period, CASE WHEN o.duration IS DISTINCT FROM a.period AND a.reset > at.now AND a.period <> '' THEN a.reset ELSE a.next END, at.now
		FROM at CROSS JOIN a LEFT JOIN counters o ON o.scope = a.scope
		WHERE (o.scope IS NULL AND a.period <> '') OR o.reset_at <= at.now OR o.duration <> a.period OR (a.period <> '' AND o.reset_at IS NULL AND o.scope IS NOT NULL)
		ORDER BY a.scope COLLATE "C"
		ON CONFLICT (scope) DO UPDATE SET duration = excluded.duration, reset_at = excluded.reset_at, updated_at = excluded.updated_at,
			spent = CASE WHEN c.reset_at <= excluded.updated_at THEN 0 ELSE c.spent END`,
		l.s.clock(), a.periodScopes, a.periods, a.resets, a.next, a.after)
}

// queueLeased grants budgets and slots: what is used and what living replicas hold stay within the cap. A debt of this
// replica is part of what is used already, so filling it takes no room. A budget is held in all accounts that are counted on
// its counter: those under names that a key has had before as well. Only one of them is answered at once.
func (l *leaseTruth) queueLeased(batch *pgx.Batch, a *asked, grants []quota.Grant, later *[]int) {
	batch.Queue(`WITH `+at+`, a AS (
			SELECT n.account, n.cap, n.need, n.want, n.i, coalesce(m.to_scope || n.rest, n.scope) AS scope, coalesce(m.to_scope, n.name) AS name, n.rest
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::int[])
				AS n (account, scope, name, rest, cap, need, want, i)
			LEFT JOIN counter_moves m ON m.from_scope = n.name),
		same AS (
			SELECT i, account, true AS own FROM a
			UNION ALL SELECT a.i, 'budget:' || a.name || a.rest, false FROM a WHERE 'budget:' || a.name || a.rest <> a.account
			UNION ALL SELECT a.i, 'budget:' || m.from_scope || a.rest, false FROM a JOIN counter_moves m ON m.to_scope = a.name
				WHERE 'budget:' || m.from_scope || a.rest <> a.account),
		held AS (
			SELECT s.i, sum(greatest(l.amount, 0)) AS amount, coalesce(sum(l.amount) FILTER (WHERE s.own AND l.replica = $10), 0) AS own
			FROM at CROSS JOIN same s JOIN leases l ON l.account = s.account JOIN replicas r ON r.id = l.replica AND r.expires_at > at.now
			GROUP BY s.i),
		s AS (
			SELECT a.*, trunc(coalesce(c.spent, 0) * 1000000000000) AS used, coalesce(h.amount, 0) AS held, coalesce(h.own, 0) AS own, c.reset_at,
				row_number() OVER (PARTITION BY coalesce(a.scope, a.account) ORDER BY a.i) > 1 AS later
			FROM a LEFT JOIN counters c ON c.scope = a.scope LEFT JOIN held h ON h.i = a.i),
		g AS (
			SELECT s.*, CASE WHEN NOT s.later AND s.need <= s.cap - s.used - s.held + greatest(-s.own, 0)
				THEN least(s.want, s.cap - s.used - s.held + greatest(-s.own, 0))::bigint ELSE 0 END AS amount
			FROM s),
		taken AS (
			INSERT INTO leases AS l (account, replica, amount, changed_at)
			SELECT account, $10, amount, at.now FROM at, g WHERE amount > 0 ORDER BY account COLLATE "C"
			ON CONFLICT (account, replica) DO UPDATE SET amount = l.amount + excluded.amount, changed_at = excluded.changed_at)
		SELECT i, amount, least(used, 9223372036854775807)::bigint, least(held - greatest(own, 0) + greatest(own + amount, 0), 9223372036854775807)::bigint,
			(own + amount)::bigint, reset_at, later FROM g`,
		l.s.clock(), a.accounts, a.scopes, a.names, a.rest, a.caps, a.needs, a.want, a.index, l.replica).Query(func(rows pgx.Rows) error {
		var i int
		var g quota.Grant
		var reset *time.Time
		var again bool
		_, err := pgx.ForEachRow(rows, []any{&i, &g.Amount, &g.Used, &g.Leased, &g.Own, &reset, &again}, func() error {
			grants[i] = g
			if reset != nil {
				grants[i].ResetAt = reset.UTC()
			}
			if again {
				*later = append(*later, i)
			}
			return nil
		})
		return err
	})
}

// queueRates grants parts of windows. A window's end is told by the clock here: what is left of it by the server's,
// counted from before the statement was sent, so that it is early rather than late.
func (l *leaseTruth) queueRates(batch *pgx.Batch, a *asked, grants []quota.Grant) {
	sent := l.s.now()
	batch.Queue(`WITH `+at+`, a AS (
			SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[]) AS n (account, cap, need, want, span, i)),
		s AS (
			SELECT a.*, coalesce(r.used, 0) AS used, r.account IS NOT NULL AS open,
				coalesce(r.ends_at, at.now + a.span * interval '1 microsecond') AS ends_at
			FROM at CROSS JOIN a LEFT JOIN rates r ON r.account = a.account AND r.ends_at > at.now),
		g AS (
			SELECT s.*, CASE WHEN s.need <= s.cap::numeric - s.used THEN least(s.want, s.cap::numeric - s.used)::bigint ELSE 0 END AS amount FROM s),
		taken AS (
			INSERT INTO rates AS r (account, used, span, ends_at)
			SELECT account, amount, span, ends_at FROM g WHERE amount > 0 ORDER BY account COLLATE "C"
			ON CONFLICT (account) DO UPDATE SET ends_at = excluded.ends_at, span = excluded.span,
				used = CASE WHEN r.ends_at = excluded.ends_at THEN r.used + excluded.used ELSE excluded.used END)
		SELECT i, amount, used + amount, CASE WHEN open OR amount > 0 THEN (extract(epoch FROM ends_at - at.now) * 1000000)::bigint END FROM at, g`,
		l.s.clock(), a.accounts, a.caps, a.needs, a.want, a.spans, a.index).Query(func(rows pgx.Rows) error {
		var i int
		var g quota.Grant
		var left *int64
		_, err := pgx.ForEachRow(rows, []any{&i, &g.Amount, &g.Used, &left}, func() error {
			grants[i] = g
			if left != nil {
				grants[i].ResetAt = sent.Add(time.Duration(*left) * time.Microsecond)
			}
			return nil
		})
		return err
	})
}

// Give implements quota.Truth.
func (l *leaseTruth) Give(ctx context.Context, gives []quota.Give) error {
	if len(gives) == 0 {
		return nil
	}
	leased := map[string]int64{}
	type window struct {
		account string
		end     time.Time
	}
	rated := map[window]int64{}
	for _, g := range gives {
		if g.Kind == quota.Rate {
			rated[window{g.Account, g.ResetAt}] += g.Amount
			continue
		}
		leased[g.Account] += g.Amount
	}
	return l.send(ctx, func(batch *pgx.Batch) {
		if len(leased) > 0 {
			accounts := slices.Collect(maps.Keys(leased))
			replicas, amounts := make([]string, len(accounts)), make([]int64, len(accounts))
			for i, name := range accounts {
				replicas[i], amounts[i] = l.replica, leased[name]
			}
			l.s.queueTakeOff(batch, accounts, replicas, amounts)
		}
		var accounts []string
		var amounts, left []int64
		for w, amount := range rated {
			accounts, amounts = append(accounts, w.account), append(amounts, amount)
			left = append(left, w.end.Sub(l.s.now()).Microseconds())
		}
		if len(accounts) == 0 {
			return
		}
		l.lock(batch, accounts)
		// The window is known by its end, within half its length: the clocks differ. One that has ended here is left alone.
		batch.Queue(`WITH `+at+`, d AS (
				SELECT n.account, sum(n.amount) AS amount FROM at CROSS JOIN unnest($2::text[], $3::bigint[], $4::bigint[]) AS n (account, amount, rest)
				JOIN rates r ON r.account = n.account AND r.ends_at > at.now
					AND abs(extract(epoch FROM r.ends_at - at.now) * 1000000 - n.rest) < r.span / 2.0
				GROUP BY n.account)
			UPDATE rates r SET used = greatest(0, r.used - d.amount)::bigint FROM d WHERE r.account = d.account`,
			l.s.clock(), accounts, amounts, left)
	})
}

// queueTakeOff takes amounts off leases that are there, in the order of their keys. A lease of money may fall below zero.
func (s *Store) queueTakeOff(batch *pgx.Batch, accounts, replicas []string, amounts []int64) {
	batch.Queue(`SELECT 1 FROM unnest($1::text[], $2::text[]) AS n (account, replica)
		JOIN leases l ON l.account = n.account AND l.replica = n.replica ORDER BY l.account, l.replica FOR UPDATE OF l`, accounts, replicas)
	batch.Queue(`UPDATE leases l SET changed_at = coalesce($4::timestamptz, clock_timestamp()),
			amount = CASE WHEN l.account LIKE 'budget:%' THEN l.amount - n.amount ELSE greatest(0, l.amount - n.amount) END
		FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (account, replica, amount)
		WHERE l.account = n.account AND l.replica = n.replica`, accounts, replicas, amounts, s.clock())
}

// Beat implements quota.Truth.
func (l *leaseTruth) Beat(ctx context.Context) error {
	return l.send(ctx, l.queueBeat)
}

// emptyAfter is how long a lease of nothing is kept: its replica may have calls under way that will cost more than they hold.
const emptyAfter = time.Hour

// queueBeat frees what the dead have held, this replica included when it comes too late, and forgets windows long over and
// leases that have been empty for long.
func (l *leaseTruth) queueBeat(batch *pgx.Batch) {
	l.beaten.Store(l.s.now().UnixNano())
	batch.Queue(`WITH `+at+`, dead AS (
			SELECT id FROM replicas, at WHERE expires_at <= at.now ORDER BY id FOR UPDATE OF replicas SKIP LOCKED),
		free AS (DELETE FROM leases WHERE replica IN (SELECT id FROM dead))
		DELETE FROM replicas WHERE id IN (SELECT id FROM dead)`, l.s.clock())
	batch.Queue(`WITH `+at+` INSERT INTO replicas (id, expires_at) SELECT $2, at.now + $3 * interval '1 microsecond' FROM at
		ON CONFLICT (id) DO UPDATE SET expires_at = greatest(replicas.expires_at, excluded.expires_at)`, l.s.clock(), l.replica, l.life.Microseconds())
	batch.Queue(`WITH `+at+` DELETE FROM rates WHERE account IN (
		SELECT account FROM rates, at WHERE ends_at < at.now - interval '1 hour' LIMIT 1000 FOR UPDATE OF rates SKIP LOCKED)`, l.s.clock())
	batch.Queue(`WITH `+at+` DELETE FROM leases WHERE (account, replica) IN (
		SELECT account, replica FROM leases, at WHERE replica = $2 AND amount = 0 AND changed_at < at.now - $3 * interval '1 microsecond'
		LIMIT 1000 FOR UPDATE OF leases SKIP LOCKED)`, l.s.clock(), l.replica, emptyAfter.Microseconds())
}

// send runs the statements that fill queues in one transaction and one round trip, again when they lost against others.
func (l *leaseTruth) send(ctx context.Context, fill func(*pgx.Batch)) error {
	ctx, cancel := context.WithTimeout(ctx, l.s.opts.Timeout)
	defer cancel()
	const attempts = 4
	for n := 1; ; n++ {
		var batch pgx.Batch
		fill(&batch)
		err := l.s.pool.SendBatch(ctx, &batch).Close()
		if err == nil || n == attempts || l.s.dialect.class(err) != retryable {
			if err != nil {
				l.beaten.Store(0)
			}
			return l.s.fail(ctx, err)
		}
	}
}
