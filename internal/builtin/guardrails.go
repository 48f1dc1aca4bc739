package builtin

import (
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/aporia"
	"tollgate/internal/guardrail/bedrock"
	"tollgate/internal/guardrail/generic"
	"tollgate/internal/guardrail/lakera"
	"tollgate/internal/guardrail/openaimoderation"
	"tollgate/internal/guardrail/presidio"
	"tollgate/internal/provider"
)

// Guardrails are the openers by litellm_params.guardrail. A new guardrail is its folder and one line here.
func Guardrails(_ func(string) string, _ *provider.Lease) map[string]guardrail.Opener {
	return map[string]guardrail.Opener{
		"aporia":                aporia.Open,
		"bedrock":               bedrock.Open,
		"generic_guardrail_api": generic.Open,
		"lakera":                lakera.OpenV1,
		"lakera_v2":             lakera.Open,
		"openai_moderation":     openaimoderation.Open,
		"presidio":              presidio.Open,
	}
}
