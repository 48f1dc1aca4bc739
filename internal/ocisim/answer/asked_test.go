package answer_test

import (
	"encoding/json"
	"testing"

	"tollgate/internal/ocisim/answer"
)

const schemaInWords = "Respond with a JSON object matching this schema:\n\n```json\n" +
	`{"type": "object", "properties": {"city": {"type": "string"}, "visited": {"type": "boolean"}, "days": {"type": "integer"},
	"visa_required": {"type": "boolean"}}, "required": ["city", "visited", "days", "visa_required"]}` + "\n```\nNothing else."

func TestCompose_FollowsASchemaWrittenInWords(t *testing.T) {
	want := `{"city":"Oslo","days":3,"visa_required":false,"visited":true}`
	for name, messages := range map[string][]answer.Message{
		"of the user":   {{Role: answer.User, Text: "We were 3 days in Oslo.\n" + schemaInWords}},
		"of the system": {{Role: answer.System, Text: "Be exact. " + schemaInWords}, {Role: answer.User, Text: "We were 3 days in Oslo."}},
	} {
		if got := answer.Compose(answer.Prompt{Messages: messages}).Text; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestCompose_AnOldOrBrokenSchemaIsNotAsked(t *testing.T) {
	for name, messages := range map[string][]answer.Message{
		"answered before": {
			{Role: answer.User, Text: schemaInWords}, {Role: answer.Assistant, Text: "{}"},
			{Role: answer.User, Text: "What is the capital of Italy?"},
		},
		"cut off":       {{Role: answer.User, Text: schemaInWords[:120] + " What is the capital of Italy?"}},
		"not asked for": {{Role: answer.User, Text: `{"properties": {"a": {}}} What is the capital of Italy?`}},
	} {
		if got := answer.Compose(answer.Prompt{Messages: messages}).Text; json.Valid([]byte(got)) {
			t.Errorf("%s: %s, want words", name, got)
		}
	}
}

func TestCompose_AHurdleStandsOnlyWhereTheQuestionNamesIt(t *testing.T) {
	schema := map[string]any{
		"type": "object", "required": []any{"approval_required", "done"},
		"properties": map[string]any{"approval_required": map[string]any{"type": "boolean"}, "done": map[string]any{"type": "boolean"}},
	}
	for question, want := range map[string]string{
		"Restart the worker.":                   `{"approval_required":false,"done":true}`,
		"Restart the worker, with an approval.": `{"approval_required":true,"done":true}`,
	} {
		p := answer.Prompt{Messages: []answer.Message{{Role: answer.User, Text: question}}, Format: answer.JSONSchema, Schema: schema}
		if got := answer.Compose(p).Text; got != want {
			t.Errorf("%q: %s, want %s", question, got, want)
		}
	}
}
