package generic

import "tollgate/internal/content"

// toolCall is a tool call in OpenAI's form, as far as it is text.
type toolCall struct {
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func callOf(t *content.Text) toolCall {
	c := toolCall{Type: "function"}
	c.Function.Name, c.Function.Arguments = t.Name, t.Value
	return c
}

func toolCalls(b *content.Body) []toolCall {
	var out []toolCall
	for i := range b.Texts {
		if b.Texts[i].Kind == content.Arguments {
			out = append(out, callOf(&b.Texts[i]))
		}
	}
	return out
}

// message is a message in OpenAI's form, put together from its texts.
type message struct {
	Role      string     `json:"role"`
	Name      string     `json:"name,omitempty"`
	Content   any        `json:"content"` // a text, a list of parts, or null
	ToolCalls []toolCall `json:"tool_calls,omitempty"`

	parts []part // that become the content
}

type part struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// messages puts a chat's messages together again.
func messages(b *content.Body) []message {
	var out []message
	at := -1
	for i := range b.Texts {
		t := &b.Texts[i]
		if t.Role == "" || t.Kind == content.Definition {
			continue
		}
		if t.Index != at || len(out) == 0 {
			at = t.Index
			out = append(out, message{Role: t.Role})
		}
		m := &out[len(out)-1]
		switch {
		case t.Kind == content.Arguments:
			m.ToolCalls = append(m.ToolCalls, callOf(t))
			continue
		case t.Field == "name":
			m.Name = t.Value
			continue
		case t.Field != "content":
			continue // thoughts and the like are among the texts alone
		}
		m.parts = append(m.parts, part{"text", t.Value})
	}
	for i := range out {
		switch m := &out[i]; len(m.parts) {
		case 0:
		case 1:
			m.Content = m.parts[0].Text
		default:
			m.Content = m.parts
		}
	}
	return out
}
