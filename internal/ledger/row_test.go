package ledger_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/record"
)

func call() record.Call {
	started := time.Date(2026, 11, 25, 12, 0, 0, 1234567, time.FixedZone("", 3600))
	return record.Call{
		ID: "call-1", Route: "/v1/chat/completions", CallType: "acompletion", Started: started, Ended: started.Add(1500 * time.Millisecond), Caller: "hash",
		Replica: "r1", KeyHash: "hash", KeyAlias: "alias", UserID: "u", TeamID: "t", TeamAlias: "team", OrgID: "o", EndUser: "e", Tags: []string{"a", "b", "a"},
		KeyMetadata: account.JSON(`{"team":"alpha","owner":"me","status":"mine","logging":[{"callback_vars":{"langfuse_secret":"s3cret"}}]}`),
		Metadata:    account.JSON(`{"job":7}`), ClientIP: "10.1.2.3", UserAgent: "curl/8.5.0",
		Alias: "oci-grok", Group: "oci-grok", Deployment: "d1", Upstream: "xai.grok-4", Provider: "oci", APIBase: "https://x", RequestID: "chatcmpl-9",
		Outcome: record.Success, Status: 200, Retries: 1, Fallbacks: 1, Attempts: []record.Attempt{{Deployment: "d0", Status: 500}, {Deployment: "d1", Status: 200}},
		PromptTokens: 10, CompletionTokens: 5, CachedTokens: 3, ReasoningTokens: 2, UsageKnown: true, Cost: 28_500_000, CostKnown: true,
		FirstByte: 250 * time.Millisecond, Upstreams: time.Second, UpstreamRequestID: "opc",
	}
}

// metadataOf decodes the metadata of a row.
func metadataOf(t *testing.T, r ledger.Row) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(r.Metadata, &m); err != nil {
		t.Fatalf("%v: %s", err, r.Metadata)
	}
	return m
}

func TestRowOf(t *testing.T) {
	c := call()
	r := ledger.RowOf(&c)
	first := time.Date(2026, 11, 25, 11, 0, 0, 251_234_000, time.UTC)
	want := ledger.Row{
		CallID: "call-1", RequestID: "chatcmpl-9", CallType: "acompletion", APIKey: "hash", Spend: 28_500_000, TotalTokens: 15, PromptTokens: 10, CompletionTokens: 5,
		StartTime: time.Date(2026, 11, 25, 11, 0, 0, 1_234_000, time.UTC), EndTime: time.Date(2026, 11, 25, 11, 0, 1, 501_234_000, time.UTC),
		RequestDurationMS: 1500, CompletionStartTime: &first, Model: "oci/xai.grok-4", ModelID: "d1", ModelGroup: "oci-grok", Provider: "oci", APIBase: "https://x",
		User: "u", CacheHit: "None", CacheKey: "Cache OFF", TeamID: "t", OrganizationID: "o", EndUser: "e", RequesterIP: "10.1.2.3", SessionID: "call-1", Status: "success",
		RequestTags: account.JSON(`["a","b","User-Agent: curl","User-Agent: curl/8.5.0"]`),
		Messages:    account.JSON(`{}`), Response: account.JSON(`{}`), ProxyServerRequest: account.JSON(`{}`), Metadata: r.Metadata,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	details := map[string]any{
		"prompt_tokens_details": map[string]any{"cached_tokens": 3.0}, "completion_tokens_details": map[string]any{"reasoning_tokens": 2.0},
		"cache_read_input_tokens": 3.0, "cache_creation_input_tokens": 0.0,
	}
	usage := map[string]any{"prompt_tokens": 10.0, "completion_tokens": 5.0, "total_tokens": 15.0}
	for k, v := range details {
		usage[k] = v
	}
	wantMetadata := map[string]any{
		"user_api_key": "hash", "user_api_key_alias": "alias", "user_api_key_team_id": "t", "user_api_key_team_alias": "team", "user_api_key_org_id": "o",
		"user_api_key_user_id": "u", "spend_logs_metadata": map[string]any{"job": 7.0}, "requester_ip_address": "10.1.2.3", "applied_guardrails": []any{},
		"usage_object": usage, "additional_usage_values": details, "cost_breakdown": map[string]any{"total_cost": 2.85e-05, "original_cost": 2.85e-05},
		"status": "success", "error_information": nil, "attempted_retries": 1.0, "litellm_overhead_time_ms": 500.0,
		"team": "alpha", "owner": "me", // the key's; its status is not the call's, and secrets of callbacks are no labels
		"tollgate_call_id": "call-1", "tollgate_route": "/v1/chat/completions", "tollgate_outcome": "success", "tollgate_model_asked": "oci-grok", "tollgate_stream": false,
		"tollgate_first_byte_ms": 250.0, "tollgate_upstream_ms": 1000.0, "tollgate_upstream_request_id": "opc", "tollgate_fallbacks": 1.0, "tollgate_replica": "r1",
		"tollgate_attempts": []any{
			map[string]any{"deployment": "d0", "model_group": "", "status": 500.0, "duration_ns": 0.0},
			map[string]any{"deployment": "d1", "model_group": "", "status": 200.0, "duration_ns": 0.0},
		},
	}
	if diff := cmp.Diff(wantMetadata, metadataOf(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestRowOf_Refused(t *testing.T) {
	c := call()
	c.Outcome, c.Status, c.Error, c.ErrorType, c.Upstream, c.Group, c.RequestID = record.Refused, 429, "Budget has been exceeded!", "budget_exceeded", "", "", ""
	c.FirstByte, c.Cost, c.CostKnown = 0, 0, false
	r := ledger.RowOf(&c)
	if r.Status != "failure" || r.Model != "oci-grok" || r.ModelGroup != "oci-grok" || r.RequestID != "call-1" || r.CompletionStartTime == nil || !r.CompletionStartTime.Equal(r.EndTime) {
		t.Errorf("%+v", r)
	}
	want := map[string]any{"error_code": "429", "error_class": "budget_exceeded", "llm_provider": "oci", "error_message": "Budget has been exceeded!", "traceback": ""}
	m := metadataOf(t, r)
	if diff := cmp.Diff(want, m["error_information"]); diff != "" || m["cost_breakdown"] != nil {
		t.Errorf("%s, cost_breakdown %v", diff, m["cost_breakdown"])
	}
}

func TestRowOf_MasterKey(t *testing.T) {
	c := call()
	c.Caller, c.KeyHash, c.UserID = "master", "", ""
	r := ledger.RowOf(&c)
	if r.APIKey != "litellm_proxy_master_key" || r.User != "default_user_id" || metadataOf(t, r)["user_api_key"] != r.APIKey {
		t.Errorf("%+v", r)
	}
}

// What nobody has a key for is in the row, but not in what usage is told apart by.
func TestRowOf_Stranger(t *testing.T) {
	c := call()
	c.Caller, c.KeyHash, c.UserID, c.Group, c.Upstream = "", "", "", "", ""
	r := ledger.RowOf(&c)
	if r.APIKey != "" || r.User != "" || r.EndUser != "" || r.ModelGroup != "" || r.Model != "oci-grok" {
		t.Errorf("%+v", r)
	}
}

func TestRowOf_Prompts(t *testing.T) {
	c := call()
	c.Prompt, c.Reply = account.JSON(`{"messages":[]}`), account.JSON(`{"id":1}`)
	r := ledger.RowOf(&c)
	if string(r.Messages) != "{}" || string(r.ProxyServerRequest) != `{"messages":[]}` || string(r.Response) != `{"id":1}` {
		t.Errorf("%s %s %s", r.Messages, r.ProxyServerRequest, r.Response)
	}
}

func FuzzRowOf(f *testing.F) {
	f.Add("a\x00b", []byte(`{"a":"\u0000"}`))
	f.Add("\xff", []byte(`{"\u0000":["\ud800",{"b":"\udc00"}]}`))
	f.Add("x", []byte(`[1,2]`))
	f.Add("", []byte(`{"":1,"user_api_key":2}`))
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		c := call()
		c.ID, c.EndUser, c.Alias, c.UserAgent, c.Error, c.Outcome, c.Tags = text, text, text, text, text, record.Failure, []string{text}
		c.KeyMetadata, c.Metadata, c.Prompt = raw, raw, raw
		r := ledger.RowOf(&c)
		for _, doc := range []account.JSON{r.Metadata, r.RequestTags, r.ProxyServerRequest} {
			if !json.Valid(doc) {
				t.Fatalf("no JSON: %s", doc)
			}
			var tree any
			if json.Unmarshal(doc, &tree) == nil && hasNUL(tree) {
				t.Fatalf("a NUL in %q", doc)
			}
		}
		if m := metadataOf(t, r); m["user_api_key"] != "hash" {
			t.Fatalf("the key's metadata has replaced %v", m["user_api_key"])
		}
		for _, s := range []string{r.CallID, r.EndUser, r.Model} {
			if strings.Contains(s, "\x00") || strings.ToValidUTF8(s, "") != s || len(s) > 1010 {
				t.Fatalf("%q", s)
			}
		}
	})
}

func hasNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "\x00")
	case []any:
		for _, e := range v {
			if hasNUL(e) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if hasNUL(k) || hasNUL(e) {
				return true
			}
		}
	}
	return false
}

func TestRowOf_Cache(t *testing.T) {
	for name, tt := range map[string]struct {
		hit      bool
		key      string
		wantHit  string
		wantKey  string
		saved    any
		semantic any
	}{
		"no cache": {false, "", "None", "Cache OFF", nil, nil},
		"miss":     {false, "ns:abc", "False", "ns:abc", nil, nil},
		"hit":      {true, "ns:abc", "True", "ns:abc", 2.85e-05, 0.97},
	} {
		c := call()
		c.CacheHit, c.CacheKey = tt.hit, tt.key
		if tt.hit {
			c.Cost, c.SavedCost, c.CacheSimilarity = 0, 28_500_000, 0.97
		}
		r := ledger.RowOf(&c)
		m := metadataOf(t, r)
		if r.CacheHit != tt.wantHit || r.CacheKey != tt.wantKey || m["tollgate_saved_cost"] != tt.saved || m["tollgate_cache_similarity"] != tt.semantic {
			t.Errorf("%s: %s, %s, saved %v, similar by %v", name, r.CacheHit, r.CacheKey, m["tollgate_saved_cost"], m["tollgate_cache_similarity"])
		}
	}
}

// A row tells which guardrails ran, in LiteLLM's shape; what a vendor has said is left out when it is too long, and freed of
// what databases refuse.
func TestRowOf_Guardrails(t *testing.T) {
	c := call()
	c.Guardrails = []record.Guardrail{
		{Name: "pii", Provider: "presidio", Mode: "pre_call", Status: "success", Duration: 0.25, Action: "mask", MaskedEntities: map[string]int{"EMAIL": 2}, Response: map[string]any{"a": "x\x00y"}, ErrorType: "timeout"},
		{Name: "pii", Mode: "post_call", Status: "success", Response: map[string]any{"long": strings.Repeat("x", 100_000)}},
		{Name: "off", Status: "not_run"},
	}
	m := metadataOf(t, ledger.RowOf(&c))
	if diff := cmp.Diff([]any{"pii"}, m["applied_guardrails"]); diff != "" {
		t.Error(diff)
	}
	list, _ := m["guardrail_information"].([]any)
	if len(list) != 3 {
		t.Fatalf("%d guardrails: %v", len(list), m["guardrail_information"])
	}
	want := map[string]any{
		"guardrail_name": "pii", "guardrail_provider": "presidio", "guardrail_mode": "pre_call", "guardrail_status": "success", "start_time": 0.0, "end_time": 0.0,
		"duration": 0.25, "guardrail_action": "mask", "masked_entity_count": map[string]any{"EMAIL": 2.0}, "guardrail_response": map[string]any{"a": "x\uFFFDy"},
	}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	if second, _ := list[1].(map[string]any); second["guardrail_response"] != nil {
		t.Error("a reply of 100 kB is in the row")
	}
}
