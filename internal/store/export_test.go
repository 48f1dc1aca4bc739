package store

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"tollgate/internal/account"
)

// SetMigrations gives the store the migrations of another version.
func (s *Store) SetMigrations(f fs.FS) { s.migrations = f }

// Migrations are the files of this version.
func Migrations() fs.FS { return embedded }

// PruneChanges forgets the changes before a time.
func (s *Store) PruneChanges(ctx context.Context, before time.Time) error {
	return s.pruneChanges(ctx, before)
}

// SetOwnClock moves the clock of this replica, not the server's.
func (s *Store) SetOwnClock(now func() time.Time) { s.now = now }

// Exec runs a statement outside of a transaction of ours.
func (s *Store) Exec(ctx context.Context, text string) error {
	_, err := s.writes.ExecContext(ctx, text)
	return err
}

// Number reads one number.
func (s *Store) Number(ctx context.Context, text string) (n int, err error) {
	err = s.read().row(ctx, text, nil, &n)
	return n, err
}

// Plan is how the engine would look for what matches a filter.
func (s *Store) Plan(ctx context.Context, kind account.Kind, f account.Filter) (string, error) {
	q := &search{dialect: s.dialect, table: s.tables[kind]}
	if err := q.conditions(f); err != nil {
		return "", err
	}
	order, err := q.order(f, s.clock())
	if err != nil {
		return "", err
	}
	var plan strings.Builder
	if f.Limit > 0 {
		order += ` LIMIT 10`
	}
	explain, columns := `EXPLAIN `, 1
	if s.pool == nil {
		explain, columns = `EXPLAIN QUERY PLAN `, 4
	}
	err = s.read().rows(ctx, explain+`SELECT o.doc FROM `+q.table.name+` o`+q.join+q.clause()+order, q.args,
		func(scan func(...any) error) error {
			line := make([]string, columns)
			dest := make([]any, columns)
			for i := range line {
				dest[i] = &line[i]
			}
			err := scan(dest...)
			plan.WriteString(line[columns-1] + "\n")
			return err
		})
	return plan.String(), err
}

// Leases is how many leases are kept, empty ones included; -1 = it cannot be told.
func (s *Store) Leases(ctx context.Context) int {
	if s.pool == nil {
		s.local.mu.Lock()
		defer s.local.mu.Unlock()
		n := 0
		for _, leases := range s.local.leases {
			n += len(leases)
		}
		return n
	}
	n, err := s.Number(ctx, `SELECT count(*) FROM leases`)
	if err != nil {
		return -1
	}
	return n
}
