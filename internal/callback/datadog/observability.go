package datadog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

const (
	spanAgentPort = 8126
	// oldest is the age at which spans are refused.
	oldest = 24 * time.Hour
	// longestSpans bounds the spans of one request, in bytes, as the intake of logs has it.
	longestSpans = 4_900_000
)

// Observability sends each call as a span of LLM observability.
type Observability struct {
	*site
	to  post.Poster
	app string
	now func() time.Time
}

// OpenObservability reads the settings of the callback "datadog_llm_observability".
func OpenObservability(spec callback.Spec) (callback.Callback, error) {
	o := &Observability{site: readSite(spec, spanAgentPort, "LITELLM_DD_LLM_OBS_PORT"), now: time.Now}
	o.app = cmp.Or(spec.Settings.Text("ml_app", "DD_LLMOBS_ML_APP"), o.service)
	if strings.HasPrefix(o.name, "ddog-gov") {
		spec.Settings.Fault("dd_site", "has no LLM observability; use the callback datadog there")
	}
	o.to = o.poster(spec, "api", "/api/intake/llm-obs/v1/trace/spans")
	if err := spec.Settings.Err(); err != nil {
		return nil, err
	}
	return o, nil
}

// span is one call.
type span struct {
	Parent   string             `json:"parent_id"`
	Trace    string             `json:"trace_id"`
	ID       string             `json:"span_id"`
	Name     string             `json:"name"`
	Status   string             `json:"status"`
	Start    int64              `json:"start_ns"`
	Duration int64              `json:"duration"` // nanoseconds
	Tags     []string           `json:"tags"`
	Session  string             `json:"session_id,omitempty"`
	Meta     meta               `json:"meta"`
	Metrics  map[string]float64 `json:"metrics"`
}

type meta struct {
	Kind     string         `json:"kind"`
	Input    any            `json:"input"`
	Output   any            `json:"output"`
	Metadata map[string]any `json:"metadata"`
	Error    *problem       `json:"error,omitempty"`
	Model    string         `json:"model_name"`
	Provider string         `json:"model_provider"`
	Tools    []definition   `json:"tool_definitions,omitempty"`
}

type problem struct {
	Message string `json:"message"`
	Stack   string `json:"stack"`
	Type    string `json:"type"`
}

type definition struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
}

// Deliver implements callback.Callback.
func (o *Observability) Deliver(ctx context.Context, batch []*callback.Event) error {
	encode := func(e *callback.Event) ([]byte, error) {
		if o.now().Sub(time.UnixMicro(int64(e.Payload.StartTime*1e6))) > oldest {
			return nil, errors.New("spans older than 24 hours are not taken")
		}
		return json.Marshal(o.span(e))
	}
	return post.Batches(batch, encode, post.Limits{Bytes: longestSpans}, func(spans [][]byte) error { return o.send(ctx, post.Array(spans)) })
}

func (o *Observability) send(ctx context.Context, spans json.RawMessage) error {
	text, err := json.Marshal(map[string]any{"data": map[string]any{
		"type":       "span",
		"attributes": map[string]any{"ml_app": o.app, "tags": o.tags(nil), "spans": spans},
	}})
	if err != nil {
		return err
	}
	return o.to.Post(ctx, text)
}

// span is a call as Datadog shows it. A caller may say where it stands: metadata.parent_id, span_id, trace_id and name.
func (o *Observability) span(e *callback.Event) span {
	p := &e.Payload
	said := members(p.Metadata.Requester, "parent_id", "span_id", "trace_id", "name")
	s := span{
		Parent: cmp.Or(said[0], "undefined"), ID: cmp.Or(said[1], cmp.Or(e.Trace.Span, p.CallID)), Trace: cmp.Or(said[2], cmp.Or(e.Trace.ID, p.TraceID)), Name: cmp.Or(said[3], "litellm_llm_call"),
		Status: "ok", Start: int64(p.StartTime * 1e9), Duration: int64((p.EndTime - p.StartTime) * 1e9), Tags: o.tags(p), Session: e.Session,
		Metrics: metricsOf(p),
	}
	s.Meta = meta{
		Kind: "llm", Model: p.Model, Provider: p.Provider, Input: input(p), Output: output(p), Tools: definitions(e.Tools),
		Metadata: map[string]any{
			"id": p.ID, "call_type": p.CallType, "model_group": p.ModelGroup, "cache_hit": p.CacheHit, "stream": p.Stream, "response_cost": p.ResponseCost,
			"model_parameters": p.ModelParameters, "guardrail_information": p.Guardrails, "user_api_key_alias": p.Metadata.KeyAlias,
			"user_api_key_team_alias": p.Metadata.TeamAlias, "end_user": p.EndUser, "requester_metadata": p.Metadata.Requester,
		},
	}
	if strings.Contains(p.CallType, "embedding") {
		s.Meta.Kind = "embedding"
	}
	if strings.Contains(p.CallType, "rerank") {
		s.Meta.Kind = "retrieval"
	}
	if p.ErrorInformation != nil {
		s.Status, s.Meta.Error = "error", &problem{Message: p.ErrorInformation.Message, Type: p.ErrorInformation.Class}
	}
	return s
}

func metricsOf(p *callback.Payload) map[string]float64 {
	m := map[string]float64{
		"input_tokens": float64(p.PromptTokens), "output_tokens": float64(p.CompletionTokens), "total_tokens": float64(p.TotalTokens), "total_cost": p.ResponseCost,
	}
	if p.Stream {
		m["time_to_first_token"] = p.ResponseTime
		if n := p.CompletionTokens; n > 1 {
			m["time_per_output_token"] = (p.EndTime - p.CompletionStartTime) / float64(n-1)
		}
	}
	var usage struct {
		Prompt     map[string]float64 `json:"prompt_tokens_details"`
		Completion map[string]float64 `json:"completion_tokens_details"`
	}
	if json.Unmarshal(p.Metadata.Usage, &usage) == nil {
		read, written := usage.Prompt["cached_tokens"], usage.Prompt["cache_creation_tokens"]
		m["cache_read_input_tokens"], m["cache_write_input_tokens"] = read, written
		m["non_cached_input_tokens"] = max(float64(p.PromptTokens)-read-written, 0)
		m["reasoning_output_tokens"] = usage.Completion["reasoning_tokens"]
	}
	return m
}

// members are the texts of some members of an object, "" where there is none.
func members(object json.RawMessage, names ...string) []string {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(object, &all) // null mostly
	out := make([]string, len(names))
	for i, name := range names {
		_ = json.Unmarshal(all[name], &out[i]) // what is no text counts as absent
	}
	return out
}

// Ping sends a span that says that it is a test.
func (o *Observability) Ping(ctx context.Context) error {
	now := o.now()
	id := strconv.FormatInt(now.UnixNano(), 10)
	text, err := json.Marshal([]span{{
		Parent: "undefined", Trace: id, ID: id, Name: "tollgate check", Status: "ok", Start: now.UnixNano(), Duration: 1, Tags: o.tags(nil),
		Meta:    meta{Kind: "task", Input: map[string]string{"value": "check"}, Output: map[string]string{"value": "ok"}, Metadata: map[string]any{}},
		Metrics: map[string]float64{},
	}})
	if err != nil {
		return err
	}
	return o.send(ctx, text)
}
