// Package openai is the vocabulary of the OpenAI API as callers of the gateway and its providers share it:
// requests held as bytes with a scanned top level, replies and stream chunks as JSON text, and the typed tree
// of a chat request for those who must translate it.
package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"tollgate/internal/jsonscan"
)

// Operation is what a caller asks for. Its text is LiteLLM's name of the route, which error messages carry.
type Operation string

// The operations of the model routes.
const (
	OpChat       Operation = "/chat/completions"
	OpCompletion Operation = "/completions"
	OpEmbedding  Operation = "/embeddings"
	OpRerank     Operation = "/rerank"
)

// Request is one call in OpenAI's shape. It is immutable once parsed and safe for concurrent reads, so that
// every attempt of a call, on whichever deployment, works from the same bytes.
type Request struct {
	Operation Operation
	Body      []byte            // the JSON object as the caller sent it
	Members   []jsonscan.Member // its top level; slices of Body
	Model     string            // the alias asked for; "" when the body has none
	Stream    bool
	// IncludeUsage is true when the caller asked for stream_options.include_usage. Providers ask their
	// upstream for usage always; this only decides whether the caller sees the chunk.
	IncludeUsage bool
	// Header are headers of the caller's that the operator lets through to the upstream; mostly nil. The provider's
	// own headers win.
	Header http.Header
}

// ParseError is a body that is JSON but not a request: Param names the field at fault ("" for the whole).
type ParseError struct {
	Param   string
	Message string
}

// Error gives the message alone.
func (e *ParseError) Error() string { return e.Message }

// ParseRequest scans body. It fails with a *jsonscan.SyntaxError (no JSON object) or a *ParseError (a
// member that admission needs has the wrong type).
func ParseRequest(op Operation, body []byte) (*Request, error) {
	members, err := jsonscan.Object(body, make([]jsonscan.Member, 0, 16))
	if err != nil {
		return nil, err
	}
	r := &Request{Operation: op, Body: body, Members: members}
	for _, m := range members {
		if miscased(m.Name) {
			return nil, &ParseError{Param: string(m.Name), Message: fmt.Sprintf("Unknown parameter %q: write it as 'model'.", m.Name)}
		}
	}
	if err := r.scalar("model", &r.Model, "a string"); err != nil {
		return nil, err
	}
	if err := r.scalar("stream", &r.Stream, "a boolean"); err != nil {
		return nil, err
	}
	var opts struct {
		IncludeUsage *bool `json:"include_usage"`
	}
	if err := r.scalar("stream_options", &opts, "an object with a boolean 'include_usage'"); err != nil {
		return nil, err
	}
	r.IncludeUsage = opts.IncludeUsage != nil && *opts.IncludeUsage
	return r, nil
}

// scalar decodes the member called name into v; an absent or null member leaves v as it is. What nearly every call
// has, a plain name and a boolean, is read without encoding/json.
func (r *Request) scalar(name string, v any, want string) error {
	raw, ok := jsonscan.Find(r.Members, name)
	if !ok {
		return nil
	}
	switch v := v.(type) {
	case *string:
		if len(raw) > 1 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
			*v = string(raw[1 : len(raw)-1])
			return nil
		}
	case *bool:
		if text := string(raw); text == "true" || text == "false" {
			*v = text == "true"
			return nil
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return &ParseError{Param: name, Message: fmt.Sprintf("Invalid type for '%s': expected %s.", name, want)}
	}
	return nil
}

// Get returns the JSON text of a top-level member. A null counts as absent.
func (r *Request) Get(name string) ([]byte, bool) {
	raw, ok := jsonscan.Find(r.Members, name)
	if !ok || string(raw) == "null" {
		return nil, false
	}
	return raw, true
}

// Decode unmarshals the whole body into v and turns a type error into a *ParseError that names the field.
func (r *Request) Decode(v any) error {
	err := json.Unmarshal(r.Body, v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return &ParseError{Param: wrong.Field, Message: fmt.Sprintf("Invalid type for '%s': got %s.", wrong.Field, wrong.Value)}
	}
	var parse *ParseError
	if errors.As(err, &parse) {
		return parse
	}
	return &ParseError{Message: err.Error()}
}

// miscased reports whether a name is "model" in another case. Some upstreams match names without case; one that
// admission would not see must not reach them.
func miscased(name []byte) bool {
	return string(name) != "model" && bytes.EqualFold(name, []byte("model"))
}

// With returns a copy of the request with some top-level members replaced or added.
func (r *Request) With(set []jsonscan.Field) (*Request, error) {
	if len(set) == 0 {
		same := *r
		return &same, nil
	}
	return ParseRequest(r.Operation, jsonscan.Splice(r.Body, r.Members, set, nil).Bytes())
}

// ExtraBody returns the members of extra_body, which callers use for fields that their client does not know.
func (r *Request) ExtraBody() ([]jsonscan.Field, error) {
	raw, ok := r.Get("extra_body")
	if !ok {
		return nil, nil
	}
	members, err := jsonscan.Object(raw, nil)
	if err != nil {
		return nil, &ParseError{Param: "extra_body", Message: "Invalid type for 'extra_body': expected an object."}
	}
	fields := make([]jsonscan.Field, 0, len(members))
	for _, m := range members {
		switch {
		case IsGatewayField(m.Name), string(m.Name) == "model", string(m.Name) == "stream":
		case miscased(m.Name):
			return nil, &ParseError{Param: "extra_body." + string(m.Name), Message: fmt.Sprintf("Unknown parameter %q: write it as 'model'.", m.Name)}
		default:
			fields = append(fields, jsonscan.Field{Name: string(m.Name), Value: m.Value})
		}
	}
	return fields, nil
}

// gatewayFields are the members that speak to the gateway and never go upstream
// (LiteLLM's body extras; source: BerriAI/litellm-docs, proxy user keys).
var gatewayFields = map[string]bool{
	"metadata": true, "litellm_metadata": true, "tags": true, "cache": true, "guardrails": true,
	"guardrail_config": true, "disable_global_guardrail": true, "disable_global_guardrails": true, "opted_out_global_guardrails": true,
	"fallbacks": true, "context_window_fallbacks": true, "content_policy_fallbacks": true, "max_fallbacks": true, "disable_fallbacks": true,
	"num_retries": true, "max_retries": true, "timeout": true, "request_timeout": true, "stream_timeout": true,
	"specific_deployment": true, "priority": true, "drop_params": true, "additional_drop_params": true, "allowed_openai_params": true,
	"extra_headers": true, "extra_body": true, "keepalive_seconds": true, "litellm_session_id": true, "litellm_trace_id": true, "litellm_call_id": true,
	"caching": true, "prompt_id": true, "prompt_variables": true, "mock_response": true, "mock_tool_calls": true, "mock_timeout": true, "mock_delay": true,
	"mock_testing_fallbacks": true, "mock_testing_context_fallbacks": true, "mock_testing_content_policy_fallbacks": true,
	"mock_testing_rate_limit_error": true, "no-log": true, "custom_llm_provider": true, "user_config": true, "fastest_response": true,
	"api_key": true, "api_base": true, "base_url": true, "api_version": true,
}

// IsGatewayField reports whether a top-level member speaks to the gateway alone and is never sent upstream.
func IsGatewayField(name []byte) bool { return gatewayFields[string(name)] }
