package client

import (
	"context"
	"net/url"

	"tollgate/internal/account"
)

// LogRow is one call in the ledger.
type LogRow struct {
	RequestID        string         `json:"request_id"`
	StartTime        string         `json:"startTime"`
	APIKey           string         `json:"api_key"` // hash
	Model            string         `json:"model"`
	ModelGroup       string         `json:"model_group"`
	User             string         `json:"user"`
	TeamID           string         `json:"team_id"`
	EndUser          string         `json:"end_user"`
	Status           string         `json:"status"`
	Spend            account.Amount `json:"spend"`
	PromptTokens     int64          `json:"prompt_tokens"`
	CompletionTokens int64          `json:"completion_tokens"`
	TotalTokens      int64          `json:"total_tokens"`
	Metadata         struct {
		KeyAlias string `json:"user_api_key_alias"`
	} `json:"metadata"`
}

// LogPage is one page of the ledger.
type LogPage struct {
	Data       []LogRow `json:"data"`
	Total      int      `json:"total"`
	Page       int      `json:"page"`
	TotalPages int      `json:"total_pages"`
}

// SpendLogs gives a page of the ledger. query holds start_date and end_date ("2006-01-02 15:04:05", UTC) and what else
// the API takes: api_key (a hash), user_id, team_id, model, status_filter ...
func (c *Client) SpendLogs(ctx context.Context, query url.Values, number, size int) (Answer[LogPage], error) {
	return get[LogPage](ctx, c, "/spend/logs/v2", page(query, number, size))
}

// Metrics are sums over calls.
type Metrics struct {
	Spend            account.Amount `json:"spend"`
	PromptTokens     int64          `json:"prompt_tokens"`
	CompletionTokens int64          `json:"completion_tokens"`
	CacheReadTokens  int64          `json:"cache_read_input_tokens"`
	CacheWriteTokens int64          `json:"cache_creation_input_tokens"`
	TotalTokens      int64          `json:"total_tokens"`
	Requests         int64          `json:"api_requests"`
	Successful       int64          `json:"successful_requests"`
	Failed           int64          `json:"failed_requests"`
}

// ActivityPart is one value of a breakdown. Of its metadata the names are kept that it may have.
type ActivityPart struct {
	Metrics  Metrics `json:"metrics"`
	Metadata struct {
		KeyAlias  string `json:"key_alias"`
		TeamID    string `json:"team_id"`
		TeamAlias string `json:"team_alias"`
		UserEmail string `json:"user_email"`
		UserAlias string `json:"user_alias"`
		OrgAlias  string `json:"organization_alias"`
		Alias     string `json:"alias"`
	} `json:"metadata"`
}

// Activity is one page of /…/daily/activity. The parts of one day may stand on several pages, and add up.
type Activity struct {
	Results []struct {
		Date      string  `json:"date"`
		Metrics   Metrics `json:"metrics"`
		Breakdown struct {
			Models      map[string]ActivityPart `json:"models"`
			ModelGroups map[string]ActivityPart `json:"model_groups"`
			Providers   map[string]ActivityPart `json:"providers"`
			Keys        map[string]ActivityPart `json:"api_keys"`
			Entities    map[string]ActivityPart `json:"entities"`
		} `json:"breakdown"`
	} `json:"results"`
	Metadata struct {
		Page       int  `json:"page"`
		TotalPages int  `json:"total_pages"`
		HasMore    bool `json:"has_more"`
	} `json:"metadata"`
}

// Activity gives a page of what a kind of payer did: "team", "user", "key", "tag", "organization" or "customer". query
// holds start_date and end_date ("2006-01-02", both included) and what else the API takes: timezone, model, api_key ...
func (c *Client) Activity(ctx context.Context, kind string, query url.Values, number, size int) (Answer[Activity], error) {
	return get[Activity](ctx, c, "/"+kind+"/daily/activity", page(query, number, size))
}
