package config

import (
	"time"

	"tollgate/internal/secret"
)

// Config is a configuration as it was read: includes merged, environment
// references resolved, defaults applied. It is never changed after Load and
// safe for concurrent use.
type Config struct {
	// Models are the deployments in the order of the file. An entry whose
	// organization is a list stands here once per organisation; an entry whose
	// supported_environments leave out LITELLM_ENVIRONMENT does not stand here.
	Models      []Model
	Litellm     LitellmSettings
	General     GeneralSettings
	Router      RouterSettings
	Tollgate    TollgateSettings
	Credentials []Credential
	Guardrails  []Guardrail
	// CallbackSettings are the settings of callbacks by name.
	CallbackSettings map[string]Values
	// Environment is the environment_variables section, resolved. The
	// application sets it into the process; it has already been in force for
	// every os.environ/ reference of the file.
	Environment map[string]secret.String
	// Files are all files read, the main one first: what a watcher watches.
	// A file that could not be read is listed too, so that its coming is seen.
	Files []string

	root      *node
	positions map[string]Position
}

// Position is a place in a configuration file. Line and Column count from 1,
// Column in characters. The zero value means that a value has no place (a default).
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Model is one deployment: one upstream target behind an alias.
type Model struct {
	// Name is the alias (model_name); it may hold `*`.
	Name   string    `key:"model_name"`
	Params Params    `key:"litellm_params"`
	Info   ModelInfo `key:"model_info"`
	Pos    Position
	// Path is where the entry stands in the merged configuration, model_list[3].
	Path string
}

// Params is the litellm_params of a deployment. The fields are what the gateway
// itself uses whatever the provider is; a provider reads its own keys with
// Provider, and Extra holds default request parameters.
type Params struct {
	Model             string        `key:"model"` // "<provider>/<id>", as written
	CustomLLMProvider string        `key:"custom_llm_provider"`
	APIKey            secret.String `key:"api_key"`
	APIBase           string        `key:"api_base"` // base_url when api_base is absent
	APIVersion        string        `key:"api_version"`
	Organization      string        `key:"organization"`
	CredentialName    string        `key:"litellm_credential_name"`

	TPM                 *int64         `key:"tpm"` // tokens per minute
	RPM                 *int64         `key:"rpm"` // requests per minute
	Weight              *float64       `key:"weight"`
	Order               *int           `key:"order"`
	MaxParallelRequests *int           `key:"max_parallel_requests"`
	Timeout             *time.Duration `key:"timeout"`
	StreamTimeout       *time.Duration `key:"stream_timeout"`
	MaxRetries          *int           `key:"max_retries"`
	NumRetries          *int           `key:"num_retries"`
	CooldownTime        *time.Duration `key:"cooldown_time"` // 0 = never cool
	Tags                []string       `key:"tags"`
	TagRegex            []string       `key:"tag_regex"` // each compiles
	Guardrails          []string       `key:"guardrails"`

	MaxBudget      Decimal `key:"max_budget"` // USD
	BudgetDuration string  `key:"budget_duration"`
	// Costs are the price keys of the entry (input_cost_per_token ...) as exact
	// decimal text in USD; litellm_params wins over model_info.
	Costs map[string]Decimal

	DropParams             *bool                    `key:"drop_params"`
	AdditionalDropParams   []string                 `key:"additional_drop_params"`
	AllowedOpenAIParams    []string                 `key:"allowed_openai_params"`
	ExtraHeaders           map[string]secret.String `key:"extra_headers"` // headers is merged in, extra_headers wins
	ExtraBody              map[string]any           `key:"extra_body"`
	MockResponse           string                   `key:"mock_response"`
	ClientsideAuthParams   []ClientsideAuthParam    `key:"configurable_clientside_auth_params"`
	MergeReasoningContent  bool                     `key:"merge_reasoning_content_in_choices"`
	Keepalive              *time.Duration           `key:"keepalive_seconds"`
	AllowKeepaliveOverride bool                     `key:"allow_client_keepalive_override"`

	node *node
	path string
}

// ClientsideAuthParam is a field that a request's body may override. Pattern is
// empty when any value may be given, else the regular expression that the value must match.
type ClientsideAuthParam struct {
	Name    string
	Pattern string
}

// Decimal is the text of a decimal number, exact as it was written ("0.0000025",
// "1e-6"), never negative. The empty text means that none was given.
type Decimal string

// ModelInfo is what a model_list entry says about its model.
type ModelInfo struct {
	// ID names the deployment. When the file gives none it is made from the
	// entry's name and parameters, see deploymentID.
	ID                    string         `key:"id"`
	Mode                  string         `key:"mode"`
	BaseModel             string         `key:"base_model"`
	Description           string         `key:"description"`
	Version               string         `key:"version"`
	Tier                  string         `key:"tier"`
	MaxTokens             *int64         `key:"max_tokens"`
	MaxInputTokens        *int64         `key:"max_input_tokens"`
	MaxOutputTokens       *int64         `key:"max_output_tokens"`
	AccessGroups          []string       `key:"access_groups"`
	SupportedEnvironments []string       `key:"supported_environments"`
	Blocked               bool           `key:"blocked"`
	EnableTagFiltering    *bool          `key:"enable_tag_filtering"`
	HealthCheckModel      string         `key:"health_check_model"`
	HealthCheckTimeout    *time.Duration `key:"health_check_timeout"`
	HealthCheckMaxTokens  *int           `key:"health_check_max_tokens"`

	node *node
}

// Credential is an entry of credential_list. Its values are already merged into
// the deployments that name it.
type Credential struct {
	Name string
	Pos  Position
}

// LitellmSettings is litellm_settings, without the keys that it shares with
// router_settings: those are resolved into RouterSettings.
type LitellmSettings struct {
	DropParams                bool              `key:"drop_params"`
	ContextWindowFallbackDict map[string]string `key:"context_window_fallback_dict"`
	ModelAliasMap             map[string]string `key:"model_alias_map"`
	SSLVerify                 SSLVerify         `key:"ssl_verify"`
	JSONLogs                  bool              `key:"json_logs"`
	SetVerbose                bool              `key:"set_verbose"`
	SSEKeepalivePingInterval  *time.Duration    `key:"sse_keepalive_ping_interval_seconds"`
	ModelAccessDeniedMessage  string            `key:"model_access_denied_message"`
	RequireAuthForMetrics     bool              `key:"require_auth_for_metrics_endpoint"` // true unless the file says false

	MaxBudget                  Decimal        `key:"max_budget"` // USD of the whole gateway; "" and 0 = none
	BudgetDuration             string         `key:"budget_duration"`
	Timezone                   string         `key:"timezone"` // IANA name, UTC when absent
	MaxInternalUserBudget      Decimal        `key:"max_internal_user_budget"`
	InternalUserBudgetDuration string         `key:"internal_user_budget_duration"`
	DefaultInternalUserParams  map[string]any `key:"default_internal_user_params"`
	DefaultTeamParams          map[string]any `key:"default_team_params"`
	DefaultKeyParams           map[string]any `key:"default_key_generate_params"`
	UpperboundKeyParams        map[string]any `key:"upperbound_key_generate_params"`
	KeyGenerationSettings      map[string]any `key:"key_generation_settings"`
	MaxEndUserBudget           Decimal        `key:"max_end_user_budget"`
	MaxEndUserBudgetID         string         `key:"max_end_user_budget_id"`
	DisableEndUserTracking     bool           `key:"disable_end_user_cost_tracking"`
	ValidateEndUser            bool           `key:"validate_end_user_id_in_db"`
	CheckKeyAliasFormat        bool           `key:"enable_key_alias_format_validation"`

	SuccessCallback    []string `key:"success_callback"`
	FailureCallback    []string `key:"failure_callback"`
	Callbacks          []string `key:"callbacks"` // of success and failure
	ServiceCallbacks   []string `key:"service_callbacks"`
	ServiceCallback    []string `key:"service_callback"` // another name of the same
	TurnOffMessageLogs bool     `key:"turn_off_message_logging"`
	RedactKeyInfo      bool     `key:"redact_user_api_key_info"`
	DisableNoLog       bool     `key:"global_disable_no_log_param"`
	LangfuseTags       []string `key:"langfuse_default_tags"`
	S3Params           Values   `key:"s3_callback_params"`
	DatadogParams      Values   `key:"datadog_params"`
	DatadogLLMParams   Values   `key:"datadog_llm_observability_params"`
	DefaultTeamLogging any      `key:"default_team_settings"`
	ForwardTraceparent bool     `key:"forward_traceparent_to_llm_provider"`

	Cache             bool           `key:"cache"`
	CacheParams       Values         `key:"cache_params"`
	DefaultMemoryTTL  *time.Duration `key:"default_in_memory_ttl"`
	DefaultRedisTTL   *time.Duration `key:"default_redis_ttl"`
	OldGuardrails     []any          `key:"guardrails"`
	SkipSystem        bool           `key:"skip_system_message_in_guardrail"`
	BannedKeywords    []string       `key:"banned_keywords_list"`
	BlockedUsers      []string       `key:"blocked_user_list"`
	PromptInjection   Values         `key:"prompt_injection_params"`
	DetectSecrets     Values         `key:"detect_secrets_config"`
	MetricsConfig     any            `key:"prometheus_metrics_config"`
	MetricsMetadata   []string       `key:"custom_prometheus_metadata_labels"`
	MetricsTags       []string       `key:"custom_prometheus_tags"`
	MetricsBuckets    []float64      `key:"prometheus_latency_buckets"` // seconds
	MetricsStream     bool           `key:"prometheus_emit_stream_label"`
	MetricsBudgets    bool           `key:"prometheus_initialize_budget_metrics"`
	MetricsEndUsers   bool           `key:"enable_end_user_cost_tracking_prometheus_only"`
	MetricsNoEndUsers bool           `key:"disable_end_user_cost_tracking_prometheus_only"`
}

// Values are settings that belong to an integration. They may hold secrets and print as nothing.
type Values struct {
	node *node
	own  *map[string]any // behind a pointer, so that it does not print
}

// ValuesOf makes Values of settings that stand elsewhere in the configuration, as encoding/json knows them.
func ValuesOf(settings map[string]any) Values { return Values{own: &settings} }

// JSON are the settings as encoding/json knows them, nil without any. They are not masked.
func (v Values) JSON() map[string]any {
	if v.own != nil {
		return *v.own
	}
	return v.node.asMap()
}

// Guardrail is an entry of guardrails.
type Guardrail struct {
	Name   string          `key:"guardrail_name"`
	Params GuardrailParams `key:"litellm_params"`
	Info   map[string]any  `key:"guardrail_info"`
}

// GuardrailParams is the litellm_params of a guardrail.
type GuardrailParams struct {
	Kind      string `key:"guardrail"`
	Mode      any    `key:"mode"` // a text, a list of them, or {tags, default}
	DefaultOn bool   `key:"default_on"`

	// Values are all settings of the guardrail.
	Values Values
}

func (p *GuardrailParams) filled(n *node, _ string) { p.Values = Values{node: n} }

// SSLVerify says how an upstream's certificate is checked. The zero value
// checks it against the system's roots.
type SSLVerify struct {
	Disabled bool
	CAFile   string // PEM bundle to trust instead
}

// GeneralSettings is general_settings.
type GeneralSettings struct {
	MasterKey secret.String `key:"master_key"` // empty = none

	CompletionModel string `key:"completion_model"`
	EmbeddingModel  string `key:"embedding_model"`

	MaxRequestSizeMB float64 `key:"max_request_size_mb"` // 32 when absent

	AllowClientSideCredentials bool `key:"allow_client_side_credentials"`
	ForwardClientHeaders       bool `key:"forward_client_headers_to_llm_api"`
	AlwaysIncludeStreamUsage   bool `key:"always_include_stream_usage"`
	AllowMockTestingParams     bool `key:"dangerously_allow_mock_testing_request_params"`
	StoreModelInDB             bool `key:"store_model_in_db"`

	DatabaseURL         secret.String  `key:"database_url"`
	DatabaseConnections *int           `key:"database_connection_pool_limit"`
	DatabaseTimeout     *time.Duration `key:"database_connection_timeout"`
	DisableSchemaUpdate bool           `key:"disable_prisma_schema_update"`
	AllowUnavailable    bool           `key:"allow_requests_on_db_unavailable"`
	DisableErrorLogs    bool           `key:"disable_error_logs"`
	StorePrompts        bool           `key:"store_prompts_in_spend_logs"`
	Retention           string         `key:"maximum_spend_logs_retention_period"` // a duration such as 30d, or a number of days
	DisableReservation  bool           `key:"disable_budget_reservation"`
	FailClosedBudget    bool           `key:"fail_closed_budget_enforcement"`
	SkipUserBudget      bool           `key:"skip_user_budget_on_team_key"`
	EnforceUserParam    bool           `key:"enforce_user_param"`
	EnforcedParams      []string       `key:"enforced_params"`
	RejectClientTags    bool           `key:"reject_clientside_metadata_tags"`
	UserHeaderName      string         `key:"user_header_name"`
	EnableJWTAuth       bool           `key:"enable_jwt_auth"`
	JWTAuth             map[string]any `key:"litellm_jwtauth"`
	RolePermissions     any            `key:"role_permissions"`
	DefaultTeamDisabled bool           `key:"default_team_disabled"`
	TokenRateLimitType  string         `key:"token_rate_limit_type"`

	Alerting          []string                   `key:"alerting"`
	AlertingThreshold *time.Duration             `key:"alerting_threshold"` // 300 s when absent
	AlertTypes        []string                   `key:"alert_types"`
	AlertingArgs      Values                     `key:"alerting_args"`
	AlertWebhooks     map[string][]secret.String `key:"alert_to_webhook_url"`
	AlertTypeConfig   Values                     `key:"alert_type_config"`
	SpendReports      string                     `key:"spend_report_frequency"`
	GlobalMaxParallel *int64                     `key:"global_max_parallel_requests"`
	KeyMaxParallel    *int64                     `key:"max_parallel_requests"`
	AdminOnlyRoutes   []string                   `key:"admin_only_routes"`

	KeyHeaderName       string   `key:"litellm_key_header_name"`
	AllowedRoutes       []string `key:"allowed_routes"`
	PublicRoutes        []string `key:"public_routes"`
	AllowedIPs          []string `key:"allowed_ips"` // addresses or CIDR ranges, each parses
	UseXForwardedFor    bool     `key:"use_x_forwarded_for"`
	TrustedProxyRanges  []string `key:"trusted_proxy_ranges"` // CIDR ranges or addresses, each parses
	HealthCheckDetails  bool     `key:"health_check_details"` // true when absent
	HealthCheckParallel *int     `key:"health_check_concurrency"`
}

// RouterSettings is router_settings, completed with what litellm_settings says
// for the keys that both have (router_settings wins) and with LiteLLM's defaults.
type RouterSettings struct {
	RoutingStrategy     string              `key:"routing_strategy"` // simple-shuffle when absent
	RoutingStrategyArgs RoutingStrategyArgs `key:"routing_strategy_args"`
	RoutingGroups       []RoutingGroup      `key:"routing_groups"`

	NumRetries    int            `key:"num_retries"`   // 2 when absent
	MaxFallbacks  int            `key:"max_fallbacks"` // 5 when absent
	Timeout       time.Duration  `key:"timeout"`       // 6000 s when absent; litellm_settings.request_timeout
	StreamTimeout *time.Duration `key:"stream_timeout"`
	RetryAfter    time.Duration  `key:"retry_after"` // the least wait between attempts

	AllowedFails       int           `key:"allowed_fails"` // 3 when absent
	CooldownTime       time.Duration `key:"cooldown_time"` // 5 s when absent
	DisableCooldowns   bool          `key:"disable_cooldowns"`
	AllowedFailsPolicy ErrorCounts   `key:"allowed_fails_policy"`

	RetryPolicy           ErrorCounts            `key:"retry_policy"`
	ModelGroupRetryPolicy map[string]ErrorCounts `key:"model_group_retry_policy"`

	Fallbacks              []Fallback       `key:"fallbacks"`
	ContextWindowFallbacks []Fallback       `key:"context_window_fallbacks"`
	ContentPolicyFallbacks []Fallback       `key:"content_policy_fallbacks"`
	DefaultFallbacks       []FallbackTarget `key:"default_fallbacks"` // fallbacks["*"] is left in Fallbacks

	ModelGroupAlias map[string]GroupAlias `key:"model_group_alias"`

	EnablePreCallChecks   bool     `key:"enable_pre_call_checks"`
	OptionalPreCallChecks []string `key:"optional_pre_call_checks"`
	EnableTagFiltering    bool     `key:"enable_tag_filtering"`
	TagFilteringMatchAny  bool     `key:"tag_filtering_match_any"` // true when absent

	DefaultParams              Params `key:"default_litellm_params"`
	DefaultMaxParallelRequests *int   `key:"default_max_parallel_requests"`

	ProviderBudgets map[string]ProviderBudget `key:"provider_budget_config"`

	CachingGroups []any `key:"caching_groups"` // lists of aliases that share cached answers

	RedisURL      secret.String `key:"redis_url"`
	RedisHost     string        `key:"redis_host"`
	RedisPort     *int          `key:"redis_port"`
	RedisPassword secret.String `key:"redis_password"`
	RedisDB       *int          `key:"redis_db"`
}

// ProviderBudget is what one provider may cost.
type ProviderBudget struct {
	Limit  Decimal `key:"budget_limit"` // USD per Period
	Period string  `key:"time_period"`
}

// RoutingStrategyArgs tunes the strategies that measure.
type RoutingStrategyArgs struct {
	TTL                 time.Duration  `key:"ttl"`                   // 3600 s when absent
	LowestLatencyBuffer float64        `key:"lowest_latency_buffer"` // 0 when absent
	MaxLatencyListSize  int            `key:"max_latency_list_size"` // 10 when absent
	RollingWindow       *time.Duration `key:"rolling_window"`
}

// RoutingGroup gives some models a strategy of their own.
type RoutingGroup struct {
	GroupName           string              `key:"group_name"`
	Models              []string            `key:"models"`
	RoutingStrategy     string              `key:"routing_strategy"`
	RoutingStrategyArgs RoutingStrategyArgs `key:"routing_strategy_args"`
}

// ErrorCounts is a retry_policy or an allowed_fails_policy: how many retries, or
// how many failures, a kind of error is allowed. nil = the general number.
type ErrorCounts struct {
	BadRequest             *int `key:"BadRequestErrorRetries,BadRequestErrorAllowedFails"`
	Authentication         *int `key:"AuthenticationErrorRetries,AuthenticationErrorAllowedFails"`
	Timeout                *int `key:"TimeoutErrorRetries,TimeoutErrorAllowedFails"`
	RateLimit              *int `key:"RateLimitErrorRetries,RateLimitErrorAllowedFails"`
	ContentPolicyViolation *int `key:"ContentPolicyViolationErrorRetries,ContentPolicyViolationErrorAllowedFails"`
	InternalServer         *int `key:"InternalServerErrorRetries,InternalServerErrorAllowedFails"`
	ServiceUnavailable     *int `key:"ServiceUnavailableErrorAllowedFails"`
	BadGateway             *int `key:"BadGatewayErrorAllowedFails"`
	NotFound               *int `key:"NotFoundErrorAllowedFails"`
}

// Fallback is one link of a fallback list: when Model fails, Targets are tried in order.
type Fallback struct {
	Model   string // "*" = any model without an entry of its own
	Targets []FallbackTarget
	Pos     Position
	Path    string
}

// FallbackTarget is one model to fall back to. Params, mostly nil, override the
// request's fields for that attempt (the {model, ...} form).
type FallbackTarget struct {
	Model  string
	Params map[string]any
	Pos    Position
	Path   string
}

// GroupAlias is what an entry of model_group_alias stands for. A hidden alias is
// served but not listed.
type GroupAlias struct {
	Model  string
	Hidden bool
	Pos    Position
}

// TollgateSettings is tollgate_settings: what LiteLLM has no name for.
type TollgateSettings struct {
	AllowURLFetch bool   `key:"allow_url_fetch"` // fetch URLs that callers send
	ExtraCAFile   string `key:"extra_ca_file"`   // PEM bundle trusted besides the system's
	ConfigReload  bool   `key:"config_reload"`   // true when absent: watch the files

	CompatStatus        string        `key:"compat_status"` // newest or legacy
	BudgetMode          string        `key:"budget_mode"`   // strict or estimate
	BudgetWait          time.Duration `key:"budget_wait"`   // 2 s when absent
	BudgetMasterKey     bool          `key:"budget_master_key"`
	RefuseUnpriced      bool          `key:"refuse_unpriced"` // true when absent
	StrictManagementAPI bool          `key:"strict_management_api"`
	CacheScope          string        `key:"cache_scope"` // team, key, organization or global
	CallbackQueueMB     int           `key:"callback_queue_mb"`
	LogOTel             bool          `key:"log_otel"`
	DebugBodies         bool          `key:"debug_bodies"`
	SpoolMaxMB          int           `key:"spool_max_mb"`
	SpoolFull           string        `key:"spool_full"` // serve or refuse
	SpoolSync           string        `key:"spool_sync"` // none, interval or always
	OCIAuth             string        `key:"oci_auth"`   // the kind of principal where a deployment names none; "" = auto
}
