package admin

import (
	"context"
	"slices"
	"strings"

	"tollgate/internal/account"
)

// maySee reports whether the caller may read a key.
func (c *call) maySee(ctx context.Context, r account.Reader, k *account.Key) (bool, error) {
	switch {
	case c.who.seesAll(), c.who.key != nil && c.who.key.Token == k.Token, k.UserID != "" && k.UserID == c.who.user:
		return true, nil
	}
	rel, err := c.relationToKey(ctx, r, k, "/key/info")
	return rel&maySeeKey != 0, err
}

type keyInfoRequest struct {
	Key Opt[ID] `json:"key"`
}

// keyInfo is GET /key/info.
func (a *API) keyInfo(ctx context.Context, c *call, in keyInfoRequest) (any, error) {
	arg := string(in.Key.Value)
	if arg == "" && c.who.key != nil {
		arg = c.who.key.Token
	}
	k, err := lookup[account.Key](ctx, a.opts.Store, hashOf(arg))
	if err != nil || k == nil {
		return nil, orElse(err, named("key", notFound("Key not found in database")))
	}
	may, err := c.maySee(ctx, a.opts.Store, k)
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, forbidden("You are not allowed to access this key's info. Your role=%s", c.who.role)
	}
	r, err := a.fullKeyRow(ctx, k)
	if err != nil {
		return nil, err
	}
	return row{"key": arg, "info": r.without("token")}, nil
}

type keysInfoRequest struct {
	Keys Opt[[]string] `json:"keys"`
}

// keyInfoV2 is POST /v2/key/info. Keys that are not there are left out.
func (a *API) keyInfoV2(ctx context.Context, c *call, in keysInfoRequest) (any, error) {
	if !in.Keys.Given() {
		e := refuse(422, "Malformed request. No keys passed in.")
		e.Detail = row{"message": e.Message}
		return nil, e
	}
	hashes := make([]string, len(in.Keys.Value))
	for i, name := range in.Keys.Value {
		hashes[i] = hashOf(name)
	}
	keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, account.Filter{In: map[string][]string{"token": hashes}})
	if err != nil {
		return nil, err
	}
	rows, err := a.keyRows(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, k := range keys {
		if rows[i], err = a.withReferences(ctx, rows[i], k); err != nil {
			return nil, err
		}
	}
	return row{"key": in.Keys.Value, "info": rows}, nil
}

type keyAliasesRequest struct {
	Page   Opt[int64]  `json:"page"`
	Size   Opt[int64]  `json:"size"`
	Search Opt[string] `json:"search"`
	TeamID Opt[ID]     `json:"team_id"`
}

// keyAliases is GET /key/aliases.
func (a *API) keyAliases(ctx context.Context, c *call, in keyAliasesRequest) (any, error) {
	p, refusal := pageOf(in.Page, in.Size, 50, maxPage)
	if refusal != nil {
		return nil, refusal
	}
	sets, err := c.visibleKeys(ctx, &keyListRequest{TeamID: in.TeamID, IncludeTeamKeys: give(true)}, "/key/aliases")
	if err != nil {
		return nil, err
	}
	keys, err := a.union(ctx, sets)
	if err != nil {
		return nil, err
	}
	aliases := []string{}
	for _, k := range keys {
		if k.KeyAlias != "" && strings.Contains(strings.ToLower(k.KeyAlias), strings.ToLower(in.Search.Value)) {
			aliases = append(aliases, k.KeyAlias)
		}
	}
	slices.Sort(aliases)
	return row{"aliases": cut(aliases, p), "total_count": len(aliases), "current_page": p.number, "total_pages": p.pages(len(aliases)), "size": p.size}, nil
}

// keyHealth is POST /key/health: whether the caller's key works. That it was admitted says so.
func (a *API) keyHealth(_ context.Context, c *call, _ nothing) (any, error) {
	health := "healthy"
	if k := c.who.key; k != nil && !alive(k, c.now) {
		health = "unhealthy"
	}
	reply := row{"key": health}
	if k := c.who.key; k != nil && k.Metadata["logging"] != nil {
		reply["logging_callbacks"] = loggingHealth(k.Metadata["logging"])
	}
	return reply, nil
}

// loggingHealth says which callbacks a key names in metadata.logging. They are not called: each call of a model does that.
func loggingHealth(logging any) row {
	names := []string{}
	entries, _ := logging.([]any)
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok {
			if name, ok := m["callback_name"].(string); ok {
				names = append(names, name)
			}
		}
	}
	return row{"callbacks": names, "status": "healthy", "details": "The callbacks are configured for this key. No test call was made."}
}
