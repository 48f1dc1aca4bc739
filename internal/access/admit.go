package access

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// maxTags bounds the tags of one call: each is looked up.
const maxTags = 64

// longestName bounds the name of a customer or a tag, in bytes.
const longestName = 1024

// wanted is one name that a call asks for, and what the router serves it as ("" when that is not to be judged). alias is
// the key's own name for it, where the caller wrote that.
type wanted struct{ name, group, alias string }

// shown is the name as refusals give it.
func (w wanted) shown() string { return cmp.Or(w.alias, w.name) }

// admission is one call on its way through AdmitModel.
type admission struct {
	g    *Gate
	id   *Identity
	call *ModelCall
	out  *Admission

	// What each list is asked for besides the fallbacks: the model, or an alias of it. An empty name asks for nothing.
	ofKey, ofTeam, ofMember, ofOthers wanted
	fallbacks                         []wanted
	called                            []string // what the model is called: as asked, after aliases, by the router

	key, team, user, org, member, orgMember, customer *payer // never nil once found; without a charge when there is none
	tags                                              []*payer
}

// AdmitModel is the second step of a call of a model: whether the caller may call this model now, in LiteLLM's order of
// refusals (its auth_checks), and what the call is held to. It takes nothing from a budget and counts nothing. The team of a
// token that names several is chosen here, and id tells of it afterwards.
func (g *Gate) AdmitModel(ctx context.Context, id *Identity, call *ModelCall) (*Admission, *apierr.Error) {
	if err := g.chooseTeam(ctx, id, call); err != nil {
		return nil, err
	}
	a := newAdmission(g, id, call)
	for _, step := range [...]func(*admission, context.Context) *apierr.Error{
		(*admission).checkBlocked,
		(*admission).checkKeyModels,
		(*admission).checkUser,
		(*admission).checkExpiry, // after the model, as LiteLLM does
		(*admission).checkRoute,
		(*admission).checkTeam,
		(*admission).checkTeamModels,
		(*admission).checkMemberModels,
		(*admission).checkUserModels,
		(*admission).findCustomer,
		(*admission).checkParams,
		(*admission).findTags,
	} {
		if err := step(a, ctx); err != nil {
			return nil, err
		}
	}
	a.charge()
	if !a.free() {
		a.budgets()
	}
	a.limits()
	return a.out, nil
}

// free reports whether the call costs nothing, whichever of its models answers.
func (a *admission) free() bool {
	if a.call.Free == nil || !a.call.Free(a.out.Model) {
		return false
	}
	return !slices.ContainsFunc(a.call.Fallbacks, func(name string) bool { return !a.call.Free(name) })
}

func newAdmission(g *Gate, id *Identity, call *ModelCall) *admission {
	nobody := new(payer)
	a := &admission{g: g, id: id, call: call, out: &Admission{EndUser: call.EndUser}, key: nobody, team: nobody, user: nobody, org: nobody, member: nobody, orgMember: nobody, customer: nobody}
	a.out.of = a
	if a.out.EndUser == "" && id.Token != nil {
		a.out.EndUser = id.Token.EndUser
	}
	if r := id.record; r != nil {
		a.out.Metadata = r.metadata
		a.key, a.team, a.user, a.org, a.member = cmp.Or(r.key, nobody), cmp.Or(r.team, nobody), cmp.Or(r.user, nobody), cmp.Or(r.org, nobody), cmp.Or(r.member, nobody)
		a.orgMember = cmp.Or(r.orgMember, nobody)
	}
	a.rename()
	return a
}

// rename applies the key's aliases and then the team's, and says what each list is asked for. The key's list may have what
// stands behind an alias of the key, or the alias itself, and the others must have what stands behind it; a name that the
// team itself gives a model needs no place in its lists or its keys'.
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

	behind := wanted{name: model, group: a.group(model)}
	a.ofOthers = behind
	switch {
	case teams:
		a.ofMember = wanted{name: own}
	case asked == model:
		a.ofKey, a.ofTeam, a.ofMember = behind, behind, behind
	default:
		a.ofKey, a.ofTeam, a.ofMember = wanted{behind.name, behind.group, asked}, behind, behind
	}
	for _, name := range a.call.Fallbacks {
		a.fallbacks = append(a.fallbacks, wanted{name: name, group: a.group(name)})
	}
	a.called = append(make([]string, 0, 3), asked)
	for _, name := range [...]string{model, behind.group} {
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

func (a *admission) checkBlocked(context.Context) *apierr.Error { return a.id.checkBlocked() }

func (a *admission) checkUser(context.Context) *apierr.Error { return a.id.checkUser() }

func (a *admission) checkExpiry(context.Context) *apierr.Error { return a.id.checkExpiry(a.g.now()) }

func (a *admission) checkTeam(context.Context) *apierr.Error { return a.id.checkTeam() }

func (a *admission) checkRoute(context.Context) *apierr.Error {
	return a.g.checkKeyRoute(a.call.Route, a.id)
}

// checkKeyModels asks the key's list, and what a token or its role allows.
func (a *admission) checkKeyModels(context.Context) *apierr.Error {
	if m, ok := a.g.keyModels(a.id); ok {
		if err := m.check(a.ofKey, a.fallbacks); err != nil {
			return err
		}
	}
	if m, ok := a.g.tokenModels(a.id); ok {
		return m.check(a.ofKey, a.fallbacks)
	}
	return nil
}

// checkTeamModels asks the team's list, and its organisation's.
func (a *admission) checkTeamModels(context.Context) *apierr.Error {
	if m, ok := a.g.teamModels(a.id); ok {
		if err := m.check(a.ofTeam, a.fallbacks); err != nil {
			return err
		}
	}
	if m, ok := a.g.orgModels(a.id); ok {
		return m.check(a.ofOthers, a.fallbacks)
	}
	return nil
}

// checkMemberModels asks for what the user may call in the team.
func (a *admission) checkMemberModels(context.Context) *apierr.Error {
	r := a.id.record
	if r == nil || len(r.memberModels) == 0 {
		return nil
	}
	m := models{policy: &a.g.opts.Policy, list: r.memberModels}
	w, ok := m.denied(a.ofMember, a.fallbacks)
	if !ok {
		return nil
	}
	return &apierr.Error{Status: http.StatusUnauthorized, Type: "team_model_access_denied", Param: "model",
		Message: "Team member not allowed to access model. User=" + r.ids.user + ", Team=" + r.ids.team + ", Model=" + clip(w.name) + ". Allowed member models = " + pythonList(m.list)}
}

// checkUserModels asks the list of the user whose own key it is.
func (a *admission) checkUserModels(context.Context) *apierr.Error {
	m, ok := a.g.userModels(a.id)
	if !ok {
		return nil
	}
	if slices.Contains(m.list, account.NoDefaultModels) {
		return &apierr.Error{Status: a.g.opts.Policy.deniedStatus(), Type: "user_model_access_denied", Param: "model",
			Message: "User not allowed to access model. No default model access, only team models allowed. Tried to access " + clip(a.call.Model)}
	}
	return m.check(a.ofOthers, a.fallbacks)
}

// checkParams refuses calls that lack what the operator or the key wants every call to have, or have what they may not.
func (a *admission) checkParams(context.Context) *apierr.Error {
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
	if err := checkName("user", a.out.EndUser); err != nil {
		return err
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
		if err := m.check(a.ofOthers, a.fallbacks); err != nil {
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
	own := a.call.Tags
	switch {
	case !a.mayTag():
		own = nil
	case len(own) > maxTags:
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "metadata.tags", Message: "A call can have at most 64 tags."}
	}
	for _, tag := range own {
		if err := checkName("metadata.tags", tag); err != nil {
			return err
		}
	}
	var tags []string
	for _, more := range [...][]string{own, a.key.tags, a.team.tags} {
		for _, tag := range more {
			if tag != "" && !slices.Contains(tags, tag) {
				tags = append(tags, tag)
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

// checkName refuses names that no store can keep: they would be refused there, after the call was paid for.
func checkName(param, name string) *apierr.Error {
	if storable(name, longestName) {
		return nil
	}
	return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: param,
		Message: "Invalid '" + param + "': a name is at most 1024 bytes of text without zero characters."}
}

// storable reports whether a text has no more bytes than that, and none that a database refuses.
func storable(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
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
