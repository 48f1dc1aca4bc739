package importer

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"
)

// prefix begins the names of LiteLLM's tables; here they are written without it.
const prefix = "LiteLLM_"

// schema is what LiteLLM's database has: columns by table. Its versions differ, so nothing is taken for granted.
type schema map[string]map[string]bool

func (s schema) has(table string, columns ...string) bool {
	for _, c := range columns {
		if !s[table][c] {
			return false
		}
	}
	return s[table] != nil
}

// quoted is the name of a table as SQL has it.
func quoted(table string) string { return pgx.Identifier{prefix + table}.Sanitize() }

// probe reads which tables and columns there are. Views are none of LiteLLM's tables: they may be our own.
func (r *run) probe(ctx context.Context) error {
	r.source = schema{}
	rows, err := r.o.Source.Query(ctx, `SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
		JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name LIKE 'LiteLLM\_%'`)
	if err != nil {
		return err
	}
	var table, column string
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		table = strings.TrimPrefix(table, prefix)
		if r.source[table] == nil {
			r.source[table] = map[string]bool{}
		}
		r.source[table][column] = true
		return nil
	})
	if err == nil && !r.source.has("VerificationToken", "token") {
		return ErrNotLiteLLM
	}
	return err
}

// documents hands each row of a query of one JSON column to each.
func (r *run) documents(ctx context.Context, query string, each func(document) error) error {
	rows, err := r.o.Source.Query(ctx, query)
	if err != nil {
		return err
	}
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var doc document
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		return each(doc)
	})
	return err
}

// count counts the rows of a table.
func (r *run) count(ctx context.Context, table, where string, args ...any) (n int64, err error) {
	err = r.o.Source.QueryRow(ctx, `SELECT count(*) FROM `+quoted(table)+where, args...).Scan(&n)
	return n, err
}
