package admin_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
	"tollgate/internal/price"
	"tollgate/internal/seal"
)

// catalog knows one model, which costs two micro-dollars a token of input and three of output.
type catalog struct{}

func (catalog) Rates(model string) (price.Rates, bool) {
	if model != "a" {
		return price.Rates{}, false
	}
	known := func(n money.USD) price.Rate { return price.Rate{USD: n * money.Dollar / 1e6, Known: true} }
	return price.Rates{Sheet: price.Sheet{Input: known(2), Output: known(3)}}, true
}

func (catalog) Upstream(model string) (id, provider string) {
	if model != "a" {
		return "", ""
	}
	return "oci/cohere.command", "oci"
}

func (catalog) CountTokens(_, text string) (int64, string) {
	return int64(len(strings.Fields(text))), "words"
}

func (catalog) SupportedParams(model string) []string {
	if model != "a" {
		return nil
	}
	return []string{"temperature", "tools"}
}

func (w *world) log() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// fullWorld is a world whose API can store secrets and has been told to take changes into force.
type fullWorld struct {
	*world
	sealer  *seal.Sealer
	reloads int
}

// wrongParam is what the tests' check of a configuration refuses.
var errWrong = errors.New("wrong is no key")

func newFullWorld(t *testing.T) *fullWorld {
	w := &fullWorld{world: newWorld(t)}
	var err error
	if w.sealer, err = seal.New(rand.Text()); err != nil {
		t.Fatal(err)
	}
	w.settings.StoreModels = true
	w.settings.Files = map[string]any{
		"general_settings": map[string]any{"master_key": "*****", "allowed_ips": []any{"10.0.0.1"}},
		"litellm_settings": map[string]any{"success_callback": []any{"langfuse", "otel"}, "failure_callback": []any{"otel"}},
		"router_settings":  map[string]any{"num_retries": 2.0},
	}
	w.api = admin.New(admin.Options{
		Store: w.store, Reports: w.store, Maintenance: w.store, Settings: func() *admin.Settings { return w.settings }, Models: liveModels{}, Catalog: catalog{}, Now: w.clock,
		Sealer: w.sealer, Log: w.log(), Reload: func(context.Context) error { w.reloads++; return nil },
		IsSecret: func(key string) bool { return strings.Contains(key, "password") },
		Check: func(section string, value map[string]any) error {
			params, _ := value["litellm_params"].(map[string]any)
			if value["wrong"] != nil || params["wrong"] != nil {
				return errWrong
			}
			return nil
		},
	})
	w.serve()
	return w
}

func TestModelNew(t *testing.T) {
	w := newFullWorld(t)
	secretKey := "sk-" + rand.Text()
	r := w.call(w.master, "POST", "/model/new", map[string]any{"model_name": "m", "litellm_params": map[string]any{
		"model": "openai/gpt-5", "api_key": secretKey, "rpm": 5, "extra_headers": map[string]any{"x-key": secretKey}}, "model_info": map[string]any{"id": "m1", "mode": "chat"}})
	got := r.ok()
	if got["model_id"] != "m1" || got["model_name"] != "m" || path(got, "model_info.db_model") != true || path(got, "litellm_params.rpm") != 5.0 || got["blocked"] != false {
		t.Errorf("new: %v", got)
	}
	if w.reloads != 1 {
		t.Errorf("%d reloads", w.reloads)
	}
	params := func() map[string]any {
		m, err := account.Get[account.StoredModel](t.Context(), w.store, "m1")
		if err != nil {
			t.Fatal(err)
		}
		return m.Params
	}
	open := func(v any) string {
		text, _ := v.(string)
		plain, err := w.sealer.Open(seal.ModelParams, text)
		if err != nil {
			t.Errorf("%v is not sealed: %v", v, err)
		}
		return plain
	}
	if open(params()["api_key"]) != secretKey || open(path(params(), "extra_headers.x-key")) != secretKey || open(params()["model"]) != "openai/gpt-5" {
		t.Error("what is stored does not open")
	}
	// A change names what it changes alone; what a reply has shown may be sent back.
	shown := path(got, "litellm_params.api_key")
	w.admin("PATCH", "/model/m1/update", map[string]any{"litellm_params": map[string]any{"rpm": 7, "api_key": shown, "extra_headers": nil}})
	if p := params(); open(p["api_key"]) != secretKey || fmt.Sprint(p["rpm"]) != "7" || p["extra_headers"] != nil {
		t.Errorf("patched: %v", p)
	}
	w.admin("POST", "/model/update", map[string]any{"model_info": map[string]any{"id": "m1"}, "litellm_params": map[string]any{"api_key": "*****", "api_base": "https://x.test"}})
	if p := params(); open(p["api_key"]) != secretKey || open(p["api_base"]) != "https://x.test" {
		t.Errorf("updated: %v", p)
	}
	if got := w.admin("POST", "/model/block", `{"model_id":"m1"}`); got["blocked"] != true {
		t.Errorf("block: %v", got)
	}
	w.admin("POST", "/model/unblock", `{"model_id":"m1"}`)
	w.call(w.master, "POST", "/model/new", `{"model_name":"m","litellm_params":{"model":"x"},"model_info":{"id":"m1"}}`).refused(400, "Model with id=m1 already exists")
	w.call(w.master, "POST", "/model/new", `{"model_name":"m","litellm_params":{"wrong":1,"model":"x"}}`).refused(400, "wrong is no key")
	w.call(w.master, "POST", "/model/new", `{"model_name":"m","litellm_params":{}}`).refused(422, "model")
	w.call(w.master, "POST", "/model/new", `{"model_name":"m","litellm_params":{"model":"x"},"model_info":{"team_id":"t"}}`).refused(400, "not supported, because")
	w.call(w.master, "POST", "/model/delete", `{"id":"none"}`).refused(400, "Model with id=none not found in db")
	w.call(w.master, "POST", "/model/delete", `{"id":"m1"}`).same(`{"message":"Model: m1 deleted successfully"}`)
	for _, e := range w.admin("GET", "/audit?table_name=LiteLLM_ProxyModelTable", nil)["audit_logs"].([]any) {
		if p := path(e, "updated_values.litellm_params"); p != nil && p != "*****" {
			t.Errorf("the audit log shows parameters: %v", p)
		}
	}
	w.settings.StoreModels = false
	w.call(w.master, "POST", "/model/new", `{"model_name":"m","litellm_params":{"model":"x"}}`).refused(500, "Set 'STORE_MODEL_IN_DB='True'' in your env to enable this feature.")
}

func TestModelInfoV2(t *testing.T) {
	w := newFullWorld(t)
	got := w.admin("GET", "/v2/model/info?page=2&size=1", nil)
	if got["total_count"] != float64(len(liveModels{}.Deployments())) || got["current_page"] != 2.0 || got["size"] != 1.0 || got["data"] == nil {
		t.Errorf("v2: %v", got)
	}
}

func TestCredentials(t *testing.T) {
	w := newFullWorld(t)
	secretKey := rand.Text()
	w.call(w.master, "POST", "/credentials", map[string]any{"credential_name": "c", "credential_values": map[string]string{"api_key": secretKey}, "credential_info": map[string]any{"provider": "oci"}}).same(
		`{"success":true,"message":"Credential created successfully"}`)
	shown := `{"credential_name":"c","credential_values":{"api_key":"*****"},"credential_info":{"provider":"oci"}}`
	w.call(w.master, "GET", "/credentials", nil).same(`{"success":true,"credentials":[` + shown + `]}`)
	w.call(w.master, "GET", "/credentials/by_name/c", nil).same(shown)
	w.call(w.master, "POST", "/credentials", `{"credential_name":"c","credential_values":{}}`).refused(400, "already exists")
	w.call(w.master, "POST", "/credentials", `{"credential_name":"d"}`).refused(400, "credential_values or model_id")
	w.call(w.master, "PATCH", "/credentials/c", `{"credential_values":{"api_key":"*****","api_base":"https://x.test"}}`).ok()
	cr, err := account.Get[account.Credential](t.Context(), w.store, "c")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := w.sealer.Open(seal.CredentialValues, cr.Values["api_key"]); err != nil || plain != secretKey {
		t.Errorf("the mask has replaced the value: %q %v", plain, err)
	}
	if _, err := w.sealer.Open(seal.ModelParams, cr.Values["api_key"]); err == nil {
		t.Error("a credential opens for another purpose")
	}
	w.admin("POST", "/model/new", map[string]any{"model_name": "m", "litellm_params": map[string]any{"model": "x", "api_key": secretKey}, "model_info": map[string]any{"id": "m1"}})
	w.admin("POST", "/credentials", `{"credential_name":"of-model","model_id":"m1"}`)
	if cr, err = account.Get[account.Credential](t.Context(), w.store, "of-model"); err != nil {
		t.Fatal(err)
	}
	if plain, err := w.sealer.Open(seal.CredentialValues, cr.Values["api_key"]); err != nil || plain != secretKey || len(cr.Values) != 1 {
		t.Errorf("of a model: %v %v", cr, err)
	}
	w.call(w.master, "GET", "/credentials/by_model/m1", nil).same(`{"credential_name":"m-credential-m1","credential_values":{"api_key":"*****"},"credential_info":{}}`)
	w.call(w.master, "DELETE", "/credentials/c", nil).ok()
	w.call(w.master, "DELETE", "/credentials/c", nil).refused(404, "Credential not found")
	w.call(w.person("u", account.InternalUser), "GET", "/credentials", nil).refused(401, "proxy admin")
}

func TestConfig(t *testing.T) {
	w := newFullWorld(t)
	w.call(w.master, "POST", "/config/update", `{"router_settings":{"num_retries":5},"litellm_settings":{"drop_params":true},"environment_variables":{"LANGFUSE_KEY":"top-secret"}}`).same(
		`{"message":"Config updated successfully"}`)
	if w.reloads != 1 {
		t.Errorf("%d reloads", w.reloads)
	}
	s, err := account.Get[account.Setting](t.Context(), w.store, "environment_variables")
	if err != nil || strings.Contains(string(s.ParamValue), "top-secret") {
		t.Errorf("the environment is not sealed: %s %v", s.ParamValue, err)
	}
	w.call(w.master, "GET", "/config/field/info?field_name=num_retries&config_type=router_settings", nil).same(`{"field_name":"num_retries","field_value":5}`)
	w.call(w.master, "POST", "/config/field/update", `{"field_name":"enforce_user_param","field_value":true,"config_type":"general_settings"}`).same(
		`{"param_name":"general_settings","param_value":{"enforce_user_param":true}}`)
	w.call(w.master, "GET", "/config/list?config_type=general_settings", nil).same(`[
		{"field_name":"allowed_ips","field_type":"List","field_description":"","field_value":["10.0.0.1"],"stored_in_db":false,"field_default_value":null,"premium_field":false,"nested_fields":null},
		{"field_name":"enforce_user_param","field_type":"Boolean","field_description":"","field_value":true,"stored_in_db":true,"field_default_value":null,"premium_field":false,"nested_fields":null},
		{"field_name":"master_key","field_type":"String","field_description":"","field_value":"*****","stored_in_db":false,"field_default_value":null,"premium_field":false,"nested_fields":null}]`)
	w.call(w.master, "POST", "/config/field/delete", `{"field_name":"enforce_user_param"}`).same(`{"param_name":"general_settings","param_value":{}}`)
	w.call(w.master, "POST", "/config/field/delete", `{"field_name":"enforce_user_param"}`).refused(400, "not in config")
	w.call(w.master, "POST", "/config/field/update", `{"field_name":"master_key","field_value":"sk-x"}`).refused(400, "cannot be stored")
	w.call(w.master, "POST", "/config/update", `{"general_settings":{"wrong":1}}`).refused(400, "wrong is no key")
	w.call(w.master, "POST", "/config/update", `{"model_list":[{}]}`).refused(400, "not supported, because")
	w.call(w.master, "GET", "/config/list?config_type=environment_variables", nil).same(
		`[{"field_name":"LANGFUSE_KEY","field_type":"String","field_description":"","field_value":"*****","stored_in_db":true,"field_default_value":null,"premium_field":false,"nested_fields":null}]`)
	if got := w.admin("GET", "/config/yaml", nil); path(got, "general_settings.master_key") != "*****" {
		t.Errorf("yaml: %v", got)
	}
	if got := w.admin("GET", "/router/settings", nil); path(got, "current_values.num_retries") != 5.0 {
		t.Errorf("router: %v", got)
	}
	w.call(w.master, "GET", "/callbacks/list", nil).same(`{"success":["langfuse"],"failure":[],"success_and_failure":["otel"]}`)
	if got := w.admin("GET", "/get/config/callbacks", nil); len(got["callbacks"].([]any)) != 3 || got["status"] != "success" {
		t.Errorf("callbacks: %v", got)
	}
	if got := w.admin("GET", "/active/callbacks", nil); got["num_callbacks"] != 3.0 {
		t.Errorf("active: %v", got)
	}
	// A secret inside of a section is sealed, never shown, and survives that a reply is sent back.
	w.admin("POST", "/config/update", `{"litellm_settings":{"cache_params":{"type":"redis","redis_password":"hunter2"}}}`)
	shown := `{"field_name":"cache_params","field_value":{"type":"redis","redis_password":"*****"}}`
	w.call(w.master, "GET", "/config/field/info?field_name=cache_params&config_type=litellm_settings", nil).same(shown)
	w.admin("POST", "/config/update", `{"litellm_settings":{"cache_params":{"type":"redis","redis_password":"*****"}}}`)
	if s, err = account.Get[account.Setting](t.Context(), w.store, "litellm_settings"); err != nil || strings.Contains(string(s.ParamValue), "hunter2") {
		t.Errorf("a secret is not sealed: %s %v", s.ParamValue, err)
	}
	if open, err := admin.OpenSetting(w.sealer, s); err != nil || path(open, "cache_params.redis_password") != "hunter2" || open["drop_params"] != true {
		t.Errorf("what is stored opens to %v: %v", open, err)
	}
	for _, key := range []string{w.person("v", account.ProxyAdminViewer), w.person("u", account.InternalUser), w.key(nil)} {
		if r := w.call(key, "GET", "/config/yaml", nil); r.Status != 401 && r.Status != 403 {
			t.Errorf("/config/yaml: %d", r.Status)
		}
	}
}

// What comes through the API may refer to variables that providers are called with, and never to the gateway's own secrets.
func TestReferencesToTheEnvironment(t *testing.T) {
	w := newFullWorld(t)
	ref := func(name string) map[string]any {
		return map[string]any{"model_name": "m", "litellm_params": map[string]any{"model": "openai/x", "extra_headers": map[string]any{"x-key": []any{"os.environ/" + name}}}}
	}
	for _, name := range []string{"LITELLM_SALT_KEY", "LITELLM_MASTER_KEY", "DATABASE_URL", "TOLLGATE_DATA_DIR", "REDIS_PASSWORD", "HOME", "OPENAI_MASTER_KEY", "LITELLM_API_KEY", "", "x_API_KEY/../HOME",
		"OCI_KEY", "OCI_KEY_PASSPHRASE", "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", "OCI_RESOURCE_PRINCIPAL_RPST"} {
		w.call(w.master, "POST", "/model/new", ref(name)).refused(400, "cannot refer to the variable")
		w.call(w.master, "POST", "/credentials", map[string]any{"credential_name": "c" + name, "credential_values": map[string]string{"api_key": "os.environ/" + name}}).refused(400, "cannot refer to the variable")
		w.call(w.master, "POST", "/config/update", map[string]any{"litellm_settings": map[string]any{"cache_params": map[string]any{"host": "os.environ/" + name}}}).refused(400, "cannot refer to the variable")
		w.call(w.master, "POST", "/config/field/update", map[string]any{"field_name": "alerting", "field_value": []string{"os.environ/" + name}}).refused(400, "cannot refer to the variable")
	}
	for _, name := range []string{"OPENAI_API_KEY", "OCI_REGION", "OUR_TEAM_API_KEY", "AZURE_API_BASE"} {
		w.admin("POST", "/model/new", ref(name))
	}
	w.admin("POST", "/model/new", `{"model_name":"n","litellm_params":{"model":"openai/x"},"model_info":{"id":"m1"}}`)
	// What signs may be referred to where it signs, and nowhere from where it would be sent.
	w.admin("POST", "/model/new", `{"model_name":"o","litellm_params":{"model":"oci/x","oci_key":"os.environ/OCI_KEY","oci_key_passphrase":"os.environ/OCI_KEY_PASSPHRASE"}}`)
	w.call(w.master, "POST", "/model/new", `{"model_name":"o","litellm_params":{"model":"openai/x","extra_body":{"oci_key":"os.environ/OCI_KEY"}}}`).refused(400, "cannot refer")
	w.call(w.master, "POST", "/model/new", `{"model_name":"o","litellm_params":{"model":"oci/x","oci_key":"os.environ/OCI_KEY_PASSPHRASE"}}`).refused(400, "cannot refer")
	w.call(w.master, "POST", "/model/update", `{"litellm_params":{"api_key":"os.environ/LITELLM_SALT_KEY"},"model_info":{"id":"m1"}}`).refused(400, "cannot refer")
}

// Credentials are secret whatever they are called, and a deployment names one that there is.
func TestCredentialsOfTheConfiguration(t *testing.T) {
	w := newFullWorld(t)
	w.settings.Files["credential_list"] = []any{map[string]any{"credential_name": "of file", "credential_values": map[string]any{"nonsense": "TOPSECRET"}}}
	got := w.call(w.master, "GET", "/config/yaml", nil)
	if got.ok(); strings.Contains(string(got.Raw), "TOPSECRET") || !strings.Contains(string(got.Raw), `"nonsense":"*****"`) {
		t.Errorf("%s", got.Raw)
	}
	w.admin("POST", "/credentials", `{"credential_name":"stored","credential_values":{"api_key":"x"}}`)
	for name, status := range map[string]int{"of file": 200, "stored": 200, "nope": 400} {
		r := w.call(w.master, "POST", "/model/new", map[string]any{"model_name": "m", "litellm_params": map[string]any{"model": "openai/x", "litellm_credential_name": name}})
		if r.Status != status {
			t.Errorf("%s: %d %s", name, r.Status, r.Raw)
		}
	}
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.now = start.AddDate(0, 0, i)
		w.admin("POST", "/budget/new", map[string]any{"budget_id": fmt.Sprintf("b%d", i), "max_budget": i})
	}
	objects := func(query string) string {
		got := w.admin("GET", "/audit?page_size=2"+query, nil)
		var ids []string
		for _, e := range got["audit_logs"].([]any) {
			ids = append(ids, path(e, "object_id").(string))
		}
		return fmt.Sprint(got["total"], got["total_pages"], ids)
	}
	for query, want := range map[string]string{
		"":                            "5 3 [b4 b3]",
		"&page=3":                     "5 3 [b0]",
		"&sort_order=asc":             "5 3 [b0 b1]",
		"&object_id=b2":               "1 1 [b2]",
		"&action=deleted":             "0 0 []",
		"&changed_by=default_user_id": "5 3 [b4 b3]",
		"&start_date=2026-11-26&end_date=2026-11-28":                "3 2 [b3 b2]",
		"&start_date=2026-11-26&end_date=2026-11-28&page=2":         "3 2 [b1]",
		"&start_date=2026-11-26&end_date=2026-11-28&sort_order=asc": "3 2 [b1 b2]",
	} {
		if got := objects(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	entry := w.admin("GET", "/audit?object_id=b2", nil)["audit_logs"].([]any)[0]
	if got := w.admin("GET", "/audit/"+path(entry, "id").(string), nil); got["action"] != "created" || got["table_name"] != "LiteLLM_BudgetTable" || path(got, "updated_values.max_budget") != 2.0 {
		t.Errorf("entry: %v", got)
	}
	w.call(w.master, "GET", "/audit/none", nil).refused(404, "not found")
}

func TestUtils(t *testing.T) {
	w := newFullWorld(t)
	w.call(w.master, "POST", "/utils/token_counter", `{"model":"a","messages":[{"role":"user","content":"one two"}],"system":"three"}`).same(
		`{"total_tokens":4,"request_model":"a","model_used":"oci/cohere.command","tokenizer_type":"words","original_response":null,"error":false,"error_message":null,"status_code":null}`)
	w.call(w.master, "POST", "/utils/token_counter", `{"model":"a"}`).refused(400, "prompt or messages or contents must be provided")
	w.call(w.master, "GET", "/utils/supported_openai_params?model=a", nil).same(`{"supported_openai_params":["temperature","tools"]}`)
	w.call(w.master, "GET", "/utils/supported_openai_params?model=z", nil).refused(400, "Could not map model=z")
	w.call(w.master, "POST", "/spend/calculate", `{"completion_response":{"model":"a","usage":{"prompt_tokens":10,"completion_tokens":5}}}`).same(`{"cost":0.000035}`)
	w.call(w.master, "POST", "/spend/calculate", `{"model":"a","messages":[{"role":"user","content":"one two"}]}`).same(`{"cost":0.000006}`)
	w.call(w.master, "POST", "/spend/calculate", `{"model":"z","completion_response":{"usage":{"prompt_tokens":1}}}`).refused(404, "no known price")
	w.call(w.master, "POST", "/spend/calculate", `{}`).refused(400, "completion_response")
	w.call(w.master, "POST", "/cost/estimate", `{"model":"a","input_tokens":1000,"output_tokens":100,"num_requests_per_day":10}`).same(`{"model":"a","provider":"oci",
		"input_tokens":1000,"output_tokens":100,"num_requests_per_day":10,"num_requests_per_month":null,"input_cost_per_token":0.000002,"output_cost_per_token":0.000003,
		"cost_per_request":0.0023,"input_cost_per_request":0.002,"output_cost_per_request":0.0003,"margin_cost_per_request":0,
		"daily_cost":0.023,"daily_input_cost":0.02,"daily_output_cost":0.003,"daily_margin_cost":0,
		"monthly_cost":null,"monthly_input_cost":null,"monthly_output_cost":null,"monthly_margin_cost":null}`)
	w.call(w.master, "POST", "/cost/estimate", `{"model":"z"}`).refused(404, "no known price")
	w.settings.ProviderBudgets = map[string]account.ModelBudget{"oci": {BudgetLimit: "100", TimePeriod: "1d"}}
	w.spend(money.Dollar, account.ProviderScope("oci"))
	w.call(w.master, "GET", "/provider/budgets", nil).same(`{"providers":{"oci":{"budget_limit":100,"time_period":"1d","spend":1,"budget_reset_at":null}}}`)
	w.admin("POST", "/reload/model_cost_map", nil)
	if w.reloads != 1 {
		t.Errorf("%d reloads", w.reloads)
	}
}

func TestAccessGroup(t *testing.T) {
	w := newFullWorld(t)
	w.put(&account.Team{TeamID: "t"})
	key := w.key(nil)
	got := w.admin("POST", "/v1/access_group", map[string]any{"access_group_name": "g", "access_model_names": []string{"a"}, "assigned_team_ids": []string{"t"}, "assigned_key_ids": []string{key}})
	id, _ := got["access_group_id"].(string)
	groups := func() (team, ofKey any) {
		return path(w.admin("GET", "/team/info?team_id=t", nil), "team_info.access_group_ids"), w.info(key)["access_group_ids"]
	}
	if team, ofKey := groups(); fmt.Sprint(team, ofKey) != fmt.Sprintf("[%s] [%s]", id, id) {
		t.Errorf("assigned: %v %v", team, ofKey)
	}
	w.call(w.master, "POST", "/v1/access_group", `{"access_group_name":"g"}`).refused(409, "already exists")
	w.call(w.master, "POST", "/v1/access_group", `{"access_group_name":"h","access_mcp_server_ids":["x"]}`).refused(400, "not supported, because")
	w.call(w.master, "POST", "/v1/access_group", `{"access_group_name":"h","assigned_team_ids":["none"]}`).refused(404, "none")
	w.admin("PUT", "/v1/access_group/"+id, `{"assigned_team_ids":[],"description":"d"}`)
	if got := w.admin("GET", "/v1/access_group/"+id, nil); got["description"] != "d" || fmt.Sprint(got["access_model_names"]) != "[a]" {
		t.Errorf("info: %v", got)
	}
	if team, ofKey := groups(); fmt.Sprint(team, ofKey) != fmt.Sprintf("[] [%s]", id) {
		t.Errorf("a team that was taken out: %v %v", team, ofKey)
	}
	w.call(w.master, "DELETE", "/v1/access_group/"+id, nil).ok()
	if _, ofKey := groups(); fmt.Sprint(ofKey) != "[]" {
		t.Errorf("a group that is gone: %v", ofKey)
	}
	w.call(w.master, "GET", "/v1/access_group", nil).same(`[]`)
	w.call(w.master, "GET", "/access_group/ab/info", nil).same(`{"access_group":"ab","model_names":["a","b"],"deployment_count":0}`)
	if got := w.admin("GET", "/access_group/list", nil); len(got["access_groups"].([]any)) != 2 {
		t.Errorf("list: %v", got)
	}
}

func TestJWTKeyMapping(t *testing.T) {
	w := newFullWorld(t)
	key := w.key(nil)
	got := w.admin("POST", "/jwt/key/mapping/new", map[string]any{"jwt_claim_name": "sub", "jwt_claim_value": "x", "key": key})
	id, _ := got["id"].(string)
	if _, shown := got["token"]; shown || got["is_active"] != true {
		t.Errorf("new: %v", got)
	}
	w.call(w.master, "POST", "/jwt/key/mapping/new", map[string]any{"jwt_claim_name": "sub", "jwt_claim_value": "x", "key": key}).refused(400, "exists already")
	w.call(w.master, "POST", "/jwt/key/mapping/new", map[string]any{"jwt_claim_name": "sub", "jwt_claim_value": "y", "key": "sk-none"}).refused(404, "Key not found")
	w.admin("POST", "/jwt/key/mapping/update", map[string]any{"id": id, "is_active": false})
	if got := w.admin("GET", "/jwt/key/mapping/info?id="+id, nil); got["is_active"] != false || got["jwt_claim_value"] != "x" {
		t.Errorf("info: %v", got)
	}
	if n := len(w.call(w.master, "GET", "/jwt/key/mapping/list", nil).list()); n != 1 {
		t.Errorf("list has %d", n)
	}
	w.admin("POST", "/jwt/key/mapping/delete", map[string]any{"id": id})
	w.call(w.master, "GET", "/jwt/key/mapping/info?id="+id, nil).refused(404, "not found")
}

func TestSpendReset(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Team{TeamID: "t"})
	key := w.key(map[string]any{"team_id": "t"})
	user := w.person("u", account.InternalUser)
	w.spend(money.Dollar, account.KeyScope(account.HashKey(key)), account.TeamScope("t"), account.UserScope("u"))
	w.call(user, "POST", "/global/spend/reset", nil).refused(401, "MASTER KEY")
	w.call(w.person("admin", account.ProxyAdmin), "POST", "/global/spend/reset", nil).refused(401, "MASTER KEY")
	w.call(w.master, "POST", "/global/spend/reset", nil).same(`{"message":"Spend for all API Keys and Teams reset successfully","status":"success"}`)
	if s := w.info(key)["spend"]; s != 0.0 {
		t.Errorf("the key has spent %v", s)
	}
	if s := path(w.admin("GET", "/team/info?team_id=t", nil), "team_info.spend"); s != 0.0 {
		t.Errorf("the team has spent %v", s)
	}
	if s := w.admin("GET", "/v2/user/info?user_id=u", nil)["spend"]; s != 1.0 {
		t.Errorf("the user has spent %v", s)
	}
}

func TestSpendEntities(t *testing.T) {
	w := newWorld(t)
	user := w.person("u", account.InternalUser)
	rich := w.key(nil)
	w.spend(2*money.Dollar, account.KeyScope(account.HashKey(rich)))
	w.spend(money.Dollar, account.KeyScope(account.HashKey(user)), account.UserScope("u"))
	rows := w.call(w.master, "GET", "/spend/keys", nil).list()
	if len(rows) != 2 || rows[0]["spend"] != 2.0 || rows[1]["spend"] != 1.0 {
		t.Errorf("keys: %v", rows)
	}
	if rows := w.call(user, "GET", "/spend/keys", nil).list(); len(rows) != 1 || rows[0]["user_id"] != "u" {
		t.Errorf("own keys: %v", rows)
	}
	if r := w.call(w.master, "GET", "/spend/keys?limit=1", nil); r.Header.Get("x-tollgate-truncated") != "true" || len(r.list()) != 1 {
		t.Errorf("a cut list: %v", r.Header)
	}
	if rows := w.call(w.master, "GET", "/spend/users?user_id=u", nil).list(); len(rows) != 1 || rows[0]["spend"] != 1.0 {
		t.Errorf("user: %v", rows)
	}
	w.call(w.master, "GET", "/spend/users?user_id=none", nil).same(`[null]`)
	w.call(user, "GET", "/spend/users?user_id=other", nil).refused(403, "not allowed")
}
