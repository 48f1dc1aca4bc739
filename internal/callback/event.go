package callback

import (
	"encoding/json"

	"tollgate/internal/record"
)

// Event is one finished call as callbacks see it. It is encoded as JSON on its way through the queue, so everything that a
// callback needs stands here. Callbacks do not change it.
type Event struct {
	Payload Payload `json:"payload"`
	// Trace and Steps are for backends that show traces.
	Trace record.Trace  `json:"trace"`
	Steps []record.Step `json:"steps,omitempty"`
	// Tools are the request's tools, or the functions of old; nil when texts are redacted.
	Tools json.RawMessage `json:"tools,omitempty"`
	// Session joins the calls of one conversation, "" when the caller named none.
	Session string `json:"session,omitempty"`
	// Route is the pattern of the route that was called.
	Route string `json:"route"`
	// HTTPStatus is the status that the caller got.
	HTTPStatus int `json:"http_status"`
	// Redacted says that texts were left out: messages and answer hold Placeholder.
	Redacted bool `json:"redacted,omitempty"`
	// Attempts tells how often deployments were asked.
	Attempts int `json:"attempts,omitempty"`
}

// Failed reports whether the call has failed or was refused.
func (e *Event) Failed() bool { return e.Payload.Status == StatusFailure }

// The values of Payload.Status.
const (
	StatusSuccess = "success"
	StatusFailure = "failure"
)

// Payload is LiteLLM's StandardLoggingPayload: the JSON that its logging callbacks write (source: BerriAI/litellm,
// litellm/types/utils.py). Times are seconds since 1970.
type Payload struct {
	ID                  string             `json:"id"`       // of the answer, else of the call
	TraceID             string             `json:"trace_id"` // the session's, else the call's
	CallID              string             `json:"litellm_call_id"`
	CallType            string             `json:"call_type"`
	Stream              bool               `json:"stream"`
	ResponseCost        float64            `json:"response_cost"`
	CostBreakdown       *CostBreakdown     `json:"cost_breakdown"` // nil where the price is not known
	CostFailure         json.RawMessage    `json:"response_cost_failure_debug_info"`
	Status              string             `json:"status"` // success, failure
	StatusFields        StatusFields       `json:"status_fields"`
	Provider            string             `json:"custom_llm_provider"`
	TotalTokens         int                `json:"total_tokens"`
	PromptTokens        int                `json:"prompt_tokens"`
	CompletionTokens    int                `json:"completion_tokens"`
	StartTime           float64            `json:"startTime"`
	EndTime             float64            `json:"endTime"`
	CompletionStartTime float64            `json:"completionStartTime"`
	ResponseTime        float64            `json:"response_time"` // to the first token of a stream, else to the end
	ModelMap            map[string]any     `json:"model_map_information"`
	Model               string             `json:"model"`       // the upstream's id
	ModelID             string             `json:"model_id"`    // the deployment's
	ModelGroup          string             `json:"model_group"` // the alias
	APIBase             string             `json:"api_base"`
	Metadata            Metadata           `json:"metadata"`
	CacheHit            bool               `json:"cache_hit"`
	CacheKey            *string            `json:"cache_key"`
	SavedCacheCost      float64            `json:"saved_cache_cost"`
	RequestTags         []string           `json:"request_tags"`
	EndUser             string             `json:"end_user"`
	RequesterIP         string             `json:"requester_ip_address"`
	UserAgent           string             `json:"user_agent"`
	Messages            json.RawMessage    `json:"messages"` // messages, prompt, input or query, as JSON; null when it is not kept
	Response            json.RawMessage    `json:"response"` // the answer as the caller got it; null when it is not kept
	ErrorStr            *string            `json:"error_str"`
	ErrorInformation    *ErrorInformation  `json:"error_information"`
	ModelParameters     map[string]any     `json:"model_parameters"`
	HiddenParams        HiddenParams       `json:"hidden_params"`
	Guardrails          []record.Guardrail `json:"guardrail_information"`
	BuiltInTools        BuiltInTools       `json:"standard_built_in_tools_params"`
}

// StatusFields is how the model and the guardrails have fared.
type StatusFields struct {
	LLMAPI    string `json:"llm_api_status"`
	Guardrail string `json:"guardrail_status"`
}

// CostBreakdown splits what a call has cost, in dollars. What is null is not told apart: the upstream's cache is part of
// the input, thinking part of the output.
type CostBreakdown struct {
	Input         float64  `json:"input_cost"`
	CacheRead     *float64 `json:"cache_read_cost"`
	CacheCreation *float64 `json:"cache_creation_cost"`
	Output        float64  `json:"output_cost"`
	Reasoning     *float64 `json:"reasoning_cost"`
	Total         float64  `json:"total_cost"`
	ToolUsage     *float64 `json:"tool_usage_cost"`
	Original      float64  `json:"original_cost"`
}

// ErrorInformation is what a call failed with.
type ErrorInformation struct {
	Code     string `json:"error_code"`  // the HTTP status as text
	Class    string `json:"error_class"` // the name of LiteLLM's exception
	Provider string `json:"llm_provider"`
	Message  string `json:"error_message"`
	Trace    string `json:"traceback"` // always empty: there is none to show
	Category string `json:"error_rate_limit_category,omitempty"`
	Limit    string `json:"error_rate_limit_type,omitempty"`
}

// HiddenParams is what LiteLLM hides in an answer.
type HiddenParams struct {
	ModelID           string            `json:"model_id"`
	CacheKey          *string           `json:"cache_key"`
	APIBase           string            `json:"api_base"`
	ResponseCost      float64           `json:"response_cost"`
	OverheadMS        float64           `json:"litellm_overhead_time_ms"`
	AdditionalHeaders map[string]string `json:"additional_headers"`
	BatchModels       []string          `json:"batch_models"`
	ModelName         string            `json:"litellm_model_name"`
	Usage             json.RawMessage   `json:"usage_object"`
}

// BuiltInTools are parameters of tools that the upstream runs itself.
type BuiltInTools struct {
	WebSearch  json.RawMessage `json:"web_search_options"`
	FileSearch json.RawMessage `json:"file_search"`
}

// Metadata says who called and what they said of the call. The user_api_key_* members are empty with
// redact_user_api_key_info.
type Metadata struct {
	KeyHash            string            `json:"user_api_key_hash"`
	KeyAlias           string            `json:"user_api_key_alias"`
	TeamID             string            `json:"user_api_key_team_id"`
	TeamAlias          string            `json:"user_api_key_team_alias"`
	OrgID              string            `json:"user_api_key_org_id"`
	OrgAlias           string            `json:"user_api_key_org_alias"`
	UserID             string            `json:"user_api_key_user_id"`
	UserEmail          string            `json:"user_api_key_user_email"`
	EndUser            string            `json:"user_api_key_end_user_id"`
	Route              string            `json:"user_api_key_request_route"`
	SpendLogs          json.RawMessage   `json:"spend_logs_metadata"`
	RequesterIP        string            `json:"requester_ip_address"`
	UserAgent          string            `json:"user_agent"`
	Requester          json.RawMessage   `json:"requester_metadata"` // the body's metadata
	RequesterHeaders   map[string]string `json:"requester_custom_headers"`
	AppliedGuardrails  []string          `json:"applied_guardrails"`
	Usage              json.RawMessage   `json:"usage_object"`
	ColdStorageObject  *string           `json:"cold_storage_object_key"`
	PromptManagement   json.RawMessage   `json:"prompt_management_metadata"`
	MCPToolCall        json.RawMessage   `json:"mcp_tool_call_metadata"`
	VectorStoreRequest json.RawMessage   `json:"vector_store_request_metadata"`
}
