package dispatch

import (
	"log/slog"
	"time"
)

// Strategy names how a deployment is chosen among those that may be asked.
type Strategy string

// The strategies, by LiteLLM's names.
const (
	SimpleShuffle Strategy = "simple-shuffle"
	LeastBusy     Strategy = "least-busy"
	LatencyBased  Strategy = "latency-based-routing"
	CostBased     Strategy = "cost-based-routing"
	UsageBased    Strategy = "usage-based-routing"
	UsageBasedV2  Strategy = "usage-based-routing-v2"
)

// StrategyArgs are routing_strategy_args. A TTL or a list size of 0 is LiteLLM's default.
type StrategyArgs struct {
	TTL                 time.Duration // how long a latency counts
	LowestLatencyBuffer float64       // share above the best average that still counts as best
	MaxLatencyListSize  int
}

// RoutingGroup gives some aliases a strategy of their own (routing_groups).
type RoutingGroup struct {
	Name     string
	Models   []string
	Strategy Strategy
	Args     StrategyArgs
}

// RetryPolicy is the number of retries per class of error; nil leaves the next rule in force.
type RetryPolicy struct {
	BadRequest, Authentication, Timeout, RateLimit, ContentPolicy, InternalServer *int
}

// AllowedFailsPolicy is the number of failures per class of error that a deployment may have before it cools.
type AllowedFailsPolicy struct {
	BadRequest, Authentication, Timeout, RateLimit, ContentPolicy, InternalServer *int
	ServiceUnavailable, BadGateway, NotFound                                      *int
}

// GroupAlias is one entry of model_group_alias.
type GroupAlias struct {
	Alias  string
	Group  string
	Hidden bool // not in lists of models
}

// Hooks tell an observer what happens. Each may be nil; they are called on the way of a call and must be quick.
type Hooks struct {
	Attempt  func(a Attempt)                                         // an attempt has ended
	Cooldown func(d *Deployment, status int, duration time.Duration) // a deployment cools
	Fallback func(from, to string, err error)                        // a fallback was tried; err is nil when it answered
}

// Options are router_settings. Start from DefaultOptions.
type Options struct {
	Strategy      Strategy
	StrategyArgs  StrategyArgs
	RoutingGroups []RoutingGroup

	NumRetries       int
	RetryPolicy      *RetryPolicy
	GroupRetryPolicy map[string]RetryPolicy
	RetryAfter       time.Duration // least sleep before a retry that sleeps

	Fallbacks              map[string][]Fallback // by alias, in order
	ContextWindowFallbacks map[string][]Fallback
	ContentPolicyFallbacks map[string][]Fallback
	DefaultFallbacks       []Fallback // for aliases that have no list; the same as the list of "*"
	MaxFallbacks           int        // fallback aliases that one call may try

	Timeout              time.Duration // a unary attempt; a stream's wait for its first and for each next chunk
	StreamTimeout        time.Duration // a stream's wait for its first chunk; 0: Timeout
	StreamIdleTimeout    time.Duration // a stream's wait for each next chunk; 0: Timeout
	MaxStreamingDuration time.Duration // LITELLM_MAX_STREAMING_DURATION_SECONDS; 0: none

	AllowedFails       *int // nil: not set, which leaves the default rules of cooling in force
	AllowedFailsPolicy *AllowedFailsPolicy
	CooldownTime       time.Duration // 0: deployments do not cool
	DisableCooldowns   bool

	GroupAliases []GroupAlias

	EnablePreCallChecks    bool
	EnableTagFiltering     bool
	TagMatchAll            bool // tag_filtering_match_any: false
	DefaultMaxParallel     int  // 0: none
	EnforceModelRateLimits bool // rpm and tpm are hard limits

	// OpenWildcard makes the deployment for a name that a pattern matched: a copy of d with Model and UpstreamID
	// for upstreamID and with its providers. It does no I/O. nil: patterns serve nothing.
	OpenWildcard func(d *Deployment, upstreamID string) (Deployment, error)

	Rand  func() float64 // in [0,1), safe for concurrent use; nil: math/rand/v2
	Log   *slog.Logger   // nil: none
	Hooks Hooks
}

// DefaultOptions are LiteLLM's defaults.
func DefaultOptions() Options {
	return Options{
		Strategy:     SimpleShuffle,
		StrategyArgs: DefaultStrategyArgs(),
		NumRetries:   2,
		MaxFallbacks: 5,
		Timeout:      6000 * time.Second,
		CooldownTime: 5 * time.Second,
	}
}

// DefaultStrategyArgs are LiteLLM's routing_strategy_args.
func DefaultStrategyArgs() StrategyArgs {
	return StrategyArgs{TTL: time.Hour, MaxLatencyListSize: 10}
}
