package app

import (
	"context"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/store"
)

// appliedStore is the store as the management API of this replica sees it: what it changes is in force here when Update
// returns. Other replicas, and this one a second time, are told by the store's feed of changes.
type appliedStore struct {
	*store.Store
	apply func(ctx context.Context, changes []account.Change)
}

// Update implements account.Store.
func (s appliedStore) Update(ctx context.Context, change func(tx account.Tx) error) error {
	var noted []account.Change
	err := s.Store.Update(ctx, func(tx account.Tx) error {
		noted = nil // the store may run it again
		return change(notingTx{tx, &noted})
	})
	if err == nil {
		s.apply(ctx, noted)
	}
	return err
}

// notingTx notes what a transaction changes.
type notingTx struct {
	account.Tx
	noted *[]account.Change
}

func (t notingTx) note(kind account.Kind, id string) {
	*t.noted = append(*t.noted, account.Change{Kind: kind, ID: id})
}

// Insert implements account.Tx.
func (t notingTx) Insert(ctx context.Context, o account.Object) error {
	t.note(o.Kind(), o.ObjectID())
	return t.Tx.Insert(ctx, o)
}

// Replace implements account.Tx.
func (t notingTx) Replace(ctx context.Context, o account.Object) error {
	t.note(o.Kind(), o.ObjectID())
	return t.Tx.Replace(ctx, o)
}

// Delete implements account.Tx.
func (t notingTx) Delete(ctx context.Context, kind account.Kind, id string) error {
	t.note(kind, id)
	return t.Tx.Delete(ctx, kind, id)
}

// SetSpent implements account.Tx.
func (t notingTx) SetSpent(ctx context.Context, s account.Scope, spent money.USD) error {
	t.note("", string(s))
	return t.Tx.SetSpent(ctx, s, spent)
}

// SetPeriod implements account.Tx.
func (t notingTx) SetPeriod(ctx context.Context, s account.Scope, duration string, resetAt *time.Time) error {
	t.note("", string(s))
	return t.Tx.SetPeriod(ctx, s, duration, resetAt)
}

// MoveCounter implements account.Tx.
func (t notingTx) MoveCounter(ctx context.Context, from, to account.Scope) error {
	t.note("", string(from))
	t.note("", string(to))
	return t.Tx.MoveCounter(ctx, from, to)
}

// DropCounter implements account.Tx.
func (t notingTx) DropCounter(ctx context.Context, s account.Scope) error {
	t.note("", string(s))
	return t.Tx.DropCounter(ctx, s)
}
