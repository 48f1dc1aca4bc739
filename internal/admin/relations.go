package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
)

// relationToKey says what the caller is to a key, for doing what the route pattern action names ("/key/update"). Membership
// and roles are read from r, not from the caller's session, so a member that was demoted a moment ago has no say.
func (c *call) relationToKey(ctx context.Context, r account.Reader, k *account.Key, action string) (relation, error) {
	if c.who.isAdmin() {
		return asAdmin, nil
	}
	if !c.who.mayManage() {
		return 0, nil
	}
	team, err := lookup[account.Team](ctx, r, k.TeamID)
	if err != nil {
		return 0, err
	}
	me := c.who.user
	var rel relation
	org := k.OrganizationID
	if team != nil { // whatever the key says of itself: else who leads one organisation had a say in the teams of all others
		rel |= relationInTeam(team, me, action)
		org = team.OrganizationID
	}
	isOrgAdmin, err := administers(ctx, r, me, org)
	if err != nil {
		return 0, err
	}
	if isOrgAdmin {
		rel |= asOrgAdmin
	}
	switch {
	case k.UserID == "" || k.UserID != me:
	case k.TeamID == "":
		rel |= asOwner
	default:
		rel |= asTeamOwner
	}
	return rel, nil
}

// relationInTeam says what a user is to the keys of a team.
func relationInTeam(t *account.Team, user, action string) relation {
	switch role := roleInTeam(t, user); {
	case role == account.MemberAdmin:
		return asTeamAdmin
	case role != "" && slices.Contains(permissionsOf(t), action):
		return asMember
	}
	return 0
}

// memberDefaults is what members may do to the keys of their team where the team says nothing.
var memberDefaults = []string{"/key/info", "/key/health"}

// permissionsOf are the management routes that a team's members may use for its keys.
func permissionsOf(t *account.Team) []string {
	if len(t.TeamMemberPermissions) == 0 {
		return memberDefaults
	}
	return t.TeamMemberPermissions
}

// relationToTeam says what the caller is to a team.
func (c *call) relationToTeam(ctx context.Context, r account.Reader, t *account.Team) (relation, error) {
	if c.who.isAdmin() {
		return asAdmin, nil
	}
	if !c.who.mayManage() {
		return 0, nil
	}
	var rel relation
	if roleInTeam(t, c.who.user) == account.MemberAdmin {
		rel |= asTeamAdmin
	}
	isOrgAdmin, err := administers(ctx, r, c.who.user, t.OrganizationID)
	if isOrgAdmin {
		rel |= asOrgAdmin
	}
	return rel, err
}

// roleInTeam is the role of a user in a team, "" when it is no member.
func roleInTeam(t *account.Team, user string) string {
	if user == "" {
		return ""
	}
	role := ""
	if slices.Contains(t.Members, user) {
		role = account.MemberUser
	}
	if slices.Contains(t.Admins, user) {
		return account.MemberAdmin
	}
	for _, m := range t.MembersWithRoles {
		if m.UserID == user && role != account.MemberAdmin {
			role = m.Role
		}
	}
	return role
}

// administers reports whether a user is an admin of an organisation.
func administers(ctx context.Context, r account.Reader, user, org string) (bool, error) {
	if user == "" || org == "" {
		return false, nil
	}
	m, err := lookup[account.OrgMember](ctx, r, account.MemberID(org, user))
	return m != nil && m.UserRole == account.OrgAdmin, err
}
