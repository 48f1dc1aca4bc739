package admin

import (
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// Null leaves a field as it is: LiteLLM drops nulls, and its clients send one for each field that they have nothing to say of. So
// taking a budget, a limit or an expiry away is a field of our own, unset, with the names of what is to go.

// unsetFields is the part of an update that takes fields away.
type unsetFields struct {
	Unset Opt[[]string] `json:"unset"` // ours
}

// empty empties the fields that the request names. fields say how, and given are those that the request sets.
func (in *unsetFields) empty(given map[string]bool, fields map[string]func()) *apierr.Error {
	for _, name := range in.Unset.Value {
		drop, known := fields[name]
		switch {
		case !known:
			return named("unset", badRequest("unset: %s is no field that can be taken away. Those are %s.", quote(name), pythonList(slices.Sorted(maps.Keys(fields)))))
		case given[name]:
			return named("unset", badRequest("unset: the request sets %q, too.", name))
		}
		drop()
	}
	return nil
}

// bounds are the fields that every kind of object has.
func bounds(s *account.Spending, soft *account.Amount, l *account.Limits, models *map[string]account.ModelBudget) map[string]func() {
	return map[string]func(){
		"max_budget":            func() { s.MaxBudget = "" },
		"soft_budget":           func() { *soft = "" },
		"budget_duration":       func() { s.BudgetDuration, s.BudgetResetAt = "", nil },
		"model_max_budget":      func() { *models = nil },
		"max_parallel_requests": func() { l.MaxParallelRequests = nil },
		"tpm_limit":             func() { l.TPMLimit = nil },
		"rpm_limit":             func() { l.RPMLimit = nil },
	}
}

func keyBounds(k *account.Key) map[string]func() {
	fields := bounds(&k.Spending, &k.SoftBudget, &k.Limits, &k.ModelMaxBudget)
	fields["budget_limits"] = func() { k.BudgetLimits = nil }
	fields["budget_id"] = func() { k.BudgetID = "" }
	fields["duration"] = func() { k.Expires = nil }
	return fields
}

func teamBounds(t *account.Team) map[string]func() {
	fields := bounds(&t.Spending, &t.SoftBudget, &t.Limits, &t.ModelMaxBudget)
	fields["budget_limits"] = func() { t.BudgetLimits = nil }
	return fields
}

func userBounds(u *account.User) map[string]func() {
	return bounds(&u.Spending, &u.SoftBudget, &u.Limits, &u.ModelMaxBudget)
}
