package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
)

// joinTeam makes a user, which is stored, a member of a team.
func (t *change) joinTeam(ctx context.Context, u *account.User, e teamEntry) error {
	before, err := lookup[account.Team](ctx, t, e.TeamID)
	if err != nil || before == nil {
		return orElse(err, noSuchTeam(e.TeamID))
	}
	if roleInTeam(before, u.UserID) != "" {
		return nil
	}
	team := copyOf(before)
	role := account.MemberUser
	if e.UserRole == account.MemberAdmin {
		role = account.MemberAdmin
	}
	joined, member, err := t.join(ctx, team, memberIn{Role: role, UserID: u.UserID, UserEmail: u.UserEmail})
	if err != nil {
		return err
	}
	*u = *joined
	if !e.Budget.None() {
		if err := t.setLimits(ctx, team, member, &memberLimits{MaxBudget: give(e.Budget)}); err != nil {
			return err
		}
	}
	return t.replace(ctx, before, team)
}

// leaveTeam ends the membership of a user.
func (t *change) leaveTeam(ctx context.Context, id, user string) error {
	before, err := lookup[account.Team](ctx, t, id)
	if err != nil || before == nil {
		return err
	}
	team := copyOf(before)
	if err := t.leave(ctx, team, user); err != nil {
		return err
	}
	return t.replace(ctx, before, team)
}

type userDeleteRequest struct {
	UserIDs Opt[[]string] `json:"user_ids" required:"true"`
}

// deleteUsers is POST /user/delete. Keys and memberships go with a user; what it has spent stays in the ledger.
func (a *API) deleteUsers(ctx context.Context, c *call, in userDeleteRequest) (any, error) {
	deleted := 0
	err := c.update(ctx, func(tx *change) error {
		deleted = 0
		for _, id := range in.UserIDs.Value {
			if err := tx.removeUser(ctx, id); err != nil {
				return err
			}
			deleted++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

func (t *change) removeUser(ctx context.Context, id string) error {
	u, err := lookup[account.User](ctx, t, id)
	if err != nil || u == nil {
		return orElse(err, userMissing(id))
	}
	mine := account.Filter{Equal: map[string]any{"user_id": id}}
	if err := t.removeKeys(ctx, mine.Equal); err != nil {
		return err
	}
	if err := t.leaveAll(ctx, u, mine); err != nil {
		return err
	}
	if err := t.SetSpent(ctx, account.UserScope(id), 0); err != nil {
		return err
	}
	return t.remove(ctx, u)
}

// leaveAll ends all memberships of a user.
func (t *change) leaveAll(ctx context.Context, u *account.User, mine account.Filter) error {
	members, _, err := find[account.TeamMember](ctx, t, account.TeamMembers, mine)
	if err != nil {
		return err
	}
	teams := slices.Clone(u.Teams)
	for _, m := range members {
		teams = append(teams, m.TeamID)
	}
	slices.Sort(teams)
	for _, team := range slices.Compact(teams) {
		if err := t.leaveTeam(ctx, team, u.UserID); err != nil {
			return err
		}
	}
	orgs, _, err := find[account.OrgMember](ctx, t, account.OrgMembers, mine)
	if err != nil {
		return err
	}
	for _, m := range orgs {
		if err := t.removeOrgMember(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
