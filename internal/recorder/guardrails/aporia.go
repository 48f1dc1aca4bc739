package guardrails

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// NewAporia plays Aporia's project at /PROJECT/validate for one key. "please block" is blocked, a mail address rephrased away,
// "please modify" modified.
func NewAporia(project, key string) *Server {
	return &Server{vendor: "Aporia", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"message": wrong}}
		}
		switch {
		case r.URL.Path != "/"+project+"/validate":
			return refuse(http.StatusNotFound, "there is no "+r.URL.Path)
		case r.Method != http.MethodPost:
			return refuse(http.StatusMethodNotAllowed, "the method is "+r.Method)
		case r.Header.Get("X-Aporia-Api-Key") != key:
			return refuse(http.StatusUnauthorized, "the key is missing or wrong")
		case r.Header.Get("Authorization") != "":
			return refuse(http.StatusUnauthorized, "Authorization is not Aporia's header")
		case !isJSON(r):
			return refuse(http.StatusUnsupportedMediaType, "the content type is not JSON")
		}
		return aporiaValidate(body, refuse)
	}}
}

// Aporia starts it for a test.
func Aporia(t testing.TB, project, key string) *Server { return start(t, NewAporia(project, key)) }

func aporiaValidate(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Messages []lakeraMessage `json:"messages"`
		Response *string         `json:"response"`
		Target   string          `json:"validation_target"`
		Explain  bool            `json:"explain"`
		Session  string          `json:"session_id"`
		User     string          `json:"user"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusUnprocessableEntity, err.Error())
	}
	for i, m := range q.Messages {
		if !slices.Contains([]string{"user", "assistant", "system", "other"}, m.Role) {
			return refuse(http.StatusUnprocessableEntity, fmt.Sprintf("messages[%d].role %q is not known", i, m.Role))
		}
	}
	text := ""
	switch {
	case !slices.Contains([]string{"prompt", "response", "both"}, q.Target):
		return refuse(http.StatusUnprocessableEntity, "validation_target is none of prompt, response and both")
	case q.Target != "prompt" && q.Response == nil:
		return refuse(http.StatusUnprocessableEntity, "response is missing")
	case q.Target != "response" && len(q.Messages) == 0:
		return refuse(http.StatusUnprocessableEntity, "messages is empty")
	case q.Target == "prompt":
		for _, m := range q.Messages {
			if m.Role == "user" {
				text = m.Content
			}
		}
	default:
		text = *q.Response
	}
	out := map[string]any{"action": "passthrough", "revised_response": nil, "revised_prompt": nil, "explain_log": nil, "policy_execution_result": nil}
	revised := "revised_response"
	if q.Target == "prompt" {
		revised = "revised_prompt"
	}
	switch lower := strings.ToLower(text); {
	case strings.Contains(lower, "please block"):
		out["action"], out[revised] = "block", "This cannot be answered."
		out["explain_log"] = []any{map[string]any{"policy_id": "p-1", "target": q.Target, "result": map[string]any{"issue_detected": true, "confidence": 0.9}, "details": text}}
	case strings.Contains(lower, "please modify"):
		out["action"], out[revised] = "modify", text+" [checked]"
	case mailAddress.MatchString(text):
		out["action"], out[revised] = "rephrase", mailAddress.ReplaceAllString(text, "<EMAIL>")
	}
	return ok(out)
}
