package ocisim

import (
	"fmt"
	"slices"
	"strings"
)

// refuseGeneric applies what each vendor's models refuse in a GENERIC request.
func refuseGeneric(m *Model, q *genericRequest, v Variants) error {
	if err := refuseHistory(q.Messages); err != nil {
		return err
	}
	if c := q.ToolChoice; c != nil && c.Type == "FUNCTION" && !slices.ContainsFunc(q.Tools, func(t genericTool) bool { return t.Name == c.Name }) {
		return badParameter("toolChoice names %q, which is not among the tools", c.Name)
	}
	switch m.vendor() {
	case "openai":
		return refuseOpenAI(m, q, v)
	case "meta":
		if q.MaxCompletionTokens != nil {
			return plainRejection("maxCompletionTokens is not supported by this model, use maxTokens")
		}
	case "xai":
		return refuseXAI(m, q)
	case "google":
		return refuseGoogle(q)
	}
	return nil
}

// refuseHistory checks that a conversation has messages and that every tool result answers a call of the assistant
// message before it.
func refuseHistory(messages []genericMessage) error {
	if len(messages) == 0 {
		return badParameter("messages must not be empty")
	}
	calls := make(map[string]bool)
	for _, m := range messages {
		switch m.Role {
		case "ASSISTANT":
			clear(calls)
			for _, c := range m.ToolCalls {
				calls[c.ID] = true
			}
		case "TOOL":
			if !calls[m.ToolCallID] {
				return plainRejection("toolCallId of %s not found in toolCalls of previous message", m.ToolCallID)
			}
		}
	}
	return nil
}

// camelToSnake names the parameters for the variant that reports them as OpenAI does.
var camelToSnake = map[string]string{
	"maxTokens": "max_tokens", "maxCompletionTokens": "max_completion_tokens", "topP": "top_p",
	"frequencyPenalty": "frequency_penalty", "presencePenalty": "presence_penalty",
}

func paramName(camel string, v Variants) string {
	if snake, ok := camelToSnake[camel]; ok && v.SnakeParams {
		return snake
	}
	return camel
}

func refuseOpenAI(m *Model, q *genericRequest, v Variants) error {
	for _, message := range q.Messages {
		for _, part := range message.Content {
			if part.Type != "TEXT" && part.Type != "IMAGE" {
				return openAIRejection("messages", "invalid_value", "Content parts of type "+part.Type+" are not supported by this model")
			}
		}
	}
	if !m.isOpenAIReasoning() {
		return nil
	}
	if q.MaxTokens != nil {
		return unsupportedMaxTokens(paramName("maxTokens", v), paramName("maxCompletionTokens", v))
	}
	return refuseSampling(m, v, sampling{q.Temperature, q.TopP, q.FrequencyPenalty, q.PresencePenalty})
}

// sampling holds the parameters that reasoning models want left alone.
type sampling struct {
	temperature, topP, frequencyPenalty, presencePenalty *float64
}

// refuseSampling refuses values other than the default on the first gpt-5 generation and the o series.
func refuseSampling(m *Model, v Variants, s sampling) error {
	legacy := m.ID == "openai.gpt-5" || strings.HasPrefix(m.ID, "openai.gpt-5-") || strings.HasPrefix(m.ID, "openai.o")
	if !legacy {
		return nil
	}
	for _, p := range []struct {
		name  string
		value *float64
		only  float64
	}{
		{"temperature", s.temperature, 1}, {"topP", s.topP, 1},
		{"frequencyPenalty", s.frequencyPenalty, 0}, {"presencePenalty", s.presencePenalty, 0},
	} {
		if p.value != nil && *p.value != p.only {
			name := paramName(p.name, v)
			return openAIRejection(name, "unsupported_value", fmt.Sprintf(
				"Unsupported value: '%s' does not support %g with this model. Only the default (%g) value is supported.", name, *p.value, p.only))
		}
	}
	return nil
}

func unsupportedMaxTokens(used, wanted string) *serviceError {
	return openAIRejection(used, "unsupported_parameter", fmt.Sprintf(
		"Unsupported parameter: '%s' is not supported with this model. Use '%s' instead.", used, wanted))
}

// refuseXAI applies xAI's strict schemas and the parameters that the grok-4 class does not know.
func refuseXAI(m *Model, q *genericRequest) error {
	for _, t := range q.Tools {
		if !isObjectSchema(t.Parameters) {
			return xaiRejection("Invalid request content: Invalid function schema.")
		}
	}
	refused := func(name string) error {
		return xaiRejection("Argument not supported on this model: " + name)
	}
	if strings.HasPrefix(m.ID, "xai.grok-4") && !strings.Contains(m.ID, "non-reasoning") {
		switch {
		case len(q.Stop) > 0:
			return refused("stop")
		case q.PresencePenalty != nil:
			return refused("presencePenalty")
		case q.FrequencyPenalty != nil:
			return refused("frequencyPenalty")
		}
	}
	if q.ReasoningEffort != "" && !slices.Contains(xaiEfforts(m), q.ReasoningEffort) {
		return refused("reasoningEffort")
	}
	return nil
}

// isObjectSchema reports whether a tool schema is what xAI calls valid: an object with its properties.
func isObjectSchema(schema map[string]any) bool {
	_, props := schema["properties"].(map[string]any)
	return schema["type"] == "object" && props
}

// xaiEfforts lists the reasoning efforts that a Grok takes.
func xaiEfforts(m *Model) []string {
	switch {
	case strings.HasPrefix(m.ID, "xai.grok-3-mini"):
		return []string{"LOW", "HIGH"}
	case m.ID == "xai.grok-4.3", m.ID == "xai.grok-4.6":
		return []string{"NONE", "LOW", "MEDIUM", "HIGH"}
	}
	return nil
}

// refuseGoogle applies the limits of the translation to Gemini.
func refuseGoogle(q *genericRequest) error {
	for i, m := range q.Messages {
		if len(m.ToolCalls) == 0 {
			continue
		}
		if !slices.ContainsFunc(m.Content, func(p genericPart) bool { return p.Text != "" }) {
			return internalError() // the translator does not survive an empty text beside calls
		}
		results := 0
		for _, after := range q.Messages[i+1:] {
			if after.Role != "TOOL" {
				break
			}
			results++
		}
		if len(m.ToolCalls) > 1 || results > 1 {
			return googleRejection("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
	}
	for _, t := range q.Tools {
		if why := googleSchemaFault(t.Parameters); why != "" {
			return googleRejection("Invalid schema of function " + t.Name + ": " + why)
		}
	}
	if q.ResponseFormat != nil {
		if why := googleSchemaFault(q.ResponseFormat.JSONSchema.Schema); why != "" {
			return googleRejection("Invalid response schema: " + why)
		}
	}
	return nil
}

// googleSchemaFault finds what Gemini's schemas cannot express. It walks schemas, not data: a property may be called
// "$ref" or "anyOf".
func googleSchemaFault(schema map[string]any) string {
	for _, key := range []string{"$ref", "$defs", "anyOf", "exclusiveMinimum", "exclusiveMaximum"} {
		if _, ok := schema[key]; ok {
			return "unknown name \"" + key + "\""
		}
	}
	items, hasItems := schema["items"].(map[string]any)
	if kind, _ := schema["type"].(string); strings.EqualFold(kind, "array") && !hasItems {
		return "missing field \"items\""
	}
	children := []map[string]any{items}
	props, _ := schema["properties"].(map[string]any)
	for _, p := range props {
		if child, ok := p.(map[string]any); ok {
			children = append(children, child)
		}
	}
	for _, child := range children {
		if child == nil {
			continue
		}
		if why := googleSchemaFault(child); why != "" {
			return why
		}
	}
	return ""
}
