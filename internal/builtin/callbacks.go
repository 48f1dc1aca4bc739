package builtin

import (
	"tollgate/internal/callback"
	"tollgate/internal/callback/datadog"
	"tollgate/internal/callback/generic"
	"tollgate/internal/callback/helicone"
	"tollgate/internal/callback/langfuse"
	"tollgate/internal/callback/langsmith"
	"tollgate/internal/callback/openmeter"
	"tollgate/internal/callback/otel"
	"tollgate/internal/callback/s3archive"
)

// Callbacks are the openers by LiteLLM's name. A new callback is its folder and one line here.
func Callbacks() map[string]callback.Opener {
	return map[string]callback.Opener{
		"datadog":                   datadog.OpenLogs,
		"datadog_llm_observability": datadog.OpenObservability,
		"datadog_metrics":           datadog.OpenMetrics,
		"custom_callback_api":       generic.Open, // LiteLLM's older name
		"generic_api":               generic.Open,
		"helicone":                  helicone.Open,
		"langfuse":                  langfuse.Open,
		"langfuse_otel":             langfuse.OpenOTel,
		"langsmith":                 langsmith.Open,
		"openmeter":                 openmeter.Open,
		"otel":                      otel.Open,
		"s3":                        s3archive.Open,
		"s3_v2":                     s3archive.Open,
	}
}
