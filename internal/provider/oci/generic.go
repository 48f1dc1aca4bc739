package oci

import (
	"context"
	"strconv"
	"strings"

	"tollgate/internal/openai"
)

// appendGeneric writes the members of a GENERIC chatRequest behind apiFormat, the stream's switch and the
// parameters, which all formats share.
func (t *translation) appendGeneric(ctx context.Context) error {
	messages := normalHistory(t.chat.Messages)
	if t.fam.oneCallPerTurn {
		messages = oneCallPerTurn(messages)
	}
	t.out.key("messages")
	t.out.open('[')
	for i, m := range messages {
		if err := t.genericMessage(ctx, "messages["+strconv.Itoa(i)+"]", m); err != nil {
			return err
		}
	}
	t.out.close(']')
	if err := t.genericTools(); err != nil {
		return err
	}
	return t.genericFormat()
}

// genericRole gives OCI's name of a role. Only OpenAI's models know a developer.
func (t *translation) genericRole(r openai.Role) string {
	if r == openai.RoleDeveloper && !t.fam.developerRole {
		r = openai.RoleSystem
	}
	return strings.ToUpper(string(r))
}

func (t *translation) genericMessage(ctx context.Context, path string, m openai.Message) error {
	o := &t.out
	system := m.Role == openai.RoleSystem || m.Role == openai.RoleDeveloper
	if system && noText(m.Content) {
		return nil // Open WebUI sends empty ones; they say nothing and some models refuse them
	}
	o.open('{')
	o.strMember("role", t.genericRole(m.Role))
	if m.Role == openai.RoleTool {
		o.strMember("toolCallId", m.ToolCallID)
		text, err := joinedText(path+".content", m.Content, "a tool's result on OCI")
		if err != nil {
			return err
		}
		o.key("content")
		o.open('[')
		appendTextPart(o, t.filled(text))
		o.close(']')
		o.close('}')
		return nil
	}
	if m.Name != "" {
		o.strMember("name", m.Name)
	}
	o.key("content")
	o.open('[')
	if err := t.genericContent(ctx, path+".content", m); err != nil {
		return err
	}
	o.close(']')
	if m.Role == openai.RoleAssistant {
		t.genericAssistant(m)
	}
	o.close('}')
	return nil
}

// genericAssistant writes what only an assistant's turn has.
func (t *translation) genericAssistant(m openai.Message) {
	o := &t.out
	if !m.Refusal.Empty() {
		o.textMember("refusal", m.Refusal)
	}
	if !m.Reasoning.Empty() && !t.fam.noEmptyText {
		o.textMember("reasoningContent", m.Reasoning)
	}
	if len(m.ToolCalls) == 0 {
		return
	}
	o.key("toolCalls")
	o.open('[')
	for _, call := range m.ToolCalls {
		o.open('{')
		o.strMember("type", "FUNCTION")
		o.strMember("id", call.ID)
		o.strMember("name", call.Name)
		o.key("arguments")
		if args := unwrapArguments(call.Arguments); args.Empty() {
			o.str("{}")
		} else {
			o.raw(args)
		}
		o.close('}')
	}
	o.close(']')
}

// filled puts the placeholder for a text that is empty where the family fails on one.
func (t *translation) filled(text openai.Text) openai.Text {
	if t.fam.noEmptyText && text.Blank() {
		return placeholder
	}
	return text
}

func (t *translation) genericContent(ctx context.Context, path string, m openai.Message) error {
	written := 0
	for i, p := range m.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch p.Type {
		case openai.PartText, openai.PartRefusal:
			if p.Text.Empty() {
				continue
			}
			appendTextPart(&t.out, p.Text)
		case openai.PartThinking:
			continue // of an earlier answer; GENERIC has no field for its signed form
		default:
			if err := t.genericMedia(ctx, at, p); err != nil {
				return err
			}
		}
		written++
	}
	if written > 0 {
		return nil
	}
	if m.Role == openai.RoleAssistant {
		appendTextPart(&t.out, placeholder)
	} else {
		appendTextPart(&t.out, t.filled(emptyText))
	}
	return nil
}

func (t *translation) genericMedia(ctx context.Context, path string, p openai.Part) error {
	m, ok, err := mediaOf(path, p)
	if err != nil {
		return err
	}
	if !ok {
		return &openai.ParseError{Param: path + ".type", Message: "Invalid value: '" + clipWord(string(p.Type)) + "'. Supported values are: 'text', 'image_url', 'input_audio', 'file', 'video_url', 'document_url', 'audio_url', and 'refusal'."}
	}
	if t.fam.textAndImages && m.kind != "IMAGE" {
		return &openai.ParseError{Param: path, Message: "Invalid content part '" + path + "': OCI's native surface takes text and images for " + t.d.spec.Model +
			"; audio and files go by its OpenAI surface (oci_surface: openai or auto)."}
	}
	member := map[string]string{"IMAGE": "imageUrl", "DOCUMENT": "documentUrl", "VIDEO": "videoUrl", "AUDIO": "audioUrl"}[m.kind]
	return t.appendMedia(ctx, path, m.kind, member, m)
}

// genericTools writes tools and toolChoice. OCI's definitions are flat, and its choice is always an object.
func (t *translation) genericTools() error {
	tools := t.tools
	if len(tools) == 0 {
		return nil
	}
	o := &t.out
	o.key("tools")
	o.open('[')
	for _, tool := range tools {
		parameters, err := t.fam.rewriteSchema("tools."+tool.Name+".parameters", tool.Parameters)
		if err != nil {
			return err
		}
		o.open('{')
		o.strMember("type", "FUNCTION")
		o.strMember("name", tool.Name)
		if tool.Description != nil {
			o.textMember("description", tool.Description)
		}
		o.rawMember("parameters", parameters)
		o.close('}')
	}
	o.close(']')
	if choice := t.chat.ToolChoice; choice.Mode != "" {
		o.key("toolChoice")
		o.open('{')
		o.strMember("type", strings.ToUpper(string(choice.Mode)))
		if choice.Mode == openai.ChoiceFunction {
			o.strMember("name", choice.Name)
		}
		o.close('}')
	}
	return nil
}

// genericFormat writes responseFormat. OCI answers 400 to any key of jsonSchema but these four, OpenAI's
// "strict" among them (BerriAI/litellm#29692).
func (t *translation) genericFormat() error {
	f := t.chat.ResponseFormat
	if f.Type == "" {
		return nil
	}
	o := &t.out
	o.key("responseFormat")
	o.open('{')
	o.strMember("type", strings.ToUpper(string(f.Type)))
	if f.Type == openai.FormatJSONSchema {
		o.key("jsonSchema")
		o.open('{')
		o.strMember("name", f.Name)
		if f.Description != nil {
			o.textMember("description", f.Description)
		}
		if err := t.answerSchema(); err != nil {
			return err
		}
		o.key("isStrict")
		o.raw(boolText(f.Strict))
		o.close('}')
	}
	o.close('}')
	return nil
}

func boolText(b bool) []byte {
	if b {
		return []byte("true")
	}
	return []byte("false")
}

// noText reports whether a content holds nothing to read.
func noText(parts []openai.Part) bool {
	for _, p := range parts {
		if p.Type != openai.PartText || !p.Text.Blank() {
			return false
		}
	}
	return true
}
