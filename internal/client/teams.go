package client

import (
	"context"
	"encoding/json"
	"net/url"
)

// Member is a user in a team.
type Member struct {
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
	Role      string `json:"role"`
}

// Team is a team.
type Team struct {
	TeamID         string `json:"team_id"`
	TeamAlias      string `json:"team_alias"`
	OrganizationID string `json:"organization_id"`
	Limits
	Models  []string `json:"models"`
	Blocked bool     `json:"blocked"`
	Members []Member `json:"members_with_roles"`
}

// TeamInfo is a team with its keys.
type TeamInfo struct {
	TeamID string `json:"team_id"`
	Info   Team   `json:"team_info"`
	Keys   []Key  `json:"keys"`
}

// TeamList is one page of teams.
type TeamList struct {
	Teams      []Team `json:"teams"`
	Total      int    `json:"total"`
	Page       int    `json:"page"`
	TotalPages int    `json:"total_pages"`
}

// UpdatedTeam is the answer of an update.
type UpdatedTeam struct {
	Data Team `json:"data"`
}

// CreateTeam makes a team.
func (c *Client) CreateTeam(ctx context.Context, f Fields) (Answer[Team], error) {
	return post[Team](ctx, c, "/team/new", f)
}

// TeamInfo tells of a team.
func (c *Client) TeamInfo(ctx context.Context, id string) (Answer[TeamInfo], error) {
	return get[TeamInfo](ctx, c, "/team/info", url.Values{"team_id": {id}})
}

// ListTeams gives a page of teams. query holds what the API takes: organization_id, user_id, team_alias ...
func (c *Client) ListTeams(ctx context.Context, query url.Values, number, size int) (Answer[TeamList], error) {
	return get[TeamList](ctx, c, "/v2/team/list", page(query, number, size))
}

// UpdateTeam changes the fields of a team.
func (c *Client) UpdateTeam(ctx context.Context, id string, f Fields) (Answer[UpdatedTeam], error) {
	f["team_id"] = id
	return post[UpdatedTeam](ctx, c, "/team/update", f)
}

// DeleteTeams deletes teams with their keys.
func (c *Client) DeleteTeams(ctx context.Context, ids []string) (Answer[json.RawMessage], error) {
	return post[json.RawMessage](ctx, c, "/team/delete", Fields{"team_ids": ids})
}

// BlockTeam stops a team's keys, or lets them work again.
func (c *Client) BlockTeam(ctx context.Context, id string, blocked bool) (Answer[Team], error) {
	path := "/team/unblock"
	if blocked {
		path = "/team/block"
	}
	return post[Team](ctx, c, path, Fields{"team_id": id})
}

// AddTeamMember adds a user to a team. f may hold max_budget_in_team and the like.
func (c *Client) AddTeamMember(ctx context.Context, team string, m Member, f Fields) (Answer[Team], error) {
	member := Fields{"role": m.Role}
	if m.UserID != "" {
		member["user_id"] = m.UserID
	}
	if m.UserEmail != "" {
		member["user_email"] = m.UserEmail
	}
	f["team_id"], f["member"] = team, member
	return post[Team](ctx, c, "/team/member_add", f)
}

// UpdateTeamMember changes what a member may do and spend in a team.
func (c *Client) UpdateTeamMember(ctx context.Context, team string, f Fields) (Answer[json.RawMessage], error) {
	f["team_id"] = team
	return post[json.RawMessage](ctx, c, "/team/member_update", f)
}

// RemoveTeamMember takes a user out of a team.
func (c *Client) RemoveTeamMember(ctx context.Context, team string, f Fields) (Answer[Team], error) {
	f["team_id"] = team
	return post[Team](ctx, c, "/team/member_delete", f)
}
