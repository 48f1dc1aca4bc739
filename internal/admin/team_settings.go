package admin

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"tollgate/internal/account"
)

type teamPermissionsRequest struct {
	TeamID Opt[ID] `json:"team_id" required:"true"`
}

// permissionsRow is what a team lets its members do with its keys.
func permissionsRow(t *account.Team) row {
	return row{"team_id": t.TeamID, "team_member_permissions": permissionsOf(t), "all_available_permissions": memberPermissions}
}

// teamPermissions is GET /team/permissions_list.
func (a *API) teamPermissions(ctx context.Context, c *call, in teamPermissionsRequest) (any, error) {
	t, err := a.visibleTeam(ctx, c, string(in.TeamID.Value))
	if err != nil {
		return nil, err
	}
	return permissionsRow(t), nil
}

type permissionsUpdateRequest struct {
	TeamID      Opt[ID]       `json:"team_id" required:"true"`
	Permissions Opt[[]string] `json:"team_member_permissions" required:"true"`
}

// teamPermissionsUpdate is POST /team/permissions_update.
func (a *API) teamPermissionsUpdate(ctx context.Context, c *call, in permissionsUpdateRequest) (any, error) {
	return c.setPermissions(ctx, string(in.TeamID.Value), in.Permissions.Value)
}

type permissionsBulkRequest struct {
	TeamIDs     Opt[[]string] `json:"team_ids" required:"true"`
	Permissions Opt[[]string] `json:"team_member_permissions" required:"true"`
}

// teamPermissionsBulk is POST /team/permissions_bulk_update: the same permissions for several teams.
func (a *API) teamPermissionsBulk(ctx context.Context, c *call, in permissionsBulkRequest) (any, error) {
	replies := []any{}
	for _, id := range in.TeamIDs.Value {
		r, err := c.setPermissions(ctx, id, in.Permissions.Value)
		if err != nil {
			return nil, err
		}
		replies = append(replies, r)
	}
	return replies, nil
}

func (c *call) setPermissions(ctx context.Context, id string, permissions []string) (any, error) {
	if err := checkPermissions(permissions); err != nil {
		return nil, err
	}
	t, err := c.editTeam(ctx, id, func(tx *change, before, t *account.Team, rel relation) error {
		if rel == 0 {
			return c.notLeader(id)
		}
		t.TeamMemberPermissions = permissions
		if err := mayWrite(&c.who, rel, teamRights, before, t); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	return permissionsRow(t), nil
}

type teamModelsRequest struct {
	TeamID Opt[ID]       `json:"team_id" required:"true"`
	Models Opt[[]string] `json:"models" required:"true"`
}

// teamModelAdd is POST /team/model/add.
func (a *API) teamModelAdd(ctx context.Context, c *call, in teamModelsRequest) (any, error) {
	return a.setModels(ctx, c, string(in.TeamID.Value), func(models []string) []string {
		for _, m := range in.Models.Value {
			if !slices.Contains(models, m) {
				models = append(models, m)
			}
		}
		return models
	})
}

// teamModelDelete is POST /team/model/delete. A team whose last model goes may call none: an empty list would be all.
func (a *API) teamModelDelete(ctx context.Context, c *call, in teamModelsRequest) (any, error) {
	return a.setModels(ctx, c, string(in.TeamID.Value), func(models []string) []string {
		left := slices.DeleteFunc(slices.Clone(models), func(m string) bool { return slices.Contains(in.Models.Value, m) })
		if len(left) == 0 && len(models) > 0 {
			return []string{account.NoDefaultModels}
		}
		return left
	})
}

func (a *API) setModels(ctx context.Context, c *call, id string, edit func(models []string) []string) (any, error) {
	t, err := c.editTeam(ctx, id, func(tx *change, before, t *account.Team, rel relation) error {
		if rel == 0 {
			return c.notLeader(id)
		}
		t.Models = edit(slices.Clone(before.Models))
		if err := mayWrite(&c.who, rel, teamRights, before, t); err != nil {
			return err
		}
		if err := c.checkTeam(ctx, tx, before, t); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	return a.teamRow(ctx, t)
}

type callbackRequest struct {
	TeamID Opt[ID]             `json:"team_id" in:"path"`
	Name   Opt[string]         `json:"callback_name" required:"true"`
	Type   Opt[string]         `json:"callback_type"`
	Vars   Opt[map[string]any] `json:"callback_vars"`
}

// teamCallbacksRow is what GET /team/{team_id}/callback shows. Variables are stored sealed, and shown so.
func teamCallbacksRow(t *account.Team) row {
	success, failure, vars := teamLogging(t)
	if vars == nil {
		vars = map[string]any{}
	}
	return row{"status": "success", "data": row{"team_id": t.TeamID, "success_callback": success, "failure_callback": failure, "callback_vars": vars}}
}

// teamCallbacks is GET /team/{team_id}/callback.
func (a *API) teamCallbacks(ctx context.Context, c *call, in teamPathRequest) (any, error) {
	t, err := a.visibleTeam(ctx, c, string(in.TeamID.Value))
	if err != nil {
		return nil, err
	}
	return teamCallbacksRow(t), nil
}

// teamAddCallback is POST /team/{team_id}/callback: one more callback that hears of the team's calls, with variables that all
// callbacks of the team share.
func (a *API) teamAddCallback(ctx context.Context, c *call, in callbackRequest) (any, error) {
	on := in.Type.Value
	if !slices.Contains(callbackTypes, on) {
		return nil, named("callback_type", badRequest("callback_type must be success, failure or success_and_failure"))
	}
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		if rel == 0 {
			return c.notLeader(before.TeamID)
		}
		success, failure, old := teamLogging(t)
		for _, list := range []struct {
			when  string
			names *[]string
		}{{"failure", &success}, {"success", &failure}} {
			if on == list.when { // the other one alone
				continue
			}
			if slices.Contains(*list.names, in.Name.Value) && on != "" {
				return named("callback_name", badRequest("callback_name = %s already exists for team %s", in.Name.Value, t.TeamID))
			}
			*list.names = append(*list.names, in.Name.Value)
		}
		vars := maps.Clone(old)
		if vars == nil {
			vars = map[string]any{}
		}
		maps.Copy(vars, in.Vars.Value)
		if t.Metadata == nil {
			t.Metadata = map[string]any{}
		}
		settings := map[string]any{"success_callback": unique(success), "failure_callback": unique(failure), "callback_vars": vars}
		if err := c.checkCallbackSettings(settings); err != nil {
			return err
		}
		t.Metadata[loggingOff] = settings
		if err := mayWrite(&c.who, rel, teamRights, before, t); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	return teamCallbacksRow(t), nil
}

// unique is a list without repeats, for JSON.
func unique(list []string) []any {
	out := []any{}
	for _, s := range list {
		if !slices.Contains(out, any(s)) {
			out = append(out, s)
		}
	}
	return out
}

// loggingOff is the member of a team's metadata that keeps its calls from callbacks, as LiteLLM writes it.
const loggingOff = "callback_settings"

// teamDisableLogging is POST /team/{team_id}/disable_logging.
func (a *API) teamDisableLogging(ctx context.Context, c *call, in teamPathRequest) (any, error) {
	t, err := c.editTeam(ctx, string(in.TeamID.Value), func(tx *change, before, t *account.Team, rel relation) error {
		if rel == 0 {
			return c.notLeader(before.TeamID)
		}
		if t.Metadata == nil {
			t.Metadata = map[string]any{}
		}
		t.Metadata[loggingOff] = map[string]any{"success_callback": []string{}, "failure_callback": []string{}, "callback_vars": map[string]any{}}
		if err := mayWrite(&c.who, rel, teamRights, before, t); err != nil {
			return err
		}
		return tx.replace(ctx, before, t)
	})
	if err != nil {
		return nil, err
	}
	return row{"status": "success", "message": "Logging disabled for team " + t.TeamID, "data": row{"team_id": t.TeamID, "success_callbacks": []string{}, "failure_callbacks": []string{}}}, nil
}

type teamKeysRequest struct {
	TeamID       Opt[ID]           `json:"team_id" required:"true"`
	KeyIDs       Opt[[]string]     `json:"key_ids"`
	AllKeys      Opt[bool]         `json:"all_keys_in_team"`
	UpdateFields Opt[account.JSON] `json:"update_fields" required:"true"`
}

// teamKeysUpdate is POST /team/key/bulk_update: the same changes for keys of one team, each for itself.
func (a *API) teamKeysUpdate(ctx context.Context, c *call, in teamKeysRequest) (any, error) {
	t, err := a.visibleTeam(ctx, c, string(in.TeamID.Value))
	if err != nil {
		return nil, err
	}
	var fields keyFields
	v := reflect.ValueOf(&fields).Elem()
	if err := c.decodeMembers(v, fieldsOf(v.Type(), inBody), split(in.UpdateFields.Value)); err != nil {
		return nil, err
	}
	keys, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, account.Filter{Equal: map[string]any{"team_id": t.TeamID}})
	if err != nil {
		return nil, err
	}
	names := in.KeyIDs.Value
	if in.AllKeys.Value {
		names = nil
		for _, k := range keys {
			names = append(names, k.Token)
		}
	}
	if len(names) == 0 {
		return nil, named("key_ids", badRequest("Either key_ids or all_keys_in_team needs to be passed in"))
	}
	updates := make([]keyUpdateRequest, len(names))
	for i, name := range names {
		if !slices.ContainsFunc(keys, func(k *account.Key) bool { return k.Token == hashOf(name) }) {
			return nil, named("key_ids", badRequest("Key=%s is not a key of the team=%s", shownKey(name), t.TeamID))
		}
		updates[i] = keyUpdateRequest{Key: give(ID(name)), keyFields: fields}
	}
	return a.updateKeys(ctx, c, updates, "/key/bulk_update")
}
