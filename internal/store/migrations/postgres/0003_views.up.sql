-- min_version: 1
-- Views by LiteLLM's names, with its columns and types, for the reports that were written for it: in the schema litellm,
-- and beside our own tables where nothing else has the name. Spend is double precision there, and moments are UTC
-- without a zone. https://github.com/BerriAI/litellm/blob/main/schema.prisma

CREATE FUNCTION tollgate_list(jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof($1) WHEN 'array' THEN $1 ELSE '[]' END)) $$;

-- What was spent in the period under way.
CREATE FUNCTION tollgate_spent(c counters) RETURNS double precision
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN c.reset_at <= now() THEN 0 ELSE COALESCE(c.spent, 0) END::float8 $$;

-- Makes a view in the schema of our tables and in litellm, wherever nothing has its name. A role that may not make a
-- schema goes without that one, and so does a role of its name: PostgreSQL looks for names in "$user" first, so that the
-- new schema would take the place of the one that our tables are in.
CREATE PROCEDURE tollgate_make_view(name text, query text) LANGUAGE plpgsql AS $make$
DECLARE place text;
BEGIN
    FOREACH place IN ARRAY ARRAY['litellm', current_schema()] LOOP
        BEGIN
            IF place = 'litellm' AND to_regnamespace('litellm') IS NULL THEN
                CONTINUE WHEN current_user = 'litellm' OR current_setting('search_path') LIKE '%litellm%';
                CREATE SCHEMA litellm;
            END IF;
            IF to_regclass(format('%I.%I', place, name)) IS NULL THEN
                EXECUTE format('CREATE VIEW %I.%I AS %s', place, name, query);
                EXECUTE format('COMMENT ON VIEW %I.%I IS %L', place, name, 'made by tollgate');
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'view %.% is not made: %', place, name, SQLERRM;
        END;
    END LOOP;
END $make$;

CALL tollgate_make_view('LiteLLM_SpendLogs', $view$
SELECT request_id, call_type, api_key, spend::float8 AS spend, total_tokens, prompt_tokens, completion_tokens,
    start_time AS "startTime", end_time AS "endTime", request_duration_ms, completion_start_time AS "completionStartTime", model, model_id, model_group,
    custom_llm_provider, api_base, user_id AS "user", COALESCE(metadata::jsonb, '{}') AS metadata, cache_hit, cache_key, COALESCE(request_tags, '[]') AS request_tags,
    NULLIF(team_id, '') AS team_id, NULLIF(organization_id, '') AS organization_id, NULLIF(end_user, '') AS end_user, requester_ip_address,
    COALESCE(messages::jsonb, '{}') AS messages, COALESCE(response::jsonb, '{}') AS response, session_id, status, mcp_namespaced_tool_name, agent_id,
    COALESCE(proxy_server_request::jsonb, '{}') AS proxy_server_request
FROM spend_logs
$view$);

CALL tollgate_make_view('LiteLLM_VerificationToken', $view$
SELECT o.id AS token,
    NULLIF(o.doc->>'key_name', '') AS key_name,
    NULLIF(o.doc->>'key_alias', '') AS key_alias,
    false AS soft_budget_cooldown,
    tollgate_spent(c) AS spend,
    tollgate_moment(o.doc->>'expires') AT TIME ZONE 'UTC' AS expires,
    tollgate_list(o.doc->'models') AS models,
    COALESCE(NULLIF(o.doc->'aliases', 'null'), '{}') AS aliases,
    COALESCE(NULLIF(o.doc->'config', 'null'), '{}') AS config,
    COALESCE(NULLIF(o.doc->'router_settings', 'null'), '{}') AS router_settings,
    NULLIF(o.doc->>'user_id', '') AS user_id,
    NULLIF(o.doc->>'team_id', '') AS team_id,
    NULLIF(o.doc->>'agent_id', '') AS agent_id,
    NULLIF(o.doc->>'project_id', '') AS project_id,
    COALESCE(NULLIF(o.doc->'permissions', 'null'), '{}') AS permissions,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    (o.doc->>'blocked')::boolean AS blocked,
    (o.doc->>'max_budget')::float8 AS max_budget,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    tollgate_list(o.doc->'allowed_cache_controls') AS allowed_cache_controls,
    tollgate_list(o.doc->'allowed_routes') AS allowed_routes,
    tollgate_list(o.doc->'policies') AS policies,
    tollgate_list(o.doc->'access_group_ids') AS access_group_ids,
    '{}'::jsonb AS model_spend,
    COALESCE(NULLIF(o.doc->'model_max_budget', 'null'), '{}') AS model_max_budget,
    NULLIF(o.doc->>'budget_id', '') AS budget_id,
    NULLIF(o.doc->>'organization_id', '') AS organization_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    NULLIF(o.doc->>'created_by', '') AS created_by,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    NULLIF(o.doc->>'updated_by', '') AS updated_by,
    tollgate_moment(o.doc->>'last_active') AT TIME ZONE 'UTC' AS last_active,
    (o.doc->>'rotation_count')::integer AS rotation_count,
    (o.doc->>'auto_rotate')::boolean AS auto_rotate,
    NULLIF(o.doc->>'rotation_interval', '') AS rotation_interval,
    tollgate_moment(o.doc->>'last_rotation_at') AT TIME ZONE 'UTC' AS last_rotation_at,
    tollgate_moment(o.doc->>'key_rotation_at') AT TIME ZONE 'UTC' AS key_rotation_at,
    NULLIF(o.doc->'budget_limits', 'null') AS budget_limits
FROM keys o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_TeamTable', $view$
SELECT o.id AS team_id,
    NULLIF(o.doc->>'team_alias', '') AS team_alias,
    NULLIF(o.doc->>'organization_id', '') AS organization_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    tollgate_list(o.doc->'admins') AS admins,
    tollgate_list(o.doc->'members') AS members,
    COALESCE(NULLIF(o.doc->'members_with_roles', 'null'), '[]') AS members_with_roles,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    (o.doc->>'max_budget')::float8 AS max_budget,
    (o.doc->>'soft_budget')::float8 AS soft_budget,
    tollgate_spent(c) AS spend,
    tollgate_list(o.doc->'models') AS models,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    COALESCE((o.doc->>'blocked')::boolean, false) AS blocked,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    '{}'::jsonb AS model_spend,
    COALESCE(NULLIF(o.doc->'model_max_budget', 'null'), '{}') AS model_max_budget,
    COALESCE(NULLIF(o.doc->'router_settings', 'null'), '{}') AS router_settings,
    tollgate_list(o.doc->'team_member_permissions') AS team_member_permissions,
    tollgate_list(o.doc->'access_group_ids') AS access_group_ids,
    tollgate_list(o.doc->'policies') AS policies,
    tollgate_list(o.doc->'default_team_member_models') AS default_team_member_models,
    NULLIF(o.doc->'budget_limits', 'null') AS budget_limits
FROM teams o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_UserTable', $view$
SELECT o.id AS user_id,
    NULLIF(o.doc->>'user_alias', '') AS user_alias,
    NULLIF(o.doc->>'sso_user_id', '') AS sso_user_id,
    NULLIF(o.doc->>'organization_id', '') AS organization_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    tollgate_list(o.doc->'teams') AS teams,
    NULLIF(o.doc->>'user_role', '') AS user_role,
    (o.doc->>'max_budget')::float8 AS max_budget,
    tollgate_spent(c) AS spend,
    NULLIF(o.doc->>'user_email', '') AS user_email,
    tollgate_list(o.doc->'models') AS models,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    tollgate_list(o.doc->'allowed_cache_controls') AS allowed_cache_controls,
    tollgate_list(o.doc->'policies') AS policies,
    '{}'::jsonb AS model_spend,
    COALESCE(NULLIF(o.doc->'model_max_budget', 'null'), '{}') AS model_max_budget,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM users o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_OrganizationTable', $view$
SELECT o.id AS organization_id,
    NULLIF(o.doc->>'organization_alias', '') AS organization_alias,
    NULLIF(o.doc->>'budget_id', '') AS budget_id,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    tollgate_list(o.doc->'models') AS models,
    tollgate_spent(c) AS spend,
    '{}'::jsonb AS model_spend,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    NULLIF(o.doc->>'created_by', '') AS created_by,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    NULLIF(o.doc->>'updated_by', '') AS updated_by
FROM organizations o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_EndUserTable', $view$
SELECT o.id AS user_id,
    NULLIF(o.doc->>'alias', '') AS alias,
    tollgate_spent(c) AS spend,
    NULLIF(o.doc->>'allowed_model_region', '') AS allowed_model_region,
    NULLIF(o.doc->>'default_model', '') AS default_model,
    NULLIF(o.doc->>'budget_id', '') AS budget_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    COALESCE((o.doc->>'blocked')::boolean, false) AS blocked
FROM customers o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_BudgetTable', $view$
SELECT o.id AS budget_id,
    (o.doc->>'max_budget')::float8 AS max_budget,
    (o.doc->>'soft_budget')::float8 AS soft_budget,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    NULLIF(o.doc->'model_max_budget', 'null') AS model_max_budget,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    tollgate_list(o.doc->'allowed_models') AS allowed_models,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    NULLIF(o.doc->>'created_by', '') AS created_by,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    NULLIF(o.doc->>'updated_by', '') AS updated_by
FROM budgets o
$view$);

CALL tollgate_make_view('LiteLLM_TeamMembership', $view$
SELECT o.doc->>'user_id' AS user_id,
    o.doc->>'team_id' AS team_id,
    tollgate_spent(c) AS spend,
    COALESCE(c.total, 0)::float8 AS total_spend,
    NULLIF(o.doc->>'budget_id', '') AS budget_id
FROM team_members o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_TagTable', $view$
SELECT o.id AS tag_name,
    NULLIF(o.doc->>'description', '') AS description,
    tollgate_list(o.doc->'models') AS models,
    NULLIF(o.doc->'model_info', 'null') AS model_info,
    tollgate_spent(c) AS spend,
    NULLIF(o.doc->>'budget_id', '') AS budget_id,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    NULLIF(o.doc->>'created_by', '') AS created_by,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at
FROM tags o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> ''
$view$);

CALL tollgate_make_view('LiteLLM_DailyUserSpend', $view$
SELECT md5(concat_ws('|', d.user_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint)) AS id,
    d.user_id AS user_id, to_char(DATE '1970-01-01' + u.slot, 'YYYY-MM-DD') AS date, d.api_key, d.model, d.model_group, d.custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name, d.endpoint, sum(u.prompt)::bigint AS prompt_tokens, sum(u.completion)::bigint AS completion_tokens,
    sum(u.cache_read)::bigint AS cache_read_input_tokens, sum(u.cache_creation)::bigint AS cache_creation_input_tokens, sum(u.spend)::float8 AS spend,
    sum(u.successful + u.failed)::bigint AS api_requests, sum(u.successful)::bigint AS successful_requests, sum(u.failed)::bigint AS failed_requests,
    (DATE '1970-01-01' + u.slot)::timestamp AS created_at, (DATE '1970-01-01' + u.slot)::timestamp AS updated_at
FROM usage_days u JOIN usage_dims d ON d.id = u.dim
GROUP BY d.user_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint
$view$);

CALL tollgate_make_view('LiteLLM_DailyTeamSpend', $view$
SELECT md5(concat_ws('|', d.team_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint)) AS id,
    d.team_id AS team_id, to_char(DATE '1970-01-01' + u.slot, 'YYYY-MM-DD') AS date, d.api_key, d.model, d.model_group, d.custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name, d.endpoint, sum(u.prompt)::bigint AS prompt_tokens, sum(u.completion)::bigint AS completion_tokens,
    sum(u.cache_read)::bigint AS cache_read_input_tokens, sum(u.cache_creation)::bigint AS cache_creation_input_tokens, sum(u.spend)::float8 AS spend,
    sum(u.successful + u.failed)::bigint AS api_requests, sum(u.successful)::bigint AS successful_requests, sum(u.failed)::bigint AS failed_requests,
    (DATE '1970-01-01' + u.slot)::timestamp AS created_at, (DATE '1970-01-01' + u.slot)::timestamp AS updated_at
FROM usage_days u JOIN usage_dims d ON d.id = u.dim AND d.team_id <> ''
GROUP BY d.team_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint
$view$);

CALL tollgate_make_view('LiteLLM_DailyOrganizationSpend', $view$
SELECT md5(concat_ws('|', d.organization_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint)) AS id,
    d.organization_id AS organization_id, to_char(DATE '1970-01-01' + u.slot, 'YYYY-MM-DD') AS date, d.api_key, d.model, d.model_group, d.custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name, d.endpoint, sum(u.prompt)::bigint AS prompt_tokens, sum(u.completion)::bigint AS completion_tokens,
    sum(u.cache_read)::bigint AS cache_read_input_tokens, sum(u.cache_creation)::bigint AS cache_creation_input_tokens, sum(u.spend)::float8 AS spend,
    sum(u.successful + u.failed)::bigint AS api_requests, sum(u.successful)::bigint AS successful_requests, sum(u.failed)::bigint AS failed_requests,
    (DATE '1970-01-01' + u.slot)::timestamp AS created_at, (DATE '1970-01-01' + u.slot)::timestamp AS updated_at
FROM usage_days u JOIN usage_dims d ON d.id = u.dim AND d.organization_id <> ''
GROUP BY d.organization_id, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint
$view$);

CALL tollgate_make_view('LiteLLM_DailyEndUserSpend', $view$
SELECT md5(concat_ws('|', d.end_user, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint)) AS id,
    d.end_user AS end_user_id, to_char(DATE '1970-01-01' + u.slot, 'YYYY-MM-DD') AS date, d.api_key, d.model, d.model_group, d.custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name, d.endpoint, sum(u.prompt)::bigint AS prompt_tokens, sum(u.completion)::bigint AS completion_tokens,
    sum(u.cache_read)::bigint AS cache_read_input_tokens, sum(u.cache_creation)::bigint AS cache_creation_input_tokens, sum(u.spend)::float8 AS spend,
    sum(u.successful + u.failed)::bigint AS api_requests, sum(u.successful)::bigint AS successful_requests, sum(u.failed)::bigint AS failed_requests,
    (DATE '1970-01-01' + u.slot)::timestamp AS created_at, (DATE '1970-01-01' + u.slot)::timestamp AS updated_at
FROM usage_customer_days u JOIN usage_dims d ON d.id = u.dim
GROUP BY d.end_user, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint
$view$);

CALL tollgate_make_view('LiteLLM_DailyTagSpend', $view$
SELECT md5(concat_ws('|', d.tag, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint)) AS id,
    d.tag AS tag, to_char(DATE '1970-01-01' + u.slot, 'YYYY-MM-DD') AS date, d.api_key, d.model, d.model_group, d.custom_llm_provider,
    ''::text AS mcp_namespaced_tool_name, d.endpoint, sum(u.prompt)::bigint AS prompt_tokens, sum(u.completion)::bigint AS completion_tokens,
    sum(u.cache_read)::bigint AS cache_read_input_tokens, sum(u.cache_creation)::bigint AS cache_creation_input_tokens, sum(u.spend)::float8 AS spend,
    sum(u.successful + u.failed)::bigint AS api_requests, sum(u.successful)::bigint AS successful_requests, sum(u.failed)::bigint AS failed_requests,
    (DATE '1970-01-01' + u.slot)::timestamp AS created_at, (DATE '1970-01-01' + u.slot)::timestamp AS updated_at
FROM usage_tag_days u JOIN usage_dims d ON d.id = u.dim
GROUP BY d.tag, u.slot, d.api_key, d.model, d.model_group, d.custom_llm_provider, d.endpoint
$view$);

CALL tollgate_make_view('LiteLLM_VerificationTokenView', $view$
SELECT v.*, t.team_alias, t.spend AS team_spend, t.max_budget AS team_max_budget, t.tpm_limit AS team_tpm_limit, t.rpm_limit AS team_rpm_limit,
    t.models AS team_models, t.blocked AS team_blocked, t.metadata AS team_metadata, t.members_with_roles AS team_members_with_roles
FROM (SELECT o.id AS token,
    NULLIF(o.doc->>'key_name', '') AS key_name,
    NULLIF(o.doc->>'key_alias', '') AS key_alias,
    false AS soft_budget_cooldown,
    tollgate_spent(c) AS spend,
    tollgate_moment(o.doc->>'expires') AT TIME ZONE 'UTC' AS expires,
    tollgate_list(o.doc->'models') AS models,
    COALESCE(NULLIF(o.doc->'aliases', 'null'), '{}') AS aliases,
    COALESCE(NULLIF(o.doc->'config', 'null'), '{}') AS config,
    COALESCE(NULLIF(o.doc->'router_settings', 'null'), '{}') AS router_settings,
    NULLIF(o.doc->>'user_id', '') AS user_id,
    NULLIF(o.doc->>'team_id', '') AS team_id,
    NULLIF(o.doc->>'agent_id', '') AS agent_id,
    NULLIF(o.doc->>'project_id', '') AS project_id,
    COALESCE(NULLIF(o.doc->'permissions', 'null'), '{}') AS permissions,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    (o.doc->>'blocked')::boolean AS blocked,
    (o.doc->>'max_budget')::float8 AS max_budget,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    tollgate_list(o.doc->'allowed_cache_controls') AS allowed_cache_controls,
    tollgate_list(o.doc->'allowed_routes') AS allowed_routes,
    tollgate_list(o.doc->'policies') AS policies,
    tollgate_list(o.doc->'access_group_ids') AS access_group_ids,
    '{}'::jsonb AS model_spend,
    COALESCE(NULLIF(o.doc->'model_max_budget', 'null'), '{}') AS model_max_budget,
    NULLIF(o.doc->>'budget_id', '') AS budget_id,
    NULLIF(o.doc->>'organization_id', '') AS organization_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    NULLIF(o.doc->>'created_by', '') AS created_by,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    NULLIF(o.doc->>'updated_by', '') AS updated_by,
    tollgate_moment(o.doc->>'last_active') AT TIME ZONE 'UTC' AS last_active,
    (o.doc->>'rotation_count')::integer AS rotation_count,
    (o.doc->>'auto_rotate')::boolean AS auto_rotate,
    NULLIF(o.doc->>'rotation_interval', '') AS rotation_interval,
    tollgate_moment(o.doc->>'last_rotation_at') AT TIME ZONE 'UTC' AS last_rotation_at,
    tollgate_moment(o.doc->>'key_rotation_at') AT TIME ZONE 'UTC' AS key_rotation_at,
    NULLIF(o.doc->'budget_limits', 'null') AS budget_limits
FROM keys o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> '') v LEFT JOIN (SELECT o.id AS team_id,
    NULLIF(o.doc->>'team_alias', '') AS team_alias,
    NULLIF(o.doc->>'organization_id', '') AS organization_id,
    NULLIF(o.doc->>'object_permission_id', '') AS object_permission_id,
    tollgate_list(o.doc->'admins') AS admins,
    tollgate_list(o.doc->'members') AS members,
    COALESCE(NULLIF(o.doc->'members_with_roles', 'null'), '[]') AS members_with_roles,
    COALESCE(NULLIF(o.doc->'metadata', 'null'), '{}') AS metadata,
    (o.doc->>'max_budget')::float8 AS max_budget,
    (o.doc->>'soft_budget')::float8 AS soft_budget,
    tollgate_spent(c) AS spend,
    tollgate_list(o.doc->'models') AS models,
    (o.doc->>'max_parallel_requests')::integer AS max_parallel_requests,
    (o.doc->>'tpm_limit')::bigint AS tpm_limit,
    (o.doc->>'rpm_limit')::bigint AS rpm_limit,
    NULLIF(o.doc->>'budget_duration', '') AS budget_duration,
    tollgate_moment(o.doc->>'budget_reset_at') AT TIME ZONE 'UTC' AS budget_reset_at,
    COALESCE((o.doc->>'blocked')::boolean, false) AS blocked,
    o.created_at AT TIME ZONE 'UTC' AS created_at,
    o.updated_at AT TIME ZONE 'UTC' AS updated_at,
    '{}'::jsonb AS model_spend,
    COALESCE(NULLIF(o.doc->'model_max_budget', 'null'), '{}') AS model_max_budget,
    COALESCE(NULLIF(o.doc->'router_settings', 'null'), '{}') AS router_settings,
    tollgate_list(o.doc->'team_member_permissions') AS team_member_permissions,
    tollgate_list(o.doc->'access_group_ids') AS access_group_ids,
    tollgate_list(o.doc->'policies') AS policies,
    tollgate_list(o.doc->'default_team_member_models') AS default_team_member_models,
    NULLIF(o.doc->'budget_limits', 'null') AS budget_limits
FROM teams o LEFT JOIN counters c ON c.scope = o.scope AND o.scope <> '') t ON t.team_id = v.team_id
$view$);

CALL tollgate_make_view('MonthlyGlobalSpend', $view$
SELECT DATE '1970-01-01' + u.slot AS date, sum(u.spend)::float8 AS spend
FROM usage_model_days u WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' GROUP BY u.slot
$view$);

CALL tollgate_make_view('MonthlyGlobalSpendPerKey', $view$
SELECT DATE '1970-01-01' + u.slot AS date, sum(u.spend)::float8 AS spend, d.api_key
FROM usage_days u JOIN usage_dims d ON d.id = u.dim WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' GROUP BY u.slot, d.api_key
$view$);

CALL tollgate_make_view('MonthlyGlobalSpendPerUserPerKey', $view$
SELECT DATE '1970-01-01' + u.slot AS date, sum(u.spend)::float8 AS spend, d.api_key, d.user_id AS "user"
FROM usage_days u JOIN usage_dims d ON d.id = u.dim WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' GROUP BY u.slot, d.api_key, d.user_id
$view$);

CALL tollgate_make_view('Last30dKeysBySpend', $view$
SELECT d.api_key, NULLIF(k.doc->>'key_alias', '') AS key_alias, NULLIF(k.doc->>'key_name', '') AS key_name, sum(u.spend)::float8 AS total_spend
FROM usage_days u JOIN usage_dims d ON d.id = u.dim LEFT JOIN keys k ON k.id = d.api_key
WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' GROUP BY 1, 2, 3 ORDER BY 4 DESC
$view$);

CALL tollgate_make_view('Last30dModelsBySpend', $view$
SELECT d.model, sum(u.spend)::float8 AS total_spend
FROM usage_model_days u JOIN usage_dims d ON d.id = u.dim WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' AND d.model <> '' GROUP BY 1 ORDER BY 2 DESC
$view$);

CALL tollgate_make_view('Last30dTopEndUsersSpend', $view$
SELECT d.end_user, sum(u.successful + u.failed)::bigint AS total_events, sum(u.spend)::float8 AS total_spend
FROM usage_customer_days u JOIN usage_dims d ON d.id = u.dim WHERE u.slot >= CURRENT_DATE - 30 - DATE '1970-01-01' GROUP BY 1 ORDER BY 3 DESC
$view$);

CALL tollgate_make_view('DailyTagSpend', $view$
SELECT d.tag AS individual_request_tag, DATE '1970-01-01' + u.slot AS spend_date, sum(u.successful + u.failed)::bigint AS log_count, sum(u.spend)::float8 AS total_spend
FROM usage_tag_days u JOIN usage_dims d ON d.id = u.dim GROUP BY 1, 2
$view$);

DROP PROCEDURE tollgate_make_view(text, text);
