package ledger

import (
	"context"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// Sink keeps what was called. The store is one.
type Sink interface {
	// Write books calls in one transaction: their rows, the counters of their charges (spent and total), the usage
	// aggregates, and what their replicas have leased of the budgets. A call whose ID is booked already is left out
	// whole, however often it comes. It returns how many were new.
	Write(ctx context.Context, calls []record.Call) (booked int, err error)
}

// Row is one call as /spend/logs shows it, by LiteLLM's names; what LiteLLM has no name for begins with tollgate_ inside
// of metadata.
type Row struct {
	CallID              string       `json:"-"`
	RequestID           string       `json:"request_id"`
	CallType            string       `json:"call_type"`
	APIKey              string       `json:"api_key"` // hash, or "litellm_proxy_master_key"
	Spend               money.USD    `json:"spend"`
	TotalTokens         int64        `json:"total_tokens"`
	PromptTokens        int64        `json:"prompt_tokens"`
	CompletionTokens    int64        `json:"completion_tokens"`
	StartTime           time.Time    `json:"startTime"`
	EndTime             time.Time    `json:"endTime"`
	RequestDurationMS   int64        `json:"request_duration_ms"`
	CompletionStartTime *time.Time   `json:"completionStartTime"`
	Model               string       `json:"model"` // provider/upstream id
	ModelID             string       `json:"model_id"`
	ModelGroup          string       `json:"model_group"`
	Provider            string       `json:"custom_llm_provider"`
	APIBase             string       `json:"api_base"`
	User                string       `json:"user"`
	Metadata            account.JSON `json:"metadata"`
	CacheHit            string       `json:"cache_hit"`
	CacheKey            string       `json:"cache_key"`
	RequestTags         account.JSON `json:"request_tags"`
	TeamID              string       `json:"team_id"`
	OrganizationID      string       `json:"organization_id"`
	EndUser             string       `json:"end_user"`
	RequesterIP         string       `json:"requester_ip_address"`
	Messages            account.JSON `json:"messages"`
	Response            account.JSON `json:"response"`
	ProxyServerRequest  account.JSON `json:"proxy_server_request"`
	SessionID           string       `json:"session_id"`
	Status              string       `json:"status"` // success or failure
	AgentID             string       `json:"agent_id"`
	MCPToolName         string       `json:"mcp_namespaced_tool_name"`
}

// RowQuery chooses rows. Zero values do not narrow.
type RowQuery struct {
	RequestID, CallID, SessionID                    string
	APIKey, User, TeamID, OrganizationID, EndUser   string
	Model, ModelID, ModelGroup, KeyAlias, ErrorCode string
	ErrorMessage                                    string // part of it
	Status                                          string
	CacheHit                                        string // True: answered by the cache
	MinSpend, MaxSpend                              *money.USD
	From, To                                        time.Time // [From, To) of startTime
	// Sort is startTime (default), spend, total_tokens or request_duration_ms; ties are broken by the call id.
	Sort   string
	Desc   bool
	Limit  int // 0 = all
	Offset int
	// After continues behind a row of the last page (keyset), in place of Offset: its startTime and CallID. Only with Sort startTime.
	AfterTime time.Time
	AfterCall string
}

// Dimension is what usage can be told apart by.
type Dimension string

// The dimensions. Date is the day in the query's zone, "2026-11-25"; Hour likewise "2026-11-25T14".
const (
	ByDate         Dimension = "date"
	ByHour         Dimension = "hour"
	ByKey          Dimension = "api_key"
	ByUser         Dimension = "user_id"
	ByTeam         Dimension = "team_id"
	ByOrganization Dimension = "organization_id"
	ByCustomer     Dimension = "end_user"
	ByTag          Dimension = "tag" // a call with three tags counts under each of them
	ByModel        Dimension = "model"
	ByGroup        Dimension = "model_group"
	ByModelID      Dimension = "model_id"
	ByProvider     Dimension = "custom_llm_provider"
	ByEndpoint     Dimension = "endpoint"
)

// UsageQuery sums the usage aggregates, which are kept by quarter of an hour so that a day can be cut in any time zone.
type UsageQuery struct {
	From, To time.Time      // [From, To), whole quarters of an hour
	Zone     *time.Location // nil = UTC
	By       []Dimension
	Where    map[Dimension][]string // one of
	Exclude  map[Dimension][]string
	// Sort is "spend", "requests" or "" (the dimensions in order); Limit 0 = all.
	Sort  string
	Desc  bool
	Limit int
}

// Metrics are sums over calls.
type Metrics struct {
	Spend               money.USD `json:"spend"`
	PromptTokens        int64     `json:"prompt_tokens"`
	CompletionTokens    int64     `json:"completion_tokens"`
	CacheReadTokens     int64     `json:"cache_read_input_tokens"`
	CacheCreationTokens int64     `json:"cache_creation_input_tokens"`
	TotalTokens         int64     `json:"total_tokens"`
	Successful          int64     `json:"successful_requests"`
	Failed              int64     `json:"failed_requests"`
	Requests            int64     `json:"api_requests"`
}

// Usage is one line of an answer: the values of By in their order, and the sums.
type Usage struct {
	Values  []string
	Metrics Metrics
}

// Finding is one sum that does not fit, from Verify.
type Finding struct {
	Scope    account.Scope // "" = the whole ledger
	What     string        // such as "counter total differs from the sum of rows"
	Got      money.USD
	Expected money.USD
}

// Reports answers questions about the ledger. The store is one.
type Reports interface {
	// Rows hands the rows to each, one at a time, in constant memory.
	Rows(ctx context.Context, q RowQuery, each func(*Row) error) error
	CountRows(ctx context.Context, q RowQuery) (int64, error)
	Usage(ctx context.Context, q UsageQuery, each func(Usage) error) error
	// Values lists the distinct values of a dimension that have usage, sorted.
	Values(ctx context.Context, d Dimension, from, to time.Time) ([]string, error)
}

// Maintenance is what background work and the command line do with the ledger. The store is one.
type Maintenance interface {
	// Prune removes rows that began before the time, in small steps; counters and usage stay. It returns how many went.
	Prune(ctx context.Context, before time.Time, progress func(removed int64)) (int64, error)
	// EraseCustomer takes an end user's name, prompts and metadata off its rows and usage; the money stays.
	EraseCustomer(ctx context.Context, endUser string) (int64, error)
	// ResetDue starts every counter anew whose period has ended by the store's clock, and returns which.
	ResetDue(ctx context.Context) ([]account.Scope, error)
	// Verify compares rows, totals and usage. progress may be nil.
	Verify(ctx context.Context, progress func(done, all int64)) ([]Finding, error)
}
