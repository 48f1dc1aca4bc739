package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

type keyListRequest struct {
	Page              Opt[int64]     `json:"page"`
	Size              Opt[int64]     `json:"size"`
	UserID            Opt[ID]        `json:"user_id"`
	TeamID            Opt[ID]        `json:"team_id"`
	OrganizationID    Opt[ID]        `json:"organization_id"`
	KeyHash           Opt[ID]        `json:"key_hash"`
	KeyAlias          Opt[ID]        `json:"key_alias"`
	ProjectID         Opt[ID]        `json:"project_id"`
	AccessGroupID     Opt[ID]        `json:"access_group_id"`
	AgentID           Opt[ID]        `json:"agent_id"`
	Expires           Opt[time.Time] `json:"expires"` // keys that expire before it
	ReturnFullObject  Opt[bool]      `json:"return_full_object"`
	IncludeTeamKeys   Opt[bool]      `json:"include_team_keys"`
	IncludeCreatedBy  Opt[bool]      `json:"include_created_by_keys"`
	SubstringMatching Opt[bool]      `json:"substring_matching"`
	SortBy            Opt[ID]        `json:"sort_by"`
	SortOrder         Opt[ID]        `json:"sort_order"`
	Expand            Opt[[]string]  `json:"expand"`
	Status            Opt[ID]        `json:"status"`
}

// keySorts are the fields by which keys can be listed.
var keySorts = []string{"spend", "max_budget", "created_at", "updated_at", "token", "key_alias", "expires", "last_active", "user_id", "team_id"}

// keyList is GET /key/list.
func (a *API) keyList(ctx context.Context, c *call, in keyListRequest) (any, error) {
	p, refusal := pageOf(in.Page, in.Size, 10, maxPage)
	if refusal != nil {
		return nil, refusal
	}
	by, desc, refusal := sorting(in.SortBy, in.SortOrder, "created_at", "desc", keySorts)
	if refusal != nil {
		return nil, refusal
	}
	if s := in.Status.Value; s != "" && s != "deleted" {
		return nil, named("status", badRequest("Invalid status value. Currently only 'deleted' is supported."))
	}
	sets, err := c.visibleKeys(ctx, &in, "/key/list")
	if err != nil {
		return nil, err
	}
	if in.Status.Given() {
		return a.deletedKeys(ctx, sets, p, by, desc, in.ReturnFullObject.Value)
	}
	keys, total, err := a.pageOfKeys(ctx, sets, p, by, desc)
	if err != nil {
		return nil, err
	}
	list, err := a.listed(ctx, keys, &in)
	if err != nil {
		return nil, err
	}
	return row{"keys": list, "total_count": total, "current_page": p.number, "total_pages": p.pages(total)}, nil
}

// sorting reads how a list is to be sorted.
func sorting(by, order Opt[ID], usual, usualOrder string, known []string) (field string, desc bool, _ *apierr.Error) {
	field = string(by.Or(ID(usual)))
	if !slices.Contains(known, field) {
		return "", false, badParam("sort_by", "Invalid sort_by: "+quote(field)+". Must be one of: "+strings.Join(known, ", "))
	}
	switch strings.ToLower(string(order.Or(ID(usualOrder)))) {
	case "asc":
		return field, false, nil
	case "desc":
		return field, true, nil
	}
	return "", false, badParam("sort_order", "sort_order must be asc or desc.")
}

// listed are keys as the list shows them: hashes, or whole objects.
func (a *API) listed(ctx context.Context, keys []*account.Key, in *keyListRequest) ([]any, error) {
	withUser := slices.Contains(in.Expand.Value, "user")
	list := make([]any, 0, len(keys))
	if !in.ReturnFullObject.Value && !withUser {
		for _, k := range keys {
			list = append(list, k.Token)
		}
		return list, nil
	}
	rows, err := a.keyRows(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		if withUser {
			user, err := lookup[account.User](ctx, a.opts.Store, keys[i].UserID)
			if err != nil {
				return nil, err
			}
			r["user"] = nil
			if user != nil {
				r["user"] = rowOf(user).without("password")
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// visibleKeys are the keys that a request asks for and that the caller may see, as filters whose union they are. action is the
// route, for what teams let their members do.
func (c *call) visibleKeys(ctx context.Context, in *keyListRequest, action string) ([]account.Filter, error) {
	if c.who.seesAll() {
		sets := []account.Filter{in.filter(nil)}
		if in.OrganizationID.Given() {
			teams, err := c.orgTeams(ctx, string(in.OrganizationID.Value))
			return append(sets, in.teamsFilter(teams)), err
		}
		return sets, nil
	}
	me := c.who.user
	if me == "" {
		return []account.Filter{in.filter(map[string]any{"token": c.who.hash})}, nil
	}
	if in.UserID.Given() && string(in.UserID.Value) != me && !in.TeamID.Given() {
		return nil, forbidden("You are not authorized to check another user's keys")
	}
	if in.OrganizationID.Given() {
		return c.orgKeys(ctx, in)
	}
	if in.TeamID.Given() {
		return c.teamKeys(ctx, in, action)
	}
	sets := []account.Filter{in.filter(map[string]any{"user_id": me})}
	if in.IncludeCreatedBy.Value {
		sets = append(sets, in.filter(map[string]any{"created_by": me}))
	}
	if in.IncludeTeamKeys.Value {
		teams, err := c.teamsOf(ctx, action)
		if err != nil {
			return nil, err
		}
		sets = append(sets, in.teamsFilter(teams))
	}
	return sets, nil
}

func (c *call) orgKeys(ctx context.Context, in *keyListRequest) ([]account.Filter, error) {
	org := string(in.OrganizationID.Value)
	leads, err := administers(ctx, c.api.opts.Store, c.who.user, org)
	if err != nil {
		return nil, err
	}
	if !leads {
		return nil, forbidden("You are not authorized to check this organization's keys")
	}
	teams, err := c.orgTeams(ctx, org)
	return []account.Filter{in.filter(nil), in.teamsFilter(teams)}, err
}

// teamKeys are the keys of one team: all of them for those who lead it or whom it lets, else the caller's own.
func (c *call) teamKeys(ctx context.Context, in *keyListRequest, action string) ([]account.Filter, error) {
	team, err := lookup[account.Team](ctx, c.api.opts.Store, string(in.TeamID.Value))
	if err != nil {
		return nil, err
	}
	if team == nil {
		return nil, forbidden("You are not authorized to check this team's keys")
	}
	rel, err := c.relationToKey(ctx, c.api.opts.Store, &account.Key{TeamID: team.TeamID}, action)
	switch {
	case err != nil:
		return nil, err
	case rel&(asTeamAdmin|asOrgAdmin|asMember) != 0:
		return []account.Filter{in.filter(nil)}, nil
	case in.UserID.Given() && string(in.UserID.Value) != c.who.user:
		return nil, forbidden("You are not authorized to check another user's keys")
	case roleInTeam(team, c.who.user) != "":
		return []account.Filter{in.filter(map[string]any{"user_id": c.who.user})}, nil
	}
	return nil, forbidden("You are not authorized to check this team's keys")
}

// teamsOf are the teams whose keys the caller may list.
func (c *call) teamsOf(ctx context.Context, action string) ([]string, error) {
	var ids []string
	teams, err := teamsWith(ctx, c.api.opts.Store, c.who.user, account.Filter{})
	for _, t := range teams {
		if relationInTeam(t, c.who.user, action) != 0 {
			ids = append(ids, t.TeamID)
		}
	}
	return ids, err
}

// orgTeams are the teams of an organisation.
func (c *call) orgTeams(ctx context.Context, org string) ([]string, error) {
	var ids []string
	teams, _, err := find[account.Team](ctx, c.api.opts.Store, account.Teams, account.Filter{Equal: map[string]any{"organization_id": org}})
	for _, t := range teams {
		ids = append(ids, t.TeamID)
	}
	return ids, err
}

// filter is what the request asks for, and besides demands certain values.
func (in *keyListRequest) filter(demanded map[string]any) account.Filter {
	f := account.Filter{Equal: map[string]any{}}
	texts := map[string]Opt[ID]{
		"user_id": in.UserID, "team_id": in.TeamID, "organization_id": in.OrganizationID, "project_id": in.ProjectID, "agent_id": in.AgentID, "key_alias": in.KeyAlias,
	}
	for name, o := range texts {
		if o.Given() {
			f.Equal[name] = string(o.Value)
		}
	}
	if in.SubstringMatching.Value {
		f.Contains = map[string]string{}
		for _, name := range []string{"user_id", "key_alias"} {
			if v, ok := f.Equal[name].(string); ok {
				f.Contains[name] = v
				delete(f.Equal, name)
			}
		}
	}
	if in.KeyHash.Given() {
		f.Equal["token"] = hashOf(string(in.KeyHash.Value))
	}
	if in.AccessGroupID.Given() {
		f.Has = map[string]string{"access_group_ids": string(in.AccessGroupID.Value)}
	}
	if in.Expires.Given() {
		f.Before = map[string]time.Time{"expires": in.Expires.Value}
	}
	maps.Copy(f.Equal, demanded)
	return f
}

// teamsFilter is what the request asks for among the keys of teams, whatever organisation they name themselves.
func (in *keyListRequest) teamsFilter(teams []string) account.Filter {
	f := in.filter(nil)
	delete(f.Equal, "organization_id")
	f.In = map[string][]string{"team_id": teams}
	return f
}

// pageOfKeys is one page of a union of sets. One set, which is what admins see, is cut by the store, unless logins to LiteLLM's
// admin pages have left keys there: those are not listed.
func (a *API) pageOfKeys(ctx context.Context, sets []account.Filter, p page, by string, desc bool) ([]*account.Key, int, error) {
	logins, err := a.logins(ctx, sets[0])
	if err != nil {
		return nil, 0, err
	}
	if len(sets) == 1 && !logins {
		f := sets[0]
		f.Sort, f.Desc, f.Limit, f.Offset = by, desc, p.size, p.offset()
		return find[account.Key](ctx, a.opts.Store, account.Keys, f)
	}
	keys, err := a.union(ctx, sets)
	if err != nil {
		return nil, 0, err
	}
	if err := a.sortKeys(ctx, keys, by, desc); err != nil {
		return nil, 0, err
	}
	return cut(keys, p), len(keys), nil
}

// logins reports whether a set has keys of logins to admin pages that it does not ask for by their team.
func (a *API) logins(ctx context.Context, f account.Filter) (bool, error) {
	if f.Equal["team_id"] != nil || f.In != nil {
		return false, nil
	}
	f.Equal, f.Limit = maps.Clone(f.Equal), 1
	f.Equal["team_id"] = dashboardTeam
	n, err := a.opts.Store.Find(ctx, account.Keys, f, func([]byte) error { return nil })
	return n > 0, err
}

// union are the keys that are in any of the sets, each once.
func (a *API) union(ctx context.Context, sets []account.Filter) ([]*account.Key, error) {
	var all []*account.Key
	seen := map[string]bool{}
	for _, f := range sets {
		if ids, narrowed := f.In["team_id"]; narrowed && len(ids) == 0 {
			continue
		}
		keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, f)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !seen[k.Token] && (k.TeamID != dashboardTeam || f.Equal["team_id"] == dashboardTeam) {
				seen[k.Token] = true
				all = append(all, k)
			}
		}
	}
	return all, nil
}

// sortKeys sorts by a field as the store does; ties are broken by the hash.
func (a *API) sortKeys(ctx context.Context, keys []*account.Key, by string, desc bool) error {
	values := make(map[string]any, len(keys))
	if by == "spend" {
		scopes := make([]account.Scope, len(keys))
		for i, k := range keys {
			scopes[i] = account.KeyScope(k.Token)
		}
		counters, err := a.opts.Store.Spend(ctx, scopes...)
		if err != nil {
			return err
		}
		for i, k := range keys {
			values[k.Token] = counters[scopes[i]].Spent.Float64()
		}
	} else {
		for _, k := range keys {
			var v any
			_ = json.Unmarshal(split(document(k))[by], &v) // a member of JSON that we wrote
			values[k.Token] = v
		}
	}
	slices.SortFunc(keys, func(x, y *account.Key) int {
		order := cmp.Or(compareValues(values[x.Token], values[y.Token]), cmp.Compare(x.Token, y.Token))
		if desc {
			return -order
		}
		return order
	})
	return nil
}

// compareValues orders numbers and texts; what is neither comes first.
func compareValues(x, y any) int {
	switch x := x.(type) {
	case float64:
		if y, ok := y.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := y.(string); ok {
			return cmp.Compare(x, y)
		}
	}
	rank := func(v any) int {
		if v == nil {
			return 0
		}
		return 1
	}
	return cmp.Compare(rank(x), rank(y))
}

// deletedKeys is a page of the keys that were deleted.
func (a *API) deletedKeys(ctx context.Context, sets []account.Filter, p page, by string, desc, full bool) (any, error) {
	if by == "created_at" {
		by = "deleted_at"
	}
	f := sets[0]
	f.Sort, f.Desc, f.Limit, f.Offset = by, desc, p.size, p.offset()
	gone, total, err := find[account.DeletedKey](ctx, a.opts.Store, account.DeletedKeys, f)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(gone))
	for _, k := range gone {
		if !full {
			list = append(list, k.Token)
			continue
		}
		counters, err := a.opts.Store.Spend(ctx, account.KeyScope(k.Token))
		if err != nil {
			return nil, err
		}
		list = append(list, rowOf(k).with(row{"spend": counters[account.KeyScope(k.Token)].Spent}))
	}
	return row{"keys": list, "total_count": total, "current_page": p.number, "total_pages": p.pages(total)}, nil
}
