// Package store keeps the gateway's objects, its money counters and its ledger, in a SQLite file or in PostgreSQL. It
// implements the interfaces that the rooms declare; only app sees both. The same SQL text runs on both engines; what
// differs is in dialect_postgres.go and dialect_sqlite.go.
package store

import (
	"context"
	"database/sql"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate/internal/account"
)

// Options say where the store is and how it is used. The zero value of every field but Dir and URL is a default.
type Options struct {
	// URL is a postgres:// or postgresql:// URL; "" is SQLite in Dir. Prisma's parameters, which LiteLLM's DATABASE_URL
	// has, are understood or left out (url.go).
	URL string
	// Dir is the directory of the SQLite file, tollgate.db. It is made when it is missing.
	Dir string
	// FullSync makes every commit of SQLite wait for the disk. Without it a crash of the process loses nothing, but a
	// loss of power may take back the last commits; the file stays sound.
	FullSync bool
	// MaxConns bounds the connections to PostgreSQL, besides the one that listens for changes, or the readers of SQLite.
	// 0 = connection_limit of the URL, else 16; 4 readers.
	MaxConns int
	// ConnectTimeout bounds one attempt to connect. 0 = connect_timeout of the URL, else 5 s.
	ConnectTimeout time.Duration
	// Timeout bounds how long a statement may stay without any progress: a server that is paused hangs nobody. 0 = 10 s.
	Timeout time.Duration
	// Log gets what is not an error of a single call. nil = slog.Default.
	Log *slog.Logger
	// Location is the time zone in which budgets start anew. nil = UTC.
	Location *time.Location
	// Replica names this process in leases. It must be unique among the processes that share the store.
	Replica string
	// Now is the clock. nil = time.Now.
	Now func() time.Time
}

const (
	defaultMaxConns       = 16
	defaultConnectTimeout = 5 * time.Second
	defaultTimeout        = 10 * time.Second
)

// Store is an open database. Safe for concurrent use.
type Store struct {
	dialect dialect
	opts    Options
	log     *slog.Logger
	now     func() time.Time

	tables map[account.Kind]*table

	reads  *sql.DB
	writes *sql.DB       // the same as reads on PostgreSQL; one connection on SQLite
	pool   *pgxpool.Pool // behind reads and writes; nil on SQLite
	schema string        // the URL's schema, to be made by Migrate; "" = the server's default
	pooled bool          // a connection pooler stands between: no state outlives a transaction

	migrations fs.FS        // of both engines; tests add to it
	wake       *signal      // rung by every local change
	synced     atomic.Int64 // when changes were last read, Unix nanoseconds; 0 = never

	ledgerState // what the ledger keeps in memory
}

// Open connects to the store. It does not migrate it: Migrate does. The error wraps account.ErrUnavailable when the
// server does not answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{opts: o, log: o.Log, now: o.Now, tables: tables(), migrations: embedded, wake: newSignal()}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.opts.Location == nil {
		s.opts.Location = time.UTC
	}
	if s.opts.Timeout == 0 {
		s.opts.Timeout = defaultTimeout
	}
	open := s.openSQLite
	if o.URL != "" {
		open = s.openPostgres
	}
	if err := open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends all connections. Nothing may use the store afterwards.
func (s *Store) Close() error {
	err := s.writes.Close()
	if s.reads != s.writes {
		if e := s.reads.Close(); err == nil {
			err = e
		}
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return err
}

// Ping asks the server whether it answers; the error wraps account.ErrUnavailable.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read().row(ctx, `SELECT 1`, nil, &one)
}

// Engine is "postgres" or "sqlite".
func (s *Store) Engine() string { return s.dialect.name() }

// Pooled reports whether a connection pooler, such as PgBouncer, stands before the server: changes are polled then.
func (s *Store) Pooled() bool { return s.pooled }

// Replica is the name of this process in leases.
func (s *Store) Replica() string { return s.opts.Replica }
