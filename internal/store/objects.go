package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tollgate/internal/account"
)

var (
	_ account.Store = (*Store)(nil)
	_ account.Tx    = (*objectTx)(nil)
)

// Get implements account.Reader.
func (s *Store) Get(ctx context.Context, id string, o account.Object) error {
	return s.get(ctx, s.read(), id, o)
}

// Update implements account.Store. Only one Update runs at a time, on all replicas that share the store; so change must
// not call Update, and a step of it that takes longer than Options.Timeout ends it. When the connection is lost at the commit
// itself, the error is account.ErrUnavailable and nobody knows whether the change has come to be.
func (s *Store) Update(ctx context.Context, change func(tx account.Tx) error) error {
	return s.write(ctx, func(tx *sqlTx) error {
		if err := tx.serialise(ctx); err != nil {
			return err
		}
		return change(&objectTx{tx})
	})
}

// objectTx is the transaction of an Update.
type objectTx struct{ *sqlTx }

// Get implements account.Reader.
func (tx *objectTx) Get(ctx context.Context, id string, o account.Object) error {
	return tx.s.get(ctx, tx.runner, id, o)
}

// Find implements account.Reader. All documents are read before the first is handed over.
func (tx *objectTx) Find(ctx context.Context, kind account.Kind, f account.Filter, each func(doc []byte) error) (int, error) {
	return tx.s.find(ctx, tx.runner, kind, f, each)
}

// Insert implements account.Tx.
func (tx *objectTx) Insert(ctx context.Context, o account.Object) error {
	t, doc, err := tx.s.encode(o)
	if err != nil {
		return err
	}
	created, updated := stampsOf(o, tx.s.now().UTC())
	// A conflict is counted, not raised: the transaction lives on.
	n, err := tx.exec(ctx, `INSERT INTO `+t.name+` (id, doc, scope, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, o.ObjectID(), string(doc), string(scopeOf(o)), created, updated)
	if err != nil {
		return err
	}
	if n == 0 {
		return account.ErrExists
	}
	tx.note(o.Kind(), o.ObjectID())
	if o.Kind() == account.Keys { // a value that was in use before: what it costs now is its own
		return tx.settle(ctx, account.KeyScope(o.ObjectID()))
	}
	return nil
}

// Replace implements account.Tx.
func (tx *objectTx) Replace(ctx context.Context, o account.Object) error {
	t, doc, err := tx.s.encode(o)
	if err != nil {
		return err
	}
	var old []byte
	if err := tx.row(ctx, `SELECT doc FROM `+t.name+` WHERE id = $1`, []any{o.ObjectID()}, &old); err != nil {
		return err
	}
	if doc, err = merge(old, doc); err != nil {
		return err
	}
	if err := tx.free(ctx, t, o.ObjectID(), doc); err != nil {
		return err
	}
	created, updated := stampsOf(o, tx.s.now().UTC())
	_, err = tx.exec(ctx, `UPDATE `+t.name+` SET doc = $2, created_at = $3, updated_at = $4 WHERE id = $1`,
		o.ObjectID(), string(doc), created, updated)
	if err != nil {
		return err
	}
	tx.note(o.Kind(), o.ObjectID())
	return nil
}

// free returns account.ErrExists when another object than id has a value that must be unique. PostgreSQL would end the
// transaction at the attempt; and since changes are serialised, the answer stays true.
func (tx *objectTx) free(ctx context.Context, t *table, id string, doc []byte) error {
	for _, group := range t.unique {
		var values map[string]any
		if err := decode(doc, &values); err != nil {
			return err
		}
		text, args := `SELECT EXISTS (SELECT 1 FROM `+t.name+` o WHERE o.id <> $1`, []any{id}
		for _, name := range group {
			v, _ := values[name].(string)
			args = append(args, v)
			text += fmt.Sprintf(` AND %s = $%d AND %[1]s <> ''`, t.fields[name].expr(), len(args))
		}
		var taken bool
		if err := tx.row(ctx, text+`)`, args, &taken); err != nil {
			return err
		}
		if taken {
			return account.ErrExists
		}
	}
	return nil
}

// Delete implements account.Tx. It returns account.ErrNotFound when there is no such object.
func (tx *objectTx) Delete(ctx context.Context, kind account.Kind, id string) error {
	t, ok := tx.s.tables[kind]
	switch {
	case !ok || kind == auditTable:
		return fmt.Errorf("%w: there is no kind %q", ErrField, kind)
	case !storable(id):
		return account.ErrNotFound
	}
	n, err := tx.exec(ctx, `DELETE FROM `+t.name+` WHERE id = $1`, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return account.ErrNotFound
	}
	tx.note(kind, id)
	return nil
}

// Audit implements account.Tx. The entry needs an ID of its own.
func (tx *objectTx) Audit(ctx context.Context, e account.AuditEntry) error {
	doc, err := document(e.ID, e)
	if err != nil {
		return err
	}
	if e.UpdatedAt.IsZero() {
		e.UpdatedAt = tx.s.now()
	}
	n, err := tx.exec(ctx, `INSERT INTO audit (id, doc, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		e.ID, string(doc), e.UpdatedAt.UTC())
	if err == nil && n == 0 {
		err = account.ErrExists
	}
	return err
}

func (s *Store) get(ctx context.Context, r runner, id string, o account.Object) error {
	t, ok := s.tables[o.Kind()]
	switch {
	case !ok:
		return fmt.Errorf("%w: there is no kind %q", ErrField, o.Kind())
	case !storable(id):
		return account.ErrNotFound // what cannot be stored is not there
	}
	var doc []byte
	if err := r.row(ctx, `SELECT doc FROM `+t.name+` WHERE id = $1`, []any{id}, &doc); err != nil {
		return err
	}
	return decode(doc, o)
}

// encode returns the table and the document of an object.
func (s *Store) encode(o account.Object) (*table, []byte, error) {
	t, ok := s.tables[o.Kind()]
	if !ok {
		return nil, nil, fmt.Errorf("%w: there is no kind %q", ErrField, o.Kind())
	}
	doc, err := document(o.ObjectID(), o)
	return t, doc, err
}

func document(id string, v any) ([]byte, error) {
	if id == "" {
		return nil, errors.New("store: an object without an id")
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !storable(id) || holdsNUL(doc) {
		return nil, ErrText
	}
	return doc, nil
}

// holdsNUL reports whether a string of a JSON text has the character \u0000.
func holdsNUL(doc []byte) bool {
	const escape = `\u0000`
	for {
		i := bytes.Index(doc, []byte(escape))
		if i < 0 {
			return false
		}
		slashes := 0 // an even number before it: the backslash is not escaped itself
		for slashes < i && doc[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		doc = doc[i+len(escape):]
	}
}

func decode(doc []byte, into any) error {
	if err := json.Unmarshal(doc, into); err != nil {
		return fmt.Errorf("store: a stored document: %w", err)
	}
	return nil
}

// merge is changed with the members of old that it does not name: a newer version has stored them.
func merge(old, changed []byte) ([]byte, error) {
	var before, after map[string]json.RawMessage
	if err := errors.Join(decode(old, &before), decode(changed, &after)); err != nil {
		return nil, err
	}
	for name, v := range before {
		if _, named := after[name]; !named {
			after[name] = v
		}
	}
	doc, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return doc, nil
}
