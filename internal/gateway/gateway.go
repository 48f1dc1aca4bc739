// Package gateway is the data plane: it finds the route of a request, asks access who may pass, sends the call
// through dispatch and writes the answer. request.go holds the way of one call of a model route from top to
// bottom; routes.go shows every route on one page.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/cache"
	"tollgate/internal/dispatch"
	"tollgate/internal/guardrail"
	"tollgate/internal/limit"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// Snapshot is what the configuration says to the gateway. It is immutable; a reload swaps it as a whole, and a
// request keeps the one that it started with.
type Snapshot struct {
	Gate   *access.Gate
	Router *dispatch.Router
	Models *Models

	MaxBody int64 // bytes of a request body, 0 = no bound
	// Overrides name the model of an operation whatever the caller asked (completion_model, --model, embedding_model).
	Overrides map[openai.Operation]string
	// ModelAliases rename what callers ask before anything else (model_alias_map).
	ModelAliases map[string]string
	// AlwaysIncludeUsage gives every caller of a stream the usage chunk (always_include_stream_usage).
	AlwaysIncludeUsage bool
	// ClientCredentials lets bodies carry api_key, api_base and the like (allow_client_side_credentials).
	ClientCredentials bool
	// OpenWith opens a deployment for one call with the credential fields of its body and nothing of the operator's.
	// An address among them that is not vetted must be public.
	OpenWith func(d *dispatch.Deployment, fields map[string]string, vetted bool) (dispatch.Deployment, error)
	// ForwardHeaders passes the caller's x-* headers on (forward_client_headers_to_llm_api).
	ForwardHeaders bool
	// MockTesting lets the master key send mock_testing_* fields.
	MockTesting bool
	// Keepalive is the longest silence of a stream before a comment is sent; 0 = none is ever sent.
	Keepalive time.Duration
	Health    Health
	// LogLevel is shown by the readiness answer.
	LogLevel string

	// UserHeader names the header that tells the customer (user_header_name); "" = none but the usual ones.
	UserHeader string
	// EstimateBudgets holds what a call is expected to cost rather than the most it can (budget_mode).
	EstimateBudgets bool
	// RefuseUnpriced refuses models without a known price where a budget pays (refuse_unpriced).
	RefuseUnpriced bool
	// LegacyStatus answers a spent budget with 400, as older LiteLLMs did (compat_status).
	LegacyStatus bool
	// TokenLimitType says which tokens token limits count: total, input or output.
	TokenLimitType string
	// SkipErrorRows keeps calls that were refused or failed out of the ledger (disable_error_logs).
	SkipErrorRows bool
	// Guardrails check what goes into models and what comes out; nil = none are configured.
	Guardrails *guardrail.Set
	// Cache answers calls again that were answered before; nil = there is none.
	Cache *cache.Cache
	// StorePrompts keeps what was asked and answered in the ledger (store_prompts_in_spend_logs).
	StorePrompts bool
	// Callbacks say who tells which callbacks of its calls.
	Callbacks CallbackRules
	// Tracing has calls note what traces are made of: a callback shows them.
	Tracing bool
	// ForwardTraceparent has upstreams take part in the trace (forward_traceparent_to_llm_provider).
	ForwardTraceparent bool
}

// Health says how GET /health probes.
type Health struct {
	Timeout  time.Duration // of one probe
	Parallel int           // probes at once; 0 = 16
	Details  bool          // show parameters and errors
}

// Options are what lives longer than a configuration.
type Options struct {
	Version  string
	RootPath string // SERVER_ROOT_PATH: a prefix under which every route is served as well
	Log      *slog.Logger
	Metrics  *telemetry.Metrics
	Budgets  *budget.Book
	Limits   *limit.Limiter
	Ledger   Ledger   // nil = no call is kept
	Counters Counters // nil = nobody knows what keys have spent
	Replica  string   // names this process in the ledger
	// Callbacks hear of every call; nil = nobody does.
	Callbacks Callbacks
	// Alerts hear of calls that begin and end; nil = nobody does.
	Alerts Alerts
	// DatabaseAnswers tells whether the database has answered lately; nil = there is none.
	DatabaseAnswers func() bool
	// Credentials tells how what signs for upstreams fares; nil = nothing does.
	Credentials func() []provider.CredentialStatus
	Pages       []Page // of other rooms
	// Services are the integrations in force, for GET /health/services; nil = none.
	Services func() []Service
	// Decline says why a path that no route has is not served; nil = it is not known either.
	Decline func(path string) *apierr.Error
}

// Ledger keeps the record of every call. Append returns when a kill of this process can no longer take it away; the
// record is not changed afterwards. Safe for concurrent use.
type Ledger interface {
	Append(c *record.Call) error
	// Ready returns an error when new calls must not begin, since their records would have no room.
	Ready() error
}

// Alerts look at calls. They do not block; a call that has ended does not change any more. Safe for concurrent use.
type Alerts interface {
	Started(id, model string, began time.Time)
	Ended(id string)
	Observe(c *record.Call)
	TrackingFailed(what string)
}

// Page is a route that another room serves. Its caller was let in by the entry.
type Page struct {
	access.Route
	Serve func(w http.ResponseWriter, r *http.Request, who *access.Identity)
}

// Gateway serves HTTP. It is safe for concurrent use.
type Gateway struct {
	opts Options
	snap atomic.Pointer[Snapshot] // never nil once New has returned
	mux  *http.ServeMux

	headerNames headerNames
	limitNames  sync.Map       // *limitNames by limitKind
	underWay    sync.WaitGroup // calls of models, and what they ask in the background
	spendings   *spendings
	copying     chan struct{} // a token for each call whose copy for the log the guardrails look at
}

// New makes a gateway that serves first.
func New(opts Options, first *Snapshot) *Gateway {
	g := &Gateway{opts: opts, mux: http.NewServeMux(), copying: make(chan struct{}, mostCopies)}
	g.spendings = newSpendings(opts.Counters, g.underWay.Go)
	g.snap.Store(first)
	g.register(g.allRoutes())
	return g
}

// Swap puts a new configuration in force for all requests that start from now on.
func (g *Gateway) Swap(s *Snapshot) { g.snap.Store(s) }

// Drain returns when no call is under way any more, or when ctx ends. The listeners must be closed before: what has cut
// the callers off has ended no call yet.
func (g *Gateway) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.underWay.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// strangerTimeout is how long a body may take whose caller is not known yet, or is refused.
const strangerTimeout = 30 * time.Second

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// net/http reads what a handler leaves of a body before it answers: without a bound, who announces a body and
		// sends none holds a connection for ever.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerTimeout)) // not every writer in a test has one
	}
	r, ok := g.canonical(r)
	if !ok {
		notFound().Write(w)
		return
	}
	g.mux.ServeHTTP(w, r)
}

func notFound() *apierr.Error {
	return &apierr.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Message: "Not Found. GET / lists what this gateway serves.", Detail: "Not Found"}
}
