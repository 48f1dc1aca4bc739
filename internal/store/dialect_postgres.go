package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tollgate/internal/money"
)

// changesLock is the key of the advisory lock that serialises changes of objects over all replicas, and channel is the
// name under which they are announced. Both are the schema's: an older version must use the same.
const (
	changesLock = 7_026_513_890_412_001
	channel     = "tollgate_changes"
)

// postgresDialect is PostgreSQL 15 or newer. Moments are timestamptz, money is NUMERIC(38,12) dollars, documents are jsonb.
type postgresDialect struct{}

func (postgresDialect) name() string { return "postgres" }

// serialise also bounds how long a replica that has vanished keeps the lock.
func (postgresDialect) serialise(ctx context.Context, tx *sqlTx) error {
	_, err := tx.exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '15s', true), pg_advisory_xact_lock($1)`,
		int64(changesLock))
	return err
}

func (postgresDialect) notify(ctx context.Context, tx *sqlTx) error {
	_, err := tx.exec(ctx, `SELECT pg_notify('`+channel+`', '')`)
	return err
}

func (postgresDialect) lockSchema(ctx context.Context, tx *sqlTx) error {
	if _, err := tx.exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(schemaLock)); err != nil || tx.s.schema == "" {
		return err
	}
	var there bool // a role that may not make schemas may not even ask for IF NOT EXISTS
	err := tx.row(ctx, `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)`, []any{tx.s.schema}, &there)
	if err != nil || there {
		return err
	}
	_, err = tx.exec(ctx, `CREATE SCHEMA `+pgx.Identifier{tx.s.schema}.Sanitize())
	return err
}

func (postgresDialect) hasTable() string { return `SELECT to_regclass($1) IS NOT NULL` }

func (postgresDialect) momentType() string { return "timestamptz" }

func (postgresDialect) class(err error) class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return unavailable // not the server's word: the network's, the pool's
	}
	switch e.Code {
	case "40001", "40P01":
		return retryable
	case "23505":
		return exists
	case "22021", "22P05", "22P02", "22003": // a NUL, a lone surrogate in JSON, a number without bounds
		return unstorable
	case "25006", "57014", "25P03", "28000", "28P01", "3D000": // read-only after a failover; timed out; refused at the door
		return unavailable
	}
	switch e.Code[:2] {
	case "54": // too long for an index
		return unstorable
	case "08", "53", "57", "58", "XX":
		return unavailable
	}
	return other
}

func (postgresDialect) clock(placeholder string) string {
	return `coalesce(` + placeholder + `::timestamptz, clock_timestamp())`
}

func (postgresDialect) money(u money.USD) any { return u.String() }

func (postgresDialect) anyOf(expr, placeholder string) string {
	return expr + ` = ANY(` + placeholder + `)`
}

func (postgresDialect) anyOfFolded(expr, placeholder string) string {
	return expr + ` IN (SELECT lower(v) FROM unnest(` + placeholder + `::text[]) v)`
}

func (postgresDialect) contains(expr, placeholder string) string {
	return `strpos(lower(` + expr + `), lower(` + placeholder + `)) > 0`
}

func (postgresDialect) list(values []string) any { return values }

func (postgresDialect) holds(field, placeholder string) string {
	return `o.doc->'` + field + `' ? ` + placeholder
}

// moment is a function of ours, because an index needs one that is immutable: the text names its zone.
func (postgresDialect) moment(field string) string { return `tollgate_moment(o.doc->>'` + field + `')` }

func (postgresDialect) number(field string) string { return `(o.doc->>'` + field + `')::numeric` }

func (postgresDialect) plain(f field) string { return f.expr() }

func (postgresDialect) binary() string { return ` COLLATE "C"` }
