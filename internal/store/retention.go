package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate/internal/account"
)

// pruneTogether is how many rows go in one transaction.
const pruneTogether = 5000

// mostSkew is how far the clock of a replica that prunes may be off the server's.
const mostSkew = 5 * time.Minute

// ErrClock says that the clocks of this replica and of the server differ too much for what cannot be undone.
var ErrClock = errors.New("store: the clock here and the server's differ")

// agreeOnTime returns ErrClock when the clock here is far off the server's.
func (s *Store) agreeOnTime(ctx context.Context) error {
	began := s.now()
	theirs, err := s.Now(ctx)
	if err != nil {
		return err
	}
	// The answer is from a moment between the two readings here.
	if ahead, behind := began.Sub(theirs), theirs.Sub(s.now()); ahead > mostSkew || behind > mostSkew {
		return fmt.Errorf("%w: by %v; nothing is removed until they agree", ErrClock, max(ahead, behind).Round(time.Second))
	}
	return nil
}

// Prune implements ledger.Maintenance. On PostgreSQL a month that is wholly before the time goes at once, with its
// partition. A call of that time that comes later (a spool that was away for longer than rows are kept) is booked, but
// could not be told from one that was booked before: retention must be longer than a store may be away. Nothing is removed,
// and the error is ErrClock, where the clock here is far off the server's: the time may have been reckoned by it.
func (s *Store) Prune(ctx context.Context, before time.Time, progress func(removed int64)) (int64, error) {
	if err := s.agreeOnTime(ctx); err != nil {
		return 0, err
	}
	before = slotDown(before) // usage can then tell what is left
	err := s.write(ctx, func(tx *sqlTx) error {
		_, err := tx.exec(ctx, `UPDATE ledger_state SET pruned_before = $1 WHERE pruned_before IS NULL OR pruned_before < $1`, before.UTC())
		return err
	})
	if err != nil {
		return 0, err
	}
	removed := int64(0)
	report := func(n int64) {
		removed += n
		if progress != nil && n > 0 {
			progress(removed)
		}
	}
	if s.pool != nil {
		n, err := s.dropPartitions(ctx, before)
		report(n)
		if err != nil {
			return removed, err
		}
	}
	for {
		var n int64
		err := s.write(ctx, func(tx *sqlTx) (err error) {
			n, err = tx.exec(ctx, `DELETE FROM spend_logs WHERE start_time < $1 AND (call_id, start_time) IN (
				SELECT call_id, start_time FROM spend_logs WHERE start_time < $1 ORDER BY start_time LIMIT $2)`, before.UTC(), pruneTogether)
			return err
		})
		report(n)
		if err != nil || n < pruneTogether {
			return removed, err
		}
	}
}

// dropPartitions drops the months that end before the time. One that a report reads just now is left to the next time.
func (s *Store) dropPartitions(ctx context.Context, before time.Time) (removed int64, err error) {
	var names []string
	err = s.read().rows(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'spend_logs'::regclass AND c.relname < $1 AND c.relname ~ '^spend_logs_\d{4}_\d{2}$' ORDER BY 1`,
		[]any{partitionName(month(before))}, func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			names = append(names, name)
			return err
		})
	for _, name := range names {
		if err != nil {
			return removed, err
		}
		var n int64
		err = s.write(ctx, func(tx *sqlTx) error {
			if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1), set_config('lock_timeout', '2s', true)`, int64(partitionsLock)); err != nil {
				return err
			}
			if err := tx.row(ctx, `SELECT count(*) FROM `+name, nil, &n); err != nil {
				return err
			}
			_, err := tx.exec(ctx, `DROP TABLE `+name)
			return err
		})
		switch {
		case err == nil:
			removed += n
			if m, e := time.Parse("spend_logs_2006_01", name); e == nil {
				s.partitions.Delete(m.Unix())
			}
		case lockTimedOut(err):
			err = nil
		}
	}
	return removed, err
}

// EraseCustomer implements ledger.Maintenance. What is left of a call is who paid, for what, how much and when. The
// customer's own counters and usage go; its calls stay in those of whoever else paid.
func (s *Store) EraseCustomer(ctx context.Context, endUser string) (int64, error) {
	if endUser == "" || !storable(endUser) {
		return 0, nil
	}
	erased := int64(0)
	for {
		var n int64
		err := s.write(ctx, func(tx *sqlTx) (err error) {
			n, err = tx.exec(ctx, `UPDATE spend_logs SET end_user = '', requester_ip_address = '', session_id = call_id, request_tags = NULL,
				messages = NULL, response = NULL, proxy_server_request = NULL, metadata = `+s.erasedMetadata()+`
				WHERE (call_id, start_time) IN (SELECT call_id, start_time FROM spend_logs WHERE end_user = $1 AND end_user <> ''
					ORDER BY start_time LIMIT $2)`, endUser, pruneTogether)
			return err
		})
		erased += n
		if err != nil {
			return erased, err
		}
		if n < pruneTogether {
			break
		}
	}
	return erased, s.write(ctx, func(tx *sqlTx) error { return tx.eraseUsage(ctx, endUser) })
}

// erasedMetadata is the metadata of a row that was erased: how the call ended.
func (s *Store) erasedMetadata() string {
	if s.pool == nil {
		return `json_object('status', status, 'tollgate_erased', json('true'))`
	}
	return `json_build_object('status', status, 'tollgate_erased', true)`
}

// eraseUsage removes what is kept by the customer's name; its calls stay in the usage of keys and models. Writers are held
// back: a call that is booked meanwhile must not add to what goes.
func (tx *sqlTx) eraseUsage(ctx context.Context, endUser string) error {
	if tx.s.pool != nil {
		if _, err := tx.exec(ctx, `LOCK TABLE usage_dims IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
	}
	const its = `SELECT id FROM usage_dims WHERE end_user = $1 AND end_user <> ''`
	for _, text := range [...]string{
		`DELETE FROM ` + factTables[usageOfCustomers] + ` WHERE dim IN (` + its + `)`,
		`DELETE FROM ` + factTables[usageOfCustomers+1] + ` WHERE dim IN (` + its + `)`,
		`DELETE FROM usage_dims WHERE id IN (` + its + `)`,
	} {
		if _, err := tx.exec(ctx, text, endUser); err != nil {
			return err
		}
	}
	scope := string(account.CustomerScope(endUser))
	for _, text := range [...]string{`DELETE FROM counters WHERE `, `DELETE FROM counter_corrections WHERE `} {
		if _, err := tx.exec(ctx, text+family, scope); err != nil {
			return err
		}
	}
	return nil
}
