package store

import (
	"math/big"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
)

// rowColumns are the columns of spend_logs in the order of rowValues and scanRow.
var rowColumns = [...]string{
	"call_id", "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens", "start_time", "end_time",
	"request_duration_ms", "completion_start_time", "model", "model_id", "model_group", "custom_llm_provider", "api_base", "user_id", "metadata",
	"cache_hit", "cache_key", "request_tags", "team_id", "organization_id", "end_user", "requester_ip_address", "messages", "response",
	"proxy_server_request", "session_id", "status", "agent_id", "mcp_namespaced_tool_name",
}

// rowValues are the arguments of a row; spend is the engine's form of it.
func rowValues(r *ledger.Row, spend any) []any {
	return []any{
		r.CallID, r.RequestID, r.CallType, r.APIKey, spend, r.TotalTokens, r.PromptTokens, r.CompletionTokens, r.StartTime.UTC(), r.EndTime.UTC(),
		r.RequestDurationMS, orNull(r.CompletionStartTime), r.Model, r.ModelID, r.ModelGroup, r.Provider, r.APIBase, r.User, jsonText(r.Metadata),
		r.CacheHit, r.CacheKey, jsonText(r.RequestTags), r.TeamID, r.OrganizationID, r.EndUser, r.RequesterIP, jsonText(r.Messages), jsonText(r.Response),
		jsonText(r.ProxyServerRequest), r.SessionID, r.Status, r.AgentID, r.MCPToolName,
	}
}

// jsonText is the argument of a JSON column: NULL for what reads as empty anyway.
func jsonText(raw account.JSON) any {
	switch text := string(raw); text {
	case "", "null", "{}", "[]":
		return nil
	default:
		return text
	}
}

// scanRow reads the columns of rowColumns.
func scanRow(scan func(dest ...any) error) (*ledger.Row, error) {
	var r ledger.Row
	var documents [5]*string
	err := scan(
		&r.CallID, &r.RequestID, &r.CallType, &r.APIKey, scanUSD{&r.Spend}, &r.TotalTokens, &r.PromptTokens, &r.CompletionTokens,
		scanTime{&r.StartTime}, scanTime{&r.EndTime}, &r.RequestDurationMS, scanTimePtr{&r.CompletionStartTime}, &r.Model, &r.ModelID, &r.ModelGroup,
		&r.Provider, &r.APIBase, &r.User, &documents[0], &r.CacheHit, &r.CacheKey, &documents[1], &r.TeamID, &r.OrganizationID, &r.EndUser,
		&r.RequesterIP, &documents[2], &documents[3], &documents[4], &r.SessionID, &r.Status, &r.AgentID, &r.MCPToolName,
	)
	for i, to := range [...]*account.JSON{&r.Metadata, &r.RequestTags, &r.Messages, &r.Response, &r.ProxyServerRequest} {
		switch {
		case documents[i] != nil:
			*to = account.JSON(*documents[i])
		case to == &r.RequestTags:
			*to = account.JSON("[]")
		default:
			*to = account.JSON("{}")
		}
	}
	return &r, err
}

// rowList is the select list of rows.
func rowList() string { return strings.Join(rowColumns[:], ", ") }

// numeric is an amount of picodollars in the binary form of NUMERIC, for COPY.
func numeric(picodollars int64) pgtype.Numeric {
	return pgtype.Numeric{Int: big.NewInt(picodollars), Exp: -12, Valid: true}
}
