package access

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// Policy is what the configuration says of calls of models.
type Policy struct {
	LegacyStatus       bool   // a model that is not allowed is 401, not 403
	ModelDeniedMessage string // replaces the text of that refusal; {model} stands for the name (model_access_denied_message)
	// ModelGroups are the access groups that the configuration puts a model into (model_info.access_groups); nil = none.
	ModelGroups func(model string) []string

	EnforceUserParam bool     // enforce_user_param
	EnforcedParams   []string // enforced_params: "user", "metadata.generation_name"
	RejectClientTags bool     // reject_clientside_metadata_tags

	CustomerBudgetID string         // max_end_user_budget_id: the budget of customers that have none
	CustomerBudget   account.Amount // max_end_user_budget: the same, as an amount
	NoCustomers      bool           // disable_end_user_cost_tracking

	// UserBudgetOnTeamKeys holds a user's keys of teams to the user's budget as well (LiteLLM from 1.94 on, unless
	// skip_user_budget_on_team_key).
	UserBudgetOnTeamKeys bool

	GlobalBudget    account.Amount // litellm_settings.max_budget; 0 = none
	GlobalDuration  string         // litellm_settings.budget_duration
	GlobalForMaster bool           // the whole gateway's budget binds the master key, too
	GlobalParallel  *int64         // global_max_parallel_requests
	KeyParallel     *int64         // general_settings.max_parallel_requests: of keys that say nothing
}

// ModelCall is what admission needs to know of a call of a model.
type ModelCall struct {
	Route *Route
	Model string // as the caller asked for it, after the operator's own renaming
	// Resolve names what the router serves a name as (model_group_alias); nil, or "", = the name itself.
	Resolve   func(name string) string
	Fallbacks []string // that the caller asks for, each to be allowed as well
	EndUser   string
	HasUser   bool                   // the body has the user field
	Tags      []string               // of the body or the headers
	HasParam  func(path string) bool // whether the body has a field, by "a.b"; nil = it has none
	Free      func(model string) bool
}

// Admission is what a call that may go out is held to.
type Admission struct {
	Model   string          // what is asked of the router: the caller's name after the key's and the team's aliases
	Charges []account.Scope // the counters that the call's cost is added to; the provider's and the deployment's are the gateway's to add
	Budgets []budget.Scope  // in the order in which they refuse; none when the model costs nothing
	Limits  []limit.Rule    // in the order in which they refuse
	Tags    []string        // the caller's, the key's and the team's
	EndUser string          // the call's, else the one that a signed token names
	// Metadata is the key's, for the ledger's row; nil when it has none.
	Metadata account.JSON
}

// maxTags bounds the tags of one call: each is looked up.
const maxTags = 64

// wanted is one name that a call asks for, and what the router serves it as ("" when that is not to be judged).
type wanted struct{ name, group string }

// admission is one call on its way through AdmitModel.
type admission struct {
	g    *Gate
	id   *Identity
	call *ModelCall
	out  *Admission

	// What each list is asked for: the model, unless somebody's alias stands for it there, and the fallbacks.
	ofKey, ofTeam, ofMember, ofOthers []wanted

	called   []string // what the model is called: as asked, after aliases, by the router
	customer *payer
	tags     []*payer
}

// AdmitModel is the second step of a call of a model: whether the caller may call this model now, in LiteLLM's order of
// refusals (its auth_checks), and what the call is held to. It takes nothing from a budget and counts nothing. The team of a
// token that names several is chosen here, and id tells of it afterwards.
func (g *Gate) AdmitModel(ctx context.Context, id *Identity, call *ModelCall) (*Admission, *apierr.Error) {
	if err := g.chooseTeam(ctx, id, call); err != nil {
		return nil, err
	}
	a := &admission{g: g, id: id, call: call, out: &Admission{EndUser: call.EndUser}}
	if a.out.EndUser == "" && id.Token != nil {
		a.out.EndUser = id.Token.EndUser
	}
	a.rename()
	for _, step := range [...]func() *apierr.Error{
		id.checkBlocked,
		a.checkKeyModels,
		id.checkUser,
		func() *apierr.Error { return id.checkExpiry(g.now()) }, // after the model, as LiteLLM does
		func() *apierr.Error { return g.checkKeyRoute(call.Route, id) },
		id.checkTeam,
		a.checkTeamModels,
		a.checkMemberModels,
		a.checkUserModels,
		func() *apierr.Error { return a.findCustomer(ctx) },
		a.checkParams,
		func() *apierr.Error { return a.findTags(ctx) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	a.charge()
	if call.Free == nil || !call.Free(a.out.Model) {
		a.budgets()
	}
	a.limits()
	return a.out, nil
}

// rename applies the key's aliases and then the team's, and says what each list is asked for. The key's list is asked for
// the name as the caller wrote it, since its aliases are the key's own names, and the others for what stands behind it; a
// name that the team itself gives a model needs no place in its lists or its keys'.
func (a *admission) rename() {
	asked := a.call.Model
	own, model := asked, asked
	if r := a.id.record; r != nil && r.aliases[asked] != "" {
		own = r.aliases[asked]
		model = own
	}
	teams := false
	if a.id.Team != nil && a.id.Team.ModelAliases[own] != "" {
		model, teams = a.id.Team.ModelAliases[own], true
	}
	a.out.Model = model

	behind := wanted{model, a.group(model)}
	a.ofOthers = []wanted{behind}
	switch {
	case teams:
		a.ofMember = []wanted{{own, ""}}
	default:
		a.ofTeam, a.ofMember = []wanted{behind}, []wanted{behind}
	}
	switch {
	case asked == model:
		a.ofKey = []wanted{behind}
	case !teams:
		a.ofKey = []wanted{{asked, ""}}
	}
	for _, name := range a.call.Fallbacks {
		w := wanted{name, a.group(name)}
		a.ofKey, a.ofTeam, a.ofMember, a.ofOthers = append(a.ofKey, w), append(a.ofTeam, w), append(a.ofMember, w), append(a.ofOthers, w)
	}
	for _, name := range [...]string{asked, model, behind.group} {
		if name != "" && !slices.Contains(a.called, name) {
			a.called = append(a.called, name)
		}
	}
}

func (a *admission) group(name string) string {
	if a.call.Resolve == nil {
		return ""
	}
	return a.call.Resolve(name)
}

// checkKeyModels asks the key's list, and what a token or its role allows.
func (a *admission) checkKeyModels() *apierr.Error {
	for _, list := range [...]func(*Identity) (models, bool){a.g.keyModels, a.g.tokenModels} {
		if m, ok := list(a.id); ok {
			if err := m.check(a.ofKey); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTeamModels asks the team's list, and its organisation's.
func (a *admission) checkTeamModels() *apierr.Error {
	if m, ok := a.g.teamModels(a.id); ok {
		if err := m.check(a.ofTeam); err != nil {
			return err
		}
	}
	if m, ok := a.g.orgModels(a.id); ok {
		return m.check(a.ofOthers)
	}
	return nil
}

// checkMemberModels asks for what the user may call in the team.
func (a *admission) checkMemberModels() *apierr.Error {
	r := a.id.record
	if r == nil || len(r.memberModels) == 0 {
		return nil
	}
	m := models{policy: &a.g.opts.Policy, list: r.memberModels}
	for _, w := range a.ofMember {
		if !m.allows(w) {
			return &apierr.Error{Status: http.StatusUnauthorized, Type: "team_model_access_denied", Param: "model",
				Message: "Team member not allowed to access model. User=" + r.ids.user + ", Team=" + r.ids.team + ", Model=" + clip(w.name) + ". Allowed member models = " + pythonList(m.list)}
		}
	}
	return nil
}

// checkUserModels asks the list of the user whose own key it is.
func (a *admission) checkUserModels() *apierr.Error {
	m, ok := a.g.userModels(a.id)
	if !ok {
		return nil
	}
	if slices.Contains(m.list, account.NoDefaultModels) {
		return &apierr.Error{Status: a.g.opts.Policy.deniedStatus(), Type: "user_model_access_denied", Param: "model",
			Message: "User not allowed to access model. No default model access, only team models allowed. Tried to access " + clip(a.call.Model)}
	}
	return m.check(a.ofOthers)
}

// checkParams refuses calls that lack what the operator or the key wants every call to have, or have what they may not.
func (a *admission) checkParams() *apierr.Error {
	p := &a.g.opts.Policy
	if p.EnforceUserParam && !a.call.HasUser {
		return unauthorized("Authentication Error, 'user' param not passed in. 'enforce_user_param'=True")
	}
	for _, names := range [...][]string{p.EnforcedParams, a.enforcedByKey()} {
		for _, name := range names {
			if a.call.HasParam == nil || !a.call.HasParam(name) {
				return &apierr.Error{Status: http.StatusBadRequest, Type: "bad_request_error", Param: name,
					Message: "BadRequest please pass param=" + pythonPath(name) + " in request body. This is a required param"}
			}
		}
	}
	if p.RejectClientTags && len(a.call.Tags) > 0 {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "bad_request_error", Param: "metadata.tags",
			Message: "Client-side 'metadata.tags' not allowed in request. 'reject_clientside_metadata_tags'=True. Tags can only be set via API key metadata."}
	}
	return nil
}

// enforcedByKey are the parameters that the key's own metadata wants (enforced_params of /key/generate).
func (a *admission) enforcedByKey() []string {
	if a.id.Key == nil {
		return nil
	}
	return texts(a.id.Key.Metadata["enforced_params"])
}

// pythonPath writes a nested name as LiteLLM does: [metadata][generation_name].
func pythonPath(name string) string {
	if !strings.Contains(name, ".") {
		return name
	}
	return "[" + strings.ReplaceAll(name, ".", "][") + "]"
}

// findCustomer reads the end user of the call. A store that does not answer keeps nobody out who is known.
func (a *admission) findCustomer(ctx context.Context) *apierr.Error {
	p := &a.g.opts.Policy
	if a.out.EndUser == "" || p.NoCustomers {
		return nil
	}
	d := a.g.opts.Directory
	if d == nil || d.reader == nil {
		a.customer = paidByCustomer(a.out.EndUser, p.customerBudget())
		return nil
	}
	owner, c, _ := object[account.Customer](ctx, d, a.out.EndUser)
	if c != nil && c.Blocked {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "bad_request_error", Param: "user",
			Message: "User blocked from making LLM API Calls. User=" + clip(a.out.EndUser)}
	}
	if c != nil && len(c.Models) > 0 {
		m := models{policy: p, object: "end_user", list: c.Models}
		if err := m.check(a.ofOthers); err != nil {
			return err
		}
	}
	budgetID := p.CustomerBudgetID
	if c != nil && c.BudgetID != "" {
		budgetID = c.BudgetID
	}
	a.customer = d.paidWith(ctx, owner.version, budgetID, func(row *account.Budget) *payer {
		if row == nil {
			row = p.customerBudget()
		}
		return paidByCustomer(a.out.EndUser, row)
	})
	return nil
}

// customerBudget is the budget of customers that is given as an amount; nil when there is none.
func (p *Policy) customerBudget() *account.Budget {
	if p.CustomerBudget.None() {
		return nil
	}
	return &account.Budget{Spending: account.Spending{MaxBudget: p.CustomerBudget}}
}

// findTags joins the caller's tags with the key's and the team's, and reads those that are known.
func (a *admission) findTags(ctx context.Context) *apierr.Error {
	var tags []string
	add := func(more []string) {
		for _, tag := range more {
			if tag != "" && !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	if a.mayTag() {
		if len(a.call.Tags) > maxTags {
			return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "metadata.tags", Message: "A call can have at most 64 tags."}
		}
		add(a.call.Tags)
	}
	if r := a.id.record; r != nil {
		for _, p := range [...]*payer{r.key, r.team} {
			if p != nil {
				add(p.tags)
			}
		}
	}
	a.out.Tags = tags
	d := a.g.opts.Directory
	for _, name := range tags {
		if d == nil || d.reader == nil {
			a.tags = append(a.tags, paidByTag(name, nil))
			continue
		}
		owner, tag, _ := object[account.Tag](ctx, d, name)
		budgetID := ""
		if tag != nil {
			budgetID = tag.BudgetID
		}
		a.tags = append(a.tags, d.paidWith(ctx, owner.version, budgetID, func(row *account.Budget) *payer { return paidByTag(name, row) }))
	}
	return nil
}

// mayTag reports whether the caller's own tags are kept: unless the key or the team says no (allow_client_tags).
func (a *admission) mayTag() bool {
	if a.id.Key != nil {
		if allowed, said := a.id.Key.Metadata["allow_client_tags"].(bool); said {
			return allowed
		}
	}
	if a.id.Team != nil {
		if allowed, said := a.id.Team.Metadata["allow_client_tags"].(bool); said {
			return allowed
		}
	}
	return true
}

// paidWith is the payer of something that a call names, with its budget. owner is nil when it could not be read.
func (d *Directory) paidWith(ctx context.Context, owner *version, budgetID string, compile func(*account.Budget) *payer) *payer {
	var dep dependency
	var row *account.Budget
	if budgetID != "" {
		dep, row, _ = object[account.Budget](ctx, d, budgetID)
	}
	if owner == nil {
		return compile(row)
	}
	return paid(owner, dep.version, func() *payer { return compile(row) })
}
