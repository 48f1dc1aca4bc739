package builtin

import (
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/aporia"
	"tollgate/internal/guardrail/azurecontentsafety"
	"tollgate/internal/guardrail/bedrock"
	"tollgate/internal/guardrail/generic"
	"tollgate/internal/guardrail/lakera"
	"tollgate/internal/guardrail/ocimoderation"
	"tollgate/internal/guardrail/openaimoderation"
	"tollgate/internal/guardrail/presidio"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci"
)

// Guardrails are the openers by litellm_params.guardrail. A new guardrail is its folder and one line here. getenv looks up
// environment variables; out and lease are the way to OCI and what signs for it, which the models of OCI share.
func Guardrails(getenv func(string) string, out *egress.Egress, lease *provider.Lease) map[string]guardrail.Opener {
	factory := oci.New(oci.Options{Getenv: getenv})
	account := func(spec *guardrail.Spec) (ocimoderation.Account, error) {
		return factory.Account(oci.AccountSpec{
			Text:    func(name string) string { return spec.Settings.Text(name) },
			APIBase: spec.Settings.Text("api_base"), Egress: out, Credentials: lease, Log: spec.Log,
		})
	}
	return map[string]guardrail.Opener{
		"aporia":                 aporia.Open,
		"azure/prompt_shield":    azurecontentsafety.OpenShield,
		"azure/text_moderations": azurecontentsafety.OpenModeration,
		"oci":                    ocimoderation.Opener(account),
		"bedrock":                bedrock.Open,
		"generic_guardrail_api":  generic.Open,
		"lakera":                 lakera.OpenV1,
		"lakera_v2":              lakera.Open,
		"openai_moderation":      openaimoderation.Open,
		"presidio":               presidio.Open,
	}
}
