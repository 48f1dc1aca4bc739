package access

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
	"tollgate/internal/money"
)

// payer is what one object means for a call that it pays for: the counter that is charged, the budgets that the call must
// fit into, and the limits that hold it. Immutable.
type payer struct {
	charge  account.Scope
	caps    []budget.Scope
	windows []budget.Scope
	models  []modelCap
	rules   []limit.Rule
	byModel []modelRule
	tags    []string // given to each call
}

// modelCap is a budget of one model.
type modelCap struct {
	model string
	scope budget.Scope
}

// modelRule is a limit of one model.
type modelRule struct {
	model string
	rule  limit.Rule
}

// The refusals of budgets, in LiteLLM's words; what is in braces is filled in by the budget room.
const (
	refusalPlain  = "Budget has been exceeded! Current cost: {spent}, Max budget: {cap}"
	refusalOf     = " Current cost: {spent}, Max budget: {cap}"
	refusalWindow = " budget. Spend=${spent4}, Limit=${cap2}"
	refusalOver   = " over budget. Spend={spent}, Budget={cap}"
)

// paidByKey is a key with the budget that it refers to, if any. until is when it must be compiled anew; zero = never.
func paidByKey(k *account.Key, row *account.Budget, now time.Time) (p *payer, until time.Time) {
	p = &payer{charge: account.KeyScope(k.Token), tags: texts(k.Metadata["tags"])}
	own, limits, soft := k.Spending, k.Limits, k.SoftBudget
	models := k.ModelMaxBudget
	if row != nil {
		own, limits, soft = tighter(own, row.Spending), orElse(limits, row.Limits), cmp.Or(soft, row.SoftBudget)
		if len(models) == 0 {
			models = row.ModelMaxBudget
		}
	}
	more, until := temporaryIncrease(k.Metadata, now)
	p.budget(own, soft, refusalPlain)
	for i := range p.caps {
		p.caps[i].Header = !own.MaxBudget.None()
		if raised, err := p.caps[i].Cap.Add(more); err == nil {
			p.caps[i].Cap = raised
		}
	}
	p.window(k.BudgetLimits, "ExceededBudget: Key over ")
	p.modelCaps(models, "LiteLLM Virtual Key: "+k.Token+", key_alias: "+k.KeyAlias)
	p.limit("api_key", k.Token, limits)
	p.modelRules("model_per_key", k.Token, k.Metadata)
	return p, until
}

func paidByTeam(t *account.Team) *payer {
	p := &payer{charge: account.TeamScope(t.TeamID), tags: texts(t.Metadata["tags"])}
	p.budget(t.Spending, t.SoftBudget, "Budget has been exceeded! Team="+t.TeamID+refusalOf)
	p.window(t.BudgetLimits, "ExceededBudget: Team="+t.TeamID+" over ")
	p.modelCaps(t.ModelMaxBudget, "LiteLLM Team: "+t.TeamID)
	p.limit("team", t.TeamID, t.Limits)
	p.modelRules("model_per_team", t.TeamID, t.Metadata)
	return p
}

func paidByUser(u *account.User) *payer {
	p := &payer{charge: account.UserScope(u.UserID)}
	p.budget(u.Spending, u.SoftBudget, "ExceededBudget: User="+u.UserID+refusalOver)
	p.modelCaps(u.ModelMaxBudget, "LiteLLM User: "+u.UserID)
	p.limit("user", u.UserID, u.Limits)
	return p
}

// paidByOrg is an organisation. A budget of 0 is none (LiteLLM checks "only when max > 0").
func paidByOrg(o *account.Organization, row *account.Budget) *payer {
	p := &payer{charge: account.OrgScope(o.OrganizationID)}
	p.modelRules("model_per_organization", o.OrganizationID, o.Metadata)
	if row == nil {
		return p
	}
	own := row.Spending
	if own.MaxBudget.USD() <= 0 {
		own.MaxBudget = ""
	}
	p.budget(own, row.SoftBudget, "Budget has been exceeded! Organization="+o.OrganizationID+refusalOf)
	p.modelCaps(row.ModelMaxBudget, "LiteLLM Organization: "+o.OrganizationID)
	p.limit("organization", o.OrganizationID, row.Limits)
	return p
}

func paidByMember(team, user string, row *account.Budget) *payer {
	p := &payer{charge: account.MemberScope(team, user)}
	if row == nil {
		return p
	}
	p.budget(row.Spending, row.SoftBudget, "Budget has been exceeded! User="+user+" in Team="+team+refusalOf)
	for _, name := range sorted(row.ModelMaxBudget) {
		p.modelCap(name, row.ModelMaxBudget[name], "ExceededBudget: Team member model budget exceeded. User="+user+", Team="+team+", Model="+name+". Spend=${spent6}, Budget=${cap6}")
	}
	p.limit("team_member", team+":"+user, row.Limits)
	return p
}

// paidByOrgMember is what a member of an organisation may spend there.
func paidByOrgMember(org, user string, row *account.Budget) *payer {
	p := &payer{charge: account.OrgMemberScope(org, user)}
	if row == nil {
		return p
	}
	p.budget(row.Spending, row.SoftBudget, "Budget has been exceeded! User="+user+" in Organization="+org+refusalOf)
	p.modelCaps(row.ModelMaxBudget, "LiteLLM Organization Member: "+user)
	p.limit("organization_member", org+":"+user, row.Limits)
	return p
}

func paidByCustomer(id string, row *account.Budget) *payer {
	p := &payer{charge: account.CustomerScope(id)}
	if row == nil {
		return p
	}
	p.budget(row.Spending, row.SoftBudget, "ExceededBudget: End User="+id+refusalOver)
	p.modelCaps(row.ModelMaxBudget, "LiteLLM End User: "+id)
	p.limit("end_user", id, row.Limits)
	return p
}

func paidByTag(name string, row *account.Budget) *payer {
	p := &payer{charge: account.TagScope(name)}
	if row == nil {
		return p
	}
	p.budget(row.Spending, row.SoftBudget, "Budget has been exceeded! Tag="+name+refusalOf)
	p.modelCaps(row.ModelMaxBudget, "LiteLLM Tag: "+name)
	p.limit("tag", name, row.Limits)
	return p
}

// budget adds the object's own budget. With a soft budget alone nothing is refused.
func (p *payer) budget(s account.Spending, soft account.Amount, refusal string) {
	if s.MaxBudget.None() && soft.None() {
		return
	}
	most := money.Max
	if !s.MaxBudget.None() {
		most = max(s.MaxBudget.USD(), 0)
	}
	p.caps = append(p.caps, budget.Scope{Counter: p.charge, Cap: most, Duration: s.BudgetDuration, ResetAt: s.BudgetResetAt, Soft: soft.USD(), Refusal: refusal})
}

func (p *payer) window(windows []account.Window, refusal string) {
	for _, w := range windows {
		if w.MaxBudget.None() {
			continue
		}
		p.windows = append(p.windows, budget.Scope{
			Counter: p.charge.Window(w.BudgetDuration), Cap: max(w.MaxBudget.USD(), 0), Duration: w.BudgetDuration, ResetAt: w.ResetAt,
			Refusal: refusal + w.BudgetDuration + refusalWindow,
		})
	}
}

func (p *payer) modelCaps(models map[string]account.ModelBudget, owner string) {
	for _, name := range sorted(models) {
		p.modelCap(name, models[name], owner+", exceeded budget for model="+name)
	}
}

func (p *payer) modelCap(name string, b account.ModelBudget, refusal string) {
	if b.BudgetLimit.None() {
		return
	}
	p.models = append(p.models, modelCap{name, budget.Scope{Counter: p.charge.Model(name), Cap: max(b.BudgetLimit.USD(), 0), Duration: b.TimePeriod, Refusal: refusal}})
}

func (p *payer) limit(descriptor, value string, l account.Limits) {
	if l.RPMLimit != nil || l.TPMLimit != nil || l.MaxParallelRequests != nil {
		p.rules = append(p.rules, limit.Rule{Descriptor: descriptor, Value: value, Requests: l.RPMLimit, Tokens: l.TPMLimit, Parallel: l.MaxParallelRequests})
	}
}

// modelRules reads model_rpm_limit and model_tpm_limit of an object's metadata.
func (p *payer) modelRules(descriptor, value string, metadata map[string]any) {
	requests, _ := metadata["model_rpm_limit"].(map[string]any)
	tokens, _ := metadata["model_tpm_limit"].(map[string]any)
	for _, name := range sorted(requests) {
		p.byModel = append(p.byModel, modelRule{name, limit.Rule{Descriptor: descriptor, Value: value + ":" + name, Requests: whole(requests[name]), Tokens: whole(tokens[name])}})
	}
	for _, name := range sorted(tokens) {
		if _, both := requests[name]; !both {
			p.byModel = append(p.byModel, modelRule{name, limit.Rule{Descriptor: descriptor, Value: value + ":" + name, Tokens: whole(tokens[name])}})
		}
	}
}

// tighter joins an object's own budget with the one that it refers to: they are counted on one counter, so the smaller
// one binds, and the own period goes before.
func tighter(own, row account.Spending) account.Spending {
	if own.MaxBudget.None() || (!row.MaxBudget.None() && row.MaxBudget.USD() < own.MaxBudget.USD()) {
		own.MaxBudget = row.MaxBudget
	}
	if own.BudgetDuration == "" {
		own.BudgetDuration, own.BudgetResetAt = row.BudgetDuration, row.BudgetResetAt
	}
	return own
}

func orElse(own, row account.Limits) account.Limits {
	if own.MaxParallelRequests == nil {
		own.MaxParallelRequests = row.MaxParallelRequests
	}
	if own.RPMLimit == nil {
		own.RPMLimit = row.RPMLimit
	}
	if own.TPMLimit == nil {
		own.TPMLimit = row.TPMLimit
	}
	return own
}

// temporaryIncrease is what a key's budget is raised by until a time (temp_budget_increase, temp_budget_expiry).
func temporaryIncrease(metadata map[string]any, now time.Time) (more money.USD, until time.Time) {
	text, _ := metadata["temp_budget_expiry"].(string)
	until, ok := parseTime(text)
	if !ok || !now.Before(until) {
		return 0, time.Time{}
	}
	amount, err := account.ParseAmount(decimal(metadata["temp_budget_increase"]))
	if err != nil {
		return 0, time.Time{}
	}
	return max(amount.USD(), 0), until
}

// parseTime reads the forms of ISO 8601 that clients send; without a zone it is UTC.
func parseTime(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// decimal is a number of a decoded JSON document, or a text that holds one; "" is neither.
func decimal(v any) string {
	switch n := v.(type) {
	case json.Number:
		return n.String()
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64)
	case int64:
		return strconv.FormatInt(n, 10)
	case int:
		return strconv.Itoa(n)
	case string:
		return n
	}
	return ""
}

// whole is a limit of a decoded JSON document; nil when there is none. A fraction counts as the whole part of it.
func whole(v any) *int64 {
	f, err := strconv.ParseFloat(decimal(v), 64)
	if err != nil {
		return nil
	}
	n := int64(f)
	return &n
}

// texts is a list of texts of a decoded JSON document.
func texts(v any) []string {
	switch list := v.(type) {
	case []string:
		return list
	case []any:
		out := make([]string, 0, len(list))
		for _, e := range list {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fits reports whether a model of a budget or limit is the one that is called: by its name, or by it without the provider.
func fits(model string, called []string) bool {
	return slices.ContainsFunc(called, func(name string) bool {
		if name == model {
			return true
		}
		_, bare, found := strings.Cut(name, "/")
		return found && bare == model
	})
}
