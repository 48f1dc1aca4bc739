package importer_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/importer"
)

// rows are how many spend rows most tests bring.
const rows = 2000

// company is what a LiteLLM that was in use for a while holds.
type company struct {
	*database
	salt, master string
	keys         map[string]string // raw, by alias
	resetAt      time.Time
}

func newCompany(t testing.TB, before string) *company {
	t.Helper()
	c := &company{
		database: liteLLM(t, before), salt: rand.Text(), master: "sk-" + rand.Text(), keys: map[string]string{},
		resetAt: time.Now().UTC().Add(20 * time.Hour).Truncate(time.Hour),
	}
	c.accounts()
	c.configuration()
	return c
}

func (c *company) accounts() {
	made := time.Date(2025, 3, 1, 12, 30, 0, 123_000_000, time.UTC)
	by := func(row map[string]any) map[string]any {
		for name, v := range map[string]any{"created_at": made, "created_by": "default_user_id", "updated_at": made, "updated_by": "default_user_id"} {
			row[name] = v
		}
		return row
	}
	c.insert("BudgetTable", by(map[string]any{"budget_id": "b-org", "max_budget": 1000.5, "budget_duration": "30d", "budget_reset_at": c.resetAt}))
	c.insert("BudgetTable", by(map[string]any{"budget_id": "b-member", "max_budget": 25.0, "budget_duration": "7d", "budget_reset_at": c.resetAt, "rpm_limit": 10, "tpd_limit": 5}))
	c.insert("OrganizationTable", by(map[string]any{"organization_id": "acme", "organization_alias": "Acme", "budget_id": "b-org", "models": []string{"gpt"}, "spend": 12.25, "metadata": `{"region": "eu"}`}))
	c.insert("ModelTable", by(map[string]any{"id": 7, "aliases": `{"fast": "oci/fast-1"}`}))
	c.insert("TeamTable", by(map[string]any{
		"team_id": "research", "team_alias": "Research", "organization_id": "acme", "admins": []string{"ann"}, "members": []string{"ann", "bob"},
		"members_with_roles": `[{"role": "admin", "user_id": "ann", "user_email": null}, {"role": "user", "user_id": "bob"}]`,
		"metadata":           `{"team_member_budget_id": "b-member", "tags": ["eu"]}`, "max_budget": 500.0, "spend": 7.75, "models": []string{"gpt", "fast"}, "tpm_limit": int64(9_000_000_000),
		"budget_duration": "1mo", "budget_reset_at": c.resetAt, "model_id": 7, "blocked": false,
	}))
	c.insert("TeamTable", by(map[string]any{"team_id": "empty", "blocked": true, "models": []string{}, "admins": []string{}, "members": []string{}}))
	for _, user := range []map[string]any{
		{"user_id": "ann", "user_email": "Ann@example.com", "user_role": "proxy_admin", "teams": []string{"research"}, "max_budget": 50.0, "spend": 3.5, "password": "scrypt:abc"},
		{"user_id": "bob", "user_role": "internal_user", "sso_user_id": "sso-1", "metadata": `{"scim_active": false}`, "model_max_budget": `{"gpt": {"max_budget": 2.5, "budget_duration": "1d"}}`},
		{"user_id": "litellm-proxy-budget", "spend": 99.0, "max_budget": 1000.0},
	} {
		c.insert("UserTable", user)
	}
	c.insert("TeamMembership", map[string]any{"user_id": "bob", "team_id": "research", "spend": 1.5, "total_spend": 4.25})
	c.insert("TeamMembership", map[string]any{"user_id": "ann", "team_id": "research", "spend": 0.5, "budget_id": "b-member"})
	c.insert("OrganizationMembership", map[string]any{"user_id": "ann", "organization_id": "acme", "user_role": "org_admin", "spend": 0.25, "created_at": made, "updated_at": made})
	c.insert("EndUserTable", map[string]any{"user_id": "customer/1", "alias": "One", "spend": 0.75, "budget_id": "b-member", "blocked": true})
	c.insert("ObjectPermissionTable", map[string]any{"object_permission_id": "op", "mcp_servers": []string{"m"}, "vector_stores": []string{"v"}})
	c.key("plain", map[string]any{"spend": 0.0, "models": []string{}})
	c.key("budgeted", map[string]any{
		"team_id": "research", "user_id": "bob", "spend": 2.5, "max_budget": 10.0, "budget_duration": "30d", "budget_reset_at": c.resetAt, "models": []string{"gpt"},
		"metadata": `{"tags": ["nightly"], "model_rpm_limit": {"gpt": 5}}`, "aliases": `{"a": "b"}`, "permissions": `{"get_spend_routes": true}`,
		"model_max_budget": `{"gpt": {"budget_limit": "0.5", "time_period": "1d"}}`, "expires": made.AddDate(10, 0, 0), "blocked": true, "tpm_limit": int64(1000),
		"budget_limits":    fmt.Sprintf(`[{"budget_duration": "1d", "max_budget": 5, "reset_at": %q}]`, c.resetAt.Format("2006-01-02T15:04:05")),
		"budget_fallbacks": `{"gpt": ["fast"]}`, "object_permission_id": "op", "created_by": "ann", "rotation_count": 2, "auto_rotate": true,
	})
	c.key("twin", map[string]any{"key_alias": "plain", "models": []string{}}) // LiteLLM's database lets two keys share an alias
	c.key("session", map[string]any{"team_id": "litellm-dashboard", "models": []string{}})
	c.insert("JWTKeyMapping", map[string]any{"id": "j1", "jwt_claim_name": "sub", "jwt_claim_value": "svc", "token": account.HashKey(c.keys["plain"]), "is_active": true, "created_at": made, "updated_at": made})
	c.insert("DeprecatedVerificationToken", map[string]any{"id": "d1", "token": account.HashKey("sk-old"), "active_token_id": account.HashKey(c.keys["plain"]), "revoke_at": c.resetAt})
	c.insert("DeletedVerificationToken", map[string]any{"id": "x1", "token": account.HashKey("sk-gone"), "key_alias": "gone", "spend": 5.0, "models": []string{}, "deleted_at": made, "deleted_by": "ann", "team_id": "research"})
	c.insert("DeletedTeamTable", map[string]any{"id": "x2", "team_id": "old", "team_alias": "Old", "deleted_at": made, "admins": []string{}, "members": []string{}, "models": []string{}})
	c.insert("TagTable", by(map[string]any{"tag_name": "nightly", "description": "at night", "models": []string{}, "budget_id": "b-member", "spend": 1.25}))
	c.insert("AccessGroupTable", by(map[string]any{"access_group_id": "ag", "access_group_name": "Group", "access_model_names": []string{"gpt"}, "assigned_key_ids": []string{}, "access_mcp_server_ids": []string{"m"}}))
	c.insert("GuardrailsTable", by(map[string]any{"guardrail_id": "g", "guardrail_name": "pii", "litellm_params": `{}`}))
	c.insert("PromptTable", by(map[string]any{"id": "p", "prompt_id": "p", "litellm_params": `{}`}))
}

func (c *company) key(alias string, row map[string]any) {
	c.t.Helper()
	c.keys[alias] = "sk-" + rand.Text()
	row["token"] = account.HashKey(c.keys[alias])
	row["key_name"] = "sk-..." + c.keys[alias][len(c.keys[alias])-4:]
	if _, named := row["key_alias"]; !named {
		row["key_alias"] = alias
	}
	c.insert("VerificationToken", row)
}

// configuration stores models, credentials and settings, their secrets in all of LiteLLM's three forms.
func (c *company) configuration() {
	now := time.Now().UTC()
	stamps := map[string]any{"created_at": now, "created_by": "ann", "updated_at": now, "updated_by": "ann"}
	add := func(table string, row map[string]any) {
		for name, v := range stamps {
			row[name] = v
		}
		c.insert(table, row)
	}
	add("ProxyModelTable", map[string]any{"model_id": "m1", "model_name": "gpt", "model_info": `{"id": "m1", "db_model": true}`, "litellm_params": c.json(map[string]any{
		"model": sealV3(c.t, c.salt, "openai/gpt-x"), "api_key": sealV2(c.t, c.salt, "key-one"), "api_base": sealBox(c.salt, "https://models.example.com/v1"), "rpm": 5,
		"input_cost_per_token": 1e-06, "mock_response": "in plain text",
	})})
	add("CredentialsTable", map[string]any{"credential_id": "c1", "credential_name": "shared", "credential_values": c.json(map[string]any{"api_key": sealV3(c.t, c.salt, "key-two")}), "credential_info": `{"description": "of all"}`})
	c.insert("Config", map[string]any{"param_name": "environment_variables", "param_value": c.json(map[string]any{"SLACK_WEBHOOK_URL": sealBox(c.salt, "https://hooks.example.com/x")})})
	c.insert("Config", map[string]any{"param_name": "general_settings", "param_value": `{"master_key": "sk-no", "alerting": ["slack"]}`})
	c.insert("Config", map[string]any{"param_name": "something_new", "param_value": `{"a": 1}`})
	c.insert("AuditLog", map[string]any{"id": "a1", "updated_at": now, "changed_by": "ann", "action": "created", "table_name": "LiteLLM_TeamTable", "object_id": "research", "before_value": nil, "updated_values": `{"team_id": "research"}`})
}

func (c *company) json(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// calls books n spend rows, one a minute from a time on; the keys, teams, users and models take turns. Every seventh failed.
func (c *company) calls(n int, from time.Time) {
	c.t.Helper()
	c.exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens, completion_tokens, "startTime", "endTime", model,
			model_group, custom_llm_provider, "user", metadata, request_tags, team_id, end_user, cache_hit)
		SELECT 'chatcmpl-' || md5(i::text), 'acompletion', (ARRAY[$3, $4, $5])[1 + i % 3], CASE WHEN i % 7 = 0 THEN 0 ELSE (i % 97) * 0.0000131 END, 30, 20, 10,
			$2::timestamp + i * interval '1 minute', $2::timestamp + i * interval '1 minute' + interval '1.5 s', 'openai/gpt-x', 'gpt', 'openai',
			CASE i % 3 WHEN 1 THEN 'bob' WHEN 2 THEN 'default_user_id' ELSE '' END,
			jsonb_build_object('status', CASE WHEN i % 7 = 0 THEN 'failure' ELSE 'success' END, 'user_api_key_alias', 'x'),
			CASE WHEN i % 5 = 0 THEN '["nightly", "eu"]'::jsonb ELSE '[]' END, CASE WHEN i % 3 = 1 THEN 'research' END, CASE WHEN i % 4 = 0 THEN 'customer/1' END, 'False'
		FROM generate_series(1, $1::int) i`,
		n, from, account.HashKey(c.keys["plain"]), account.HashKey(c.keys["budgeted"]), account.HashKey(c.master))
}

func (c *company) options(o *importer.Options) {
	o.Opener, o.Sealer, o.MasterKey = sealer(c.t, c.salt), sealer(c.t, c.salt+"-ours"), account.HashKey(c.master)
}
