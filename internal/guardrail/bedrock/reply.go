package bedrock

import (
	"cmp"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

type reply struct {
	Action  string `json:"action"`
	Reason  string `json:"actionReason"`
	Outputs []struct {
		Text string `json:"text"`
	} `json:"outputs"`
	Output []struct {
		Text string `json:"text"`
	} `json:"output"` // the older name
	Assessments []map[string]any `json:"assessments"`
	Usage       map[string]any   `json:"usage"`
}

// blocked reports whether any policy's item, of a policy that is known here or not, was blocked.
func (r *reply) blocked() bool {
	found := false
	for _, a := range r.Assessments {
		visit(a, func(item map[string]any) {
			found = found || item["action"] == "BLOCKED"
		})
	}
	return found
}

// tally counts what policies found, by type or name.
func (r *reply) tally() *remote.Tally {
	var t remote.Tally
	for _, a := range r.Assessments {
		visit(a, func(item map[string]any) {
			action, ok := item["action"].(string)
			if !ok {
				return
			}
			done := map[string]guardrail.Action{"BLOCKED": guardrail.Block, "ANONYMIZED": guardrail.Mask}[action]
			if done == "" {
				done = guardrail.Allow
			}
			kind, _ := item["type"].(string)
			if name, named := item["name"].(string); named && (kind == "" || kind == "DENY") {
				kind = name
			}
			score, _ := item["score"].(float64)
			t.Add(cmp.Or(kind, "CUSTOM_WORD"), done, score)
		})
	}
	return &t
}

// visit calls each with every object inside a value, the value included.
func visit(value any, each func(map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		each(v)
		for _, inner := range v {
			visit(inner, each)
		}
	case []any:
		for _, inner := range v {
			visit(inner, each)
		}
	}
}

// redacted is the reply for callbacks: without outputs, and without what was found.
func (r *reply) redacted() map[string]any {
	list := make([]any, len(r.Assessments))
	for i, a := range r.Assessments {
		list[i] = redact(a)
	}
	return map[string]any{"action": r.Action, "assessments": list, "usage": r.Usage}
}

func redact(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			if name == "match" {
				inner = "[REDACTED]"
			}
			out[name] = redact(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = redact(v[i])
		}
		return out
	}
	return value
}
