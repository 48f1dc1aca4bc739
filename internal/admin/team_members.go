package admin

import (
	"context"
	"errors"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// join makes a user a member of a team. The team is changed and not stored; the user, which is made where nobody knows it, and the
// membership are.
func (t *change) join(ctx context.Context, team *account.Team, m memberIn) (*account.User, *account.TeamMember, error) {
	if m.Role != account.MemberAdmin && m.Role != account.MemberUser {
		return nil, nil, invalid([]problem{{Loc: []any{inBody, "role"}, Msg: "Input should be 'admin' or 'user'", Type: "literal_error"}})
	}
	u, err := t.memberUser(ctx, orgMemberIn{UserID: m.UserID, UserEmail: m.UserEmail})
	if err != nil {
		return nil, nil, err
	}
	if roleInTeam(team, u.UserID) != "" {
		e := badRequest("User=%s already in team. Existing members: %s", u.UserID, pythonList(memberIDs(team)))
		e.Type = "team_member_already_in_team"
		return nil, nil, e
	}
	team.MembersWithRoles = append(team.MembersWithRoles, account.Member{Role: m.Role, UserID: u.UserID, UserEmail: u.UserEmail})
	if !slices.Contains(u.Teams, team.TeamID) {
		before := copyOf(u)
		u.Teams = append(u.Teams, team.TeamID)
		if err := t.replace(ctx, before, u); err != nil {
			return nil, nil, err
		}
	}
	member, err := t.membership(ctx, team.TeamID, u.UserID)
	if err != nil {
		return nil, nil, err
	}
	budget, err := lookup[account.Budget](ctx, t, memberBudgetID(team))
	if err != nil {
		return nil, nil, err
	}
	return u, member, t.begin(ctx, account.MemberScope(team.TeamID, u.UserID), budget)
}

func memberIDs(team *account.Team) []string {
	ids := []string{}
	for _, m := range team.MembersWithRoles {
		ids = append(ids, m.UserID)
	}
	return ids
}

// leave takes a member out of a team, and its keys of the team with it: they would go on spending the team's money. The team is
// changed and not stored.
func (t *change) leave(ctx context.Context, team *account.Team, user string) error {
	if err := t.removeKeys(ctx, map[string]any{"team_id": team.TeamID, "user_id": user}); err != nil {
		return err
	}
	team.MembersWithRoles = slices.DeleteFunc(team.MembersWithRoles, func(m account.Member) bool { return m.UserID == user })
	is := func(id string) bool { return id == user }
	team.Admins, team.Members = slices.DeleteFunc(team.Admins, is), slices.DeleteFunc(team.Members, is)
	err := t.Delete(ctx, account.TeamMembers, account.MemberID(team.TeamID, user))
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return err
	}
	u, err := lookup[account.User](ctx, t, user)
	if err != nil || u == nil || !slices.Contains(u.Teams, team.TeamID) {
		return err
	}
	before := copyOf(u)
	u.Teams = slices.DeleteFunc(u.Teams, func(id string) bool { return id == team.TeamID })
	return t.replace(ctx, before, u)
}

// memberLimits are what a request says of a member's own budget in a team.
type memberLimits struct {
	MaxBudget      Opt[account.Amount] `json:"max_budget_in_team"`
	BudgetDuration Opt[string]         `json:"budget_duration"`
	AllowedModels  Opt[[]string]       `json:"allowed_models"`
	TPMLimit       Opt[int64]          `json:"tpm_limit"`
	RPMLimit       Opt[int64]          `json:"rpm_limit"`
}

func (in *memberLimits) fields() budgetFields {
	return budgetFields{MaxBudget: in.MaxBudget, BudgetDuration: in.BudgetDuration, AllowedModels: in.AllowedModels, TPMLimit: in.TPMLimit, RPMLimit: in.RPMLimit}
}

// setLimits gives a member a budget of its own in the team. Where it names no period, it has that of the team's members.
func (t *change) setLimits(ctx context.Context, team *account.Team, m *account.TeamMember, in *memberLimits) error {
	fields := in.fields()
	if !fields.given() {
		return nil
	}
	if bad, ok := t.c.modelsWithin(in.AllowedModels.Value, team.Models); !ok {
		return named("allowed_models", badRequest("allowed_models: the team may not call %q. It can only access models=%s", bad, pythonList(team.Models)))
	}
	if m.BudgetID == "" && !in.BudgetDuration.Given() {
		common, err := lookup[account.Budget](ctx, t, memberBudgetID(team))
		if err != nil {
			return err
		}
		if common != nil && common.BudgetDuration != "" {
			fields.BudgetDuration = give(common.BudgetDuration)
		}
	}
	b, err := t.ownBudget(ctx, m.BudgetID, Opt[ID]{}, &fields)
	if err != nil {
		return err
	}
	if m.BudgetID != b.BudgetID {
		before := copyOf(m)
		m.BudgetID = b.BudgetID
		if err := t.replace(ctx, before, m); err != nil {
			return err
		}
		return t.begin(ctx, account.MemberScope(m.TeamID, m.UserID), b)
	}
	if in.BudgetDuration.Given() {
		return t.begin(ctx, account.MemberScope(m.TeamID, m.UserID), b)
	}
	return nil
}

type memberAddRequest struct {
	TeamID Opt[ID]                  `json:"team_id" required:"true"`
	Member Opt[oneOrMany[memberIn]] `json:"member" required:"true"`
	memberLimits
}

// teamMemberAdd is POST /team/member_add.
func (a *API) teamMemberAdd(ctx context.Context, c *call, in memberAddRequest) (any, error) {
	var users []*account.User
	var members []*account.TeamMember
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		users, members = nil, nil
		if rel&mayManageMembers == 0 && !c.joinsItself(t, &in) {
			return c.notLeader(t.TeamID)
		}
		for _, m := range in.Member.Value {
			u, member, err := tx.join(ctx, t, m)
			if err != nil {
				return err
			}
			if err := tx.setLimits(ctx, t, member, &in.memberLimits); err != nil {
				return err
			}
			users, members = append(users, u), append(members, member)
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	r, err := a.teamRow(ctx, t)
	if err != nil {
		return nil, err
	}
	userRows, err := a.userRows(ctx, users)
	if err != nil {
		return nil, err
	}
	memberRows, err := a.memberRows(ctx, members)
	return r.with(row{"updated_users": userRows, "updated_team_memberships": memberRows}), err
}

// joinsItself reports whether a user joins a team that is open to everybody (default_internal_user_params.available_teams), as a
// plain member and without limits of its choice.
func (c *call) joinsItself(t *account.Team, in *memberAddRequest) bool {
	limits := in.fields()
	return c.who.mayManage() && len(in.Member.Value) == 1 && in.Member.Value[0].UserID == c.who.user && in.Member.Value[0].Role == account.MemberUser &&
		!limits.given() && slices.Contains(c.settings.DefaultUser.AvailableTeams, t.TeamID)
}

type memberRequest struct {
	TeamID    Opt[ID] `json:"team_id" required:"true"`
	UserID    Opt[ID] `json:"user_id"`
	UserEmail Opt[ID] `json:"user_email"`
}

// member finds the member of a team that a request names; the empty text when there is none.
func (in *memberRequest) member(t *account.Team) string {
	for _, m := range t.MembersWithRoles {
		if in.UserID.Given() && m.UserID == string(in.UserID.Value) || !in.UserID.Given() && m.UserEmail != "" && m.UserEmail == string(in.UserEmail.Value) {
			return m.UserID
		}
	}
	if roleInTeam(t, string(in.UserID.Value)) != "" {
		return string(in.UserID.Value)
	}
	return ""
}

type memberUpdateRequest struct {
	memberRequest
	Role Opt[string] `json:"role"`
	memberLimits
}

// teamMemberUpdate is POST /team/member_update.
func (a *API) teamMemberUpdate(ctx context.Context, c *call, in memberUpdateRequest) (any, error) {
	if err := in.named(); err != nil {
		return nil, err
	}
	var budget *account.Budget
	var user string
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		if rel&mayManageMembers == 0 {
			return c.notLeader(t.TeamID)
		}
		if user = in.member(t); user == "" {
			return badRequest("User id doesn't exist in team table. Data=%s", in.text())
		}
		if err := setRole(t, user, in.Role); err != nil {
			return err
		}
		m, err := tx.membership(ctx, t.TeamID, user)
		if err != nil {
			return err
		}
		if err := tx.setLimits(ctx, t, m, &in.memberLimits); err != nil {
			return err
		}
		if budget, err = lookup[account.Budget](ctx, tx, m.BudgetID); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	if budget == nil {
		budget = &account.Budget{}
	}
	b := rowOf(budget)
	return row{
		"team_id": t.TeamID, "user_id": user, "user_email": emailIn(t, user), "max_budget_in_team": b["max_budget"], "tpm_limit": b["tpm_limit"],
		"rpm_limit": b["rpm_limit"], "budget_duration": b["budget_duration"], "allowed_models": b["allowed_models"],
	}, nil
}

// named refuses a request that names no member.
func (in *memberRequest) named() *apierr.Error {
	if !in.UserID.Given() && !in.UserEmail.Given() {
		return badRequest("Either user_id or user_email needs to be passed in")
	}
	return nil
}

// text is the request as a refusal repeats it.
func (in *memberRequest) text() string {
	return "team_id=" + quote(string(in.TeamID.Value)) + " user_id=" + quote(string(in.UserID.Value)) + " user_email=" + quote(string(in.UserEmail.Value))
}

func setRole(t *account.Team, user string, role Opt[string]) *apierr.Error {
	if !role.Given() {
		return nil
	}
	if role.Value != account.MemberAdmin && role.Value != account.MemberUser {
		return invalid([]problem{{Loc: []any{inBody, "role"}, Msg: "Input should be 'admin' or 'user'", Type: "literal_error"}})
	}
	is := func(id string) bool { return id == user }
	t.Admins, t.Members = slices.DeleteFunc(t.Admins, is), slices.DeleteFunc(t.Members, is)
	i := slices.IndexFunc(t.MembersWithRoles, func(m account.Member) bool { return m.UserID == user })
	if i < 0 {
		t.MembersWithRoles = append(t.MembersWithRoles, account.Member{UserID: user, Role: role.Value})
		return nil
	}
	t.MembersWithRoles[i].Role = role.Value
	return nil
}

func emailIn(t *account.Team, user string) *string {
	for _, m := range t.MembersWithRoles {
		if m.UserID == user {
			return orNull(m.UserEmail)
		}
	}
	return nil
}

// membership finds the membership of a member, or makes it: teams that were brought from elsewhere may lack them.
func (t *change) membership(ctx context.Context, team, user string) (*account.TeamMember, error) {
	m, err := lookup[account.TeamMember](ctx, t, account.MemberID(team, user))
	if err != nil || m != nil {
		return m, err
	}
	m = &account.TeamMember{TeamID: team, UserID: user}
	return m, t.insert(ctx, m)
}

// teamMemberDelete is POST /team/member_delete.
func (a *API) teamMemberDelete(ctx context.Context, c *call, in memberRequest) (any, error) {
	if err := in.named(); err != nil {
		return nil, err
	}
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		if rel&mayManageMembers == 0 {
			return c.notLeader(t.TeamID)
		}
		user := in.member(t)
		if user == "" {
			return badRequest("User not found in team")
		}
		if err := tx.leave(ctx, t, user); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	var e *apierr.Error
	if errors.As(err, &e) && e.Type == "not_found_error" {
		return nil, named("team_id", badRequest("Team id=%s does not exist in db", in.TeamID.Value))
	}
	if err != nil {
		return nil, err
	}
	return a.teamRow(ctx, t)
}

type bulkMemberRequest struct {
	TeamID    Opt[ID]             `json:"team_id" required:"true"`
	Members   Opt[[]memberIn]     `json:"members"`
	AllUsers  Opt[bool]           `json:"all_users"`
	MaxBudget Opt[account.Amount] `json:"max_budget_in_team"`
}

// teamBulkMemberAdd is POST /team/bulk_member_add. Each member is added for itself.
func (a *API) teamBulkMemberAdd(ctx context.Context, c *call, in bulkMemberRequest) (any, error) {
	wanted := in.Members.Value
	if in.AllUsers.Value {
		users, _, err := find[account.User](ctx, a.opts.Store, account.Users, account.Filter{})
		if err != nil {
			return nil, err
		}
		wanted = nil
		for _, u := range users {
			wanted = append(wanted, memberIn{Role: account.MemberUser, UserID: u.UserID})
		}
	} else if len(wanted) > maxBulk {
		return nil, named("members", badRequest("Maximum %d members can be added at once. Found %d members.", maxBulk, len(wanted)))
	}
	if len(wanted) == 0 {
		return nil, named("members", badRequest("Either members or all_users needs to be passed in"))
	}
	id, results, added := string(in.TeamID.Value), []row{}, 0
	for _, m := range wanted {
		one := memberAddRequest{TeamID: in.TeamID, Member: give(oneOrMany[memberIn]{m}), memberLimits: memberLimits{MaxBudget: in.MaxBudget}}
		result := row{"user_id": orNull(m.UserID), "user_email": orNull(m.UserEmail), "success": true, "error": nil, "updated_user": nil, "updated_team_membership": nil}
		reply, err := a.teamMemberAdd(ctx, c, one)
		switch done, _ := reply.(row); {
		case err == nil:
			added++
			users, _ := done["updated_users"].([]row)
			members, _ := done["updated_team_memberships"].([]row)
			result.with(row{"user_id": members[0]["user_id"], "updated_user": users[0], "updated_team_membership": members[0]})
		case shown(err).Status == 400:
			result.with(row{"success": false, "error": shown(err).Message})
		default:
			return nil, err // for all of them the same: not there, not allowed, not available
		}
		results = append(results, result)
	}
	t, err := account.Get[account.Team](ctx, a.opts.Store, id)
	if err != nil {
		return nil, err
	}
	r, err := a.teamRow(ctx, t)
	return row{
		"team_id": id, "results": results, "total_requested": len(wanted), "successful_additions": added, "failed_additions": len(wanted) - added, "updated_team": r,
	}, err
}

type memberResetRequest struct {
	TeamID  Opt[ID]             `json:"team_id" in:"path"`
	UserID  Opt[ID]             `json:"user_id" in:"path"`
	ResetTo Opt[account.Amount] `json:"reset_to"`
}

// teamMemberReset is POST /team/{team_id}/member/{user_id}/reset_spend: to 0 where the request names no amount.
func (a *API) teamMemberReset(ctx context.Context, c *call, in memberResetRequest) (any, error) {
	a.sync(ctx)
	to, user := in.ResetTo.Or("0"), string(in.UserID.Value)
	var before account.Counter
	var budget *account.Budget
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, _, t *account.Team, rel relation) error {
		if rel&mayManageMembers == 0 {
			return c.notLeader(t.TeamID)
		}
		if roleInTeam(t, user) == "" {
			return badRequest("User not found in team")
		}
		m, err := tx.membership(ctx, t.TeamID, user)
		if err != nil {
			return err
		}
		id := m.BudgetID
		if id == "" {
			id = memberBudgetID(t)
		}
		if budget, err = lookup[account.Budget](ctx, tx, id); err != nil {
			return err
		}
		if budget == nil {
			budget = &account.Budget{}
		}
		if before, err = tx.reset(ctx, account.MemberScope(t.TeamID, user), to, budget.MaxBudget); err != nil {
			return err
		}
		return tx.note(ctx, "updated", m, object("spend", before.Spent), object("spend", to))
	})
	if err != nil {
		return nil, err
	}
	return row{
		"team_id": t.TeamID, "user_id": user, "spend": to, "previous_spend": before.Spent, "max_budget": budget.MaxBudget, "budget_reset_at": before.ResetAt,
	}, nil
}
