// Package record is the account of one call: a flat value that the steps of a request fill and that the log,
// the metrics and the ledger read, blind to each other.
package record

import "time"

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
	ID      string // the call id, our own key of the call
	Route   string // the route's pattern
	Started time.Time
	Ended   time.Time
	Caller  string // who called, safe to log: "master" or a key's hash; "" when nobody was identified

	Alias      string // the model asked for
	Group      string // the alias that answered, after fallbacks
	Deployment string // the id of the deployment that answered
	Upstream   string // the upstream id that answered
	Stream     bool

	Outcome Outcome
	Status  int    // the HTTP status sent
	Error   string // the message sent to the caller, "" on success

	Retries   int
	Fallbacks int

	PromptTokens     int
	CompletionTokens int
	CachedTokens     int
	ReasoningTokens  int
	UsageKnown       bool          // the upstream told the token counts
	Estimated        bool          // the counts are estimates, since the stream ended before the upstream told them
	Cost             string        // USD in plain decimals; "" when the price is not known
	FirstByte        time.Duration // from arrival to the first byte of the answer
	Upstreams        time.Duration // time spent waiting for upstreams
}

// Duration is the time from arrival to end.
func (c *Call) Duration() time.Duration { return c.Ended.Sub(c.Started) }
