package store

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// This file takes over what another gateway has counted. Everything in it may run again, after an interruption or by
// mistake, and counts nothing twice.

// FileExists tells whether a directory has the database file that Options.Dir means; the error is the file system's.
func FileExists(dir string) error {
	_, err := os.Stat(filepath.Join(dir, sqliteFile))
	return err
}

// Connect opens one connection to a PostgreSQL of somebody else's, for reading. The URL is read as Options.URL is.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	t, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	t.config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	conn, err := pgx.ConnectConfig(ctx, t.config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	return conn, nil
}

// imported is the reason of the corrections that ImportCounters writes, by which it knows what it has written already.
const imported = "imported"

// ImportCounters takes over what was spent on scopes elsewhere. The total is raised to what was imported in all, so that it
// may be called again with more; the amount of the period is added, and the period set, the first time alone: after that
// the counter is this gateway's.
func (s *Store) ImportCounters(ctx context.Context, counters map[account.Scope]account.Counter) error {
	return s.Update(ctx, func(t account.Tx) error {
		tx := t.(*objectTx)
		for _, scope := range slices.Sorted(maps.Keys(counters)) {
			if err := tx.importCounter(ctx, scope, counters[scope]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (tx *objectTx) importCounter(ctx context.Context, scope account.Scope, c account.Counter) error {
	if !storable(string(scope)) {
		return ErrText
	}
	var times int64
	var before money.USD
	err := tx.row(ctx, `SELECT count(*), coalesce(sum(amount), 0) FROM counter_corrections WHERE scope = $1 AND reason = $2`,
		[]any{string(scope), imported}, &times, scanUSD{&before})
	if err != nil {
		return err
	}
	there, err := tx.Spend(ctx, scope)
	if err != nil {
		return err
	}
	if _, known := there[scope]; !known && c.Duration != "" {
		if err := tx.SetPeriod(ctx, scope, c.Duration, c.ResetAt); err != nil {
			return err
		}
	}
	more, err := c.Total.Sub(before)
	if err != nil || more <= 0 {
		return err
	}
	spent := c.Spent
	if times > 0 {
		spent = 0
	}
	now := tx.s.now().UTC()
	_, err = tx.exec(ctx, `INSERT INTO counters (scope, spent, total, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (scope) DO UPDATE SET spent = counters.spent + excluded.spent, total = counters.total + excluded.total,
			updated_at = excluded.updated_at`,
		string(scope), tx.s.dialect.money(spent), tx.s.dialect.money(more), now)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO counter_corrections (scope, amount, reason, at) VALUES ($1, $2, $3, $4)`,
		string(scope), tx.s.dialect.money(more), imported, now)
	if err == nil {
		tx.note("", string(scope))
	}
	return err
}

// KeptSince is the time before which rows have left the ledger; zero when none has. A row from before cannot be told from
// one that was booked and left, so nobody may import it.
func (s *Store) KeptSince(ctx context.Context) (time.Time, error) {
	return s.prunedBefore(ctx, s.read())
}

// endpointOfImport begins the endpoint of usage that ImportUsage writes, which no call has.
const endpointOfImport = "litellm"

// ImportUsage sets the usage of a day (UTC) of which another gateway has kept sums but no rows; the sums stand in the
// first quarter of an hour of the day. by names the values of each line, ledger.ByTag among them for sums by tag. A day
// that has calls of its own is left as it is, and done is false. Verify wants such days to lie before KeptSince.
func (s *Store) ImportUsage(ctx context.Context, day time.Time, by []ledger.Dimension, lines []ledger.Usage) (done bool, err error) {
	t := &tally{dims: map[dims]string{}}
	for i := range t.facts {
		t.facts[i] = map[fact]sums{}
	}
	slot := floorDiv(day.Unix(), secondsPerSlot*slotsPerDay) * slotsPerDay
	for i := range lines {
		d := dimsOfLine(by, lines[i].Values)
		m := &lines[i].Metrics
		sum := sums{
			spend: m.Spend, prompt: m.PromptTokens, completion: m.CompletionTokens, cacheRead: m.CacheReadTokens,
			cacheCreation: m.CacheCreationTokens, successful: m.Successful, failed: m.Failed,
		}
		var err error
		if d.tag != "" {
			err = t.count(usageOfTags, d.ofTag(d.tag, ""), slot, sum)
		} else {
			err = t.addUsage(d, "", slot, sum)
		}
		if err != nil {
			return false, err
		}
	}
	err = s.write(ctx, func(tx *sqlTx) error {
		var calls bool
		err := tx.row(ctx, `SELECT EXISTS (SELECT 1 FROM usage_days u JOIN usage_dims d ON d.id = u.dim
			WHERE u.slot = CAST($1 AS integer) AND substr(d.endpoint, 1, length(CAST($2 AS text))) <> $2)`,
			[]any{slot / slotsPerDay, endpointOfImport}, &calls)
		if err != nil || calls {
			return err
		}
		if err := tx.dropImported(ctx, slot); err != nil {
			return err
		}
		done = true
		if s.pool == nil {
			_, err = tx.addUp(ctx, t)
			return err
		}
		return tx.pgx(func(conn *pgx.Conn) error {
			var batch pgx.Batch
			b := pgBooking{s: s}
			b.queueDims(&batch, t)
			for i, table := range factTables {
				queueFacts(&batch, table, t.facts[i])
			}
			return s.fail(ctx, conn.SendBatch(ctx, &batch).Close())
		})
	})
	return done && err == nil, err
}

// dropImported removes the usage of a day that has no calls of its own.
func (tx *sqlTx) dropImported(ctx context.Context, slot int64) error {
	for i, table := range factTables {
		from, to := slot, slot+slotsPerDay
		if i%2 == 1 {
			from, to = slot/slotsPerDay, slot/slotsPerDay+1
		}
		_, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE slot >= CAST($1 AS integer) AND slot < CAST($2 AS integer)`, from, to)
		if err != nil {
			return err
		}
	}
	return nil
}

// dimsOfLine are the dims of a line of usage.
func dimsOfLine(by []ledger.Dimension, values []string) dims {
	d := dims{endpoint: endpointOfImport}
	for i, v := range values {
		v = ledger.Clean(v)
		switch by[i] {
		case ledger.ByKey:
			d.apiKey = v
		case ledger.ByUser:
			d.user = v
		case ledger.ByTeam:
			d.team = v
		case ledger.ByOrganization:
			d.org = v
		case ledger.ByCustomer:
			d.endUser = v
		case ledger.ByTag:
			d.tag = v
		case ledger.ByModel:
			d.model = v
		case ledger.ByGroup:
			d.group = v
		case ledger.ByModelID:
			d.modelID = v
		case ledger.ByProvider:
			d.provider = v
		case ledger.ByEndpoint:
			d.endpoint = endpointOfImport + "/" + strings.TrimPrefix(v, "/")
		}
	}
	return d
}
