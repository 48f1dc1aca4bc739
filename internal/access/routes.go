package access

import (
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// families are LiteLLM's groups of routes that are told by the beginning of the route's path. A path belongs to a
// family when it is one of these or below it.
var families = map[string][]string{
	"anthropic_routes":      {"/v1/messages", "/messages", "/anthropic", "/v1/skills"},
	"google_routes":         {"/v1beta", "/interactions"},
	"mcp_routes":            {"/mcp", "/v1/mcp"},
	"agent_routes":          {"/a2a", "/agents", "/v1/agents"},
	"key_management_routes": {"/key", "/v2/key"},
	"management_routes": {"/key", "/v2/key", "/team", "/v2/team", "/user", "/v2/user", "/organization", "/customer", "/end_user", "/budget", "/tag",
		"/model/new", "/model/update", "/model/delete", "/model/{model_id}", "/credentials", "/access_group", "/v1/access_group", "/jwt/key/mapping", "/config"},
	"spend_tracking_routes":        {"/spend"},
	"global_spend_tracking_routes": {"/global"},
	"info_routes": {"/key/info", "/v2/key/info", "/key/health", "/key/list", "/key/aliases", "/team/info", "/team/list", "/v2/team/list", "/user/info", "/v2/user/info",
		"/organization/info", "/organization/list", "/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info", "/v1/model_group/info", "/models", "/v1/models", "/health"},
	"self_managed_routes": {"/team/member_add", "/team/member_update", "/team/member_delete", "/team/bulk_member_add", "/team/permissions_list", "/team/permissions_update",
		"/team/daily/activity", "/user/daily/activity", "/model/new", "/model/update", "/model/delete", "/key/{key}/reset_spend"},
	"internal_user_routes": {"/global/activity", "/global/spend", "/spend", "/key", "/v2/key", "/models", "/v1/models", "/guardrails/list", "/v2/guardrails/list"},
	"admin_viewer_routes": {"/global/activity", "/global/spend", "/spend", "/user/list", "/user/available_users", "/team/list", "/v2/team/list", "/organization/list",
		"/customer/list", "/end_user/list", "/budget/list", "/tag/list", "/audit", "/user/daily/activity", "/team/daily/activity", "/tag/daily/activity"},
	"master_key_only_routes": {"/global/spend/reset", "/memory-usage-in-mem-cache", "/memory-usage-in-mem-cache-items"},
	"org_admin_only_routes":  {"/organization/info", "/organization/delete", "/organization/member_add", "/organization/member_update"},
}

// modelLists are the lists that OpenAI's clients read with the key they call models with.
var modelLists = []string{"/models", "/v1/models"}

// RoutesOfKeyType is what a key_type of the management API stands for; ok is false for a type that nobody knows.
func RoutesOfKeyType(keyType string) (routes []string, ok bool) {
	switch keyType {
	case "llm_api":
		return []string{"llm_api_routes"}, true
	case "management":
		return []string{"management_routes"}, true
	case "read_only":
		return []string{"info_routes"}, true
	case "default", "":
		return []string{}, true
	}
	return nil, false
}

// InGroup reports whether the route belongs to a group by LiteLLM's name, such as llm_api_routes.
func (r *Route) InGroup(group string) bool {
	if slices.Contains(r.Groups, group) {
		return true
	}
	switch group {
	case "llm_api_routes":
		return r.Permission == Models || below(r.Path, modelLists)
	case "openai_routes":
		if r.Permission == Models {
			return !slices.ContainsFunc([]string{"anthropic_routes", "google_routes", "mcp_routes", "agent_routes"}, func(g string) bool { return below(r.Path, families[g]) })
		}
		return below(r.Path, modelLists)
	case "public_routes":
		return r.Permission == Public
	}
	return below(r.Path, families[group])
}

// IsRouteGroup reports whether it is LiteLLM's name of a group of routes.
func IsRouteGroup(name string) bool {
	_, family := families[name]
	return family || name == "llm_api_routes" || name == "openai_routes" || name == "public_routes"
}

// callingRoutes are what a key needs that is for calls of models alone.
var callingRoutes = []string{"llm_api_routes", "openai_routes", "anthropic_routes", "google_routes", "/key/info", "/key/health"}

// CallsOnly reports whether the allowed routes of a key are those of a key that calls models and manages nothing. Such a key may
// have been made for a user by somebody else, so it never acts as the operator, nor reads as one.
func CallsOnly(routes []string) bool {
	return len(routes) > 0 && !slices.ContainsFunc(routes, func(r string) bool { return !slices.Contains(callingRoutes, r) })
}

// below reports whether path is one of the roots or under one.
func below(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		rest, ok := strings.CutPrefix(path, root)
		return ok && (rest == "" || rest[0] == '/')
	})
}

// matches reports whether a list of allowed routes holds the route: by its path, by a group, or by a prefix "/x/*".
func (r *Route) matches(allowed []string) bool {
	return slices.ContainsFunc(allowed, func(entry string) bool {
		if entry == r.Path || r.InGroup(entry) {
			return true
		}
		prefix, wild := strings.CutSuffix(entry, "*")
		return wild && strings.HasPrefix(r.Path, prefix)
	})
}

// checkRoute refuses what the operator has closed to everybody.
func (g *Gate) checkRoute(route *Route) *apierr.Error {
	allowed := g.opts.AllowedRoutes
	if len(allowed) == 0 || route.matches(allowed) || (route.Permission == Admin && slices.Contains(allowed, "management_routes")) {
		return nil
	}
	return forbidden("Access forbidden: Route " + route.Path + " not allowed")
}

// checkKeyRoute refuses what the caller's key, token or role may not call.
func (g *Gate) checkKeyRoute(route *Route, who *Identity) *apierr.Error {
	if who.Key != nil && len(who.Key.AllowedRoutes) > 0 && !route.matches(who.Key.AllowedRoutes) {
		e := forbidden("Virtual key is not allowed to call this route. Only allowed to call routes: " + pythonList(who.Key.AllowedRoutes) + ". Tried to call route: " + route.Path)
		e.Detail = e.Message
		return e
	}
	if who.Token != nil && len(who.Token.Routes) > 0 && !route.matches(who.Token.Routes) {
		return forbidden(who.kind() + " not allowed to access this route. Route=" + route.Path + ", Allowed Routes=" + pythonList(who.Token.Routes))
	}
	return nil
}

// checkPermission refuses what is not for the caller's role. What a manager may do with which object is for the
// management API to say.
func (g *Gate) checkPermission(route *Route, who *Identity) *apierr.Error {
	if err := g.checkKeyRoute(route, who); err != nil {
		return err
	}
	if !who.IsMaster() && route.InGroup("master_key_only_routes") {
		return unauthorized("Authentication Error, Tried to access route=" + route.Path + ", which is only for MASTER KEY")
	}
	if who.Role == account.ProxyAdmin {
		return nil
	}
	if len(g.opts.AdminOnlyRoutes) > 0 && route.matches(g.opts.AdminOnlyRoutes) {
		return forbidden("user not allowed to access this route. Route=" + route.Path + " is an admin only route")
	}
	if who.mayUse(route) {
		return nil
	}
	if who.Role == account.ProxyAdminViewer {
		return forbidden("user not allowed to access this route, role= " + string(who.Role) + ". Trying to access: " + route.Path)
	}
	return unauthorized("Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=" + route.Path +
		". Your role=" + who.shownRole() + ". Your user_id=" + who.UserID())
}

// mayUse reports whether somebody who is not the operator may use a route at all.
func (id *Identity) mayUse(route *Route) bool {
	reads := route.Method == http.MethodGet || route.Method == http.MethodHead
	switch route.Permission {
	case Public, Models, Info:
		return true
	case Manage:
		switch id.Role {
		case account.ProxyAdminViewer:
			return reads
		case account.InternalUserViewer:
			return reads && (route.InGroup("spend_tracking_routes") || route.InGroup("global_spend_tracking_routes") || route.InGroup("info_routes"))
		case account.InternalUser, account.OrgAdmin:
			return id.UserID() != "" && !id.fallback // a key without a user manages nothing, not even itself
		}
	case AdminView:
		return id.Role == account.ProxyAdminViewer
	}
	return false
}
