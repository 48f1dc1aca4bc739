package admin_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
)

// An update changes what it names and nothing else (BerriAI/litellm #2091, #41088).
func TestUpdateChangesOnlyWhatItNames(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t1"}`)
	key := w.key(map[string]any{
		"models": []string{"a"}, "max_budget": 10, "tpm_limit": 5, "metadata": map[string]any{"x": 1}, "tags": []string{"t"}, "budget_duration": "1d", "duration": "10d",
	})
	before := w.info(key)
	w.now = w.now.Add(time.Hour)
	steps := []struct {
		body map[string]any
		want map[string]any // paths that differ afterwards
	}{
		{map[string]any{"team_id": "t1"}, map[string]any{"team_id": "t1"}},
		{map[string]any{"max_budget": nil, "models": nil, "metadata": nil}, map[string]any{}},
		{map[string]any{"metadata": map[string]any{"y": 2}}, map[string]any{"metadata": map[string]any{"y": 2.0, "tags": []any{"t"}}}},
		{map[string]any{"tags": []string{}}, map[string]any{"metadata": map[string]any{"y": 2.0}}},
		{map[string]any{"duration": "-1"}, map[string]any{"expires": nil}},
		{map[string]any{"max_budget": 0}, map[string]any{"max_budget": 0.0}},
		{map[string]any{"budget_duration": "1d"}, map[string]any{}}, // an echo does not move the reset
		{map[string]any{"budget_duration": "1h"}, map[string]any{"budget_duration": "1h", "budget_reset_at": "2026-11-25T12:00:00Z"}},
		{map[string]any{"models": []string{}}, map[string]any{"models": []any{}}},
	}
	for _, s := range steps {
		s.body["key"] = key
		r := w.admin("POST", "/key/update", s.body)
		if r["key"] != key {
			t.Errorf("key %v", r["key"])
		}
		after := w.info(key)
		want := maps.Clone(before)
		maps.Copy(want, s.want)
		for name := range want {
			if name != "updated_at" && fmt.Sprint(after[name]) != fmt.Sprint(want[name]) {
				t.Errorf("%v: %s = %v, want %v", s.body, name, after[name], want[name])
			}
		}
		before = after
	}
	w.call(w.master, "POST", "/key/update", `{"key":"sk-nobody"}`).refused(404, "Team not found, passed team_id=None")
	w.call(w.master, "POST", "/key/update", map[string]any{"key": key, "max_budget": -3}).refused(400, "max_budget cannot be negative. Received: -3.0")
	w.call(w.master, "POST", "/key/update", `{}`).refused(422, "key: Field required")
}

// Terraform reads an object and sends all of it back: nothing changes, whoever sends it (BerriAI/litellm #33277, #27005).
func TestEchoIsNoChange(t *testing.T) {
	w := newWorld(t)
	owner := w.person("u", account.InternalUser)
	key := w.key(map[string]any{
		"user_id": "u", "models": []string{"a"}, "allowed_routes": []string{"/*"}, "max_budget": 10, "tags": []string{"t"}, "tpm_limit": 5,
		"budget_duration": "30d", "access_group_ids": []string{}, "guardrails": []string{}, "model_max_budget": map[string]any{"a": map[string]any{"max_budget": 1, "budget_duration": "1d"}},
	})
	w.settings = &admin.Settings{UpperBound: admin.KeyBounds{MaxBudget: "5"}} // was set later than the key
	before := w.info(key)
	echo := maps.Clone(before)
	echo["key"] = key
	delete(echo, "expires")
	for _, who := range []string{owner, w.master} {
		w.call(who, "POST", "/key/update", echo).ok()
		if after := w.info(key); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("after an echo: %v\nbefore: %v", after, before)
		}
	}
	echo["allowed_routes"] = []string{"/key/*"}
	w.call(owner, "POST", "/key/update", echo).ok() // narrower
	echo["tags"] = []string{"other"}
	w.call(owner, "POST", "/key/update", echo).refused(403, "You are not allowed to change tags")
}

func TestTemporaryIncrease(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"max_budget": 1})
	w.call(w.master, "POST", "/key/update", map[string]any{"key": key, "temp_budget_increase": 5}).
		refused(400, "temp_budget_increase and temp_budget_expiry must be set together")
	w.admin("POST", "/key/update", map[string]any{"key": key, "temp_budget_increase": 5, "temp_budget_expiry": "2026-12-01T00:00:00"})
	if m := w.info(key)["metadata"]; fmt.Sprint(m) != "map[temp_budget_expiry:2026-12-01T00:00:00Z temp_budget_increase:5]" {
		t.Errorf("metadata %v", m)
	}
}

func TestSpendIsTheCounters(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"max_budget": 10, "budget_duration": "1d"})
	scope := account.KeyScope(account.HashKey(key))
	w.spend(4*money.Dollar+1, scope)
	if got := w.call(w.master, "GET", "/key/info?key="+key, nil); !strings.Contains(string(got.Raw), `"spend":4.000000000001`) {
		t.Errorf("info: %s", got.Raw)
	}
	reset := "/key/" + key + "/reset_spend"
	w.call(w.master, "POST", reset, `{"reset_to":-1}`).refused(400, "reset_to must be >= 0")
	w.call(w.master, "POST", reset, `{"reset_to":5}`).refused(400, "reset_to (5.0) must be <= current spend (4.000000000001)")
	w.call(w.master, "POST", reset, `{}`).refused(422, "reset_to: Field required")
	w.call(w.master, "POST", "/key/sk-unknown-key-1234/reset_spend", `{"reset_to":0}`).refused(404, "Key sk-...1234 not found.")
	got := w.admin("POST", reset, `{"reset_to":1.5}`)
	if fmt.Sprint(got["key_hash"], got["spend"], got["previous_spend"], got["max_budget"], got["budget_reset_at"]) !=
		fmt.Sprint(account.HashKey(key), 1.5, 4.000000000001, 10, "2026-11-26T00:00:00Z") {
		t.Errorf("%v", got)
	}
	if w.info(key)["spend"] != 1.5 {
		t.Errorf("spend %v", w.info(key)["spend"])
	}
}

func TestRegenerate(t *testing.T) {
	w := newWorld(t)
	old := w.key(map[string]any{"models": []string{"a"}, "max_budget": 10, "key_alias": "mine", "budget_duration": "1d"})
	before := w.info(old)
	w.spend(3*money.Dollar, account.KeyScope(account.HashKey(old)))
	got := w.admin("POST", "/key/"+old+"/regenerate", `{"grace_period":"24h","max_budget":20}`)
	key, _ := got["key"].(string)
	if key == old || got["key_alias"] != "mine" || got["max_budget"] != 20.0 || got["spend"] != 3.0 || got["rotation_count"] != 1.0 || got["key_id"] != before["key_id"] {
		t.Errorf("%v", got)
	}
	if w.info(key)["spend"] != 3.0 {
		t.Errorf("spend %v", w.info(key)["spend"])
	}
	w.call(w.master, "GET", "/key/info?key="+old, nil).refused(404, "Key not found in database")
	w.call(old, "GET", "/key/info", nil).ok() // the old value still works
	next, _ := w.admin("POST", "/key/regenerate", map[string]any{"key": key, "new_key": "sk-chosen-by-me"})["key"].(string)
	if next != "sk-chosen-by-me" {
		t.Errorf("key %q", next)
	}
	w.call(key, "GET", "/key/info", nil).refused(401, "") // no grace: at once
	w.call(old, "GET", "/key/info", nil).ok()             // the first value's grace goes on, and leads to the newest key
	w.now = w.now.Add(25 * time.Hour)
	w.call(old, "GET", "/key/info", nil).refused(401, "")
	w.call(w.master, "POST", "/key/regenerate", `{"key":"sk-x","new_master_key":"sk-y"}`).refused(400, `"new_master_key" is not supported, because`)
	w.call(w.master, "POST", "/key/regenerate", `{"key":"sk-x"}`).refused(404, "Key not found in database")
}

func TestRotateDue(t *testing.T) {
	w := newWorld(t)
	w.settings = &admin.Settings{RotationGrace: "1h"}
	key := w.key(map[string]any{"auto_rotate": true, "rotation_interval": "30d", "key_alias": "rot"})
	if at := w.info(key)["key_rotation_at"]; at != "2026-12-25T10:00:00Z" {
		t.Errorf("key_rotation_at %v", at)
	}
	if done, err := w.api.RotateDue(t.Context(), w.now); err != nil || len(done) != 0 {
		t.Errorf("too early: %v %v", done, err)
	}
	w.now = w.now.AddDate(0, 0, 31)
	done, err := w.api.RotateDue(t.Context(), w.now)
	if err != nil || len(done) != 1 || done[0].OldHash != account.HashKey(key) || done[0].KeyAlias != "rot" {
		t.Fatalf("%v %v", done, err)
	}
	if got := w.info(done[0].NewHash); got["rotation_count"] != 1.0 || got["key_rotation_at"] != "2027-01-25T10:00:00Z" || got["updated_by"] != "litellm_internal_jobs" {
		t.Errorf("%v", got)
	}
	w.call(key, "GET", "/key/info", nil).ok()
	if again, err := w.api.RotateDue(t.Context(), w.now); err != nil || len(again) != 0 {
		t.Errorf("twice: %v %v", again, err)
	}
}

func TestDeleteKeys(t *testing.T) {
	w := newWorld(t)
	one, two := w.key(map[string]any{"key_alias": "one"}), w.key(map[string]any{"key_alias": "two"})
	w.call(w.master, "POST", "/key/delete", `{}`).refused(422, "At least one of 'keys' or 'key_aliases' must be provided.")
	w.call(w.master, "POST", "/key/delete", map[string]any{"keys": []string{one, "sk-none"}}).refused(404, "No keys found")
	w.info(one) // all or nothing
	got := w.admin("POST", "/key/delete", map[string]any{"keys": []string{one}})
	if fmt.Sprint(got["deleted_keys"]) != "["+one+"]" {
		t.Errorf("%v", got)
	}
	w.admin("POST", "/key/delete", map[string]any{"key_aliases": []string{"two"}})
	for _, key := range []string{one, two} {
		w.call(key, "GET", "/key/info", nil).refused(401, "")
	}
	gone := w.admin("GET", "/key/list?status=deleted&return_full_object=true&sort_by=key_alias&sort_order=asc", nil)
	if gone["total_count"] != 2.0 || path(gone["keys"].([]any)[0], "key_alias") != "one" {
		t.Errorf("%v", gone)
	}
	w.call(w.master, "GET", "/key/list?status=gone", nil).refused(400, "Invalid status value. Currently only 'deleted' is supported.")
	w.admin("POST", "/key/generate", map[string]any{"key": one, "key_alias": "one"}) // the value may be used again
}

func TestBlock(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{})
	if got := w.admin("POST", "/key/block", map[string]any{"key": key}); got["blocked"] != true || got["token"] != account.HashKey(key) {
		t.Errorf("%v", got)
	}
	w.call(key, "GET", "/key/info", nil).refused(401, "Key is blocked")
	if got := w.admin("POST", "/key/unblock", map[string]any{"key": account.HashKey(key)}); got["blocked"] != false {
		t.Errorf("%v", got)
	}
	w.call(w.master, "POST", "/key/block", `{"key":"nonsense"}`).refused(400, "Invalid key format.")
	w.call(w.master, "POST", "/key/block", map[string]any{"key": account.HashKey("x")}).refused(404, "Key "+account.HashKey("x")+" not found.")
}

func TestKeyInfo(t *testing.T) {
	w := newWorld(t)
	u := w.person("u", account.InternalUser)
	key, other := w.key(map[string]any{"user_id": "u"}), w.key(map[string]any{"user_id": "v"})
	if got := w.call(u, "GET", "/key/info", nil).ok(); path(got, "info.user_id") != "u" {
		t.Errorf("%v", got)
	}
	w.call(u, "GET", "/key/info?key="+key, nil).ok()
	w.call(u, "GET", "/key/info?key="+other, nil).refused(403, "You are not allowed to access this key's info. Your role=internal_user")
	e := w.call(w.master, "GET", "/key/info?key=sk-none", nil).refused(404, "Key not found in database")
	if e["type"] != "not_found_error" || e["param"] != "key" || e["code"] != "404" {
		t.Errorf("%v", e)
	}
	two := w.admin("POST", "/v2/key/info", map[string]any{"keys": []string{key, account.HashKey(other)}})
	if infos, _ := two["info"].([]any); len(infos) != 2 || path(infos[0], "token") == nil {
		t.Errorf("%v", two)
	}
	r := w.call(w.master, "POST", "/v2/key/info", `{}`)
	r.refused(422, "Malformed request. No keys passed in.")
	if path(r.object(), "detail.message") != "Malformed request. No keys passed in." {
		t.Errorf("%s", r.Raw)
	}
	if got := w.call(key, "POST", "/key/health", nil).ok(); got["key"] != "healthy" {
		t.Errorf("%v", got)
	}
}

func TestKeyList(t *testing.T) {
	w := newWorld(t)
	u, lead := w.person("u", account.InternalUser), w.person("lead", account.InternalUser)
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"admin","user_id":"lead"},{"role":"user","user_id":"u"}]}`)
	aliases := []string{}
	for i, f := range []map[string]any{{"user_id": "u"}, {"user_id": "u", "team_id": "t"}, {"team_id": "t"}, {"user_id": "v"}} {
		w.now = w.now.Add(time.Second)
		f["key_alias"] = fmt.Sprintf("k%d", i)
		w.key(f)
		aliases = append(aliases, f["key_alias"].(string))
	}
	w.put(&account.Key{Token: "brought", KeyAlias: "k4", ProjectID: "p", AgentID: "g", Stamps: account.Stamps{CreatedAt: w.now.Add(time.Second)}})
	aliases = append(aliases, "k4")
	// What a login to LiteLLM's admin pages leaves is no key that anybody manages.
	w.put(&account.Key{Token: "login", KeyAlias: "login", UserID: "u", TeamID: "litellm-dashboard", Stamps: account.Stamps{CreatedAt: w.now}})
	list := func(who, query string) string {
		t.Helper()
		got := w.call(who, "GET", "/key/list?return_full_object=true&size=100&sort_order=asc&"+query, nil).ok()
		names := []string{}
		for _, k := range got["keys"].([]any) {
			if name, ok := path(k, "key_alias").(string); ok {
				names = append(names, name)
			}
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct{ who, query, want string }{
		{w.master, "", strings.Join(aliases, " ")},
		{w.master, "user_id=u", "k0 k1"},
		{w.master, "team_id=t", "k1 k2"},
		{w.master, "project_id=p", "k4"},
		{w.master, "agent_id=g", "k4"},
		{w.master, "team_id=litellm-dashboard", "login"},
		{w.master, "key_alias=k2", "k2"},
		{w.master, "key_alias=K&substring_matching=true", strings.Join(aliases, " ")},
		{w.master, "sort_by=key_alias&user_id=", strings.Join(aliases, " ")},
		{u, "", "k0 k1"},
		{u, "user_id=u", "k0 k1"},
		{u, "team_id=t", "k1"},
		{lead, "team_id=t", "k1 k2"},
		{lead, "include_team_keys=true", "k1 k2"},
	} {
		if got := list(tt.who, tt.query); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.query, got, tt.want)
		}
	}
	w.call(u, "GET", "/key/list?user_id=v", nil).refused(403, "You are not authorized to check another user's keys")
	w.call(w.person("x", account.InternalUser), "GET", "/key/list?team_id=t", nil).refused(403, "You are not authorized to check this team's keys")
	w.call(u, "GET", "/key/list?organization_id=o", nil).refused(403, "You are not authorized to check this organization's keys")
	w.call(w.master, "GET", "/key/list?size=101", nil).refused(400, "")
	page := w.admin("GET", "/key/list?page=2&size=3", nil)
	if keys, _ := page["keys"].([]any); page["total_count"] != 8.0 || page["total_pages"] != 3.0 || page["current_page"] != 2.0 || len(keys) != 3 {
		t.Errorf("%v", page)
	} else if hash, ok := keys[0].(string); !ok || len(hash) != 64 {
		t.Errorf("not a hash: %v", keys[0])
	}
	if got := w.admin("GET", "/key/list?user_id=u&expand=user", nil); path(got["keys"].([]any)[0], "user.user_id") != "u" {
		t.Errorf("expand: %v", got)
	}
}

func TestBulkUpdate(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{})
	got := w.admin("POST", "/key/bulk_update", map[string]any{"keys": []any{
		map[string]any{"key": key, "max_budget": 9, "tags": []string{"x"}}, map[string]any{"key": "sk-none", "max_budget": 1}, map[string]any{"key": key, "team_id": "none"},
	}})
	done, _ := got["successful_updates"].([]any)
	failed, _ := got["failed_updates"].([]any)
	if got["total_requested"] != 3.0 || len(done) != 1 || len(failed) != 2 || path(done[0], "key_info.max_budget") != 9.0 || path(failed[1], "failed_reason") == nil {
		t.Errorf("%v", got)
	}
	w.call(w.person("u", account.InternalUser), "POST", "/key/bulk_update", `{"keys":[]}`).refused(403, "Only proxy admins can perform bulk key updates")
}

func TestGuaranteedThroughput(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t","rpm_limit":10,"model_tpm_limit":{"a":100}}`)
	promise := func(body string) *reply { return w.call(w.master, "POST", "/key/generate", body) }
	promise(`{"team_id":"t","rpm_limit":6,"rpm_limit_type":"guaranteed_throughput"}`).ok()
	promise(`{"team_id":"t","rpm_limit":9}`).ok() // not promised
	promise(`{"team_id":"t","rpm_limit":5,"rpm_limit_type":"guaranteed_throughput"}`).
		refused(400, "Allocated RPM limit=6 + Key RPM limit=5 is greater than team RPM limit=10")
	promise(`{"team_id":"t","rpm_limit":4,"rpm_limit_type":"guaranteed_throughput"}`).ok()
	promise(`{"team_id":"t","model_tpm_limit":{"a":101},"tpm_limit_type":"guaranteed_throughput"}`).refused(400, "for model=a")
}

func TestMoveToATeam(t *testing.T) {
	w := newWorld(t)
	w.put(&account.User{UserID: "u"})
	w.admin("POST", "/team/new", `{"team_id":"t","tpm_limit":10,"models":["a"]}`)
	w.admin("POST", "/team/new", `{"team_id":"open","members_with_roles":[{"role":"user","user_id":"u"}]}`)
	key := w.key(map[string]any{"tpm_limit": 11, "budget_duration": "1d", "max_budget": 5})
	w.call(w.master, "POST", "/key/update", map[string]any{"key": key, "team_id": "t"}).
		refused(403, "Key="+account.HashKey(key)+" has a tpm_limit=11 which is greater than the team's tpm_limit=10.")
	w.admin("POST", "/key/update", map[string]any{"key": key, "team_id": "t", "tpm_limit": 10})
	owned := w.key(map[string]any{"user_id": "u"})
	w.call(w.master, "POST", "/key/update", map[string]any{"key": owned, "team_id": "t"}).
		refused(403, "User=u is not a member of the team=t. Check team members via `/team/info`.")
	w.admin("POST", "/key/update", map[string]any{"key": owned, "team_id": "open"})
	// #32245: a key that moved to a team still resets.
	w.spend(money.Dollar, account.KeyScope(account.HashKey(key)))
	w.now = w.now.AddDate(0, 0, 1)
	if _, err := w.store.ResetDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.info(key); got["spend"] != 0.0 || got["budget_reset_at"] != "2026-11-27T00:00:00Z" {
		t.Errorf("spend %v, reset %v", got["spend"], got["budget_reset_at"])
	}
}

func TestAuditOfKeys(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"max_budget": 1})
	w.admin("POST", "/key/update", map[string]any{"key": key, "max_budget": 2})
	w.admin("POST", "/key/update", map[string]any{"key": key, "max_budget": 2}) // no change, no entry
	w.admin("POST", "/key/block", map[string]any{"key": key})
	w.admin("POST", "/key/"+key+"/regenerate", `{"new_key":"sk-another-one"}`)
	w.admin("POST", "/key/delete", `{"keys":["sk-another-one"]}`)
	var actions []string
	_, err := w.store.AuditLog(t.Context(), account.Filter{}, func(e account.AuditEntry) error {
		actions = append(actions, e.Action)
		if e.TableName != "LiteLLM_VerificationToken" || e.ChangedBy != "default_user_id" || strings.Contains(string(e.BeforeValue)+string(e.UpdatedValues), "sk-another") {
			t.Errorf("%+v", e)
		}
		var before, after map[string]any
		_ = json.Unmarshal(e.BeforeValue, &before)
		_ = json.Unmarshal(e.UpdatedValues, &after)
		if e.Action == "updated" && (before["max_budget"] != 1.0 || after["max_budget"] != 2.0) {
			t.Errorf("%s -> %s", e.BeforeValue, e.UpdatedValues)
		}
		return nil
	})
	slices.Sort(actions)
	if err != nil || strings.Join(actions, " ") != "blocked created deleted rotated updated" {
		t.Errorf("%v %v", actions, err)
	}
}

func TestNoDatabase(t *testing.T) {
	w := newWorld(t)
	w.api = admin.New(admin.Options{Settings: func() *admin.Settings { return w.settings }})
	w.serve()
	e := w.call(w.master, "POST", "/key/generate", `{}`).
		refused(500, "Connect Proxy to database to generate keys - https://docs.litellm.ai/docs/proxy/virtual_keys ")
	if e["type"] != "no_db_connection" {
		t.Errorf("%v", e)
	}
	w.call(w.master, "GET", "/team/list", nil).refused(500, "DB not connected")
	w.call(w.master, "POST", "/key/health", nil).ok()
}
