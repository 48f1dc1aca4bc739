package admin

import (
	"context"

	"tollgate/internal/account"
)

// teamRow is a team as replies show it.
func (a *API) teamRow(ctx context.Context, t *account.Team) (row, error) {
	rows, err := a.teamRows(ctx, []*account.Team{t})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// teamRows are teams as replies show them, with what was spent.
func (a *API) teamRows(ctx context.Context, teams []*account.Team) ([]row, error) {
	scopes := make([]account.Scope, len(teams))
	rights := make([]string, len(teams))
	for i, t := range teams {
		scopes[i], rights[i] = account.TeamScope(t.TeamID), t.ObjectPermissionID
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	permissions, err := permissionsByID(ctx, a.opts.Store, rights)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(teams))
	for i, t := range teams {
		r := rowOf(t).with(row{
			"spend": spent[scopes[i]].Spent, "model_spend": row{}, "model_id": nil, "litellm_model_table": nil,
			"object_permission": permissions[t.ObjectPermissionID], "allow_team_guardrail_config": false,
		})
		if at := spent[scopes[i]].ResetAt; at != nil && t.BudgetDuration != "" {
			r["budget_reset_at"] = at.UTC()
		}
		if len(t.ModelAliases) > 0 {
			r["litellm_model_table"] = row{"model_aliases": t.ModelAliases, "updated_by": t.UpdatedBy, "created_by": t.CreatedBy}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// memberRows are memberships as replies show them.
func (a *API) memberRows(ctx context.Context, members []*account.TeamMember) ([]row, error) {
	scopes := make([]account.Scope, len(members))
	ids := make([]string, len(members))
	for i, m := range members {
		scopes[i], ids[i] = account.MemberScope(m.TeamID, m.UserID), m.BudgetID
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	budgets, err := budgetsOf(ctx, a.opts.Store, ids)
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(members))
	for i, m := range members {
		rows = append(rows, row{
			"user_id": m.UserID, "team_id": m.TeamID, "budget_id": orNull(m.BudgetID), "spend": spent[scopes[i]].Spent, "total_spend": spent[scopes[i]].Total,
			"litellm_budget_table": budgetRow(budgets, m.BudgetID),
		})
	}
	return rows, nil
}

// membersOf are the memberships of a team.
func (a *API) membersOf(ctx context.Context, team string) ([]row, error) {
	members, _, err := find[account.TeamMember](ctx, a.opts.Store, account.TeamMembers, account.Filter{Equal: map[string]any{"team_id": team}})
	if err != nil {
		return nil, err
	}
	return a.memberRows(ctx, members)
}

// teamKeyRows are the keys of a team that the caller may see.
func (a *API) teamKeyRows(ctx context.Context, c *call, t *account.Team, most Opt[int64]) ([]row, error) {
	f := account.Filter{Equal: map[string]any{"team_id": t.TeamID}}
	may, err := c.seesKeysOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if !may {
		f.Equal["user_id"] = c.who.user
	}
	f.Limit = int(most.Or(0))
	keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, f)
	if err != nil {
		return nil, err
	}
	return a.keyRows(ctx, keys)
}

// maySeeTeam reports whether the caller may read a team.
func (c *call) maySeeTeam(ctx context.Context, t *account.Team) (bool, error) {
	switch {
	case c.who.seesAll(), roleInTeam(t, c.who.user) != "", c.who.stands == t.TeamID, c.who.key != nil && c.who.key.TeamID == t.TeamID && c.who.user != "":
		return true, nil
	}
	return administers(ctx, c.api.opts.Store, c.who.user, t.OrganizationID)
}

// visibleTeam reads a team that the caller may see.
func (a *API) visibleTeam(ctx context.Context, c *call, id string) (*account.Team, error) {
	t, err := lookup[account.Team](ctx, a.opts.Store, id)
	if err != nil {
		return nil, err
	}
	if t == nil {
		e := named("team_id", notFound("Team not found, passed team id: %s.", id))
		e.Detail = row{"message": e.Message}
		return nil, e
	}
	may, err := c.maySeeTeam(ctx, t)
	if err != nil {
		return nil, err
	}
	if !may {
		return nil, forbidden("User=%s not authorized to access this team=%s", c.who.user, id)
	}
	return t, nil
}

type teamInfoRequest struct {
	TeamID   Opt[ID]    `json:"team_id"`
	KeyLimit Opt[int64] `json:"key_limit"`
}

// teamInfo is GET /team/info.
func (a *API) teamInfo(ctx context.Context, c *call, in teamInfoRequest) (any, error) {
	id := string(in.TeamID.Value)
	if id == "" && c.who.key != nil {
		id = c.who.key.TeamID
	}
	t, err := a.visibleTeam(ctx, c, id)
	if err != nil {
		return nil, err
	}
	r, err := a.teamRow(ctx, t)
	if err != nil {
		return nil, err
	}
	budget, err := lookup[account.Budget](ctx, a.opts.Store, memberBudgetID(t))
	if err != nil {
		return nil, err
	}
	r["team_member_budget_table"] = optional(budget)
	keys, err := a.teamKeyRows(ctx, c, t, in.KeyLimit)
	if err != nil {
		return nil, err
	}
	members, err := a.membersOf(ctx, id)
	return row{"team_id": id, "team_info": r, "keys": keys, "team_memberships": members}, err
}

type teamPathRequest struct {
	TeamID Opt[ID] `json:"team_id" in:"path"`
}

// teamMe is GET /team/{team_id}/members/me: what the caller is in a team.
func (a *API) teamMe(ctx context.Context, c *call, in teamPathRequest) (any, error) {
	t, err := a.visibleTeam(ctx, c, string(in.TeamID.Value))
	if err != nil {
		return nil, err
	}
	role := roleInTeam(t, c.who.user)
	if role == "" {
		return nil, notFound("User=%s is not a member of the team=%s.", c.who.user, t.TeamID)
	}
	m, err := lookup[account.TeamMember](ctx, a.opts.Store, account.MemberID(t.TeamID, c.who.user))
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = &account.TeamMember{TeamID: t.TeamID, UserID: c.who.user}
	}
	rows, err := a.memberRows(ctx, []*account.TeamMember{m})
	if err != nil {
		return nil, err
	}
	return rows[0].with(row{"role": role, "user_email": emailIn(t, c.who.user)}), nil
}
