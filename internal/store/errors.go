package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"tollgate/internal/account"
)

// ErrText says that an id or an object holds what the store cannot keep: a NUL character, bytes that are no UTF-8, or a
// number or an indexed text out of all bounds.
var ErrText = errors.New("store: text with a NUL character, text that is not UTF-8, or a value out of bounds cannot be stored")

// ErrField says that a filter names a field that the kind does not have, or uses it in a way that does not fit it.
var ErrField = errors.New("store: the filter does not fit the kind")

// fail puts an error of the engine into the terms of account. It must not see the errors of callers.
func (s *Store) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStuck) && ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case errors.Is(context.Cause(ctx), errStuck):
		if s.pool != nil {
			s.pool.Reset() // the other connections may lead nowhere as well
		}
		return fmt.Errorf("%w: %w", account.ErrUnavailable, errStuck)
	case errors.Is(err, sql.ErrNoRows):
		return account.ErrNotFound
	}
	switch s.dialect.class(err) {
	case exists:
		return fmt.Errorf("%w: %w", account.ErrExists, err)
	case unavailable, retryable:
		return fmt.Errorf("%w: %w", account.ErrUnavailable, err)
	case unstorable:
		return fmt.Errorf("%w: %w", ErrText, err)
	default:
		return fmt.Errorf("store: %w", err)
	}
}
