package importer

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// derived are LiteLLM's tables that hold nothing of their own: sums, indexes, and what its processes tell each other.
var derived = []string{
	"Daily", "SpendLogs", "SpendLogGuardrailIndex", "SpendLogToolIndex", "ErrorLogs", "CronJob", "HealthCheckTable", "ProxyWorkerHeartbeat", "BudgetWindowSpend",
	"AuditLog", "ModelTable", "UserNotifications", "TelemetryReport", "BackgroundInteractionSettlement",
}

// noPlace says of LiteLLM's other tables, by the beginning of their names, why nothing here corresponds to them.
var noPlace = []struct{ begins, what, why string }{
	{"MCP", "MCP servers and what belongs to them", "MCP is not served"},
	{"Agent", "agents", "agents are not served"}, {"Retired", "agents", "agents are not served"},
	{"Guardrail", "guardrails", "guardrails are named in the configuration, not stored"},
	{"Polic", "policies", "there are no policies"},
	{"Prompt", "prompts", "prompts are not stored"},
	{"Project", "projects", "there are no projects; a key keeps the project_id for reports"},
	{"ManagedVectorStore", "vector stores", "vector stores are not served"},
	{"Managed", "managed files and batches", "their contents are with the provider that took them"},
	{"SearchTools", "search tools", "search tools are not served"}, {"Tool", "tools", "tools are not served"},
	{"Skills", "skills", "skills are not served"}, {"ClaudeCode", "plugins", "plugins are not served"},
	{"SSO", "single sign-on", "it is set in the configuration"}, {"UISettings", "settings of LiteLLM's admin pages", "there are other pages"},
	{"CacheConfig", "settings of the cache", "they are set in the configuration"}, {"ConfigOverrides", "overrides of the configuration", "they are set in the configuration"},
	{"InvitationLink", "invitations", "a link to LiteLLM's pages leads nowhere here: invite anew"},
	{"ModelAccessGroupBudget", "budgets of model access groups", "a group has no budget of its own"},
	{"AutoRouter", "automatic routing", "it is not served"}, {"AdaptiveRouter", "automatic routing", "it is not served"},
	{"ShadowEval", "evaluations", "evaluations are not served"}, {"Lens", "evaluations", "evaluations are not served"},
	{"Workflow", "workflows", "workflows are not served"}, {"Memory", "memories", "memories are not served"},
	{"UserProviderCredentials", "credentials of users", "a credential belongs to the gateway"},
	{"VerifiedSubject", "verified subjects", "identities come from the provider's tokens"},
}

// leftBehind tells what LiteLLM's database holds besides.
func (r *run) leftBehind(ctx context.Context) error {
	for _, table := range slices.Sorted(maps.Keys(r.source)) {
		known := slices.ContainsFunc(kinds, func(k kind) bool { return k.table == table }) ||
			slices.ContainsFunc(derived, func(name string) bool { return name == table || name == "Daily" && strings.HasPrefix(table, name) })
		if known {
			continue
		}
		n, err := r.count(ctx, table, "")
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		what, why := prefix+table, "this version knows nothing of the table"
		for _, p := range noPlace {
			if strings.HasPrefix(table, p.begins) {
				what, why = p.what, p.why
				break
			}
		}
		r.report.leaveMany(what, why, "", n)
	}
	return nil
}
