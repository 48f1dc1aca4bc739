package admin

import (
	"context"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// keyRow is a key as replies show it, with what was spent.
func keyRow(k *account.Key, spent account.Counter) row {
	r := rowOf(k)
	r["spend"] = spent.Spent
	if spent.ResetAt != nil && k.BudgetDuration != "" {
		r["budget_reset_at"] = spent.ResetAt.UTC()
	}
	r["model_spend"] = map[string]any{}
	r["soft_budget_cooldown"] = false
	return r
}

// keyRows are keys as replies show them.
func (a *API) keyRows(ctx context.Context, keys []*account.Key) ([]row, error) {
	rows := make([]row, 0, len(keys))
	scopes := make([]account.Scope, len(keys))
	for i, k := range keys {
		scopes[i] = account.KeyScope(k.Token)
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		rows = append(rows, keyRow(k, spent[scopes[i]]))
	}
	return rows, nil
}

// fullKeyRow is a key with its budget and its object permission.
func (a *API) fullKeyRow(ctx context.Context, k *account.Key) (row, error) {
	rows, err := a.keyRows(ctx, []*account.Key{k})
	if err != nil {
		return nil, err
	}
	return a.withReferences(ctx, rows[0], k)
}

func (a *API) withReferences(ctx context.Context, r row, k *account.Key) (row, error) {
	budget, err := lookup[account.Budget](ctx, a.opts.Store, k.BudgetID)
	if err != nil {
		return nil, err
	}
	rights, err := lookup[account.ObjectPermission](ctx, a.opts.Store, k.ObjectPermissionID)
	if err != nil {
		return nil, err
	}
	return r.with(row{"litellm_budget_table": optional(budget), "object_permission": optional(rights)}), nil
}

// hashOf is the hash that an argument names: a key's value is hashed, anything else is a hash already.
func hashOf(arg string) string {
	if strings.HasPrefix(arg, "sk-") {
		return account.HashKey(arg)
	}
	return arg
}

// noSuchKey answers for a key that is not there as /key/block and its like do.
func noSuchKey(arg string) *apierr.Error {
	return named("key", notFound("Key %s not found.", shownKey(arg)))
}

// shownKey is an argument that names a key, without what it opens.
func shownKey(arg string) string {
	if strings.HasPrefix(arg, "sk-") {
		return keyName(arg)
	}
	return arg
}

// keyNotYours refuses a thing that the caller may not do to a key.
func (c *call) keyNotYours(doing string) *apierr.Error {
	return forbidden("You are not allowed to %s this key. Your role=%s", doing, c.who.role)
}

// alive reports whether a key is accepted at a time.
func alive(k *account.Key, now time.Time) bool {
	return (k.Blocked == nil || !*k.Blocked) && (k.Expires == nil || now.Before(*k.Expires))
}
