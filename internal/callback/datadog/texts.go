package datadog

import (
	"encoding/json"
	"strings"

	"tollgate/internal/callback"
)

// spoken is a message as LLM observability shows it.
type spoken struct {
	Role    string   `json:"role,omitempty"`
	Content string   `json:"content"`
	Calls   []called `json:"tool_calls,omitempty"`
	Results []result `json:"tool_results,omitempty"`
}

type called struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	ID        string          `json:"tool_id,omitempty"`
	Type      string          `json:"type,omitempty"`
}

type result struct {
	Name   string `json:"name,omitempty"`
	Result string `json:"result"`
	ID     string `json:"tool_id,omitempty"`
	Type   string `json:"type,omitempty"`
}

// message is OpenAI's, as far as it is shown.
type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Name    string          `json:"name"`
	CallID  string          `json:"tool_call_id"`
	Calls   []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func (m *message) spoken() spoken {
	s := spoken{Role: m.Role, Content: text(m.Content)}
	for _, c := range m.Calls {
		arguments := json.RawMessage(c.Function.Arguments)
		if len(arguments) == 0 || arguments[0] != '{' || !json.Valid(arguments) { // an object is what Datadog takes
			arguments, _ = json.Marshal(map[string]string{"value": c.Function.Arguments})
		}
		s.Calls = append(s.Calls, called{Name: c.Function.Name, Arguments: arguments, ID: c.ID, Type: c.Type})
	}
	if m.Role == "tool" {
		s.Results = []result{{Name: m.Name, Result: s.Content, ID: m.CallID, Type: "function"}}
	}
	return s
}

// text is a content as text: a string, or the texts of its parts.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return string(raw)
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Text != "" {
			b.WriteString(p.Text)
		} else {
			b.WriteString("[" + p.Type + "]")
		}
	}
	return b.String()
}

// input is what was asked: messages, or a value.
func input(p *callback.Payload) any {
	var list []message
	if json.Unmarshal(p.Messages, &list) == nil && len(list) > 0 && list[0].Role != "" {
		out := make([]spoken, len(list))
		for i := range list {
			out[i] = list[i].spoken()
		}
		return map[string]any{"messages": out}
	}
	if len(p.Messages) == 0 || string(p.Messages) == "null" {
		return map[string]any{"value": ""}
	}
	return map[string]any{"value": value(p.Messages)}
}

// output is what was answered: messages, or a value.
func output(p *callback.Payload) any {
	var answer struct {
		Choices []struct {
			Message *message `json:"message"`
			Text    string   `json:"text"`
		} `json:"choices"`
	}
	if json.Unmarshal(p.Response, &answer) == nil && len(answer.Choices) > 0 {
		out := make([]spoken, len(answer.Choices))
		for i, c := range answer.Choices {
			out[i] = spoken{Role: "assistant", Content: c.Text}
			if c.Message != nil {
				out[i] = c.Message.spoken()
			}
		}
		return map[string]any{"messages": out}
	}
	if p.CallType == "aembedding" || len(p.Response) == 0 || string(p.Response) == "null" {
		return map[string]any{"value": ""} // vectors say nothing to a reader
	}
	return map[string]any{"value": value(p.Response)}
}

// value is a text, or JSON as text.
func value(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// definitions are the request's tools.
func definitions(tools json.RawMessage) []definition {
	var list []struct {
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	if json.Unmarshal(tools, &list) != nil {
		return nil
	}
	var out []definition
	for _, t := range list {
		if t.Function.Name != "" {
			out = append(out, definition{Name: t.Function.Name, Description: t.Function.Description, Schema: t.Function.Parameters})
		}
	}
	return out
}
