package guardrails

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var forbidden = regexp.MustCompile(`(?i)\bforbidden\b`)

// NewGeneric plays a service behind LiteLLM's vendor-neutral interface: "forbidden" is blocked, mail addresses are masked. key is
// a bearer token, "" where none is asked for.
func NewGeneric(key string) *Server {
	return &Server{vendor: "the generic guardrail", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"detail": wrong}}
		}
		switch {
		case r.URL.Path != "/beta/litellm_basic_guardrail_api":
			return refuse(http.StatusNotFound, "there is no "+r.URL.Path)
		case r.Method != http.MethodPost:
			return refuse(http.StatusMethodNotAllowed, "the method is "+r.Method)
		case key != "" && r.Header.Get("Authorization") != "Bearer "+key:
			return refuse(http.StatusUnauthorized, "the key is missing or wrong")
		case !isJSON(r):
			return refuse(http.StatusUnsupportedMediaType, "the content type is not JSON")
		}
		return genericCheck(body, refuse)
	}}
}

// Generic starts it for a test.
func Generic(t testing.TB, key string) *Server { return start(t, NewGeneric(key)) }

// genericToolCall is a tool call as OpenAI writes it.
type genericToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func genericCheck(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Texts     []string          `json:"texts"`
		Images    []string          `json:"images"`
		Tools     []map[string]any  `json:"tools"`
		ToolCalls []genericToolCall `json:"tool_calls"`
		Messages  []struct {
			Role      string            `json:"role"`
			Name      string            `json:"name"`
			Content   any               `json:"content"`
			ToolCalls []genericToolCall `json:"tool_calls"`
		} `json:"structured_messages"`
		Who struct {
			KeyHash   string `json:"user_api_key_hash"`
			KeyAlias  string `json:"user_api_key_alias"`
			UserID    string `json:"user_api_key_user_id"`
			UserEmail string `json:"user_api_key_user_email"`
			TeamID    string `json:"user_api_key_team_id"`
			TeamAlias string `json:"user_api_key_team_alias"`
			EndUser   string `json:"user_api_key_end_user_id"`
			OrgID     string `json:"user_api_key_org_id"`
		} `json:"request_data"`
		Headers    map[string]string `json:"request_headers"`
		Version    string            `json:"litellm_version"`
		InputType  string            `json:"input_type"`
		CallID     *string           `json:"litellm_call_id"`
		TraceID    *string           `json:"litellm_trace_id"`
		Additional map[string]any    `json:"additional_provider_specific_params"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	switch {
	case q.InputType != "request" && q.InputType != "response":
		return refuse(http.StatusUnprocessableEntity, "input_type is neither request nor response")
	case q.Texts == nil:
		return refuse(http.StatusUnprocessableEntity, "texts is missing")
	case strings.Contains(strings.ToLower(headersText(q.Headers)), "bearer "):
		return refuse(http.StatusUnprocessableEntity, "request_headers hold the caller's key")
	}
	for _, c := range q.ToolCalls {
		if !json.Valid([]byte(c.Function.Arguments)) || c.Type != "function" {
			return refuse(http.StatusUnprocessableEntity, "tool_calls are not OpenAI's")
		}
	}
	changed := false
	texts := make([]string, len(q.Texts))
	for i, text := range q.Texts {
		if forbidden.MatchString(text) {
			return ok(map[string]any{"action": "BLOCKED", "blocked_reason": "a forbidden word", "texts": nil, "images": nil})
		}
		texts[i] = mailAddress.ReplaceAllString(text, "[EMAIL]")
		changed = changed || texts[i] != text
	}
	if changed {
		return ok(map[string]any{"action": "GUARDRAIL_INTERVENED", "blocked_reason": nil, "texts": texts, "images": nil})
	}
	return ok(map[string]any{"action": "NONE", "blocked_reason": nil, "texts": nil, "images": nil})
}

func headersText(h map[string]string) string {
	var b strings.Builder
	for _, value := range h {
		b.WriteString(value + "\n")
	}
	return b.String()
}
