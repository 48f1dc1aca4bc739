package guardrails

import (
	"fmt"
	"net/http"
	"testing"
)

// BedrockOptions says what Bedrock's double knows.
type BedrockOptions struct {
	Region, Guardrail, Version string
	Keys                       []Keys // that may sign
	Bearer                     string // a bearer token that is taken as well; "" = none
}

// NewBedrock plays ApplyGuardrail of one guardrail: "forbidden" is a blocked word, mail addresses are anonymized.
func NewBedrock(o BedrockOptions) *Server {
	return &Server{vendor: "Bedrock", answer: func(_ *Server, r *http.Request, body []byte) reply {
		refuse := func(status int, kind, wrong string) reply {
			return reply{status: status, wrong: kind + ": " + wrong, header: http.Header{"X-Amzn-Errortype": {kind + ":http://internal.amazon.com/coral/com.amazon.bedrock/"}}, body: map[string]any{"message": wrong}}
		}
		if r.Method != http.MethodPost {
			return refuse(http.StatusMethodNotAllowed, "UnknownOperationException", "the method is "+r.Method)
		}
		if o.Bearer == "" || r.Header.Get("Authorization") != "Bearer "+o.Bearer {
			find := func(key string) (Keys, bool) {
				for _, k := range o.Keys {
					if k.AccessKey == key {
						return k, true
					}
				}
				return Keys{}, false
			}
			if wrong := verifyAWS(r, body, find, o.Region, "bedrock"); wrong != "" {
				return refuse(http.StatusForbidden, "AccessDeniedException", wrong)
			}
		}
		switch {
		case r.URL.Path != "/guardrail/"+o.Guardrail+"/version/"+o.Version+"/apply":
			return refuse(http.StatusNotFound, "ResourceNotFoundException", "The guardrail identifier or version provided in the request does not exist.")
		case !isJSON(r):
			return refuse(http.StatusBadRequest, "ValidationException", "the content type is not JSON")
		}
		return bedrockApply(body, &o, refuse)
	}}
}

// Bedrock starts it for a test.
func Bedrock(t testing.TB, o BedrockOptions) *Server { return start(t, NewBedrock(o)) }

// bedrockLongest bounds a text, in characters.
const bedrockLongest = 25_000

func bedrockApply(body []byte, o *BedrockOptions, refuse func(int, string, string) reply) reply {
	var q struct {
		Source  string `json:"source"`
		Content []struct {
			Text *struct {
				Text       string   `json:"text"`
				Qualifiers []string `json:"qualifiers"`
			} `json:"text"`
		} `json:"content"`
		Scope string `json:"outputScope"`
	}
	if err := decode(body, &q); err != nil {
		return refuse(http.StatusBadRequest, "ValidationException", err.Error())
	}
	switch {
	case q.Source != "INPUT" && q.Source != "OUTPUT":
		return refuse(http.StatusBadRequest, "ValidationException", "source is neither INPUT nor OUTPUT")
	case len(q.Content) == 0:
		return refuse(http.StatusBadRequest, "ValidationException", "content is empty")
	}
	outputs, words, personal, total := []map[string]any{}, []map[string]any{}, []map[string]any{}, 0
	for i, c := range q.Content {
		if c.Text == nil || c.Text.Text == "" || len([]rune(c.Text.Text)) > bedrockLongest {
			return refuse(http.StatusBadRequest, "ValidationException", fmt.Sprintf("content[%d] has no text, or one that is too long", i))
		}
		text := c.Text.Text
		total += len([]rune(text))
		for _, match := range forbidden.FindAllString(text, -1) {
			words = append(words, map[string]any{"match": match, "action": "BLOCKED", "detected": true})
		}
		for _, match := range mailAddress.FindAllString(text, -1) {
			personal = append(personal, map[string]any{"type": "EMAIL", "match": match, "action": "ANONYMIZED", "detected": true})
		}
		outputs = append(outputs, map[string]any{"text": mailAddress.ReplaceAllString(text, "{EMAIL}")})
	}
	out := map[string]any{
		"action": "NONE", "actionReason": "No action.", "outputs": []any{}, "assessments": []any{},
		"usage":             map[string]any{"topicPolicyUnits": 0, "contentPolicyUnits": 0, "wordPolicyUnits": 1, "sensitiveInformationPolicyUnits": 1, "sensitiveInformationPolicyFreeUnits": 0, "contextualGroundingPolicyUnits": 0},
		"guardrailCoverage": map[string]any{"textCharacters": map[string]any{"guarded": total, "total": total}},
	}
	assessment := map[string]any{"appliedGuardrailDetails": map[string]any{"guardrailId": o.Guardrail, "guardrailVersion": o.Version}}
	if len(words) > 0 {
		assessment["wordPolicy"] = map[string]any{"customWords": words, "managedWordLists": []any{}}
	}
	if len(personal) > 0 {
		assessment["sensitiveInformationPolicy"] = map[string]any{"piiEntities": personal, "regexes": []any{}}
	}
	switch {
	case len(words) > 0:
		out["action"], out["actionReason"] = "GUARDRAIL_INTERVENED", "Guardrail blocked."
		out["outputs"] = []map[string]any{{"text": "Sorry, this cannot be answered."}}
	case len(personal) > 0:
		out["action"], out["actionReason"], out["outputs"] = "GUARDRAIL_INTERVENED", "Guardrail masked.", outputs
	}
	if len(words)+len(personal) > 0 {
		out["assessments"] = []any{assessment}
	}
	return ok(out)
}
