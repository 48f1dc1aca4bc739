package callback

import "slices"

// Declined is a callback that LiteLLM has and this gateway has not.
type Declined struct {
	Name string // as the configuration has it
	Why  string // a sentence: why not, and what serves instead
}

// DeclinedCallbacks lists them, by name.
func DeclinedCallbacks() []Declined { return slices.Clone(declined) }

const (
	byOTLP    = "has no client of its own here; it takes OTLP: use the callback otel with its endpoint and headers"
	byGeneric = "has no client of its own here; send the payloads with generic_api, to it or to a service that turns them into its shape"
	byReports = "exports bills and not calls; read /spend/logs or /global/spend/report instead"
	byAlerts  = "sends mail and not calls; use alerting: [webhook] with a service that sends mail"
)

var declined = []Declined{
	{"argilla", byGeneric},
	{"arize", byOTLP},
	{"arize_phoenix", byOTLP},
	{"athina", byGeneric},
	{"aws_sqs", byGeneric},
	{"azure_sentinel", byGeneric},
	{"azure_storage", "is not served; use s3_v2 with a store that speaks S3, or generic_api"},
	{"braintrust", byOTLP},
	{"cloudzero", byReports},
	{"datadog_cost_management", byReports},
	{"dynamodb", byGeneric},
	{"focus", byReports},
	{"galileo", byGeneric},
	{"gcs_bucket", "has no client of its own here; Cloud Storage takes S3's calls: use s3_v2 with s3_endpoint_url https://storage.googleapis.com and an HMAC key"},
	{"gcs_pubsub", byGeneric},
	{"humanloop", byGeneric},
	{"lago", byGeneric},
	{"langtrace", byOTLP},
	{"levo", byOTLP},
	{"logfire", byOTLP},
	{"lunary", byGeneric},
	{"mlflow", byOTLP},
	{"opik", byOTLP},
	{"posthog", byGeneric},
	{"prometheus_system", "needs no name here: /metrics tells of the gateway's own services as well"},
	{"promptlayer", byGeneric},
	{"ramp", byReports},
	{"resend_email", byAlerts},
	{"rubrik", byGeneric},
	{"s3_v3", "is LiteLLM's cold storage of what its database leaves out; s3_v2 archives every call"},
	{"sendgrid_email", byAlerts},
	{"sentry", "reports errors of LiteLLM's own code; use failure_callback with otel or generic_api for calls that fail"},
	{"smtp_email", byAlerts},
	{"sumologic", "has no client of its own here; use generic_api with the address of an HTTP source, log_format: ndjson"},
	{"traceloop", byOTLP},
	{"vantage", byReports},
	{"wandb", byGeneric},
	{"weave_otel", byOTLP},
}
