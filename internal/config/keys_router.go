package config

var strategies = choice("simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing",
	"usage-based-routing", "usage-based-routing-v2", "provider-budget-routing")

var groupAlias = shape{kind: aliasKind}

var routerSettings = section{
	name: "router_settings",
	doc:  "How calls are spread over deployments, retried and passed to fallbacks.",
	keys: []key{
		served("routing_strategy", strategies, "How a deployment is chosen among those of an alias.").defaults("simple-shuffle"),
		served("routing_strategy_args", object(&strategyArgs), "Settings of the strategies that measure."),
		served("routing_groups", list(object(&routingGroup)), "Strategies of their own for some aliases."),
		served("num_retries", integer, "Retries after the first attempt.").env("DEFAULT_MAX_RETRIES").defaults("2"),
		served("max_fallbacks", integer, "The most fallbacks of one request.").env("ROUTER_MAX_FALLBACKS").defaults("5"),
		served("timeout", seconds, "Seconds that an upstream attempt may take.").env("REQUEST_TIMEOUT").defaults("6000"),
		served("stream_timeout", seconds, "Seconds that the first chunk of a stream may take."),
		served("retry_after", seconds, "The least seconds between attempts.").defaults("0"),
		served("allowed_fails", integer, "Failures within cooldown_time before a deployment rests.").env("DEFAULT_ALLOWED_FAILS").defaults("3"),
		served("cooldown_time", seconds, "Seconds that a failing deployment rests.").env("DEFAULT_COOLDOWN_TIME_SECONDS").defaults("5"),
		served("disable_cooldowns", boolean, "Never rest a deployment.").defaults("false"),
		served("retry_policy", object(&retryPolicy), "Retries by kind of error."),
		served("model_group_retry_policy", mapOf(object(&retryPolicy)), "Retries by kind of error, for single aliases."),
		served("allowed_fails_policy", object(&allowedFailsPolicy), "Failures before a deployment rests, by kind of error."),
		served("fallbacks", fallbackLists, "Aliases to try when an alias fails, as a list of {alias: [alias, ...]}."),
		served("context_window_fallbacks", fallbackLists, "Aliases to try when a prompt is too long."),
		served("content_policy_fallbacks", fallbackLists, "Aliases to try when a content filter refuses."),
		served("default_fallbacks", targets, "Aliases to try when any alias fails."),
		served("model_group_alias", mapOf(groupAlias), "Other names of aliases, each a name or {model, hidden}."),
		served("enable_pre_call_checks", boolean, "Leave out deployments whose context window is too small before calling.").defaults("false"),
		served("optional_pre_call_checks", list(hint("prompt_caching", "router_budget_limiting", "responses_api_deployment_check", "deployment_affinity",
			"session_affinity", "forward_client_headers_by_model_group", "enforce_model_rate_limits", "encrypted_content_affinity")),
			"Further checks before a call."),
		served("enable_tag_filtering", boolean, "Choose deployments by the request's tags.").defaults("false"),
		served("tag_filtering_match_any", boolean, "One shared tag is enough; all of the request's tags when false.").defaults("true"),
		served("default_litellm_params", object(&litellmParams), "Parameters of every deployment that does not set them."),
		served("default_max_parallel_requests", integer, "Calls that may be in flight on a deployment that does not say it."),

		accepted("tag_routing_prefix", text, "A prefix of tags that choose deployments."),
		accepted("deployment_affinity_ttl_seconds", seconds, "Seconds that a caller stays with a deployment."),
		accepted("model_group_affinity_config", mapping, "Affinity for single aliases."),
		served("redis_url", text, "The Redis that replicas share.").secret().optional().env("REDIS_URL"),
		served("redis_host", text, "The host of the shared Redis.").optional().env("REDIS_HOST"),
		served("redis_port", integer, "The port of the shared Redis.").optional().env("REDIS_PORT"),
		served("redis_password", text, "The password of the shared Redis.").secret().optional().env("REDIS_PASSWORD"),
		served("redis_db", integer, "The number of the shared Redis database.").optional().env("REDIS_DB"),
		accepted("cache_responses", boolean, "Cache answers in the router."),
		accepted("cache_kwargs", mapping, "Settings of the router's cache.").optional(),
		accepted("client_ttl", seconds, "Seconds that an upstream client is kept."),
		served("caching_groups", list(anything), "Aliases that share cached answers."),
		accepted("default_priority", integer, "The priority of requests without one."),
		accepted("polling_interval", seconds, "Seconds between looks at the queue of prioritised requests."),
		served("provider_budget_config", mapOf(object(&providerBudget)), "Budgets by provider."),
		accepted("ignore_invalid_deployments", boolean, "Skip entries that cannot be used; here they are errors."),
		accepted("enable_health_check_routing", boolean, "Route around unhealthy deployments."),
		accepted("health_check_staleness_threshold", seconds, "Seconds after which a health result no longer counts."),
		accepted("health_check_ignore_transient_errors", boolean, "Do not call a deployment unhealthy for passing errors."),
		accepted("search_tools", list(anything), "Search tools.").optional(),
		accepted("guardrail_list", list(anything), "Guardrails.").optional(),
		accepted("alerting_config", mapping, "Alerts about deployments.").optional(),
		accepted("router_general_settings", object(&routerGeneral), "Settings of the Python router."),
	},
}

var strategyArgs = section{
	name: "routing_strategy_args",
	doc:  "Settings of the strategies that measure.",
	open: true,
	keys: []key{
		served("ttl", seconds, "Seconds that a measurement counts.").defaults("3600"),
		served("lowest_latency_buffer", number, "How much slower than the best, as a fraction, is still good.").defaults("0"),
		served("max_latency_list_size", integer, "Measurements that are averaged.").defaults("10"),
		served("rolling_window", seconds, "Seconds over which usage is counted."),
	},
}

var routingGroup = section{
	name: "routing_groups[]",
	doc:  "A strategy for some aliases.",
	keys: []key{
		served("group_name", text, "The name of the group."),
		served("models", texts, "The aliases of the group."),
		served("routing_strategy", strategies, "How a deployment is chosen in this group."),
		served("routing_strategy_args", object(&strategyArgs), "Settings of the strategy."),
	},
}

var retryPolicy = section{
	name: "retry_policy",
	doc:  "Retries by kind of error; an absent kind takes num_retries.",
	keys: []key{
		served("BadRequestErrorRetries", integer, "Retries after 400."),
		served("AuthenticationErrorRetries", integer, "Retries after 401."),
		served("TimeoutErrorRetries", integer, "Retries after 408 and timeouts."),
		served("RateLimitErrorRetries", integer, "Retries after 429."),
		served("ContentPolicyViolationErrorRetries", integer, "Retries after a content filter refused."),
		served("InternalServerErrorRetries", integer, "Retries after 500."),
	},
}

var allowedFailsPolicy = section{
	name: "allowed_fails_policy",
	doc:  "Failures within cooldown_time before a deployment rests, by kind of error.",
	keys: []key{
		served("BadRequestErrorAllowedFails", integer, "Allowed answers 400."),
		served("AuthenticationErrorAllowedFails", integer, "Allowed answers 401."),
		served("TimeoutErrorAllowedFails", integer, "Allowed answers 408 and timeouts."),
		served("RateLimitErrorAllowedFails", integer, "Allowed answers 429."),
		served("ContentPolicyViolationErrorAllowedFails", integer, "Allowed refusals of a content filter."),
		served("InternalServerErrorAllowedFails", integer, "Allowed answers 500."),
		served("ServiceUnavailableErrorAllowedFails", integer, "Allowed answers 503."),
		served("BadGatewayErrorAllowedFails", integer, "Allowed answers 502."),
		served("NotFoundErrorAllowedFails", integer, "Allowed answers 404."),
	},
}

var providerBudget = section{
	name: "provider_budget_config.*",
	doc:  "The budget of one provider.",
	keys: []key{
		served("budget_limit", decimal, "USD per time_period."),
		served("time_period", text, "The period, such as 1d."),
	},
}

var routerGeneral = section{
	name: "router_general_settings",
	doc:  "Settings of the Python router.",
	keys: []key{
		accepted("async_only_mode", boolean, "Use asynchronous clients only."),
		accepted("pass_through_all_models", boolean, "Pass models without an alias on to their provider."),
	},
}
