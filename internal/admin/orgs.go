package admin

import (
	"context"
	"net/http"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

// orgFields are what a request says of an organisation.
type orgFields struct {
	OrganizationID    Opt[ID]                       `json:"organization_id"`
	OrganizationAlias Opt[string]                   `json:"organization_alias"`
	Models            Opt[[]string]                 `json:"models"`
	Metadata          Opt[map[string]any]           `json:"metadata"`
	BudgetID          Opt[ID]                       `json:"budget_id"`
	ModelRPMLimit     Opt[map[string]int64]         `json:"model_rpm_limit"`
	ModelTPMLimit     Opt[map[string]int64]         `json:"model_tpm_limit"`
	Tags              Opt[[]string]                 `json:"tags"`
	Spend             Opt[account.Amount]           `json:"spend"`
	ObjectPermission  Opt[account.ObjectPermission] `json:"object_permission"`
	budgetFields
}

func (in *orgFields) apply(c *call, o *account.Organization) *apierr.Error {
	if err := checkSpend(in.Spend); err != nil {
		return err
	}
	set(&o.OrganizationAlias, in.OrganizationAlias)
	set(&o.Models, in.Models)
	fields := folded{Tags: in.Tags, ModelRPMLimit: in.ModelRPMLimit, ModelTPMLimit: in.ModelTPMLimit}
	return fields.applyMetadata(c, &o.Metadata, in.Metadata)
}

// write stores an organisation with its budget. before is nil for a new one.
func (in *orgFields) write(ctx context.Context, tx *change, before, o *account.Organization) error {
	if err := in.apply(tx.c, o); err != nil {
		return err
	}
	b, err := tx.ownBudget(ctx, o.BudgetID, in.BudgetID, &in.budgetFields)
	if err != nil {
		return err
	}
	if b == nil { // LiteLLM's organisations always have a budget
		b = &account.Budget{BudgetID: telemetry.NewID()}
		if err := tx.insert(ctx, b); err != nil {
			return err
		}
	}
	o.BudgetID = b.BudgetID
	if err := checkRights(ctx, tx, o.ObjectPermissionID, in.ObjectPermission); err != nil {
		return err
	}
	scope := account.OrgScope(o.OrganizationID)
	if in.Spend.Given() {
		if err := tx.SetSpent(ctx, scope, in.Spend.Value.USD()); err != nil {
			return err
		}
	}
	if before == nil || before.BudgetID != o.BudgetID || in.BudgetDuration.Given() {
		if err := tx.begin(ctx, scope, b); err != nil {
			return err
		}
	}
	if before == nil {
		return tx.insert(ctx, o)
	}
	return tx.replace(ctx, before, o)
}

// newOrg is POST /organization/new.
func (a *API) newOrg(ctx context.Context, c *call, in orgFields) (any, error) {
	if !c.who.isAdmin() {
		return nil, refuse(http.StatusUnauthorized, "Only admins can create orgs. Your role is = %s", c.who.role)
	}
	if in.OrganizationAlias.Value == "" {
		return nil, invalid([]problem{{Loc: []any{inBody, "organization_alias"}, Msg: "Field required", Type: "missing"}})
	}
	id := string(in.OrganizationID.Or(ID(telemetry.NewID())))
	if err := c.update(ctx, func(tx *change) error {
		if there, err := lookup[account.Organization](ctx, tx, id); err != nil || there != nil {
			return orElse(err, named("organization_id", badRequest("Organization id = %s already exists. Please use a different organization id.", id)))
		}
		return in.write(ctx, tx, nil, &account.Organization{OrganizationID: id})
	}); err != nil {
		return nil, err
	}
	return a.oneOrg(ctx, id)
}

// updateOrg is PATCH /organization/update. An organisation's own admins may rename it; what bounds it is the operator's.
func (a *API) updateOrg(ctx context.Context, c *call, in orgFields) (any, error) {
	id := string(in.OrganizationID.Value)
	if err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Organization](ctx, tx, id)
		if err != nil || before == nil {
			return orElse(err, orgMissing(id))
		}
		if err := c.mayLeadOrg(ctx, tx, id); err != nil {
			return err
		}
		if !c.who.isAdmin() && in.bounds() {
			return forbidden("You are not allowed to change the models, limits or budget of your organization. Your role=%s", account.OrgAdmin)
		}
		return in.write(ctx, tx, before, copyOf(before))
	}); err != nil {
		return nil, err
	}
	return a.oneOrg(ctx, id)
}

// bounds reports whether a request speaks of what bounds an organisation.
func (in *orgFields) bounds() bool {
	return in.Models.Given() || in.BudgetID.Given() || in.budgetFields.given() || in.Spend.Given() || in.ObjectPermission.Given() ||
		in.ModelRPMLimit.Given() || in.ModelTPMLimit.Given() || in.Tags.Given() || in.Metadata.Given()
}

// mayLeadOrg refuses a caller who is neither the operator nor an admin of the organisation.
func (c *call) mayLeadOrg(ctx context.Context, r account.Reader, id string) error {
	if c.who.isAdmin() {
		return nil
	}
	ok, err := administers(ctx, r, c.who.user, id)
	if err == nil && (!ok || !c.who.mayManage()) {
		return forbidden("You are not an admin of the organization %s. Your role=%s", id, c.who.role)
	}
	return err
}

func orgMissing(id string) *apierr.Error {
	return named("organization_id", notFound("Organization not found for organization_id=%s", id))
}

type orgIDsRequest struct {
	IDs Opt[[]string] `json:"organization_ids" required:"true"`
}

// deleteOrgs is DELETE /organization/delete. One that teams or keys still belong to stays: LiteLLM deletes those with it.
func (a *API) deleteOrgs(ctx context.Context, c *call, in orgIDsRequest) (any, error) {
	rows := []row{}
	for _, id := range in.IDs.Value {
		r, err := a.oneOrg(ctx, id)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	err := c.update(ctx, func(tx *change) error {
		for _, id := range in.IDs.Value {
			if err := tx.removeOrg(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// removeOrg deletes an organisation that no team or key belongs to any more.
func (t *change) removeOrg(ctx context.Context, id string) error {
	o, err := lookup[account.Organization](ctx, t, id)
	if err != nil || o == nil {
		return orElse(err, orgMissing(id))
	}
	for _, kind := range []account.Kind{account.Teams, account.Keys} {
		n, err := t.Find(ctx, kind, account.Filter{Equal: map[string]any{"organization_id": id}, Limit: 1}, func([]byte) error { return nil })
		if err != nil {
			return err
		}
		if n > 0 {
			return named("organization_ids", badRequest("Organization %s still has %d of %s. Delete or move them first.", id, n, tableName(kind)))
		}
	}
	members, _, err := find[account.OrgMember](ctx, t, account.OrgMembers, account.Filter{Equal: map[string]any{"organization_id": id}})
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := t.removeOrgMember(ctx, m); err != nil {
			return err
		}
	}
	if err := t.SetSpent(ctx, account.OrgScope(id), 0); err != nil {
		return err
	}
	return t.remove(ctx, o)
}

// removeOrgMember ends a membership. The member's keys that name the organisation go with it; those of its teams are their teams'.
func (t *change) removeOrgMember(ctx context.Context, m *account.OrgMember) error {
	if err := t.removeKeys(ctx, map[string]any{"organization_id": m.OrganizationID, "user_id": m.UserID}); err != nil {
		return err
	}
	if err := t.SetSpent(ctx, account.OrgMemberScope(m.OrganizationID, m.UserID), 0); err != nil {
		return err
	}
	return t.remove(ctx, m)
}

type orgInfoRequest struct {
	OrganizationID Opt[ID] `json:"organization_id" required:"true"`
}

// orgInfo is GET /organization/info.
func (a *API) orgInfo(ctx context.Context, c *call, in orgInfoRequest) (any, error) {
	id := string(in.OrganizationID.Value)
	if !c.who.seesAll() {
		m, err := lookup[account.OrgMember](ctx, a.opts.Store, account.MemberID(id, c.who.user))
		if err != nil || m == nil {
			return nil, orElse(err, forbidden("You are not a member of the organization %s. Your role=%s", id, c.who.role))
		}
	}
	return a.oneOrg(ctx, id)
}

type orgsInfoRequest struct {
	Organizations Opt[[]string] `json:"organizations" required:"true"`
}

// orgsInfo is POST /organization/info, deprecated by LiteLLM.
func (a *API) orgsInfo(ctx context.Context, _ *call, in orgsInfoRequest) (any, error) {
	if len(in.Organizations.Value) == 0 {
		return nil, badRequest("Specify list of organization id's to query. Passed in=%s", pythonList(in.Organizations.Value))
	}
	orgs, _, err := find[account.Organization](ctx, a.opts.Store, account.Organizations, account.Filter{In: map[string][]string{"organization_id": in.Organizations.Value}})
	if err != nil {
		return nil, err
	}
	return a.orgRows(ctx, orgs)
}

type orgListRequest struct {
	OrgID    Opt[ID] `json:"org_id"`
	OrgAlias Opt[ID] `json:"org_alias"`
}

// listOrgs is GET /organization/list: everything, or the organisations that the caller is a member of.
func (a *API) listOrgs(ctx context.Context, c *call, in orgListRequest) (any, error) {
	f := account.Filter{Equal: map[string]any{}, Contains: map[string]string{}}
	if in.OrgID.Given() {
		f.Equal["organization_id"] = string(in.OrgID.Value)
	}
	if in.OrgAlias.Given() {
		f.Contains["organization_alias"] = string(in.OrgAlias.Value)
	}
	if !c.who.seesAll() {
		mine, err := a.orgsOf(ctx, c.who.user)
		if err != nil || len(mine) == 0 {
			return []row{}, err
		}
		f.In = map[string][]string{"organization_id": mine}
	}
	orgs, _, err := find[account.Organization](ctx, a.opts.Store, account.Organizations, f)
	if err != nil {
		return nil, err
	}
	return a.orgRows(ctx, orgs)
}

// orgsOf lists the organisations that a user is a member of.
func (a *API) orgsOf(ctx context.Context, user string) ([]string, error) {
	if user == "" {
		return nil, nil
	}
	members, _, err := find[account.OrgMember](ctx, a.opts.Store, account.OrgMembers, account.Filter{Equal: map[string]any{"user_id": user}})
	var ids []string
	for _, m := range members {
		ids = append(ids, m.OrganizationID)
	}
	return ids, err
}

// oneOrg is the reply that shows one organisation.
func (a *API) oneOrg(ctx context.Context, id string) (row, error) {
	o, err := lookup[account.Organization](ctx, a.opts.Store, id)
	if err != nil || o == nil {
		return nil, orElse(err, orgMissing(id))
	}
	rows, err := a.orgRows(ctx, []*account.Organization{o})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// orgRows are organisations as replies show them: spend, budget, members, teams and permissions joined.
func (a *API) orgRows(ctx context.Context, orgs []*account.Organization) ([]row, error) {
	var scopes []account.Scope
	var ids, budgets, permissions []string
	for _, o := range orgs {
		ids = append(ids, o.OrganizationID)
		scopes = append(scopes, account.OrgScope(o.OrganizationID))
		budgets = append(budgets, o.BudgetID)
		permissions = append(permissions, o.ObjectPermissionID)
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	budget, err := budgetsOf(ctx, a.opts.Store, budgets)
	if err != nil {
		return nil, err
	}
	permission, err := permissionsByID(ctx, a.opts.Store, permissions)
	if err != nil {
		return nil, err
	}
	members, err := a.orgMembers(ctx, ids)
	if err != nil {
		return nil, err
	}
	teams, err := a.orgTeams(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]row, 0, len(orgs))
	for i, o := range orgs {
		out = append(out, rowOf(o).with(row{
			"spend": spent[scopes[i]].Spent, "model_spend": map[string]any{}, "litellm_budget_table": budgetRow(budget, o.BudgetID),
			"object_permission": permission[o.ObjectPermissionID], "members": orEmpty(members[o.OrganizationID]), "teams": orEmpty(teams[o.OrganizationID]),
			"users": usersIn(members[o.OrganizationID]),
		}))
	}
	return out, nil
}

func usersIn(members []row) []any {
	users := []any{}
	for _, m := range members {
		if m["user"] != nil {
			users = append(users, m["user"])
		}
	}
	return users
}

// orgMembers are the members of organisations as replies show them, by organisation.
func (a *API) orgMembers(ctx context.Context, ids []string) (map[string][]row, error) {
	out := map[string][]row{}
	if len(ids) == 0 {
		return out, nil
	}
	members, _, err := find[account.OrgMember](ctx, a.opts.Store, account.OrgMembers, account.Filter{In: map[string][]string{"organization_id": ids}})
	if err != nil {
		return nil, err
	}
	rows, err := a.orgMemberRows(ctx, members)
	for i, m := range members {
		if err == nil {
			out[m.OrganizationID] = append(out[m.OrganizationID], rows[i])
		}
	}
	return out, err
}

// orgMemberRows are memberships with the member, its spend in the organisation and its budget there.
func (a *API) orgMemberRows(ctx context.Context, members []*account.OrgMember) ([]row, error) {
	var scopes []account.Scope
	var users, budgets []string
	for _, m := range members {
		scopes = append(scopes, account.OrgMemberScope(m.OrganizationID, m.UserID))
		users = append(users, m.UserID)
		budgets = append(budgets, m.BudgetID)
	}
	spent, err := a.opts.Store.Spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	budget, err := budgetsOf(ctx, a.opts.Store, budgets)
	if err != nil {
		return nil, err
	}
	slices.Sort(users)
	user, err := objectsOf[account.User](ctx, a.opts.Store, account.Users, "user_id", slices.Compact(users))
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(members))
	for i, m := range members {
		r := rowOf(m).with(row{"spend": spent[scopes[i]].Spent, "litellm_budget_table": budgetRow(budget, m.BudgetID), "user": nil, "user_email": nil})
		if u, ok := user[m.UserID]; ok {
			r["user"], r["user_email"] = userRow(&u, account.Counter{}).without("spend"), orNull(u.UserEmail)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (a *API) orgTeams(ctx context.Context, ids []string) (map[string][]row, error) {
	out := map[string][]row{}
	if len(ids) == 0 {
		return out, nil
	}
	teams, _, err := find[account.Team](ctx, a.opts.Store, account.Teams, account.Filter{In: map[string][]string{"organization_id": ids}})
	for _, t := range teams {
		out[t.OrganizationID] = append(out[t.OrganizationID], rowOf(t))
	}
	return out, err
}
