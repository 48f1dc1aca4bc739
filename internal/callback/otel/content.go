package otel

import (
	"encoding/json"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
)

// message is what was said, in the shape of the conventions' JSON schemas.
type message struct {
	Role   string `json:"role"`
	Parts  []part `json:"parts"`
	Name   string `json:"name,omitempty"`
	Finish string `json:"finish_reason,omitempty"` // of an answer
}

// part is a piece of a message. Type decides which of the others are there.
type part struct {
	Type      string          `json:"type"`
	Content   string          `json:"content,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Response  json.RawMessage `json:"response,omitempty"`
	Modality  string          `json:"modality,omitempty"`
	MIME      string          `json:"mime_type,omitempty"`
	URI       string          `json:"uri,omitempty"`
	FileID    string          `json:"file_id,omitempty"`
}

// said is a message as OpenAI's callers write it.
type said struct {
	Role      string          `json:"role"`
	Name      string          `json:"name"`
	Content   json.RawMessage `json:"content"`
	Reasoning string          `json:"reasoning_content"`
	Refusal   string          `json:"refusal"`
	CallID    string          `json:"tool_call_id"`
	Calls     []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// contentAttrs adds what was asked and answered.
func contentAttrs(a otlp.Attrs, e *callback.Event) otlp.Attrs {
	p := &e.Payload
	if in := input(p.Messages); len(in) > 0 {
		a.JSON("gen_ai.input.messages", in)
	}
	if out := output(p.Response); len(out) > 0 {
		a.JSON("gen_ai.output.messages", out)
	}
	if len(e.Tools) > 0 {
		a.Text("gen_ai.tool.definitions", string(e.Tools))
	}
	return a
}

// input are the messages that were asked with: a chat's, or a text as the user's.
func input(raw json.RawMessage) []message {
	var list []said
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		out := make([]message, len(list))
		for i := range list {
			out[i] = message{Role: list[i].Role, Name: list[i].Name, Parts: list[i].parts()}
		}
		return out
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []message{{Role: "user", Parts: []part{{Type: "text", Content: text}}}}
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return []message{{Role: "user", Parts: []part{{Type: "text", Content: string(raw)}}}} // a list of texts, or of something else
}

// output are the choices of an answer.
func output(raw json.RawMessage) []message {
	var answer struct {
		Choices []struct {
			Message said    `json:"message"`
			Text    *string `json:"text"`
			Finish  string  `json:"finish_reason"`
		} `json:"choices"`
	}
	if json.Unmarshal(raw, &answer) != nil {
		return nil
	}
	var out []message
	for i := range answer.Choices {
		c := &answer.Choices[i]
		m := message{Role: "assistant", Parts: c.Message.parts(), Finish: finish(c.Finish)}
		if c.Text != nil {
			m.Parts = append(m.Parts, part{Type: "text", Content: *c.Text})
		}
		out = append(out, m)
	}
	return out
}

// finish is a finish reason in the words of the conventions.
func finish(reason string) string {
	switch reason {
	case "tool_calls", "function_call":
		return "tool_call"
	case "":
		return "error" // the stream broke off
	}
	return reason
}

// parts are the pieces of a message.
func (s *said) parts() []part {
	list := []part{}
	if s.Reasoning != "" {
		list = append(list, part{Type: "reasoning", Content: s.Reasoning})
	}
	if s.Role == "tool" || s.Role == "function" {
		return append(list, part{Type: "tool_call_response", ID: s.CallID, Name: s.Name, Response: orNull(s.Content)})
	}
	list = append(list, contentParts(s.Content)...)
	if s.Refusal != "" {
		list = append(list, part{Type: "text", Content: s.Refusal})
	}
	for _, c := range s.Calls {
		list = append(list, part{Type: "tool_call", ID: c.ID, Name: c.Function.Name, Arguments: arguments(c.Function.Arguments)})
	}
	return list
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// arguments are a tool's, as an object where they are JSON.
func arguments(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil { // a text always encodes
		return json.RawMessage("null")
	}
	return quoted
}

// contentParts are the pieces of a content. What a picture or a sound holds is left out where it is in the body itself.
func contentParts(raw json.RawMessage) []part {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text == "" {
			return nil
		}
		return []part{{Type: "text", Content: text}}
	}
	var pieces []struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Image struct {
			URL string `json:"url"`
		} `json:"image_url"`
		Audio struct {
			Format string `json:"format"`
		} `json:"input_audio"`
		File struct {
			ID string `json:"file_id"`
		} `json:"file"`
	}
	if json.Unmarshal(raw, &pieces) != nil {
		return nil
	}
	var list []part
	for _, p := range pieces {
		switch p.Type {
		case "text", "input_text", "output_text":
			list = append(list, part{Type: "text", Content: p.Text})
		case "image_url":
			list = append(list, picture(p.Image.URL))
		case "input_audio":
			list = append(list, part{Type: "blob", Modality: "audio", MIME: "audio/" + p.Audio.Format})
		case "file":
			list = append(list, part{Type: "file", FileID: p.File.ID})
		default:
			list = append(list, part{Type: p.Type})
		}
	}
	return list
}

// picture is an image, by its address.
func picture(address string) part {
	if rest, ok := strings.CutPrefix(address, "data:"); ok {
		mime, _, _ := strings.Cut(rest, ";")
		return part{Type: "blob", Modality: "image", MIME: mime}
	}
	return part{Type: "uri", Modality: "image", URI: address}
}
