package access

import (
	"cmp"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// ForModel tells what a call falls under besides when another group serves it than the one that was asked: name is the
// fallback as it was written, group what the router serves it as. They are the budgets and limits that whoever pays for
// the call has for that model alone, in the order in which they refuse, and the counters that its cost is added to; none of
// them is one that the admission has already. All are nil, without an allocation, for callers who have no such budget or
// limit.
func (a *Admission) ForModel(name, group string) (budgets []budget.Scope, limits []limit.Rule, charges []account.Scope) {
	if a.of == nil {
		return nil, nil, nil
	}
	called := [...]string{name, cmp.Or(group, name)}
	find := func(p *payer, holds bool) {
		for i := range p.models {
			m := &p.models[i]
			if !fits(m.model, called[:]) {
				continue
			}
			if !slices.Contains(a.Charges, m.scope.Counter) {
				charges = append(charges, m.scope.Counter)
			}
			if holds && !slices.ContainsFunc(a.Budgets, func(b budget.Scope) bool { return b.Counter == m.scope.Counter }) {
				budgets = append(budgets, m.scope)
			}
		}
		for i := range p.byModel {
			r := &p.byModel[i].rule
			if fits(p.byModel[i].model, called[:]) && !slices.ContainsFunc(a.Limits, func(l limit.Rule) bool { return l.Descriptor == r.Descriptor && l.Value == r.Value }) {
				limits = append(limits, *r)
			}
		}
	}
	of := a.of
	for _, p := range [...]*payer{of.key, of.customer, of.team, of.org, of.orgMember} {
		find(p, true)
	}
	for _, p := range of.tags {
		find(p, true)
	}
	find(of.user, of.holdsUser())
	find(of.member, true)
	return budgets, limits, charges
}
