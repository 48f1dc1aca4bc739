package admin

import (
	"context"
	"slices"
	"strings"

	"tollgate/internal/account"
)

type teamListRequest struct {
	UserID         Opt[ID] `json:"user_id"`
	OrganizationID Opt[ID] `json:"organization_id"`
}

// teamList is GET /team/list.
func (a *API) teamList(ctx context.Context, c *call, in teamListRequest) (any, error) {
	teams, err := a.visibleTeams(ctx, c, string(in.UserID.Value), string(in.OrganizationID.Value), account.Filter{})
	if err != nil {
		return nil, err
	}
	rows, err := a.teamRows(ctx, teams)
	if err != nil || len(teams) == 0 {
		return rows, err
	}
	keys, err := a.keysByTeam(ctx, c, teams)
	if err != nil {
		return nil, err
	}
	members, err := a.membersByTeam(ctx, teams)
	for i, t := range teams {
		rows[i].with(row{"keys": orEmpty(keys[t.TeamID]), "team_memberships": orEmpty(members[t.TeamID])})
	}
	return rows, err
}

// maxNames bounds the list of ids in one question to the store; beyond it everything is read and sorted out here.
const maxNames = 1000

// ofTeams is a filter for what belongs to teams.
func ofTeams(teams []*account.Team) account.Filter {
	if len(teams) > maxNames {
		return account.Filter{}
	}
	ids := make([]string, len(teams))
	for i, t := range teams {
		ids[i] = t.TeamID
	}
	return account.Filter{In: map[string][]string{"team_id": ids}}
}

// keysByTeam are the keys of teams that the caller may see.
func (a *API) keysByTeam(ctx context.Context, c *call, teams []*account.Team) (map[string][]row, error) {
	whole := map[string]bool{}
	for _, t := range teams {
		may, err := c.seesKeysOf(ctx, t)
		if err != nil {
			return nil, err
		}
		whole[t.TeamID] = may
	}
	keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, ofTeams(teams))
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(keys, func(k *account.Key) bool {
		may, listed := whole[k.TeamID]
		return !listed || !may && (k.UserID == "" || k.UserID != c.who.user)
	})
	rows, err := a.keyRows(ctx, keys)
	by := map[string][]row{}
	for i := range rows {
		by[keys[i].TeamID] = append(by[keys[i].TeamID], rows[i])
	}
	return by, err
}

// seesKeysOf reports whether the caller may see all keys of a team.
func (c *call) seesKeysOf(ctx context.Context, t *account.Team) (bool, error) {
	if c.who.seesAll() || relationInTeam(t, c.who.user, "/key/list") != 0 {
		return true, nil
	}
	return administers(ctx, c.api.opts.Store, c.who.user, t.OrganizationID)
}

// membersByTeam are the memberships of teams.
func (a *API) membersByTeam(ctx context.Context, teams []*account.Team) (map[string][]row, error) {
	members, _, err := find[account.TeamMember](ctx, a.opts.Store, account.TeamMembers, ofTeams(teams))
	if err != nil {
		return nil, err
	}
	rows, err := a.memberRows(ctx, members)
	by := map[string][]row{}
	for i := range rows {
		by[members[i].TeamID] = append(by[members[i].TeamID], rows[i])
	}
	return by, err
}

// visibleTeams are the teams that match and that the caller may see: all, those of an organisation that it leads, or those that
// it is a member of.
func (a *API) visibleTeams(ctx context.Context, c *call, user, org string, f account.Filter) ([]*account.Team, error) {
	if f.Equal == nil {
		f.Equal = map[string]any{}
	}
	if org != "" {
		f.Equal["organization_id"] = org
	}
	everything := c.who.seesAll()
	if !everything && org != "" {
		leads, err := administers(ctx, a.opts.Store, c.who.user, org)
		if err != nil {
			return nil, err
		}
		everything = leads
	}
	if !everything {
		if user != "" && user != c.who.user {
			return nil, forbidden("Only admin users can query all teams/other teams. Your user role=%s", c.who.role)
		}
		user = c.who.user
	}
	if !everything || user != "" {
		return teamsWith(ctx, a.opts.Store, user, f)
	}
	teams, _, err := find[account.Team](ctx, a.opts.Store, account.Teams, f)
	return teams, err
}

// teamsWith are the teams that match and that a user is a member of. A user's own list says where to look, and the teams' lists
// who is in them.
func teamsWith(ctx context.Context, r account.Reader, user string, f account.Filter) ([]*account.Team, error) {
	u, err := lookup[account.User](ctx, r, user)
	if err != nil {
		return nil, err
	}
	if u != nil {
		if len(u.Teams) == 0 {
			return nil, nil
		}
		f.In = map[string][]string{"team_id": u.Teams}
	}
	teams, _, err := find[account.Team](ctx, r, account.Teams, f)
	return slices.DeleteFunc(teams, func(t *account.Team) bool { return roleInTeam(t, user) == "" }), err
}

type teamPageRequest struct {
	UserID         Opt[ID]     `json:"user_id"`
	OrganizationID Opt[ID]     `json:"organization_id"`
	TeamID         Opt[ID]     `json:"team_id"`
	TeamAlias      Opt[ID]     `json:"team_alias"`
	Search         Opt[string] `json:"search"`
	Page           Opt[int64]  `json:"page"`
	PageSize       Opt[int64]  `json:"page_size"`
	SortBy         Opt[ID]     `json:"sort_by"`
	SortOrder      Opt[ID]     `json:"sort_order"`
	Status         Opt[ID]     `json:"status"`
}

// teamSorts are the fields by which teams can be listed.
var teamSorts = []string{"team_alias", "team_id", "created_at", "updated_at", "max_budget", "spend"}

// teamListV2 is GET /v2/team/list.
func (a *API) teamListV2(ctx context.Context, c *call, in teamPageRequest) (any, error) {
	p, refusal := pageOf(in.Page, in.PageSize, 10, maxPage)
	if refusal != nil {
		return nil, refusal
	}
	by, desc, refusal := sorting(in.SortBy, in.SortOrder, "created_at", "asc", teamSorts)
	if refusal != nil {
		return nil, refusal
	}
	f := account.Filter{Equal: map[string]any{}, Sort: by, Desc: desc}
	if in.TeamID.Given() {
		f.Equal["team_id"] = string(in.TeamID.Value)
	}
	if in.TeamAlias.Given() {
		f.Contains = map[string]string{"team_alias": string(in.TeamAlias.Value)}
	}
	switch in.Status.Value {
	case "":
	case "deleted":
		return a.deletedTeams(ctx, c, f, p)
	default:
		return nil, named("status", badRequest("Invalid status value. Currently only 'deleted' is supported."))
	}
	teams, err := a.visibleTeams(ctx, c, string(in.UserID.Value), string(in.OrganizationID.Value), f)
	if err != nil {
		return nil, err
	}
	if in.Search.Value != "" {
		teams = slices.DeleteFunc(teams, func(t *account.Team) bool {
			return !holds(t.TeamAlias, in.Search.Value) && !holds(t.TeamID, in.Search.Value)
		})
	}
	rows, err := a.teamRows(ctx, cut(teams, p))
	return row{"teams": rows, "total": len(teams), "page": p.number, "page_size": p.size, "total_pages": p.pages(len(teams))}, err
}

// holds reports whether a text holds another, whatever the case.
func holds(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// deletedTeams is a page of the teams that were deleted, for those who see everything.
func (a *API) deletedTeams(ctx context.Context, c *call, f account.Filter, p page) (any, error) {
	if !c.who.seesAll() {
		return nil, forbidden("Only admin users can query all teams/other teams. Your user role=%s", c.who.role)
	}
	f.Limit, f.Offset = p.size, p.offset()
	gone, total, err := find[account.DeletedTeam](ctx, a.opts.Store, account.DeletedTeams, f)
	return row{"teams": rowsOf(gone), "total": total, "page": p.number, "page_size": p.size, "total_pages": p.pages(total)}, err
}

// teamAvailable is GET /team/available: the teams that the caller may join by itself.
func (a *API) teamAvailable(ctx context.Context, c *call, _ nothing) (any, error) {
	ids := c.settings.DefaultUser.AvailableTeams
	if len(ids) == 0 {
		return []row{}, nil
	}
	teams, _, err := find[account.Team](ctx, a.opts.Store, account.Teams, account.Filter{In: map[string][]string{"team_id": ids}})
	if err != nil {
		return nil, err
	}
	teams = slices.DeleteFunc(teams, func(t *account.Team) bool { return roleInTeam(t, c.who.user) != "" })
	return a.teamRows(ctx, teams)
}
