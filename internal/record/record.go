// Package record is the account of one call: a flat value that the steps of a request fill and that the log,
// the metrics and the ledger read, blind to each other.
package record

import (
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// Outcome says how a call ended.
type Outcome string

// The outcomes of a call.
const (
	Success Outcome = "success" // answered in full
	Refused Outcome = "refused" // the gateway said no
	Failure Outcome = "failure" // the upstream failed, before or after the first byte
	Gone    Outcome = "gone"    // the caller left before the end
)

// Call is one call of a model route, from its arrival to its end. It is filled by the goroutine that serves the
// call and read by others only after that.
type Call struct {
	ID       string // our own key of the call: unique, whatever callers and upstreams send
	SentID   string // the id in the reply's x-litellm-call-id: the caller's own where it sent one, else ID
	Route    string // the route's pattern
	CallType string // LiteLLM's name of the operation: "acompletion", "aembedding" ...
	Started  time.Time
	Ended    time.Time
	Caller   string // who called, safe to log: "master" or a key's hash; "" when nobody was identified
	Replica  string // the process that served the call: its lease of a budget is what the call used up

	// Who pays. Empty where there is none.
	KeyHash     string
	KeyAlias    string
	UserID      string
	TeamID      string
	TeamAlias   string
	OrgID       string
	EndUser     string // the customer
	Tags        []string
	KeyMetadata account.JSON    // the key's metadata, an object; nil when it has none
	Metadata    account.JSON    // the caller's metadata.spend_logs_metadata
	Charges     []account.Scope // the counters that Cost is added to
	SessionID   string
	ClientIP    string
	UserAgent   string

	Alias      string // the model asked for
	Group      string // the alias that answered, after fallbacks
	Deployment string // the id of the deployment that answered
	Upstream   string // the upstream id that answered
	Provider   string
	APIBase    string
	Stream     bool
	// RequestID is the id of the upstream's reply; UpstreamRequestID its header (opc-request-id).
	RequestID         string
	UpstreamRequestID string

	Outcome   Outcome
	Status    int    // the HTTP status sent
	Error     string // the message sent to the caller, "" on success
	ErrorType string // the envelope's type

	Retries   int
	Fallbacks int
	Attempts  []Attempt

	PromptTokens       int
	CompletionTokens   int
	CachedTokens       int
	CacheWrittenTokens int
	ReasoningTokens    int
	UsageKnown         bool      // the upstream told the token counts
	Estimated          bool      // the counts are estimates, since the stream ended before the upstream told them
	Cost               money.USD // 0 unless CostKnown
	CostKnown          bool
	FirstByte          time.Duration // from arrival to the first byte of the answer
	Upstreams          time.Duration // time spent waiting for upstreams

	// Prompt and Reply are kept only where the operator stores prompts.
	Prompt account.JSON
	Reply  account.JSON

	CacheHit        bool
	CacheKey        string  // of the entry that was read or written; "" without a cache
	CacheSimilarity float64 // of a hit by meaning; 0 = the hit was exact
	SavedCost       money.USD
	Guardrails      []Guardrail // those that ran, in order

	// What follows is for callbacks, traces and metrics and is not in the ledger.

	Trace Trace
	Steps []Step
	// Request and Response are what was asked and answered, as JSON, guardrails' changes included; nil where no callback wants them.
	Request  []byte
	Response []byte
	// RequestMetadata is the body's metadata, an object; nil without one.
	RequestMetadata []byte
	// RequesterHeaders are the caller's x-* and langfuse_* headers, never one that holds a credential.
	RequesterHeaders map[string]string
	UserEmail        string
	OrgAlias         string
	Logging          Logging
	Split            Split // of Cost; zero where no callback wants it
}

// Guardrail is one run of a guardrail in the shape of LiteLLM's guardrail_information. It holds no text of the call.
type Guardrail struct {
	Name            string         `json:"guardrail_name"`
	Provider        string         `json:"guardrail_provider"`
	Mode            string         `json:"guardrail_mode"`
	Status          string         `json:"guardrail_status"` // success, guardrail_intervened, guardrail_failed_to_respond, not_run
	Start           float64        `json:"start_time"`       // seconds since 1970
	End             float64        `json:"end_time"`
	Duration        float64        `json:"duration"` // seconds
	Action          string         `json:"guardrail_action,omitempty"`
	MaskedEntities  map[string]int `json:"masked_entity_count,omitempty"`
	Violations      []string       `json:"violation_categories,omitempty"`
	Response        map[string]any `json:"guardrail_response,omitempty"` // the vendor's reply, found texts left out
	Error           string         `json:"guardrail_error,omitempty"`
	ConfidenceScore float64        `json:"confidence_score,omitempty"`
	DetectionMethod string         `json:"detection_method,omitempty"`
	PatternsChecked int            `json:"patterns_checked,omitempty"`
	ErrorType       string         `json:"-"` // for metrics: timeout, unreachable, refused, invalid
}

// Trace is where a call stands among others, by W3C's trace context.
type Trace struct {
	ID      string `json:"id"`                // 32 hex digits
	Span    string `json:"span"`              // of this call: 16 hex digits
	Parent  string `json:"parent,omitempty"`  // the caller's span, "" without a traceparent header
	State   string `json:"state,omitempty"`   // tracestate
	Sampled bool   `json:"sampled,omitempty"` // the caller's word; true without one
}

// Step is one part of a call that took time: admission, cache, guardrail, an attempt at an upstream.
type Step struct {
	Name  string         `json:"name"` // "admission", "cache lookup", "guardrail <name>", "chat <model>" ...
	Kind  StepKind       `json:"kind"`
	Span  string         `json:"span"` // 16 hex digits
	Start time.Time      `json:"start"`
	End   time.Time      `json:"end"`
	Error string         `json:"error,omitempty"`
	Attrs map[string]any `json:"attrs,omitempty"` // strings, numbers, booleans, lists of strings
}

// StepKind is the kind of a step.
type StepKind string

// The kinds of steps.
const (
	StepAdmission StepKind = "admission"
	StepCache     StepKind = "cache"
	StepGuardrail StepKind = "guardrail"
	StepAttempt   StepKind = "attempt"
)

// Logging is what key, team and request say about who hears of the call. The zero value: every callback, as configured.
type Logging struct {
	Off        bool          // no-log: true, where the operator lets callers say so
	Redact     *bool         // overrides turn_off_message_logging
	Disabled   []string      // callbacks that do not hear of it (x-litellm-disable-callbacks)
	Own        []OwnCallback // a key's or a team's own; they stand in place of the configured ones
	MaskInput  bool          // metadata.mask_input
	MaskOutput bool
}

// Split is what the parts of a call have cost: what was asked, the upstream's cache included, and what was answered,
// thinking included. What attempts that failed may have been billed is in neither.
type Split struct {
	Input, Output money.USD
}

// OwnCallback is a callback with an account of a key's or a team's own.
type OwnCallback struct {
	Ref  string            // whose it is: "key:<hash>" or "team:<id>"
	Name string            // langfuse ...
	On   string            // success, failure, success_and_failure
	Vars map[string]string // callback_vars, references to the environment resolved
}

// Attempt is one deployment that was asked.
type Attempt struct {
	Deployment  string        `json:"deployment"`
	Group       string        `json:"model_group"`
	Status      int           `json:"status"`
	Duration    time.Duration `json:"duration_ns"`
	Error       string        `json:"error,omitempty"`
	MaybeBilled bool          `json:"maybe_billed,omitempty"`
}

// Duration is the time from arrival to end.
func (c *Call) Duration() time.Duration { return c.Ended.Sub(c.Started) }

// Seconds is a time as LiteLLM writes it: seconds since 1970, 0 for no time.
func Seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}
