package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/testkit"
)

// own are the routes that a key without a user may have an answer from, besides those of models: about itself.
var own = []string{
	"/key/info", "/key/health", "/spend/logs", "/key/daily/activity", "/global/spend/end_users",
	"/utils/token_counter", "/utils/supported_openai_params", "/utils/transform_request", "/spend/calculate",
	"/user/available_roles", "/v1/model_group/info", "/guardrails/list", "/guardrails/apply_guardrail", // nothing but names; one's own text
	"/models", "/v1/models", "/models/x1", "/v1/models/x1", "/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info",
}

// TestPlainKeyManagesNothing: a key without a user calls models and reads itself. Every other route of the table refuses it.
func TestPlainKeyManagesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	r := w.replicas[0]
	for name, fields := range map[string]obj{
		"plain": nil, "every route": {"allowed_routes": []string{"/*"}}, "management": {"allowed_routes": []string{"management_routes", "admin_viewer_routes", "global_spend_tracking_routes"}},
		"metadata": {"metadata": obj{"user_role": "proxy_admin"}},
	} {
		key := w.key(fields)
		for _, e := range r.routes() {
			a, err := r.try(key, e.method, e.path, obj{})
			if err == nil && a.status < 300 && !e.public && !slices.Contains(own, e.path) {
				t.Errorf("a key (%s) may %s %s: %d %.200s", name, e.method, e.path, a.status, a.body)
			}
		}
	}
}

// TestNobodyRaisesHimself is CVE-2026-47101 and 47102: what an internal user writes about itself, its keys and teams
// gives it nothing that it did not have.
func TestNobodyRaisesHimself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	r := w.replicas[0]
	w.manage("POST", "/user/new", obj{"user_id": "mallory", "user_role": "internal_user", "max_budget": 1, "models": []string{"chat"}, "auto_create_key": false})
	w.manage("POST", "/user/new", obj{"user_id": "alice", "user_role": "internal_user", "auto_create_key": false})
	w.manage("POST", "/team/new", obj{"team_id": "blue", "members_with_roles": []obj{{"role": "admin", "user_id": "alice"}}})
	alices := w.key(obj{"user_id": "alice", "key_alias": "alices"})
	key := w.key(obj{"user_id": "mallory", "key_alias": "mallorys"})

	for _, tt := range []struct {
		path string
		body obj
	}{
		{"/user/update", obj{"user_id": "mallory", "user_role": "proxy_admin"}},
		{"/user/update", obj{"user_id": "mallory", "max_budget": 1000}},
		{"/user/update", obj{"user_id": "mallory", "spend": 0, "models": []string{}}},
		{"/user/update", obj{"user_id": "alice", "user_email": "mallory@example.com"}},
		{"/user/update", obj{"user_id": "mallory", "user_email": "m@example.com", "user_role": "proxy_admin"}},
		{"/user/new", obj{"user_id": "eve", "user_role": "proxy_admin"}},
		{"/user/bulk_update", obj{"users": []obj{{"user_id": "mallory", "user_role": "proxy_admin"}}}},
		{"/team/member_add", obj{"team_id": "blue", "member": obj{"role": "admin", "user_id": "mallory"}}},
		{"/team/update", obj{"team_id": "blue", "max_budget": 1000}},
		{"/key/generate", obj{"user_id": "alice"}},
		{"/key/generate", obj{"team_id": "blue"}},
		{"/key/generate", obj{"max_budget": 1000}},
		{"/key/generate", obj{"models": []string{"second"}}},
		{"/key/update", obj{"key": alices, "user_id": "mallory"}},
		{"/key/update", obj{"key": key, "user_id": "alice"}},
		{"/key/update", obj{"key": key, "spend": -100}},
		{"/key/delete", obj{"keys": []string{alices}}},
		{"/key/delete", obj{"key_aliases": []string{"alices"}}},
		{"/key/block", obj{"key": alices}},
		{"/key/regenerate", obj{"key": alices}},
		{"/global/spend/reset", obj{}},
		{"/budget/new", obj{"budget_id": "b", "max_budget": 1000}},
		{"/model/new", obj{"model_name": "mine", "litellm_params": obj{"model": "openai/x", "api_base": "http://127.0.0.1:9"}}},
		{"/config/update", obj{"general_settings": obj{"master_key": "sk-1234"}}},
		{"/config/field/update", obj{"field_name": "master_key", "field_value": "sk-1234", "config_type": "general_settings"}},
		{"/credentials", obj{"credential_name": "c", "credential_values": obj{"api_key": "x"}, "credential_info": obj{}}},
	} {
		a, err := r.try(key, "POST", tt.path, tt.body)
		if err != nil || a.status < 400 || a.status >= 500 {
			t.Errorf("an internal user may POST %s %v: %v %d %.300s", tt.path, tt.body, err, a.status, a.body)
		}
	}
	if a, err := r.try(key, "GET", "/key/info?key="+alices, nil); err != nil || a.status < 400 {
		t.Errorf("an internal user sees another's key: %v %d %s", err, a.status, a.body)
	}
	powerless(t, w, key)
	seesNothingOf(t, w, key, alices)
}

// seesNothingOf reads every route of the table that can be read, as a user who has the key, after a call of another's.
func seesNothingOf(t *testing.T, w *world, key, others string) {
	r := w.replicas[0]
	if a := r.call(others, question("second", obj{"user": "alices-customer"}), "x-litellm-tags", "alices-tag"); !a.ok() {
		t.Fatalf("%v %d %s", a.err, a.status, a.body)
	}
	hash := w.rows(others, 1)[0].APIKey
	for _, e := range r.routes() {
		if e.method != http.MethodGet {
			continue
		}
		for _, query := range []string{"", "?start_date=2020-01-01&end_date=2040-01-01", "?user_id=alice&start_date=2020-01-01&end_date=2040-01-01", "?api_key=" + hash, "?team_id=blue", "?key=" + hash} {
			a, err := r.try(key, e.method, e.path+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{hash, "alices", "alices-customer", "alices-tag"} {
				if a.status < 300 && strings.Contains(string(a.body), word) {
					t.Errorf("a user sees %s of another at %s%s: %.300s", word, e.path, query, a.body)
				}
			}
		}
	}
}

// powerless checks that a user's keys open nothing: neither its own nor what it makes, whatever routes it gives them.
func powerless(t *testing.T, w *world, key string) {
	r := w.replicas[0]
	keys := []string{key}
	for _, fields := range []obj{
		{"key_alias": "all", "allowed_routes": []string{"/*"}}, {"allowed_routes": []string{"management_routes"}}, {"permissions": obj{"admin": true}},
		{"metadata": obj{"user_role": "proxy_admin"}}, {"user_role": "proxy_admin"}, {"config": obj{"user_role": "proxy_admin"}},
	} {
		a, err := r.try(key, "POST", "/key/generate", fields)
		if err != nil || a.status >= 500 {
			t.Fatalf("%v %d %s", err, a.status, a.body)
		}
		if made, _ := a.json(t)["key"].(string); made != "" {
			keys = append(keys, made)
		}
	}
	for _, k := range keys {
		for _, e := range []entry{
			{method: "POST", path: "/user/new"}, {method: "GET", path: "/user/list"}, {method: "POST", path: "/global/spend/reset"},
			{method: "GET", path: "/credentials"}, {method: "GET", path: "/audit"}, {method: "GET", path: "/config/list?config_type=general_settings"}, {method: "POST", path: "/team/new"},
			{method: "GET", path: "/customer/list"}, {method: "GET", path: "/budget/list"}, {method: "GET", path: "/config/yaml"},
		} {
			a, err := r.try(k, e.method, e.path, obj{"team_alias": "mine", "user_role": "proxy_admin"})
			if err != nil || a.status < 400 {
				t.Errorf("a key of an internal user may %s %s: %v %d %.300s", e.method, e.path, err, a.status, a.body)
			}
		}
	}
	user := w.manage("GET", "/user/info?user_id=mallory", nil)["user_info"].(map[string]any)
	if user["user_role"] != "internal_user" || fmt.Sprint(user["max_budget"]) != "1" || fmt.Sprint(user["models"]) != "[chat]" || len(user["teams"].([]any)) != 0 {
		t.Errorf("the user has become %v", user)
	}
}

// TestDemotedAdminIsRefusedEverywhere: who is no longer an administrator manages nothing, on any replica, within a second.
func TestDemotedAdminIsRefusedEverywhere(t *testing.T) {
	w := newWorld(t, settings{replicas: 2, database: testkit.Postgres(t)})
	w.manage("POST", "/user/new", obj{"user_id": "boss", "user_role": "proxy_admin", "auto_create_key": false})
	key := w.key(obj{"user_id": "boss"})
	list := func() int {
		a, err := w.replicas[1].try(key, "GET", "/user/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		return a.status
	}
	if status := list(); status != http.StatusOK {
		t.Fatalf("an administrator's key: %d", status)
	}
	w.manage("POST", "/user/update", obj{"user_id": "boss", "user_role": "internal_user_viewer"})
	eventually(t, revoked, func() string {
		if status := list(); status < 400 {
			return fmt.Sprintf("still %d", status)
		}
		return ""
	})
}

// TestSealedValuesStayInTheirPlace is CVE-2026-114612: a value that was sealed for one purpose is nothing anywhere else,
// neither as a key, nor in another object's place.
func TestSealedValuesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	database := testkit.Postgres(t)
	w := newWorld(t, settings{database: database, config: "general_settings: {store_model_in_db: true}\n"})
	r := w.replicas[0]
	w.manage("POST", "/credentials", obj{"credential_name": "c", "credential_values": obj{"api_key": "secret-of-c"}, "credential_info": obj{}})
	w.manage("POST", "/model/new", obj{"model_name": "stored", "litellm_params": obj{"model": "openai/x", "api_key": "secret-of-m", "api_base": "http://127.0.0.1:9/v1"}})
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var ofCredential, ofModel string
	if err := conn.QueryRow(t.Context(), "SELECT doc->'credential_values'->>'api_key' FROM credentials").Scan(&ofCredential); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT doc->'litellm_params'->>'api_key' FROM models").Scan(&ofModel); err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []string{ofCredential, ofModel} {
		if sealed == "" || strings.Contains(sealed, "secret-of") {
			t.Fatalf("%q is not sealed", sealed)
		}
		if a, err := r.try(sealed, "GET", "/v1/models", nil); err != nil || a.status != http.StatusUnauthorized {
			t.Errorf("a sealed value as a key: %v %d", err, a.status)
		}
	}
	// The credential's value in the model's place: the deployment must not come up with it.
	if _, err := conn.Exec(t.Context(), "UPDATE models SET doc = jsonb_set(doc, '{litellm_params,api_key}', to_jsonb($1::text))", ofCredential); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.start()
	a := r.call(masterKey, question("stored"))
	if a.status == http.StatusOK || a.status == 0 {
		t.Errorf("%v %d %s", a.err, a.status, a.body)
	}
	if log := r.process().stderr.String(); strings.Contains(log, "secret-of") || !strings.Contains(log, "stored") {
		t.Errorf("the log does not say what is wrong with the stored model:\n%s", log)
	}
}

// TestCallersDoNotChooseTheUpstream is CVE-2024-6587: whatever a body says about where to call and with what, the key of
// the deployment goes nowhere else.
func TestCallersDoNotChooseTheUpstream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	caught := make(chan string, 64)
	go func() {
		for {
			conn, err := trap.Accept()
			if err != nil {
				return
			}
			conn.Close()
			caught <- conn.RemoteAddr().String()
		}
	}()
	at := "http://" + trap.Addr().String()
	key := w.key(nil)
	for _, extra := range []obj{
		{"api_base": at}, {"base_url": at}, {"api_key": "sk-x", "api_base": at}, {"oci_region": "x", "api_base": at}, {"custom_llm_provider": "openai", "api_base": at},
		{"litellm_params": obj{"api_base": at}}, {"extra_body": obj{"api_base": at}}, {"model_list": []obj{{"model_name": "chat", "litellm_params": obj{"model": "openai/x", "api_base": at}}}},
		{"fallbacks": []obj{{"model": "openai/x", "api_base": at}}}, {"user_config": obj{"model_list": []obj{}}}, {"oci_serving_mode": at}, {"extra_headers": obj{"Host": "x"}, "api_base": at},
		{"metadata": obj{"api_base": at}}, {"mock_response": "x", "api_base": at}, {"callbacks": []string{at}}, {"langfuse_host": at, "success_callback": []string{"langfuse"}},
	} {
		for _, header := range [][]string{nil, {"api-base", at}, {"x-portkey-custom-host", at}} {
			if a := w.replicas[0].call(key, question("chat", extra), header...); a.err != nil || a.status >= 500 {
				t.Errorf("%v: %v %d %s", extra, a.err, a.status, a.body)
			}
		}
	}
	select {
	case who := <-caught:
		t.Errorf("the gateway called an address of a caller's, from %s", who)
	default:
	}
}
