package builtin

import (
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/aporia"
	"tollgate/internal/guardrail/azurecontentsafety"
	"tollgate/internal/guardrail/bannedkeywords"
	"tollgate/internal/guardrail/bedrock"
	"tollgate/internal/guardrail/blockcode"
	"tollgate/internal/guardrail/blockeduser"
	"tollgate/internal/guardrail/bounds"
	"tollgate/internal/guardrail/contentfilter"
	"tollgate/internal/guardrail/generic"
	"tollgate/internal/guardrail/hidesecrets"
	"tollgate/internal/guardrail/jsonschema"
	"tollgate/internal/guardrail/lakera"
	"tollgate/internal/guardrail/language"
	"tollgate/internal/guardrail/ocimoderation"
	"tollgate/internal/guardrail/openaimoderation"
	"tollgate/internal/guardrail/pii"
	"tollgate/internal/guardrail/presidio"
	"tollgate/internal/guardrail/promptinjection"
	"tollgate/internal/guardrail/toolpermission"
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
		"aporia":                  aporia.Open,
		"azure/prompt_shield":     azurecontentsafety.OpenShield,
		"azure/text_moderations":  azurecontentsafety.OpenModeration,
		"banned_keywords":         bannedkeywords.Open,
		"bedrock":                 bedrock.Open,
		"block_code_execution":    blockcode.Open,
		"blocked_user_check":      blockeduser.Open,
		"detect_prompt_injection": promptinjection.Open,
		"generic_guardrail_api":   generic.Open,
		"hide-secrets":            hidesecrets.Open,
		"json_schema":             jsonschema.Open,
		"lakera":                  lakera.OpenV1,
		"lakera_v2":               lakera.Open,
		"language":                language.Open,
		"length":                  bounds.Open,
		"litellm_content_filter":  contentfilter.Open,
		"oci":                     ocimoderation.Opener(account),
		"openai_moderation":       openaimoderation.Open,
		"pii":                     pii.Open,
		"presidio":                presidio.Open,
		"tool_permission":         toolpermission.Open,
	}
}
