package callback_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/callback"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// usd is an amount of a golden case.
func usd(t testing.TB, text string) money.USD {
	t.Helper()
	u, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// base is what the calls of the golden files have in common.
func base(t testing.TB) record.Call {
	started := time.Date(2026, 11, 26, 12, 30, 15, 123_456_000, time.UTC)
	return record.Call{
		ID: "4f0c", SentID: "call-1", Route: "/chat/completions", CallType: "acompletion", Started: started, Ended: started.Add(1500 * time.Millisecond),
		Caller: "88dc28d0", KeyHash: "88dc28d0", KeyAlias: "ci", UserID: "u1", TeamID: "t1", TeamAlias: "platform", OrgID: "o1", OrgAlias: "acme", UserEmail: "u1@example.com",
		EndUser: "customer-7", Tags: []string{"nightly"}, Metadata: []byte(`{"run":42}`), SessionID: "session-9", ClientIP: "192.0.2.7", UserAgent: "openai-python/2.0",
		Alias: "gpt", Group: "gpt", Deployment: "d1", Upstream: "gpt-5-mini", Provider: "openai", APIBase: "https://api.example.com/v1", RequestID: "chatcmpl-1",
		Outcome: record.Success, Status: 200, Attempts: []record.Attempt{{Deployment: "d1", Status: 200}},
		PromptTokens: 12, CompletionTokens: 5, CachedTokens: 4, ReasoningTokens: 2, UsageKnown: true,
		Cost: usd(t, "0.000034"), CostKnown: true, Split: record.Split{Input: usd(t, "0.000024"), Output: usd(t, "0.00001")},
		FirstByte: 400 * time.Millisecond, Upstreams: 1480 * time.Millisecond,
		Trace:            record.Trace{ID: "0af7651916cd43dd8448eb211c80319c", Span: "b7ad6b7169203331", Sampled: true},
		Request:          []byte(`{"model":"gpt","messages":[{"role":"user","content":"attack at <dawn>"}],"temperature":0.2,"max_tokens":20,"api_key":"sk-in-the-body","metadata":{"trace_name":"nightly"},"user":"customer-7"}`),
		Response:         []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"The bridge at dawn","reasoning_content":"thinking of dawn"},"logprobs":{"content":[{"token":"dawn"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}`),
		RequestMetadata:  []byte(`{"trace_name":"nightly","openai_api_key":"sk-in-the-metadata"}`),
		RequesterHeaders: map[string]string{"x-team-run": "42"},
	}
}

// cases are the calls of the golden files.
var cases = []struct {
	name   string
	change func(t testing.TB, c *record.Call)
}{
	{"success", func(testing.TB, *record.Call) {}},
	{"failure", func(_ testing.TB, c *record.Call) {
		c.Outcome, c.Status, c.Error, c.ErrorType = record.Failure, 429, "The upstream says: slow down with your attack at dawn", "throttling_error"
		c.Response, c.Cost, c.CostKnown, c.Split, c.UsageKnown, c.RequestID = nil, 0, false, record.Split{}, false, ""
		c.PromptTokens, c.CompletionTokens, c.CachedTokens, c.ReasoningTokens = 0, 0, 0, 0
		c.Steps = []record.Step{{Name: "chat gpt", Kind: record.StepAttempt, Span: "00f067aa0ba902b7", Start: c.Started, End: c.Ended, Error: "429: attack at dawn"}}
	}},
	{"refused", func(_ testing.TB, c *record.Call) {
		*c = record.Call{ID: "4f0d", SentID: "call-2", Route: "/chat/completions", CallType: "acompletion", Started: c.Started, Ended: c.Started.Add(time.Millisecond),
			ClientIP: "192.0.2.7", Outcome: record.Refused, Status: 401, Error: "Authentication Error, No api key passed in.", ErrorType: "auth_error"}
	}},
	{"stream", func(_ testing.TB, c *record.Call) { c.Stream = true }},
	{"tools", func(_ testing.TB, c *record.Call) {
		c.Request = []byte(`{"model":"gpt","messages":[{"role":"user","content":"attack at dawn"}],"tools":[{"type":"function","function":{"name":"order","description":"orders at dawn","parameters":{"type":"object"}}}],"tool_choice":"auto","response_format":{"type":"json_schema","json_schema":{"name":"dawn"}},"stop":["dawn"]}`)
		c.Response = []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"order","arguments":"{\"at\":\"dawn\"}"}}],"audio":{"data":"dawn"},"thinking_blocks":[{"thinking":"dawn"}]},"finish_reason":"tool_calls"}]}`)
	}},
	{"completion", func(_ testing.TB, c *record.Call) {
		c.CallType, c.Route = "atext_completion", "/completions"
		c.Request = []byte(`{"model":"gpt","prompt":"attack at dawn"}`)
		c.Response = []byte(`{"id":"cmpl-1","object":"text_completion","created":1790000000,"model":"gpt","choices":[{"index":0,"text":"at dawn","finish_reason":"length","logprobs":null}]}`)
	}},
	{"embeddings", func(_ testing.TB, c *record.Call) {
		c.CallType, c.Route, c.CompletionTokens = "aembedding", "/embeddings", 0
		c.Request = []byte(`{"model":"gpt","input":["attack at dawn","or not"],"dimensions":2}`)
		c.Response = []byte(`{"object":"list","model":"gpt","data":[{"object":"embedding","index":0,"embedding":[0.1,0.2]}]}`)
	}},
	{"rerank", func(_ testing.TB, c *record.Call) {
		c.CallType, c.Route = "arerank", "/rerank"
		c.Request = []byte(`{"model":"gpt","query":"when?","documents":["at dawn","never"],"top_n":1}`)
		c.Response = []byte(`{"id":"r1","results":[{"index":0,"relevance_score":0.9,"document":{"text":"at dawn"}}]}`)
	}},
	{"responses", func(_ testing.TB, c *record.Call) {
		c.CallType, c.Route = "aresponses", "/responses"
		c.Request = []byte(`{"model":"gpt","input":"attack at dawn"}`)
		c.Response = []byte(`{"id":"resp_1","object":"response","created_at":1790000000,"model":"gpt","instructions":"attack at dawn","reasoning":{"summary":"dawn"},"output":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"dawn","annotations":["dawn"]}]},{"id":"fc_1","type":"function_call","name":"order","call_id":"c1","arguments":"dawn"},{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"dawn"}]}]}`)
	}},
	{"cache_hit", func(t testing.TB, c *record.Call) {
		c.CacheHit, c.CacheKey, c.SavedCost = true, "deadbeef", c.Cost
		c.Cost, c.Split = 0, record.Split{}
	}},
	{"guardrail_block", func(_ testing.TB, c *record.Call) {
		c.Outcome, c.Status, c.Error, c.ErrorType, c.Attempts, c.Response = record.Refused, 400, "Blocked by the guardrail pii.", "None", nil, nil
		c.Cost, c.CostKnown, c.Split, c.UsageKnown = 0, false, record.Split{}, false
		c.Guardrails = []record.Guardrail{
			{Name: "words", Provider: "banned", Mode: "pre_call", Status: "success", Start: 1, End: 1.5, Duration: 0.5},
			{Name: "pii", Provider: "presidio", Mode: "pre_call", Status: "guardrail_intervened", Start: 2, End: 2.25, Duration: 0.25, Action: "block", MaskedEntities: map[string]int{"EMAIL_ADDRESS": 1}},
			{Name: "off", Provider: "lakera", Mode: "post_call", Status: "not_run"},
		}
	}},
}

// TestNewEvent compares what callbacks are told with golden files: as it is, redacted, and without the caller's names.
func TestNewEvent(t *testing.T) {
	for _, c := range cases {
		for form, rules := range map[string]callback.Rules{"": {}, "_redacted": {Redact: true, HideCaller: true}} {
			t.Run(c.name+form, func(t *testing.T) {
				one := base(t)
				c.change(t, &one)
				text, err := json.MarshalIndent(callback.NewEvent(&one, rules), "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, c.name+form, append(text, '\n'))
				for _, never := range []string{"sk-in-the-body", "sk-in-the-metadata"} {
					if bytes.Contains(text, []byte(never)) {
						t.Errorf("a credential is told: %s", never)
					}
				}
				if rules.Redact && bytes.Contains(text, []byte("dawn")) {
					t.Errorf("a text is told:\n%s", text)
				}
				if rules.HideCaller && bytes.Contains(text, []byte("88dc28d0")) {
					t.Error("the caller's key is told")
				}
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// The members that LiteLLM's payload has (StandardLoggingPayload of litellm/types/utils.py).
var standardMembers = strings.Fields(`id trace_id litellm_call_id call_type stream response_cost cost_breakdown response_cost_failure_debug_info status status_fields
	custom_llm_provider total_tokens prompt_tokens completion_tokens startTime endTime completionStartTime response_time model_map_information model model_id
	model_group api_base metadata cache_hit cache_key saved_cache_cost request_tags end_user requester_ip_address user_agent messages response error_str
	error_information model_parameters hidden_params guardrail_information standard_built_in_tools_params`)

func TestPayload_HasLiteLLMsMembers(t *testing.T) {
	one := base(t)
	text, err := callback.NewEvent(&one, callback.Rules{}).Payload.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range standardMembers {
		if _, has := got[name]; !has {
			t.Errorf("%s is missing", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is no member of LiteLLM's", name)
	}
	if !bytes.Contains(text, []byte("attack at <dawn>")) {
		t.Errorf("a text was changed: %s", text)
	}
}

func TestRules_MaskOneSide(t *testing.T) {
	one := base(t)
	e := callback.NewEvent(&one, callback.Rules{MaskInput: true})
	if strings.Contains(string(e.Payload.Messages), "dawn") || !strings.Contains(string(e.Payload.Response), "dawn") {
		t.Errorf("mask_input: %s %s", e.Payload.Messages, e.Payload.Response)
	}
	e = callback.NewEvent(&one, callback.Rules{MaskOutput: true})
	if !strings.Contains(string(e.Payload.Messages), "dawn") || strings.Contains(string(e.Payload.Response), "dawn") {
		t.Errorf("mask_output: %s %s", e.Payload.Messages, e.Payload.Response)
	}
}

// FuzzRedactedAnswer redacts any answer: what comes out is JSON, and has nothing more to redact.
func FuzzRedactedAnswer(f *testing.F) {
	for _, c := range cases {
		one := base(f)
		c.change(f, &one)
		f.Add(one.Response)
	}
	f.Add([]byte(`{"choices":[{"message":{"tool_calls":[{"function":5}],"content":[{"text":"dawn"}]}},3]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) == 0 {
			return
		}
		one := base(t)
		one.Response = answer
		once := callback.NewEvent(&one, callback.Rules{Redact: true}).Payload.Response
		if !json.Valid(once) {
			t.Fatalf("%q becomes %q", answer, once)
		}
		one.Response = once
		if again := callback.NewEvent(&one, callback.Rules{Redact: true}).Payload.Response; !bytes.Equal(once, again) {
			t.Errorf("%q becomes %q and then %q", answer, once, again)
		}
	})
}

// Credentials are left out of metadata wherever they stand, and however their name is written.
func TestNewEvent_CredentialsInMetadata(t *testing.T) {
	c := call("1")
	c.RequestMetadata = []byte(`{"big":12345678901234567890,"deep":[{"x":{"pass\u0077ord":"sk-hidden"}}]}`)
	c.Metadata = []byte(`{"run":{"secret_key":"sk-hidden","n":1}}`)
	m := callback.NewEvent(c, callback.Rules{}).Payload.Metadata
	if got, want := string(m.Requester)+string(m.SpendLogs), `{"big":12345678901234567890,"deep":[{"x":{}}]}{"run":{"n":1}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
