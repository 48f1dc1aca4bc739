package guardrails

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// azureLongest bounds a text, in characters.
const azureLongest = 10_000

// NewAzure plays Azure AI Content Safety (text:shieldPrompt, text:analyze) for one key.
func NewAzure(key string) *Server {
	return &Server{vendor: "Azure", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"error": map[string]any{"code": "InvalidRequest", "message": wrong}}}
		}
		switch {
		case r.Header.Get("Ocp-Apim-Subscription-Key") != key:
			return refuse(http.StatusUnauthorized, "Access denied due to invalid subscription key or wrong API endpoint.")
		case r.Method != http.MethodPost:
			return refuse(http.StatusMethodNotAllowed, "the method is "+r.Method)
		case r.URL.Query().Get("api-version") != "2024-09-01":
			return refuse(http.StatusBadRequest, "api-version is missing or not known")
		case !isJSON(r):
			return refuse(http.StatusUnsupportedMediaType, "the content type is not JSON")
		case r.URL.Path == "/contentsafety/text:shieldPrompt":
			return azureShield(body, refuse)
		case r.URL.Path == "/contentsafety/text:analyze":
			return azureAnalyze(body, refuse)
		}
		return refuse(http.StatusNotFound, "Resource not found")
	}}
}

// Azure starts it for a test.
func Azure(t testing.TB, key string) *Server { return start(t, NewAzure(key)) }

func azureShield(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Prompt    string   `json:"userPrompt"`
		Documents []string `json:"documents"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if q.Prompt == "" && len(q.Documents) == 0 || len([]rune(q.Prompt)) > azureLongest {
		return refuse(http.StatusBadRequest, "userPrompt is missing or too long")
	}
	return ok(map[string]any{"userPromptAnalysis": map[string]bool{"attackDetected": attack.MatchString(q.Prompt)}, "documentsAnalysis": []any{}})
}

func azureAnalyze(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Text       string   `json:"text"`
		Categories []string `json:"categories"`
		Blocklists []string `json:"blocklistNames"`
		Halt       bool     `json:"haltOnBlocklistHit"`
		Output     string   `json:"outputType"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if q.Text == "" || len([]rune(q.Text)) > azureLongest {
		return refuse(http.StatusBadRequest, "text is missing or too long")
	}
	analysis := []map[string]any{}
	for _, name := range q.Categories {
		if !slices.Contains([]string{"Hate", "Sexual", "SelfHarm", "Violence"}, name) {
			return refuse(http.StatusBadRequest, "a category is not known")
		}
		severity := 0
		if name == "Violence" && violence.MatchString(q.Text) {
			severity = 4
		}
		analysis = append(analysis, map[string]any{"category": name, "severity": severity})
	}
	matches := []map[string]any{}
	if slices.Contains(q.Blocklists, "words") && strings.Contains(q.Text, "forbidden") {
		matches = append(matches, map[string]any{"blocklistName": "words", "blocklistItemId": "1", "blocklistItemText": "forbidden"})
	}
	return ok(map[string]any{"categoriesAnalysis": analysis, "blocklistsMatch": matches})
}
