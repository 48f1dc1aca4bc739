package app

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
)

// defaultAllowedFails is LiteLLM's; saying it in the file is the same as saying nothing.
const defaultAllowedFails = 3

// routing turns router_settings into the router's options.
func (a *App) routing(b *built) dispatch.Options {
	cfg := b.config
	r := &cfg.Router
	o := dispatch.DefaultOptions()
	o.Strategy, o.StrategyArgs = dispatch.Strategy(r.RoutingStrategy), strategyArgs(r.RoutingStrategyArgs)
	for _, g := range r.RoutingGroups {
		o.RoutingGroups = append(o.RoutingGroups, dispatch.RoutingGroup{
			Name: g.GroupName, Models: g.Models, Strategy: dispatch.Strategy(g.RoutingStrategy), Args: strategyArgs(g.RoutingStrategyArgs),
		})
	}
	o.NumRetries, o.MaxFallbacks, o.RetryAfter = r.NumRetries, r.MaxFallbacks, r.RetryAfter
	o.RetryPolicy = retryPolicy(r.RetryPolicy)
	o.GroupRetryPolicy = map[string]dispatch.RetryPolicy{}
	for group, counts := range r.ModelGroupRetryPolicy {
		if p := retryPolicy(counts); p != nil {
			o.GroupRetryPolicy[group] = *p
		}
	}
	if r.RoutingStrategy == "provider-budget-routing" { // what LiteLLM calls simple-shuffle under provider budgets
		o.Strategy = dispatch.SimpleShuffle
	}
	o.Fallbacks, o.ContextWindowFallbacks, o.ContentPolicyFallbacks = fallbacks(r.Fallbacks), fallbacks(r.ContextWindowFallbacks), fallbacks(r.ContentPolicyFallbacks)
	if o.ContextWindowFallbacks == nil && len(cfg.Litellm.ContextWindowFallbackDict) > 0 {
		o.ContextWindowFallbacks = map[string][]dispatch.Fallback{}
		for from, to := range cfg.Litellm.ContextWindowFallbackDict {
			o.ContextWindowFallbacks[from] = []dispatch.Fallback{{Model: to}}
		}
	}
	o.DefaultFallbacks = targets(r.DefaultFallbacks)
	o.Timeout, o.StreamTimeout = r.Timeout, deref(r.StreamTimeout)
	o.MaxStreamingDuration = b.envSeconds("LITELLM_MAX_STREAMING_DURATION_SECONDS")
	if r.AllowedFails != defaultAllowedFails {
		o.AllowedFails = &r.AllowedFails
	}
	if r.AllowedFailsPolicy != (config.ErrorCounts{}) {
		p := r.AllowedFailsPolicy
		o.AllowedFailsPolicy = &dispatch.AllowedFailsPolicy{
			BadRequest: p.BadRequest, Authentication: p.Authentication, Timeout: p.Timeout, RateLimit: p.RateLimit, ContentPolicy: p.ContentPolicyViolation,
			InternalServer: p.InternalServer, ServiceUnavailable: p.ServiceUnavailable, BadGateway: p.BadGateway, NotFound: p.NotFound,
		}
	}
	o.CooldownTime, o.DisableCooldowns = r.CooldownTime, r.DisableCooldowns
	for _, alias := range slices.Sorted(maps.Keys(r.ModelGroupAlias)) { // lists of models need an order
		to := r.ModelGroupAlias[alias]
		o.GroupAliases = append(o.GroupAliases, dispatch.GroupAlias{Alias: alias, Group: to.Model, Hidden: to.Hidden})
	}
	o.EnablePreCallChecks = r.EnablePreCallChecks
	o.EnableTagFiltering, o.TagMatchAll = r.EnableTagFiltering, !r.TagFilteringMatchAny
	o.DefaultMaxParallel = deref(r.DefaultMaxParallelRequests)
	o.EnforceModelRateLimits = slices.Contains(r.OptionalPreCallChecks, "enforce_model_rate_limits")
	o.OpenWildcard = a.openWildcard(b)
	o.Log = a.log
	o.Hooks.Cooldown = func(d *dispatch.Deployment, status int, cool time.Duration) {
		a.opts.Metrics.CooledDown(d.Alias, b.metricsTarget(d), status)
		a.rooms.alerts.CooledDown(d.Alias, d.Model, d.ID, b.metricsTarget(d).APIBase, status, cool)
		a.log.Warn("deployment cools down", "model", d.Alias, "upstream", d.Model, "deployment", d.ID, "status", status, "for", cool)
	}
	return o
}

func (b *built) envSeconds(name string) time.Duration {
	text, _ := b.lookup(name)
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s <= 0 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

func strategyArgs(a config.RoutingStrategyArgs) dispatch.StrategyArgs {
	return dispatch.StrategyArgs{TTL: a.TTL, LowestLatencyBuffer: a.LowestLatencyBuffer, MaxLatencyListSize: a.MaxLatencyListSize}
}

// retryPolicy is nil when no class of error has a number of its own.
func retryPolicy(c config.ErrorCounts) *dispatch.RetryPolicy {
	if c == (config.ErrorCounts{}) {
		return nil
	}
	return &dispatch.RetryPolicy{
		BadRequest: c.BadRequest, Authentication: c.Authentication, Timeout: c.Timeout, RateLimit: c.RateLimit,
		ContentPolicy: c.ContentPolicyViolation, InternalServer: c.InternalServer,
	}
}

func fallbacks(list []config.Fallback) map[string][]dispatch.Fallback {
	if len(list) == 0 {
		return nil // "not set" means something else than "set, without this alias"
	}
	out := map[string][]dispatch.Fallback{}
	for _, f := range list {
		out[f.Model] = append(out[f.Model], targets(f.Targets)...)
	}
	return out
}

func targets(list []config.FallbackTarget) []dispatch.Fallback {
	var out []dispatch.Fallback
	for _, t := range list {
		f := dispatch.Fallback{Model: t.Model}
		for _, name := range slices.Sorted(maps.Keys(t.Params)) {
			text, err := json.Marshal(t.Params[name])
			if err != nil { // values of a YAML file always have a JSON form
				continue
			}
			f.Overrides = append(f.Overrides, jsonscan.Field{Name: name, Value: text})
		}
		out = append(out, f)
	}
	return out
}
