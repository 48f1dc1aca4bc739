package admin

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// fill writes default_key_generate_params into a request where it says nothing, as LiteLLM does before it looks at bounds.
func (d *KeyDefaults) fill(in *keyFields) {
	fillOpt(&in.MaxBudget, d.MaxBudget, d.MaxBudget.None())
	fillOpt(&in.BudgetDuration, d.BudgetDuration, d.BudgetDuration == "")
	fillOpt(&in.Duration, d.Duration, d.Duration == "")
	fillPtr(&in.MaxParallel, d.MaxParallelRequests)
	fillPtr(&in.TPMLimit, d.TPMLimit)
	fillPtr(&in.RPMLimit, d.RPMLimit)
	if len(in.Models.Value) == 0 && len(d.Models) > 0 {
		in.Models = give(slices.Clone(d.Models))
	}
	if len(in.Metadata.Value) == 0 && len(d.Metadata) > 0 {
		in.Metadata = give(maps.Clone(d.Metadata))
	}
}

// fillOpt gives a field that has no value one. Empty durations count as none.
func fillOpt[T comparable](to *Opt[T], value T, none bool) {
	var zero T
	if !none && (!to.Given() || to.Value == zero) {
		*to = give(value)
	}
}

func fillPtr(to *Opt[int64], value *int64) {
	if value != nil && !to.Given() {
		*to = give(*value)
	}
}

// bound applies upperbound_key_generate_params to a request: it is refused where it asks for more, and a new key gets the bound
// where it says nothing. before is the key that is changed, nil for a new one: what it has already is no request for more.
func (b *KeyBounds) bound(c *call, in *keyFields, before *account.Key) *apierr.Error {
	fill := before == nil
	if fill {
		before = &account.Key{}
	}
	if !b.MaxBudget.None() {
		switch {
		case in.MaxBudget.Given() && in.MaxBudget.Value != before.MaxBudget && in.MaxBudget.Value.Float64() > b.MaxBudget.Float64():
			return overBound("max_budget", pythonFloat(in.MaxBudget.Value), pythonFloat(b.MaxBudget))
		case fill && !in.MaxBudget.Given():
			in.MaxBudget = give(b.MaxBudget)
		}
	}
	for _, limit := range []struct {
		name        string
		given       *Opt[int64]
		before, top *int64
	}{
		{"max_parallel_requests", &in.MaxParallel, before.MaxParallelRequests, b.MaxParallelRequests},
		{"tpm_limit", &in.TPMLimit, before.TPMLimit, b.TPMLimit},
		{"rpm_limit", &in.RPMLimit, before.RPMLimit, b.RPMLimit},
	} {
		switch {
		case limit.top == nil, limit.before != nil && limit.given.Given() && limit.given.Value == *limit.before:
		case limit.given.Given() && limit.given.Value > *limit.top:
			return overBound(limit.name, strconv.FormatInt(limit.given.Value, 10), strconv.FormatInt(*limit.top, 10))
		case fill && !limit.given.Given():
			*limit.given = give(*limit.top)
		}
	}
	if before.BudgetDuration == "" || in.BudgetDuration.Value != before.BudgetDuration {
		if err := boundDuration(c, "budget_duration", &in.BudgetDuration, b.BudgetDuration, fill); err != nil {
			return err
		}
	}
	return boundDuration(c, "duration", &in.Duration, b.Duration, fill)
}

func boundDuration(c *call, name string, given *Opt[string], most string, fill bool) *apierr.Error {
	silent := !given.Given() || given.Value == ""
	switch {
	case most == "":
	case !silent && c.longerThan(given.Value, most):
		return overBound(name, given.Value, most)
	case fill && silent:
		*given = give(most)
	}
	return nil
}

func overBound(field, value, most string) *apierr.Error {
	return named(field, badRequest("%s is over max limit set in config - user_value=%s; max_value=%s", field, value, most))
}

// check says whether somebody may make a key, as key_generation_settings and default_team_disabled have it. role is the
// caller's in the key's team, and given the fields that the request sets.
func (g *KeyGeneration) check(c *call, k *account.Key, role string, given map[string]bool) *apierr.Error {
	if err := g.checkRole(c, k, role); err != nil || c.who.isAdmin() {
		return err
	}
	switch {
	case k.TeamID != "" && g.Team != nil:
		return requireParams(g.Team.RequiredParams, given)
	case k.TeamID == "" && g.Personal != nil:
		return requireParams(g.Personal.RequiredParams, given)
	}
	return nil
}

func (g *KeyGeneration) checkRole(c *call, k *account.Key, role string) *apierr.Error {
	if k.TeamID == "" && c.settings.NoPersonalKeys {
		return named("team_id", badRequest("Keys without a team are disabled (general_settings.default_team_disabled). Please specify `team_id` in the request body."))
	}
	if c.who.isAdmin() {
		return nil
	}
	if k.TeamID != "" && g.Team != nil {
		if roles := g.Team.AllowedTeamMemberRoles; len(roles) > 0 && !slices.Contains(roles, role) {
			return badRequest("Team member role %s not in allowed_team_member_roles=%s", role, pythonList(roles))
		}
	}
	if k.TeamID == "" && g.Personal != nil {
		if roles := g.Personal.AllowedUserRoles; len(roles) > 0 && !slices.Contains(roles, string(c.who.role)) {
			return badRequest("Personal key creation has been restricted by admin. Allowed roles=%s. Your role=%s", pythonList(roles), c.who.role)
		}
	}
	return nil
}

func requireParams(required []string, given map[string]bool) *apierr.Error {
	for _, name := range required {
		if !given[name] {
			return named(name, badRequest("Required param %s not in data", name))
		}
	}
	return nil
}

// pythonFloat is an amount as Python prints a float: "10.0", "0.25", "1e-09".
func pythonFloat(a account.Amount) string {
	if u := a.USD(); u.Float64() == a.Float64() {
		return u.PythonFloat()
	}
	text := strconv.FormatFloat(a.Float64(), 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// pythonList is a list as Python prints one of texts.
func pythonList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = fmt.Sprintf("'%s'", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// boundingFields are the fields of a key that say how much it may do.
var boundingFields = []string{"duration", "models", "aliases", "max_budget", "budget_duration", "budget_limits", "model_max_budget", "max_parallel_requests",
	"tpm_limit", "rpm_limit", "model_tpm_limit", "model_rpm_limit", "allowed_routes"}

// checkChange refuses that somebody who may not make such a key widens one that an admin made for it.
func (g *KeyGeneration) checkChange(c *call, k *account.Key, role string, names []string) *apierr.Error {
	if c.who.isAdmin() || !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(boundingFields, n) }) {
		return nil
	}
	return g.checkRole(c, k, role)
}
