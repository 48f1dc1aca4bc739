package admin

import (
	"context"
	"encoding/json"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

// orgRoles are the roles that a member of an organisation can have.
var orgRoles = []account.Role{account.OrgAdmin, account.InternalUser, account.InternalUserViewer}

// orgMemberIn is a member as requests name it.
type orgMemberIn struct {
	Role      account.Role `json:"role"`
	UserID    string       `json:"user_id"`
	UserEmail string       `json:"user_email"`
}

// oneOrMany reads what may stand alone or in a list.
type oneOrMany[T any] []T

// UnmarshalJSON reads one value or a list of them.
func (o *oneOrMany[T]) UnmarshalJSON(b []byte) error {
	var many []T
	if err := json.Unmarshal(b, &many); err == nil {
		*o = many
		return nil
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*o = oneOrMany[T]{one}
	return nil
}

type orgMemberAddRequest struct {
	OrganizationID Opt[ID]                     `json:"organization_id" required:"true"`
	Member         Opt[oneOrMany[orgMemberIn]] `json:"member"`
	Members        Opt[oneOrMany[orgMemberIn]] `json:"members"`
	MaxBudget      Opt[account.Amount]         `json:"max_budget_in_organization"`
}

// addOrgMembers is POST /organization/member_add. Users that nobody knows are made.
func (a *API) addOrgMembers(ctx context.Context, c *call, in orgMemberAddRequest) (any, error) {
	id := string(in.OrganizationID.Value)
	wanted := slices.Concat(in.Member.Value, in.Members.Value)
	if len(wanted) == 0 {
		return nil, invalid([]problem{{Loc: []any{inBody, "member"}, Msg: "Field required", Type: "missing"}})
	}
	var users []*account.User
	var members []*account.OrgMember
	err := c.update(ctx, func(tx *change) error {
		users, members = nil, nil
		if o, err := lookup[account.Organization](ctx, tx, id); err != nil || o == nil {
			return orElse(err, orgMissing(id))
		}
		if err := c.mayLeadOrg(ctx, tx, id); err != nil {
			return err
		}
		for _, w := range wanted {
			u, m, err := tx.addOrgMember(ctx, id, w, in.MaxBudget)
			if err != nil {
				return err
			}
			users, members = append(users, u), append(members, m)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	userRows, err := a.userRows(ctx, users)
	if err != nil {
		return nil, err
	}
	memberRows, err := a.orgMemberRows(ctx, members)
	return row{"organization_id": id, "updated_users": userRows, "updated_organization_memberships": memberRows}, err
}

func (t *change) addOrgMember(ctx context.Context, org string, w orgMemberIn, most Opt[account.Amount]) (*account.User, *account.OrgMember, error) {
	if !slices.Contains(orgRoles, w.Role) {
		return nil, nil, named("role", badRequest("Invalid role: %s. Must be org_admin, internal_user or internal_user_viewer.", quote(string(w.Role))))
	}
	u, err := t.memberUser(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	if there, err := lookup[account.OrgMember](ctx, t, account.MemberID(org, u.UserID)); err != nil || there != nil {
		return nil, nil, orElse(err, badRequest("User %s is a member of the organization already. Change it with /organization/member_update.", u.UserID))
	}
	m := &account.OrgMember{UserID: u.UserID, OrganizationID: org, UserRole: w.Role}
	if err := t.memberBudget(ctx, m, most); err != nil {
		return nil, nil, err
	}
	return u, m, t.insert(ctx, m)
}

// memberUser finds the user of a member, or makes it.
func (t *change) memberUser(ctx context.Context, w orgMemberIn) (*account.User, error) {
	u, err := t.findUser(ctx, w.UserID, w.UserEmail)
	if err != nil || u != nil {
		return u, err
	}
	if w.UserID == "" && w.UserEmail == "" {
		return nil, badRequest("Either user_id or user_email needs to be passed in")
	}
	u = &account.User{UserID: w.UserID, UserEmail: w.UserEmail, UserRole: account.InternalUser}
	if u.UserID == "" {
		u.UserID = telemetry.NewID()
	}
	return u, t.insert(ctx, u)
}

// findUser finds a user by its id or else by its e-mail address; nil where there is none.
func (t *change) findUser(ctx context.Context, id, email string) (*account.User, error) {
	if id != "" {
		return lookup[account.User](ctx, t, id)
	}
	return userByEmail(ctx, t, email)
}

// memberBudget gives a membership a budget of its own when the request names an amount.
func (t *change) memberBudget(ctx context.Context, m *account.OrgMember, most Opt[account.Amount]) error {
	if !most.Given() {
		return nil
	}
	b, err := t.ownBudget(ctx, m.BudgetID, Opt[ID]{}, &budgetFields{MaxBudget: most})
	if err != nil {
		return err
	}
	m.BudgetID = b.BudgetID
	return t.begin(ctx, account.OrgMemberScope(m.OrganizationID, m.UserID), b)
}

type orgMemberRequest struct {
	OrganizationID Opt[ID]             `json:"organization_id" required:"true"`
	UserID         Opt[ID]             `json:"user_id"`
	UserEmail      Opt[ID]             `json:"user_email"`
	Role           Opt[account.Role]   `json:"role"`
	MaxBudget      Opt[account.Amount] `json:"max_budget_in_organization"`
}

// updateOrgMember is PATCH /organization/member_update.
func (a *API) updateOrgMember(ctx context.Context, c *call, in orgMemberRequest) (any, error) {
	if in.Role.Given() && !slices.Contains(orgRoles, in.Role.Value) {
		return nil, named("role", badRequest("Invalid role: %s. Must be org_admin, internal_user or internal_user_viewer.", quote(string(in.Role.Value))))
	}
	return a.changeOrgMember(ctx, c, in, func(tx *change, m *account.OrgMember) error {
		after := copyOf(m)
		set(&after.UserRole, in.Role)
		if err := tx.memberBudget(ctx, after, in.MaxBudget); err != nil {
			return err
		}
		before := copyOf(m)
		*m = *after
		return tx.replace(ctx, before, m)
	})
}

// deleteOrgMember is DELETE /organization/member_delete.
func (a *API) deleteOrgMember(ctx context.Context, c *call, in orgMemberRequest) (any, error) {
	return a.changeOrgMember(ctx, c, in, func(tx *change, m *account.OrgMember) error { return tx.removeOrgMember(ctx, m) })
}

// changeOrgMember does something to the membership that a request names and answers with it.
func (a *API) changeOrgMember(ctx context.Context, c *call, in orgMemberRequest, do func(tx *change, m *account.OrgMember) error) (any, error) {
	var m *account.OrgMember
	org := string(in.OrganizationID.Value)
	err := c.update(ctx, func(tx *change) error {
		if err := c.mayLeadOrg(ctx, tx, org); err != nil {
			return err
		}
		u, err := tx.findUser(ctx, string(in.UserID.Value), string(in.UserEmail.Value))
		if err != nil || u == nil {
			return orElse(err, memberMissing(org))
		}
		if m, err = lookup[account.OrgMember](ctx, tx, account.MemberID(org, u.UserID)); err != nil || m == nil {
			return orElse(err, memberMissing(org))
		}
		return do(tx, m)
	})
	if err != nil {
		return nil, err
	}
	rows, err := a.orgMemberRows(ctx, []*account.OrgMember{m})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

func memberMissing(org string) *apierr.Error {
	return notFound("User is not a member of the organization %s", org)
}
