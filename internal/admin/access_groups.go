package admin

import (
	"context"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

type accessGroupRequest struct {
	PathID      Opt[ID]       `json:"access_group_id" in:"path"`
	Name        Opt[ID]       `json:"access_group_name"`
	Description Opt[string]   `json:"description"`
	Models      Opt[[]string] `json:"access_model_names"`
	TeamIDs     Opt[[]string] `json:"assigned_team_ids"`
	KeyIDs      Opt[[]string] `json:"assigned_key_ids"`
	MCPServers  Declined      `json:"access_mcp_server_ids" because:"there are no MCP servers"`
	Agents      Declined      `json:"access_agent_ids" because:"there are no agents"`
}

func (in *accessGroupRequest) apply(g *account.AccessGroup) {
	setID(&g.AccessGroupName, in.Name)
	set(&g.Description, in.Description)
	set(&g.AccessModelNames, in.Models)
	set(&g.AssignedTeamIDs, in.TeamIDs)
	if in.KeyIDs.Given() {
		g.AssignedKeyIDs = hashes(in.KeyIDs.Value)
	}
}

// accessGroupRow is a group as replies show it.
func accessGroupRow(g *account.AccessGroup) row {
	r := rowOf(g).with(row{"access_mcp_server_ids": []string{}, "access_agent_ids": []string{}})
	r["access_model_names"], r["assigned_team_ids"], r["assigned_key_ids"] = orEmpty(g.AccessModelNames), orEmpty(g.AssignedTeamIDs), orEmpty(g.AssignedKeyIDs)
	return r
}

// newAccessGroup is POST /v1/access_group.
func (a *API) newAccessGroup(ctx context.Context, c *call, in accessGroupRequest) (any, error) {
	if !in.Name.Given() {
		return nil, invalid([]problem{{Loc: []any{inBody, "access_group_name"}, Msg: "Field required", Type: "missing"}})
	}
	g := &account.AccessGroup{AccessGroupID: telemetry.NewID()}
	in.apply(g)
	err := c.update(ctx, func(tx *change) error {
		if err := tx.checkAccessGroup(ctx, g); err != nil {
			return err
		}
		if err := tx.insert(ctx, g); err != nil {
			return err
		}
		return tx.assign(ctx, g.AccessGroupID, &account.AccessGroup{}, g)
	})
	return accessGroupRow(g), err
}

func (t *change) checkAccessGroup(ctx context.Context, g *account.AccessGroup) error {
	same, _, err := find[account.AccessGroup](ctx, t, account.AccessGroups, account.Filter{Equal: map[string]any{"access_group_name": g.AccessGroupName}})
	if slices.ContainsFunc(same, func(o *account.AccessGroup) bool { return o.AccessGroupID != g.AccessGroupID }) {
		return named("access_group_name", refuse(409, "Access group '%s' already exists", g.AccessGroupName))
	}
	return err
}

// assign makes teams and keys refer to a group that it names, and no others.
func (t *change) assign(ctx context.Context, id string, before, g *account.AccessGroup) error {
	for _, team := range union(before.AssignedTeamIDs, g.AssignedTeamIDs) {
		was, err := lookup[account.Team](ctx, t, team)
		if err != nil {
			return err
		}
		if was == nil {
			if slices.Contains(g.AssignedTeamIDs, team) {
				return noSuchTeam(team)
			}
			continue
		}
		is := copyOf(was)
		is.AccessGroupIDs = withID(is.AccessGroupIDs, id, slices.Contains(g.AssignedTeamIDs, team))
		if err := t.replace(ctx, was, is); err != nil {
			return err
		}
	}
	for _, hash := range union(before.AssignedKeyIDs, g.AssignedKeyIDs) {
		was, err := lookup[account.Key](ctx, t, hash)
		if err != nil {
			return err
		}
		if was == nil {
			if slices.Contains(g.AssignedKeyIDs, hash) {
				return noSuchKey(hash)
			}
			continue
		}
		is := copyOf(was)
		is.AccessGroupIDs = withID(is.AccessGroupIDs, id, slices.Contains(g.AssignedKeyIDs, hash))
		if err := t.replace(ctx, was, is); err != nil {
			return err
		}
	}
	return nil
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// withID is the list with the id in it, or without.
func withID(list []string, id string, in bool) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == id })
	if in {
		list = append(list, id)
	}
	return list
}

// updateAccessGroup is PUT /v1/access_group/{access_group_id}.
func (a *API) updateAccessGroup(ctx context.Context, c *call, in accessGroupRequest) (any, error) {
	var g *account.AccessGroup
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.AccessGroup](ctx, tx, string(in.PathID.Value))
		if err != nil || before == nil {
			return orElse(err, accessGroupMissing(in.PathID.Value))
		}
		g = copyOf(before)
		in.apply(g)
		if err := tx.checkAccessGroup(ctx, g); err != nil {
			return err
		}
		if err := tx.assign(ctx, g.AccessGroupID, before, g); err != nil {
			return err
		}
		return tx.replace(ctx, before, g)
	})
	if err != nil {
		return nil, err
	}
	return accessGroupRow(g), nil
}

func accessGroupMissing(id ID) *apierr.Error {
	return named("access_group_id", notFound("Access group '%s' not found", string(id)))
}

// deleteAccessGroup is DELETE /v1/access_group/{access_group_id}.
func (a *API) deleteAccessGroup(ctx context.Context, c *call, in accessGroupRequest) (any, error) {
	err := c.update(ctx, func(tx *change) error {
		g, err := lookup[account.AccessGroup](ctx, tx, string(in.PathID.Value))
		if err != nil || g == nil {
			return orElse(err, accessGroupMissing(in.PathID.Value))
		}
		if err := tx.assign(ctx, g.AccessGroupID, g, &account.AccessGroup{}); err != nil {
			return err
		}
		return tx.remove(ctx, g)
	})
	return row{"message": "Access group deleted successfully"}, err
}

// accessGroupInfo is GET /v1/access_group/{access_group_id}.
func (a *API) accessGroupInfo(ctx context.Context, _ *call, in accessGroupRequest) (any, error) {
	g, err := lookup[account.AccessGroup](ctx, a.opts.Store, string(in.PathID.Value))
	if err != nil || g == nil {
		return nil, orElse(err, accessGroupMissing(in.PathID.Value))
	}
	return accessGroupRow(g), nil
}

// listAccessGroups is GET /v1/access_group.
func (a *API) listAccessGroups(ctx context.Context, _ *call, _ nothing) (any, error) {
	all, _, err := find[account.AccessGroup](ctx, a.opts.Store, account.AccessGroups, account.Filter{})
	rows := make([]row, 0, len(all))
	for _, g := range all {
		rows = append(rows, accessGroupRow(g))
	}
	return rows, err
}

// listModelGroups is GET /access_group/list: the access groups that deployments name in their model_info.
func (a *API) listModelGroups(_ context.Context, _ *call, _ nothing) (any, error) {
	groups := a.opts.Models.AccessGroups()
	out := []row{}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, a.modelGroupRow(name, groups[name]))
	}
	return row{"access_groups": out}, nil
}

func (a *API) modelGroupRow(name string, models []string) row {
	n := 0
	for _, d := range a.opts.Models.Deployments() {
		if model, _ := nameAndID(d); slices.Contains(models, model) {
			n++
		}
	}
	return row{"access_group": name, "model_names": models, "deployment_count": n}
}

type modelGroupRequest struct {
	Group Opt[ID] `json:"access_group" in:"path"`
}

// modelGroupInfo is GET /access_group/{access_group}/info.
func (a *API) modelGroupInfo(_ context.Context, _ *call, in modelGroupRequest) (any, error) {
	name := string(in.Group.Value)
	models, ok := a.opts.Models.AccessGroups()[name]
	if !ok {
		return nil, notFound("Access group '%s' not found", name)
	}
	return a.modelGroupRow(name, models), nil
}
