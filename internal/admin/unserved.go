package admin

import (
	"context"
	"encoding/json"
	"reflect"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// This file refuses fields that objects may have, because they were brought from LiteLLM, and that mean nothing here. An echo
// of what is there is no change, so it passes; anything new would be stored and followed by nobody.

// notSupported refuses a field of a request, in the words of Declined.
func notSupported(field, why string) *apierr.Error {
	return named(field, badRequest("%q is not supported, because %s", field, why))
}

// unserved refuses the fields of a key that are not followed.
func (in *keyFields) unserved(k *account.Key) *apierr.Error {
	switch {
	case in.ProjectID.Given() && string(in.ProjectID.Value) != k.ProjectID:
		return notSupported("project_id", "there are no projects; teams have models, limits and budgets")
	case in.AgentID.Given() && string(in.AgentID.Value) != k.AgentID:
		return notSupported("agent_id", "there are no agents")
	}
	return unservedRouting(in.RouterSettings, k.RouterSettings)
}

// unservedRouting refuses router_settings of a key or a team.
func unservedRouting(in Opt[map[string]any], has account.JSON) *apierr.Error {
	if !in.Given() || len(in.Value) == 0 {
		return nil
	}
	var before map[string]any
	if json.Unmarshal(has, &before) == nil && reflect.DeepEqual(before, in.Value) {
		return nil
	}
	return notSupported("router_settings", "calls are routed by the configuration's router_settings alone, whoever makes them")
}

// checkRights refuses an object permission that would not be followed. id is that of the one the object has.
func checkRights(ctx context.Context, r account.Reader, id string, in Opt[account.ObjectPermission]) error {
	asked := in.Value
	asked.ObjectPermissionID = ""
	if !in.Given() || len(changed(&account.ObjectPermission{}, &asked)) == 0 {
		return nil
	}
	has, err := lookup[account.ObjectPermission](ctx, r, id)
	if err != nil {
		return err
	}
	if asked.ObjectPermissionID = id; has != nil && len(changed(has, &asked)) == 0 {
		return nil
	}
	return notSupported("object_permission", "there are no MCP servers, vector stores and agents; what may be called is in models and access_group_ids")
}
