package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/cache"
	"tollgate/internal/dispatch"
	"tollgate/internal/telemetry"
)

// openMetrics reads which series with LiteLLM's names the configuration wants. What it selects and nobody has is an error, as
// it is to LiteLLM.
func (a *App) openMetrics(b *built) {
	l := &b.config.Litellm
	on := l.MetricsConfig != nil
	for _, list := range [][]string{l.Callbacks, l.SuccessCallback, l.FailureCallback} {
		on = on || slices.Contains(list, "prometheus")
	}
	if !on {
		return
	}
	o := &telemetry.LiteLLMOptions{
		Metadata: l.MetricsMetadata, Tags: l.MetricsTags, Buckets: l.MetricsBuckets, Stream: l.MetricsStream, EndUsers: l.MetricsEndUsers && !l.MetricsNoEndUsers,
	}
	const path = "litellm_settings.prometheus_metrics_config"
	if err := decodeInto(l.MetricsConfig, &o.Metrics); err != nil {
		b.refuseSetting(path, fmt.Errorf("it must be a list of {group, metrics, include_labels}: %w", err))
		return
	}
	if err := o.Check(); err != nil {
		b.refuseSetting(path, err)
		return
	}
	if missing := o.Missing(); len(missing) > 0 {
		b.warnSetting(path, "LiteLLM has these metrics, this gateway has not: "+strings.Join(missing, ", "))
	}
	b.litellmMetrics = o
}

// metricsTarget is a deployment as LiteLLM's series name it.
func (b *built) metricsTarget(d *dispatch.Deployment) *telemetry.Target {
	t := &telemetry.Target{Model: d.UpstreamID, ID: d.ID, Provider: d.Provider}
	for i := range b.models {
		if b.models[i].ID == d.ID {
			t.APIBase = b.models[i].APIBase
		}
	}
	return t
}

// figures are what the gauges with LiteLLM's names show.
func (a *App) figures(seen []telemetry.Holder) telemetry.Figures {
	b := a.inForce.Load()
	if b == nil {
		return telemetry.Figures{}
	}
	f := telemetry.Figures{Providers: map[string]float64{}}
	for _, s := range b.router.Status() {
		d := telemetry.DeploymentFigures{Target: *b.metricsTarget(s.Deployment), RPM: s.Deployment.RPM, TPM: s.Deployment.TPM}
		switch {
		case s.Cooling > 0:
			d.State = 2
		case s.Failures > 0:
			d.State = 1
		}
		f.Deployments = append(f.Deployments, d)
	}
	for name := range b.config.Router.ProviderBudgets {
		if spent, limit, known := a.rooms.budgets.Spent(account.ProviderScope(name)); known && limit > 0 {
			f.Providers[name] = (limit - spent).Float64()
		}
	}
	stored := a.rooms.holders.ask(a.rooms.store, seen, b.config.Litellm.MetricsBudgets)
	f.Users, f.Teams = stored.users, stored.teams
	for h, budget := range stored.budgets {
		if spent, limit, known := a.rooms.budgets.Spent(holderScope(h)); known && limit > 0 { // newer than the store's
			budget.spent, budget.limit = spent, limit
		}
		if budget.limit <= 0 {
			continue
		}
		shown := telemetry.BudgetFigures{Holder: h, Remaining: (budget.limit - budget.spent).Float64(), Max: budget.limit.Float64()}
		if budget.resetAt != nil {
			hours := max(time.Until(*budget.resetAt).Hours(), 0)
			shown.Hours = &hours
		}
		f.Budgets = append(f.Budgets, shown)
	}
	return f
}

func holderScope(h telemetry.Holder) account.Scope {
	switch h.Kind {
	case telemetry.HoldingKey:
		return account.KeyScope(h.ID)
	case telemetry.HoldingTeam:
		return account.TeamScope(h.ID)
	case telemetry.HoldingOrg:
		return account.OrgScope(h.ID)
	}
	return account.UserScope(h.ID)
}

// callbackQueues are what waits for callbacks, for their series.
func (a *App) callbackQueues() []telemetry.Queue {
	if a.rooms.callbacks == nil {
		return nil
	}
	var list []telemetry.Queue
	for _, s := range a.rooms.callbacks.Stats() {
		q := telemetry.Queue{Name: s.Name, Events: s.Pending, Bytes: s.Bytes}
		if !s.Oldest.IsZero() {
			q.Age = time.Since(s.Oldest).Seconds()
		}
		list = append(list, q)
	}
	return list
}

// cacheCounts counts what the cache does.
type cacheCounts struct{ metrics *telemetry.Metrics }

// CacheEvent implements cache.Observer.
func (c cacheCounts) CacheEvent(e cache.Event) {
	switch e.Kind {
	case cache.Hit, cache.Partial, cache.Miss:
		c.metrics.CacheLookup(string(e.Kind))
	default:
		c.metrics.CacheBackend(e.Operation, string(e.Kind))
	}
}
