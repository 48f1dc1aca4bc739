package admin

import (
	"bytes"
	"encoding/json"
	"slices"

	"tollgate/internal/account"
)

// row is an object as a reply shows it: LiteLLM's columns, empty texts as null, and empty lists and objects where its database
// has them by default.
type row map[string]any

// Columns that LiteLLM's database fills with {} and [] rather than null.
var (
	objectColumns = []string{"metadata", "aliases", "config", "permissions", "model_max_budget"}
	listColumns   = []string{
		"models", "allowed_cache_controls", "allowed_routes", "policies", "access_group_ids", "admins", "members",
		"team_member_permissions", "default_team_member_models", "teams", "allowed_models",
	}
)

// rowOf makes the row of an object. Numbers keep their text.
func rowOf(o account.Object) row {
	d := json.NewDecoder(bytes.NewReader(document(o)))
	d.UseNumber()
	var r row
	if err := d.Decode(&r); err != nil {
		panic(err) // it was encoded just now
	}
	for name, v := range r {
		switch {
		case v == "", v == "0001-01-01T00:00:00Z":
			r[name] = nil
		case name == "members_with_roles":
			r[name] = memberList(v)
		case v != nil:
		case slices.Contains(listColumns, name):
			r[name] = []any{}
		case slices.Contains(objectColumns, name):
			r[name] = map[string]any{}
		}
	}
	return r
}

// memberList is a team's list of members, an unknown address as null.
func memberList(v any) any {
	list, _ := v.([]any)
	for _, m := range list {
		if m, ok := m.(map[string]any); ok && m["user_email"] == "" {
			m["user_email"] = nil
		}
	}
	return orEmpty(list)
}

// with sets members and returns the row.
func (r row) with(more row) row {
	for name, v := range more {
		r[name] = v
	}
	return r
}

// without drops members and returns the row.
func (r row) without(names ...string) row {
	for _, name := range names {
		delete(r, name)
	}
	return r
}

// optional is v, or an untyped nil where the pointer is nil, so that JSON shows null.
func optional[T any, P interface {
	*T
	account.Object
}](o P) any {
	if o == nil {
		return nil
	}
	return rowOf(o)
}
