package admin

import (
	"context"
	"slices"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

type userInfoRequest struct {
	UserID Opt[ID] `json:"user_id"`
}

// userInfo is GET /user/info: a user with its keys and teams, the caller itself by default.
func (a *API) userInfo(ctx context.Context, c *call, in userInfoRequest) (any, error) {
	id, err := a.readableUser(ctx, c, string(in.UserID.Value))
	if err != nil {
		return nil, err
	}
	u, err := lookup[account.User](ctx, a.opts.Store, id)
	if err != nil {
		return nil, err
	}
	if u == nil && id != access.MasterUserID {
		return nil, named("user_id", notFound("User %s not found", id))
	}
	out := row{"user_id": id, "user_info": nil}
	if u != nil {
		rows, err := a.userRows(ctx, []*account.User{u})
		if err != nil {
			return nil, err
		}
		out["user_info"] = rows[0]
	}
	keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, account.Filter{Equal: map[string]any{"user_id": id}})
	if err != nil {
		return nil, err
	}
	teams, err := a.teamsOfUser(ctx, u)
	if err != nil {
		return nil, err
	}
	if !c.who.seesAll() && id != c.who.user {
		led, err := a.ledOrgs(ctx, c)
		if err != nil {
			return nil, err
		}
		keys, teams = withinOrgs(led, keys, teams)
	}
	if out["keys"], err = a.keyRows(ctx, keys); err != nil {
		return nil, err
	}
	out["teams"], err = a.teamRowsOf(ctx, teams)
	return out, err
}

// withinOrgs are the keys and teams of a user that belong to organisations: what their admins may see of a user.
func withinOrgs(orgs []string, keys []*account.Key, teams []*account.Team) ([]*account.Key, []*account.Team) {
	teams = slices.DeleteFunc(teams, func(t *account.Team) bool { return !slices.Contains(orgs, t.OrganizationID) })
	keys = slices.DeleteFunc(keys, func(k *account.Key) bool {
		inTeam := slices.ContainsFunc(teams, func(t *account.Team) bool { return k.TeamID == t.TeamID })
		return !inTeam && !slices.Contains(orgs, k.OrganizationID)
	})
	return keys, teams
}

// readableUser is the id of the user that a caller asks for, or a refusal where it may not be seen: others than oneself are
// for the operator and for the admins of an organisation that the user is in.
func (a *API) readableUser(ctx context.Context, c *call, id string) (string, error) {
	if id == "" {
		id = c.who.user
	}
	if id == "" && c.who.seesAll() {
		id = access.MasterUserID
	}
	if c.who.seesAll() || id != "" && id == c.who.user {
		return id, nil
	}
	led, err := a.ledOrgs(ctx, c)
	if err != nil {
		return "", err
	}
	theirs, err := a.orgsOf(ctx, id)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(theirs, func(org string) bool { return slices.Contains(led, org) }) {
		return id, nil
	}
	return "", forbidden("You are not allowed to access this user's info. Your role=%s", c.who.role)
}

// ledOrgs lists the organisations that the caller is an admin of.
func (a *API) ledOrgs(ctx context.Context, c *call) ([]string, error) {
	if c.who.user == "" {
		return nil, nil
	}
	members, _, err := find[account.OrgMember](ctx, a.opts.Store, account.OrgMembers,
		account.Filter{Equal: map[string]any{"user_id": c.who.user, "user_role": string(account.OrgAdmin)}})
	var ids []string
	for _, m := range members {
		ids = append(ids, m.OrganizationID)
	}
	return ids, err
}

// teamsOfUser are the teams of a user, which may be nil.
func (a *API) teamsOfUser(ctx context.Context, u *account.User) ([]*account.Team, error) {
	if u == nil || len(u.Teams) == 0 {
		return nil, nil
	}
	teams, _, err := find[account.Team](ctx, a.opts.Store, account.Teams, account.Filter{In: map[string][]string{"team_id": u.Teams}})
	return teams, err
}

// teamRowsOf are teams with what they have spent.
func (a *API) teamRowsOf(ctx context.Context, teams []*account.Team) ([]row, error) {
	scopes := make([]account.Scope, len(teams))
	for i, t := range teams {
		scopes[i] = account.TeamScope(t.TeamID)
	}
	spent, err := a.opts.Store.Spend(ctx, scopes...)
	rows := rowsOf(teams)
	for i := range rows {
		rows[i]["spend"] = spent[scopes[i]].Spent
	}
	return rows, err
}

// userInfoV2 is GET /v2/user/info: the user alone, flat.
func (a *API) userInfoV2(ctx context.Context, c *call, in userInfoRequest) (any, error) {
	id, err := a.readableUser(ctx, c, string(in.UserID.Value))
	if err != nil {
		return nil, err
	}
	u, err := lookup[account.User](ctx, a.opts.Store, id)
	if err != nil || u == nil {
		return nil, orElse(err, named("user_id", notFound("User %s not found", id)))
	}
	rows, err := a.userRows(ctx, []*account.User{u})
	if err != nil {
		return nil, err
	}
	out := row{}
	for _, name := range []string{
		"user_id", "user_email", "user_alias", "user_role", "spend", "max_budget", "models", "budget_duration", "budget_reset_at", "metadata",
		"created_at", "updated_at", "sso_user_id", "teams",
	} {
		out[name] = rows[0][name]
	}
	return out, nil
}

type userListRequest struct {
	Role      Opt[ID]    `json:"role"`
	UserIDs   Opt[ID]    `json:"user_ids"`
	SSOIDs    Opt[ID]    `json:"sso_user_ids"`
	UserEmail Opt[ID]    `json:"user_email"`
	Team      Opt[ID]    `json:"team"`
	OrgIDs    Opt[ID]    `json:"organization_ids"`
	Page      Opt[int64] `json:"page"`
	PageSize  Opt[int64] `json:"page_size"`
	SortBy    Opt[ID]    `json:"sort_by"`
	SortOrder Opt[ID]    `json:"sort_order"`
}

// userSorts are the fields by which users can be listed.
var userSorts = []string{"user_id", "user_email", "created_at", "spend", "user_alias", "user_role"}

// listUsers is GET /user/list: all users, or those of the organisations that the caller is an admin of.
func (a *API) listUsers(ctx context.Context, c *call, in userListRequest) (any, error) {
	p, refused := pageOf(in.Page, in.PageSize, 25, maxPage)
	if refused != nil {
		return nil, refused
	}
	by, desc, refused := sorting(in.SortBy, in.SortOrder, "created_at", "asc", userSorts)
	if refused != nil {
		return nil, refused
	}
	f, some, err := a.userFilter(ctx, c, &in)
	if err != nil {
		return nil, err
	}
	users, total := []*account.User{}, 0
	if some {
		f.Sort, f.Desc, f.Limit, f.Offset = by, desc, p.size, p.offset()
		if users, total, err = find[account.User](ctx, a.opts.Store, account.Users, f); err != nil {
			return nil, err
		}
	}
	rows, err := a.userRows(ctx, users)
	if err != nil {
		return nil, err
	}
	for i, u := range users {
		n, err := a.opts.Store.Find(ctx, account.Keys, account.Filter{Equal: map[string]any{"user_id": u.UserID}, Limit: 1}, func([]byte) error { return nil })
		if err != nil {
			return nil, err
		}
		rows[i]["key_count"] = n
	}
	return row{"users": rows, "total": total, "page": p.number, "page_size": p.size, "total_pages": p.pages(total)}, nil
}

// userFilter chooses the users of a list; some is false when there can be none.
func (a *API) userFilter(ctx context.Context, c *call, in *userListRequest) (f account.Filter, some bool, err error) {
	f = account.Filter{Equal: map[string]any{}, In: map[string][]string{}, Has: map[string]string{}, Contains: map[string]string{}}
	if in.Role.Given() {
		f.Equal["user_role"] = string(in.Role.Value)
	}
	if in.UserEmail.Given() {
		f.Contains["user_email"] = string(in.UserEmail.Value)
	}
	if in.Team.Given() {
		f.Has["teams"] = string(in.Team.Value)
	}
	if ids := list(in.SSOIDs); len(ids) > 0 {
		f.In["sso_user_id"] = ids
	}
	switch ids := list(in.UserIDs); len(ids) {
	case 0:
	case 1:
		f.Contains["user_id"] = ids[0]
	default:
		f.In["user_id"] = ids
	}
	orgs := list(in.OrgIDs)
	if !c.who.seesAll() {
		led, err := a.ledOrgs(ctx, c)
		if err != nil {
			return f, false, err
		}
		if len(orgs) == 0 {
			orgs = led
		}
		if len(led) == 0 || slices.ContainsFunc(orgs, func(org string) bool { return !slices.Contains(led, org) }) {
			return f, false, forbidden("You are not allowed to list these users. Your role=%s", c.who.role)
		}
	}
	if len(orgs) == 0 {
		return f, true, nil
	}
	members, _, err := find[account.OrgMember](ctx, a.opts.Store, account.OrgMembers, account.Filter{In: map[string][]string{"organization_id": orgs}})
	asked := f.In["user_id"]
	f.In["user_id"] = nil
	for _, m := range members {
		if asked == nil || slices.Contains(asked, m.UserID) {
			f.In["user_id"] = append(f.In["user_id"], m.UserID)
		}
	}
	return f, len(f.In["user_id"]) > 0, err
}

// availableUsers is GET /user/available_users: how many users there are. No licence bounds them.
func (a *API) availableUsers(ctx context.Context, _ *call, _ nothing) (any, error) {
	n, err := a.opts.Store.Find(ctx, account.Users, account.Filter{Limit: 1}, func([]byte) error { return nil })
	return row{"total_users": nil, "total_users_used": n, "total_users_remaining": nil, "total_teams": nil, "total_teams_used": nil, "total_teams_remaining": nil}, err
}

// availableRoles is GET /user/available_roles.
func (a *API) availableRoles(_ context.Context, _ *call, _ nothing) (any, error) {
	return map[account.Role]any{
		account.ProxyAdmin:         roleLabel{"May do everything in the gateway.", "Admin (All Permissions)"},
		account.ProxyAdminViewer:   roleLabel{"May see all keys and all spend, and change nothing.", "Admin (View Only)"},
		account.InternalUser:       roleLabel{"Manages its own keys and sees its own spend.", "Internal User (Create/Delete/View)"},
		account.InternalUserViewer: roleLabel{"Sees its own keys and its own spend.", "Internal Viewer (View Only)"},
	}, nil
}

type roleLabel struct {
	Description string `json:"description"`
	Label       string `json:"ui_label"`
}
