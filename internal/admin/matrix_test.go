package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/account"
)

var update = flag.Bool("update", false, "write the golden files")

// The matrix: every role writes every field of every object. What may change is in testdata/matrix.golden, a grid that is meant to
// be read: w is written, - is refused. The test holds besides that a refused call changes nothing at all, and that an accepted
// one changes what it names alone (CVE-2026-47101, CVE-2026-47102).

// matrixRoles are the callers, in the order of the grid's columns.
var matrixRoles = []string{"admin", "viewer", "org admin", "team admin", "grantee", "member", "owner", "stranger", "userviewer", "keyonly"}

// matrixWorld is an organisation with a team, a grantee whom another team of it lets manage keys, and one key of each kind.
type matrixWorld struct {
	*world
	keys    map[string]string // by role
	objects map[string]account.Object
}

func newMatrixWorld(t *testing.T) *matrixWorld {
	w := &matrixWorld{world: newWorld(t), keys: map[string]string{}, objects: map[string]account.Object{}}
	w.settings.Guardrails = []string{"g"}
	w.put(&account.Budget{BudgetID: "org-budget"}, &account.Budget{BudgetID: "other-budget"}, &account.AccessGroup{AccessGroupID: "ag"},
		&account.Organization{OrganizationID: "org", BudgetID: "org-budget"}, &account.Organization{OrganizationID: "org2"})
	for role, r := range map[string]account.Role{
		"admin": account.ProxyAdmin, "viewer": account.ProxyAdminViewer, "org admin": account.InternalUser, "team admin": account.InternalUser, "grantee": account.InternalUser,
		"member": account.InternalUser, "owner": account.InternalUser, "stranger": account.InternalUser, "userviewer": account.InternalUserViewer,
	} {
		w.keys[role] = w.person(role, r)
	}
	for _, org := range []string{"org", "org2"} {
		w.put(&account.OrgMember{UserID: "org admin", OrganizationID: org, UserRole: account.OrgAdmin})
	}
	all := []string{"/key/generate", "/key/update", "/key/delete", "/key/regenerate", "/key/service-account/generate", "/key/{key_id}/regenerate", "/key/block",
		"/key/unblock", "/key/{key_id}/reset_spend", "/key/info", "/key/list"}
	member := func(id string) account.Member { return account.Member{Role: account.MemberUser, UserID: id} }
	lead := account.Member{Role: account.MemberAdmin, UserID: "team admin"}
	w.put(
		&account.Team{TeamID: "team", OrganizationID: "org", AccessGroupIDs: []string{"ag"}, MembersWithRoles: []account.Member{lead, member("member"), member("userviewer")}},
		&account.Team{TeamID: "granting", OrganizationID: "org", AccessGroupIDs: []string{"ag"}, TeamMemberPermissions: all, MembersWithRoles: []account.Member{lead, member("grantee")}},
		&account.Team{TeamID: "team2", OrganizationID: "org", MembersWithRoles: []account.Member{lead, member("member"), member("grantee"), member("owner")}},
	)
	w.objects["personal key"] = w.held(&account.Key{KeyID: "p", UserID: "owner", Models: []string{"b"}})
	w.objects["team key"] = w.held(&account.Key{KeyID: "t", TeamID: "team", UserID: "member", Models: []string{"b"}, AllowedRoutes: []string{"llm_api_routes"}})
	w.objects["granted key"] = w.held(&account.Key{KeyID: "g", TeamID: "granting", Models: []string{"b"}})
	var team account.Team
	if err := w.store.Get(t.Context(), "team", &team); err != nil {
		t.Fatal(err)
	}
	w.objects["team"] = &team
	keyless := w.held(&account.Key{KeyID: "k", Models: []string{"b"}})
	w.keys["keyonly"] = rawKeys[keyless.Token]
	w.objects["own key without user"] = keyless
	viewers := w.held(&account.Key{KeyID: "v", UserID: "userviewer"})
	w.objects["own key of viewer"] = viewers
	return w
}

// rawKeys are the values of the keys that held has stored, by their hashes.
var rawKeys = map[string]string{}

func (w *matrixWorld) held(k *account.Key) *account.Key {
	raw := "sk-matrix-" + k.KeyID + "-" + w.master[3:]
	k.Token, k.KeyName = account.HashKey(raw), "sk-..."+raw[len(raw)-4:]
	rawKeys[k.Token] = raw
	w.put(k)
	return k
}

// matrixFields are values that differ from what the objects have, and that nothing but the caller's rights refuses.
var matrixFields = map[string]any{
	"key_alias": "alias", "duration": "1h", "models": []string{"a"}, "aliases": map[string]string{"x": "a"}, "spend": 1, "max_budget": 7, "soft_budget": 3,
	"budget_duration": "1d", "budget_limits": []any{map[string]any{"budget_duration": "1h", "max_budget": 1}},
	"model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1, "time_period": "1d"}}, "budget_id": "other-budget", "organization_id": "org2",
	"max_parallel_requests": 3, "tpm_limit": 4, "rpm_limit": 5, "model_tpm_limit": map[string]int{"a": 1},
	"model_rpm_limit": map[string]int{"a": 1}, "tpm_limit_type": "guaranteed_throughput", "rpm_limit_type": "guaranteed_throughput", "blocked": true,
	"metadata": map[string]any{"own": "x"}, "tags": []string{"t"}, "guardrails": []string{"g"}, "metadata.allow_client_tags": false, "metadata.service_account_id": "sa",
	"allowed_routes": []string{"openai_routes"}, "metadata.temp_budget_increase": 100,
	"allowed_routes ": []string{"/*"}, "allowed_cache_controls": []string{"no-cache"}, "access_group_ids": []string{"ag"},
	"rotation_interval": "30d", "enforced_params": []string{"user"}, "user_id": "team admin", "team_id": "team2",
}

var matrixTeamFields = map[string]any{
	"team_alias": "alias", "team_member_permissions": []string{"/key/info", "/key/list"}, "default_team_member_models": []string{"a"}, "model_aliases": map[string]string{"x": "a"},
	"team_member_budget": 3, "team_member_key_duration": "1h", "metadata.team_member_budget_id": "other-budget", "access_group_ids": []string{},
}

// setField puts a value under a name, which may be in metadata. A name may end in blanks to stand twice in the grid.
func setField(body map[string]any, name string, v any) map[string]any {
	body = maps.Clone(body)
	name = strings.TrimSpace(name)
	if inner, ok := strings.CutPrefix(name, "metadata."); ok {
		body["metadata"] = map[string]any{inner: v}
	} else {
		body[name] = v
	}
	return body
}

// state is an object as it is stored, and what hangs on it.
func (w *matrixWorld) state(o account.Object) string {
	var doc any
	var fresh account.Object = &account.Key{}
	scope := account.KeyScope(o.ObjectID())
	if o.Kind() == account.Teams {
		fresh, scope = &account.Team{}, account.TeamScope(o.ObjectID())
	}
	if err := w.store.Get(w.t.Context(), o.ObjectID(), fresh); err != nil {
		return err.Error()
	}
	doc = fresh
	spent, err := w.store.Spend(w.t.Context(), scope)
	if err != nil {
		w.t.Fatal(err)
	}
	text, _ := json.Marshal([]any{doc, spent[scope].Spent})
	return string(text)
}

// restore puts an object back as it was.
func (w *matrixWorld) restore(o account.Object) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx account.Tx) error {
		if err := tx.Delete(w.t.Context(), o.Kind(), o.ObjectID()); err != nil && !errors.Is(err, account.ErrNotFound) {
			return err
		}
		if o.Kind() == account.Keys {
			if err := tx.SetSpent(w.t.Context(), account.KeyScope(o.ObjectID()), 0); err != nil {
				return err
			}
		}
		return tx.Insert(w.t.Context(), o)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// sideEffects are columns that change with a field, beside its own.
var sideEffects = map[string][]string{
	"budget_duration": {"budget_reset_at"}, "duration": {"expires"}, "soft_budget": {"budget_id"},
	"team_member_budget": {"metadata"}, "team_member_key_duration": {"metadata"}, "tags": {"metadata"}, "guardrails": {"metadata"}, "model_tpm_limit": {"metadata"},
	"model_rpm_limit": {"metadata"}, "enforced_params": {"metadata"}, "tpm_limit_type": {"metadata"}, "rpm_limit_type": {"metadata"},
}

// onlyNamed fails when a change has touched a column that the field does not write.
func (w *matrixWorld) onlyNamed(before, after, field string) {
	w.t.Helper()
	var was, is []json.RawMessage
	_ = json.Unmarshal([]byte(before), &was)
	_ = json.Unmarshal([]byte(after), &is)
	var old, doc map[string]json.RawMessage
	_ = json.Unmarshal(was[0], &old)
	_ = json.Unmarshal(is[0], &doc)
	name, _, _ := strings.Cut(strings.TrimSpace(field), ".")
	allowed := append([]string{name, "updated_at", "updated_by", "created_at", "created_by"}, sideEffects[name]...)
	for column, raw := range doc {
		if !slices.Contains(allowed, column) && !bytes.Equal(raw, old[column]) {
			w.t.Errorf("writing %s has changed %s: %s -> %s", field, column, old[column], raw)
		}
	}
}

// grid is one table of the golden file.
func (w *matrixWorld) grid(title string, fields map[string]any, try func(role, field string, v any) bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s", title)
	for _, role := range matrixRoles {
		fmt.Fprintf(&b, " %-10s", role)
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		name := field
		if strings.HasSuffix(field, " ") {
			name = strings.TrimSpace(field) + " /*"
		}
		fmt.Fprintf(&b, "\n%-34s", name)
		for _, role := range matrixRoles {
			mark := "-"
			if try(role, field, fields[field]) {
				mark = "w"
			}
			fmt.Fprintf(&b, " %-10s", mark)
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n\n"
}

// updates is the grid of the fields of one object.
func (w *matrixWorld) updates(title, path, id string, fields map[string]any, o account.Object) string {
	return w.grid(title, fields, func(role, field string, v any) bool {
		before := w.state(o)
		r := w.call(w.keys[role], "POST", path, setField(map[string]any{id: o.ObjectID()}, field, v))
		after := w.state(o)
		switch {
		case r.Status == 200 && before == after:
			w.t.Errorf("%s: %s by %s: 200, and nothing has changed: %s", title, field, role, r.Raw)
		case r.Status == 200:
			w.onlyNamed(before, after, field)
		case r.Status != 401 && r.Status != 403:
			w.t.Errorf("%s: %s by %s: %d %s", title, field, role, r.Status, r.Raw)
		case before != after:
			w.t.Errorf("%s: %s by %s: %d, and changed to %s", title, field, role, r.Status, after)
		}
		w.restore(o)
		return r.Status == 200
	})
}

// creations is the grid of the fields of new keys.
func (w *matrixWorld) creations(title string, base, fields map[string]any) string {
	return w.grid(title, fields, func(role, field string, v any) bool {
		count := func() int {
			n := 0
			if _, err := w.store.Find(w.t.Context(), account.Keys, account.Filter{}, func([]byte) error { n++; return nil }); err != nil {
				w.t.Fatal(err)
			}
			return n
		}
		before := count()
		r := w.call(w.keys[role], "POST", "/key/generate", setField(base, field, v))
		if r.Status != 200 {
			if count() != before {
				w.t.Errorf("%s: %s by %s: %d, and a key was made", title, field, role, r.Status)
			}
			return false
		}
		if err := w.store.Update(w.t.Context(), func(tx account.Tx) error {
			token, _ := r.object()["token"].(string)
			return tx.Delete(w.t.Context(), account.Keys, token)
		}); err != nil {
			w.t.Fatal(err)
		}
		return true
	})
}

// actions is the grid of what is done to an object as a whole.
func (w *matrixWorld) actions(title string, o account.Object, calls map[string]func() (path string, body any)) string {
	fields := map[string]any{}
	for name := range calls {
		fields[name] = nil
	}
	return w.grid(title, fields, func(role, field string, _ any) bool {
		path, body := calls[field]()
		before := w.state(o)
		method := "POST"
		if body == nil {
			method = "GET"
		}
		r := w.call(w.keys[role], method, path, body)
		if r.Status != 200 && before != w.state(o) {
			w.t.Errorf("%s: %s by %s: %d, and changed", title, field, role, r.Status)
		}
		if r.Status != 200 && r.Status != 401 && r.Status != 403 {
			w.t.Errorf("%s: %s by %s: %d %s", title, field, role, r.Status, r.Raw)
		}
		w.restore(o)
		return r.Status == 200
	})
}

func keyActions(o account.Object) map[string]func() (string, any) {
	key := o.ObjectID()
	return map[string]func() (string, any){
		"delete":      func() (string, any) { return "/key/delete", map[string]any{"keys": []string{key}} },
		"block":       func() (string, any) { return "/key/block", map[string]any{"key": key} },
		"unblock":     func() (string, any) { return "/key/unblock", map[string]any{"key": key} },
		"regenerate":  func() (string, any) { return "/key/" + key + "/regenerate", map[string]any{} },
		"reset_spend": func() (string, any) { return "/key/" + key + "/reset_spend", map[string]any{"reset_to": 0} },
		"bulk_update": func() (string, any) {
			return "/key/bulk_update", map[string]any{"keys": []any{map[string]any{"key": key, "max_budget": 1}}}
		},
		"info": func() (string, any) { return "/key/info?key=" + key, nil },
	}
}

func TestMatrix(t *testing.T) {
	w := newMatrixWorld(t)
	var b strings.Builder
	for _, name := range []string{"personal key", "team key", "granted key", "own key without user", "own key of viewer"} {
		o := w.objects[name]
		b.WriteString(w.updates(name+": update", "/key/update", "key", matrixFields, o))
		b.WriteString(w.actions(name+": actions", o, keyActions(o)))
	}
	fields := maps.Clone(matrixFields)
	maps.Copy(fields, matrixTeamFields)
	for _, only := range []string{"key_alias", "duration", "aliases", "spend", "budget_id", "allowed_routes", "allowed_routes ", "allowed_cache_controls",
		"rotation_interval", "enforced_params", "user_id", "team_id", "metadata.service_account_id", "metadata.temp_budget_increase"} {
		delete(fields, only)
	}
	team := w.objects["team"]
	b.WriteString(w.updates("team: update", "/team/update", "team_id", fields, team))
	id := team.ObjectID()
	b.WriteString(w.actions("team: actions", team, map[string]func() (string, any){
		"block":   func() (string, any) { return "/team/block", map[string]any{"team_id": id} },
		"unblock": func() (string, any) { return "/team/unblock", map[string]any{"team_id": id} },
		"member_update": func() (string, any) {
			return "/team/member_update", map[string]any{"team_id": id, "user_id": "member", "role": "admin"}
		},
		"permissions_update": func() (string, any) {
			return "/team/permissions_update", map[string]any{"team_id": id, "team_member_permissions": []string{"/key/list"}}
		},
		"model/add": func() (string, any) { return "/team/model/add", map[string]any{"team_id": id, "models": []string{"a"}} },
		"model/delete": func() (string, any) {
			return "/team/model/delete", map[string]any{"team_id": id, "models": []string{"a"}}
		},
		"disable_logging": func() (string, any) { return "/team/team/disable_logging", map[string]any{} },
		"reset_spend":     func() (string, any) { return "/team/team/member/member/reset_spend", map[string]any{"reset_to": 0} },
		"info":            func() (string, any) { return "/team/info?team_id=" + id, nil },
	}))
	create := maps.Clone(matrixFields)
	delete(create, "team_id")
	delete(create, "metadata.temp_budget_increase")
	b.WriteString(w.creations("personal key: create", map[string]any{}, create))
	b.WriteString(w.creations("team key: create", map[string]any{"team_id": "team"}, create))
	b.WriteString(w.creations("granted key: create", map[string]any{"team_id": "granting"}, create))
	golden(t, "matrix.golden", b.String())
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || was[i] != is[i] {
			t.Errorf("%s, line %d and on:\nwant %s\ngot  %s", name, i+1, strings.Join(was[min(i, len(was)):min(i+3, len(was))], "\n"), strings.Join(is[min(i, len(is)):min(i+3, len(is))], "\n"))
			return
		}
	}
}
