package client

import (
	"context"
	"encoding/json"
	"net/url"
)

// User is a user.
type User struct {
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
	UserAlias string `json:"user_alias"`
	UserRole  string `json:"user_role"`
	Limits
	Models   []string        `json:"models"`
	Teams    json.RawMessage `json:"teams"` // ids, or teams
	KeyCount int             `json:"key_count"`
	Key      string          `json:"key"` // of a user that was made with a key
}

// UserInfo is a user with its keys and teams.
type UserInfo struct {
	UserID string `json:"user_id"`
	Info   User   `json:"user_info"`
	Keys   []Key  `json:"keys"`
	Teams  []Team `json:"teams"`
}

// UserList is one page of users.
type UserList struct {
	Users      []User `json:"users"`
	Total      int    `json:"total"`
	Page       int    `json:"page"`
	TotalPages int    `json:"total_pages"`
}

// CreateUser makes a user, and a key for it unless auto_create_key is false.
func (c *Client) CreateUser(ctx context.Context, f Fields) (Answer[User], error) {
	return post[User](ctx, c, "/user/new", f)
}

// UserInfo tells of a user.
func (c *Client) UserInfo(ctx context.Context, id string) (Answer[UserInfo], error) {
	return get[UserInfo](ctx, c, "/user/info", url.Values{"user_id": {id}})
}

// ListUsers gives a page of users. query holds what the API takes: role, user_email, team ...
func (c *Client) ListUsers(ctx context.Context, query url.Values, number, size int) (Answer[UserList], error) {
	return get[UserList](ctx, c, "/user/list", page(query, number, size))
}

// UpdateUser changes the fields of a user.
func (c *Client) UpdateUser(ctx context.Context, id string, f Fields) (Answer[json.RawMessage], error) {
	f["user_id"] = id
	return post[json.RawMessage](ctx, c, "/user/update", f)
}

// DeleteUsers deletes users with their keys and memberships.
func (c *Client) DeleteUsers(ctx context.Context, ids []string) (Answer[json.RawMessage], error) {
	return post[json.RawMessage](ctx, c, "/user/delete", Fields{"user_ids": ids})
}
