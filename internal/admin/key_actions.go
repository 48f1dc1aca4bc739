package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/telemetry"
)

type keyDeleteRequest struct {
	Keys    Opt[[]string] `json:"keys"`
	Aliases Opt[[]string] `json:"key_aliases"`
}

// keyDelete is POST /key/delete. All of the keys go, or none.
func (a *API) keyDelete(ctx context.Context, c *call, in keyDeleteRequest) (any, error) {
	names, byAlias := in.Keys.Value, false
	if len(names) == 0 {
		names, byAlias = in.Aliases.Value, true
	}
	if len(names) == 0 {
		return nil, invalid([]problem{{Loc: []any{inBody}, Msg: "At least one of 'keys' or 'key_aliases' must be provided.", Type: "value_error"}})
	}
	err := c.update(ctx, func(tx *change) error {
		keys, err := keysNamed(ctx, tx, names, byAlias)
		if err != nil {
			return err
		}
		for _, k := range keys {
			rel, err := c.relationToKey(ctx, tx, k, "/key/delete")
			if err != nil {
				return err
			}
			if rel&mayDeleteKey == 0 {
				return forbidden("You are not authorized to delete this key")
			}
			if err := tx.removeKey(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return row{"deleted_keys": names}, nil
}

// keysNamed finds keys by value, hash or alias. A name that is not there is a 404, and so nothing is deleted.
func keysNamed(ctx context.Context, r account.Reader, names []string, byAlias bool) ([]*account.Key, error) {
	field, values := "token", names
	if byAlias {
		field = "key_alias"
	} else {
		values = make([]string, len(names))
		for i, name := range names {
			values[i] = hashOf(name)
		}
	}
	keys, _, err := find[account.Key](ctx, r, account.Keys, account.Filter{In: map[string][]string{field: values}})
	if err != nil {
		return nil, err
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(values)))
	if len(keys) < len(distinct) {
		return nil, notFound("No keys found")
	}
	return keys, nil
}

// removeKey deletes a key and keeps what is left of it. Its counter stays: the ledger's totals are made of it.
func (t *change) removeKey(ctx context.Context, k *account.Key) error {
	if err := t.Insert(ctx, &account.DeletedKey{
		ID: telemetry.NewID(), Key: *k, DeletedAt: t.c.now, DeletedBy: t.c.who.id(), DeletedByAPIKey: t.c.who.hash, ChangedBy: t.c.changedBy(),
	}); err != nil {
		return err
	}
	retired, _, err := find[account.RetiredKey](ctx, t, account.RetiredKeys, account.Filter{Equal: map[string]any{"active_token_id": k.Token}})
	if err != nil {
		return err
	}
	for _, r := range retired {
		if err := t.Delete(ctx, account.RetiredKeys, r.Token); err != nil {
			return err
		}
	}
	return t.remove(ctx, k)
}

// removeKeys deletes the keys that have these values.
func (t *change) removeKeys(ctx context.Context, values map[string]any) error {
	keys, _, err := find[account.Key](ctx, t, account.Keys, account.Filter{Equal: values})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := t.removeKey(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

type keyBlockRequest struct {
	Key Opt[ID] `json:"key" required:"true"`
}

// keyBlock is POST /key/block.
func (a *API) keyBlock(ctx context.Context, c *call, in keyBlockRequest) (any, error) {
	return a.setBlocked(ctx, c, string(in.Key.Value), true)
}

// keyUnblock is POST /key/unblock.
func (a *API) keyUnblock(ctx context.Context, c *call, in keyBlockRequest) (any, error) {
	return a.setBlocked(ctx, c, string(in.Key.Value), false)
}

func (a *API) setBlocked(ctx context.Context, c *call, arg string, blocked bool) (any, error) {
	action, doing := "unblocked", "/key/unblock"
	if blocked {
		action, doing = "blocked", "/key/block"
	}
	if len(hashOf(arg)) != len(account.HashKey("")) {
		return nil, named("key", badRequest("Invalid key format."))
	}
	var k *account.Key
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Key](ctx, tx, hashOf(arg))
		if err != nil || before == nil {
			return orElse(err, noSuchKey(arg))
		}
		rel, err := c.relationToKey(ctx, tx, before, doing)
		if err != nil {
			return err
		}
		if rel&mayBlockKey == 0 {
			return c.keyNotYours("block or unblock")
		}
		k = copyOf(before)
		k.Blocked = &blocked
		return tx.replaceAs(ctx, action, before, k)
	})
	if err != nil {
		return nil, err
	}
	return a.fullKeyRow(ctx, k)
}

type keyResetRequest struct {
	Key     Opt[ID]             `json:"key" in:"path"`
	ResetTo Opt[account.Amount] `json:"reset_to" required:"true"`
}

// keyResetSpend is POST /key/{key}/reset_spend.
func (a *API) keyResetSpend(ctx context.Context, c *call, in keyResetRequest) (any, error) {
	a.sync(ctx)
	arg, to := string(in.Key.Value), in.ResetTo.Value
	var k *account.Key
	var before account.Counter
	err := c.update(ctx, func(tx *change) error {
		var err error
		if k, err = lookup[account.Key](ctx, tx, hashOf(arg)); err != nil || k == nil {
			return orElse(err, noSuchKey(arg))
		}
		rel, err := c.relationToKey(ctx, tx, k, "/key/{key_id}/reset_spend")
		if err != nil {
			return err
		}
		if rel&mayResetKey == 0 {
			return forbidden("You must be a proxy admin or team admin to reset key spend")
		}
		before, err = tx.reset(ctx, account.KeyScope(k.Token), to, k.MaxBudget)
		if err != nil {
			return err
		}
		return tx.note(ctx, "updated", k, object("spend", before.Spent), object("spend", to))
	})
	if err != nil {
		return nil, err
	}
	return row{
		"key_hash": k.Token, "spend": to, "previous_spend": before.Spent, "max_budget": k.MaxBudget, "budget_reset_at": keyRow(k, before)["budget_reset_at"],
	}, nil
}

// reset sets what was spent on a scope to a lower amount, and returns the counter as it was.
func (t *change) reset(ctx context.Context, s account.Scope, to, maxBudget account.Amount) (account.Counter, error) {
	counters, err := t.Spend(ctx, s)
	if err != nil {
		return account.Counter{}, err
	}
	before := counters[s]
	current := account.Dollars(before.Spent)
	switch {
	case to.Negative():
		return before, named("reset_to", badRequest("reset_to must be >= 0"))
	case to.Float64() > current.Float64():
		return before, named("reset_to", badRequest("reset_to (%s) must be <= current spend (%s)", pythonFloat(to), pythonFloat(current)))
	case !maxBudget.None() && to.Float64() > maxBudget.Float64():
		return before, named("reset_to", badRequest("reset_to (%s) must be <= budget (%s)", pythonFloat(to), pythonFloat(maxBudget)))
	}
	return before, t.SetSpent(ctx, s, to.USD())
}
