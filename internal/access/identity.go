package access

import (
	"cmp"
	"crypto/sha256"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// The names of the master key's owner, which LiteLLM's rows and logs hold.
const (
	MasterUserID  = "default_user_id"
	MasterKeyName = "litellm_proxy_master_key" // stands where another key's hash does
	masterName    = "master"
	dashboardTeam = "litellm-dashboard" // of keys of the admin pages; no team has this id
)

// Identity is a caller who was let in. It is a value that nobody changes; what it points to is shared and immutable.
type Identity struct {
	Role account.Role
	Name string // safe to log: "master", "anonymous" in a gateway without keys, or the hash of a key
	// The objects that the caller stands for; nil where there is none.
	Key  *account.Key
	Team *account.Team
	User *account.User
	Org  *account.Organization
	// Token tells what a signed bearer token claims; nil for other callers.
	Token *Claims

	gate     *Gate   // that has admitted the caller to a page; else nil
	record   *Record // nil for the master key and for nobody
	open     bool    // of a public route: nobody was asked
	fallback bool    // the store did not answer, and the operator lets such callers in
}

// IsMaster reports whether the caller has shown the master key.
func (id *Identity) IsMaster() bool { return id.Name == masterName && id.record == nil }

// KnowsMaster reports whether key is the master key of the gate that has admitted the caller to a page: no other key can have
// its value.
func (id *Identity) KnowsMaster(key string) bool {
	return id.gate != nil && id.gate.isMaster(sha256.Sum256([]byte(key)))
}

// UserID is the user who calls, "" when the key belongs to none.
func (id *Identity) UserID() string {
	switch {
	case id.IsMaster():
		return MasterUserID
	case id.fallback:
		return "__db_unavailable_fallback__"
	case id.Key != nil:
		return id.Key.UserID
	case id.record != nil:
		return id.record.ids.user
	}
	return ""
}

// TeamID is the team that the call is counted on, "" for none.
func (id *Identity) TeamID() string {
	if id.record == nil {
		return ""
	}
	return id.record.ids.team
}

// OrgID is the organisation that the call is counted on, "" for none.
func (id *Identity) OrgID() string {
	if id.record == nil {
		return ""
	}
	return id.record.ids.org
}

// KeyHash is what stands for the key in rows, limits and budgets: its hash, or the master key's name. "" when the caller
// has no key of ours.
func (id *Identity) KeyHash() string {
	switch {
	case id.IsMaster():
		return MasterKeyName
	case id.Key != nil:
		return id.Key.Token
	}
	return ""
}

// personal reports whether the caller's key belongs to no team.
func (id *Identity) personal() bool { return id.TeamID() == "" }

// shownRole is the role as refusals name it.
func (id *Identity) shownRole() string {
	if id.User == nil && id.Token == nil {
		return "unknown"
	}
	return string(id.Role)
}

// kind is what a token stands for, as refusals name it.
func (id *Identity) kind() string {
	switch {
	case id.Role == account.ProxyAdmin:
		return "Admin"
	case id.Team != nil:
		return "Team"
	}
	return "User"
}

// checkBlocked refuses a key that somebody has blocked.
func (id *Identity) checkBlocked() *apierr.Error {
	if id.Key != nil && id.Key.Blocked != nil && *id.Key.Blocked {
		return unauthorized("Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.")
	}
	return nil
}

// checkCaller refuses who may call nothing at all: users who were deactivated, keys that have expired, teams that are blocked.
func (g *Gate) checkCaller(id *Identity) *apierr.Error {
	if err := id.checkUser(); err != nil {
		return err
	}
	if err := id.checkExpiry(g.now()); err != nil {
		return err
	}
	return id.checkTeam()
}

func (id *Identity) checkUser() *apierr.Error {
	if id.User == nil {
		return nil
	}
	if active, known := id.User.Metadata["scim_active"].(bool); id.User.Deactivated || (known && !active) {
		return unauthorized("Authentication Error, User=" + id.User.UserID + " is deactivated.")
	}
	return nil
}

func (id *Identity) checkExpiry(now time.Time) *apierr.Error {
	if id.Key == nil || id.Key.Expires == nil || now.Before(*id.Key.Expires) {
		return nil
	}
	return expired(cmp.Or(id.Key.KeyName, "sk-..."), *id.Key.Expires, now)
}

func (id *Identity) checkTeam() *apierr.Error {
	if id.Team != nil && id.Team.Blocked {
		return unauthorized("Authentication Error, Team=" + id.Team.TeamID + " is blocked. Update via `/team/unblock` if you're an admin.")
	}
	return nil
}

// roleOf is the role of a user; a user whose role nobody knows is an internal user, as LiteLLM has it.
func roleOf(u *account.User) account.Role {
	if u == nil {
		return InternalUser
	}
	switch u.UserRole {
	case account.ProxyAdmin, account.ProxyAdminViewer, account.OrgAdmin, account.InternalUserViewer, account.CustomerRole, account.TeamRole:
		return u.UserRole
	}
	return InternalUser
}

func (g *Gate) now() time.Time {
	if g.opts.Directory != nil {
		return g.opts.Directory.opts.Now()
	}
	return time.Now()
}
