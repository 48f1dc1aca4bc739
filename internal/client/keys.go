package client

import (
	"context"
	"net/url"
	"strconv"

	"tollgate/internal/account"
)

// Limits are the limits and the budget of an object, as answers show them.
type Limits struct {
	Spend               account.Amount `json:"spend"`
	MaxBudget           account.Amount `json:"max_budget"`
	BudgetDuration      string         `json:"budget_duration"`
	BudgetResetAt       string         `json:"budget_reset_at"`
	TPMLimit            *int64         `json:"tpm_limit"`
	RPMLimit            *int64         `json:"rpm_limit"`
	MaxParallelRequests *int64         `json:"max_parallel_requests"`
}

// Key is a virtual key.
type Key struct {
	// Key is the key itself, which is shown once: in the answer that makes it. KeyName is what is shown of it later.
	Key      string `json:"key"`
	KeyName  string `json:"key_name"`
	Token    string `json:"token"` // SHA-256, lower-case hex
	KeyAlias string `json:"key_alias"`
	Limits
	Models         []string `json:"models"`
	UserID         string   `json:"user_id"`
	TeamID         string   `json:"team_id"`
	OrganizationID string   `json:"organization_id"`
	Expires        string   `json:"expires"`
	Blocked        bool     `json:"blocked"`
	CreatedAt      string   `json:"created_at"`
	LastActive     string   `json:"last_active"`
}

// KeyInfo is the answer of /key/info.
type KeyInfo struct {
	Key  string `json:"key"` // as it was asked for
	Info Key    `json:"info"`
}

// KeyList is one page of keys.
type KeyList struct {
	Keys       []Key `json:"keys"`
	TotalCount int   `json:"total_count"`
	Page       int   `json:"current_page"`
	TotalPages int   `json:"total_pages"`
}

// DeletedKeys is the answer of a deletion.
type DeletedKeys struct {
	Deleted []string `json:"deleted_keys"`
}

// ResetSpend is the answer of a reset.
type ResetSpend struct {
	KeyHash       string         `json:"key_hash"`
	Spend         account.Amount `json:"spend"`
	PreviousSpend account.Amount `json:"previous_spend"`
}

// GenerateKey makes a key. For a service account it belongs to a team alone.
func (c *Client) GenerateKey(ctx context.Context, f Fields, serviceAccount bool) (Answer[Key], error) {
	if serviceAccount {
		return post[Key](ctx, c, "/key/service-account/generate", f)
	}
	return post[Key](ctx, c, "/key/generate", f)
}

// KeyInfo tells of the key with a hash, of the caller's own when it is "".
func (c *Client) KeyInfo(ctx context.Context, hash string) (Answer[KeyInfo], error) {
	query := url.Values{}
	if hash != "" {
		query.Set("key", hash)
	}
	return get[KeyInfo](ctx, c, "/key/info", query)
}

// ListKeys gives a page of keys, whole. query holds what the API takes: team_id, user_id, key_alias, page, size ...
func (c *Client) ListKeys(ctx context.Context, query url.Values) (Answer[KeyList], error) {
	query.Set("return_full_object", "true")
	return get[KeyList](ctx, c, "/key/list", query)
}

// UpdateKey changes the fields of the key with a hash.
func (c *Client) UpdateKey(ctx context.Context, hash string, f Fields) (Answer[Key], error) {
	f["key"] = hash
	return post[Key](ctx, c, "/key/update", f)
}

// BlockKey stops the key with a hash, or lets it work again.
func (c *Client) BlockKey(ctx context.Context, hash string, blocked bool) (Answer[Key], error) {
	path := "/key/unblock"
	if blocked {
		path = "/key/block"
	}
	return post[Key](ctx, c, path, Fields{"key": hash})
}

// RegenerateKey gives the key with a hash a new value. f may hold new settings and grace_period.
func (c *Client) RegenerateKey(ctx context.Context, hash string, f Fields) (Answer[Key], error) {
	return post[Key](ctx, c, "/key/"+url.PathEscape(hash)+"/regenerate", f)
}

// DeleteKeys deletes keys by their hashes.
func (c *Client) DeleteKeys(ctx context.Context, hashes []string) (Answer[DeletedKeys], error) {
	return post[DeletedKeys](ctx, c, "/key/delete", Fields{"keys": hashes})
}

// ResetKeySpend sets what the key with a hash has spent. to is a JSON number.
func (c *Client) ResetKeySpend(ctx context.Context, hash string, to account.Amount) (Answer[ResetSpend], error) {
	return post[ResetSpend](ctx, c, "/key/"+url.PathEscape(hash)+"/reset_spend", Fields{"reset_to": to})
}

// page sets the page of a list that is asked for.
func page(query url.Values, number, size int) url.Values {
	query.Set("page", strconv.Itoa(number))
	query.Set("page_size", strconv.Itoa(size))
	return query
}
