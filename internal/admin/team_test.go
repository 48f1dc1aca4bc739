package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
)

// teamColumns are the columns of LiteLLM's TeamTable, as its replies have them.
var teamColumns = strings.Fields(`team_id team_alias organization_id object_permission_id admins members members_with_roles metadata max_budget soft_budget spend models
	max_parallel_requests tpm_limit rpm_limit budget_duration budget_reset_at blocked created_at updated_at model_spend model_max_budget router_settings
	team_member_permissions access_group_ids policies default_team_member_models budget_limits model_id allow_team_guardrail_config litellm_model_table`)

func TestTeamNew(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/team/new", `{"team_alias":"alpha","team_id":"t","models":["a"],"max_budget":"10","tpm_limit":100,"max_parallel_requests":3,"metadata":{"x":1},
		"members_with_roles":[{"role":"user","user_id":"u1"},{"role":"admin","user_email":"b@example.com"}],"admins":["u3"],"members":["u4"],"tags":["g"],
		"budget_duration":"30d","team_member_budget":2,"team_member_budget_duration":"1d","team_member_rpm_limit":5,"team_member_key_duration":"7d","model_aliases":{"x":"a"}}`)
	for _, name := range teamColumns {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s in the reply", name)
		}
	}
	for name, want := range map[string]any{
		"team_alias": "alpha", "max_budget": 10.0, "tpm_limit": 100.0, "max_parallel_requests": 3.0, "spend": 0.0, "blocked": false, "organization_id": nil,
		"budget_reset_at": "2026-12-01T00:00:00Z", "metadata.x": 1.0, "metadata.team_member_key_duration": "7d", "litellm_model_table.model_aliases.x": "a",
	} {
		if v := path(got, name); v != want {
			t.Errorf("%s = %v, want %v", name, v, want)
		}
	}
	members, _ := json.Marshal(got["members_with_roles"])
	for _, want := range []string{`{"role":"user","user_email":null,"user_id":"u1"}`, `"user_email":"b@example.com"`, `"user_id":"u3"`, `"user_id":"u4"`, `"user_id":"default_user_id"`} {
		if !strings.Contains(string(members), want) {
			t.Errorf("members %s, want %s", members, want)
		}
	}
	w.call(w.master, "POST", "/team/new", `{"team_id":"t"}`).refused(400, "Team id = t already exists. Please use a different team id.")

	info := w.admin("GET", "/team/info?team_id=t", nil)
	if path(info, "team_info.team_member_budget_table.max_budget") != 2.0 || path(info, "team_info.team_member_budget_table.rpm_limit") != 5.0 {
		t.Errorf("member budget: %v", path(info, "team_info.team_member_budget_table"))
	}
	if m, _ := info["team_memberships"].([]any); len(m) != 5 || path(m[0], "team_id") != "t" || path(m[0], "total_spend") != 0.0 {
		t.Errorf("memberships %v", info["team_memberships"])
	}
	var u account.User
	if err := w.store.Get(t.Context(), "u1", &u); err != nil || fmt.Sprint(u.Teams) != "[t]" {
		t.Errorf("the user that nobody knew: %+v %v", u, err)
	}
	made := w.admin("POST", "/key/generate", `{"team_id":"t","user_id":"u1"}`)
	if made["duration"] != "7d" {
		t.Errorf("a member's key lives %v", made["duration"])
	}
}

func TestTeamDefaults(t *testing.T) {
	w := newWorld(t)
	var s admin.Settings
	err := json.Unmarshal([]byte(`{"default_team_params":{"max_budget":7,"budget_duration":"1d","tpm_limit":9,"models":["a"],"team_member_permissions":["/key/generate"]}}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	w.settings = &s
	got := w.admin("POST", "/team/new", `{"tpm_limit":5}`)
	if fields(got["max_budget"], got["budget_duration"], got["tpm_limit"], got["models"], got["team_member_permissions"]) != "7 1d 5 [a] [/key/generate]" {
		t.Errorf("%v", got)
	}
}

func TestDeclinedTeamFields(t *testing.T) {
	w := newWorld(t)
	for name, value := range map[string]string{
		"policies": `["x"]`, "prompts": `["x"]`, "allowed_passthrough_routes": `["x"]`, "disable_global_guardrails": `true`, "secret_manager_settings": `{"x":1}`,
		"mcp_rpm_limit": `{"x":1}`, "allowed_vector_store_indexes": `[{"index_name":"x"}]`, "enforced_file_expires_after": `{"x":1}`,
		"enforced_batch_output_expires_after": `{"x":1}`,
	} {
		w.call(w.master, "POST", "/team/new", fmt.Sprintf(`{%q:%s}`, name, value)).refused(400, fmt.Sprintf("%q is not supported, because ", name))
		w.admin("POST", "/team/new", fmt.Sprintf(`{%q:null}`, name))
	}
	w.admin("POST", "/team/new", `{"team_id":"t"}`)
}

func TestTeamUpdate(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t","models":["a"],"max_budget":5,"tags":["x"],"metadata":{"y":1}}`)
	got := w.admin("POST", "/team/update", `{"team_id":"t","max_budget":6,"models":null}`)
	if got["team_id"] != "t" || path(got, "data.max_budget") != 6.0 || fmt.Sprint(path(got, "data.models")) != "[a]" || fmt.Sprint(path(got, "data.metadata.tags")) != "[x]" {
		t.Errorf("%v", got)
	}
	if got := w.admin("PATCH", "/team/t", `{"team_alias":"beta"}`); path(got, "data.team_alias") != "beta" || path(got, "data.max_budget") != 6.0 {
		t.Errorf("%v", got)
	}
	r := w.call(w.master, "POST", "/team/update", `{"team_id":"none"}`)
	r.refused(404, "Team not found, passed team_id=none")
	if path(r.object(), "detail.error") != "Team not found, passed team_id=none" {
		t.Errorf("%s", r.Raw)
	}
	w.call(w.master, "POST", "/team/update", `{"team_id":"t","organization_id":"none"}`).refused(400, "Organization not found for organization_id=none")

	before := w.admin("GET", "/team/info?team_id=t", nil)
	w.now = w.now.Add(time.Hour)
	echo, _ := before["team_info"].(map[string]any)
	w.admin("POST", "/team/update", echo)
	if after := w.admin("GET", "/team/info?team_id=t", nil); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("an echo changed\n%v\nto\n%v", before, after)
	}
}

func TestTeamWithinItsOrganization(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Budget{BudgetID: "b", Spending: account.Spending{MaxBudget: "10"}}, &account.Organization{OrganizationID: "o", BudgetID: "b", Models: []string{"a"}},
		&account.Organization{OrganizationID: "other"}, &account.OrgMember{UserID: "boss", OrganizationID: "o", UserRole: account.OrgAdmin})
	boss := w.person("boss", account.InternalUser)
	w.call(boss, "POST", "/team/new", `{"team_id":"t","organization_id":"o","models":["a"],"max_budget":10}`).ok()
	w.call(boss, "POST", "/team/new", `{"organization_id":"o","models":["b"]}`).refused(403, `organization o may not call "b"`)
	w.call(boss, "POST", "/team/new", `{"organization_id":"o","max_budget":11}`).refused(403, "is greater than the max_budget=10.0 of organization o")
	w.call(boss, "POST", "/team/new", `{"organization_id":"other"}`).refused(403, "You are not allowed to create teams")
	w.call(boss, "POST", "/team/new", `{}`).refused(403, "You are not allowed to create teams")
	w.call(boss, "POST", "/team/update", `{"team_id":"t","organization_id":"other"}`).refused(403, "You are not an admin of the organization other")
	w.call(boss, "POST", "/key/generate", `{"team_id":"t"}`).ok()
	w.call(boss, "POST", "/key/generate", `{"organization_id":"o","user_id":"stranger"}`).refused(400, "User=stranger is not a member of the organization=o")
}

func TestTeamMembers(t *testing.T) {
	w := newWorld(t)
	lead, plain := w.person("lead", account.InternalUser), w.person("plain", account.InternalUser)
	w.admin("POST", "/team/new", `{"team_id":"t","models":["a"],"members_with_roles":[{"role":"admin","user_id":"lead"}],"team_member_budget":1,"team_member_budget_duration":"1d"}`)
	got := w.call(lead, "POST", "/team/member_add", `{"team_id":"t","member":{"role":"user","user_id":"plain"},"max_budget_in_team":3,"allowed_models":["a"]}`).ok()
	memberships, _ := got["updated_team_memberships"].([]any)
	users, _ := got["updated_users"].([]any)
	if len(memberships) != 1 || len(users) != 1 || path(memberships[0], "litellm_budget_table.max_budget") != 3.0 || got["team_id"] != "t" {
		t.Fatalf("%v", got)
	}
	// A member's own budget has the period of the team's members: else it would never start anew (#16057).
	if path(memberships[0], "litellm_budget_table.budget_duration") != "1d" {
		t.Errorf("%v", memberships[0])
	}
	e := w.call(lead, "POST", "/team/member_add", `{"team_id":"t","member":[{"role":"user","user_id":"plain"}]}`).refused(400, "already in team")
	if e["type"] != "team_member_already_in_team" {
		t.Errorf("%v", e)
	}
	w.call(plain, "POST", "/team/member_add", `{"team_id":"t","member":{"role":"user","user_id":"x"}}`).
		refused(403, "Call not allowed. User not proxy admin OR team admin. route=/team/member_add, team_id=t")
	w.call(lead, "POST", "/team/member_add", `{"team_id":"t","member":{"role":"boss","user_id":"x"}}`).refused(422, "Input should be 'admin' or 'user'")
	w.call(lead, "POST", "/team/member_add", `{"team_id":"t","member":{"role":"user","user_id":"y"},"allowed_models":["b"]}`).refused(400, "allowed_models")

	up := w.call(lead, "POST", "/team/member_update", `{"team_id":"t","user_id":"plain","max_budget_in_team":4,"role":"admin","tpm_limit":7}`).ok()
	if fields(up["user_id"], up["max_budget_in_team"], up["tpm_limit"], up["budget_duration"], up["allowed_models"]) != "plain 4 7 1d [a]" {
		t.Errorf("%v", up)
	}
	w.call(plain, "POST", "/team/member_update", `{"team_id":"t","user_id":"plain","role":"user"}`).ok() // it leads the team now
	w.call(lead, "POST", "/team/member_update", `{"team_id":"t"}`).refused(400, "Either user_id or user_email needs to be passed in")
	w.call(lead, "POST", "/team/member_update", `{"team_id":"t","user_id":"nobody"}`).refused(400, "User id doesn't exist in team table. Data=")

	scope := account.MemberScope("t", "plain")
	w.spend(2*money.Dollar, scope)
	reset := w.call(lead, "POST", "/team/t/member/plain/reset_spend", `{}`).ok()
	if fields(reset["spend"], reset["previous_spend"], reset["max_budget"], reset["user_id"]) != "0 2 4 plain" {
		t.Errorf("%v", reset)
	}
	me := w.call(plain, "GET", "/team/t/members/me", nil).ok()
	if fields(me["role"], me["spend"], me["total_spend"]) != "user 0 2" {
		t.Errorf("%v", me)
	}
	w.call(lead, "POST", "/team/member_delete", `{"team_id":"t","user_id":"nobody"}`).refused(400, "User not found in team")
	w.call(w.master, "POST", "/team/member_delete", `{"team_id":"none","user_id":"x"}`).refused(400, "Team id=none does not exist in db")
	left := w.call(lead, "POST", "/team/member_delete", `{"team_id":"t","user_id":"plain"}`).ok()
	if text, _ := json.Marshal(left["members_with_roles"]); strings.Contains(string(text), "plain") {
		t.Errorf("%s", text)
	}
	w.call(plain, "GET", "/team/info?team_id=t", nil).refused(403, "User=plain not authorized to access this team=t")
}

func TestBulkMemberAdd(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"user","user_id":"u1"}]}`)
	got := w.admin("POST", "/team/bulk_member_add", `{"team_id":"t","members":[{"role":"user","user_id":"u1"},{"role":"user","user_id":"u2"}],"max_budget_in_team":2}`)
	results, _ := got["results"].([]any)
	if got["total_requested"] != 2.0 || got["successful_additions"] != 1.0 || got["failed_additions"] != 1.0 || path(results[0], "success") != false ||
		path(results[1], "updated_team_membership.litellm_budget_table.max_budget") != 2.0 || path(got, "updated_team.team_id") != "t" {
		t.Errorf("%v", got)
	}
	w.call(w.master, "POST", "/team/bulk_member_add", `{"team_id":"none","members":[{"role":"user","user_id":"u"}]}`).refused(404, "Team not found")
	w.call(w.master, "POST", "/team/bulk_member_add", `{"team_id":"t"}`).refused(400, "Either members or all_users")
	all := w.admin("POST", "/team/bulk_member_add", `{"team_id":"t","all_users":true}`)
	if all["successful_additions"] != 0.0 && all["failed_additions"] == 0.0 {
		t.Errorf("%v", all)
	}
}

func TestTeamDelete(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"user","user_id":"u"}]}`)
	key := w.key(map[string]any{"team_id": "t"})
	w.call(w.master, "POST", "/team/delete", `{"team_ids":["t","none"]}`).refused(404, "Team not found, passed team_id=none")
	w.info(key) // all or nothing
	if got := w.admin("POST", "/team/delete", `{"team_ids":["t"]}`); fmt.Sprint(got["deleted_teams"]) != "[t]" {
		t.Errorf("%v", got)
	}
	w.call(key, "GET", "/key/info", nil).refused(401, "")
	var u account.User
	if err := w.store.Get(t.Context(), "u", &u); err != nil || len(u.Teams) != 0 {
		t.Errorf("%v %v", u.Teams, err)
	}
	r := w.call(w.master, "GET", "/team/info?team_id=t", nil)
	r.refused(404, "Team not found, passed team id: t.")
	if path(r.object(), "detail.message") != "Team not found, passed team id: t." {
		t.Errorf("%s", r.Raw)
	}
	if got := w.admin("GET", "/v2/team/list?status=deleted", nil); got["total"] != 1.0 {
		t.Errorf("%v", got)
	}
}

func TestTeamLists(t *testing.T) {
	w := newWorld(t)
	u := w.person("u", account.InternalUser)
	for i, id := range []string{"t1", "t2", "t3"} {
		w.now = w.now.Add(time.Second)
		w.admin("POST", "/team/new", fmt.Sprintf(`{"team_id":%q,"team_alias":"Team %d","members_with_roles":[{"role":"user","user_id":%q}]}`, id, i, []string{"u", "v", "u"}[i]))
	}
	w.key(map[string]any{"team_id": "t1"})
	w.key(map[string]any{"team_id": "t1", "user_id": "u"})
	var teams []map[string]any
	if err := json.Unmarshal(w.call(u, "GET", "/team/list", nil).Raw, &teams); err != nil || len(teams) != 2 {
		t.Fatalf("%v %v", teams, err)
	}
	for _, team := range teams {
		if keys, _ := team["keys"].([]any); team["team_id"] == "t1" && len(keys) != 1 { // its own
			t.Errorf("keys %v", keys)
		}
	}
	w.call(u, "GET", "/team/list?user_id=v", nil).refused(403, "Only admin users can query all teams/other teams. Your user role=internal_user")
	page := w.admin("GET", "/v2/team/list?page_size=2&sort_by=team_alias&sort_order=desc", nil)
	if list, _ := page["teams"].([]any); page["total"] != 3.0 || page["total_pages"] != 2.0 || page["page_size"] != 2.0 || path(list[0], "team_id") != "t3" {
		t.Errorf("%v", page)
	}
	if got := w.admin("GET", "/v2/team/list?search=team+1", nil); got["total"] != 1.0 {
		t.Errorf("%v", got)
	}
	if got := w.admin("GET", "/v2/team/list?user_id=v&team_id=t2&team_alias=TEAM", nil); got["total"] != 1.0 {
		t.Errorf("%v", got)
	}
}

func TestAvailableTeams(t *testing.T) {
	w := newWorld(t)
	u := w.person("u", account.InternalUser)
	w.admin("POST", "/team/new", `{"team_id":"open"}`)
	w.admin("POST", "/team/new", `{"team_id":"closed"}`)
	w.settings = &admin.Settings{DefaultUser: admin.UserDefaults{AvailableTeams: []string{"open"}}}
	var teams []map[string]any
	if err := json.Unmarshal(w.call(u, "GET", "/team/available", nil).Raw, &teams); err != nil || len(teams) != 1 || teams[0]["team_id"] != "open" {
		t.Errorf("%v %v", teams, err)
	}
	join := func(team, role, user string) *reply {
		return w.call(u, "POST", "/team/member_add", fmt.Sprintf(`{"team_id":%q,"member":{"role":%q,"user_id":%q}}`, team, role, user))
	}
	join("closed", "user", "u").refused(403, "Call not allowed")
	join("open", "admin", "u").refused(403, "Call not allowed")
	join("open", "user", "v").refused(403, "Call not allowed")
	join("open", "user", "u").ok()
}

func TestTeamSettings(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t","models":["a"]}`)
	got := w.admin("GET", "/team/permissions_list?team_id=t", nil)
	if fmt.Sprint(got["team_member_permissions"]) != "[/key/info /key/health]" {
		t.Errorf("%v", got)
	}
	if all, _ := got["all_available_permissions"].([]any); len(all) != 16 {
		t.Errorf("%v", all)
	}
	w.call(w.master, "POST", "/team/permissions_update", `{"team_id":"t","team_member_permissions":["/user/new"]}`).refused(400, "Invalid permission")
	w.call(w.master, "POST", "/team/permissions_bulk_update", `{"team_ids":["t"],"team_member_permissions":["/key/list"]}`).list()
	if got := w.admin("POST", "/team/model/add", `{"team_id":"t","models":["b","a"]}`); fmt.Sprint(got["models"]) != "[a b]" {
		t.Errorf("%v", got["models"])
	}
	// An empty list would let the team call everything.
	if got := w.admin("POST", "/team/model/delete", `{"team_id":"t","models":["a","b"]}`); fmt.Sprint(got["models"]) != "[no-default-models]" {
		t.Errorf("%v", got["models"])
	}
	if got := w.admin("POST", "/team/block", `{"team_id":"t"}`); got["blocked"] != true {
		t.Errorf("%v", got)
	}
	w.call(w.key(map[string]any{"team_id": "t"}), "GET", "/key/info", nil).refused(401, "Team=t is blocked")
	if got := w.admin("POST", "/team/unblock", `{"team_id":"t"}`); got["blocked"] != false {
		t.Errorf("%v", got)
	}
	w.call(w.master, "POST", "/team/block", `{"team_id":"none"}`).refused(404, "Team not found")
	w.admin("POST", "/team/t/disable_logging", nil)
	if m := path(w.admin("GET", "/team/info?team_id=t", nil), "team_info.metadata.callback_settings.success_callback"); fmt.Sprint(m) != "[]" {
		t.Errorf("%v", m)
	}
}

func TestTeamKeysUpdate(t *testing.T) {
	w := newWorld(t)
	lead := w.person("lead", account.InternalUser)
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"admin","user_id":"lead"}]}`)
	one, other := w.key(map[string]any{"team_id": "t"}), w.key(map[string]any{})
	w.key(map[string]any{"team_id": "t"})
	got := w.call(lead, "POST", "/team/key/bulk_update", `{"team_id":"t","all_keys_in_team":true,"update_fields":{"max_budget":"3","zzz":1}}`)
	if done, _ := got.ok()["successful_updates"].([]any); len(done) != 2 || got.Header.Get("x-tollgate-ignored-fields") != "zzz" {
		t.Errorf("%s", got.Raw)
	}
	if w.info(one)["max_budget"] != 3.0 {
		t.Errorf("%v", w.info(one))
	}
	w.call(lead, "POST", "/team/key/bulk_update", map[string]any{"team_id": "t", "key_ids": []string{other}, "update_fields": map[string]any{"max_budget": 1}}).
		refused(400, "is not a key of the team=t")
	r := w.call(lead, "POST", "/team/key/bulk_update", map[string]any{"team_id": "t", "key_ids": []string{one}, "update_fields": map[string]any{"spend": 0.5}}).ok()
	if failed, _ := r["failed_updates"].([]any); len(failed) != 1 || !strings.Contains(fmt.Sprint(failed), "You are not allowed to change spend") {
		t.Errorf("%v", r)
	}
	w.call(lead, "POST", "/team/key/bulk_update", `{"team_id":"t","all_keys_in_team":true,"update_fields":{"tpm_limit":"x"}}`).refused(422, "tpm_limit")
}
