package access

import (
	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// charge lists every counter that the call's cost is added to: those that are shown, and those that a budget is counted on.
func (a *admission) charge() {
	a.out.Charges = append(make([]account.Scope, 0, 8+len(a.tags)), account.GlobalScope)
	if a.id.IsMaster() {
		a.out.Charges = append(a.out.Charges, account.KeyScope(MasterKeyName), account.UserScope(MasterUserID))
	}
	for _, p := range [...]*payer{a.key, a.team, a.user, a.org, a.member, a.orgMember, a.customer} {
		a.chargeTo(p)
	}
	for _, p := range a.tags {
		a.chargeTo(p)
	}
}

func (a *admission) chargeTo(p *payer) {
	if p.charge == "" {
		return
	}
	out := a.out
	out.Charges = append(out.Charges, p.charge)
	for i := range p.windows {
		out.Charges = append(out.Charges, p.windows[i].Counter)
	}
	for i := range p.models {
		if fits(p.models[i].model, a.called) {
			out.Charges = append(out.Charges, p.models[i].scope.Counter)
		}
	}
}

// budgets lists the budgets in the order in which LiteLLM asks them (its per-key checks, then common_checks).
func (a *admission) budgets() {
	a.out.Budgets = make([]budget.Scope, 0, 4)
	a.fit(a.key.caps)
	a.fitModels(a.key)
	a.fitModels(a.customer)
	a.fit(a.team.caps)
	a.fit(a.team.windows)
	a.fit(a.key.windows)
	a.fitModels(a.team)
	for _, p := range [...]*payer{a.org, a.orgMember} {
		a.fit(p.caps)
		a.fitModels(p)
	}
	for _, tag := range a.tags {
		a.fit(tag.caps)
		a.fitModels(tag)
	}
	a.fitUser()
	a.fit(a.member.caps)
	a.fitModels(a.member)
	a.fit(a.customer.caps)
	a.fitGlobal()
}

// fitUser adds the user's budgets: to a key of a team only where the operator wants them there too, with the text that
// LiteLLM has for this case.
func (a *admission) fitUser() {
	if !a.holdsUser() {
		return
	}
	at := len(a.out.Budgets)
	a.fit(a.user.caps)
	if !a.id.personal() {
		for i := range a.out.Budgets[at:] {
			a.out.Budgets[at+i].Refusal = "Budget has been exceeded! User=" + a.id.UserID() + refusalOf
		}
	}
	a.fitModels(a.user)
}

// holdsUser reports whether the call must fit into its user's budgets.
func (a *admission) holdsUser() bool {
	return a.id.personal() || a.g.opts.Policy.UserBudgetOnTeamKeys
}

func (a *admission) fit(scopes []budget.Scope) { a.out.Budgets = append(a.out.Budgets, scopes...) }

func (a *admission) fitModels(p *payer) {
	for i := range p.models {
		if fits(p.models[i].model, a.called) {
			a.out.Budgets = append(a.out.Budgets, p.models[i].scope)
		}
	}
}

// fitGlobal adds the budget of the whole gateway.
func (a *admission) fitGlobal() {
	p := &a.g.opts.Policy
	if p.GlobalBudget.USD() <= 0 || (a.id.IsMaster() && !p.GlobalForMaster) {
		return
	}
	a.fit([]budget.Scope{{Counter: account.GlobalScope, Cap: p.GlobalBudget.USD(), Duration: p.GlobalDuration, Refusal: refusalPlain}})
}

// limits lists the limits in the order of LiteLLM's limiter (its version 3).
func (a *admission) limits() {
	a.out.Limits = append(make([]limit.Rule, 0, 4), a.key.rules...)
	a.boundKey()
	a.hold(a.user.rules)
	a.hold(a.team.rules)
	a.hold(a.member.rules)
	a.hold(a.customer.rules)
	a.holdModels(a.key)
	a.holdModels(a.team)
	a.holdModels(a.org)
	a.hold(a.org.rules)
	a.hold(a.orgMember.rules)
	for _, tag := range a.tags {
		a.hold(tag.rules)
	}
	if most := a.g.opts.Policy.GlobalParallel; most != nil {
		a.hold([]limit.Rule{{Descriptor: "global", Parallel: most}})
	}
}

// boundKey gives a key that does not say how many calls it may have at once the operator's number.
func (a *admission) boundKey() {
	most := a.g.opts.Policy.KeyParallel
	switch {
	case most == nil || a.id.Key == nil:
	case len(a.out.Limits) == 0:
		a.hold([]limit.Rule{{Descriptor: "api_key", Value: a.id.Key.Token, Parallel: most}})
	case a.out.Limits[0].Parallel == nil:
		a.out.Limits[0].Parallel = most
	}
}

func (a *admission) hold(rules []limit.Rule) { a.out.Limits = append(a.out.Limits, rules...) }

func (a *admission) holdModels(p *payer) {
	for i := range p.byModel {
		if fits(p.byModel[i].model, a.called) {
			a.out.Limits = append(a.out.Limits, p.byModel[i].rule)
		}
	}
}
