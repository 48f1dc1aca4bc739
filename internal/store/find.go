package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
)

// Find implements account.Reader. Without a limit the documents are handed over while they are read: each must not use
// the store then.
func (s *Store) Find(ctx context.Context, kind account.Kind, f account.Filter, each func(doc []byte) error) (int, error) {
	return s.find(ctx, s.read(), kind, f, each)
}

// AuditLog implements account.Store.
func (s *Store) AuditLog(ctx context.Context, f account.Filter, each func(account.AuditEntry) error) (int, error) {
	if f.Sort == "" {
		f.Sort, f.Desc = "updated_at", true
	}
	return s.find(ctx, s.read(), auditTable, f, func(doc []byte) error {
		var e account.AuditEntry
		if err := decode(doc, &e); err != nil {
			return err
		}
		return each(e)
	})
}

func (s *Store) find(ctx context.Context, r runner, kind account.Kind, f account.Filter, each func(doc []byte) error) (int, error) {
	t, ok := s.tables[kind]
	if !ok {
		return 0, fmt.Errorf("%w: there is no kind %q", ErrField, kind)
	}
	q := &search{dialect: s.dialect, table: t}
	if err := q.conditions(f); err != nil {
		return 0, err
	}
	order, err := q.order(f, s.clock())
	if err != nil {
		return 0, err
	}
	if q.never {
		return q.none(f), nil
	}
	found, err := q.page(ctx, r, order, f, each)
	switch {
	case err != nil:
		return 0, err
	case f.Limit <= 0:
		return -1, nil
	case found < f.Limit && (found > 0 || f.Offset <= 0):
		return max(f.Offset, 0) + found, nil
	}
	var total int
	err = r.row(ctx, `SELECT count(*) FROM `+t.name+` o`+q.clause(), q.args[:q.own], &total)
	return total, err
}

// search builds the SQL text of a Find. Names come from the table of fields, values are always arguments.
type search struct {
	dialect dialect
	table   *table
	join    string
	where   []string
	args    []any
	own     int  // how many args belong to the conditions
	never   bool // a condition that no row can meet
}

// value makes a placeholder.
func (q *search) value(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

func (q *search) clause() string {
	if len(q.where) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(q.where, ` AND `)
}

func (q *search) none(f account.Filter) int {
	if f.Limit <= 0 {
		return -1
	}
	return 0
}

// conditions are written in the order of the names, so that equal filters have equal texts.
func (q *search) conditions(f account.Filter) error {
	for _, name := range slices.Sorted(maps.Keys(f.Equal)) {
		if err := q.equal(name, f.Equal[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.In)) {
		if err := q.in(name, f.In[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Has)) {
		if err := q.has(name, f.Has[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Contains)) {
		if err := q.contains(name, f.Contains[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Before)) {
		if err := q.before(name, f.Before[name]); err != nil {
			return err
		}
	}
	q.own = len(q.args)
	return nil
}

func (q *search) add(condition string) { q.where = append(q.where, condition) }

// text notes that a value is compared, which no row can equal when no row can hold it.
func (q *search) text(v string) string {
	if !storable(v) {
		q.never = true
		return "NULL"
	}
	return q.value(v)
}

func (q *search) equal(name string, v any) error {
	f, err := q.table.field(name)
	if err != nil {
		return err
	}
	expr := q.dialect.plain(f)
	v = pointed(v)
	if v == nil {
		q.add(`(` + expr + ` IS NULL OR ` + expr + ` = '')`)
		return nil
	}
	if t, ok := v.(time.Time); ok && f.shape == shapeMoment {
		q.add(q.moment(f) + ` = ` + q.value(t.UTC()))
		return nil
	}
	if f.shape == shapeList || f.shape == shapeTree {
		return fmt.Errorf("%w: %s of %s is a list or an object", ErrField, name, q.table.name)
	}
	value := fmt.Sprint(v)
	if f.sparse && value != "" {
		q.add(expr + ` <> ''`)
	}
	text := q.text(value)
	if f.fold {
		expr, text = `lower(`+f.expr()+`)`, `lower(`+text+`)`
	}
	q.add(expr + ` = ` + text)
	return nil
}

func (q *search) in(name string, values []string) error {
	f, err := q.table.field(name)
	if err != nil {
		return err
	}
	if f.shape == shapeList || f.shape == shapeTree {
		return fmt.Errorf("%w: %s of %s is a list or an object", ErrField, name, q.table.name)
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !storable(v) })
	if len(values) == 0 {
		q.never = true
		return nil
	}
	if f.sparse && !slices.Contains(values, "") {
		q.add(q.dialect.plain(f) + ` <> ''`)
	}
	if f.fold {
		q.add(q.dialect.anyOfFolded(`lower(`+f.expr()+`)`, q.value(q.dialect.list(values))))
		return nil
	}
	q.add(q.dialect.anyOf(q.dialect.plain(f), q.value(q.dialect.list(values))))
	return nil
}

func (q *search) has(name, v string) error {
	f, err := q.table.field(name)
	if err != nil {
		return err
	}
	if f.shape != shapeList {
		return fmt.Errorf("%w: %s of %s is no list", ErrField, name, q.table.name)
	}
	q.add(q.dialect.holds(f.name, q.text(v)))
	return nil
}

func (q *search) contains(name, v string) error {
	f, err := q.table.field(name)
	if err != nil {
		return err
	}
	if f.shape != shapeText {
		return fmt.Errorf("%w: %s of %s is no text", ErrField, name, q.table.name)
	}
	q.add(q.dialect.contains(f.expr(), q.text(v)))
	return nil
}

func (q *search) before(name string, t time.Time) error {
	f, err := q.table.field(name)
	if err != nil {
		return err
	}
	if f.shape != shapeMoment {
		return fmt.Errorf("%w: %s of %s is no time", ErrField, name, q.table.name)
	}
	if f.column == "" { // as the partial indexes have it
		q.add(f.expr() + ` IS NOT NULL`)
	}
	q.add(q.moment(f) + ` < ` + q.value(t.UTC()))
	return nil
}

func (q *search) moment(f field) string {
	if f.column != "" {
		return f.column
	}
	return q.dialect.moment(f.name)
}

// order is the ORDER BY clause. Missing values are the smallest. Ties are broken by the id, in the same direction, so
// that an index serves both directions.
func (q *search) order(f account.Filter, clock any) (string, error) {
	direction, nulls := ``, ` NULLS FIRST`
	if f.Desc {
		direction, nulls = ` DESC`, ` DESC NULLS LAST`
	}
	by := func(expr, suffix string) string { return ` ORDER BY ` + expr + suffix + `, o.id` + direction }
	switch f.Sort {
	case "":
		return by(`o.created_at`, direction), nil
	case "spend":
		if q.table.name == string(auditTable) {
			break
		}
		q.join = ` LEFT JOIN counters c ON c.scope = o.scope`
		return by(`CASE WHEN c.spent IS NULL OR c.reset_at <= `+q.dialect.clock(q.value(clock))+` THEN 0 ELSE c.spent END`, direction), nil
	}
	field, err := q.table.field(f.Sort)
	if err != nil {
		return "", err
	}
	switch field.shape {
	case shapeMoment:
		if field.column != "" {
			return by(field.column, direction), nil
		}
		return by(q.dialect.moment(field.name), nulls), nil
	case shapeNumber:
		return by(q.dialect.number(field.name), nulls), nil
	case shapeText, shapeBool:
		return by(q.dialect.plain(field)+q.dialect.binary(), nulls), nil
	}
	return "", fmt.Errorf("%w: %s of %s has no order", ErrField, f.Sort, q.table.name)
}

// page hands the documents over and returns how many there were.
func (q *search) page(ctx context.Context, r runner, order string, f account.Filter, each func(doc []byte) error) (int, error) {
	text := `SELECT o.doc FROM ` + q.table.name + ` o` + q.join + q.clause() + order
	args := slices.Clone(q.args)
	if f.Limit > 0 || f.Offset > 0 {
		limit := int64(math.MaxInt64)
		if f.Limit > 0 {
			limit = int64(f.Limit)
		}
		text += fmt.Sprintf(` LIMIT $%d OFFSET $%d`, len(args)+1, len(args)+2)
		args = append(args, limit, int64(max(f.Offset, 0)))
	}
	found := 0
	// A page is read whole before it is handed over, and so is all that a transaction reads: its one connection is free
	// then for what each asks.
	whole := f.Limit > 0 || r.watch != nil
	var docs [][]byte
	err := r.rows(ctx, text, args, func(scan func(...any) error) error {
		var doc []byte
		if err := scan(&doc); err != nil {
			return err
		}
		found++
		if whole {
			docs = append(docs, doc)
			return nil
		}
		return each(doc)
	})
	for _, doc := range docs {
		if err == nil {
			err = each(doc)
		}
	}
	return found, err
}

// expr is the field of doc as text; a text field only.
func (f field) expr() string { return `(o.doc->>'` + f.name + `')` }

// pointed is what a pointer points to; nil for a nil pointer.
func pointed(v any) any {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil
		}
		return r.Elem().Interface()
	}
	return v
}
