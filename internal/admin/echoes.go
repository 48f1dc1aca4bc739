package admin

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// This file lets clients that read an object and send all of it back (Terraform) do so. Columns that nobody writes are no unknown
// fields: as they are they say nothing, and otherwise the caller is told that they cannot be written.

// derived are members of replies that change by themselves, or that stand for something beside the object.
var derived = []string{
	"spend", "model_spend", "total_spend", "updated_at", "updated_by", "last_active", "budget_reset_at", "soft_budget_cooldown", "litellm_budget_table", "object_permission", "token_id",
	"litellm_model_table", "model_id", "keys", "team_memberships", "team_member_budget_table", "allow_team_guardrail_config", "user", "teams", "key_count", "team_info", "litellm_organization_table",
}

// columns are what replies show of objects of a kind.
func columns(o account.Object) []string {
	return append(slices.Collect(maps.Keys(split(document(o)))), derived...)
}

func (keyUpdateRequest) shown() []string  { return columns(&account.Key{}) }
func (teamUpdateRequest) shown() []string { return columns(&account.Team{}) }
func (teamPatchRequest) shown() []string  { return columns(&account.Team{}) }
func (userUpdateRequest) shown() []string { return columns(&account.User{}) }
func (budgetRequest) shown() []string     { return columns(&account.Budget{}) }
func (customerFields) shown() []string    { return columns(&account.Customer{}) }
func (tagFields) shown() []string         { return columns(&account.Tag{}) }

// takeEchoes takes those names out of the unknown ones that replies show, and keeps their values.
func (c *call) takeEchoes(request reflect.Value, unknown []string, body map[string]json.RawMessage) []string {
	c.echoes = map[string]json.RawMessage{}
	r, ok := request.Addr().Interface().(interface{ shown() []string })
	if !ok {
		return unknown
	}
	shown := r.shown()
	return slices.DeleteFunc(unknown, func(name string) bool {
		raw, inBody := body[name]
		if !inBody || !slices.Contains(shown, name) {
			return false
		}
		c.echoes[name] = raw
		return true
	})
}

// checkEchoes names the columns that a request sends otherwise than the object has them: in the header of ignored fields, or, where
// the operator is strict, as a refusal.
func (c *call) checkEchoes(o account.Object) *apierr.Error {
	has := split(document(o))
	var other []string
	for name, raw := range c.echoes {
		if !slices.Contains(derived, name) && !sameValue(raw, has[name]) {
			other = append(other, name)
		}
	}
	slices.Sort(other)
	switch {
	case len(other) == 0:
	case c.settings.StrictManagementAPI:
		return named(other[0], badRequest("%q is read-only. strict_management_api is on, so another value than the object's is refused.", other[0]))
	default:
		c.ignore(other)
	}
	return nil
}

// sameValue compares two values whatever the order of their members; empty ones are all the same.
func sameValue(a, b json.RawMessage) bool {
	if same(a, b) {
		return true
	}
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(pruned(x), pruned(y))
}

// pruned is a decoded value without the empty members of its objects.
func pruned(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	case map[string]any:
		for name, inner := range v {
			if v[name] = pruned(inner); hollow(encoded(v[name])) {
				delete(v, name)
			}
		}
	}
	return v
}
