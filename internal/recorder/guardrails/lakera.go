package guardrails

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
)

// What the servers find. They are small on purpose: a test says what is to be found by saying it.
var (
	mailAddress = regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)
	cardNumber  = regexp.MustCompile(`\b\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}\b`)
	attack      = regexp.MustCompile(`(?i)ignore (?:all )?(?:previous|prior) instructions`)
	violence    = regexp.MustCompile(`(?i)\bi (?:will|want to) kill\b`)
)

type lakeraMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

var lakeraRoles = []string{"user", "assistant", "system", "tool", "developer"}

// NewLakera plays Lakera Guard, the newer interface (/v2/guard) and the older one (/v1/prompt_injection), for one key.
func NewLakera(key string) *Server {
	return &Server{vendor: "Lakera", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"error": map[string]any{"code": status, "message": wrong}}}
		}
		switch {
		case r.Method != http.MethodPost:
			return refuse(http.StatusMethodNotAllowed, "the method is "+r.Method)
		case r.Header.Get("Authorization") != "Bearer "+key:
			return refuse(http.StatusUnauthorized, "the key is missing or wrong")
		case !isJSON(r):
			return refuse(http.StatusUnsupportedMediaType, "the content type is not JSON")
		case r.URL.Path == "/v2/guard":
			return lakeraV2(body, refuse)
		case r.URL.Path == "/v1/prompt_injection":
			return lakeraV1(body, refuse)
		}
		return refuse(http.StatusNotFound, "there is no "+r.URL.Path)
	}}
}

// Lakera starts it for a test.
func Lakera(t testing.TB, key string) *Server { return start(t, NewLakera(key)) }

func lakeraV2(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Messages  []lakeraMessage `json:"messages"`
		Project   string          `json:"project_id"`
		Payload   bool            `json:"payload"`
		Breakdown bool            `json:"breakdown"`
		Metadata  map[string]any  `json:"metadata"`
		DevInfo   bool            `json:"dev_info"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if len(q.Messages) == 0 {
		return refuse(http.StatusBadRequest, "messages is empty")
	}
	flagged := false
	payload, breakdown := []map[string]any{}, []map[string]any{}
	for i, m := range q.Messages {
		if !slices.Contains(lakeraRoles, m.Role) {
			return refuse(http.StatusBadRequest, fmt.Sprintf("messages[%d].role %q is not known", i, m.Role))
		}
		for _, d := range []struct {
			kind    string
			pattern *regexp.Regexp
		}{
			{"prompt_attack", attack}, {"moderated_content/violence", violence}, {"pii/email", mailAddress}, {"pii/credit_card", cardNumber},
		} {
			places := d.pattern.FindAllStringIndex(m.Content, -1)
			flagged = flagged || len(places) > 0
			breakdown = append(breakdown, map[string]any{
				"project_id": "project-1", "policy_id": "policy-1", "detector_id": "detector-" + d.kind, "detector_type": d.kind, "detected": len(places) > 0, "message_id": i,
			})
			for _, at := range places {
				payload = append(payload, map[string]any{
					"start": charsBefore(m.Content, at[0]), "end": charsBefore(m.Content, at[1]), "text": m.Content[at[0]:at[1]], "detector_type": d.kind, "labels": []string{}, "message_id": i,
				})
			}
		}
	}
	out := map[string]any{"flagged": flagged, "metadata": map[string]any{"request_uuid": "c5a7f1f2-0000-4000-8000-000000000001"}}
	if q.Payload {
		out["payload"] = payload
	}
	if q.Breakdown {
		out["breakdown"] = breakdown
	}
	if q.DevInfo {
		out["dev_info"] = map[string]any{"git_revision": "0123abc", "git_timestamp": "2026-10-01T00:00:00+00:00", "model_version": "lakera-guard-1", "version": "2.0.0"}
	}
	return ok(out)
}

func lakeraV1(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Input any `json:"input"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	text := ""
	switch input := q.Input.(type) {
	case string:
		text = input
	case []any:
		for _, e := range input {
			m, _ := e.(map[string]any)
			content, isText := m["content"].(string)
			if role, _ := m["role"].(string); !isText || !slices.Contains([]string{"user", "assistant", "system"}, role) {
				return refuse(http.StatusBadRequest, "input holds a message without a known role and a text")
			}
			text += content + "\n"
		}
	}
	if text == "" {
		return refuse(http.StatusBadRequest, "input is empty")
	}
	score := 0.02
	if attack.MatchString(text) {
		score = 0.97
	}
	return ok(map[string]any{
		"model": "lakera-guard-1",
		"results": []map[string]any{{
			"categories":      map[string]bool{"prompt_injection": score > 0.5, "jailbreak": false},
			"category_scores": map[string]float64{"prompt_injection": score, "jailbreak": 0.01},
			"flagged":         score > 0.5, "payload": map[string]any{},
		}},
		"dev_info": map[string]any{"git_revision": "0123abc", "git_timestamp": "2024-10-01T00:00:00+00:00"},
	})
}
