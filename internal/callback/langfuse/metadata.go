package langfuse

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/setting"
)

// said is what a caller says of its call to Langfuse: in the body's metadata, or in headers langfuse_<name>, which win
// (source: LiteLLM's documentation of its Langfuse callback).
type said struct {
	values map[string]any
	rest   map[string]any // metadata of the caller's own
}

// names are what Langfuse is told in its own places, and is no metadata.
var names = []string{
	"generation_name", "generation_id", "parent_observation_id", "version", "trace_id", "existing_trace_id", "update_trace_keys", "trace_name", "trace_user_id",
	"trace_version", "trace_release", "trace_metadata", "session_id", "tags", "prompt", "mask_input", "mask_output", "debug_langfuse", "log_raw_request",
	"spend_logs_metadata", "trace_environment",
}

// read takes what a caller has said out of an event.
func read(e *callback.Event) said {
	s := said{values: map[string]any{}, rest: map[string]any{}}
	var body map[string]any
	_ = json.Unmarshal(e.Payload.Metadata.Requester, &body) // an object, or nothing
	for name, value := range body {
		if slices.Contains(names, name) || strings.HasPrefix(name, "trace_") {
			s.values[name] = value
		} else {
			s.rest[name] = value
		}
	}
	for name, value := range e.Payload.Metadata.RequesterHeaders {
		if own, ok := strings.CutPrefix(name, "langfuse_"); ok {
			s.values[own] = value
		}
	}
	return s
}

// text is a value that is a text, or a number.
func (s said) text(name string) string {
	switch v := s.values[name].(type) {
	case string:
		return v
	case float64:
		text, _ := json.Marshal(v) // a number encodes
		return string(text)
	}
	return ""
}

// list is a value that is a list of texts: out of a header JSON, or with commas.
func (s said) list(name string) []string {
	v := s.values[name]
	if text, ok := v.(string); ok {
		if json.Unmarshal([]byte(text), &v) != nil {
			v = nil
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part != "" {
					v = append(asList(v), part)
				}
			}
		}
	}
	var out []string
	for _, one := range asList(v) {
		if text, ok := one.(string); ok && text != "" {
			out = append(out, text)
		}
	}
	return out
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// object is a value that is an object: out of a header JSON.
func (s said) object(name string) map[string]any {
	v := s.values[name]
	if text, ok := v.(string); ok {
		_ = json.Unmarshal([]byte(text), &v) // of another shape: nothing
	}
	object, _ := v.(map[string]any)
	return maps.Clone(object)
}

// shape is what an operator says of what Langfuse is told.
type shape struct {
	environment   string
	release       string
	promptVersion string
	defaultTags   []string
	proxyURL      string
	ignoreParent  bool
}

// defaultTags are the words of langfuse_default_tags.
var defaultTags = []string{
	"cache_hit", "cache_key", "proxy_base_url", "user_api_key_alias", "user_api_key_user_id", "user_api_key_user_email", "user_api_key_team_alias", "semantic-similarity",
}

func readShape(m *setting.Map) shape {
	s := shape{
		environment: environment(m), release: m.Text("langfuse_release", "LANGFUSE_RELEASE"), promptVersion: m.Text("langfuse_prompt_version"),
		defaultTags: m.Texts("langfuse_default_tags"), proxyURL: m.Getenv("PROXY_BASE_URL"), ignoreParent: strings.EqualFold(m.Getenv("OTEL_IGNORE_CONTEXT_PROPAGATION"), "true"),
	}
	for _, tag := range s.defaultTags {
		if !slices.Contains(defaultTags, tag) {
			m.Fault("langfuse_default_tags", "knows %s, not %s", strings.Join(defaultTags, ", "), tag)
		}
	}
	return s
}

// tags are the trace's: the call's own, and those that the operator wants on every trace.
func (s *shape) tags(e *callback.Event, caller said) []string {
	p, m := &e.Payload, &e.Payload.Metadata
	list := slices.Clone(p.RequestTags)
	for _, tag := range caller.list("tags") {
		if !slices.Contains(list, tag) {
			list = append(list, tag)
		}
	}
	for _, name := range s.defaultTags {
		value := ""
		switch name {
		case "cache_hit":
			value = "False"
			if p.CacheHit {
				value = "True"
			}
		case "cache_key":
			if p.CacheKey != nil {
				value = *p.CacheKey
			}
		case "proxy_base_url":
			value = s.proxyURL
		case "user_api_key_alias":
			value = m.KeyAlias
		case "user_api_key_user_id":
			value = m.UserID
		case "user_api_key_user_email":
			value = m.UserEmail
		case "user_api_key_team_alias":
			value = m.TeamAlias
		case "semantic-similarity":
			value = similarity(e)
		}
		if value != "" {
			list = append(list, name+":"+value)
		}
	}
	return list
}

// similarity is how near the question of a hit was, as text; "" without one.
func similarity(e *callback.Event) string {
	for i := range e.Steps {
		if v, ok := e.Steps[i].Attrs["similarity"]; ok {
			text, _ := json.Marshal(v) // a number
			return string(text)
		}
	}
	return ""
}
