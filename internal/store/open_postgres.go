package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

func (s *Store) openPostgres(ctx context.Context) error {
	s.dialect = postgresDialect{}
	t, err := parseURL(s.opts.URL)
	if err != nil {
		return err
	}
	t.bound(s.opts)
	// Types are asked for once per text and no statement stays prepared on the server: right with and without PgBouncer.
	t.config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	// What a pooled connection is told unasked is of no interest, and would be kept for ever otherwise.
	t.config.ConnConfig.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	t.config.AfterConnect = settle
	s.schema = t.schema
	if s.pool, err = pgxpool.NewWithConfig(ctx, t.config); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.reads = stdlib.OpenDBFromPool(s.pool)
	s.writes = s.reads
	if err := s.meet(ctx, t.pooler); err != nil {
		return errors.Join(err, s.Close())
	}
	if s.pooled {
		s.log.Info("store: a connection pooler stands before PostgreSQL: changes are polled, not listened for")
	}
	return nil
}

// settle tells a new connection's server when to give up on us: a replica whose host vanishes in the middle of a
// transaction would hold its locks for hours otherwise. Behind a pooler nothing is set, since the connection is not ours alone.
func settle(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`SELECT CASE WHEN pg_backend_pid() = %d THEN
		set_config('idle_in_transaction_session_timeout', '15s', false) || set_config('tcp_keepalives_idle', '15', false) ||
		set_config('tcp_keepalives_interval', '5', false) || set_config('tcp_keepalives_count', '3', false) END`, conn.PgConn().PID()))
	return err
}

// meet checks the server's version and finds out whether a pooler answers in its place: then the process id that was
// told at the start of the connection is not that of the server's process.
func (s *Store) meet(ctx context.Context, pooler bool) error {
	ctx, w := newWatchdog(ctx, s.opts.Timeout)
	defer w.stop()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return s.refusedParameter(s.fail(ctx, err))
	}
	defer conn.Release()
	var pid, version int
	var searched bool // the schema of the URL is where names are looked for
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), current_setting('server_version_num')::int,
		$1 = '' OR current_setting('search_path') = quote_ident($1) OR current_setting('search_path') = '"' || $1 || '"'`,
		s.schema).Scan(&pid, &version, &searched)
	if err != nil {
		return s.fail(ctx, err)
	}
	if !searched {
		return s.schemaRefused()
	}
	if version < 150000 {
		return fmt.Errorf("store: PostgreSQL %d is too old: 15 or newer is needed", version/10000)
	}
	s.pooled = pooler || uint32(pid) != conn.Conn().PgConn().PID()
	return nil
}

// refusedParameter explains the refusal of PgBouncer to pass search_path on.
func (s *Store) refusedParameter(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "08P01" && strings.Contains(e.Message, "search_path") {
		return s.schemaRefused()
	}
	return err
}

func (s *Store) schemaRefused() error {
	return fmt.Errorf("store: the connection pooler does not pass schema= of the database URL on: leave it out and set it on the role instead (ALTER ROLE name SET search_path = %s)",
		s.schema)
}
