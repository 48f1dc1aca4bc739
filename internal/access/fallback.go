package access

import (
	"cmp"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// ForModel tells what a call falls under besides when another group serves it than the one that was asked: name is the
// fallback as it was written, group what the router serves it as. They are the budgets and limits that the key, the team,
// the member, the user and the customer have for that model alone, in the order in which they refuse, and the counters
// that its cost is added to; none of them is one that the admission has already. All are nil, without an allocation, for
// the callers who have no such budget or limit.
func (a *Admission) ForModel(name, group string) (budgets []budget.Scope, limits []limit.Rule, charges []account.Scope) {
	if a.of == nil {
		return nil, nil, nil
	}
	called := [...]string{name, cmp.Or(group, name)}
	for _, p := range a.of.byModel() {
		for i := range p.payer.models {
			m := &p.payer.models[i]
			if !fits(m.model, called[:]) {
				continue
			}
			if !slices.Contains(a.Charges, m.scope.Counter) {
				charges = append(charges, m.scope.Counter)
			}
			if p.holds && !slices.ContainsFunc(a.Budgets, func(b budget.Scope) bool { return b.Counter == m.scope.Counter }) {
				budgets = append(budgets, m.scope)
			}
		}
		for i := range p.payer.byModel {
			r := &p.payer.byModel[i]
			if fits(r.model, called[:]) && !slices.ContainsFunc(a.Limits, func(l limit.Rule) bool { return l.Descriptor == r.rule.Descriptor && l.Value == r.rule.Value }) {
				limits = append(limits, r.rule)
			}
		}
	}
	return budgets, limits, charges
}

// modelPayer is somebody who may have budgets and limits for one model; holds is false when the budgets are only counted.
type modelPayer struct {
	payer *payer
	holds bool
}

// byModel lists them in the order in which their budgets refuse.
func (a *admission) byModel() [5]modelPayer {
	return [...]modelPayer{{a.key, true}, {a.customer, true}, {a.team, true}, {a.user, a.holdsUser()}, {a.member, true}}
}
