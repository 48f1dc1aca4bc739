package admin

import (
	"strings"

	"tollgate/internal/apierr"
)

// declined are the parts of LiteLLM's management API that the gateway does not serve, by the beginning of their paths, with the
// reason that callers are told. What is served stands before them: routes win.
var declined = []struct{ prefix, why string }{
	{"/invitation", "users are not invited by links; make them with /user/new, or let them come with a token of your identity provider"},
	{"/onboarding", "users are not invited by links; make them with /user/new, or let them come with a token of your identity provider"},
	{"/project", "there are no projects; teams have models, limits and budgets"},
	{"/scim", "users and teams are not provisioned by SCIM; a token of your identity provider brings both"},
	{"/config/pass_through_endpoint", "there are no pass-through endpoints: every upstream is a deployment"},
	{"/config/cost_discount_config", "prices are not discounted by provider; set input_cost_per_token and output_cost_per_token on the deployment"},
	{"/config/cost_margin_config", "prices have no margin; set input_cost_per_token and output_cost_per_token on the deployment"},
	{"/config/callback", "callbacks are set with litellm_settings in the configuration"},
	{"/schedule/model_cost_map_reload", "prices are read anew with /reload/model_cost_map or `tollgate prices update`, not on a schedule"},
	{"/credentials/migrate-encryption", "what is stored is sealed in one form; keys are rotated by a command"},
	{"/access_group", "an access group of deployments is named in their model_info.access_groups; use /v1/access_group for groups of names"},
	{"/model/metrics", "latencies are in the metrics at /metrics"},
	{"/model/streaming_metrics", "latencies are in the metrics at /metrics"},
	{"/model/settings", "deployments are described by `tollgate config schema`"},
	{"/model_hub", "there is no model hub"},
	{"/public", "there is no model hub"},
	{"/fallback", "fallbacks are set with router_settings in the configuration"},
	{"/update", "settings are stored with /config/update"},
	{"/get", "settings are shown by /config/list"},
	{"/settings", "settings are shown by /config/list"},
	{"/policies", "there are no policies; keys and teams name guardrails"},
	{"/policy", "there are no policies; keys and teams name guardrails"},
	{"/prompts", "this gateway stores no prompts"},
	{"/prompt", "this gateway stores no prompts"},
	{"/agents", "there are no agents"},
	{"/v1/agents", "there are no agents"},
	{"/mcp", "there are no MCP servers"},
	{"/v1/mcp", "there are no MCP servers"},
	{"/mcp-rest", "there are no MCP servers"},
	{"/vector_store", "there are no vector stores"},
	{"/v1/vector_store", "there are no vector stores"},
	{"/search_tools", "there are no search tools"},
	{"/email", "this gateway sends no mail"},
	{"/cloudzero", "spend is exported with /global/spend/report or `tollgate spend report`"},
	{"/vantage", "spend is exported with /global/spend/report or `tollgate spend report`"},
	{"/usage", "spend is reported by /global/spend/report and the daily activities"},
	{"/add/allowed_ip", "allowed_ips is set in the configuration"},
	{"/delete/allowed_ip", "allowed_ips is set in the configuration"},
	{"/memory-usage-in-mem-cache", "memory is in the metrics at /metrics"},
	{"/memory-usage-in-mem-cache-items", "memory is in the metrics at /metrics"},
	{"/debug", "the process is watched at /metrics"},
	{"/tool", "there is no list of tools"},
	{"/claude-code", "there are no plugins"},
}

// Decline says why the gateway does not serve a path of LiteLLM's management API; nil for a path that it does not know either.
// It is asked about paths that no route has.
func Decline(path string) *apierr.Error {
	for _, d := range declined {
		if rest, ok := strings.CutPrefix(path, d.prefix); ok && (rest == "" || rest[0] == '/') {
			return badRequest("%s is not supported, because %s.", d.prefix, d.why).NoRetry()
		}
	}
	return nil
}
