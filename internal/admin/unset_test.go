package admin_test

import (
	"fmt"
	"testing"

	"tollgate/internal/account"
)

// Null leaves a field, as LiteLLM has it; unset takes it away.
func TestUnset(t *testing.T) {
	w := newWorld(t)
	fields := map[string]any{
		"max_budget": 5, "budget_duration": "1d", "rpm_limit": 1, "tpm_limit": 2, "max_parallel_requests": 3, "soft_budget": 2,
		"model_max_budget": map[string]any{"a": map[string]any{"budget_limit": 1, "time_period": "1d"}},
	}
	shared := []any{"max_budget", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests", "soft_budget", "model_max_budget"}
	windows := []any{map[string]any{"budget_duration": "1h", "max_budget": 1}}
	with := func(more map[string]any) map[string]any {
		body := map[string]any{}
		for _, m := range []map[string]any{fields, more} {
			for name, v := range m {
				body[name] = v
			}
		}
		return body
	}
	key := w.key(with(map[string]any{"budget_limits": windows, "duration": "1h"}))
	w.admin("POST", "/team/new", with(map[string]any{"team_id": "t", "budget_limits": windows}))
	w.admin("POST", "/user/new", with(map[string]any{"user_id": "u"}))
	for _, o := range []struct {
		method, path, id, name string
		unset                  []any
		info                   func() map[string]any
	}{
		{"POST", "/key/update", "key", key, append([]any{"budget_limits", "duration"}, shared...), func() map[string]any { return w.info(key) }},
		{"PATCH", "/team/t", "x", "", nil, nil},
		{"POST", "/team/update", "team_id", "t", append([]any{"budget_limits"}, shared...), func() map[string]any {
			return w.admin("GET", "/team/info?team_id=t", nil)["team_info"].(map[string]any)
		}},
		{"POST", "/user/update", "user_id", "u", shared, func() map[string]any {
			return w.admin("GET", "/user/info?user_id=u", nil)["user_info"].(map[string]any)
		}},
	} {
		if o.info == nil {
			w.call(w.master, o.method, o.path, `{"unset":["rpm_limit"]}`).ok()
			continue
		}
		for _, name := range o.unset {
			column := name.(string)
			if column == "duration" {
				column = "expires"
			}
			if column != "rpm_limit" && isNone(o.info()[column]) {
				t.Errorf("%s has no %s to begin with", o.path, column)
			}
			body := map[string]any{o.id: o.name, name.(string): nil}
			if w.call(w.master, o.method, o.path, body).ok(); column != "rpm_limit" && isNone(o.info()[column]) {
				t.Errorf("%s: null has taken %s away", o.path, column)
			}
			w.call(w.master, o.method, o.path, map[string]any{o.id: o.name, "unset": []any{name}}).ok()
			if got := o.info()[column]; !isNone(got) {
				t.Errorf("%s: %s is still %v", o.path, column, got)
			}
		}
		w.call(w.master, o.method, o.path, map[string]any{o.id: o.name, "unset": []any{"user_id"}}).refused(400, `unset: "user_id" is no field that can be taken away. Those are ['budget_duration', `)
		w.call(w.master, o.method, o.path, map[string]any{o.id: o.name, "unset": []any{"rpm_limit"}, "rpm_limit": 4}).refused(400, `unset: the request sets "rpm_limit", too.`)
	}
	// The counter runs on without a period.
	counters, err := w.store.Spend(t.Context(), account.KeyScope(account.HashKey(key)))
	if c := counters[account.KeyScope(account.HashKey(key))]; err != nil || c.Duration != "" {
		t.Errorf("%v %v", c, err)
	}
}

func isNone(v any) bool { s := fmt.Sprint(v); return s == "<nil>" || s == "[]" || s == "map[]" }

// Whose right it is to write a field is who may take it away.
func TestUnsetRights(t *testing.T) {
	w := newWorld(t)
	owner := w.person("u", account.InternalUser, func(u *account.User) { u.MaxBudget = "5" })
	w.call(owner, "POST", "/user/update", `{"user_id":"u","unset":["max_budget"]}`).refused(403, "You are not allowed to change max_budget")
	key := w.key(map[string]any{"user_id": "u", "budget_id": nil, "max_budget": 1})
	w.call(owner, "POST", "/key/update", map[string]any{"key": key, "unset": []string{"max_budget"}}).refused(403, "max_budget cannot be taken away or be wider than that of the key as it was made for you")
	own := w.call(owner, "POST", "/key/generate", `{"max_budget":1}`).ok()["key"]
	w.call(owner, "POST", "/key/update", map[string]any{"key": own, "unset": []string{"max_budget"}}).ok()
}
