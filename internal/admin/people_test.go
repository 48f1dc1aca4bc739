package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

func TestUserNew(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Team{TeamID: "t"}, &account.Organization{OrganizationID: "o"})
	got := w.admin("POST", "/user/new", `{"user_id":"u","user_email":"Ann@x.org","user_alias":"Ann","user_role":"internal_user","max_budget":5,"budget_duration":"30d",
		"teams":[{"team_id":"t","max_budget_in_team":2,"user_role":"user"}],"organizations":["o"],"models":["a"],"password":"correct horse","metadata":{"x":1}}`)
	key, _ := got["key"].(string)
	if !strings.HasPrefix(key, "sk-") {
		t.Fatalf("no key: %v", got)
	}
	for name, want := range map[string]any{"user_id": "u", "user_email": "Ann@x.org", "user_role": "internal_user", "max_budget": 5.0, "spend": 0.0, "token": account.HashKey(key)} {
		if got[name] != want {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
	if _, shown := got["password"]; shown {
		t.Error("the password is shown")
	}
	info := w.admin("GET", "/user/info?user_id=u", nil)
	if keys, _ := info["keys"].([]any); len(keys) != 1 || path(keys[0], "user_id") != "u" || path(keys[0], "max_budget") != nil {
		t.Errorf("keys %v", info["keys"])
	}
	if teams, _ := info["teams"].([]any); len(teams) != 1 || path(teams[0], "team_id") != "t" {
		t.Errorf("teams %v", info["teams"])
	}
	if _, shown := path(info, "user_info").(map[string]any)["password"]; shown {
		t.Error("/user/info shows the password")
	}
	u, err := account.Get[account.User](t.Context(), w.store, "u")
	if err != nil || bcrypt.CompareHashAndPassword([]byte(u.PasswordHash), []byte("correct horse")) != nil {
		t.Errorf("the password is not kept: %v", err)
	}
	team := w.admin("GET", "/team/info?team_id=t", nil)
	if b := path(team["team_memberships"].([]any)[0], "litellm_budget_table.max_budget"); b != 2.0 {
		t.Errorf("the budget in the team is %v", b)
	}
	if r := w.admin("POST", "/user/new", `{"user_id":"keyless","auto_create_key":false}`); r["key"] != "" || r["token"] != nil {
		t.Errorf("auto_create_key false: %v", r)
	}
	w.call(w.master, "POST", "/user/new", `{"user_email":"ann@X.org"}`).refused(400, "User with email ann@X.org already exists")
	w.call(w.master, "POST", "/user/new", `{"user_id":"u"}`).refused(400, "already exists")
	w.call(w.master, "POST", "/user/new", `{"user_role":"emperor"}`).refused(422, "user_role")
	w.call(w.master, "POST", "/user/new", `{"password":"short"}`).refused(400, "password")
	w.call(w.master, "POST", "/user/new", `{"teams":["none"]}`).refused(404, "none")
}

func TestUserNew_defaults(t *testing.T) {
	w := newWorld(t)
	w.settings.DefaultUser.Models = []string{"a"}
	w.settings.DefaultUser.BudgetDuration = "1d"
	w.settings.UserMaxBudget, w.settings.UserDuration = "3", "7d"
	for role, want := range map[string]any{"internal_user": 3.0, "internal_user_viewer": nil, "proxy_admin": nil} {
		got := w.admin("POST", "/user/new", map[string]any{"user_role": role, "auto_create_key": false})
		if got["max_budget"] != want {
			t.Errorf("%s: max_budget %v, want %v", role, got["max_budget"], want)
		}
		if role != "proxy_admin" && (got["budget_duration"] != "1d" || got["budget_reset_at"] == nil) {
			t.Errorf("%s: period %v until %v", role, got["budget_duration"], got["budget_reset_at"])
		}
	}
}

// The matrix of users: who may change what of whom. A user may not make itself more than it is (CVE-2026-47102).
func TestUserUpdate_rights(t *testing.T) {
	fields := map[string]any{
		"user_alias": "New", "user_email": "new@x.org", "user_role": "proxy_admin", "password": "a new password", "models": []string{"a"}, "max_budget": 1000,
		"budget_duration": "1d", "tpm_limit": 5, "rpm_limit": 5, "max_parallel_requests": 5, "metadata": map[string]any{"x": 1}, "teams": []string{"t"}, "spend": 1,
		"sso_user_id": "sso", "deactivated": true, "model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1}}, "tags": []string{"x"},
		"allowed_cache_controls": []string{"no-cache"}, "soft_budget": 1, "organization_id": "o",
	}
	own := []string{"user_alias", "password"}
	for name, v := range fields {
		w := newWorld(t)
		w.put(&account.Team{TeamID: "t"}, &account.Organization{OrganizationID: "o"})
		self, other, viewer := w.person("u", account.InternalUser), w.person("o", account.InternalUser), w.person("v", account.ProxyAdminViewer)
		userViewer := w.person("uv", account.InternalUserViewer)
		body := map[string]any{"user_id": "u", name: v}
		before := fmt.Sprint(w.admin("GET", "/user/info?user_id=u", nil)["user_info"])
		for who, key := range map[string]string{"other": other, "viewer": viewer, "user viewer": userViewer, "key": w.key(nil)} {
			if r := w.call(key, "POST", "/user/update", body); r.Status != 401 && r.Status != 403 {
				t.Errorf("%s writes %s: %d", who, name, r.Status)
			}
		}
		r := w.call(self, "POST", "/user/update", body)
		if allowed := slices.Contains(own, name); allowed != (r.Status == 200) || !allowed && r.Status != 403 {
			t.Errorf("a user writes its own %s: %d %s", name, r.Status, r.Raw)
		} else if !allowed {
			if after := fmt.Sprint(w.admin("GET", "/user/info?user_id=u", nil)["user_info"]); after != before {
				t.Errorf("a refused change of %s has changed the user:\n%s\n%s", name, before, after)
			}
		}
		w.admin("POST", "/user/update", body)
	}
}

func TestUserUpdate(t *testing.T) {
	w := newWorld(t)
	w.person("u", account.InternalUser, func(u *account.User) { u.UserEmail, u.Models = "u@x.org", []string{"a"} })
	got := w.admin("POST", "/user/update", `{"user_email":"u@x.org","max_budget":7,"models":null}`)
	if got["user_id"] != "u" || path(got, "data.max_budget") != 7.0 || fmt.Sprint(path(got, "data.models")) != "[a]" {
		t.Errorf("update %v", got)
	}
	// LiteLLM's makes a user that is not there.
	if got := w.admin("POST", "/user/update", `{"user_id":"fresh","user_role":"internal_user"}`); got["user_id"] != "fresh" {
		t.Errorf("upsert %v", got)
	}
	w.call(w.master, "POST", "/user/update", `{}`).refused(400, "Either user id or user email")
	got = w.admin("POST", "/user/bulk_update", `{"users":[{"user_id":"u","max_budget":9},{"user_id":"fresh","max_budget":-1}]}`)
	if got["total_requested"] != 2.0 || got["successful_updates"] != 1.0 || got["failed_updates"] != 1.0 {
		t.Errorf("bulk %v", got)
	}
	got = w.admin("POST", "/user/bulk_update", `{"all_users":true,"user_updates":{"rpm_limit":3}}`)
	if got["successful_updates"] != 2.0 {
		t.Errorf("all users: %v", got)
	}
	w.admin("POST", "/user/update", `{"user_id":"u","spend":1.5}`)
	if got := w.admin("GET", "/v2/user/info?user_id=u", nil); got["spend"] != 1.5 || got["max_budget"] != 9.0 || got["rpm_limit"] != nil {
		t.Errorf("v2 %v", got)
	}
}

func TestUserList(t *testing.T) {
	w := newWorld(t)
	lead := w.person("lead", account.InternalUser)
	for _, id := range []string{"ann", "bob", "cid"} {
		w.person(id, account.InternalUser, func(u *account.User) { u.UserEmail = id + "@x.org" })
	}
	w.put(&account.Organization{OrganizationID: "o"}, &account.OrgMember{UserID: "lead", OrganizationID: "o", UserRole: account.OrgAdmin}, &account.OrgMember{UserID: "bob", OrganizationID: "o"})
	names := func(key, query string) string {
		got := w.call(key, "GET", "/user/list"+query, nil).ok()
		var ids []string
		for _, u := range got["users"].([]any) {
			ids = append(ids, path(u, "user_id").(string))
			if path(u, "key_count") != 1.0 {
				t.Errorf("key_count %v", path(u, "key_count"))
			}
		}
		return strings.Join(ids, " ")
	}
	for query, want := range map[string]string{
		"": "ann bob cid lead", "?user_ids=o": "bob", "?user_ids=ann,cid": "ann cid", "?user_email=CID": "cid", "?role=proxy_admin": "", "?page=2&page_size=3&sort_by=user_id": "lead",
		"?organization_ids=o": "bob lead", "?user_ids=ann,bob&organization_ids=o": "bob",
	} {
		got := strings.Fields(names(w.master, query))
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %q", query, got, want)
		}
	}
	got := strings.Fields(names(lead, ""))
	slices.Sort(got)
	if strings.Join(got, " ") != "bob lead" {
		t.Errorf("an organization's admin sees %v", got)
	}
	w.call(w.person("x", account.InternalUser), "GET", "/user/list", nil).refused(403, "not allowed")
	if got := w.call(lead, "GET", "/user/info?user_id=bob", nil).ok(); len(got["keys"].([]any)) != 0 {
		t.Errorf("an organization's admin sees a key outside of it: %v", got["keys"])
	}
	w.put(&account.Team{TeamID: "t", OrganizationID: "o", MembersWithRoles: []account.Member{{Role: account.MemberUser, UserID: "bob"}}})
	w.admin("POST", "/key/generate", `{"user_id":"bob","organization_id":"o"}`)
	if got := w.call(lead, "GET", "/user/info?user_id=bob", nil).ok(); len(got["keys"].([]any)) != 1 {
		t.Errorf("an organization's admin does not see its keys: %v", got["keys"])
	}
	w.call(lead, "GET", "/user/info?user_id=ann", nil).refused(403, "not allowed")
}

func TestUserDelete(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Team{TeamID: "t"}, &account.Organization{OrganizationID: "o"})
	key, _ := w.admin("POST", "/user/new", `{"user_id":"u","teams":["t"],"organizations":["o"]}`)["key"].(string)
	w.call(w.master, "POST", "/user/delete", `{"user_ids":["u","none"]}`).refused(404, "User not found, passed user_id=none")
	r := w.call(w.master, "POST", "/user/delete", `{"user_ids":["u"]}`)
	if r.Status != 200 || string(r.Raw) != "1" {
		t.Errorf("delete: %d %s", r.Status, r.Raw)
	}
	if r := w.call(key, "GET", "/key/info", nil); r.Status != 401 {
		t.Errorf("the key of a user that is gone: %d", r.Status)
	}
	if team := w.admin("GET", "/team/info?team_id=t", nil); len(team["team_memberships"].([]any)) != 0 || strings.Contains(fmt.Sprint(path(team, "team_info.members_with_roles")), "user_id:u ") {
		t.Errorf("the team keeps the user: %v", team)
	}
	if org := w.admin("GET", "/organization/info?organization_id=o", nil); len(org["members"].([]any)) != 0 {
		t.Errorf("the organization keeps the user: %v", org["members"])
	}
}

func TestOrganization(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/organization/new", `{"organization_alias":"Acme","models":["a"],"max_budget":10,"budget_duration":"30d","rpm_limit":3,"metadata":{"x":1}}`)
	id, _ := got["organization_id"].(string)
	if id == "" || path(got, "litellm_budget_table.max_budget") != 10.0 || path(got, "litellm_budget_table.rpm_limit") != 3.0 || got["budget_id"] == nil || got["spend"] != 0.0 {
		t.Errorf("new: %v", got)
	}
	lead, plain, out := w.person("lead", account.InternalUser), w.person("plain", account.InternalUser), w.person("out", account.InternalUser)
	got = w.admin("POST", "/organization/member_add", map[string]any{"organization_id": id, "max_budget_in_organization": 2, "members": []any{
		map[string]any{"role": "org_admin", "user_id": "lead"}, map[string]any{"role": "internal_user", "user_id": "plain"}, map[string]any{"role": "internal_user", "user_email": "new@x.org"}}})
	if len(got["updated_users"].([]any)) != 3 || path(got["updated_organization_memberships"].([]any)[0], "litellm_budget_table.max_budget") != 2.0 {
		t.Errorf("member_add: %v", got)
	}
	w.call(w.master, "POST", "/organization/member_add", map[string]any{"organization_id": "none", "member": map[string]any{"role": "org_admin", "user_id": "x"}}).refused(404, "Organization not found for organization_id=none")
	w.call(w.master, "POST", "/organization/member_add", map[string]any{"organization_id": id, "member": map[string]any{"role": "king", "user_id": "x"}}).refused(400, "role")

	// Its admin leads it and cannot widen it; a member sees it; a stranger does not.
	w.call(lead, "PATCH", "/organization/update", map[string]any{"organization_id": id, "organization_alias": "Acme 2"}).ok()
	w.call(lead, "PATCH", "/organization/update", map[string]any{"organization_id": id, "max_budget": 99}).refused(403, "budget")
	w.call(lead, "PATCH", "/organization/update", map[string]any{"organization_id": id, "models": []string{}}).refused(403, "models")
	w.call(plain, "PATCH", "/organization/update", map[string]any{"organization_id": id, "organization_alias": "x"}).refused(403, "not an admin")
	w.call(plain, "GET", "/organization/info?organization_id="+id, nil).ok()
	w.call(out, "GET", "/organization/info?organization_id="+id, nil).refused(403, "not a member")
	w.call(out, "POST", "/organization/new", `{"organization_alias":"x"}`).refused(401, "Only admins can create orgs. Your role is = internal_user")
	for key, want := range map[string]int{w.master: 1, lead: 1, plain: 1, out: 0} {
		if n := len(w.call(key, "GET", "/organization/list", nil).list()); n != want {
			t.Errorf("list has %d, want %d", n, want)
		}
	}
	got = w.call(lead, "PATCH", "/organization/member_update", map[string]any{"organization_id": id, "user_id": "plain", "role": "internal_user_viewer"}).ok()
	if got["user_role"] != "internal_user_viewer" {
		t.Errorf("member_update: %v", got)
	}
	w.call(plain, "DELETE", "/organization/member_delete", map[string]any{"organization_id": id, "user_id": "lead"}).refused(403, "not an admin")
	w.call(lead, "DELETE", "/organization/member_delete", map[string]any{"organization_id": id, "user_id": "plain"}).ok()
	got = w.admin("PATCH", "/organization/update", map[string]any{"organization_id": id, "max_budget": 20})
	if path(got, "litellm_budget_table.max_budget") != 20.0 || path(got, "litellm_budget_table.budget_duration") != "30d" || path(got, "litellm_budget_table.rpm_limit") != 3.0 {
		t.Errorf("update: %v", got["litellm_budget_table"])
	}
	w.put(&account.Team{TeamID: "t", OrganizationID: id})
	w.call(w.master, "DELETE", "/organization/delete", map[string]any{"organization_ids": []string{id}}).refused(400, "still has 1")
	w.admin("POST", "/team/delete", `{"team_ids":["t"]}`)
	if got := w.call(w.master, "DELETE", "/organization/delete", map[string]any{"organization_ids": []string{id}}).list(); len(got) != 1 {
		t.Errorf("delete: %v", got)
	}
	w.call(w.master, "GET", "/organization/info?organization_id="+id, nil).refused(404, "Organization not found")
}

func TestCustomer(t *testing.T) {
	w := newWorld(t)
	for _, root := range []string{"/customer", "/end_user"} {
		id := "c" + root[1:2]
		got := w.admin("POST", root+"/new", map[string]any{"user_id": id, "alias": "C", "max_budget": 1, "budget_duration": "1d"})
		for name, want := range map[string]any{
			"user_id": id, "alias": "C", "blocked": false, "spend": 0.0, "object_permission_id": nil, "object_permission": nil,
			"litellm_budget_table.max_budget": 1.0, "litellm_budget_table.budget_duration": "1d",
		} {
			if path(got, name) != want {
				t.Errorf("%s = %v, want %v", name, path(got, name), want)
			}
		}
		if path(got, "litellm_budget_table.budget_reset_at") == nil || got["budget_id"] == nil {
			t.Errorf("no period: %v", got)
		}
		w.call(w.master, "POST", root+"/new", map[string]any{"user_id": id}).refused(400, "Customer already exists, passed user_id="+id+". Please pass a new user_id.")
		for name, v := range map[string]string{"default_model": "a", "allowed_model_region": "eu"} {
			if e := w.call(w.master, "POST", root+"/new", map[string]any{"user_id": "x", name: v}).refused(400, "is not supported, because"); e["param"] != name {
				t.Errorf("%s: param %v", name, e["param"])
			}
			w.put(&account.Customer{UserID: "brought" + root + name, DefaultModel: "a", AllowedModelRegion: "eu"})
			w.admin("POST", root+"/update", map[string]any{"user_id": "brought" + root + name, name: v}) // an echo
			w.admin("POST", root+"/delete", map[string]any{"user_ids": []string{"brought" + root + name}})
		}
		if got := w.admin("POST", root+"/update", map[string]any{"user_id": id, "alias": "D"}); got["alias"] != "D" || path(got, "litellm_budget_table.max_budget") != 1.0 {
			t.Errorf("update: %v", got)
		}
		w.call(w.master, "GET", root+"/info?end_user_id=none", nil).refused(404, "none")
	}
	w.spend(3*money.Dollar/2, account.CustomerScope("cc"))
	if got := w.admin("GET", "/customer/info?end_user_id=cc", nil); got["spend"] != 1.5 {
		t.Errorf("spend %v", got["spend"])
	}
	// Whom a call has named is known, as LiteLLM's that are made on their first call.
	w.spend(money.Dollar, account.CustomerScope("caller"))
	if got := w.admin("GET", "/customer/info?end_user_id=caller", nil); got["spend"] != 1.0 || got["blocked"] != false {
		t.Errorf("a customer of a call: %v", got)
	}
	if got := w.admin("POST", "/customer/update", `{"user_id":"caller","max_budget":9}`); got["spend"] != 1.0 || path(got, "litellm_budget_table.max_budget") != 9.0 {
		t.Errorf("a customer of a call, updated: %v", got)
	}
	if got := w.admin("POST", "/customer/block", `{"user_ids":["cc","unknown"]}`); len(got["blocked_users"].([]any)) != 2 {
		t.Errorf("block: %v", got)
	}
	if got := w.admin("GET", "/customer/info?end_user_id=unknown", nil); got["blocked"] != true {
		t.Errorf("blocking makes a customer: %v", got)
	}
	if got := w.admin("POST", "/customer/unblock", `{"user_ids":["cc"]}`); fmt.Sprint(got["blocked_users"]) != "[unknown]" {
		t.Errorf("unblock: %v", got)
	}
	w.admin("POST", "/budget/new", `{"budget_id":"common","max_budget":7}`)
	w.settings.EndUserBudgetID = "common"
	if got := w.admin("GET", "/customer/info?end_user_id=unknown", nil); got["budget_id"] != nil || path(got, "litellm_budget_table.max_budget") != 7.0 {
		t.Errorf("a customer under the common budget: %v", got)
	}
	w.settings.EndUserBudgetID = ""
	if n := len(w.call(w.master, "GET", "/customer/list", nil).list()); n != 4 {
		t.Errorf("list has %d", n)
	}
	if got := w.admin("POST", "/customer/delete", `{"user_ids":["ce"]}`); got["deleted_customers"] != 1.0 {
		t.Errorf("delete: %v", got)
	}
	w.call(w.master, "POST", "/customer/delete", `{"user_ids":["ce"]}`).refused(404, "ce")
}

// A customer that shares the default budget gets one of its own before it is changed: the others keep theirs.
func TestCustomer_sharedBudget(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/budget/new", `{"budget_id":"shared","max_budget":1}`)
	for _, id := range []string{"a", "b"} {
		w.admin("POST", "/customer/new", map[string]any{"user_id": id, "budget_id": "shared"})
	}
	w.admin("POST", "/customer/update", `{"user_id":"a","max_budget":5}`)
	if got := w.admin("GET", "/customer/info?end_user_id=b", nil); path(got, "litellm_budget_table.max_budget") != 1.0 {
		t.Errorf("the other's budget has become %v", path(got, "litellm_budget_table.max_budget"))
	}
	if got := w.admin("GET", "/customer/info?end_user_id=a", nil); path(got, "litellm_budget_table.max_budget") != 5.0 {
		t.Errorf("the budget is %v", path(got, "litellm_budget_table.max_budget"))
	}
	w.call(w.master, "POST", "/customer/new", `{"user_id":"c","budget_id":"none"}`).refused(404, "Budget not found")
}

func TestCustomerErase(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/customer/new", `{"user_id":"cust","alias":"Jane"}`)
	c := booked("1", "h", hours(1))
	c.EndUser, c.Prompt, c.Metadata = "cust", account.JSON(`[{"content":"secret"}]`), account.JSON(`{"name":"Jane"}`)
	w.book(c)
	if got := w.admin("POST", "/customer/erase", `{"user_id":"cust"}`); got["erased_rows"] != 1.0 {
		t.Errorf("erase: %v", got)
	}
	rows := w.call(w.master, "GET", "/spend/logs", nil)
	if text := string(rows.Raw); strings.Contains(text, "secret") || strings.Contains(text, "Jane") || strings.Contains(text, `"end_user":"cust"`) {
		t.Errorf("the row still tells: %s", text)
	}
	if rows.list()[0]["spend"] != 0.01 {
		t.Error("the money is gone")
	}
	w.call(w.master, "GET", "/customer/info?end_user_id=cust", nil).refused(404, "cust")
	if findings, err := w.store.Verify(t.Context(), nil); err != nil || len(findings) > 0 {
		t.Errorf("the books do not fit: %v %v", findings, err)
	}
	w.call(w.person("u", account.InternalUser), "POST", "/customer/erase", `{"user_id":"cust"}`).refused(401, "proxy admin")
}

func TestBudget(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/budget/new", `{"budget_id":"b","max_budget":"12.50","soft_budget":10,"tpm_limit":5,"budget_duration":"7d","model_max_budget":{"a":{"max_budget":1,"budget_duration":"1d"}}}`)
	if got["max_budget"] != 12.5 || got["budget_duration"] != "7d" || got["budget_reset_at"] != "2026-11-30T00:00:00Z" || path(got, "model_max_budget.a.budget_limit") != 1.0 {
		t.Errorf("new: %v", got)
	}
	w.call(w.master, "POST", "/budget/new", `{"budget_id":"b"}`).refused(400, "Budget with id 'b' already exists.")
	w.call(w.master, "POST", "/budget/new", `{"max_budget":-1}`).refused(400, "max_budget must be a non-negative finite number. Received: -1")
	w.call(w.master, "POST", "/budget/update", `{"max_budget":1}`).refused(400, "budget_id is required")
	w.call(w.master, "POST", "/budget/update", `{"budget_id":"none"}`).refused(404, "none")
	got = w.admin("POST", "/budget/update", `{"budget_id":"b","max_budget":null,"rpm_limit":3}`)
	if got["max_budget"] != nil || got["rpm_limit"] != 3.0 || got["tpm_limit"] != 5.0 {
		t.Errorf("update: %v", got)
	}
	if got := w.call(w.master, "POST", "/budget/info", `{"budgets":["b","none"]}`).list(); len(got) != 1 {
		t.Errorf("info: %v", got)
	}
	if got := w.call(w.master, "GET", "/budget/settings?budget_id=b", nil).list(); got[2]["field_name"] != "rpm_limit" || got[2]["field_value"] != 3.0 || got[2]["stored_in_db"] != true {
		t.Errorf("settings: %v", got)
	}
	w.admin("POST", "/customer/new", `{"user_id":"c","budget_id":"b"}`)
	w.call(w.master, "POST", "/budget/delete", `{"id":"b"}`).refused(400, "in use")
	w.admin("POST", "/customer/delete", `{"user_ids":["c"]}`)
	w.admin("POST", "/budget/delete", `{"id":"b"}`)
	w.call(w.master, "GET", "/budget/list", nil).same(`[]`)
}

func TestTag(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/tag/new", `{"name":"blue","description":"d","models":[],"max_budget":3}`)
	if got["message"] != "Tag blue created successfully" || path(got, "tag.name") != "blue" || path(got, "tag.created_by") == nil {
		t.Errorf("new: %v", got)
	}
	w.call(w.master, "POST", "/tag/new", `{"name":"red","models":["m1"]}`).refused(400, `"models" is not supported, because a deployment names the tags`)
	w.call(w.master, "POST", "/tag/new", `{"name":"blue"}`).refused(400, "Tag blue already exists")
	w.call(w.master, "POST", "/tag/update", `{"name":"none"}`).refused(404, "Tag none not found")
	w.admin("POST", "/tag/update", `{"name":"blue","description":"e"}`)
	info := w.admin("POST", "/tag/info", `{"names":["blue"]}`)
	if path(info, "blue.description") != "e" || path(info, "blue.litellm_budget_table.max_budget") != 3.0 {
		t.Errorf("info: %v", info)
	}
	c := booked("1", "h", hours(1))
	c.Tags, c.UserID = []string{"blue", "dynamic"}, "u"
	d := booked("2", "h", start.AddDate(0, 0, -1))
	d.Tags, d.UserID = []string{"blue"}, "u2"
	w.book(c, d)
	var names []string
	for _, tag := range w.call(w.master, "GET", "/tag/list", nil).list() {
		names = append(names, tag["name"].(string))
	}
	if !slices.Equal(names, []string{"blue", "dynamic"}) {
		t.Errorf("list: %v", names)
	}
	w.call(w.master, "GET", "/tag/distinct", nil).same(`{"results":[{"tag":"blue"},{"tag":"dynamic"}]}`)
	w.call(w.master, "GET", "/tag/dau?tag_filter=blue", nil).same(`{"results":[
		{"tag":"blue","active_users":1,"date":"2026-11-25","period_start":"2026-11-25","period_end":"2026-11-25"},
		{"tag":"blue","active_users":1,"date":"2026-11-24","period_start":"2026-11-24","period_end":"2026-11-24"}]}`)
	w.call(w.master, "GET", "/tag/wau?tag_filter=blue", nil).same(`{"results":[{"tag":"blue","active_users":2,"date":"2026-11-25","period_start":"2026-11-19","period_end":"2026-11-25"}]}`)
	w.call(w.master, "GET", "/tag/summary?start_date=2026-11-24&end_date=2026-11-25", nil).same(`{"results":[
		{"tag":"blue","unique_users":2,"total_requests":2,"successful_requests":2,"failed_requests":0,"total_tokens":30,"total_spend":0.02},
		{"tag":"dynamic","unique_users":1,"total_requests":1,"successful_requests":1,"failed_requests":0,"total_tokens":15,"total_spend":0.01}]}`)
	if got := w.admin("GET", "/tag/user-agent/per-user-analytics?page_size=2", nil); got["total_count"] != 3.0 || got["total_pages"] != 2.0 || len(got["results"].([]any)) != 2 {
		t.Errorf("per user: %v", got)
	}
	w.admin("POST", "/tag/delete", `{"name":"blue"}`)
	w.call(w.master, "POST", "/tag/delete", `{"name":"blue"}`).refused(404, "Tag blue not found")
}
