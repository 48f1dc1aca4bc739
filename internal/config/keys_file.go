package config

// topLevel is the section of the file itself.
var topLevel = section{
	name: "file",
	doc:  "The configuration of the gateway, as LiteLLM's proxy reads it.",
	keys: []key{
		served("model_list", list(object(&modelEntry)), "The deployments."),
		served("litellm_settings", object(&litellmSettings), litellmSettings.doc),
		served("general_settings", object(&generalSettings), generalSettings.doc),
		served("router_settings", object(&routerSettings), routerSettings.doc),
		served("tollgate_settings", object(&tollgateSettings), tollgateSettings.doc),
		served("environment_variables", textMap, "Environment variables that are set before anything else is read.").secret(),
		served("include", textOrTexts, "Files that are merged into this one: lists are joined, other values replaced."),
		served("credential_list", list(object(&credential)), "Named credentials that deployments refer to."),
		served("model_group_alias", mapOf(groupAlias), "The old place of router_settings.model_group_alias."),

		served("guardrails", list(object(&guardrail)), "Checks of what goes in and comes out.").optional(),
		accepted("policies", anything, "Which guardrails apply to whom."),
		accepted("prompts", list(anything), "Stored prompts."),
		accepted("mcp_servers", mapOf(object(&mcpServer)), "MCP servers that the gateway offers.").optional(),
		accepted("mcp_tools", list(anything), "Local MCP tools."),
		accepted("vector_store_registry", list(anything), "Vector stores.").optional(),
		accepted("search_tools", list(anything), "Search tools.").optional(),
		served("callback_settings", mapOf(mapping), "Settings by callback.").optional(),
		accepted("assistant_settings", object(&assistants), "The provider of the assistants routes.").optional(),
		accepted("finetune_settings", list(object(&fileProvider)), "Providers of the fine-tuning routes.").optional(),
		accepted("files_settings", list(object(&fileProvider)), "Providers of the files routes.").optional(),
		accepted("agent_list", list(anything), "Agents that the gateway offers."),
	},
}

var tollgateSettings = section{
	name: "tollgate_settings",
	doc:  "Settings that LiteLLM has no name for.",
	keys: []key{
		served("compat_status", choice("newest", "legacy"), "Whose statuses refusals have: the newest LiteLLM's, or older ones (401 for a model that is not allowed, 400 for a spent budget).").defaults("newest"),
		served("allow_url_fetch", boolean, "Fetch image URLs that callers send, private addresses excepted.").defaults("false"),
		served("extra_ca_file", text, "A PEM bundle that is trusted besides the system's."),
		served("config_reload", boolean, "Watch the files and reload when they change.").defaults("true"),
		served("budget_mode", choice("strict", "estimate"), "strict holds the most that a call can cost, estimate what it is expected to cost.").defaults("strict"),
		served("budget_wait", seconds, "Seconds that a call waits where only other calls' reservations stand in its way.").defaults("2"),
		served("budget_master_key", boolean, "Whether calls with the master key count against litellm_settings.max_budget.").defaults("false"),
		served("refuse_unpriced", boolean, "Refuse models without a known price to keys that have a budget.").defaults("true"),
		served("strict_management_api", boolean, "Refuse unknown fields in management calls.").defaults("false"),
		served("spool_max_mb", integer, "MB of calls that may wait on the local disk for a database that is away.").defaults("1024"),
		served("spool_full", choice("serve", "refuse"), "What happens when that is full: calls go on and their rows are lost, or calls are refused.").defaults("serve"),
		served("cache_scope", choice("team", "key", "organization", "global"), "Who shares cached answers: a key's team (the key itself without one), the key alone, the organization, or everybody as LiteLLM has it.").defaults("team"),
		served("callback_queue_mb", integer, "MB of finished calls that may wait for each callback whose backend is away.").defaults("256"),
		served("log_otel", boolean, "Send the access lines to the otel callback as log records too.").defaults("false"),
		served("debug_bodies", boolean, "Let debug logs show prompts and answers.").defaults("false"),
		served("oci_auth", ociAuth, "The kind of principal that signs for deployments of OCI that name none.").env("OCI_AUTH"),
		served("spool_sync", choice("none", "interval", "always"), "When the spool is written through to the disk itself.").defaults("interval"),
	},
}

var credential = section{
	name:     "credential_list[]",
	doc:      "Values that deployments take by name.",
	required: []string{"credential_name"},
	keys: []key{
		served("credential_name", text, "The name that litellm_credential_name refers to."),
		served("credential_values", object(&litellmParams), "The values, such as api_key and api_base."),
		served("credential_info", object(&credentialInfo), "What the credential is for; shown, not used."),
	},
}

var credentialInfo = section{
	name: "credential_info",
	doc:  "What a credential is for.",
	open: true,
	keys: []key{
		served("description", text, "A sentence about the credential."),
		served("custom_llm_provider", text, "The provider that it belongs to."),
	},
}

var guardrail = section{
	name: "guardrails[]",
	doc:  "A check of what goes in or comes out.",
	open: true,
	keys: []key{
		served("guardrail_name", text, "The name that requests and keys use."),
		served("litellm_params", object(&guardrailParams), "The kind of guardrail and its settings."),
		served("guardrail_info", mapping, "What the guardrail does; shown."),
	},
}

var guardrailParams = section{
	name: "guardrails[].litellm_params",
	doc:  "The kind of a guardrail and its settings; other keys belong to the kind.",
	open: true,
	keys: []key{
		served("guardrail", text, "The kind of guardrail."),
		served("mode", anything, "When it runs: pre_call, post_call, during_call, logging_only or pre_mcp_call."),
		served("api_key", text, "The guardrail's key.").secret(),
		served("api_base", text, "The guardrail's URL."),
		served("default_on", boolean, "Whether it runs for requests that do not name it."),
	},
}

var mcpServer = section{
	name: "mcp_servers.*",
	doc:  "An MCP server that the gateway offers.",
	open: true,
	keys: []key{
		accepted("url", text, "The server's URL."),
		accepted("transport", hint("sse", "http", "stdio"), "How the server is spoken to."),
		accepted("command", text, "The program of a stdio server."),
		accepted("args", texts, "The program's arguments."),
		accepted("env", textMap, "The program's environment.").secret(),
		accepted("auth_type", hint("none", "api_key", "bearer_token", "basic", "authorization", "oauth2"), "How the gateway authenticates."),
		accepted("authentication_token", text, "What it authenticates with.").secret(),
		accepted("allowed_tools", texts, "The tools that are offered."),
	},
}

var assistants = section{
	name: "assistant_settings",
	doc:  "The provider of the assistants routes.",
	keys: []key{
		accepted("custom_llm_provider", text, "The provider that serves the routes."),
		accepted("litellm_params", mapping, "The credentials of the provider.").secret(),
	},
}

var fileProvider = section{
	name: "files_settings[]",
	doc:  "A provider of the files or fine-tuning routes.",
	open: true,
	keys: []key{
		accepted("custom_llm_provider", text, "The provider that serves the routes."),
		accepted("api_base", text, "The URL of the provider."),
		accepted("api_key", text, "The API key of the provider.").secret(),
		accepted("api_version", text, "The API version of the provider."),
	},
}
