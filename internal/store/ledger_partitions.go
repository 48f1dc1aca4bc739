package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// partitionsLock is the key of the advisory lock under which a replica makes or drops a partition of spend_logs.
const partitionsLock = 7_026_513_890_412_003

// Months for which partitions are made when a row needs one. Others are kept in the default partition: no clock gone
// wrong makes a thousand tables.
const (
	oldestMonths = 120
	aheadMonths  = 2
)

// month is the first moment of t's month (UTC).
func month(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func partitionName(m time.Time) string { return "spend_logs_" + m.Format("2006_01") }

// ensurePartitions makes the partitions that entries need, and this month's and the next one's. What was seen once is
// remembered.
func (s *Store) ensurePartitions(ctx context.Context, entries []entry) error {
	now := month(s.now())
	wanted := map[time.Time]bool{now: true, now.AddDate(0, 1, 0): true}
	for i := range entries {
		m := month(entries[i].row.StartTime)
		if m.After(now.AddDate(0, -oldestMonths, 0)) && !m.After(now.AddDate(0, aheadMonths, 0)) {
			wanted[m] = true
		}
	}
	for m := range wanted {
		if _, known := s.partitions.Load(m.Unix()); known {
			continue
		}
		if err := s.ensurePartition(ctx, m); err != nil {
			if lockTimedOut(err) { // a long report reads the table: the default takes the rows until then
				continue
			}
			return err
		}
		s.partitions.Store(m.Unix(), true)
	}
	return nil
}

// ensurePartition makes the partition of a month. Rows of it that the default partition has taken are moved.
func (s *Store) ensurePartition(ctx context.Context, m time.Time) error {
	name := partitionName(m)
	return s.write(ctx, func(tx *sqlTx) error {
		if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(partitionsLock)); err != nil {
			return err
		}
		var there bool
		err := tx.row(ctx, `SELECT to_regclass(quote_ident(current_schema()) || '.' || $1) IS NOT NULL`, []any{name}, &there)
		if err != nil || there {
			return err
		}
		from, to := m.Format(time.DateOnly), m.AddDate(0, 1, 0).Format(time.DateOnly)
		inside := fmt.Sprintf(`start_time >= '%s' AND start_time < '%s'`, from, to)
		for _, text := range [...]string{
			`SET LOCAL lock_timeout = '2s'`,
			`CREATE TABLE ` + name + ` (LIKE spend_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)`,
			`LOCK TABLE spend_logs_default IN ACCESS EXCLUSIVE MODE`,
			`INSERT INTO ` + name + ` SELECT * FROM spend_logs_default WHERE ` + inside,
			`DELETE FROM spend_logs_default WHERE ` + inside,
			`ALTER TABLE spend_logs ATTACH PARTITION ` + name + fmt.Sprintf(` FOR VALUES FROM ('%s') TO ('%s')`, from, to),
		} {
			if _, err := tx.exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// lockTimedOut reports whether a statement gave up waiting for a lock.
func lockTimedOut(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "55P03"
}
