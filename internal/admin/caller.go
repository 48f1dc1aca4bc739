package admin

import (
	"cmp"
	"slices"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

// caller is who makes a management call.
type caller struct {
	role   account.Role
	hash   string        // of its key, or the master key's constant name; "" for a token of an identity provider
	user   string        // the user that it is; "" for a key without one
	key    *account.Key  // nil for the master key and for tokens
	team   *account.Team // of the key; nil for none
	stands string        // the team that a token stands for; "" for none
	// isMaster reports whether a key is the master key; nil where the gateway itself calls.
	isMaster func(key string) bool
}

func callerOf(who *access.Identity) caller {
	c := caller{role: who.Role, hash: who.KeyHash(), user: who.UserID(), key: who.Key, team: who.Team, isMaster: who.KnowsMaster}
	if c.role == account.TeamRole {
		c.stands = who.TeamID()
	}
	return c
}

// isAdmin reports whether the caller may do everything.
func (c *caller) isAdmin() bool { return c.role == account.ProxyAdmin }

// seesAll reports whether the caller may read everything.
func (c *caller) seesAll() bool { return c.isAdmin() || c.role == account.ProxyAdminViewer }

// mayManage reports whether the caller is somebody who may write anything at all. A key without a user, a viewer, and tokens
// that stand for a team or a customer write nothing.
func (c *caller) mayManage() bool {
	return c.isAdmin() || c.user != "" && slices.Contains([]account.Role{account.InternalUser, account.OrgAdmin}, c.role)
}

// dashboardTeam is the team of the keys of LiteLLM's admin pages, which stand for a login and not for a team.
const dashboardTeam = "litellm-dashboard"

// bound is the key that bounds what the caller may give to keys; nil for admins, for tokens, and for the login to admin pages.
func (c *caller) bound() *account.Key {
	if c.isAdmin() || c.key == nil || c.key.TeamID == dashboardTeam {
		return nil
	}
	return c.key
}

// id is the name of the caller in stamps and in the audit log.
func (c *caller) id() string { return cmp.Or(c.user, c.hash, string(c.role)) }

// models are those that the caller's key may call, empty for all that there are.
func (c *caller) models() []string {
	if c.key == nil {
		return nil
	}
	named := slices.DeleteFunc(slices.Clone(c.key.Models), func(m string) bool { return m == account.AllTeamModels })
	if c.team == nil || len(named) == len(c.key.Models) && len(named) > 0 {
		return named
	}
	if len(c.team.Models) == 0 {
		return nil
	}
	return append(named, c.team.Models...)
}
