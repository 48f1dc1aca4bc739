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
