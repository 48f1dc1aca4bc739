package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/seal"
	"tollgate/internal/telemetry"
)

// kind is how the rows of one of LiteLLM's tables become objects.
type kind struct {
	table, what string
	query       func(s schema) string // nil = all of the table
	make        func(r *run, d document) (brought, error)
	elsewhere   []string // columns that are read otherwise, or that say nothing that is not said here
}

// kinds are LiteLLM's tables that have a place here, in the order in which they are brought: budgets before what refers to
// them.
var kinds = []kind{
	{table: "BudgetTable", what: "budgets", make: (*run).budget},
	{table: "OrganizationTable", what: "organizations", make: (*run).organization, elsewhere: []string{"spend", "model_spend"}},
	{table: "TeamTable", what: "teams", query: teamsWithAliases, make: (*run).team, elsewhere: []string{"spend", "model_spend", "model_id"}},
	{table: "UserTable", what: "users", make: (*run).user, elsewhere: []string{"spend", "model_spend", "team_id", "last_breach_check_at"}},
	{table: "VerificationToken", what: "keys", make: (*run).key,
		elsewhere: []string{"spend", "total_spend", "model_spend", "soft_budget_cooldown", "key_type", "settings_updated_at"}},
	{table: "DeprecatedVerificationToken", what: "rotated keys in their grace period", make: plain[account.RetiredKey], elsewhere: []string{"id"}},
	{table: "DeletedVerificationToken", what: "deleted keys", make: plain[account.DeletedKey],
		elsewhere: []string{"spend", "total_spend", "model_spend", "soft_budget_cooldown", "key_type", "settings_updated_at"}},
	{table: "DeletedTeamTable", what: "deleted teams", make: plain[account.DeletedTeam], elsewhere: []string{"spend", "model_spend", "model_id"}},
	{table: "EndUserTable", what: "customers", make: (*run).customer, elsewhere: []string{"spend"}},
	{table: "TeamMembership", what: "members of teams", make: (*run).teamMember, elsewhere: []string{"spend", "total_spend"}},
	{table: "OrganizationMembership", what: "members of organizations", make: (*run).orgMember, elsewhere: []string{"spend"}},
	{table: "TagTable", what: "tags", make: (*run).tag, elsewhere: []string{"spend"}},
	{table: "AccessGroupTable", what: "access groups", make: plain[account.AccessGroup]},
	{table: "ObjectPermissionTable", what: "object permissions", make: plain[account.ObjectPermission]},
	{table: "JWTKeyMapping", what: "JWT key mappings", make: plain[account.JWTKeyMapping]},
	{table: "ProxyModelTable", what: "stored models", make: (*run).model},
	{table: "CredentialsTable", what: "credentials", make: (*run).credential, elsewhere: []string{"credential_id"}},
	{table: "Config", what: "stored settings", make: (*run).setting, elsewhere: []string{"last_run_at", "reload_revision"}},
}

// errSkipped is a row that is no object: what says so is in the report.
var errSkipped = errors.New("importer: left behind")

// objects brings all kinds.
func (r *run) objects(ctx context.Context) error {
	for i := range kinds {
		k := &kinds[i]
		if !r.source.has(k.table) {
			continue // a version of LiteLLM that did not have it
		}
		if err := r.bring(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.what, err)
		}
	}
	return nil
}

// bring brings the objects of one kind.
func (r *run) bring(ctx context.Context, k *kind) error {
	line := r.report.line(k.what)
	all, err := r.count(ctx, k.table, "")
	if err != nil {
		return err
	}
	query := `SELECT to_jsonb(t) FROM ` + quoted(k.table) + ` t`
	if k.query != nil {
		query = k.query(r.source)
	}
	var batch []brought
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := r.put(ctx, line, batch)
		batch = batch[:0]
		r.o.Progress(k.what, line.Found, all)
		return err
	}
	err = r.documents(ctx, query, func(d document) error {
		line.Found++
		b, err := k.make(r, d)
		if err != nil {
			line.Left++
			r.unmade(k, d, err)
			return nil
		}
		if b.Object == nil {
			line.Left++
		} else {
			for _, column := range d.without(b.Object, k.elsewhere) {
				r.report.leave(column+" of "+k.what, whyColumn(column), b.ObjectID())
			}
		}
		if batch = append(batch, b); len(batch) == together {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// unmade notes a row that became no object.
func (r *run) unmade(k *kind, d document, err error) {
	name := firstText(d, "token", "team_id", "user_id", "model_name", "credential_name", "param_name", "budget_id", "id")
	switch {
	case errors.Is(err, errSkipped):
	case errors.Is(err, seal.ErrOpen):
		r.report.Unopened++
		r.report.leave(k.what, "their secrets cannot be opened: LITELLM_SALT_KEY (or the master key, where LiteLLM had none) is not the one that they were stored with", name)
	case errors.Is(err, seal.ErrNoKey):
		r.report.Unopened++
		r.report.leave(k.what, "they hold secrets, and no key was given: set LITELLM_SALT_KEY, or LiteLLM's master key where it had none", name)
	default:
		r.report.leave(k.what, "cannot be read: "+err.Error(), name)
	}
}

func firstText(d document, columns ...string) string {
	for _, c := range columns {
		if s := d.text(c); s != "" {
			return s
		}
	}
	return ""
}

// whyColumn says why a column has no place.
func whyColumn(column string) string {
	switch column {
	case "tpd_limit":
		return "there are limits by the minute, none by the day"
	case "budget_fallbacks":
		return "a model whose budget is used up is refused and never replaced by another"
	case "jwt_issuer":
		return "a mapping holds for every issuer that is configured"
	case "temp_budget_increase", "temp_budget_expiry":
		return "only a key's budget can be raised for a time"
	case "access_mcp_server_ids", "mcp_toolsets", "search_tools", "mcp_tool_search_enabled", "access_agent_ids", "access_skill_names":
		return "MCP servers, agents and tools are not served"
	case "allow_team_guardrail_config":
		return "there are no guardrails by team"
	}
	return "nothing here corresponds to this column"
}

// plain makes an object that is LiteLLM's row and no more.
func plain[T any, P interface {
	*T
	account.Object
}](_ *run, d document) (brought, error) {
	o := P(new(T))
	err := d.into(o)
	if err == nil && o.ObjectID() == "" {
		err = errors.New("it has no id")
	}
	return brought{Object: o}, err
}

func (r *run) budget(d document) (brought, error) {
	b, err := plain[account.Budget](r, d)
	if err == nil {
		o := b.Object.(*account.Budget)
		r.periods[o.BudgetID] = o.Spending
	}
	return b, err
}

// counter is what LiteLLM says was spent: since the last reset, and, where it knows, ever. A period comes from the object's
// own duration, else from its budget's.
func (r *run) counter(d document, own account.Spending, budgetID string) account.Counter {
	if own.BudgetDuration == "" {
		own = r.periods[budgetID]
	}
	c := account.Counter{Spent: d.spent("spend"), Duration: own.BudgetDuration, ResetAt: own.BudgetResetAt}
	c.Total = max(c.Spent, d.spent("total_spend"))
	return c
}

func (r *run) organization(d document) (brought, error) {
	b, err := plain[account.Organization](r, d)
	if err == nil {
		o := b.Object.(*account.Organization)
		b.counters = one(account.OrgScope(o.OrganizationID), r.counter(d, account.Spending{}, o.BudgetID))
	}
	return b, err
}

func one(s account.Scope, c account.Counter) map[account.Scope]account.Counter {
	return map[account.Scope]account.Counter{s: c}
}

// teamsWithAliases joins the model aliases of teams, which are a table of their own.
func teamsWithAliases(s schema) string {
	if !s.has("TeamTable", "model_id") || !s.has("ModelTable", "aliases") {
		return `SELECT to_jsonb(t) FROM ` + quoted("TeamTable") + ` t`
	}
	return `SELECT to_jsonb(t) || coalesce((SELECT jsonb_build_object('model_aliases', m.aliases) FROM ` + quoted("ModelTable") + ` m WHERE m.id = t.model_id), '{}')
		FROM ` + quoted("TeamTable") + ` t`
}

func (r *run) team(d document) (brought, error) {
	b, err := plain[account.Team](r, d)
	if err != nil {
		return b, err
	}
	o := b.Object.(*account.Team)
	if id, _ := o.Metadata["team_member_budget_id"].(string); id != "" {
		r.memberBudgets[o.TeamID] = id
	}
	scope := account.TeamScope(o.TeamID)
	b.counters = one(scope, r.counter(d, o.Spending, ""))
	r.windows(b.counters, scope, o.BudgetLimits)
	r.modelPeriods(b.counters, scope, o.ModelMaxBudget)
	return b, nil
}

// proxyBudget is the id of the row in which LiteLLM counts the whole gateway.
const proxyBudget = "litellm-proxy-budget"

func (r *run) user(d document) (brought, error) {
	b, err := plain[account.User](r, d)
	if err != nil {
		return b, err
	}
	o := b.Object.(*account.User)
	if o.UserID == proxyBudget {
		r.report.leave("the user "+proxyBudget, "it is LiteLLM's own row for the whole gateway; what it has spent is taken over", "")
		return brought{counters: one(account.GlobalScope, r.counter(d, o.Spending, ""))}, nil
	}
	if o.PasswordHash != "" && !strings.HasPrefix(o.PasswordHash, "$2") {
		o.PasswordHash = ""
		r.report.leave("passwords of users", "their hashes are of another form: these users need a new password", o.UserID)
	}
	scope := account.UserScope(o.UserID)
	b.counters = one(scope, r.counter(d, o.Spending, ""))
	r.modelPeriods(b.counters, scope, o.ModelMaxBudget)
	return b, nil
}

// dashboard is the team of the keys of LiteLLM's admin pages.
const dashboard = "litellm-dashboard"

func (r *run) key(d document) (brought, error) {
	b, err := plain[account.Key](r, d)
	if err != nil {
		return b, err
	}
	o := b.Object.(*account.Key)
	if o.TeamID == dashboard {
		r.report.leave("session keys of LiteLLM's admin pages", "they end with the session", "")
		return b, errSkipped
	}
	o.KeyID = telemetry.NewID()
	scope := account.KeyScope(o.Token)
	b.counters = one(scope, r.counter(d, o.Spending, o.BudgetID))
	r.windows(b.counters, scope, o.BudgetLimits)
	r.modelPeriods(b.counters, scope, o.ModelMaxBudget)
	return b, nil
}

// windows starts the counters of an object's further budgets. What was spent in the windows under way is the sum of their
// rows, as it is for LiteLLM, which derives the beginning of a window from its end in the same way.
func (r *run) windows(counters map[account.Scope]account.Counter, s account.Scope, windows []account.Window) {
	for _, w := range windows {
		scope := s.Window(w.BudgetDuration)
		counters[scope] = account.Counter{Duration: w.BudgetDuration, ResetAt: w.ResetAt}
		span, err := budget.ParseDuration(w.BudgetDuration)
		if err != nil || span.None() || w.ResetAt == nil {
			continue
		}
		end := w.ResetAt.UTC()
		r.underWay[s] = append(r.underWay[s], window{scope, end.Add(-span.After(end).Sub(end)), end})
	}
}

// modelPeriods starts the counters of the budgets by model. LiteLLM keeps what was spent on them in memory or in Redis.
func (r *run) modelPeriods(counters map[account.Scope]account.Counter, s account.Scope, models map[string]account.ModelBudget) {
	for name, b := range models {
		counters[s.Model(name)] = account.Counter{Duration: b.TimePeriod}
		r.report.leave("what was spent on budgets by model", "LiteLLM does not store it: these budgets start anew", string(s)+" "+name)
	}
}

func (r *run) customer(d document) (brought, error) {
	b, err := plain[account.Customer](r, d)
	if err == nil {
		o := b.Object.(*account.Customer)
		b.counters = one(account.CustomerScope(o.UserID), r.counter(d, account.Spending{}, o.BudgetID))
	}
	return b, err
}

func (r *run) teamMember(d document) (brought, error) {
	b, err := plain[account.TeamMember](r, d)
	if err == nil {
		o := b.Object.(*account.TeamMember)
		// Without a budget of its own a member has the one that the team gives to each.
		budgetID := cmp.Or(o.BudgetID, r.memberBudgets[o.TeamID])
		b.counters = one(account.MemberScope(o.TeamID, o.UserID), r.counter(d, account.Spending{}, budgetID))
	}
	return b, err
}

func (r *run) orgMember(d document) (brought, error) {
	b, err := plain[account.OrgMember](r, d)
	if err == nil {
		o := b.Object.(*account.OrgMember)
		b.counters = one(account.OrgMemberScope(o.OrganizationID, o.UserID), r.counter(d, account.Spending{}, o.BudgetID))
	}
	return b, err
}

func (r *run) tag(d document) (brought, error) {
	d.rename("tag_name", "name")
	b, err := plain[account.Tag](r, d)
	if err == nil {
		o := b.Object.(*account.Tag)
		b.counters = one(account.TagScope(o.Name), r.counter(d, account.Spending{}, o.BudgetID))
	}
	return b, err
}
