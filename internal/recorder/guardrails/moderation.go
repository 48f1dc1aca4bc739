package guardrails

import (
	"net/http"
	"strings"
	"testing"
)

// moderationCategories are OpenAI's.
var moderationCategories = []string{
	"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent", "self-harm/instructions",
	"sexual", "sexual/minors", "violence", "violence/graphic",
}

// NewModeration plays OpenAI's moderation endpoint at /v1/moderations for one key.
func NewModeration(key string) *Server {
	return &Server{vendor: "OpenAI", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"error": map[string]any{"message": wrong, "type": "invalid_request_error", "param": nil, "code": nil}}}
		}
		switch {
		case r.URL.Path != "/v1/moderations":
			return refuse(http.StatusNotFound, "there is no "+r.URL.Path)
		case r.Method != http.MethodPost:
			return refuse(http.StatusMethodNotAllowed, "the method is "+r.Method)
		case r.Header.Get("Authorization") != "Bearer "+key:
			return refuse(http.StatusUnauthorized, "the key is missing or wrong")
		case !isJSON(r):
			return refuse(http.StatusBadRequest, "the content type is not JSON")
		}
		return moderate(body, refuse)
	}}
}

// Moderation starts it for a test.
func Moderation(t testing.TB, key string) *Server { return start(t, NewModeration(key)) }

func moderate(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Model string `json:"model"`
		Input any    `json:"input"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if q.Model == "" {
		q.Model = "omni-moderation-latest"
	}
	inputs, wrong := moderationInputs(q.Input, strings.HasPrefix(q.Model, "omni-"))
	if wrong != "" {
		return refuse(http.StatusBadRequest, wrong)
	}
	results := make([]map[string]any, len(inputs))
	for i, text := range inputs {
		violent := violence.MatchString(text)
		categories, scores, applied := map[string]bool{}, map[string]float64{}, map[string][]string{}
		for _, name := range moderationCategories {
			categories[name], scores[name], applied[name] = false, 0.0001, []string{"text"}
		}
		if violent {
			categories["violence"], scores["violence"] = true, 0.98
			categories["harassment/threatening"], scores["harassment/threatening"] = true, 0.61
		}
		results[i] = map[string]any{"flagged": violent, "categories": categories, "category_scores": scores, "category_applied_input_types": applied}
	}
	return ok(map[string]any{"id": "modr-1", "model": q.Model, "results": results})
}

// moderationInputs reads the three forms of input. A list of parts is one input, and holds one image at most.
func moderationInputs(input any, omni bool) (texts []string, wrong string) {
	switch v := input.(type) {
	case string:
		return []string{v}, ""
	case []any:
		if len(v) == 0 {
			return nil, "input is empty"
		}
		joined, images := "", 0
		for _, e := range v {
			switch e := e.(type) {
			case string:
				texts = append(texts, e)
			case map[string]any:
				switch e["type"] {
				case "text":
					text, _ := e["text"].(string)
					joined += text
				case "image_url":
					image, _ := e["image_url"].(map[string]any)
					url, _ := image["url"].(string)
					if images++; url == "" || images > 1 || !omni {
						return nil, "an image without an address, a second one, or a model that takes none"
					}
					if strings.Contains(url, "violent") {
						joined += " I will kill"
					}
				default:
					return nil, "a part of input has no known type"
				}
			default:
				return nil, "input holds something that is neither a text nor a part"
			}
		}
		if texts == nil {
			return []string{joined}, ""
		}
		return texts, ""
	}
	return nil, "input is neither a text nor a list"
}
