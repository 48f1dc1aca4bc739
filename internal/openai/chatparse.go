package openai

import (
	"strconv"
	"strings"
)

func (p *chatParser) messages(raw []byte) {
	elements := p.array("messages", raw, &p.elements)
	if p.err == nil && len(elements) == 0 {
		p.fail("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	p.chat.Messages = make([]Message, 0, len(elements))
	for i, e := range elements {
		p.chat.Messages = append(p.chat.Messages, p.messageAt("messages["+strconv.Itoa(i)+"]", e))
	}
}

func (p *chatParser) messageAt(path string, raw []byte) Message {
	o := p.object(path, raw, &p.message)
	m := Message{
		Role: Role(o.str("role")), Name: o.str("name"), ToolCallID: o.str("tool_call_id"),
		Refusal: o.text("refusal"), Reasoning: o.text("reasoning_content"),
	}
	switch m.Role {
	case RoleSystem, RoleDeveloper, RoleUser, RoleAssistant, RoleTool, RoleFunction:
	case "":
		p.fail(path+".role", "Missing required parameter: '%s.role'.", path)
	default:
		p.fail(path+".role", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", clipped(string(m.Role)))
	}
	if content, ok := o.get("content"); ok {
		m.Content = p.content(path+".content", content)
	}
	if calls, ok := o.get("tool_calls"); ok {
		m.ToolCalls = p.toolCalls(path+".tool_calls", calls)
	}
	if call, ok := o.get("function_call"); ok && len(m.ToolCalls) == 0 {
		m.ToolCalls = []ToolCall{p.calledFunction(path+".function_call", call)}
	}
	return m
}

func (p *chatParser) content(path string, raw []byte) []Part {
	if raw[0] == '"' {
		return []Part{{Type: PartText, Text: raw}}
	}
	if raw[0] != '[' {
		p.wrongType(path, "one of a string or array of objects", raw)
		return nil
	}
	elements := p.array(path, raw, &p.parts)
	parts := make([]Part, 0, len(elements))
	for i, e := range elements {
		if e[0] == '"' { // some clients put bare strings among the parts
			parts = append(parts, Part{Type: PartText, Text: e, Raw: e})
			continue
		}
		parts = append(parts, p.partAt(path+"["+strconv.Itoa(i)+"]", e))
	}
	return parts
}

func (p *chatParser) partAt(path string, raw []byte) Part {
	o := p.object(path, raw, &p.part)
	part := Part{Type: PartType(o.str("type")), Raw: raw}
	switch part.Type {
	case "":
		p.fail(path+".type", "Missing required parameter: '%s.type'.", path)
	case PartText, PartRefusal, PartThinking:
		part.Text = o.text(string(part.Type))
		if part.Text == nil {
			p.fail(path+"."+string(part.Type), "Missing required parameter: '%s.%s'.", path, part.Type)
		}
	case PartImage, PartVideo, PartDocument, PartAudioURL:
		p.urlPart(&part, o)
	case PartAudio:
		if inner, ok := p.member(o, "input_audio"); ok {
			part.Data, part.Format = inner.text("data"), inner.str("format")
		}
	case PartFile:
		if inner, ok := p.member(o, "file"); ok {
			part.Data, part.FileID, part.Name = inner.text("file_data"), inner.str("file_id"), inner.str("filename")
		}
	}
	return part
}

// urlPart reads {"image_url": {"url", "detail"}} and the form {"image_url": "..."} that some clients send.
func (p *chatParser) urlPart(part *Part, o object) {
	name := string(part.Type)
	if raw, ok := o.get(name); ok && raw[0] == '"' {
		part.URL = raw
		return
	}
	if inner, ok := p.member(o, name); ok {
		part.URL, part.Detail = inner.text("url"), inner.str("detail")
		if part.URL == nil {
			p.fail(inner.path+".url", "Missing required parameter: '%s.url'.", inner.path)
		}
	}
}

// member opens the object that o holds under name; without one it fails.
func (p *chatParser) member(o object, name string) (object, bool) {
	path := o.path + "." + name
	raw, ok := o.get(name)
	if !ok {
		p.fail(path, "Missing required parameter: '%s'.", path)
		return object{}, false
	}
	return p.object(path, raw, &p.inside), true
}

func (p *chatParser) toolCalls(path string, raw []byte) []ToolCall {
	elements := p.array(path, raw, &p.parts)
	calls := make([]ToolCall, 0, len(elements))
	for i, e := range elements {
		o := p.object(path+"["+strconv.Itoa(i)+"]", e, &p.part)
		call := ToolCall{ID: o.str("id")}
		if fn, ok := o.get("function"); ok {
			called := p.calledFunction(o.path+".function", fn)
			call.Name, call.Arguments = called.Name, called.Arguments
		} else {
			p.fail(o.path+".function", "Missing required parameter: '%s.function'.", o.path)
		}
		calls = append(calls, call)
	}
	return calls
}

func (p *chatParser) calledFunction(path string, raw []byte) ToolCall {
	o := p.object(path, raw, &p.inside)
	call := ToolCall{Name: o.str("name")}
	if args, ok := o.get("arguments"); ok {
		// Some clients send the object itself where OpenAI wants its text.
		if args[0] == '{' {
			args = Quote(string(args))
		}
		if args[0] != '"' {
			p.wrongType(path+".arguments", "a string", args)
		}
		call.Arguments = Text(args)
	}
	return call
}

func (p *chatParser) tools(name string, raw []byte, read func(o object) Tool) {
	for i, e := range p.array(name, raw, &p.elements) {
		o := p.object(name+"["+strconv.Itoa(i)+"]", e, &p.message)
		p.chat.Tools = append(p.chat.Tools, read(o))
	}
}

// tool reads OpenAI's {"type":"function","function":{...}} and the flat form of the Responses API.
func (p *chatParser) tool(o object) Tool {
	t := Tool{Type: o.str("type")}
	if t.Type == "" {
		t.Type = "function"
	}
	if t.Type != "function" {
		return t
	}
	if _, nested := o.get("function"); nested || o.text("name") == nil {
		o, _ = p.member(o, "function")
		o.p = p
	}
	return p.function(o)
}

func (p *chatParser) function(o object) Tool {
	t := Tool{Type: "function", Name: o.str("name"), Description: o.text("description"), Strict: o.flag("strict")}
	if t.Name == "" {
		p.fail(o.path+".name", "Missing required parameter: '%s.name'.", o.path)
	}
	if params, ok := o.get("parameters"); ok {
		if params[0] != '{' {
			p.wrongType(o.path+".parameters", "an object", params)
		}
		t.Parameters = params
	}
	return t
}

// toolChoice reads the words, {"type":"function","function":{"name"}}, its flat form, {"type":"auto"} and
// {"type":"allowed_tools","allowed_tools":{"mode","tools"}}.
func (p *chatParser) toolChoice(raw []byte) {
	if raw[0] == '"' {
		p.chat.ToolChoice.Mode = p.choiceWord("tool_choice", Text(raw).String())
		return
	}
	o := p.object("tool_choice", raw, &p.message)
	switch kind := o.str("type"); kind {
	case "function", "tool":
		if _, nested := o.get("function"); nested {
			o, _ = p.member(o, "function")
			o.p = p
		}
		p.chat.ToolChoice = ToolChoice{Mode: ChoiceFunction, Name: o.str("name")}
		if p.chat.ToolChoice.Name == "" {
			p.fail("tool_choice.function.name", "Missing required parameter: 'tool_choice.function.name'.")
		}
	case "allowed_tools":
		if inner, ok := p.member(o, "allowed_tools"); ok {
			p.allowedTools(inner)
		}
	default:
		p.chat.ToolChoice.Mode = p.choiceWord("tool_choice.type", kind)
	}
}

func (p *chatParser) allowedTools(o object) {
	p.chat.ToolChoice.Mode = p.choiceWord(o.path+".mode", o.str("mode"))
	p.chat.ToolChoice.Allowed = []string{}
	raw, _ := o.get("tools")
	for i, e := range p.array(o.path+".tools", raw, &p.elements) {
		tool := p.object(o.path+".tools["+strconv.Itoa(i)+"]", e, &p.message)
		p.chat.ToolChoice.Allowed = append(p.chat.ToolChoice.Allowed, p.tool(tool).Name)
	}
}

func (p *chatParser) choiceWord(param, word string) ChoiceMode {
	switch word {
	case "auto", "none", "required":
		return ChoiceMode(word)
	case "any": // Anthropic's and Mistral's word
		return ChoiceRequired
	}
	p.fail(param, "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", clipped(word))
	return ""
}

// functionChoice reads the older function_call: a word or {"name"}. A tool_choice beside it wins.
func (p *chatParser) functionChoice(raw []byte) {
	if p.chat.ToolChoice.Mode != "" {
		return
	}
	if raw[0] == '"' {
		p.chat.ToolChoice.Mode = p.choiceWord("function_call", Text(raw).String())
		return
	}
	o := p.object("function_call", raw, &p.message)
	p.chat.ToolChoice = ToolChoice{Mode: ChoiceFunction, Name: o.str("name")}
	if p.chat.ToolChoice.Name == "" {
		p.fail("function_call.name", "Missing required parameter: 'function_call.name'.")
	}
}

// responseFormat reads OpenAI's forms, the alias "json", and a schema beside json_object, as other vendors have it.
func (p *chatParser) responseFormat(raw []byte) {
	if raw[0] == '"' { // the word alone, which some clients send
		p.formatType("response_format", Text(raw).String())
		return
	}
	o := p.object("response_format", raw, &p.message)
	p.formatType("response_format.type", o.str("type"))
	f := &p.chat.ResponseFormat
	if f.Type != FormatJSONSchema {
		if schema, ok := o.get("schema"); ok {
			f.Schema = schema
		}
		return
	}
	inner, ok := p.member(o, "json_schema")
	if !ok {
		return
	}
	f.Name, f.Description, f.Strict = inner.str("name"), inner.text("description"), inner.flag("strict")
	if f.Name == "" {
		p.fail("response_format.json_schema.name", "Missing required parameter: 'response_format.json_schema.name'.")
	}
	if schema, ok := inner.get("schema"); ok {
		if schema[0] != '{' {
			p.wrongType("response_format.json_schema.schema", "an object", schema)
		}
		f.Schema = schema
	}
}

func (p *chatParser) formatType(param, word string) {
	switch FormatType(word) {
	case FormatText, FormatJSONObject, FormatJSONSchema:
		p.chat.ResponseFormat.Type = FormatType(word)
	case "json":
		p.chat.ResponseFormat.Type = FormatJSONObject
	default:
		p.fail(param, "Invalid value: '%s'. Supported values are: 'text', 'json_object', and 'json_schema'.", clipped(word))
	}
	if p.chat.ResponseFormat.Type == FormatJSONSchema && param == "response_format" {
		p.fail("response_format.json_schema", "Missing required parameter: 'response_format.json_schema'.")
	}
}

// clipped bounds what of a caller's word goes into a message.
func clipped(s string) string {
	const longest = 64
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}
