package telemetry

import (
	"slices"

	"tollgate/internal/record"
)

// Label sets of LiteLLM's series (source: BerriAI/litellm, litellm/types/integrations/prometheus.py).
var (
	keyLabels     = []string{"hashed_api_key", "api_key_alias"}
	teamLabels    = []string{"team", "team_alias"}
	callerLabels  = slices.Concat(keyLabels, teamLabels, []string{"user", "end_user"})
	whoLabels     = slices.Concat(callerLabels, []string{"user_email"})
	latencyLabels = slices.Concat(callerLabels, []string{"requested_model", "model", "model_id"})
	targetLabels  = []string{"litellm_model_name", "model_id", "api_base", "api_provider"}
	cacheLabels   = slices.Concat(callerLabels, []string{"model", "model_id"})
)

// litellmCounters count calls, by LiteLLM's names. Python's client puts _total behind the name of a counter; Go's does not.
var litellmCounters = []struct {
	name, help string
	labels     []string
	optional   []string                     // labels that are there only when they are asked for
	add        func(c *record.Call) float64 // what a call adds; 0 adds nothing, and makes no series
}{
	{"litellm_proxy_total_requests_metric", "Calls of model routes.", slices.Concat(whoLabels, []string{"requested_model", "status_code", "route", "model_id"}), []string{"client_ip", "user_agent"}, each},
	{"litellm_proxy_failed_requests_metric", "Calls that were refused or failed.", slices.Concat(whoLabels, []string{"requested_model", "exception_status", "exception_class", "route", "model_id"}), []string{"client_ip", "user_agent"}, ofFailed(each)},
	{"litellm_requests_metric", "Calls that were answered (LiteLLM deprecates the name).", slices.Concat(whoLabels, []string{"model", "model_id"}), []string{"client_ip", "user_agent"}, ofAnswered(each)},
	{"litellm_llm_api_failed_requests_metric", "Calls that upstreams failed (LiteLLM deprecates the name).", slices.Concat(callerLabels, []string{"model", "model_id"}), nil, ofFailed(ofAsked(each))},
	{"litellm_spend_metric", "What calls have cost, in USD.", slices.Concat(whoLabels, []string{"model", "model_id"}), []string{"client_ip", "user_agent"}, func(c *record.Call) float64 { return max(c.Cost.Float64(), 0) }},
	{"litellm_total_tokens_metric", "Tokens of prompts and answers.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.PromptTokens + c.CompletionTokens) }},
	{"litellm_input_tokens_metric", "Tokens of prompts.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.PromptTokens) }},
	{"litellm_output_tokens_metric", "Tokens of answers.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.CompletionTokens) }},
	{"litellm_cache_hits_metric", "Calls that a cache answered.", cacheLabels, nil, func(c *record.Call) float64 { return one(c.CacheHit) }},
	{"litellm_cache_misses_metric", "Calls that a cache was asked for and did not have.", cacheLabels, nil, func(c *record.Call) float64 { return one(c.CacheKey != "" && !c.CacheHit) }},
	{"litellm_cached_tokens_metric", "Tokens that were answered by a cache.", cacheLabels, nil, func(c *record.Call) float64 {
		return one(c.CacheHit) * float64(c.PromptTokens+c.CompletionTokens)
	}},
	{"litellm_deployment_success_responses", "Calls that a deployment answered.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels), []string{"client_ip", "user_agent"}, ofAnswered(ofAsked(each))},
	{"litellm_deployment_total_requests", "Calls that went to a deployment.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels), []string{"client_ip", "user_agent"}, ofAsked(each)},
	{"litellm_deployment_failure_responses", "Calls that a deployment failed.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels, []string{"exception_status", "exception_class"}), []string{"client_ip", "user_agent"}, ofFailed(ofAsked(each))},
	{"litellm_deployment_successful_fallbacks", "Calls that another model answered after the one asked for had failed.", slices.Concat([]string{"requested_model", "fallback_model"}, keyLabels, teamLabels, []string{"exception_status", "exception_class", "model_id"}), nil, ofAnswered(ofFallback)},
	{"litellm_deployment_failed_fallbacks", "Calls that failed on the models to fall back to as well.", slices.Concat([]string{"requested_model", "fallback_model"}, keyLabels, teamLabels, []string{"exception_status", "exception_class", "model_id"}), nil, ofFailed(ofFallback)},
}

// litellmHistograms measure calls, by LiteLLM's names.
var litellmHistograms = []struct {
	name, help string
	labels     []string
	standard   bool // Prometheus' own buckets, not those of latencies
	value      func(c *record.Call) (seconds float64, ok bool)
}{
	{"litellm_request_total_latency_metric", "Seconds from the arrival of a call to its end.", latencyLabels, false, func(c *record.Call) (float64, bool) { return c.Duration().Seconds(), answered(c) }},
	{"litellm_llm_api_latency_metric", "Seconds that a call waited for upstreams.", latencyLabels, false, func(c *record.Call) (float64, bool) { return c.Upstreams.Seconds(), answered(c) && asked(c) }},
	{"litellm_llm_api_time_to_first_token_metric", "Seconds to the first chunk of a stream.", latencyLabels, false, func(c *record.Call) (float64, bool) {
		return c.FirstByte.Seconds(), answered(c) && asked(c) && c.Stream && c.FirstByte > 0
	}},
	{"litellm_overhead_latency_metric", "Seconds that the gateway itself took.", slices.Concat([]string{"model_group", "litellm_model_name", "model_id", "api_base", "api_provider"}, keyLabels), false, func(c *record.Call) (float64, bool) {
		return max(c.Duration()-c.Upstreams, 0).Seconds(), answered(c) && asked(c) && !c.Stream
	}},
	{"litellm_deployment_latency_per_output_token", "Seconds of a call per token of its answer.", slices.Concat(targetLabels, keyLabels, teamLabels), true, func(c *record.Call) (float64, bool) {
		return c.Duration().Seconds() / float64(max(c.CompletionTokens, 1)), answered(c) && asked(c) && c.CompletionTokens > 0
	}},
}

func each(*record.Call) float64 { return 1 }

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func answered(c *record.Call) bool { return c.Outcome == record.Success }

// asked reports whether a deployment was asked.
func asked(c *record.Call) bool { return c.Deployment != "" && !c.CacheHit }

func ofAnswered(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 { return one(answered(c)) * f(c) }
}

func ofFailed(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 {
		return one(c.Outcome == record.Failure || c.Outcome == record.Refused) * f(c)
	}
}

func ofAsked(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 { return one(asked(c)) * f(c) }
}

func ofFallback(c *record.Call) float64 { return one(c.Fallbacks > 0) }
