package access

import (
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// payers are those who pay for the call, in no order that matters.
func (a *admission) payers() []*payer {
	var all []*payer
	if r := a.id.record; r != nil {
		all = append(all, r.key, r.team, r.user, r.org, r.member)
	}
	all = append(all, a.customer)
	all = append(all, a.tags...)
	return slices.DeleteFunc(all, func(p *payer) bool { return p == nil })
}

// charge lists every counter that the call's cost is added to: those that are shown, and those that a budget is counted on.
func (a *admission) charge() {
	charges := []account.Scope{account.GlobalScope}
	if a.id.IsMaster() {
		charges = append(charges, account.KeyScope(MasterKeyName), account.UserScope(MasterUserID))
	}
	for _, p := range a.payers() {
		charges = append(charges, p.charge)
		for i := range p.windows {
			charges = append(charges, p.windows[i].Counter)
		}
		for i := range p.models {
			if fits(p.models[i].model, a.called) {
				charges = append(charges, p.models[i].scope.Counter)
			}
		}
	}
	a.out.Charges = charges
	if a.id.record != nil {
		a.out.Metadata = a.id.record.metadata
	}
}

// budgets lists the budgets in the order in which LiteLLM asks them (its per-key checks, then common_checks).
func (a *admission) budgets() {
	var key, team, user, org, member payer
	if r := a.id.record; r != nil {
		key, team, user, org, member = deref(r.key), deref(r.team), deref(r.user), deref(r.org), deref(r.member)
	}
	customer := deref(a.customer)
	if !a.id.personal() {
		user = a.g.userOnTeamKey(user)
	}
	a.fit(key.caps)
	a.fitModels(key, customer)
	a.fit(team.caps, team.windows, key.windows)
	a.fitModels(team)
	a.fit(org.caps)
	for _, tag := range a.tags {
		a.fit(tag.caps)
	}
	a.fit(user.caps)
	a.fitModels(user)
	a.fit(member.caps)
	a.fitModels(member)
	a.fit(customer.caps)
	a.fitGlobal()
}

// userOnTeamKey is what a user's budgets are for a key of a team: none, or, where the operator wants them there too, with
// the text that LiteLLM has for this case.
func (g *Gate) userOnTeamKey(user payer) payer {
	if !g.opts.Policy.UserBudgetOnTeamKeys {
		return payer{}
	}
	user.caps = slices.Clone(user.caps)
	for i := range user.caps {
		_, ids, _, _ := user.charge.Parts()
		user.caps[i].Refusal = "Budget has been exceeded! User=" + ids[0] + refusalOf
	}
	return user
}

func (a *admission) fit(groups ...[]budget.Scope) {
	for _, scopes := range groups {
		a.out.Budgets = append(a.out.Budgets, scopes...)
	}
}

func (a *admission) fitModels(payers ...payer) {
	for _, p := range payers {
		for i := range p.models {
			if fits(p.models[i].model, a.called) {
				a.out.Budgets = append(a.out.Budgets, p.models[i].scope)
			}
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
	var key, team, user, org, member payer
	if r := a.id.record; r != nil {
		key, team, user, org, member = deref(r.key), deref(r.team), deref(r.user), deref(r.org), deref(r.member)
	}
	out := a.keyRules(key)
	out = append(out, user.rules...)
	out = append(out, team.rules...)
	out = append(out, member.rules...)
	if a.customer != nil {
		out = append(out, a.customer.rules...)
	}
	for _, p := range [...]payer{key, team} {
		for i := range p.byModel {
			if fits(p.byModel[i].model, a.called) {
				out = append(out, p.byModel[i].rule)
			}
		}
	}
	out = append(out, org.rules...)
	for _, tag := range a.tags {
		out = append(out, tag.rules...)
	}
	if most := a.g.opts.Policy.GlobalParallel; most != nil {
		out = append(out, limit.Rule{Descriptor: "global", Parallel: most})
	}
	a.out.Limits = out
}

// keyRules are the key's own limits; a key that does not say how many calls it may have at once has the operator's number.
func (a *admission) keyRules(key payer) []limit.Rule {
	most := a.g.opts.Policy.KeyParallel
	out := slices.Clone(key.rules)
	switch {
	case most == nil || a.id.Key == nil:
	case len(out) == 0:
		out = []limit.Rule{{Descriptor: "api_key", Value: a.id.Key.Token, Parallel: most}}
	case out[0].Parallel == nil:
		out[0].Parallel = most
	}
	return out
}

func deref(p *payer) payer {
	if p == nil {
		return payer{}
	}
	return *p
}
