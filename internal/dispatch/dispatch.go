// Package dispatch sends a call to one of the deployments that serve an alias: it picks, retries with back-off,
// cools deployments that fail, falls back to other aliases, and bounds the time that an upstream may take. The
// rules and their texts are those of LiteLLM's router; where they differ the comment beside the code says why.
//
// The way of a call, outermost first (each is one file):
//
//	fallback.go  a group of deployments, then the groups that its fallback lists name
//	retry.go     the order levels of a group; a first attempt at a level and its retries
//	pick.go      the deployments that may be asked now, and the strategy's choice among them (strategies.go)
//	attempt.go   one deployment asked once; what its outcome means for the deployment (cooldown.go)
//
// Unary calls and streams share all of it; a stream's attempt has succeeded when its first chunk is there (stream.go).
// No lock is held while an upstream is asked.
package dispatch

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// Deployment is one upstream target. It is immutable; the Router keeps what changes in State.
type Deployment struct {
	ID         string // model_info.id: unique, and the same again after a reload
	Alias      string // model_name: what callers ask; a pattern when it holds "*"
	Model      string // litellm_params.model: "oci/cohere.command-latest"
	UpstreamID string // Model without its provider prefix: "cohere.command-latest"
	Provider   string // "oci"

	// Chatter is non-nil except on a pattern, which Options.OpenWildcard opens per name. The others are nil where
	// the provider has no such operation.
	Chatter   provider.Chatter
	Completer provider.Completer
	Embedder  provider.Embedder
	Reranker  provider.Reranker

	Weight      *float64 // nil: none given
	RPM, TPM    int64    // capacity per minute; 0: none given
	MaxParallel int      // calls at once; 0: none given
	Order       *int     // lowest first; nil comes behind every number
	Tags        []string
	TagRegex    []string // matched against "Name: value" of the caller's headers

	Timeout       time.Duration  // 0: the router's
	StreamTimeout time.Duration  // wait for a stream's first chunk; 0: the router's
	NumRetries    *int           // wins over every other setting
	CooldownTime  *time.Duration // 0 means that the deployment never cools
	MockResponse  string         // answers without an upstream; see Mock

	InputCost, OutputCost *money.USD // per token, nil when unknown
	MaxInputTokens        int        // 0: unknown
	MaxOutputTokens       int        // most that it writes, which bounds what a call reserves; 0: unknown
	Blocked               bool       // paused by the operator
}

// Target is a deployment in the role that a call gives it.
type Target struct {
	*Deployment
	// Group is the alias that is being served; it differs from the query's alias after a fallback.
	Group string
	// Overrides are the body members that the fallback's entry sets for this call; nil outside of fallbacks.
	Overrides []jsonscan.Field
}

// Fallback is one entry of a fallback list: another alias, and body members that replace the caller's.
type Fallback struct {
	Model     string
	Overrides []jsonscan.Field
}

// Query is what a call wants of the router. It is read only and may be shared by concurrent calls.
type Query struct {
	Alias     string
	Operation openai.Operation
	Tags      []string
	Header    http.Header // what tag_regex may see; may be nil
	// InputTokens and OutputTokens estimate the call: the first is checked against context windows, their sum (the
	// second up to the deployment's MaxOutputTokens) is reserved of a tpm limit until Outcome.Record tells the real
	// usage. 0: unknown. Callers choose the second, so any value is safe.
	InputTokens, OutputTokens int

	// What the request itself asks, from its body or headers. Lists that are nil leave the router's in force.
	Fallbacks              []Fallback
	ContextWindowFallbacks map[string][]Fallback
	ContentPolicyFallbacks map[string][]Fallback
	MaxFallbacks           *int
	DisableFallbacks       bool
	NumRetries             *int
	Timeout                time.Duration // 0: not given
	StreamTimeout          time.Duration // 0: not given
	// SpecificDeployment reads Alias as a deployment's litellm_params.model before anything else.
	SpecificDeployment bool

	Mock MockQuery
	// Admit says whether the caller may use a fallback's alias; nil admits all. It is not asked for Alias itself.
	Admit func(alias string) error
	// Pay is asked before each attempt whether the budgets of the deployment, its provider and the caller bear it, and holds
	// that of them; nil asks nobody. An error leaves the deployment out of the call; its text says which budget was crossed.
	Pay func(ctx context.Context, t Target) error
}

// MockQuery is the mock_* part of a request. The gateway decides who may send it.
type MockQuery struct {
	Response              string          // mock_response: answered instead of the upstream; see Mock
	ToolCalls             json.RawMessage // mock_tool_calls
	Delay                 time.Duration   // mock_delay: before a mock answer
	Timeout               bool            // mock_timeout: each attempt takes its whole timeout and fails
	Fallbacks             bool            // mock_testing_fallbacks: the alias itself fails with a 500
	ContextFallbacks      bool            // mock_testing_context_fallbacks
	ContentPolicyFallback bool            // mock_testing_content_policy_fallbacks
	RateLimitError        bool            // mock_testing_rate_limit_error: the first attempt is a 429
}

// Attempt is one deployment asked once.
type Attempt struct {
	Deployment *Deployment
	Group      string
	Start      time.Time
	Duration   time.Duration // of a stream: until its first chunk
	Err        error         // nil for the attempt that answered
	Status     int           // what Err means as an HTTP status; 200 for the attempt that answered
	// MaybeBilled is true for an attempt that was cancelled, timed out or broke off: the upstream may have worked.
	MaybeBilled bool
}

// Outcome tells how a call went. It belongs to the call's goroutine.
type Outcome struct {
	Deployment *Deployment // the one that answered; nil when none did
	Group      string      // the alias that answered, or the one that was asked when none did
	FellBack   bool        // the answer came from a fallback
	Retries    int         // further attempts in the group that answered (x-litellm-attempted-retries), in the last one when none did
	Fallbacks  int         // fallback aliases tried (x-litellm-attempted-fallbacks)
	Attempts   []Attempt   // in order; the last one answered, if any did

	answered *attempt // for Record
}

// Call makes a unary call: do is asked once per attempt, with a context that ends at the attempt's timeout. The error is
// an *apierr.Error whose Cause holds the *provider.UpstreamError (and so the upstream's headers), or, when ctx ended,
// one of status 499 or 408 that wraps ctx's error. The Outcome is never nil. Safe for concurrent use.
func Call[T any](ctx context.Context, r *Router, q *Query, do func(ctx context.Context, t Target) (T, error)) (T, *Outcome, error) {
	var answer T
	out, err := r.run(ctx, q, false, func(ctx context.Context, a *attempt) error {
		return a.unary(ctx, func(ctx context.Context) error {
			v, err := do(ctx, a.target())
			if err == nil {
				answer = v
			}
			return err
		})
	})
	return answer, out, err
}

// Stream opens a stream and returns when its first chunk is there; until then it retries and falls back as Call does.
// The stream returned gives that chunk first. From then on nothing is tried again: a failure is an *apierr.Error of
// Next and counts for the deployment's cooldown. The caller must Close the stream, on every path.
func (r *Router) Stream(ctx context.Context, q *Query, open func(ctx context.Context, t Target) (openai.Stream, error)) (openai.Stream, *Outcome, error) {
	var opened *stream
	out, err := r.run(ctx, q, true, func(ctx context.Context, a *attempt) error {
		s, err := openStream(ctx, a, open)
		if err != nil {
			return err
		}
		opened = s
		return nil
	})
	if err != nil {
		return nil, out, err
	}
	return opened, out, nil
}

// Record tells the usage of a call that was answered: it settles the tokens that were reserved of a tpm limit and
// turns the latency sample into one per token of the answer, as latency-based-routing compares them. Call it once,
// when the usage is known; without it the estimate stands.
func (o *Outcome) Record(u openai.Usage) {
	if o.answered == nil {
		return
	}
	o.answered.record(u)
}
