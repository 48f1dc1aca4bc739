package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

// memberIn is a member as requests name it.
type memberIn struct {
	Role      string `json:"role"`
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
}

type teamNewRequest struct {
	TeamID Opt[ID] `json:"team_id"`
	teamFields
	Admins           Opt[[]string]   `json:"admins"`  // LiteLLM's older spelling of members_with_roles
	Members          Opt[[]string]   `json:"members"` // the same
	MembersWithRoles Opt[[]memberIn] `json:"members_with_roles"`
}

// wanted are the members that a new team shall have.
func (in *teamNewRequest) wanted() []memberIn {
	wanted := slices.Clone(in.MembersWithRoles.Value)
	for _, id := range in.Admins.Value {
		wanted = append(wanted, memberIn{Role: account.MemberAdmin, UserID: id})
	}
	for _, id := range in.Members.Value {
		if !slices.ContainsFunc(wanted, func(m memberIn) bool { return m.UserID == id }) {
			wanted = append(wanted, memberIn{Role: account.MemberUser, UserID: id})
		}
	}
	return wanted
}

// teamNew is POST /team/new.
func (a *API) teamNew(ctx context.Context, c *call, in teamNewRequest) (any, error) {
	var t *account.Team
	err := c.update(ctx, func(tx *change) error {
		var err error
		t, err = c.makeTeam(ctx, tx, &in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return a.teamRow(ctx, t)
}

func (c *call) makeTeam(ctx context.Context, tx *change, in *teamNewRequest) (*account.Team, error) {
	t := &account.Team{TeamID: string(in.TeamID.Or(ID(telemetry.NewID()))), OrganizationID: string(in.OrganizationID.Value)}
	rel, err := c.relationToTeam(ctx, tx, t)
	if err != nil {
		return nil, err
	}
	if rel&(asAdmin|asOrgAdmin) == 0 {
		return nil, forbidden("You are not allowed to create teams. Only proxy admins, and admins of an organization inside of it, can. Your role=%s", c.who.role)
	}
	if t.TeamID == dashboardTeam {
		return nil, named("team_id", badRequest("Team id = %s is reserved. Please use a different team id.", t.TeamID))
	}
	there, err := lookup[account.Team](ctx, tx, t.TeamID)
	if err != nil || there != nil {
		return nil, orElse(err, named("team_id", badRequest("Team id = %s already exists. Please use a different team id.", t.TeamID)))
	}
	if err := in.apply(c, t); err != nil {
		return nil, err
	}
	if err := mayWrite(&c.who, rel, teamRights, nil, t, in.beside()...); err != nil {
		return nil, err
	}
	c.settings.DefaultTeam.fill(&in.teamFields)
	if err := in.apply(c, t); err != nil {
		return nil, err
	}
	if err := c.checkTeam(ctx, tx, &account.Team{}, t); err != nil {
		return nil, err
	}
	for _, m := range c.withCreator(in.wanted()) {
		if _, _, err := tx.join(ctx, t, m); err != nil {
			return nil, err
		}
	}
	return t, tx.storeTeam(ctx, nil, t, &in.teamFields)
}

// beside are the fields of a request that are not columns of the team.
func (in *teamFields) beside() []string {
	var names []string
	if b := in.memberBudget(); b.given() {
		names = append(names, "team_member_budget")
	}
	return names
}

// withCreator adds who makes a team to its admins, as LiteLLM does.
func (c *call) withCreator(members []memberIn) []memberIn {
	if c.who.user == "" || slices.ContainsFunc(members, func(m memberIn) bool { return m.UserID == c.who.user }) {
		return members
	}
	return append(members, memberIn{Role: account.MemberAdmin, UserID: c.who.user})
}

// storeTeam writes a team with what belongs to it. before is nil for a new one.
func (t *change) storeTeam(ctx context.Context, before, team *account.Team, in *teamFields) error {
	if err := checkRights(ctx, t, team.ObjectPermissionID, in.ObjectPermission); err != nil {
		return err
	}
	limits := in.memberBudget()
	if err := t.setMemberBudget(ctx, team, &limits); err != nil {
		return err
	}
	scope := account.TeamScope(team.TeamID)
	if before == nil {
		if err := t.insert(ctx, team); err != nil {
			return err
		}
		if err := t.startAt(ctx, scope, 0); err != nil {
			return err
		}
		before = &account.Team{}
	} else if err := t.replace(ctx, before, team); err != nil {
		return err
	}
	if before.BudgetDuration != team.BudgetDuration {
		if err := t.SetPeriod(ctx, scope, team.BudgetDuration, team.BudgetResetAt); err != nil {
			return err
		}
	}
	if err := t.setWindows(ctx, scope, before.BudgetLimits, team.BudgetLimits); err != nil {
		return err
	}
	return t.setModelPeriods(ctx, scope, before.ModelMaxBudget, team.ModelMaxBudget)
}

// checkTeam refuses what does not exist, and a team that reaches beyond its organisation.
func (c *call) checkTeam(ctx context.Context, r account.Reader, before, t *account.Team) error {
	for _, id := range t.AccessGroupIDs {
		if slices.Contains(before.AccessGroupIDs, id) {
			continue
		}
		if g, err := lookup[account.AccessGroup](ctx, r, id); err != nil || g == nil {
			return orElse(err, named("access_group_ids", badRequest("Access group not found, passed access_group_id=%s", id)))
		}
	}
	if t.OrganizationID == "" {
		return nil
	}
	org, err := lookup[account.Organization](ctx, r, t.OrganizationID)
	if err != nil || org == nil {
		return orElse(err, named("organization_id", badRequest("Organization not found for organization_id=%s", t.OrganizationID)))
	}
	budget, err := lookup[account.Budget](ctx, r, org.BudgetID)
	if err != nil {
		return err
	}
	names := changed(before, t)
	if before.OrganizationID != t.OrganizationID { // what it has must fit into where it goes
		names = append(names, "models", "max_budget", "tpm_limit", "rpm_limit", "max_parallel_requests")
	}
	if err := c.underOrg(org, budget, t, names); err != nil {
		return err
	}
	return nil
}

// underOrg refuses the changed fields of a team that exceed its organisation's. A budget of 0 is none, for organisations.
func (c *call) underOrg(org *account.Organization, b *account.Budget, t *account.Team, names []string) *apierr.Error {
	top := ceiling{who: "organization " + org.OrganizationID, models: org.Models}
	if b != nil {
		top.limits = b.Limits
		if b.MaxBudget.Float64() > 0 {
			top.maxBudget = b.MaxBudget
		}
	}
	as := &account.Key{Models: t.Models, Limits: t.Limits}
	as.MaxBudget = t.MaxBudget
	return c.under(&top, as, names)
}

type teamUpdateRequest struct {
	TeamID Opt[ID] `json:"team_id" required:"true"`
	teamFields
	unsetFields
}

type teamPatchRequest struct {
	TeamID Opt[ID] `json:"team_id" in:"path"`
	teamFields
	unsetFields
}

// teamUpdate is POST /team/update.
func (a *API) teamUpdate(ctx context.Context, c *call, in teamUpdateRequest) (any, error) {
	return a.changeTeam(ctx, c, in)
}

// teamPatch is PATCH /team/{team_id}.
func (a *API) teamPatch(ctx context.Context, c *call, in teamPatchRequest) (any, error) {
	return a.changeTeam(ctx, c, teamUpdateRequest(in))
}

func (a *API) changeTeam(ctx context.Context, c *call, in teamUpdateRequest) (any, error) {
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		if rel == 0 {
			return c.notLeader(before.TeamID)
		}
		if err := in.apply(c, t); err != nil {
			return err
		}
		if err := in.unsetFields.empty(given(&in), teamBounds(t)); err != nil {
			return err
		}
		beside, err := tx.besideTeam(ctx, before, &in.teamFields)
		if err != nil {
			return err
		}
		if err := mayWrite(&c.who, rel, teamRights, before, t, beside...); err != nil {
			return err
		}
		if err := c.checkTeam(ctx, tx, before, t); err != nil {
			return err
		}
		if t.OrganizationID != before.OrganizationID {
			if to, err := c.relationToTeam(ctx, tx, &account.Team{OrganizationID: t.OrganizationID}); err != nil || to == 0 {
				return orElse(err, named("organization_id", forbidden("You are not an admin of the organization %s. Your role=%s", t.OrganizationID, c.who.role)))
			}
		}
		if err := c.checkEchoes(before); err != nil {
			return err
		}
		return tx.storeTeam(ctx, before, t, &in.teamFields)
	})
	if err != nil {
		return nil, err
	}
	r, err := a.teamRow(ctx, t)
	return row{"team_id": t.TeamID, "data": r}, err
}

// besideTeam are the fields of an update that are not columns of the team and that differ from what is there.
func (t *change) besideTeam(ctx context.Context, before *account.Team, in *teamFields) ([]string, error) {
	var names []string
	limits := in.memberBudget()
	if !limits.given() {
		return names, nil
	}
	old, err := lookup[account.Budget](ctx, t, memberBudgetID(before))
	if err != nil {
		return nil, err
	}
	asked := &account.Budget{}
	if old != nil {
		asked = copyOf(old)
	}
	if err := limits.apply(t.c, asked); err != nil {
		return nil, err
	}
	if old == nil || len(changed(old, asked)) > 0 {
		names = append(names, "team_member_budget")
	}
	return names, nil
}

// editTeam changes one team in a transaction. The caller must be something to it.
func (c *call) editTeam(ctx context.Context, id string, do func(tx *change, before, t *account.Team, rel relation) error) (*account.Team, error) {
	var t *account.Team
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Team](ctx, tx, id)
		if err != nil || before == nil {
			return orElse(err, noSuchTeam(id))
		}
		rel, err := c.relationToTeam(ctx, tx, before)
		if err != nil {
			return err
		}
		t = copyOf(before)
		return do(tx, before, t, rel)
	})
	return t, err
}

func noSuchTeam(id string) *apierr.Error {
	e := named("team_id", notFound("Team not found, passed team_id=%s", id))
	e.Detail = row{"error": e.Message}
	return e
}

// notLeader refuses a thing that is for those who lead a team.
func (c *call) notLeader(id string) *apierr.Error {
	return forbidden("Call not allowed. User not proxy admin OR team admin. route=%s, team_id=%s", c.request.URL.Path, id)
}

type teamDeleteRequest struct {
	TeamIDs Opt[[]string] `json:"team_ids" required:"true"`
}

// teamDelete is POST /team/delete. The teams' keys and memberships go with them.
func (a *API) teamDelete(ctx context.Context, c *call, in teamDeleteRequest) (any, error) {
	err := c.update(ctx, func(tx *change) error {
		for _, id := range in.TeamIDs.Value {
			t, err := lookup[account.Team](ctx, tx, id)
			if err != nil || t == nil {
				return orElse(err, noSuchTeam(id))
			}
			rel, err := c.relationToTeam(ctx, tx, t)
			if err != nil {
				return err
			}
			if rel&mayDeleteTeam == 0 {
				return forbidden("You are not allowed to delete this team. Your role=%s", c.who.role)
			}
			if err := tx.removeTeam(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return row{"deleted_teams": in.TeamIDs.Value}, nil
}

// removeTeam deletes a team with its keys and memberships. Counters stay: the ledger's totals are made of them.
func (t *change) removeTeam(ctx context.Context, team *account.Team) error {
	if err := t.removeKeys(ctx, map[string]any{"team_id": team.TeamID}); err != nil {
		return err
	}
	for _, m := range slices.Clone(team.MembersWithRoles) {
		if err := t.leave(ctx, team, m.UserID); err != nil {
			return err
		}
	}
	if err := t.Insert(ctx, &account.DeletedTeam{
		ID: telemetry.NewID(), Team: *team, DeletedAt: t.c.now, DeletedBy: t.c.who.id(), DeletedByAPIKey: t.c.who.hash, ChangedBy: t.c.changedBy(),
	}); err != nil {
		return err
	}
	return t.remove(ctx, team)
}

type teamIDRequest struct {
	TeamID Opt[ID] `json:"team_id" required:"true"`
}

// teamBlock is POST /team/block.
func (a *API) teamBlock(ctx context.Context, c *call, in teamIDRequest) (any, error) {
	return a.setTeamBlocked(ctx, c, string(in.TeamID.Value), "blocked", true)
}

// teamUnblock is POST /team/unblock.
func (a *API) teamUnblock(ctx context.Context, c *call, in teamIDRequest) (any, error) {
	return a.setTeamBlocked(ctx, c, string(in.TeamID.Value), "unblocked", false)
}

func (a *API) setTeamBlocked(ctx context.Context, c *call, id, action string, blocked bool) (any, error) {
	t, err := c.editTeam(ctx, id, func(tx *change, before, t *account.Team, rel relation) error {
		if rel&mayBlockTeam == 0 {
			return forbidden("You are not allowed to block or unblock this team. Your role=%s", c.who.role)
		}
		t.Blocked = blocked
		return tx.replaceAs(ctx, action, before, t)
	})
	if err != nil {
		return nil, err
	}
	return a.teamRow(ctx, t)
}
