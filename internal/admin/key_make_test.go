package admin_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/admin"
)

// generateFields are the members of LiteLLM's GenerateKeyResponse.
var generateFields = strings.Fields(`key_alias duration models spend max_budget user_id team_id agent_id max_parallel_requests metadata tpm_limit rpm_limit
	budget_duration allowed_cache_controls config permissions model_max_budget model_rpm_limit model_tpm_limit guardrails policies prompts blocked aliases
	object_permission key budget_id tags enforced_params allowed_routes allowed_passthrough_routes allowed_vector_store_indexes rpm_limit_type tpm_limit_type
	router_settings access_group_ids budget_limits budget_fallbacks key_name expires token_id token organization_id project_id litellm_budget_table
	created_by updated_by created_at updated_at soft_budget auto_rotate rotation_interval`)

func TestKeyGenerateReply(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/key/generate", `{"models":["a"],"max_budget":"5","duration":"24h","metadata":{"team":"alpha"},"tags":["x"],"key_alias":"one",
		"model_rpm_limit":{"a":3},"rpm_limit":"7"}`)
	for _, name := range generateFields {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s in the reply", name)
		}
	}
	key, _ := got["key"].(string)
	if !regexp.MustCompile(`^sk-[A-Za-z0-9_-]{22}$`).MatchString(key) {
		t.Errorf("key %q", key)
	}
	for name, want := range map[string]any{
		"token": account.HashKey(key), "token_id": account.HashKey(key), "key_name": "sk-..." + key[21:], "key_alias": "one", "max_budget": 5.0, "spend": 0.0,
		"rpm_limit": 7.0, "duration": "24h", "expires": "2026-11-26T10:00:00Z", "metadata.team": "alpha", "metadata.model_rpm_limit.a": 3.0, "model_rpm_limit.a": 3.0,
		"user_id": nil, "team_id": nil, "blocked": nil, "tpm_limit": nil, "created_by": "default_user_id", "litellm_budget_table": nil, "budget_duration": nil,
	} {
		if v := path(got, name); v != want {
			t.Errorf("%s = %v, want %v", name, v, want)
		}
	}
	for _, name := range []string{"config", "permissions", "aliases", "model_max_budget"} {
		if m, ok := got[name].(map[string]any); !ok || len(m) > 0 {
			t.Errorf("%s = %v, want {}", name, got[name])
		}
	}
	text := string(w.call(w.master, "GET", "/key/info?key="+key, nil).Raw)
	if strings.Contains(text, `"token"`) || !strings.Contains(text, `"key":"`+key+`"`) {
		t.Errorf("/key/info: %s", text)
	}
	var stored account.Key
	if err := w.store.Get(t.Context(), account.HashKey(key), &stored); err != nil || strings.Contains(fmt.Sprint(stored), key) {
		t.Errorf("stored %v %v", stored, err)
	}
}

func TestCustomKeys(t *testing.T) {
	w := newWorld(t)
	if got := w.key(map[string]any{"key": "sk-mine-1234"}); got != "sk-mine-1234" {
		t.Errorf("key %q", got)
	}
	w.call(w.master, "POST", "/key/generate", `{"key":"sk-mine-1234"}`).refused(400, "already exists")
	w.call(w.master, "POST", "/key/generate", `{"key":"abcdefghwxyz"}`).refused(400, "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: abcd****wxyz")
	w.call(w.master, "POST", "/key/generate", `{"key":"sk-"}`).refused(400, "Invalid key format")
	w.admin("POST", "/key/generate", `{"key":""}`) // an empty id is absent
}

func TestDecodingIsPydanticsLaxMode(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		body   string
		status int
		text   string // of the refusal
		kind   string // of the detail's first line
	}{
		{`{"max_budget":"5.5"}`, 200, "", ""},
		{`{"max_budget":""}`, 200, "", ""},
		{`{"max_budget":null,"tpm_limit":null,"models":null,"metadata":null,"duration":null}`, 200, "", ""},
		{`{"tpm_limit":3.0,"blocked":"false"}`, 200, "", ""},
		{`{"team_id":"","user_id":"","key_alias":"","budget_id":"","organization_id":""}`, 200, "", ""},
		{``, 200, "", ""},
		{`null`, 200, "", ""},
		{`{"models":"a"}`, 422, "models: Input should be a valid list", "list_type"},
		{`{"metadata":[]}`, 422, "metadata: Input should be a valid dictionary", "dict_type"},
		{`{"tpm_limit":"many"}`, 422, "tpm_limit: Input should be a valid integer, unable to parse string as an integer", "int_parsing"},
		{`{"tpm_limit":1.5}`, 422, "got a number with a fractional part", "int_from_float"},
		{`{"max_budget":"lots"}`, 422, "unable to parse string as a number", "float_parsing"},
		{`{"max_budget":"NaN"}`, 422, "Input should be a finite number", "finite_number"},
		{`{"max_budget":"inf"}`, 422, "Input should be a finite number", "finite_number"},
		{`{"max_budget":[1]}`, 422, "Input should be a valid number", "float_type"},
		{`{"key_alias":7}`, 422, "key_alias: Input should be a valid string", "string_type"},
		{`{"blocked":"maybe"}`, 422, "Input should be a valid boolean", "bool_parsing"},
		{`{"key_type":"other"}`, 422, "Input should be 'llm_api', 'management', 'read_only' or 'default'", "enum"},
		{`{"tpm_limit":"x","models":1}`, 422, "models: Input should be a valid list; tpm_limit:", "list_type"},
		{`[]`, 422, "Input should be a valid dictionary", "model_attributes_type"},
		{`{"max_budget":NaN}`, 400, "Invalid JSON payload", ""},
		{`{"a":`, 400, "Invalid JSON payload", ""},
		{`{"max_budget":-1}`, 400, "max_budget cannot be negative. Received: -1.0", ""},
		{`{"soft_budget":-0.5}`, 400, "soft_budget cannot be negative. Received: -0.5", ""},
		{`{"tpm_limit":-1}`, 400, "tpm_limit cannot be negative. Received: -1", ""},
		{`{"duration":"soon"}`, 400, "Invalid duration format", ""},
		{`{"budget_duration":"2mo"}`, 400, "Monthly resets currently only support 1 month intervals", ""},
		{`{"auto_rotate":true}`, 400, "rotation_interval is required", ""},
		{`{"budget_limits":[{"budget_duration":"1d"}]}`, 400, "each entry needs budget_duration and max_budget", ""},
		{`{"model_max_budget":{"a":{"time_period":"1d"}}}`, 400, "needs budget_limit", ""},
		{`{"budget_id":"none"}`, 400, "Budget not found, passed budget_id=none", ""},
		{`{"organization_id":"none"}`, 400, "Organization not found for organization_id=none", ""},
		{`{"team_id":"none"}`, 400, "Unable to find team object in database. Team ID: none", ""},
		{`{"guardrails":["ghost"]}`, 400, `"ghost" is not a guardrail`, ""},
		{`{"metadata":{"guardrails":["ghost"]}}`, 400, `"ghost" is not a guardrail`, ""},
		{`{"rpm_limit_type":"dynamic"}`, 400, `"rpm_limit_type" is not supported`, ""},
		{`{"metadata":{"logging":[{"callback_vars":{}}]}}`, 400, `logging[0] needs a callback_name`, ""},
		{`{"metadata":{"logging":[{"callback_name":"langfuse","callback_type":"sometimes"}]}}`, 400, `logging[0].callback_type must be`, ""},
		{`{"metadata":{"logging":[{"callback_name":"langfuse","callback_vars":{"langfuse_secret_key":["x"]}}]}}`, 400, `logging[0].callback_vars.langfuse_secret_key must be a text`, ""},
		{`{"metadata":{"logging":{"callback_name":"langfuse"}}}`, 400, `logging must be a list`, ""},
	}
	for _, tt := range tests {
		r := w.call(w.master, "POST", "/key/generate", tt.body)
		if r.Status != tt.status || !strings.Contains(string(r.Raw), strings.ReplaceAll(tt.text, `"`, `\"`)) {
			t.Errorf("%s: %d %s\nwant %d %s", tt.body, r.Status, r.Raw, tt.status, tt.text)
			continue
		}
		if tt.kind == "" {
			continue
		}
		detail, _ := r.object()["detail"].([]any)
		if len(detail) == 0 || path(detail[0], "type") != tt.kind || path(r.object(), "error.code") != "422" {
			t.Errorf("%s: %s", tt.body, r.Raw)
		}
	}
}

// Every field of LiteLLM that the gateway has not is refused when it means something, and only then.
func TestDeclinedFields(t *testing.T) {
	w := newWorld(t)
	declined := []string{
		"config", "permissions", "policies", "prompts", "allowed_passthrough_routes", "allowed_vector_store_indexes", "budget_fallbacks", "send_invite_email",
	}
	meaningful := map[string]string{"config": `{"x":1}`, "permissions": `{"x":true}`, "budget_fallbacks": `{"a":["b"]}`, "send_invite_email": `true`}
	for _, name := range declined {
		value := meaningful[name]
		if value == "" {
			value = `["x"]`
		}
		r := w.call(w.master, "POST", "/key/generate", fmt.Sprintf(`{%q:%s}`, name, value))
		r.refused(400, fmt.Sprintf("%q is not supported, because ", name))
		for _, empty := range []string{"null", "[]", "{}", `""`, "false"} {
			w.admin("POST", "/key/generate", fmt.Sprintf(`{%q:%s}`, name, empty))
		}
	}
}

func TestUnknownFieldsAreNamed(t *testing.T) {
	w := newWorld(t)
	r := w.call(w.master, "POST", "/key/generate", map[string]any{"zzz": 1, "a\r\nSet-Cookie: x": 2, "models": []string{}})
	r.ok()
	if got := r.Header.Get("x-tollgate-ignored-fields"); got != "a??Set-Cookie:?x, zzz" {
		t.Errorf("header %q", got)
	}
	if r := w.call(w.master, "POST", "/key/generate", `{"models":[]}`); r.Header.Get("x-tollgate-ignored-fields") != "" {
		t.Error("nothing was ignored, and the header stands")
	}
	w.settings = &admin.Settings{StrictManagementAPI: true}
	w.call(w.master, "POST", "/key/generate", `{"zzz":1}`).refused(400, "Unknown fields: zzz")
}

func TestKeyAliases(t *testing.T) {
	w := newWorld(t)
	w.key(map[string]any{"key_alias": "one"})
	e := w.call(w.master, "POST", "/key/generate", `{"key_alias":"one"}`).
		refused(400, "Key with alias 'one' already exists. Unique key aliases across all keys are required.")
	if e["param"] != "key_alias" {
		t.Errorf("param %v", e["param"])
	}
	two := w.key(map[string]any{"key_alias": "two"})
	w.call(w.master, "POST", "/key/update", map[string]any{"key": two, "key_alias": "one"}).refused(400, "already exists")
	w.admin("POST", "/key/update", map[string]any{"key": two, "key_alias": "two"})
	w.settings = &admin.Settings{CheckAliases: true}
	w.call(w.master, "POST", "/key/generate", `{"key_alias":"-bad-"}`).refused(400, "Invalid key_alias format. Must be 2-255 characters")
	got := w.admin("GET", "/key/aliases?search=TW", nil)
	if fmt.Sprint(got["aliases"]) != "[two]" || got["total_count"] != 1.0 || got["size"] != 50.0 {
		t.Errorf("aliases %v", got)
	}
}

func TestDefaultsThenBounds(t *testing.T) {
	w := newWorld(t)
	var s admin.Settings
	err := json.Unmarshal([]byte(`{
		"default_key_generate_params":{"max_budget":3,"models":["a"],"metadata":{"from":"config"},"duration":"10d","tpm_limit":50},
		"upperbound_key_generate_params":{"max_budget":5,"rpm_limit":9,"duration":"30d","budget_duration":"30d"}}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	w.settings = &s
	got := w.admin("POST", "/key/generate", `{}`)
	for name, want := range map[string]any{"max_budget": 3.0, "rpm_limit": 9.0, "tpm_limit": 50.0, "duration": "10d", "budget_duration": "30d", "metadata.from": "config"} {
		if v := path(got, name); v != want {
			t.Errorf("%s = %v, want %v", name, v, want)
		}
	}
	if fmt.Sprint(got["models"]) != "[a]" {
		t.Errorf("models %v", got["models"])
	}
	w.call(w.master, "POST", "/key/generate", `{"max_budget":5.5}`).refused(400, "max_budget is over max limit set in config - user_value=5.5; max_value=5.0")
	w.call(w.master, "POST", "/key/generate", `{"rpm_limit":10}`).refused(400, "rpm_limit is over max limit set in config - user_value=10; max_value=9")
	w.call(w.master, "POST", "/key/generate", `{"duration":"31d"}`).refused(400, "duration is over max limit set in config - user_value=31d; max_value=30d")
	w.call(w.master, "POST", "/key/generate", `{"duration":"-1"}`).refused(400, "duration is over max limit set in config - user_value=-1; max_value=30d")
	key, _ := got["key"].(string)
	w.call(w.master, "POST", "/key/update", map[string]any{"key": key, "max_budget": 6}).refused(400, "is over max limit set in config")
	w.call(w.master, "POST", "/key/"+key+"/regenerate", map[string]any{"max_budget": 6}).refused(400, "is over max limit set in config")
}

func TestWhoMayMakeKeys(t *testing.T) {
	w := newWorld(t)
	alice := w.person("alice", account.InternalUser, func(u *account.User) {
		u.Models, u.MaxBudget = []string{"a", "oci/*"}, "10"
		u.RPMLimit = new(int64)
		*u.RPMLimit = 5
	})
	bob := w.person("bob", account.InternalUser)
	nobody := w.key(map[string]any{})
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"admin","user_id":"alice"},{"role":"user","user_id":"bob"}]}`)
	tests := []struct {
		who, body string
		status    int
		text      string
	}{
		{alice, `{}`, 200, ""},
		{alice, `{"user_id":"bob"}`, 403, "User can only create keys for themselves. Got user_id=bob, Your ID=alice"},
		{alice, `{"models":["a"]}`, 200, ""},
		{alice, `{"models":["oci/x"]}`, 200, ""},
		{alice, `{"models":["b"]}`, 403, `models: the user may not call "b"`},
		{alice, `{"models":["*"]}`, 403, "may not call"},
		{alice, `{"models":["all-proxy-models"]}`, 403, "may not call"},
		{alice, `{"models":["ab"]}`, 403, "may not call"}, // an access group with a model that she has not
		{alice, `{"aliases":{"x":"b"}}`, 403, "aliases"},
		{alice, `{"max_budget":10}`, 200, ""},
		{alice, `{"max_budget":10.01}`, 403, "max_budget=10.01 is greater than the max_budget=10.0 of the user"},
		{alice, `{"rpm_limit":6}`, 403, "rpm_limit=6 is greater than the rpm_limit=5 of the user"},
		{alice, `{"allowed_routes":["/*"]}`, 403, "allowed_routes"},
		{alice, `{"allowed_routes":["management_routes"]}`, 403, "allowed_routes"},
		{alice, `{"key_type":"management"}`, 403, "allowed_routes"},
		{alice, `{"key_type":"llm_api"}`, 200, ""},
		{alice, `{"team_id":"t"}`, 200, ""},
		{alice, `{"team_id":"t","user_id":"bob"}`, 200, ""},
		{alice, `{"team_id":"t","user_id":"carol"}`, 400, "User=carol not assigned to team=t"},
		{alice, `{"team_id":"t","user_id":"bob","allowed_routes":["key_management_routes"]}`, 403, "A key of another user must be for calls alone"},
		{bob, `{"team_id":"t"}`, 401, "Team member does not have permissions for endpoint: /key/generate"},
		{nobody, `{}`, 401, "Only proxy admin can be used to generate"},
		{w.person("v", account.InternalUserViewer), `{}`, 401, "Only proxy admin"},
		{w.person("pv", account.ProxyAdminViewer), `{}`, 403, "user not allowed to access this route"},
		{w.person("carol", account.InternalUser), `{"team_id":"t"}`, 400, "User=carol not assigned to team=t"},
		{w.person("root", account.ProxyAdmin), `{"user_id":"bob","models":["b"],"max_budget":100}`, 200, ""},
	}
	for _, tt := range tests {
		r := w.call(tt.who, "POST", "/key/generate", tt.body)
		if tt.status == 200 {
			r.ok()
		} else {
			r.refused(tt.status, tt.text)
		}
	}
	if e := w.call(bob, "POST", "/key/generate", `{"team_id":"t"}`).refused(401, ""); e["type"] != "team_member_permission_error" {
		t.Errorf("type %v", e["type"])
	}
	w.admin("POST", "/team/permissions_update", `{"team_id":"t","team_member_permissions":["/key/generate"]}`)
	got := w.call(bob, "POST", "/key/generate", `{"team_id":"t"}`).ok()
	if got["user_id"] != "bob" || got["team_id"] != "t" {
		t.Errorf("%v", got)
	}
}

// A key acts for its user: a team admin that makes, regenerates or takes over the key of a proxy admin would be one.
func TestNobodyMakesAKeyThatManagesForSomebodyElse(t *testing.T) {
	w := newWorld(t)
	lead := w.person("lead", account.InternalUser)
	w.put(&account.User{UserID: "root", UserRole: account.ProxyAdmin})
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"admin","user_id":"lead"},{"role":"user","user_id":"root"}]}`)
	made := w.call(lead, "POST", "/key/generate", `{"team_id":"t","user_id":"root"}`).ok()
	key, _ := made["key"].(string)
	w.call(key, "POST", "/key/generate", `{}`).refused(403, "Virtual key is not allowed to call this route")
	w.call(key, "GET", "/key/info", nil).ok()
	w.call(lead, "POST", "/key/update", map[string]any{"key": key, "allowed_routes": []string{"key_management_routes"}}).refused(403, "A key of another user")
	wide := w.key(map[string]any{"team_id": "t", "user_id": "root"})
	w.call(lead, "POST", "/key/"+wide+"/regenerate", nil).refused(403, "A key of another user")
	own, _ := w.call(lead, "POST", "/key/generate", `{"team_id":"t"}`).ok()["key"].(string)
	w.call(lead, "POST", "/key/update", map[string]any{"key": own, "user_id": "root"}).refused(403, "A key of another user")
}

// A key for one model and few routes does not make itself a sibling without bounds.
func TestNewKeysInheritTheBoundsOfTheKeyThatCalls(t *testing.T) {
	w := newWorld(t)
	w.person("u", account.InternalUser, func(u *account.User) { u.MaxBudget = "9" })
	narrow := w.key(map[string]any{"user_id": "u", "models": []string{"a"}, "allowed_routes": []string{"llm_api_routes", "/key/generate"}, "max_budget": 2})
	got := w.call(narrow, "POST", "/key/generate", `{}`).ok()
	if fmt.Sprint(got["models"], got["allowed_routes"], got["max_budget"]) != "[a] [llm_api_routes /key/generate] 2" {
		t.Errorf("%v %v %v", got["models"], got["allowed_routes"], got["max_budget"])
	}
	w.call(narrow, "POST", "/key/generate", `{"models":["b"]}`).refused(403, "the key that you call with")
	w.call(narrow, "POST", "/key/generate", `{"max_budget":3}`).refused(403, "the key that you call with")
	w.call(narrow, "POST", "/key/generate", `{"allowed_routes":["info_routes"]}`).refused(403, "the key that you call with may not call")
}

func TestAKeyDoesNotWidenItselfOrASibling(t *testing.T) {
	w := newWorld(t)
	w.person("u", account.InternalUser)
	narrow := w.key(map[string]any{"user_id": "u", "models": []string{"a"}, "allowed_routes": []string{"llm_api_routes", "/key/update"}, "max_budget": 2})
	sibling := w.key(map[string]any{"user_id": "u", "models": []string{"a"}, "allowed_routes": []string{"llm_api_routes"}, "max_budget": 1})
	for _, key := range []string{narrow, sibling} {
		for _, change := range []map[string]any{{"models": []string{}}, {"models": []string{"b"}}, {"allowed_routes": []string{}}, {"max_budget": 3}} {
			body := map[string]any{"key": key}
			for name, v := range change {
				body[name] = v
			}
			w.call(narrow, "POST", "/key/update", body).refused(403, "the key that you call with")
		}
		w.call(narrow, "POST", "/key/update", map[string]any{"key": key, "max_budget": 0.5}).ok()
	}
}

func TestKeyGenerationSettings(t *testing.T) {
	w := newWorld(t)
	u := w.person("u", account.InternalUser)
	w.admin("POST", "/team/new", `{"team_id":"t","team_member_permissions":["/key/generate"],"members_with_roles":[{"role":"user","user_id":"u"}]}`)
	var s admin.Settings
	err := json.Unmarshal([]byte(`{"key_generation_settings":{"team_key_generation":{"allowed_team_member_roles":["admin"]},
		"personal_key_generation":{"allowed_user_roles":["internal_user"],"required_params":["tags"]}}}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	w.settings = &s
	w.call(u, "POST", "/key/generate", `{"team_id":"t"}`).refused(400, "Team member role user not in allowed_team_member_roles=['admin']")
	w.call(u, "POST", "/key/generate", `{}`).refused(400, "Required param tags not in data")
	made, _ := w.call(u, "POST", "/key/generate", `{"tags":["x"]}`).ok()["key"].(string)
	s.KeyGeneration.Personal.AllowedUserRoles = []string{"proxy_admin"}
	w.call(u, "POST", "/key/generate", `{"tags":["x"]}`).
		refused(400, "Personal key creation has been restricted by admin. Allowed roles=['proxy_admin']. Your role=internal_user")
	w.call(u, "POST", "/key/update", map[string]any{"key": made, "max_budget": 1000}).refused(400, "Personal key creation has been restricted")
	w.call(u, "POST", "/key/update", map[string]any{"key": made, "key_alias": "fine"}).ok()
	w.admin("POST", "/key/generate", `{}`) // not for admins
	w.settings = &admin.Settings{NoPersonalKeys: true}
	w.call(w.master, "POST", "/key/generate", `{}`).refused(400, "Keys without a team are disabled")
}

func TestServiceAccount(t *testing.T) {
	w := newWorld(t)
	w.call(w.master, "POST", "/key/service-account/generate", `{}`).
		refused(400, "team_id is required for service account keys. Please specify `team_id` in the request body.")
	w.call(w.master, "POST", "/key/service-account/generate", `{"team_id":"none"}`).
		refused(400, "team_id does not exist in the database. Please specify a valid `team_id` in the request body.")
	w.admin("POST", "/team/new", `{"team_id":"t"}`)
	got := w.admin("POST", "/key/service-account/generate", `{"team_id":"t","user_id":"u","key_alias":"bot"}`)
	if got["user_id"] != nil || path(got, "metadata.service_account_id") != "bot" {
		t.Errorf("%v %v", got["user_id"], got["metadata"])
	}
}

func TestSoftBudgetMakesABudget(t *testing.T) {
	w := newWorld(t)
	got := w.admin("POST", "/key/generate", `{"soft_budget":2.5,"budget_limits":[{"budget_duration":"1h","max_budget":1},{"budget_duration":"1d","max_budget":"5"}]}`)
	if path(got, "litellm_budget_table.soft_budget") != 2.5 || path(got, "litellm_budget_table.budget_id") != got["budget_id"] || got["budget_id"] == nil {
		t.Errorf("%v", got)
	}
	if limits := fmt.Sprint(got["budget_limits"]); limits != "[map[budget_duration:1h max_budget:1 reset_at:2026-11-25T11:00:00Z] map[budget_duration:1d max_budget:5 reset_at:2026-11-26T00:00:00Z]]" {
		t.Errorf("budget_limits %s", limits)
	}
}
