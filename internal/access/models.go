package access

import (
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// models is the check of one object's list of models against the names of a call.
type models struct {
	policy *Policy
	object string // key, team, user, org: as refusals name it
	list   []string
	extra  []string // what stored access groups add to the list
}

// allows reports whether the list lets a call of a name pass. An alias, the key's or the router's, that the list
// names itself is enough; else what stands behind it must be allowed, so that an alias opens nothing.
func (m *models) allows(w wanted) bool {
	if w.alias != "" && m.names(w.alias) {
		return true
	}
	if w.group == "" || w.group == w.name || strings.Contains(w.group, "*") {
		return m.holds(w.name)
	}
	return m.names(w.name) || m.holds(w.group)
}

// names reports whether the list has the name itself.
func (m *models) names(name string) bool {
	return slices.Contains(m.list, name) || slices.Contains(m.extra, name)
}

// denied is the first of the names that the list does not let pass.
func (m *models) denied(first wanted, rest []wanted) (wanted, bool) {
	if first.name != "" && !m.allows(first) {
		return first, true
	}
	for _, w := range rest {
		if !m.allows(w) {
			return w, true
		}
	}
	return wanted{}, false
}

// check refuses the first of the names that the list does not let pass.
func (m *models) check(first wanted, rest []wanted) *apierr.Error {
	if w, denied := m.denied(first, rest); denied {
		return m.refuse(w.shown())
	}
	return nil
}

// holds reports whether the list has the name: itself, by a pattern, by an access group, or because it is open.
func (m *models) holds(name string) bool {
	if len(m.list) == 0 {
		return true
	}
	var groups []string
	if m.policy.ModelGroups != nil {
		groups = m.policy.ModelGroups(name)
	}
	for _, entry := range m.list {
		if entry == name || entry == account.AllProxyModels || matchesPattern(entry, name) || slices.Contains(groups, entry) {
			return true
		}
	}
	return slices.ContainsFunc(m.extra, func(entry string) bool { return entry == name || matchesPattern(entry, name) })
}

// matchesPattern reports whether a pattern such as "*", "openai/*" or "oci/cohere.*" stands for the name. A name
// without a "*" is no pattern.
func matchesPattern(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return false
	}
	name, ok := strings.CutPrefix(name, first)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], after
	}
}

// refuse answers a call of a model that the list does not have.
func (m *models) refuse(name string) *apierr.Error {
	e := &apierr.Error{
		Status: m.policy.deniedStatus(), Type: m.object + "_model_access_denied", Param: "model",
		Message: m.object + " not allowed to access model. This " + m.object + " can only access models=" + pythonList(m.list) + ". Tried to access " + clip(name),
	}
	if own := m.policy.ModelDeniedMessage; own != "" {
		e.Message = strings.ReplaceAll(own, "{model}", clip(name))
	}
	return e
}

// deniedStatus is 403, or what it was before the middle of 2026.
func (p *Policy) deniedStatus() int {
	if p.LegacyStatus {
		return http.StatusUnauthorized
	}
	return http.StatusForbidden
}

// clip bounds a text of the caller's in an answer and a log.
func clip(text string) string {
	const longest = 200
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "..."
}

// The lists that bind a caller. ok is false where there is none.

func (g *Gate) keyModels(id *Identity) (m models, ok bool) {
	// With all-team-models the team's list decides alone.
	if id.Key == nil || slices.Contains(id.Key.Models, account.AllTeamModels) {
		return m, false
	}
	return models{&g.opts.Policy, "key", id.Key.Models, id.record.keyGroups}, true
}

func (g *Gate) tokenModels(id *Identity) (m models, ok bool) {
	if id.Token == nil || id.Token.Models == nil {
		return m, false
	}
	return models{&g.opts.Policy, "key", id.Token.Models, nil}, true
}

func (g *Gate) teamModels(id *Identity) (m models, ok bool) {
	if id.Team == nil {
		return m, false
	}
	return models{&g.opts.Policy, "team", id.Team.Models, id.record.teamGroups}, true
}

func (g *Gate) orgModels(id *Identity) (m models, ok bool) {
	if id.Org == nil {
		return m, false
	}
	return models{&g.opts.Policy, "org", id.Org.Models, nil}, true
}

// userModels bind personal keys only.
func (g *Gate) userModels(id *Identity) (m models, ok bool) {
	if id.User == nil || !id.personal() {
		return m, false
	}
	return models{&g.opts.Policy, "user", id.User.Models, nil}, true
}

// CallerModels are the names that the caller may call: those of all that its lists let pass, in their order, and those
// that its own list names besides, which known says can be served (a name that only a pattern of the router's opens).
// known may be nil.
func (g *Gate) CallerModels(id *Identity, all []string, known func(name string) bool) []string {
	out := []string{}
	for _, name := range all {
		if g.mayList(id, name) {
			out = append(out, name)
		}
	}
	if known == nil {
		return out
	}
	for _, name := range listedNames(id) {
		if !slices.Contains(out, name) && known(name) && g.mayList(id, name) {
			out = append(out, name)
		}
	}
	return out
}

// listedNames are the names of the list that stands nearest to the caller.
func listedNames(id *Identity) []string {
	var list []string
	if id.Key != nil {
		list = id.Key.Models
	}
	if id.Team != nil && (len(list) == 0 || slices.Contains(list, account.AllTeamModels)) {
		list = id.Team.Models
	}
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return strings.Contains(name, "*") })
}

func (g *Gate) mayList(id *Identity, name string) bool {
	for _, lists := range [...]func(*Identity) (models, bool){g.keyModels, g.tokenModels, g.teamModels, g.orgModels, g.userModels} {
		if m, ok := lists(id); ok && !m.holds(name) {
			return false
		}
	}
	if id.record != nil && len(id.record.memberModels) > 0 {
		m := models{policy: &g.opts.Policy, list: id.record.memberModels}
		return m.holds(name)
	}
	return true
}
