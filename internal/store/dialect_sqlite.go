package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// sqliteFile is the name of the database under Options.Dir.
const sqliteFile = "tollgate.db"

// busyMilliseconds is how long a process waits for another one that writes the same file.
const busyMilliseconds = "5000"

// pagesPerCheckpoint is how much of the log, in pages of 4 KiB, goes into the file at once: a page that many batches change
// is written there once for all of them.
const pagesPerCheckpoint = "4000"

// sqliteDialect is SQLite 3.45 or newer (JSON with ->>, RETURNING). Moments are Unix microseconds, money is picodollars.
type sqliteDialect struct{}

func (s *Store) openSQLite(ctx context.Context) error {
	s.dialect = sqliteDialect{}
	if s.opts.Dir == "" {
		return errors.New("store: neither a database URL nor a data directory is given")
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	// Its other files take the mode of this one. They hold prompts and sealed secrets, whatever mode the directory has.
	file, err := os.OpenFile(filepath.Join(s.opts.Dir, sqliteFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	}
	readers := s.opts.MaxConns
	if readers == 0 {
		readers = 4
	}
	if s.writes, err = sql.Open("sqlite", s.sqliteDSN("query_only(0)")); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.writes.SetMaxOpenConns(1) // SQLite has one writer: here the queue is fair, in the file it is not
	if s.reads, err = sql.Open("sqlite", s.sqliteDSN("query_only(1)")); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	if err := s.writes.PingContext(ctx); err != nil { // makes the file, and puts it into WAL mode
		return errors.Join(s.fail(ctx, err), s.Close())
	}
	return nil
}

func (s *Store) sqliteDSN(mode string) string {
	synchronous := "synchronous(NORMAL)"
	if s.opts.FullSync {
		synchronous = "synchronous(FULL)"
	}
	q := url.Values{
		"_pragma": {
			"busy_timeout(" + busyMilliseconds + ")", "journal_mode(WAL)", synchronous, "foreign_keys(1)",
			"temp_store(MEMORY)", "cache_size(-16000)", "wal_autocheckpoint(" + pagesPerCheckpoint + ")", mode,
		},
		"_time_integer_format": {"unix_micro"},
		"_txlock":              {"immediate"}, // a transaction that reads first cannot be told to write: it would fail at once
	}
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(s.opts.Dir, sqliteFile)), RawQuery: q.Encode()}
	if !filepath.IsAbs(s.opts.Dir) {
		file.Opaque, file.Path = (&url.URL{Path: file.Path}).EscapedPath(), ""
	}
	return file.String()
}

func (sqliteDialect) name() string { return "sqlite" }

// serialise has nothing to do: BEGIN IMMEDIATE has locked the file.
func (sqliteDialect) serialise(context.Context, *sqlTx) error { return nil }

func (sqliteDialect) notify(context.Context, *sqlTx) error { return nil }

// lockSchema has nothing to do either.
func (sqliteDialect) lockSchema(context.Context, *sqlTx) error { return nil }

func (sqliteDialect) hasTable() string {
	return `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)`
}

func (sqliteDialect) momentType() string { return "INTEGER" }

func (sqliteDialect) class(err error) class {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return other
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		return exists
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return retryable
	case lib.SQLITE_IOERR, lib.SQLITE_FULL, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT:
		return unavailable
	default:
		return other
	}
}

func (sqliteDialect) clock(placeholder string) string {
	return `coalesce(` + placeholder + `, CAST(unixepoch('subsec') * 1000000 AS INTEGER))`
}

func (sqliteDialect) money(u money.USD) any { return int64(u) }

func (sqliteDialect) anyOf(expr, placeholder string) string {
	return expr + ` IN (SELECT value FROM json_each(` + placeholder + `))`
}

func (sqliteDialect) anyOfFolded(expr, placeholder string) string {
	return expr + ` IN (SELECT lower(value) FROM json_each(` + placeholder + `))`
}

func (sqliteDialect) contains(expr, placeholder string) string {
	return `instr(lower(` + expr + `), lower(` + placeholder + `)) > 0`
}

func (sqliteDialect) list(values []string) any {
	text, err := json.Marshal(values)
	if err != nil { // a slice of strings always has a JSON form
		panic(err)
	}
	return string(text)
}

func (sqliteDialect) holds(field, placeholder string) string {
	return `EXISTS (SELECT 1 FROM json_each(o.doc, '$.` + field + `') e WHERE e.value = ` + placeholder + `)`
}

// moment has milliseconds.
func (sqliteDialect) moment(field string) string {
	return `CAST(unixepoch(o.doc->>'` + field + `', 'subsec') * 1000000 AS INTEGER)`
}

func (sqliteDialect) number(field string) string { return `CAST(o.doc->>'` + field + `' AS REAL)` }

func (sqliteDialect) plain(f field) string {
	expr := f.expr()
	switch f.shape {
	case shapeBool:
		return `CASE ` + expr + ` WHEN 1 THEN 'true' WHEN 0 THEN 'false' END`
	case shapeNumber:
		return `CAST(` + expr + ` AS TEXT)`
	default:
		return expr
	}
}

func (sqliteDialect) binary() string { return "" }
