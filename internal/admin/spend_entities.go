package admin

import (
	"context"

	"tollgate/internal/account"
)

// spendKeys is GET /spend/keys: keys, those that spent most first; a user's own where the caller does not see all.
func (a *API) spendKeys(ctx context.Context, c *call, in limitRequest) (any, error) {
	f, refused := c.bySpend(in)
	if refused != nil {
		return nil, refused
	}
	a.sync(ctx)
	keys, total, err := find[account.Key](ctx, a.opts.Store, account.Keys, f)
	if err != nil {
		return nil, err
	}
	if total > len(keys) {
		c.header.Set(truncatedHeader, "true")
	}
	return a.keyRows(ctx, keys)
}

// bySpend asks for objects in the order of their spend.
func (c *call) bySpend(in limitRequest) (account.Filter, error) {
	limit, refused := in.bounded(maxRows)
	if refused != nil {
		return account.Filter{}, refused
	}
	f := account.Filter{Equal: map[string]any{}, Sort: "spend", Desc: true, Limit: limit}
	if !c.who.seesAll() {
		if c.who.user == "" {
			return f, forbidden("You are not allowed to see the spend of others. Your role=%s", c.who.role)
		}
		f.Equal["user_id"] = c.who.user
	}
	return f, nil
}

type spendUsersRequest struct {
	UserID Opt[ID] `json:"user_id"`
	limitRequest
}

// spendUsers is GET /spend/users: users, those that spent most first, or one of them in a list.
func (a *API) spendUsers(ctx context.Context, c *call, in spendUsersRequest) (any, error) {
	f, refused := c.bySpend(in.limitRequest)
	if refused != nil {
		return nil, refused
	}
	if in.UserID.Given() {
		if own, forced := f.Equal["user_id"]; forced && own != string(in.UserID.Value) {
			return nil, forbidden("You are not allowed to see the spend of others. Your role=%s", c.who.role)
		}
		f.Equal["user_id"] = string(in.UserID.Value)
	}
	a.sync(ctx)
	users, total, err := find[account.User](ctx, a.opts.Store, account.Users, f)
	if err != nil {
		return nil, err
	}
	if in.UserID.Given() && len(users) == 0 {
		return []any{nil}, nil
	}
	if total > len(users) {
		c.header.Set(truncatedHeader, "true")
	}
	return a.userRows(ctx, users)
}
