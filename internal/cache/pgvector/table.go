package pgvector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errNoExtension says what to do where the server has no pgvector.
var errNoExtension = errors.New("pgvector: the server does not have the extension: install it there (Debian: postgresql-NN-pgvector)")

const (
	// lock is the key of the advisory lock under which a replica makes the table.
	lock = 7_026_513_890_412_117
	// indexed is the longest vector that pgvector's index takes.
	indexed = 2000
	// inPage is the longest vector that fits into a page of PostgreSQL beside the rest of its row. Kept there it is compared
	// four times as fast as out of line.
	inPage = 1900
)

// prepare makes sure that the table is there and takes vectors of the size. It is tried again until it succeeds.
func (v *Vectors) prepare(ctx context.Context, size int) error {
	if size == 0 {
		return errors.New("pgvector: the embedding has no numbers")
	}
	have := int(v.size.Load())
	if have == 0 {
		var err error
		if have, err = v.establish(ctx, cmp.Or(v.want, size)); err != nil {
			return err
		}
		v.size.Store(int64(have))
	}
	if size != have {
		return fmt.Errorf("pgvector: the embedding has %d numbers, the table's have %d: name another pgvector_table for another embedding model", size, have)
	}
	return nil
}

// establish looks at the table, or makes it, and returns the size of its vectors.
func (v *Vectors) establish(ctx context.Context, size int) (have int, err error) {
	err = pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		// One works, the others wait: IF NOT EXISTS alone fails for one of two at once.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lock)); err != nil {
			return wrap(err)
		}
		if have, err = v.describe(ctx, tx); err != nil || have > 0 {
			return wrap(err)
		}
		if err := v.create(ctx, tx, size); err != nil {
			return err
		}
		have, err = v.describe(ctx, tx)
		return wrap(err)
	})
	return have, err
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}

// describe asks for the size of the table's vectors, 0 = there is no table, and for what the extension can do.
func (v *Vectors) describe(ctx context.Context, q querier) (size int, err error) {
	var version string
	err = q.QueryRow(ctx, `SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), ''),
		coalesce((SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'embedding' AND NOT attisdropped), 0)`,
		v.table.quoted).Scan(&version, &size)
	v.iterative.Store(atLeast(version, 0, 8))
	return size, err
}

// atLeast compares a version such as 0.8.0.
func atLeast(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (a > major || a == major && b >= minor)
}

// create makes the extension, the table and its indexes. Vectors that are too long for the index are compared one by one.
func (v *Vectors) create(ctx context.Context, tx pgx.Tx, size int) error {
	if _, err := tx.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS vector`); err != nil {
		var e *pgconn.PgError
		switch {
		case errors.As(err, &e) && e.Code == "42501": // insufficient_privilege
			return errors.New("pgvector: the role may not make the extension: have a superuser run CREATE EXTENSION vector in this database once")
		case errors.As(err, &e) && (e.Code == "58P01" || e.Code == "0A000"): // undefined_file, feature_not_supported
			return errNoExtension
		}
		return wrap(err)
	}
	var version string
	if err := tx.QueryRow(ctx, `SELECT extversion FROM pg_extension WHERE extname = 'vector'`).Scan(&version); err != nil {
		return wrap(err)
	}
	statements := []string{
		`CREATE TABLE IF NOT EXISTS ` + v.table.quoted + ` (
			namespace  text NOT NULL,
			id         text NOT NULL,
			scope      text NOT NULL,
			embedding  vector(` + strconv.Itoa(size) + `) NOT NULL,
			value      bytea NOT NULL,
			expires_at timestamptz NOT NULL,
			PRIMARY KEY (namespace, id))`,
		`CREATE INDEX IF NOT EXISTS ` + v.table.name + `_scope ON ` + v.table.quoted + ` (namespace, scope)`,
		`CREATE INDEX IF NOT EXISTS ` + v.table.name + `_expires ON ` + v.table.quoted + ` (expires_at)`,
	}
	if size <= inPage {
		statements = append(statements, `ALTER TABLE `+v.table.quoted+` ALTER embedding SET STORAGE PLAIN`)
	}
	if v.table.schema != "" {
		statements = append([]string{`CREATE SCHEMA IF NOT EXISTS ` + pgx.Identifier{v.table.schema}.Sanitize()}, statements...)
	}
	if size <= indexed && atLeast(version, 0, 5) {
		statements = append(statements, `CREATE INDEX IF NOT EXISTS `+v.table.name+`_embedding ON `+v.table.quoted+` USING hnsw (embedding vector_cosine_ops)`)
	}
	for _, s := range statements {
		if _, err := tx.Exec(ctx, s); err != nil {
			return wrap(err)
		}
	}
	return nil
}
