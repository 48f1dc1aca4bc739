package langfuse

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
)

// tooLong stands where texts are longer than Langfuse takes.
const tooLong = `"left out by the gateway: too long"`

// view is a call as Langfuse shows it: a trace, and in it one observation for the call.
type view struct {
	e     *callback.Event
	ids   otlp.IDs
	shape *shape
	said  said

	root   []byte // the observation's id
	parent []byte // above it; nil = the trace itself
	// updates are what is told of a trace that exists already; nil = everything, since the trace is the call's own.
	updates map[string]bool

	traceName, traceID string
	name, kind         string
	input, output      string // JSON; "" = nothing
	user, session      string
	tags               []string
	environment        string
	release, version   string
	prompt             string
	promptVersion      int64
	level, message     string
	usage              map[string]int64
	cost               map[string]float64
	traceMetadata      map[string]any
	metadata           map[string]any
}

// view makes what Langfuse is told of an event.
func (s *shape) view(e *callback.Event) *view {
	p := &e.Payload
	v := &view{e: e, ids: otlp.Of(e), shape: s, said: read(e), level: "DEFAULT"}
	v.place()
	standard := "litellm-" + p.CallType
	v.traceName = cmp.Or(v.said.text("trace_name"), standard)
	if v.name = v.said.text("generation_name"); v.name == "" {
		if v.name = standard; p.Metadata.KeyAlias != "" {
			v.name = "litellm:" + p.Metadata.KeyAlias
		}
	}
	v.kind = kindOf(p.CallType)
	v.input, v.output = input(e), output(p)
	v.user, v.session = cmp.Or(v.said.text("trace_user_id"), p.EndUser), cmp.Or(v.said.text("session_id"), e.Session)
	v.tags = s.tags(e, v.said)
	v.environment = cmp.Or(v.said.text("trace_environment"), s.environment)
	v.release = cmp.Or(v.said.text("trace_release"), s.release)
	v.version = cmp.Or(v.said.text("version"), v.said.text("trace_version"))
	v.readPrompt()
	if e.Failed() {
		v.level, v.message = "ERROR", "failed"
		if p.ErrorStr != nil {
			v.message = *p.ErrorStr
		}
	}
	v.usage, v.cost = usageOf(p), costOf(p)
	v.fillMetadata()
	return v
}

// place decides where the call stands: in a trace of its own, or in one that the caller names.
func (v *view) place() {
	v.root, v.parent = v.ids.Root, v.ids.Parent
	if v.shape.ignoreParent && v.parent != nil {
		v.parent = nil
		v.ids.Trace = otlp.TraceID(v.e.Payload.CallID)
	}
	if id := v.said.text("generation_id"); id != "" {
		v.root = otlp.SpanID(id)
	}
	existing := v.said.text("existing_trace_id")
	if v.traceID = cmp.Or(existing, v.said.text("trace_id")); v.traceID != "" {
		v.ids.Trace, v.parent = otlp.TraceID(v.traceID), nil
	}
	if id := v.said.text("parent_observation_id"); id != "" {
		v.parent = otlp.SpanID(id)
	}
	v.ids.Root = v.root
	if existing != "" {
		v.updates = map[string]bool{}
		for _, key := range v.said.list("update_trace_keys") {
			v.updates[key] = true
		}
	}
}

// tells reports whether something is told of the trace.
func (v *view) tells(key string) bool { return v.updates == nil || v.updates[key] }

// kindOf is the type of the observation.
func kindOf(callType string) string {
	switch {
	case strings.Contains(callType, "embedding"):
		return "embedding"
	case strings.Contains(callType, "rerank"):
		return "retriever"
	}
	return "generation"
}

// input is what was asked, with the tools.
func input(e *callback.Event) string {
	if len(e.Payload.Messages) == 0 || string(e.Payload.Messages) == "null" {
		return ""
	}
	out := append([]byte(`{"messages":`), e.Payload.Messages...)
	if len(e.Tools) > 0 {
		out = append(append(out, `,"tools":`...), e.Tools...)
	}
	return string(append(out, '}'))
}

// output is the message of the first choice. Vectors are not told.
func output(p *callback.Payload) string {
	var answer struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
			Text    json.RawMessage `json:"text"`
		} `json:"choices"`
		Text    json.RawMessage `json:"text"` // of a shape that nobody knows, redacted
		Results json.RawMessage `json:"results"`
	}
	if json.Unmarshal(p.Response, &answer) != nil {
		return ""
	}
	switch {
	case len(answer.Choices) > 0 && len(answer.Choices[0].Message) > 0:
		return string(answer.Choices[0].Message)
	case len(answer.Choices) > 0:
		return string(answer.Choices[0].Text)
	case len(answer.Results) > 0:
		return string(answer.Results)
	}
	return string(answer.Text)
}

// readPrompt reads which of Langfuse's prompts was used.
func (v *view) readPrompt() {
	prompt := v.said.object("prompt")
	name, _ := prompt["name"].(string)
	version, _ := prompt["version"].(float64)
	if version == 0 && v.shape.promptVersion != "" {
		_ = json.Unmarshal([]byte(v.shape.promptVersion), &version) // no number: none
	}
	if name != "" && version >= 1 && version == math.Trunc(version) && version < 1<<31 { // both or none
		v.prompt, v.promptVersion = name, int64(version)
	}
}

// usageOf splits the tokens into parts that share none, as Langfuse adds them up; nil where nobody has counted them.
func usageOf(p *callback.Payload) map[string]int64 {
	var u struct {
		Details struct {
			Cached  int64 `json:"cached_tokens"`
			Written int64 `json:"cache_creation_tokens"`
		} `json:"prompt_tokens_details"`
	}
	if p.TotalTokens == 0 || json.Unmarshal(p.Metadata.Usage, &u) != nil {
		return nil
	}
	prompt := int64(p.PromptTokens)
	cached := min(u.Details.Cached, prompt)
	written := min(u.Details.Written, prompt-cached)
	out := map[string]int64{"input": prompt - cached - written, "output": int64(p.CompletionTokens), "total": int64(p.TotalTokens)}
	if cached > 0 {
		out["cache_read_input_tokens"] = cached
	}
	if written > 0 {
		out["cache_creation_input_tokens"] = written
	}
	return out
}

// costOf is what the call has cost, in dollars; nil where that is not known.
func costOf(p *callback.Payload) map[string]float64 {
	if p.CostBreakdown == nil {
		return nil
	}
	out := map[string]float64{"total": p.ResponseCost}
	if b := p.CostBreakdown; b.Input+b.Output > 0 {
		out["input"], out["output"] = b.Input, b.Output
	}
	return out
}

// fillMetadata collects what else there is to know, with LiteLLM's names.
func (v *view) fillMetadata() {
	p, m := &v.e.Payload, &v.e.Payload.Metadata
	v.traceMetadata = v.said.object("trace_metadata")
	if v.traceMetadata == nil {
		v.traceMetadata = map[string]any{}
	}
	placed := append(slices.Clone(names), "trace_id")
	for name, value := range v.said.values {
		if own, ok := strings.CutPrefix(name, "trace_"); ok && !slices.Contains(placed, name) {
			v.traceMetadata[own] = value
		}
	}
	if v.traceID != "" {
		v.traceMetadata["trace_id"] = v.traceID // as the caller wrote it: Langfuse's is 32 hex digits
	}
	v.metadata = map[string]any{
		"litellm_call_id": p.CallID, "litellm_response_cost": p.ResponseCost, "cache_hit": p.CacheHit, "api_base": p.APIBase, "provider": p.Provider,
		"model_group": p.ModelGroup, "model_id": p.ModelID, "call_type": p.CallType, "user_api_key_hash": m.KeyHash, "user_api_key_alias": m.KeyAlias,
		"user_api_key_user_id": m.UserID, "user_api_key_team_id": m.TeamID, "user_api_key_team_alias": m.TeamAlias, "user_api_key_org_id": m.OrgID,
		"response_id": p.ID, "http_status": v.e.HTTPStatus, "attempts": v.e.Attempts,
	}
	if len(v.said.rest) > 0 {
		v.metadata["requester_metadata"] = v.said.rest
	}
	if len(m.SpendLogs) > 0 && string(m.SpendLogs) != "null" {
		v.metadata["spend_logs_metadata"] = m.SpendLogs
	}
	v.metadata["hidden_params"] = p.HiddenParams
	for name, value := range v.metadata {
		if value == "" {
			delete(v.metadata, name)
		}
	}
}

// at is a time of LiteLLM's, in seconds.
func at(seconds float64) time.Time { return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC() }

// streamed reports whether the time of the first token is known.
func streamed(p *callback.Payload) bool {
	return p.Stream && p.CompletionStartTime > p.StartTime && p.CompletionStartTime < p.EndTime
}
