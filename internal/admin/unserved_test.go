package admin_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
)

// A field that nothing follows is refused wherever it is written, with a reason and its name; empty ones say nothing.
func TestUnservedFields(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Team{TeamID: "t"}, &account.User{UserID: "u"}, &account.Customer{UserID: "c"}, &account.Organization{OrganizationID: "o"})
	key := w.key(nil)
	objects := []struct {
		path, id, name string
		projects       bool // has project_id, agent_id and router_settings
		routing        bool
	}{
		{"/key/generate", "", "", true, true},
		{"/key/update", "key", key, true, true},
		{"/key/" + key + "/regenerate", "", "", true, true},
		{"/team/new", "", "", false, true},
		{"/team/update", "team_id", "t", false, true},
		{"/user/new", "", "", true, true},
		{"/user/update", "user_id", "u", true, true},
		{"/customer/update", "user_id", "c", false, false},
	}
	for _, o := range objects {
		fields := map[string][2]any{"object_permission": {map[string]any{"mcp_servers": []string{"m"}}, map[string]any{"mcp_servers": []string{}, "vector_stores": nil}}}
		if o.projects {
			fields["project_id"], fields["agent_id"] = [2]any{"p", ""}, [2]any{"a", nil}
		}
		if o.routing {
			fields["router_settings"] = [2]any{map[string]any{"num_retries": 3}, map[string]any{}}
		}
		for name, values := range fields {
			body := map[string]any{name: values[0]}
			if o.id != "" {
				body[o.id] = o.name
			}
			e := w.call(w.master, "POST", o.path, body).refused(400, `"`+name+`" is not supported, because`)
			if e["param"] != name {
				t.Errorf("%s %s: param %v", o.path, name, e["param"])
			}
			if body[name] = values[1]; o.path != "/key/"+key+"/regenerate" {
				w.admin("POST", o.path, body)
			}
		}
	}
	if e := w.call(w.master, "POST", "/key/generate", `{"permissions":{"x":true}}`).refused(400, `"permissions" is not supported, because`); e["param"] != "permissions" {
		t.Errorf("param %v", e["param"])
	}
}

// What was brought from LiteLLM with such fields can be sent back as it is read.
func TestUnservedFieldsOfBroughtObjects(t *testing.T) {
	w := newWorld(t)
	k := &account.Key{KeyID: "k", Token: "brought", ProjectID: "p", AgentID: "a", RouterSettings: account.JSON(`{"z": 1, "num_retries": 2}`), ObjectPermissionID: "rights"}
	w.put(k, &account.ObjectPermission{ObjectPermissionID: "rights", VectorStores: []string{"v"}})
	w.put(&account.Team{TeamID: "t", RouterSettings: k.RouterSettings, ObjectPermissionID: "rights"})
	before := w.info("brought")
	echo := maps.Clone(before)
	echo["key"], echo["rpm_limit"] = "brought", 5
	w.admin("POST", "/key/update", echo)
	after := w.info("brought")
	for _, name := range []string{"project_id", "agent_id", "router_settings", "object_permission"} {
		if fmt.Sprint(after[name]) != fmt.Sprint(before[name]) || after[name] == nil {
			t.Errorf("%s: %v, was %v", name, after[name], before[name])
		}
	}
	info, _ := w.admin("GET", "/team/info?team_id=t", nil)["team_info"].(map[string]any)
	info["team_alias"] = "new"
	w.admin("POST", "/team/update", info)
	echo["project_id"] = "other"
	w.call(w.master, "POST", "/key/update", echo).refused(400, "there are no projects")
	echo["project_id"] = "p"
	echo["object_permission"] = map[string]any{"vector_stores": []string{"v", "w"}}
	w.call(w.master, "POST", "/key/update", echo).refused(400, "there are no MCP servers")
}

// Whoever writes a key again and again does not put its rotation off.
func TestEchoDoesNotPostponeRotation(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"auto_rotate": true, "rotation_interval": "30d"})
	before := w.info(key)
	w.now = w.now.Add(24 * time.Hour)
	echo := maps.Clone(before)
	echo["key"] = key
	delete(echo, "expires")
	w.admin("POST", "/key/update", echo)
	if after := w.info(key); after["key_rotation_at"] != before["key_rotation_at"] || after["updated_at"] != before["updated_at"] {
		t.Errorf("rotated at %v, was %v; updated at %v, was %v", after["key_rotation_at"], before["key_rotation_at"], after["updated_at"], before["updated_at"])
	}
	w.admin("POST", "/key/update", map[string]any{"key": key, "rotation_interval": "10d"})
	if after := w.info(key); after["key_rotation_at"] != "2026-12-06T10:00:00Z" {
		t.Errorf("rotated at %v", after["key_rotation_at"])
	}
	w.admin("POST", "/key/update", map[string]any{"key": key, "auto_rotate": false})
	if after := w.info(key); after["key_rotation_at"] != nil {
		t.Errorf("rotated at %v", after["key_rotation_at"])
	}
}

// A key has one soft budget, wherever it is written: by the key or by the budget that LiteLLM keeps it in.
func TestOneSoftBudget(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"soft_budget": 4})
	agree := func(want any) {
		t.Helper()
		info := w.info(key)
		if got := fmt.Sprint(info["soft_budget"], path(info, "litellm_budget_table.soft_budget")); got != fmt.Sprint(want, want) {
			t.Errorf("the key and its budget: %s, want %v", got, want)
		}
	}
	agree(4)
	w.admin("POST", "/key/update", map[string]any{"key": key, "soft_budget": 9})
	agree(9)
	w.admin("POST", "/budget/update", map[string]any{"budget_id": w.info(key)["budget_id"], "soft_budget": 11})
	agree(11)
	w.admin("POST", "/key/update", map[string]any{"key": key, "unset": []string{"soft_budget"}})
	agree(nil)

	// Of a budget that others count on the key's own alert goes before, and the others' stays.
	w.put(&account.Budget{BudgetID: "tier", Spending: account.Spending{MaxBudget: "5"}, SoftBudget: "3"})
	key = w.key(map[string]any{"budget_id": "tier"})
	w.admin("POST", "/key/update", map[string]any{"key": key, "soft_budget": 2})
	if info := w.info(key); info["soft_budget"] != 2.0 || path(info, "litellm_budget_table.soft_budget") != 3.0 {
		t.Errorf("%v", info)
	}
	// A key that was brought from LiteLLM has it in the budget alone.
	w.put(&account.Budget{BudgetID: "brought", SoftBudget: "4"}, &account.Key{Token: "k", BudgetID: "brought"})
	w.admin("POST", "/key/update", `{"key":"k","soft_budget":6}`)
	if info := w.info("k"); info["soft_budget"] != 6.0 || path(info, "litellm_budget_table.soft_budget") != 6.0 {
		t.Errorf("%v", info)
	}
}

func TestAllowedRoutesAreKnown(t *testing.T) {
	w := newWorld(t)
	e := w.call(w.master, "POST", "/key/generate", `{"allowed_routes":["bogus_group"]}`).refused(400, `allowed_routes: "bogus_group" is neither a path`)
	if e["param"] != "allowed_routes" {
		t.Errorf("param %v", e["param"])
	}
	w.key(map[string]any{"allowed_routes": []string{"/v1/chat/completions", "/spend/*", "llm_api_routes", "openai_routes", "management_routes", "public_routes"}})
	w.put(&account.Key{Token: "k", AllowedRoutes: []string{"ui_routes"}})
	w.admin("POST", "/key/update", `{"key":"k","allowed_routes":["ui_routes","info_routes"]}`) // of LiteLLM's, as it was brought
}

func TestMasterKeyIsNobodyElses(t *testing.T) {
	w := newWorld(t)
	w.call(w.master, "POST", "/key/generate", map[string]any{"key": w.master}).refused(400, "This is the master key")
	key := w.key(nil)
	w.call(w.master, "POST", "/key/"+key+"/regenerate", map[string]any{"new_key": w.master}).refused(400, "This is the master key")
	w.call(w.person("u", account.InternalUser), "POST", "/key/generate", map[string]any{"key": w.master}).refused(400, "This is the master key")
}

func TestUserOfMissingOrganization(t *testing.T) {
	w := newWorld(t)
	w.call(w.master, "POST", "/user/new", `{"user_id":"u","organization_id":"nope"}`).refused(404, "Organization not found for organization_id=nope")
	w.admin("POST", "/user/new", `{"user_id":"u"}`)
	w.call(w.master, "POST", "/user/update", `{"user_id":"u","organization_id":"nope"}`).refused(404, "Organization not found")
	w.put(&account.User{UserID: "old", OrganizationID: "gone"})
	w.admin("POST", "/user/update", `{"user_id":"old","organization_id":"gone","user_alias":"x"}`) // an echo
}

// More than a counter can hold would be clipped in silence.
func TestSpendThatCannotBeCounted(t *testing.T) {
	w := newWorld(t)
	key := w.key(nil)
	w.put(&account.User{UserID: "u"}, &account.Customer{UserID: "c"}, &account.Organization{OrganizationID: "o"})
	for path, body := range map[string]string{
		"/key/generate": `{"spend":9299999}`, "/key/update": `{"key":"` + key + `","spend":9299999}`, "/user/update": `{"user_id":"u","spend":9299999}`,
		"/customer/update": `{"user_id":"c","spend":9299999}`, "/organization/new": `{"organization_alias":"x","spend":9299999}`,
	} {
		if e := w.call(w.master, "POST", path, body).refused(400, "spend cannot be counted above 9223372.036854775807 dollars. Received: 9299999.0"); e["param"] != "spend" {
			t.Errorf("%s: param %v", path, e["param"])
		}
	}
	w.admin("POST", "/key/update", map[string]any{"key": key, "max_budget": 9.3e6, "spend": 9e6})
}

// Where the operator refuses unknown fields, what an object is shown with can still be sent back, and nothing else of it changed.
func TestEchoUnderStrictManagement(t *testing.T) {
	w := newWorld(t)
	w.settings = &admin.Settings{StrictManagementAPI: true}
	w.admin("POST", "/user/new", `{"user_id":"m"}`)
	w.admin("POST", "/team/new", `{"team_id":"t","max_budget":5,"members_with_roles":[{"role":"user","user_id":"m"}]}`)
	w.admin("POST", "/customer/new", `{"user_id":"c","max_budget":5}`)
	w.admin("POST", "/budget/new", `{"budget_id":"b","max_budget":5}`)
	key := w.key(map[string]any{"team_id": "t", "max_budget": 5, "budget_duration": "1d", "duration": "10d", "soft_budget": 3})
	info := w.info(key)
	w.spend(money.Dollar, account.KeyScope(account.HashKey(key)), account.TeamScope("t"))
	w.now = w.now.Add(time.Hour)
	team, _ := w.admin("GET", "/team/info?team_id=t", nil)["team_info"].(map[string]any)
	user := w.admin("GET", "/v2/user/info?user_id=m", nil)
	for _, o := range []struct {
		path, id, name string
		row            map[string]any
		other          map[string]any // read-only columns with other values
	}{
		{"/key/update", "key", key, info, map[string]any{"created_at": "2020-01-01T00:00:00Z", "key_name": "sk-...xxxx", "expires": nil, "rotation_count": 7}},
		{"/team/update", "team_id", "t", team, map[string]any{"created_by": "somebody", "members_with_roles": []any{}}},
		{"/user/update", "user_id", "m", user, map[string]any{"created_at": "2020-01-01T00:00:00Z"}},
		{"/customer/update", "user_id", "c", w.admin("GET", "/customer/info?end_user_id=c", nil), nil},
		{"/budget/update", "budget_id", "b", w.call(w.master, "POST", "/budget/info", `{"budgets":["b"]}`).list()[0], nil},
	} {
		echo := maps.Clone(o.row)
		echo[o.id] = o.name
		delete(echo, "spend") // which calls have moved, and which can be set
		r := w.call(w.master, "POST", o.path, echo)
		if r.ok(); r.Header.Get("x-tollgate-ignored-fields") != "" {
			t.Errorf("%s ignores %s", o.path, r.Header.Get("x-tollgate-ignored-fields"))
		}
		echo["zzz"] = 1
		w.call(w.master, "POST", o.path, echo).refused(400, "Unknown fields: zzz")
		delete(echo, "zzz")
		for name, v := range o.other {
			changed := maps.Clone(echo)
			changed[name] = v
			if e := w.call(w.master, "POST", o.path, changed).refused(400, `"`+name+`" is read-only`); e["param"] != name {
				t.Errorf("%s %s: param %v", o.path, name, e["param"])
			}
			w.settings.StrictManagementAPI = false
			if got := w.call(w.master, "POST", o.path, changed).Header.Get("x-tollgate-ignored-fields"); got != name {
				t.Errorf("%s %s: ignores %q", o.path, name, got)
			}
			w.settings.StrictManagementAPI = true
		}
	}
}
