package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// teamFields are what requests that make or change a team have in common.
type teamFields struct {
	TeamAlias             Opt[ID]                       `json:"team_alias"`
	OrganizationID        Opt[ID]                       `json:"organization_id"`
	TeamMemberPermissions Opt[[]string]                 `json:"team_member_permissions"`
	TPMLimit              Opt[int64]                    `json:"tpm_limit"`
	RPMLimit              Opt[int64]                    `json:"rpm_limit"`
	MaxParallel           Opt[int64]                    `json:"max_parallel_requests"`
	MaxBudget             Opt[account.Amount]           `json:"max_budget"`
	SoftBudget            Opt[account.Amount]           `json:"soft_budget"`
	BudgetDuration        Opt[string]                   `json:"budget_duration"`
	BudgetLimits          Opt[[]account.Window]         `json:"budget_limits"`
	ModelMaxBudget        Opt[map[string]modelBudgetIn] `json:"model_max_budget"`
	Models                Opt[[]string]                 `json:"models"`
	ModelAliases          Opt[map[string]string]        `json:"model_aliases"`
	Blocked               Opt[bool]                     `json:"blocked"`
	RouterSettings        Opt[map[string]any]           `json:"router_settings"`
	AccessGroupIDs        Opt[[]string]                 `json:"access_group_ids"`
	DefaultMemberModels   Opt[[]string]                 `json:"default_team_member_models"`
	ObjectPermission      Opt[account.ObjectPermission] `json:"object_permission"`
	Metadata              Opt[map[string]any]           `json:"metadata"`
	folded

	MemberBudget      Opt[account.Amount] `json:"team_member_budget"`
	MemberRPMLimit    Opt[int64]          `json:"team_member_rpm_limit"`
	MemberTPMLimit    Opt[int64]          `json:"team_member_tpm_limit"`
	MemberDuration    Opt[string]         `json:"team_member_budget_duration"`
	MemberKeyDuration Opt[string]         `json:"team_member_key_duration"`

	Policies            Declined `json:"policies" because:"there are no policies here; use guardrails"`
	Prompts             Declined `json:"prompts" because:"this gateway stores no prompts"`
	PassthroughRoutes   Declined `json:"allowed_passthrough_routes" because:"there are no pass-through endpoints"`
	DisableGlobalGuards Declined `json:"disable_global_guardrails" because:"guardrails that are on for everybody cannot be switched off by a team"`
	SecretManager       Declined `json:"secret_manager_settings" because:"secrets come from the environment (os.environ/NAME) and from stored credentials"`
	MCPRateLimit        Declined `json:"mcp_rpm_limit" because:"there are no MCP servers"`
	VectorStoreIndexes  Declined `json:"allowed_vector_store_indexes" because:"there are no vector store indexes"`
	FileExpiry          Declined `json:"enforced_file_expires_after" because:"this gateway stores no files"`
	BatchExpiry         Declined `json:"enforced_batch_output_expires_after" because:"this gateway stores no batches"`
}

// apply writes the given fields to a team. Null and absent ones stay.
func (in *teamFields) apply(c *call, t *account.Team) *apierr.Error {
	if err := unservedRouting(in.RouterSettings, t.RouterSettings); err != nil {
		return err
	}
	setID(&t.TeamAlias, in.TeamAlias)
	setID(&t.OrganizationID, in.OrganizationID)
	setPtr(&t.TPMLimit, in.TPMLimit)
	setPtr(&t.RPMLimit, in.RPMLimit)
	setPtr(&t.MaxParallelRequests, in.MaxParallel)
	set(&t.MaxBudget, in.MaxBudget)
	set(&t.SoftBudget, in.SoftBudget)
	set(&t.Models, in.Models)
	set(&t.ModelAliases, in.ModelAliases)
	set(&t.Blocked, in.Blocked)
	set(&t.AccessGroupIDs, in.AccessGroupIDs)
	set(&t.DefaultTeamMemberModels, in.DefaultMemberModels)
	set(&t.TeamMemberPermissions, in.TeamMemberPermissions)
	if err := checkPermissions(t.TeamMemberPermissions); err != nil {
		return err
	}
	if err := checkLimits(&t.Limits); err != nil {
		return err
	}
	if err := in.applyBudgets(c, t); err != nil {
		return err
	}
	if err := in.applyMetadata(c, &t.Metadata, in.Metadata); err != nil {
		return err
	}
	return in.applyKeyDuration(c, t)
}

func (in *teamFields) applyBudgets(c *call, t *account.Team) *apierr.Error {
	for _, given := range []struct {
		name   string
		amount Opt[account.Amount]
	}{{"max_budget", in.MaxBudget}, {"soft_budget", in.SoftBudget}, {"team_member_budget", in.MemberBudget}} {
		if given.amount.Given() && given.amount.Value.Negative() {
			return named(given.name, badRequest("%s cannot be negative. Received: %s", given.name, pythonFloat(given.amount.Value)))
		}
	}
	if in.BudgetDuration.Given() && in.BudgetDuration.Value != t.BudgetDuration {
		resetAt, err := c.nextReset("budget_duration", in.BudgetDuration.Value)
		if err != nil {
			return err
		}
		t.BudgetDuration, t.BudgetResetAt = in.BudgetDuration.Value, resetAt
		if resetAt == nil {
			t.BudgetDuration = ""
		}
	}
	if in.BudgetLimits.Given() {
		windows, err := c.windows(in.BudgetLimits.Value, t.BudgetLimits)
		if err != nil {
			return err
		}
		t.BudgetLimits = windows
	}
	if in.ModelMaxBudget.Given() {
		budgets, err := c.modelBudgets(in.ModelMaxBudget.Value)
		if err != nil {
			return err
		}
		t.ModelMaxBudget = budgets
	}
	return nil
}

// applyKeyDuration writes how long the keys of members live where a request says nothing.
func (in *teamFields) applyKeyDuration(c *call, t *account.Team) *apierr.Error {
	if !in.MemberKeyDuration.Given() {
		return nil
	}
	if _, err := c.expiry("team_member_key_duration", in.MemberKeyDuration.Value); err != nil {
		return err
	}
	if t.Metadata == nil {
		t.Metadata = map[string]any{}
	}
	fold(t.Metadata, "team_member_key_duration", in.MemberKeyDuration)
	return nil
}

// fill writes default_team_params into a request where it says nothing.
func (d *TeamDefaults) fill(in *teamFields) {
	fillOpt(&in.MaxBudget, d.MaxBudget, d.MaxBudget.None())
	fillOpt(&in.BudgetDuration, d.BudgetDuration, d.BudgetDuration == "")
	fillPtr(&in.TPMLimit, d.TPMLimit)
	fillPtr(&in.RPMLimit, d.RPMLimit)
	fillPtr(&in.MaxParallel, d.MaxParallelRequests)
	if len(in.Models.Value) == 0 && len(d.Models) > 0 {
		in.Models = give(slices.Clone(d.Models))
	}
	if len(in.TeamMemberPermissions.Value) == 0 && len(d.TeamMemberPermissions) > 0 {
		in.TeamMemberPermissions = give(slices.Clone(d.TeamMemberPermissions))
	}
}

// memberBudget is what a request says of the budget that each member has, where it has none of its own.
func (in *teamFields) memberBudget() budgetFields {
	return budgetFields{MaxBudget: in.MemberBudget, RPMLimit: in.MemberRPMLimit, TPMLimit: in.MemberTPMLimit, BudgetDuration: in.MemberDuration}
}

// memberBudgetID is the budget that a team's members have, "" for none.
func memberBudgetID(t *account.Team) string {
	id, _ := t.Metadata["team_member_budget_id"].(string)
	return id
}

// setMemberBudget stores the budget that each member of a team has, and names it in the team's metadata.
func (t *change) setMemberBudget(ctx context.Context, team *account.Team, in *budgetFields) error {
	if !in.given() {
		return nil
	}
	b, err := t.ownBudget(ctx, memberBudgetID(team), Opt[ID]{}, in)
	if err != nil {
		return err
	}
	if team.Metadata == nil {
		team.Metadata = map[string]any{}
	}
	team.Metadata["team_member_budget_id"] = b.BudgetID
	for _, m := range team.MembersWithRoles {
		own, err := lookup[account.TeamMember](ctx, t, account.MemberID(team.TeamID, m.UserID))
		if err != nil {
			return err
		}
		if own != nil && own.BudgetID != "" {
			continue
		}
		if err := t.begin(ctx, account.MemberScope(team.TeamID, m.UserID), b); err != nil {
			return err
		}
	}
	return nil
}

// memberPermissions are the routes that a team can let its members use for its keys (LiteLLM's KeyManagementRoutes).
var memberPermissions = []string{
	"/key/generate", "/key/update", "/key/delete", "/key/regenerate", "/key/service-account/generate", "/key/{key_id}/regenerate", "/key/block",
	"/key/unblock", "/key/bulk_update", "/key/{key_id}/reset_spend", "/key/info", "/key/health", "/key/list", "/key/aliases",
	"/team/daily/activity", "/spend/logs",
}

func checkPermissions(permissions []string) *apierr.Error {
	for _, p := range permissions {
		if !slices.Contains(memberPermissions, p) {
			return named("team_member_permissions", badRequest("Invalid permission: %s. Available permissions: %s", quote(p), pythonList(memberPermissions)))
		}
	}
	return nil
}
