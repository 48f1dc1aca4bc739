package admin_test

import (
	"fmt"
	"maps"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/admin"
)

// bounding is a key that an admin has bound in every way.
func (w *world) bounding(more map[string]any) string {
	fields := map[string]any{
		"user_id": "u", "rpm_limit": 10, "tpm_limit": 20, "max_parallel_requests": 3, "duration": "1h", "max_budget": 5, "budget_duration": "30d", "soft_budget": 4,
		"budget_limits":    []any{map[string]any{"budget_duration": "1d", "max_budget": 1}},
		"model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1, "time_period": "1d"}}, "model_rpm_limit": map[string]int{"a": 2}, "model_tpm_limit": map[string]int{"a": 3},
		"tags": []string{"t"}, "guardrails": []string{"g"}, "metadata": map[string]any{"allow_client_tags": false},
	}
	maps.Copy(fields, more)
	return w.key(fields)
}

// bounds are what a key is bound by.
func boundsOf(info map[string]any) string {
	m, _ := info["metadata"].(map[string]any)
	return fmt.Sprint(info["rpm_limit"], info["tpm_limit"], info["max_parallel_requests"], info["expires"], info["max_budget"], info["budget_duration"], info["soft_budget"],
		info["budget_limits"], info["model_max_budget"], m["model_rpm_limit"], m["model_tpm_limit"], m["tags"], m["guardrails"], m["allow_client_tags"])
}

// A key that acts for its user gives its siblings what it is bound by itself, and never more.
func TestSiblingsAreBoundAlike(t *testing.T) {
	w := newWorld(t)
	w.settings = &admin.Settings{Guardrails: []string{"g"}}
	w.put(&account.User{UserID: "u", UserRole: account.InternalUser, Spending: account.Spending{MaxBudget: "50"}}, &account.Budget{BudgetID: "tier", Spending: account.Spending{MaxBudget: "3"}})
	own := w.bounding(nil)
	made := func(caller string, fields map[string]any) map[string]any {
		t.Helper()
		return w.info(w.call(caller, "POST", "/key/generate", fields).ok()["key"].(string))
	}
	if got, want := boundsOf(made(own, map[string]any{})), boundsOf(w.info(own)); got != want {
		t.Errorf("a sibling of a key\n%s has\n%s", want, got)
	}
	// What it asks for may be narrower.
	got := made(own, map[string]any{"rpm_limit": 1, "duration": "1m", "max_budget": 1, "tags": []string{"x"}, "model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1}, "b": map[string]any{"budget_limit": 2}},
		"budget_limits": []any{map[string]any{"budget_duration": "1d", "max_budget": 0.5}, map[string]any{"budget_duration": "1h", "max_budget": 0.1}}, "model_rpm_limit": map[string]int{"a": 1}})
	if s := fields(got["rpm_limit"], got["expires"], got["max_budget"], path(got, "metadata.tags"), path(got, "metadata.model_rpm_limit.a"), len(got["budget_limits"].([]any)),
		len(got["model_max_budget"].(map[string]any))); s != "1 2026-11-25T10:01:00Z 1 [x t] 1 2 2" {
		t.Errorf("a narrower sibling: %s", s)
	}
	for field, v := range map[string]any{
		"rpm_limit": 11, "tpm_limit": 21, "max_parallel_requests": 4, "duration": "2h", "max_budget": 6, "budget_duration": "1d", "soft_budget": 5,
		"budget_limits":    []any{map[string]any{"budget_duration": "1h", "max_budget": 1}},
		"model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1, "time_period": "1h"}}, "model_rpm_limit": map[string]int{"a": 3}, "model_tpm_limit": map[string]int{"b": 3},
	} {
		e := w.call(own, "POST", "/key/generate", map[string]any{field: v}).refused(403, "the key that you call with")
		if e["param"] != field {
			t.Errorf("%s: param %v", field, e["param"])
		}
	}
	w.call(own, "POST", "/key/generate", `{"metadata":{"allow_client_tags":true}}`).refused(403, "allow_client_tags")

	// The budget that a key counts on is its siblings', too, each for itself.
	tiered := w.key(map[string]any{"user_id": "u", "budget_id": "tier"})
	if got := made(tiered, map[string]any{}); got["budget_id"] != "tier" {
		t.Errorf("budget %v", got["budget_id"])
	}
	// A login to admin pages bounds nobody: it is short-lived by itself.
	w.put(&account.Key{Token: account.HashKey("sk-login-0123456789"), KeyID: "login", UserID: "u", TeamID: "litellm-dashboard", Expires: ptr(w.now.AddDate(0, 0, 1)), Spending: account.Spending{MaxBudget: "0.25"}})
	if got := made("sk-login-0123456789", map[string]any{"max_budget": 2}); got["expires"] != nil || got["max_budget"] != 2.0 {
		t.Errorf("of a login: %v", got)
	}
}

func ptr[T any](v T) *T { return &v }

// A key with a budget makes others only where something bounds what they spend together.
func TestBudgetsDoNotMultiply(t *testing.T) {
	w := newWorld(t)
	w.put(&account.User{UserID: "u", UserRole: account.InternalUser}, &account.Budget{BudgetID: "tier", Spending: account.Spending{MaxBudget: "3"}},
		&account.Team{TeamID: "open", TeamMemberPermissions: []string{"/key/generate"}, MembersWithRoles: []account.Member{{UserID: "u", Role: account.MemberUser}}},
		&account.Team{TeamID: "bound", Spending: account.Spending{MaxBudget: "9"}, TeamMemberPermissions: []string{"/key/generate"}, MembersWithRoles: []account.Member{{UserID: "u", Role: account.MemberUser}}})
	for _, fields := range []map[string]any{{"max_budget": 1}, {"budget_id": "tier"}, {"budget_limits": []any{map[string]any{"budget_duration": "1d", "max_budget": 1}}}} {
		fields["user_id"] = "u"
		key := w.key(fields)
		w.call(key, "POST", "/key/generate", `{}`).refused(403, "has a budget of its own")
		w.call(key, "POST", "/key/generate", `{"team_id":"open"}`).refused(403, "has a budget of its own")
		w.call(key, "POST", "/key/generate", `{"team_id":"bound"}`).ok()
	}
	w.call(w.key(map[string]any{"user_id": "u"}), "POST", "/key/generate", `{"max_budget":1}`).ok()
}

// A key that somebody else has made for its user may be narrowed by it and not widened: by itself, or by another of the user's.
func TestGivenKeysAreNotWidened(t *testing.T) {
	w := newWorld(t)
	w.settings = &admin.Settings{Guardrails: []string{"g"}}
	other := w.person("u", account.InternalUser)
	key := w.bounding(map[string]any{"models": []string{"a"}, "allowed_routes": []string{"llm_api_routes", "key_management_routes"}})
	wider := map[string]any{
		"rpm_limit": 100000, "tpm_limit": 100000, "max_parallel_requests": 100, "duration": "3650d", "max_budget": 100, "budget_duration": "1h", "soft_budget": 100, "budget_limits": []any{},
		"model_max_budget": map[string]any{}, "model_rpm_limit": map[string]any{}, "model_tpm_limit": map[string]any{}, "models": []string{}, "allowed_routes": []string{},
	}
	before := boundsOf(w.info(key))
	for field, v := range wider {
		for _, caller := range []string{key, other} {
			e := w.call(caller, "POST", "/key/update", map[string]any{"key": key, field: v}).refused(403, "")
			if e["param"] != field {
				t.Errorf("%s: param %v", field, e["param"])
			}
			w.call(caller, "POST", "/key/"+key+"/regenerate", map[string]any{field: v}).refused(403, "")
		}
	}
	for _, field := range []string{"rpm_limit", "tpm_limit", "max_parallel_requests", "duration", "max_budget", "soft_budget", "budget_limits", "model_max_budget"} {
		w.call(other, "POST", "/key/update", map[string]any{"key": key, "unset": []string{field}}).refused(403, field)
	}
	if after := boundsOf(w.info(key)); after != before {
		t.Errorf("refused, and changed:\n%s\n%s", before, after)
	}
	w.call(other, "POST", "/key/update", map[string]any{"key": key, "rpm_limit": 5, "duration": "30m", "max_budget": 2, "allowed_routes": []string{"llm_api_routes"}}).ok()

	mine := w.call(other, "POST", "/key/generate", `{"rpm_limit":1,"duration":"1h"}`).ok()["key"]
	w.call(other, "POST", "/key/update", map[string]any{"key": mine, "rpm_limit": 100, "duration": "3650d"}).ok()
}

// What bounds a user or a team bounds each window, model budget and model limit of its keys, too.
func TestBoundsOfParts(t *testing.T) {
	w := newWorld(t)
	w.put(&account.User{UserID: "u", UserRole: account.InternalUser, Spending: account.Spending{MaxBudget: "5"}, Limits: account.Limits{RPMLimit: ptr(int64(10)), TPMLimit: ptr(int64(10))}})
	user := w.key(map[string]any{"user_id": "u"})
	for field, v := range map[string]any{
		"budget_limits": []any{map[string]any{"budget_duration": "1d", "max_budget": 100000}}, "model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1e6}},
		"model_rpm_limit": map[string]int{"a": 1000000}, "model_tpm_limit": map[string]int{"a": 11},
	} {
		e := w.call(user, "POST", "/key/generate", map[string]any{field: v}).refused(403, "of the user")
		if e["param"] != field {
			t.Errorf("%s: param %v", field, e["param"])
		}
	}
	w.call(user, "POST", "/key/generate", `{"metadata":{"model_rpm_limit":{"a":1000000}}}`).refused(403, "of the user")
	w.call(user, "POST", "/key/generate", `{"budget_limits":[{"budget_duration":"1d","max_budget":5}],"model_rpm_limit":{"a":10}}`).ok()
}
