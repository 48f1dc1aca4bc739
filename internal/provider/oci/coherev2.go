package oci

import (
	"context"
	"strconv"
	"strings"

	"tollgate/internal/openai"
)

// appendCohereV2 writes the members of a COHEREV2 chatRequest behind apiFormat, the stream's switch and the
// parameters.
func (t *translation) appendCohereV2(ctx context.Context) error {
	o := &t.out
	o.key("messages")
	o.open('[')
	for i, m := range answerable(normalHistory(t.chat.Messages)) {
		if err := t.cohereV2Message(ctx, "messages["+strconv.Itoa(i)+"]", m); err != nil {
			return err
		}
	}
	o.close(']')
	if err := t.cohereV2Tools(); err != nil {
		return err
	}
	return t.cohereFormat()
}

func (t *translation) cohereV2Message(ctx context.Context, path string, m openai.Message) error {
	if noText(m.Content) && len(m.ToolCalls) == 0 && m.Role != openai.RoleTool && m.Reasoning.Empty() {
		return nil
	}
	o := &t.out
	role := strings.ToUpper(string(m.Role))
	if isSystem(m) {
		role = "SYSTEM"
	}
	o.open('{')
	o.strMember("role", role)
	if m.Role == openai.RoleTool {
		o.strMember("toolCallId", m.ToolCallID)
	}
	o.key("content") // mandatory, if empty
	o.open('[')
	if !m.Reasoning.Empty() {
		appendThinking(o, m.Reasoning)
	}
	for i, p := range m.Content {
		if err := t.cohereV2Part(ctx, path+".content["+strconv.Itoa(i)+"]", m.Role, p); err != nil {
			return err
		}
	}
	o.close(']')
	if len(m.ToolCalls) > 0 {
		o.key("toolCalls")
		o.open('[')
		for _, call := range m.ToolCalls {
			appendNestedCall(o, call)
		}
		o.close(']')
	}
	o.close('}')
	return nil
}

func appendThinking(o *jsonOut, text openai.Text) {
	o.open('{')
	o.strMember("type", "THINKING")
	o.textMember("thinking", text)
	o.close('}')
}

func appendNestedCall(o *jsonOut, call openai.ToolCall) {
	o.open('{')
	o.strMember("id", call.ID)
	o.strMember("type", "FUNCTION")
	o.key("function")
	o.open('{')
	o.strMember("name", call.Name)
	o.key("arguments")
	if args := unwrapArguments(call.Arguments); args.Empty() {
		o.str("{}")
	} else {
		o.raw(args)
	}
	o.close('}')
	o.close('}')
}

func (t *translation) cohereV2Part(ctx context.Context, path string, role openai.Role, p openai.Part) error {
	o := &t.out
	switch p.Type {
	case openai.PartText, openai.PartRefusal:
		if !p.Text.Empty() || role == openai.RoleTool {
			appendTextPart(o, p.Text)
		}
		return nil
	case openai.PartThinking:
		appendThinking(o, p.Text)
		return nil
	}
	m, ok, err := mediaOf(path, p)
	switch {
	case err != nil:
		return err
	case !ok || m.kind != "IMAGE":
		return &openai.ParseError{Param: path, Message: "Invalid content part '" + path + "': OCI's COHEREV2 format takes text and images; documents go into 'documents'."}
	}
	return t.appendMedia(ctx, path, "IMAGE_URL", "imageUrl", m)
}

// cohereV2Tools writes tools, which are nested here, and toolsChoice, which is a bare word and has no AUTO.
func (t *translation) cohereV2Tools() error {
	if len(t.tools) == 0 {
		return nil
	}
	o := &t.out
	o.key("tools")
	o.open('[')
	for _, tool := range t.tools {
		parameters, err := t.fam.rewriteSchema("tools."+tool.Name+".parameters", tool.Parameters)
		if err != nil {
			return err
		}
		o.open('{')
		o.strMember("type", "FUNCTION")
		o.key("function")
		o.open('{')
		o.strMember("name", tool.Name)
		if tool.Description != nil {
			o.textMember("description", tool.Description)
		}
		o.rawMember("parameters", parameters)
		o.close('}')
		o.close('}')
	}
	o.close(']')
	switch t.chat.ToolChoice.Mode {
	case openai.ChoiceRequired, openai.ChoiceFunction:
		o.strMember("toolsChoice", "REQUIRED")
	case openai.ChoiceNone:
		o.strMember("toolsChoice", "NONE")
	}
	return nil
}
