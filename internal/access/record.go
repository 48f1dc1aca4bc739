package access

import (
	"context"
	"encoding/json"
	"time"

	"tollgate/internal/account"
)

// Record is a caller as the directory keeps it: its objects, and what was compiled of them. Immutable.
type Record struct {
	identity Identity
	ids      struct{ key, user, team, org string }
	// metadata is the key's, as the ledger's row carries it; nil when it has none.
	metadata account.JSON
	aliases  map[string]string // the key's names for models

	key, team, user, org, member, orgMember *payer // nil where there is none
	// memberModels are the models that the user has in the team; empty = the team's.
	memberModels []string
	// keyGroups and teamGroups are the models of the access groups that the key and the team refer to.
	keyGroups, teamGroups []string

	deps  []dependency
	until time.Time // when it must be compiled anew; zero = when a dependency changes
}

// dependency is a state that a record was compiled from.
type dependency struct {
	cell    *cell
	version *version
}

// Identity returns the caller.
func (r *Record) Identity() Identity { return r.identity }

// compiler collects what a record depends on. The first error ends it.
type compiler struct {
	ctx context.Context
	d   *Directory
	r   *Record
	err error
}

// get reads an object that the record depends on; nil when there is none or the id is empty.
func get[T any, P interface {
	*T
	account.Object
}](c *compiler, id string) (*version, P) {
	if id == "" || c.err != nil {
		return nil, nil
	}
	dep, o, err := object[T, P](c.ctx, c.d, id)
	if err != nil {
		c.err = err
		return nil, nil
	}
	c.r.deps = append(c.r.deps, dep)
	return dep.version, o
}

// paid is the payer of an object and its budget, compiled once for all that refer to the two.
func paid(owner, row *version, compile func() *payer) *payer {
	if m := owner.memo.Load(); m != nil && m.budget == row {
		return m.payer
	}
	p := compile()
	owner.memo.Store(&memo{row, p})
	return p
}

// compileKey makes the record of a key.
func (d *Directory) compileKey(ctx context.Context, dep dependency, k *account.Key) (*Record, error) {
	r := &Record{deps: append(make([]dependency, 0, 4), dep)} // a key with a team and a user has four
	r.ids.key, r.ids.user, r.ids.team, r.ids.org = k.Token, k.UserID, k.TeamID, k.OrganizationID
	r.identity = Identity{Name: k.Token, Key: k, record: r}
	c := &compiler{ctx: ctx, d: d, r: r}

	_, row := get[account.Budget](c, k.BudgetID)
	r.key, r.until = paidByKey(k, row, d.opts.Now())
	r.keyGroups = c.groups(k.AccessGroupIDs)
	c.others()
	if c.err != nil {
		return nil, c.err
	}
	r.identity.Role = roleOf(r.identity.User)
	if role := r.identity.Role; (role == ProxyAdmin || role == account.ProxyAdminViewer) && CallsOnly(k.AllowedRoutes) {
		r.identity.Role = InternalUser
	}
	_ = json.Unmarshal(k.Aliases, &r.aliases) // an object of texts, or there are none
	if len(k.Metadata) > 0 {
		metadata, err := json.Marshal(k.Metadata)
		if err != nil {
			return nil, err
		}
		r.metadata = metadata
	}
	return r, nil
}

// compileIDs makes the record of a caller without a key: a signed token that stands for a user, a team or both.
func (d *Directory) compileIDs(ctx context.Context, user, team, org string) (*Record, error) {
	r := &Record{}
	r.ids.user, r.ids.team, r.ids.org = user, team, org
	r.identity = Identity{record: r}
	c := &compiler{ctx: ctx, d: d, r: r}
	c.others()
	if c.err != nil {
		return nil, c.err
	}
	r.identity.Role = roleOf(r.identity.User)
	return r, nil
}

// others compiles what stands beside the key: team, user, membership and organisation.
func (c *compiler) others() {
	ids, id := &c.r.ids, &c.r.identity
	teamVersion, team := get[account.Team](c, ids.team)
	if team != nil {
		id.Team = team
		c.r.team = paid(teamVersion, nil, func() *payer { return paidByTeam(team) })
		c.r.teamGroups = c.groups(team.AccessGroupIDs)
		if ids.org == "" {
			ids.org = team.OrganizationID
		}
	} else if ids.team != "" && ids.team != dashboardTeam && c.err == nil {
		c.err = &missingTeam{ids.team}
	}
	userVersion, user := get[account.User](c, ids.user)
	if user != nil {
		id.User = user
		c.r.user = paid(userVersion, nil, func() *payer { return paidByUser(user) })
	} else if ids.user != "" {
		c.r.user = &payer{charge: account.UserScope(ids.user)}
	}
	c.member(team)
	orgVersion, org := get[account.Organization](c, ids.org)
	if org != nil {
		id.Org = org
		rowVersion, row := get[account.Budget](c, org.BudgetID)
		if c.err == nil {
			c.r.org = paid(orgVersion, rowVersion, func() *payer { return paidByOrg(org, row) })
		}
	} else if ids.org != "" {
		c.r.org = &payer{charge: account.OrgScope(ids.org)}
	}
	c.orgMember()
}

// orgMember compiles the user's place in the organisation.
func (c *compiler) orgMember() {
	ids := &c.r.ids
	if ids.org == "" || ids.user == "" {
		return
	}
	memberVersion, member := get[account.OrgMember](c, account.MemberID(ids.org, ids.user))
	if member == nil {
		return
	}
	rowVersion, row := get[account.Budget](c, member.BudgetID)
	if c.err == nil {
		c.r.orgMember = paid(memberVersion, rowVersion, func() *payer { return paidByOrgMember(ids.org, ids.user, row) })
	}
}

// member compiles the user's place in the team: its own budget there, else the one that the team gives each member.
func (c *compiler) member(team *account.Team) {
	ids := &c.r.ids
	if team == nil || ids.user == "" {
		return
	}
	memberVersion, member := get[account.TeamMember](c, account.MemberID(ids.team, ids.user))
	budgetID, _ := team.Metadata["team_member_budget_id"].(string)
	if member != nil && member.BudgetID != "" {
		budgetID = member.BudgetID
	}
	rowVersion, row := get[account.Budget](c, budgetID)
	if c.err != nil {
		return
	}
	c.r.member = paid(memberVersion, rowVersion, func() *payer { return paidByMember(ids.team, ids.user, row) })
	c.r.memberModels = team.DefaultTeamMemberModels
	if row != nil && len(row.AllowedModels) > 0 {
		c.r.memberModels = row.AllowedModels
	}
}

// groups are the models of stored access groups.
func (c *compiler) groups(ids []string) []string {
	var models []string
	for _, id := range ids {
		if _, group := get[account.AccessGroup](c, id); group != nil {
			models = append(models, group.AccessModelNames...)
		}
	}
	return models
}
