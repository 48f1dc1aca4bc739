package store

import (
	"context"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
)

// clock is the argument of the time for statements of PostgreSQL: NULL, so that all replicas go by the server's clock and
// one whose own clock jumps resets nobody's budget; a time only where Options have their own.
func (s *Store) clock() any {
	if s.opts.Now == nil {
		return nil
	}
	return s.opts.Now().UTC()
}

// nextReset is when a counter of the duration that starts anew at from does so again. A duration that names no such time
// (which no object should have) is tried again at midnight.
func (s *Store) nextReset(duration string, from time.Time) time.Time {
	next, err := budget.Next(duration, from, s.opts.Location)
	if err != nil || !next.After(from) {
		next, _ = budget.Next("1d", from, s.opts.Location)
	}
	return next.UTC()
}

// Now is the present time for all replicas: the server's on PostgreSQL, which the work in the background goes by, so that a
// replica whose own clock jumps resets no budget and prunes nothing early.
func (s *Store) Now(ctx context.Context) (time.Time, error) { return s.nowOf(ctx, s.read()) }

func (s *Store) nowOf(ctx context.Context, r runner) (now time.Time, err error) {
	err = r.row(ctx, `SELECT `+s.dialect.clock(`$1`), []any{s.clock()}, scanTime{&now})
	return now, err
}

// ResetDue starts every counter anew whose period has ended by Now, and returns which. Money that is booked or leased at
// the same time does the same for its own counters, so no budget waits for this.
func (s *Store) ResetDue(ctx context.Context) ([]account.Scope, error) {
	type due struct {
		scope    account.Scope
		duration string
		at       time.Time
	}
	var all []due
	var now time.Time
	err := s.read().rows(ctx, `SELECT c.scope, c.duration, c.reset_at, n.now FROM (SELECT `+s.dialect.clock(`$1`)+` AS now) n
		JOIN counters c ON c.reset_at <= n.now ORDER BY c.scope`, []any{s.clock()},
		func(scan func(...any) error) error {
			var d due
			err := scan(&d.scope, &d.duration, scanTime{&d.at}, scanTime{&now})
			all = append(all, d)
			return err
		})
	var reset []account.Scope
	const together = 500 // counters of one transaction
	for len(all) > 0 && err == nil {
		part := all[:min(len(all), together)]
		all = all[len(part):]
		var done []account.Scope
		err = s.write(ctx, func(tx *sqlTx) error {
			done = done[:0]
			for _, d := range part {
				// Whoever was faster has moved reset_at on.
				n, err := tx.exec(ctx, `UPDATE counters SET spent = 0, reset_at = $1, updated_at = $2 WHERE scope = $3 AND reset_at = $4`,
					orNull(s.resetAfter(d.duration, now)), now, string(d.scope), d.at)
				if err != nil {
					return err
				}
				if n > 0 {
					done = append(done, d.scope)
				}
			}
			return nil
		})
		if err == nil {
			reset = append(reset, done...)
		}
	}
	return reset, err
}

// resetAfter is nextReset, or nil for a counter that has no period any more.
func (s *Store) resetAfter(duration string, from time.Time) *time.Time {
	if duration == "" {
		return nil
	}
	next := s.nextReset(duration, from)
	return &next
}
