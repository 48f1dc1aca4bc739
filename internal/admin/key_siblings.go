package admin

import (
	"context"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// This file keeps a key from shedding what it is bound by: by making itself a sibling, or by changing itself or another.

// widens refuses what takes a bound away that the ceiling's key has, or makes it wider. What merely exceeds an amount or a limit
// is refused already.
func (c *call) widens(top *ceiling, k *account.Key, names []string) *apierr.Error {
	own := top.key
	for _, check := range []struct {
		name  string
		wider bool
	}{
		{"max_budget", !own.MaxBudget.None() && k.MaxBudget.None()},
		{"budget_duration", !own.MaxBudget.None() && c.startsSooner(k.BudgetDuration, own.BudgetDuration)},
		{"soft_budget", larger(k.SoftBudget, own.SoftBudget)},
		{"max_parallel_requests", own.MaxParallelRequests != nil && k.MaxParallelRequests == nil},
		{"tpm_limit", own.TPMLimit != nil && k.TPMLimit == nil},
		{"rpm_limit", own.RPMLimit != nil && k.RPMLimit == nil},
		{"duration", own.Expires != nil && (k.Expires == nil || k.Expires.After(*own.Expires))},
		{"budget_limits", slices.ContainsFunc(own.BudgetLimits, func(w account.Window) bool { return !holdsWindow(k.BudgetLimits, w) })},
		{"model_max_budget", c.widerModelBudgets(k.ModelMaxBudget, own.ModelMaxBudget)},
		{"model_tpm_limit", widerModelLimits(k, own, "model_tpm_limit")},
		{"model_rpm_limit", widerModelLimits(k, own, "model_rpm_limit")},
	} {
		if check.wider && slices.Contains(names, check.name) {
			return named(check.name, forbidden("%s cannot be taken away or be wider than that of %s. Your role=%s", check.name, top.who, c.who.role))
		}
	}
	return nil
}

// mayMultiply refuses a key with a budget of its own to make others, each of which would have as much again, unless their user
// or their team has a budget that bounds what they spend together.
func (c *call) mayMultiply(ctx context.Context, r account.Reader, k *account.Key, team *account.Team) error {
	own := c.who.bound()
	if own == nil {
		return nil
	}
	budget, err := lookup[account.Budget](ctx, r, own.BudgetID)
	if err != nil {
		return err
	}
	if own.MaxBudget.None() && len(own.BudgetLimits) == 0 && (budget == nil || budget.MaxBudget.None()) {
		return nil
	}
	if team != nil {
		if !team.MaxBudget.None() || len(team.BudgetLimits) > 0 {
			return nil
		}
	} else if user, err := lookup[account.User](ctx, r, k.UserID); err != nil || user != nil && !user.MaxBudget.None() {
		return err
	}
	return named("max_budget", forbidden("The key that you call with has a budget of its own, and nothing bounds what more keys would spend together. Ask an admin for a budget of the user or the team. Your role=%s", c.who.role))
}

// tighten gives a new key of somebody who is no proxy admin the bounds of the key that calls, where its own are wider or none.
func (c *call) tighten(k *account.Key) *apierr.Error {
	own := c.who.bound()
	if own == nil {
		return nil
	}
	if err := c.tightenBudget(k, own); err != nil {
		return err
	}
	k.MaxParallelRequests = lesser(k.MaxParallelRequests, own.MaxParallelRequests)
	k.TPMLimit, k.RPMLimit = lesser(k.TPMLimit, own.TPMLimit), lesser(k.RPMLimit, own.RPMLimit)
	if own.Expires != nil && (k.Expires == nil || k.Expires.After(*own.Expires)) {
		k.Expires = own.Expires
	}
	tightenMetadata(k, own)
	return nil
}

func (c *call) tightenBudget(k, own *account.Key) *apierr.Error {
	if larger(k.MaxBudget, own.MaxBudget) {
		if k.MaxBudget = own.MaxBudget; k.BudgetDuration == "" {
			k.BudgetDuration = own.BudgetDuration
		}
	}
	if !own.MaxBudget.None() && c.startsSooner(k.BudgetDuration, own.BudgetDuration) {
		k.BudgetDuration = own.BudgetDuration
	}
	resetAt, err := c.nextReset("budget_duration", k.BudgetDuration)
	if err != nil {
		return err
	}
	k.BudgetResetAt = resetAt
	if larger(k.SoftBudget, own.SoftBudget) {
		k.SoftBudget = own.SoftBudget
	}
	if k.BudgetID == "" {
		k.BudgetID = own.BudgetID
	}
	for _, w := range own.BudgetLimits {
		if holdsWindow(k.BudgetLimits, w) {
			continue
		}
		k.BudgetLimits = slices.DeleteFunc(k.BudgetLimits, func(o account.Window) bool { return o.BudgetDuration == w.BudgetDuration })
		if w.ResetAt, err = c.nextReset("budget_limits", w.BudgetDuration); err != nil {
			return err
		}
		k.BudgetLimits = append(k.BudgetLimits, w)
	}
	for model, b := range own.ModelMaxBudget {
		if c.widerModelBudgets(k.ModelMaxBudget, map[string]account.ModelBudget{model: b}) {
			k.ModelMaxBudget = maps.Clone(k.ModelMaxBudget)
			if k.ModelMaxBudget == nil {
				k.ModelMaxBudget = map[string]account.ModelBudget{}
			}
			k.ModelMaxBudget[model] = b
		}
	}
	return nil
}

// handedOn are members of metadata that a key has from the key that made it, as they are.
var handedOn = []string{"allow_client_tags", "enforced_params"}

func tightenMetadata(k, own *account.Key) {
	m := maps.Clone(k.Metadata)
	if m == nil {
		m = map[string]any{}
	}
	for _, name := range []string{"tags", "guardrails"} {
		list, _ := texts(name, m[name])
		more, _ := texts(name, own.Metadata[name])
		for _, text := range more {
			if !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
		if len(list) > 0 {
			m[name] = list
		}
	}
	for _, name := range []string{"model_tpm_limit", "model_rpm_limit"} {
		limits, _ := modelLimits(m[name])
		tops, _ := modelLimits(own.Metadata[name])
		for model, top := range tops {
			if n, ok := limits[model]; ok && n <= top {
				continue
			}
			if limits == nil {
				limits = map[string]int64{}
			}
			limits[model] = top
		}
		if len(limits) > 0 {
			m[name] = limits
		}
	}
	for _, name := range handedOn {
		if v, ok := own.Metadata[name]; ok {
			m[name] = v
		}
	}
	if len(m) > 0 {
		k.Metadata = m
	}
}

// larger reports whether an amount is more than a top that there is. None is the largest.
func larger(amount, top account.Amount) bool {
	return !top.None() && (amount.None() || amount.Float64() > top.Float64())
}

// lesser is the smaller of two limits. None is the largest.
func lesser(a, b *int64) *int64 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

// startsSooner reports whether a budget of the period is spent more often than one of the other. None never starts anew.
func (c *call) startsSooner(period, other string) bool {
	return !noDuration(period) && c.longerThan(other, period)
}

func holdsWindow(windows []account.Window, top account.Window) bool {
	return slices.ContainsFunc(windows, func(w account.Window) bool {
		return w.BudgetDuration == top.BudgetDuration && !larger(w.MaxBudget, top.MaxBudget)
	})
}

// widerModelBudgets reports whether one of the tops is no bound of these budgets.
func (c *call) widerModelBudgets(budgets, tops map[string]account.ModelBudget) bool {
	for model, top := range tops {
		b, ok := budgets[model]
		if !ok || larger(b.BudgetLimit, top.BudgetLimit) || c.startsSooner(b.TimePeriod, top.TimePeriod) {
			return true
		}
	}
	return false
}

func widerModelLimits(k, own *account.Key, name string) bool {
	limits, _ := modelLimits(k.Metadata[name])
	tops, _ := modelLimits(own.Metadata[name])
	for model, top := range tops {
		if n, ok := limits[model]; !ok || n > top {
			return true
		}
	}
	return false
}
