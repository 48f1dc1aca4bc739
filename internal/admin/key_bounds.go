package admin

import (
	"context"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// This file keeps a key within whom it belongs to. What somebody who is not a proxy admin writes to a key may not reach beyond
// the user, the team and the key that the call was made with.

// ceiling is what a key may not exceed.
type ceiling struct {
	who       string // "your user", "the team", for refusals
	models    []string
	maxBudget account.Amount
	limits    account.Limits
	// key is set where nothing else bounds what the ceiling is about: a bound that is taken away is more than its, too.
	key *account.Key
}

// keyCeiling is a key as a ceiling.
func keyCeiling(who string, k *account.Key, models []string) ceiling {
	return ceiling{who: who, models: models, maxBudget: k.MaxBudget, limits: k.Limits, key: k}
}

// within refuses what a caller who is no proxy admin changes in a key beyond its bounds. before is nil for a new key, and names
// are the fields that the caller changes.
func (c *call) within(ctx context.Context, r account.Reader, before, k *account.Key, rel relation, team *account.Team, names []string) *apierr.Error {
	if c.who.isAdmin() {
		return nil
	}
	ceilings, err := c.ceilings(ctx, r, k, team)
	if err != nil {
		return shown(err)
	}
	if made := givenTo(&c.who, before, rel); made != nil {
		ceilings = append(ceilings, keyCeiling("the key as it was made for you", made, made.Models))
	}
	for _, top := range ceilings {
		if err := c.under(&top, k, names); err != nil {
			return err
		}
	}
	if slices.Contains(names, "access_group_ids") && team != nil {
		for _, id := range k.AccessGroupIDs {
			if !slices.Contains(team.AccessGroupIDs, id) {
				return named("access_group_ids", forbidden("access_group_ids: the team has no access group %q", id))
			}
		}
	}
	return c.routesWithin(k, names, ceilings)
}

// givenTo is the key as it was, where somebody else has made it for the caller: its holder may narrow it, and not widen it.
func givenTo(who *caller, before *account.Key, rel relation) *account.Key {
	leads := rel&(asAdmin|asOrgAdmin|asTeamAdmin|asMember) != 0
	if before == nil || leads || before.CreatedBy == "" || before.CreatedBy == who.id() {
		return nil
	}
	return before
}

// ceilings are the bounds of a key: its team's or, where it has none, its user's, and those of the key that calls, itself too.
func (c *call) ceilings(ctx context.Context, r account.Reader, k *account.Key, team *account.Team) ([]ceiling, error) {
	var all []ceiling
	if team != nil {
		all = append(all, ceiling{who: "the team", models: team.Models, maxBudget: team.MaxBudget, limits: team.Limits})
	} else {
		user, err := lookup[account.User](ctx, r, k.UserID)
		if err != nil {
			return nil, err
		}
		if user != nil {
			all = append(all, ceiling{who: "the user", models: user.Models, maxBudget: user.MaxBudget, limits: user.Limits})
		}
	}
	if own := c.who.bound(); own != nil {
		all = append(all, keyCeiling("the key that you call with", own, c.who.models()))
	}
	return all, nil
}

// under refuses the changed fields of a key that exceed a ceiling.
func (c *call) under(top *ceiling, k *account.Key, names []string) *apierr.Error {
	if slices.Contains(names, "models") {
		models := k.Models
		if top.key != nil && len(top.key.Models) > 0 && len(models) == 0 {
			models = []string{account.AllProxyModels}
		}
		if bad, ok := c.modelsWithin(models, top.models); !ok {
			return named("models", forbidden("models: %s may not call %q. It can only access models=%s", top.who, bad, pythonList(top.models)))
		}
	}
	if slices.Contains(names, "aliases") {
		for _, target := range aliasTargets(k.Aliases) {
			if bad, ok := c.modelsWithin([]string{target}, top.models); !ok {
				return named("aliases", forbidden("aliases: %s may not call %q. It can only access models=%s", top.who, bad, pythonList(top.models)))
			}
		}
	}
	if err := top.overBudget(k, names); err != nil {
		return err
	}
	for _, limit := range []struct {
		name      string
		key, most *int64
	}{
		{"max_parallel_requests", k.MaxParallelRequests, top.limits.MaxParallelRequests},
		{"tpm_limit", k.TPMLimit, top.limits.TPMLimit},
		{"rpm_limit", k.RPMLimit, top.limits.RPMLimit},
	} {
		if limit.key != nil && limit.most != nil && *limit.key > *limit.most && slices.Contains(names, limit.name) {
			return named(limit.name, forbidden("%s=%d is greater than the %s=%d of %s", limit.name, *limit.key, limit.name, *limit.most, top.who))
		}
	}
	if err := top.overModelLimits(k, names); err != nil || top.key == nil {
		return err
	}
	return c.widens(top, k, names)
}

// overBudget refuses the amounts of a key that exceed the ceiling's: the budget, those of windows, and those of models.
func (top *ceiling) overBudget(k *account.Key, names []string) *apierr.Error {
	if top.maxBudget.None() {
		return nil
	}
	amounts := map[string][]account.Amount{"max_budget": {k.MaxBudget}}
	for _, w := range k.BudgetLimits {
		amounts["budget_limits"] = append(amounts["budget_limits"], w.MaxBudget)
	}
	for _, model := range slices.Sorted(maps.Keys(k.ModelMaxBudget)) {
		amounts["model_max_budget"] = append(amounts["model_max_budget"], k.ModelMaxBudget[model].BudgetLimit)
	}
	for _, name := range []string{"max_budget", "budget_limits", "model_max_budget"} {
		for _, amount := range amounts[name] {
			if slices.Contains(names, name) && amount.Float64() > top.maxBudget.Float64() {
				return named(name, forbidden("%s=%s is greater than the max_budget=%s of %s", name, pythonFloat(amount), pythonFloat(top.maxBudget), top.who))
			}
		}
	}
	return nil
}

// overModelLimits refuses limits of single models that exceed the ceiling's limits.
func (top *ceiling) overModelLimits(k *account.Key, names []string) *apierr.Error {
	for _, limit := range []struct {
		name, of string
		most     *int64
	}{{"model_tpm_limit", "tpm_limit", top.limits.TPMLimit}, {"model_rpm_limit", "rpm_limit", top.limits.RPMLimit}} {
		if limit.most == nil || !slices.Contains(names, limit.name) {
			continue
		}
		limits, _ := modelLimits(k.Metadata[limit.name])
		for _, model := range slices.Sorted(maps.Keys(limits)) {
			if limits[model] > *limit.most {
				return named(limit.name, forbidden("%s=%d of %q is greater than the %s=%d of %s", limit.name, limits[model], model, limit.of, *limit.most, top.who))
			}
		}
	}
	return nil
}

func aliasTargets(aliases account.JSON) []string {
	var targets []string
	for _, raw := range split(aliases) {
		target, _ := unquoted(raw)
		targets = append(targets, target)
	}
	return targets
}

// modelsWithin reports whether every name in some is one that a holder of the list all may call; bad is the first that is not.
// An empty list is all that the parent has.
func (c *call) modelsWithin(some, all []string) (bad string, ok bool) {
	if len(all) == 0 || slices.Contains(all, "*") || slices.Contains(all, account.AllProxyModels) {
		return "", true
	}
	groups := c.accessGroups()
	for _, name := range some {
		if !modelWithin(name, all, groups) {
			return name, false
		}
	}
	return "", true
}

func modelWithin(name string, all []string, groups map[string][]string) bool {
	if name == account.NoDefaultModels || name == account.AllTeamModels || slices.Contains(all, name) {
		return true
	}
	for _, entry := range all {
		if prefix, wild := strings.CutSuffix(entry, "*"); wild && strings.HasPrefix(name, prefix) {
			return true
		}
		if slices.Contains(groups[entry], name) {
			return true
		}
	}
	members := groups[name]
	return len(members) > 0 && !slices.ContainsFunc(members, func(m string) bool { return !modelWithin(m, all, nil) })
}

func (c *call) accessGroups() map[string][]string {
	if c.api.opts.Models == nil {
		return nil
	}
	return c.api.opts.Models.AccessGroups()
}

// openRouteGroups are the groups of routes that somebody who is no proxy admin may give to a key. They open nothing that the
// caller's role does not: a key's list only narrows.
var openRouteGroups = []string{
	"llm_api_routes", "openai_routes", "anthropic_routes", "google_routes", "mcp_routes", "agent_routes", "info_routes", "spend_tracking_routes",
	"key_management_routes", "internal_user_routes", "self_managed_routes", "public_routes",
}

// routesWithin refuses routes that only an admin may give, and those that the key that calls does not have itself
// (CVE-2026-47101: a low user stored allowed_routes ["/*"]).
func (c *call) routesWithin(k *account.Key, names []string, ceilings []ceiling) *apierr.Error {
	if !slices.Contains(names, "allowed_routes") {
		return nil
	}
	for _, route := range k.AllowedRoutes {
		path := strings.HasPrefix(route, "/") && route != "/*" && !strings.HasPrefix(route, "/config")
		if !path && !slices.Contains(openRouteGroups, route) {
			return named("allowed_routes", forbidden("You are not allowed to set allowed_routes=%s. Your role=%s", pythonList(k.AllowedRoutes), c.who.role))
		}
	}
	for i := range ceilings {
		if err := ceilings[i].overRoutes(k); err != nil {
			return err
		}
	}
	return nil
}

func (top *ceiling) overRoutes(k *account.Key) *apierr.Error {
	if top.key == nil || len(top.key.AllowedRoutes) == 0 {
		return nil
	}
	if len(k.AllowedRoutes) == 0 {
		return named("allowed_routes", forbidden("allowed_routes: %s may not call every route. Only allowed to call routes: %s", top.who, pythonList(top.key.AllowedRoutes)))
	}
	for _, route := range k.AllowedRoutes {
		if !routeWithin(route, top.key.AllowedRoutes) {
			return named("allowed_routes", forbidden("allowed_routes: %s may not call %q. Only allowed to call routes: %s", top.who, route, pythonList(top.key.AllowedRoutes)))
		}
	}
	return nil
}

func routeWithin(route string, all []string) bool {
	return slices.ContainsFunc(all, func(entry string) bool {
		prefix, wild := strings.CutSuffix(entry, "*")
		return route == entry || wild && strings.HasPrefix(route, prefix)
	})
}

// inherit gives a new key of somebody who is no proxy admin the models and routes of the key that calls, where the request is
// silent: else a key for one model, or for a few routes, could make itself a sibling without bounds. tighten does the rest.
func (c *call) inherit(in *keyFields) {
	own := c.who.bound()
	if own == nil {
		return
	}
	if len(in.Models.Value) == 0 && len(own.Models) > 0 && !slices.Contains(own.Models, account.AllTeamModels) {
		in.Models = give(slices.Clone(own.Models))
	}
	if len(in.AllowedRoutes.Value) == 0 && in.KeyType.Or("default") == "default" && len(own.AllowedRoutes) > 0 {
		in.AllowedRoutes = give(slices.Clone(own.AllowedRoutes))
	}
}

// callingRoutes are what a key may call that somebody else than its user was shown, beside proxy admins: a key acts for its user,
// so whoever knows its value would manage in the user's name. A team admin could make itself a proxy admin by giving one of them a
// key.
var callingRoutes = []string{"llm_api_routes", "/key/info", "/key/health"}

// standsFor reports whether the caller, who is no proxy admin, would hold a key of another user.
func (c *call) standsFor(k *account.Key) bool {
	return !c.who.isAdmin() && k.UserID != "" && k.UserID != c.who.user
}

// notImpersonating refuses to show the caller the value of a key that could manage in another user's name.
func (c *call) notImpersonating(k *account.Key) error {
	if !c.standsFor(k) {
		return nil
	}
	plain := func(route string) bool {
		return slices.Contains(callingRoutes, route) || slices.Contains([]string{"openai_routes", "anthropic_routes", "google_routes"}, route)
	}
	if len(k.AllowedRoutes) == 0 || slices.ContainsFunc(k.AllowedRoutes, func(r string) bool { return !plain(r) }) {
		return named("allowed_routes", forbidden("A key of another user must be for calls alone: allowed_routes must be among %s. Got %s. Your role=%s",
			pythonList(append(slices.Clone(callingRoutes), "openai_routes", "anthropic_routes", "google_routes")), pythonList(k.AllowedRoutes), c.who.role))
	}
	return nil
}
