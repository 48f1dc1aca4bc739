package guardrails

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// presidioPatterns are the entities that the analyzer's double knows.
var presidioPatterns = []struct {
	entity  string
	pattern *regexp.Regexp
	score   float64
}{
	{"CREDIT_CARD", cardNumber, 1},
	{"EMAIL_ADDRESS", mailAddress, 1},
	{"PERSON", regexp.MustCompile(`\b(?:Ada Lovelace|Alan Turing|José García)\b`), 0.85},
	{"PHONE_NUMBER", regexp.MustCompile(`\+\d{2} \d{3} \d{6,8}`), 0.75},
	{"US_SSN", regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`), 0.5},
}

// NewPresidio plays Presidio's analyzer and anonymizer at one address; their paths do not meet.
func NewPresidio() *Server {
	return &Server{vendor: "Presidio", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, wrong string) reply {
			return reply{status: status, wrong: wrong, body: map[string]any{"error": wrong}}
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /health":
			return ok("Presidio Analyzer service is up")
		case "POST /analyze", "POST /anonymize":
			if !isJSON(r) {
				return refuse(http.StatusUnsupportedMediaType, "the content type is not JSON")
			}
			if r.URL.Path == "/analyze" {
				return presidioAnalyze(body, refuse)
			}
			return presidioAnonymize(body, refuse)
		}
		return refuse(http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path)
	}}
}

// Presidio starts it for a test.
func Presidio(t testing.TB) *Server { return start(t, NewPresidio()) }

type adHoc struct {
	Name     string `json:"name"`
	Language string `json:"supported_language"`
	Entity   string `json:"supported_entity"`
	Patterns []struct {
		Name  string  `json:"name"`
		Regex string  `json:"regex"`
		Score float64 `json:"score"`
	} `json:"patterns"`
	DenyList []string `json:"deny_list"`
	Context  []string `json:"context"`
}

type presidioFound struct {
	Start       int     `json:"start"`
	End         int     `json:"end"`
	Score       float64 `json:"score"`
	Entity      string  `json:"entity_type"`
	Explanation any     `json:"analysis_explanation"`
}

func presidioAnalyze(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Text           *string  `json:"text"`
		Language       string   `json:"language"`
		Entities       []string `json:"entities"`
		Threshold      float64  `json:"score_threshold"`
		CorrelationID  string   `json:"correlation_id"`
		Decision       bool     `json:"return_decision_process"`
		AdHoc          []adHoc  `json:"ad_hoc_recognizers"`
		Context        []string `json:"context"`
		AllowList      []string `json:"allow_list"`
		AllowListMatch string   `json:"allow_list_match"`
		RegexFlags     int      `json:"regex_flags"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	switch {
	case q.Text == nil || *q.Text == "":
		return refuse(http.StatusInternalServerError, "No text provided")
	case q.Language == "":
		return refuse(http.StatusInternalServerError, "No language provided")
	case q.Language != "en" && q.Language != "de":
		return refuse(http.StatusInternalServerError, "No matching recognizers were found to serve the request.")
	}
	out := []presidioFound{}
	add := func(entity string, pattern *regexp.Regexp, score float64) {
		if len(q.Entities) > 0 && !slices.Contains(q.Entities, entity) || score < q.Threshold {
			return
		}
		for _, at := range pattern.FindAllStringIndex(*q.Text, -1) {
			out = append(out, presidioFound{Start: charsBefore(*q.Text, at[0]), End: charsBefore(*q.Text, at[1]), Score: score, Entity: entity})
		}
	}
	for _, p := range presidioPatterns {
		add(p.entity, p.pattern, p.score)
	}
	for _, a := range q.AdHoc {
		for _, p := range a.Patterns {
			pattern, err := regexp.Compile(p.Regex)
			if err != nil || a.Language != q.Language {
				return refuse(http.StatusInternalServerError, "an ad-hoc recognizer cannot be used")
			}
			add(a.Entity, pattern, p.Score)
		}
	}
	slices.SortStableFunc(out, func(a, b presidioFound) int { return a.Start - b.Start })
	return ok(out)
}

func presidioAnonymize(body []byte, refuse func(int, string) reply) reply {
	var q struct {
		Text        string                    `json:"text"`
		Results     []presidioFound           `json:"analyzer_results"`
		Anonymizers map[string]map[string]any `json:"anonymizers"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	if q.Text == "" {
		return refuse(http.StatusUnprocessableEntity, "Invalid input, text can not be empty")
	}
	text := []rune(q.Text)
	slices.SortStableFunc(q.Results, func(a, b presidioFound) int { return b.Start - a.Start })
	before := len(text)
	items := []map[string]any{}
	for _, f := range q.Results {
		if f.Start < 0 || f.End <= f.Start || f.End > len(text) {
			return refuse(http.StatusUnprocessableEntity, fmt.Sprintf("Invalid analyzer result, start: %d and end: %d, while text length is only %d.", f.Start, f.End, len(text)))
		}
		if f.End > before {
			continue // the real one resolves conflicts; the double keeps the last
		}
		mask := "<" + strings.ToUpper(f.Entity) + ">"
		text = slices.Concat(text[:f.Start:f.Start], []rune(mask), text[f.End:])
		items = append(items, map[string]any{"operator": "replace", "entity_type": f.Entity, "start": f.Start, "end": f.Start + len([]rune(mask)), "text": mask})
		before = f.Start
	}
	return ok(map[string]any{"text": string(text), "items": items})
}
