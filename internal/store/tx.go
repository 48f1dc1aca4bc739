package store

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"tollgate/internal/account"
)

// runner runs SQL and tells errors in the package's terms. limit is how long a statement may go without progress.
type runner struct {
	s     *Store
	on    executor
	limit time.Duration
	watch *watchdog // of the transaction; nil outside of one
}

// executor is a pool or a transaction of database/sql.
type executor interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// read runs statements outside of a transaction. They see what is committed.
func (s *Store) read() runner { return s.readSlow(s.opts.Timeout) }

// readSlow is read for reports: their first row may take as long as limit.
func (s *Store) readSlow(limit time.Duration) runner { return runner{s: s, on: s.reads, limit: limit} }

// exec runs a statement and returns how many rows it changed.
func (r runner) exec(ctx context.Context, text string, args ...any) (int64, error) {
	ctx, w := r.guard(ctx)
	defer w.rest(r.watch)
	res, err := r.on.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, r.s.fail(ctx, err)
	}
	n, err := res.RowsAffected()
	return n, r.s.fail(ctx, err)
}

// row reads the one row of a query into dest, or returns account.ErrNotFound.
func (r runner) row(ctx context.Context, text string, args []any, dest ...any) error {
	found := false
	err := r.rows(ctx, text, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	if err == nil && !found {
		return account.ErrNotFound
	}
	return err
}

// rows calls each for every row of a query, which reads it with scan. An error of each ends the query and is returned
// as it is.
func (r runner) rows(ctx context.Context, text string, args []any, each func(scan func(dest ...any) error) error) error {
	ctx, w := r.guard(ctx)
	defer w.rest(r.watch)
	rows, err := r.on.QueryContext(ctx, text, args...)
	if err != nil {
		return r.s.fail(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		w.touch()
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return r.s.fail(ctx, rows.Err())
}

// guard gives a statement its own watchdog, or the transaction's.
func (r runner) guard(ctx context.Context) (context.Context, *watchdog) {
	if r.watch != nil {
		r.watch.touch()
		return ctx, r.watch
	}
	return newWatchdog(ctx, r.limit)
}

// sqlTx is a transaction that may write. It is used by one goroutine.
type sqlTx struct {
	runner
	conn    *sql.Conn
	locked  bool                            // serialise was called
	seal    func(commit func() error) error // where it is not nil, calls commit once and does what belongs to it
	changes []account.Change                // in order; noted holds the same
	noted   map[account.Change]bool
}

// write runs change in a transaction and commits it when change returns nil. Where the engine asks for it (a
// serialisation failure, a deadlock, a file that is busy), it runs change again, a bounded number of times; so change
// must have effects through tx alone. An error of change is returned as it is.
func (s *Store) write(ctx context.Context, change func(tx *sqlTx) error) error {
	return s.writeWithin(ctx, s.opts.Timeout, change)
}

// writeWithin is write for work whose single steps may take as long as limit.
func (s *Store) writeWithin(ctx context.Context, limit time.Duration, change func(tx *sqlTx) error) error {
	const attempts = 8
	pause, start := 5*time.Millisecond, time.Now()
	for n := 1; ; n++ {
		err := s.writeOnce(ctx, limit, change)
		if err == nil || n == attempts || ctx.Err() != nil || time.Since(start) > limit || s.dialect.class(err) != retryable {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // spread, not secrecy
		}
		pause *= 2
	}
}

func (s *Store) writeOnce(ctx context.Context, limit time.Duration, change func(tx *sqlTx) error) error {
	ctx, w := newWatchdog(ctx, limit)
	defer w.stop()
	conn, err := s.writes.Conn(ctx)
	if err != nil {
		return s.fail(ctx, err)
	}
	defer conn.Close()
	// READ COMMITTED on PostgreSQL: what must be exact is guarded by the lock, by row locks or by guarded updates.
	inner, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return s.fail(ctx, err)
	}
	defer func() { _ = inner.Rollback() }() // does nothing after a commit
	tx := &sqlTx{runner: runner{s: s, on: inner, limit: limit, watch: w}, conn: conn}
	if err := change(tx); err != nil {
		return err
	}
	if err := tx.publish(ctx); err != nil {
		return err
	}
	w.touch()
	commit := inner.Commit
	if tx.seal != nil {
		commit = func() error { return tx.seal(inner.Commit) }
	}
	if err := commit(); err != nil {
		return s.fail(ctx, err)
	}
	if len(tx.changes) > 0 {
		s.wake.ring()
	}
	return nil
}

// pgx runs f on the transaction's own connection of PostgreSQL, for COPY. It must not be called on SQLite.
func (tx *sqlTx) pgx(f func(conn *pgx.Conn) error) error {
	tx.watch.touch()
	return tx.conn.Raw(func(driver any) error {
		return f(driver.(*stdlib.Conn).Conn())
	})
}

// serialise makes tx the only one that changes objects, on every replica, until it ends.
func (tx *sqlTx) serialise(ctx context.Context) error {
	if tx.locked {
		return nil
	}
	tx.locked = true
	return tx.s.dialect.serialise(ctx, tx)
}

// errStuck is the cause of a context that the watchdog ended.
var errStuck = errors.New("store: no answer in time")

// watchdog ends the context of a statement or transaction that makes no progress.
type watchdog struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func newWatchdog(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{limit: limit, cancel: cancel}
	w.timer = time.AfterFunc(limit, func() { cancel(errStuck) })
	return ctx, w
}

// touch tells of progress.
func (w *watchdog) touch() { w.timer.Reset(w.limit) }

// rest ends a statement: its own watchdog stops, the transaction's goes on.
func (w *watchdog) rest(transaction *watchdog) {
	if w != transaction {
		w.stop()
	}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
