package access_test

import (
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

func TestRoute_InGroup(t *testing.T) {
	chat := access.Route{Method: "POST", Path: "/openai/deployments/{model}/chat/completions", Permission: access.Models}
	messages := access.Route{Method: "POST", Path: "/v1/messages", Permission: access.Models}
	list := access.Route{Method: "GET", Path: "/v1/models/{model...}", Permission: access.Info}
	keyInfo := access.Route{Method: "GET", Path: "/key/info", Permission: access.Info}
	keys := access.Route{Method: "POST", Path: "/key/{key}/regenerate", Permission: access.Manage}
	keyless := access.Route{Method: "GET", Path: "/keys-of-mine", Permission: access.Info}
	reset := access.Route{Method: "POST", Path: "/global/spend/reset", Permission: access.Admin}
	named := access.Route{Method: "GET", Path: "/ours", Permission: access.Info, Groups: []string{"spend_tracking_routes"}}
	for _, tt := range []struct {
		route *access.Route
		in    string
		out   string
	}{
		{&chat, "llm_api_routes openai_routes", "anthropic_routes management_routes info_routes public_routes nonsense"},
		{&messages, "llm_api_routes anthropic_routes", "openai_routes"},
		{&list, "llm_api_routes openai_routes info_routes", "management_routes"},
		{&keyInfo, "info_routes key_management_routes management_routes", "llm_api_routes spend_tracking_routes"},
		{&keys, "key_management_routes management_routes internal_user_routes", "info_routes"},
		{&keyless, "", "key_management_routes management_routes"},
		{&reset, "master_key_only_routes global_spend_tracking_routes", "spend_tracking_routes"},
		{&named, "spend_tracking_routes", "llm_api_routes"},
	} {
		for _, group := range strings.Fields(tt.in) {
			if !tt.route.InGroup(group) {
				t.Errorf("%s is not in %s", tt.route.Path, group)
			}
		}
		for _, group := range strings.Fields(tt.out) {
			if tt.route.InGroup(group) {
				t.Errorf("%s is in %s", tt.route.Path, group)
			}
		}
	}
}

// Who may use which kind of route at all.
func TestAdmit_Permissions(t *testing.T) {
	user := func(id string, role account.Role) *account.User { return &account.User{UserID: id, UserRole: role} }
	own := func(id string) *account.Key {
		return virtual("sk-"+id+"-0123456789abcdef", func(k *account.Key) { k.UserID = id })
	}
	m := newMemory(user("admin", account.ProxyAdmin), user("auditor", account.ProxyAdminViewer), user("user", account.InternalUser), user("viewer", account.InternalUserViewer),
		user("odd", "chief"), own("admin"), own("auditor"), own("user"), own("viewer"), own("odd"), own("rowless"), virtual("sk-nobody-0123456789abcdef"))
	g, _ := gate(m, access.Policy{}, synced)
	route := func(method, path string, p access.Permission) *access.Route {
		return &access.Route{Method: method, Path: path, Permission: p}
	}
	routes := []*access.Route{
		route(http.MethodGet, "/v1/models", access.Info), route(http.MethodGet, "/key/list", access.Manage), route(http.MethodGet, "/team/{id}/secret", access.Manage),
		route(http.MethodGet, "/spend/logs", access.Manage), route(http.MethodPost, "/key/generate", access.Manage), route(http.MethodGet, "/audit", access.AdminView),
		route(http.MethodPost, "/config/update", access.Admin), route(http.MethodPost, "/global/spend/reset", access.Admin),
	}
	for _, tt := range []struct{ who, want string }{ // one letter per route: y = admitted
		{key, "yyyyyyyy"},
		{"sk-admin-0123456789abcdef", "yyyyyyyn"},
		{"sk-auditor-0123456789abcdef", "yyyynynn"},
		{"sk-user-0123456789abcdef", "yyyyynnn"},
		{"sk-odd-0123456789abcdef", "yyyyynnn"},
		{"sk-rowless-0123456789abcdef", "yyyyynnn"},
		{"sk-viewer-0123456789abcdef", "yynynnnn"},
		{"sk-nobody-0123456789abcdef", "ynnnnnnn"},
	} {
		got := ""
		for _, r := range routes {
			err := page(g, tt.who, r)
			if err == nil {
				got += "y"
				continue
			}
			got += "n"
			if err.Status != 401 && err.Status != 403 {
				t.Errorf("%s %s: %d", tt.who, r.Path, err.Status)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.who, got, tt.want)
		}
	}
	wantRefusal(t, page(g, "sk-user-0123456789abcdef", routes[6]), 401, "auth_error",
		"Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=/config/update. Your role=internal_user. Your user_id=user")
	wantRefusal(t, page(g, "sk-admin-0123456789abcdef", routes[7]), 401, "auth_error",
		"Authentication Error, Tried to access route=/global/spend/reset, which is only for MASTER KEY")
	if !g.IsAdmin(request("192.0.2.1:1", "Authorization", "Bearer sk-admin-0123456789abcdef")) || g.IsAdmin(request("192.0.2.1:1", "Authorization", "Bearer sk-user-0123456789abcdef")) {
		t.Error("IsAdmin")
	}
}

func TestAdmit_AllowedRoutes(t *testing.T) {
	for _, tt := range []struct {
		allowed string
		path    string
		method  string
		kind    access.Permission
		ok      bool
	}{
		{"/v1/chat/completions", "/v1/chat/completions", "POST", access.Models, true},
		{"/v1/chat/completions", "/chat/completions", "POST", access.Models, false},
		{"/v1/*", "/v1/embeddings", "POST", access.Models, true},
		{"/v1/*", "/v2/rerank", "POST", access.Models, false},
		{"/*", "/v2/rerank", "POST", access.Models, true},
		{"llm_api_routes", "/v1/models", "GET", access.Info, true},
		{"llm_api_routes", "/key/info", "GET", access.Info, false},
		{"info_routes", "/key/info", "GET", access.Info, true},
		{"management_routes", "/team/new", "POST", access.Manage, true},
		{"openai_routes,info_routes", "/team/new", "POST", access.Manage, false},
	} {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.AllowedRoutes, k.UserID = strings.Split(tt.allowed, ","), "u" }))
		g, _ := gate(m, access.Policy{}, synced)
		err := page(g, callersKey, &access.Route{Method: tt.method, Path: tt.path, Permission: tt.kind})
		if (err == nil) != tt.ok {
			t.Errorf("%s, %s: %v", tt.allowed, tt.path, err)
		}
		if err != nil && err.Detail != "Virtual key is not allowed to call this route. Only allowed to call routes: ['"+strings.ReplaceAll(tt.allowed, ",", "', '")+"']. Tried to call route: "+tt.path {
			t.Errorf("%v", err.Detail)
		}
	}
}

func TestAdmit_AdminOnlyRoutes(t *testing.T) {
	m := newMemory(virtual(callersKey))
	g := access.NewGate(access.Options{MasterKey: key, Directory: access.NewDirectory(m, access.DirectoryOptions{}), AdminOnlyRoutes: []string{"/v1/models"}})
	wantRefusal(t, page(g, callersKey, infoRoute), 403, "auth_error", "user not allowed to access this route. Route=/v1/models is an admin only route")
	if err := page(g, key, infoRoute); err != nil {
		t.Error(err)
	}
}

func TestRoutesOfKeyType(t *testing.T) {
	for kind, want := range map[string]string{"llm_api": "llm_api_routes", "management": "management_routes", "read_only": "info_routes", "default": "", "": ""} {
		if got, ok := access.RoutesOfKeyType(kind); !ok || strings.Join(got, ",") != want {
			t.Errorf("%q: %v %v", kind, got, ok)
		}
	}
	if _, ok := access.RoutesOfKeyType("root"); ok {
		t.Error("root is a key type")
	}
}
