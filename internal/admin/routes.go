package admin

import (
	"slices"

	"tollgate/internal/access"
)

// Permissions of the table, shorter.
const (
	info      = access.Info
	manage    = access.Manage
	adminView = access.AdminView
	admin     = access.Admin
)

// Routes is every route of the management API.
func (a *API) Routes() []Route {
	return slices.Concat(a.keyAndTeamRoutes(), a.peopleRoutes(), a.customerRoutes(), a.tagRoutes(), a.spendRoutes(), a.configRoutes())
}

// keyAndTeamRoutes are keys and teams.
func (a *API) keyAndTeamRoutes() []Route {
	return []Route{
		// Keys.
		a.stateless("POST", "/key/generate", manage, "Make a key. The reply is the only place where it is shown.", does(a.keyGenerate)),
		a.stateless("POST", "/key/service-account/generate", manage, "Make a key of a team that belongs to no user.", does(a.keyServiceAccount)),
		a.route("POST", "/key/update", manage, "Change a key. Absent and null fields stay.", does(a.keyUpdate)),
		a.route("POST", "/key/bulk_update", manage, "Change up to 500 keys, each for itself.", does(a.keyBulkUpdate)),
		a.route("POST", "/key/delete", manage, "Delete keys by value, hash or alias.", does(a.keyDelete)),
		a.route("POST", "/key/block", manage, "Refuse a key until it is unblocked.", does(a.keyBlock)),
		a.route("POST", "/key/unblock", manage, "Accept a blocked key again.", does(a.keyUnblock)),
		a.route("POST", "/key/regenerate", manage, "Give a key a new value; settings and spend stay.", does(a.keyRegenerate)),
		a.route("POST", "/key/{key}/regenerate", manage, "As /key/regenerate, the key in the path.", does(a.keyRegeneratePath)),
		a.route("POST", "/key/{key}/reset_spend", manage, "Set what a key has spent in its period to a lower amount.", does(a.keyResetSpend)),
		a.route("GET", "/key/info", info, "Show one key, the caller's own by default.", does(a.keyInfo)),
		a.route("POST", "/v2/key/info", adminView, "Show several keys.", does(a.keyInfoV2)),
		a.route("GET", "/key/list", manage, "List the keys that the caller may see, by page.", does(a.keyList)),
		a.route("GET", "/key/aliases", manage, "List the aliases of the keys that the caller may see.", does(a.keyAliases)),
		a.stateless("POST", "/key/health", info, "Say whether the caller's key works and where its calls are logged.", does(a.keyHealth)),

		// Teams.
		a.route("POST", "/team/new", manage, "Make a team.", does(a.teamNew)),
		a.route("POST", "/team/update", manage, "Change a team. Absent and null fields stay.", does(a.teamUpdate)),
		a.route("PATCH", "/team/{team_id}", manage, "As /team/update, the team in the path.", does(a.teamPatch)),
		a.route("POST", "/team/delete", manage, "Delete teams with their keys and memberships.", does(a.teamDelete)),
		a.route("POST", "/team/block", manage, "Refuse a team's keys until it is unblocked.", does(a.teamBlock)),
		a.route("POST", "/team/unblock", manage, "Accept a blocked team's keys again.", does(a.teamUnblock)),
		a.route("GET", "/team/info", manage, "Show a team with its keys and memberships.", does(a.teamInfo)),
		a.route("GET", "/team/list", manage, "List the teams that the caller may see, with their keys and memberships.", does(a.teamList)),
		a.route("GET", "/v2/team/list", manage, "List the teams that the caller may see, by page.", does(a.teamListV2)),
		a.route("GET", "/team/available", manage, "List the teams that the caller may join.", does(a.teamAvailable)),
		a.route("POST", "/team/member_add", manage, "Add members to a team; users that nobody knows are made.", does(a.teamMemberAdd)),
		a.route("POST", "/team/bulk_member_add", manage, "Add many members to a team, each for itself.", does(a.teamBulkMemberAdd)),
		a.route("POST", "/team/member_update", manage, "Change a member's role, budget or limits in a team.", does(a.teamMemberUpdate)),
		a.route("POST", "/team/member_delete", manage, "Take a member out of a team.", does(a.teamMemberDelete)),
		a.route("POST", "/team/{team_id}/member/{user_id}/reset_spend", manage, "Set what a member has spent in its period to a lower amount.", does(a.teamMemberReset)),
		a.route("GET", "/team/{team_id}/members/me", manage, "Show what the caller is in a team.", does(a.teamMe)),
		a.route("GET", "/team/permissions_list", manage, "Show what a team lets its members do with its keys.", does(a.teamPermissions)),
		a.route("POST", "/team/permissions_update", manage, "Set what a team lets its members do with its keys.", does(a.teamPermissionsUpdate)),
		a.route("POST", "/team/permissions_bulk_update", manage, "Set the same permissions for several teams.", does(a.teamPermissionsBulk)),
		a.route("POST", "/team/model/add", manage, "Let a team call more models.", does(a.teamModelAdd)),
		a.route("POST", "/team/model/delete", manage, "Take models away from a team.", does(a.teamModelDelete)),
		a.route("GET", "/team/{team_id}/callback", manage, "Show the callbacks of a team.", does(a.teamCallbacks)),
		a.route("POST", "/team/{team_id}/callback", manage, "Have one more callback hear of a team's calls.", does(a.teamAddCallback)),
		a.route("POST", "/team/{team_id}/disable_logging", manage, "Keep a team's calls from callbacks.", does(a.teamDisableLogging)),
		a.route("POST", "/team/key/bulk_update", manage, "Change several keys of a team, each for itself.", does(a.teamKeysUpdate)),
	}
}
