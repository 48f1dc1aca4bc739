package cli

import (
	"strings"
	"testing"

	"tollgate/internal/account"
)

// The answers have the shapes of LiteLLM's OpenAPI description (1.93) and of its proxy's code.
const (
	rawKey   = "sk-made-for-this-test-0001"
	madeKey  = `{"key": "sk-made-for-this-test-0001", "key_name": "sk-...0001", "token": "HASH", "token_id": "HASH", "key_alias": "ci", "expires": "2026-12-25T10:00:00+00:00", "models": ["oci-grok"], "spend": 0.0, "max_budget": 20.5, "budget_duration": "30d", "user_id": null, "team_id": "t1", "rpm_limit": 60, "tpm_limit": null, "blocked": null, "metadata": {"tags": ["x"]}, "created_at": "2026-11-25T10:00:00Z", "litellm_budget_table": null}`
	keysPage = `{"keys": [{"token": "HASH", "key_name": "sk-...0001", "key_alias": "ci", "spend": 2.85e-05, "max_budget": null, "models": [], "team_id": "t1", "user_id": null, "expires": null, "blocked": true}], "total_count": 612, "current_page": 1, "total_pages": 7}`
	teamRow  = `{"team_id": "t1", "team_alias": "research", "organization_id": null, "spend": 1.5, "max_budget": 100.0, "budget_duration": null, "models": [], "blocked": false, "members_with_roles": [{"user_id": "u1", "user_email": null, "role": "admin"}], "tpm_limit": null}`
	userRow  = `{"user_id": "u1", "user_email": "a@example.com", "user_role": "internal_user", "spend": 0.25, "max_budget": null, "models": [], "teams": ["t1"], "key_count": 2}`
	budget   = `{"budget_id": "b1", "max_budget": 10.0, "soft_budget": null, "budget_duration": "1mo", "tpm_limit": 1000, "rpm_limit": null, "max_parallel_requests": 4, "budget_reset_at": "2026-12-01T00:00:00Z"}`
	modelRow = `{"model_name": "oci-grok", "litellm_params": {"model": "oci/xai.grok-4.20"}, "model_info": {"id": "m1", "db_model": true, "mode": "chat", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 0.0000025}}`
)

func TestCommandsOfTheGroups(t *testing.T) {
	hash := account.HashKey(rawKey)
	fill := func(text string) string { return strings.ReplaceAll(text, "HASH", hash) }
	gateway := newFake(t, map[string]string{
		"POST /key/generate":                     fill(madeKey),
		"POST /key/service-account/generate":     fill(madeKey),
		"GET /key/info":                          `{"key": "` + hash + `", "info": ` + fill(strings.Replace(madeKey, `"key": "sk-made-for-this-test-0001", `, "", 1)) + `}`,
		"GET /key/list":                          fill(keysPage),
		"POST /key/update":                       `{"key": "` + hash + `", "max_budget": 0.5}`,
		"POST /key/block":                        fill(madeKey),
		"POST /key/unblock":                      fill(madeKey),
		"POST /key/" + hash + "/regenerate":      fill(madeKey),
		"POST /key/" + hash + "/reset_spend":     `{"key_hash": "` + hash + `", "spend": 0.0, "previous_spend": 2.85e-05, "max_budget": null, "budget_reset_at": null}`,
		"POST /key/delete":                       `{"deleted_keys": ["` + hash + `"]}`,
		"POST /team/new":                         teamRow,
		"GET /team/info":                         `{"team_id": "t1", "team_info": ` + teamRow + `, "keys": [` + fill(madeKey) + `], "team_memberships": []}`,
		"GET /v2/team/list":                      `{"teams": [` + teamRow + `], "total": 1, "page": 1, "page_size": 100, "total_pages": 1}`,
		"POST /team/update":                      `{"team_id": "t1", "data": ` + teamRow + `}`,
		"POST /team/delete":                      `1`,
		"POST /team/block":                       teamRow,
		"POST /team/unblock":                     teamRow,
		"POST /team/member_add":                  teamRow,
		"POST /team/member_update":               `{"team_id": "t1", "user_id": "u1"}`,
		"POST /team/member_delete":               teamRow,
		"POST /user/new":                         `{"user_id": "u1", "key": "", "user_email": "a@example.com", "user_role": "internal_user", "teams": null}`,
		"GET /user/info":                         `{"user_id": "u1", "user_info": ` + userRow + `, "keys": [], "teams": [` + teamRow + `]}`,
		"GET /user/list":                         `{"users": [` + userRow + `], "total": 1, "page": 1, "page_size": 100, "total_pages": 1}`,
		"POST /user/update":                      `{"user_id": "u1", "data": {}}`,
		"POST /user/delete":                      `1`,
		"POST /budget/new":                       budget,
		"GET /budget/list":                       `[` + budget + `]`,
		"POST /budget/info":                      `[` + budget + `]`,
		"POST /budget/update":                    budget,
		"POST /budget/delete":                    budget,
		"GET /model/info":                        `{"data": [` + modelRow + `]}`,
		"POST /model/new":                        `{"model_id": "m2", "model_name": "new"}`,
		"POST /model/delete":                     `{"message": "Model: m2 deleted successfully"}`,
		"POST /key/0000000000000000/reset_spend": `{}`,
	})
	tests := []struct {
		args []string
		want string // method, path and query, and then the body
		says []string
	}{
		{
			[]string{"keys", "create", "--alias", "ci", "--team", "t1", "--models", "oci-grok, oci-*", "--max-budget", "20.50", "--budget-duration", "30d", "--rpm", "60", "--tags", "a,b", "--metadata", `{"x": 1}`, "--set", "duration=30d", "--set", `aliases={"m": "n"}`, "--set", "blocked=false"},
			`POST /key/generate {"key_alias": "ci", "team_id": "t1", "models": ["oci-grok", "oci-*"], "max_budget": 20.50, "budget_duration": "30d", "rpm_limit": 60, "tags": ["a", "b"], "metadata": {"x": 1}, "duration": "30d", "aliases": {"m": "n"}, "blocked": false}`,
			[]string{rawKey, "cannot be shown again", "oci-grok", "20.5", "team:"},
		},
		{[]string{"keys", "create", "-q"}, `POST /key/generate {}`, []string{rawKey + "\n"}},
		{[]string{"keys", "create", "--service-account", "--team", "t1", "--json"}, `POST /key/service-account/generate {"team_id": "t1"}`, []string{`"litellm_budget_table": null`, `"max_budget": 20.5`}},
		{[]string{"keys", "list", "--team", "t1", "--page", "1"}, `GET /key/list?page=1&return_full_object=true&size=100&team_id=t1`, []string{"ALIAS", "0.0000285", "yes", "page 1 of 7, 612 keys in all: --page 2", hash[:12]}},
		{[]string{"keys", "info", rawKey}, `GET /key/info?key=` + hash, []string{"alias:", "ci", "2026-12-25"}},
		{[]string{"keys", "info"}, `GET /key/info`, []string{"ci"}},
		{[]string{"keys", "info", strings.ToUpper(hash)}, `GET /key/info?key=` + hash, nil},
		{[]string{"keys", "update", rawKey, "--max-budget", "0.5", "--models", ""}, `POST /key/update {"key": "` + hash + `", "max_budget": 0.5, "models": []}`, []string{"updated " + hash[:12]}},
		{[]string{"keys", "update", rawKey, "--max-budget", "none", "--duration", "none", "--rpm", "5", "--alias", "none"}, `POST /key/update {"key": "` + hash + `", "rpm_limit": 5, "key_alias": "none", "unset": ["duration", "max_budget"]}`, nil},
		{[]string{"keys", "block", rawKey}, `POST /key/block {"key": "` + hash + `"}`, []string{"blocked " + hash[:12]}},
		{[]string{"keys", "unblock", "ci"}, `POST /key/unblock {"key": "` + hash + `"}`, []string{"unblocked"}},
		{[]string{"keys", "rotate", "ci", "--grace-period", "24h"}, `POST /key/` + hash + `/regenerate {"grace_period": "24h"}`, []string{rawKey, "cannot be shown again"}},
		{[]string{"keys", "reset-spend", rawKey}, `POST /key/` + hash + `/reset_spend {"reset_to": 0}`, []string{"had spent 0.0000285 and has now spent 0"}},
		{[]string{"keys", "delete", rawKey, "ci"}, `POST /key/delete {"keys": ["` + hash + `", "` + hash + `"]}`, []string{"deleted 1 of 2 keys"}},
		{[]string{"teams", "create", "--id", "t1", "--alias", "research", "--max-budget", "100"}, `POST /team/new {"team_id": "t1", "team_alias": "research", "max_budget": 100}`, []string{"research", "admin:", "u1"}},
		{[]string{"teams", "list", "--organization", "o1"}, `GET /v2/team/list?organization_id=o1&page=1&page_size=100`, []string{"research", "1.5"}},
		{[]string{"teams", "info", "t1"}, `GET /team/info?team_id=t1`, []string{"research", hash[:12]}},
		{[]string{"teams", "update", "t1", "--tpm", "0"}, `POST /team/update {"team_id": "t1", "tpm_limit": 0}`, []string{"updated t1"}},
		{[]string{"teams", "update", "t1", "--tpm", "none"}, `POST /team/update {"team_id": "t1", "unset": ["tpm_limit"]}`, nil},
		{[]string{"teams", "block", "t1"}, `POST /team/block {"team_id": "t1"}`, []string{"blocked t1"}},
		{[]string{"teams", "unblock", "t1"}, `POST /team/unblock {"team_id": "t1"}`, nil},
		{[]string{"teams", "delete", "t1", "t2"}, `POST /team/delete {"team_ids": ["t1", "t2"]}`, []string{"deleted 2 teams"}},
		{[]string{"teams", "add-member", "t1", "--user", "u1", "--role", "admin", "--max-budget", "5"}, `POST /team/member_add {"team_id": "t1", "member": {"role": "admin", "user_id": "u1"}, "max_budget_in_team": 5}`, []string{"added u1 to t1 as admin"}},
		{[]string{"teams", "add-member", "t1", "--email", "a@example.com"}, `POST /team/member_add {"team_id": "t1", "member": {"role": "user", "user_email": "a@example.com"}}`, nil},
		{[]string{"teams", "update-member", "t1", "--user", "u1", "--models", "a,b"}, `POST /team/member_update {"team_id": "t1", "user_id": "u1", "allowed_models": ["a", "b"]}`, nil},
		{[]string{"teams", "remove-member", "t1", "--email", "a@example.com"}, `POST /team/member_delete {"team_id": "t1", "user_email": "a@example.com"}`, []string{"removed a@example.com from t1"}},
		{[]string{"users", "create", "--email", "a@example.com", "--role", "internal_user", "--teams", "t1,t2"}, `POST /user/new {"user_email": "a@example.com", "user_role": "internal_user", "teams": ["t1", "t2"], "auto_create_key": false}`, []string{"u1"}},
		{[]string{"users", "list", "--role", "internal_user", "--page", "2"}, `GET /user/list?page=2&page_size=100&role=internal_user`, []string{"a@example.com", "0.25"}},
		{[]string{"users", "info", "u1"}, `GET /user/info?user_id=u1`, []string{"a@example.com", "research"}},
		{[]string{"users", "update", "u1", "--role", "proxy_admin"}, `POST /user/update {"user_id": "u1", "user_role": "proxy_admin"}`, []string{"updated u1"}},
		{[]string{"users", "update", "u1", "--budget-duration", "none"}, `POST /user/update {"user_id": "u1", "unset": ["budget_duration"]}`, nil},
		{[]string{"users", "delete", "u1"}, `POST /user/delete {"user_ids": ["u1"]}`, []string{"deleted 1 users"}},
		{[]string{"budgets", "create", "b1", "--max-budget", "10", "--max-parallel", "4"}, `POST /budget/new {"budget_id": "b1", "max_budget": 10, "max_parallel_requests": 4}`, []string{"b1", "1mo"}},
		{[]string{"budgets", "create", "--id", "b1"}, `POST /budget/new {"budget_id": "b1"}`, nil},
		{[]string{"budgets", "create"}, `POST /budget/new {}`, nil},
		{[]string{"budgets", "list"}, `GET /budget/list`, []string{"b1", "10", "2026-12-01"}},
		{[]string{"budgets", "info", "b1", "b2"}, `POST /budget/info {"budgets": ["b1", "b2"]}`, []string{"b1"}},
		{[]string{"budgets", "update", "b1", "--soft-budget", "1e-9"}, `POST /budget/update {"budget_id": "b1", "soft_budget": 1e-9}`, nil},
		{[]string{"budgets", "update", "b1", "--max-parallel", "none", "--soft-budget", "none"}, `POST /budget/update {"budget_id": "b1", "soft_budget": null, "max_parallel_requests": null}`, nil},
		{[]string{"budgets", "delete", "b1"}, `POST /budget/delete {"id": "b1"}`, []string{"deleted b1"}},
		{[]string{"models", "list"}, `GET /model/info`, []string{"oci-grok", "oci/xai.grok-4.20", "1.25", "2.5", "added", "m1"}},
		{[]string{"models", "add", "new", "oci/xai.grok-5", "--param", "oci_region=us-chicago-1", "--set", "input_cost_per_token=0.000003", "--info", "mode=chat"},
			`POST /model/new {"model_name": "new", "litellm_params": {"model": "oci/xai.grok-5", "oci_region": "us-chicago-1", "input_cost_per_token": 0.000003}, "model_info": {"mode": "chat"}}`, []string{"added new as m2"}},
		{[]string{"models", "delete", "m2"}, `POST /model/delete {"id": "m2"}`, []string{"deleted m2"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			got := typed{env: map[string]string{"TOLLGATE_URL": gateway.URL, "TOLLGATE_KEY": "k"}}.run(t, tt.args...)
			if got.status != 0 {
				t.Fatal(got)
			}
			want, wantBody, _ := strings.Cut(tt.want, " {")
			last := gateway.last(t)
			call := last.method + " " + last.path
			if last.query != "" {
				call += "?" + last.query
			}
			if call != want {
				t.Errorf("asked %s, want %s", call, want)
			}
			if wantBody != "" {
				sameJSON(t, last.body, "{"+wantBody)
			}
			for _, text := range tt.says {
				if !strings.Contains(got.stdout+got.stderr, text) {
					t.Errorf("says %q and %q, not %q", got.stdout, got.stderr, text)
				}
			}
		})
	}
	for _, a := range gateway.asked {
		if strings.Contains(a.path+a.query+a.body, rawKey) {
			t.Errorf("the key itself was sent: %+v", a)
		}
	}
}

// A quiet answer is the key alone, for scripts; nothing of it goes to the standard error.
func TestQuiet(t *testing.T) {
	gateway := newFake(t, map[string]string{"POST /key/generate": madeKey})
	got := typed{}.run(t, "keys", "create", "-q", "--url", gateway.URL, "--key", "k")
	if got != (outcome{stdout: rawKey + "\n"}) {
		t.Errorf("%+v", got)
	}
}

// What cannot be meant is refused before anything is asked.
func TestUsageOfTheGroups(t *testing.T) {
	gateway := newFake(t, nil)
	for _, tt := range []struct{ args, says string }{
		{"keys update sk-a", "nothing is to be changed"},
		{"teams update t1", "nothing is to be changed"},
		{"users update u1", "nothing is to be changed"},
		{"budgets update b1", "nothing is to be changed"},
		{"teams update-member t1 --user u1", "nothing is to be changed"},
		{"keys create --max-budget -1", "--max-budget"},
		{"keys create --max-budget NaN", "--max-budget"},
		{"keys create --max-budget 1e400", "--max-budget"},
		{"keys create --rpm 1.5", "--rpm"},
		{"keys create --rpm -1", "--rpm"},
		{"keys create --metadata {", "--metadata"},
		{"keys create --set x", "--set x: write it as name=value"},
		{"keys create --set =x", "--set =x"},
		{"models add a b --param x", "--param x"},
		{"keys reset-spend sk-a --to -1", "--to"},
		{"teams add-member t1", "--user or by --email"},
		{"teams add-member t1 --user u --email e", "--user or by --email"},
		{"teams remove-member t1", "--user or by --email"},
		{"keys delete", "requires at least 1 arg"},
		{"keys rotate", "accepts 1 arg"},
	} {
		got := typed{env: map[string]string{"TOLLGATE_URL": gateway.URL, "TOLLGATE_KEY": "k"}}.run(t, strings.Fields(tt.args)...)
		if got.status != exitUsage || !strings.Contains(got.stderr, tt.says) {
			t.Errorf("%s: %+v, want it to say %q", tt.args, got, tt.says)
		}
	}
	if len(gateway.asked) > 0 {
		t.Errorf("asked %v", gateway.asked)
	}
}

func TestNoSuchAlias(t *testing.T) {
	gateway := newFake(t, map[string]string{"GET /key/list": keysPage})
	got := typed{}.run(t, "keys", "block", "c", "--url", gateway.URL, "--key", "k")
	if got.status != exitUsage || !strings.Contains(got.stderr, `no key is called "c"`) || len(gateway.asked) != 1 {
		t.Errorf("%+v, asked %v", got, gateway.asked)
	}
}
