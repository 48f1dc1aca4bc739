package guardrail

import "slices"

// Declined is a kind of guardrail that LiteLLM has and this gateway has not.
type Declined struct {
	Name string // litellm_params.guardrail
	Why  string // the end of a sentence that begins with the name: why not, and what serves instead
}

// DeclinedGuardrails lists them, by name.
func DeclinedGuardrails() []Declined { return slices.Clone(declined) }

const (
	byGeneric = "has no client of its own here; put it behind generic_guardrail_api, a service of one POST that calls it"
	byTools   = "checks calls of MCP, which is not served"
	byCode    = "runs code of the configuration inside the gateway, which this one does not; put the code behind generic_guardrail_api"
)

var declined = []Declined{
	{"action_gate", byGeneric},
	{"acuvity", byGeneric},
	{"agent_365", byGeneric},
	{"aim", byGeneric},
	{"airia", byGeneric},
	{"akamai_firewall_for_ai", byGeneric},
	{"akto", byGeneric},
	{"aliyun_ai_guardrail", byGeneric},
	{"cato_networks", byGeneric},
	{"cisco_ai_defense", byGeneric},
	{"crowdstrike_aidr", byGeneric},
	{"custom_code", byCode},
	{"deepkeep", byGeneric},
	{"dynamoai", byGeneric},
	{"enkryptai", byGeneric},
	{"grayswan", byGeneric},
	{"guardrails_ai", byGeneric},
	{"headroom", byGeneric},
	{"hiddenlayer", byGeneric},
	{"ibm_guardrails", byGeneric},
	{"javelin", byGeneric},
	{"lasso", byGeneric},
	{"llm_as_a_judge", "asks a model of the gateway, which guardrails here do not; put the judge behind generic_guardrail_api, which may call this gateway with a key of its own"},
	{"mcp_end_user_permission", byTools},
	{"mcp_jwt_signer", byTools},
	{"mcp_security", byTools},
	{"microsoft_purview", byGeneric},
	{"model_armor", byGeneric},
	{"noma", byGeneric},
	{"noma_v2", byGeneric},
	{"onyx", byGeneric},
	{"ovalix", byGeneric},
	{"pangea", byGeneric},
	{"panw_prisma_airs", byGeneric},
	{"pillar", byGeneric},
	{"prompt_security", byGeneric},
	{"promptguard", byGeneric},
	{"qostodian_nexus", byGeneric},
	{"qualifire", byGeneric},
	{"repelloai", byGeneric},
	{"rubrik", byGeneric},
	{"semantic_guard", "compares embeddings, which guardrails here do not; use detect_prompt_injection or banned_keywords offline, or put it behind generic_guardrail_api"},
	{"vigil_guard", byGeneric},
	{"xecguard", byGeneric},
	{"zscaler_ai_guard", byGeneric},
}
