package oci

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// cohereCall is a call of the history with its arguments as an object, as COHERE wants them.
type cohereCall struct {
	name       string
	parameters []byte
}

// cohereChat is a conversation in COHERE's shape, which has one message to answer, a history before it, a
// preamble, and the tools' results that the message stands for when it is empty.
type cohereChat struct {
	calls    map[string]cohereCall // by id
	answered map[string]bool       // ids that have a result
	history  []openai.Message      // in order; neighbouring results belong together
	message  openai.Text
	results  []openai.Message // results that this turn continues with
	preamble openai.Text
}

// appendCohere writes the members of a COHERE chatRequest behind apiFormat, the stream's switch and the parameters.
func (t *translation) appendCohere() error {
	c, err := newCohereChat(normalHistory(t.chat.Messages))
	if err != nil {
		return err
	}
	o := &t.out
	o.textMember("message", c.message)
	if c.preamble != nil && !t.params.has("preambleOverride") {
		o.textMember("preambleOverride", c.preamble)
	}
	if len(c.history) > 0 {
		o.key("chatHistory")
		o.open('[')
		for i := 0; i < len(c.history); {
			n := c.appendTurn(o, c.history[i:])
			i += n
		}
		o.close(']')
	}
	if len(c.results) > 0 {
		o.key("toolResults")
		c.appendResults(o, c.results)
	}
	if t.chat.ToolChoice.Mode != openai.ChoiceNone {
		if err := t.cohereTools(); err != nil {
			return err
		}
	}
	return t.cohereFormat()
}

// newCohereChat finds the message to answer: the last user's one, unless the conversation ends with tools' results
// (system messages behind them do not count). Leading system messages are the preamble.
func newCohereChat(messages []openai.Message) (*cohereChat, error) {
	c := &cohereChat{calls: map[string]cohereCall{}, answered: map[string]bool{}}
	messages = slices.Clone(messages)
	texts := make([]openai.Text, len(messages))
	for i, m := range messages {
		text, err := joinedText("messages["+strconv.Itoa(i)+"].content", m.Content, "a message in OCI's COHERE format (images need a vision model)")
		if err != nil {
			return nil, err
		}
		texts[i] = text
		for _, call := range m.ToolCalls {
			c.calls[call.ID] = cohereCall{call.Name, argumentsObject(call.Arguments)}
		}
		if m.Role == openai.RoleTool {
			c.answered[m.ToolCallID] = true
		}
		messages[i].Content = []openai.Part{{Type: openai.PartText, Text: text}}
	}
	head := 0
	for head < len(messages) && isSystem(messages[head]) {
		c.preamble = joinTexts(c.preamble, texts[head])
		head++
	}
	rest := messages[head:]
	if len(rest) == 0 { // nothing but instructions: the last of them is what the model answers
		c.message, c.preamble = texts[len(texts)-1], nil
		for _, text := range texts[:len(texts)-1] {
			c.preamble = joinTexts(c.preamble, text)
		}
		return c, nil
	}
	c.split(rest)
	return c, nil
}

// split fills message, results and history.
func (c *cohereChat) split(rest []openai.Message) {
	end := len(rest)
	for end > 0 && isSystem(rest[end-1]) {
		end--
	}
	start := end
	for start > 0 && rest[start-1].Role == openai.RoleTool {
		start--
	}
	if start < end {
		// OCI refuses a message beside results at the end of the history, so what is said after the results
		// goes before the turn that asked for them.
		c.message, c.results = emptyText, rest[start:end]
		asked := start
		if asked > 0 && rest[asked-1].Role == openai.RoleAssistant {
			asked--
		}
		c.history = slices.Concat(rest[:asked], rest[end:], rest[asked:start])
		return
	}
	last := len(rest) - 1
	for i := last; i >= 0; i-- {
		if rest[i].Role == openai.RoleUser {
			last = i
			break
		}
	}
	c.message = textOf(rest[last])
	c.history = slices.Concat(rest[:last], rest[last+1:])
}

// appendTurn writes the entry that the first of turns makes, with the results behind it merged into one; it
// returns how many it took. Entries without content are left out: OCI answers 400 to them (BerriAI/litellm#24796).
func (c *cohereChat) appendTurn(o *jsonOut, turns []openai.Message) int {
	m := turns[0]
	switch m.Role {
	case openai.RoleTool:
		n := 1
		for n < len(turns) && turns[n].Role == openai.RoleTool {
			n++
		}
		o.open('{')
		o.strMember("role", "TOOL")
		o.key("toolResults")
		c.appendResults(o, turns[:n])
		o.close('}')
		return n
	case openai.RoleAssistant:
		c.appendChatbot(o, m)
		return 1
	}
	role := "USER"
	if isSystem(m) {
		role = "SYSTEM"
	}
	if text := textOf(m); !text.Blank() {
		o.open('{')
		o.strMember("role", role)
		o.textMember("message", text)
		o.close('}')
	}
	return 1
}

// appendChatbot leaves out calls that have no result: Command A refuses them (oracle/langchain-oracle#10).
func (c *cohereChat) appendChatbot(o *jsonOut, m openai.Message) {
	calls := make([]openai.ToolCall, 0, len(m.ToolCalls))
	for _, call := range m.ToolCalls {
		if c.answered[call.ID] {
			calls = append(calls, call)
		}
	}
	text := textOf(m)
	if len(calls) == 0 && text.Blank() {
		return
	}
	o.open('{')
	o.strMember("role", "CHATBOT")
	if !text.Blank() {
		o.textMember("message", text)
	}
	if len(calls) > 0 {
		o.key("toolCalls")
		o.open('[')
		for _, call := range calls {
			c.appendCall(o, c.calls[call.ID])
		}
		o.close(']')
	}
	o.close('}')
}

func (c *cohereChat) appendCall(o *jsonOut, call cohereCall) {
	o.open('{')
	o.strMember("name", call.name)
	o.rawMember("parameters", call.parameters)
	o.close('}')
}

// appendResults writes each result beside the call that it answers.
func (c *cohereChat) appendResults(o *jsonOut, results []openai.Message) {
	o.open('[')
	for _, m := range results {
		call, known := c.calls[m.ToolCallID]
		if !known { // the caller cut the turn that asked off
			call = cohereCall{m.Name, []byte("{}")}
			if call.name == "" {
				call.name = "tool"
			}
		}
		o.open('{')
		o.key("call")
		c.appendCall(o, call)
		o.key("outputs")
		o.open('[')
		o.open('{')
		o.textMember("output", textOf(m))
		o.close('}')
		o.close(']')
		o.close('}')
	}
	o.close(']')
}

func isSystem(m openai.Message) bool {
	return m.Role == openai.RoleSystem || m.Role == openai.RoleDeveloper
}

// textOf is the text of a message that newCohereChat has reduced to one.
func textOf(m openai.Message) openai.Text {
	if m.Content[0].Text == nil {
		return emptyText
	}
	return m.Content[0].Text
}

// joinTexts puts an empty line between two texts.
func joinTexts(a, b openai.Text) openai.Text {
	switch {
	case b.Blank():
		return a
	case a == nil:
		return b
	}
	out := append([]byte{'"'}, a.Inner()...)
	out = append(out, `\n\n`...)
	out = append(out, b.Inner()...)
	return append(out, '"')
}

// argumentsObject is the object that arguments are the text of, {} when they are no object's.
func argumentsObject(args openai.Text) []byte {
	text := []byte(unwrapArguments(args).String())
	if !isObject(text) {
		return []byte("{}")
	}
	return text
}

// isObject reports whether text is one JSON object.
func isObject(text []byte) bool {
	for i, c := range text {
		switch c {
		case ' ', '\n', '\t', '\r':
			continue
		case '{':
			return jsonscan.Valid(text[i:]) == nil
		}
		return false
	}
	return false
}

// pythonTypes are COHERE's names of the JSON types. OCI answers 500 to a bare "List"
// (BerriAI/litellm#30646).
var pythonTypes = map[string]string{"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}

// cohereTools writes tools with flat parameter definitions. What those cannot say of a parameter (its values, its
// bounds, what is nested in it) goes into the description.
func (t *translation) cohereTools() error {
	if len(t.tools) == 0 {
		return nil
	}
	o := &t.out
	o.key("tools")
	o.open('[')
	for _, tool := range t.tools {
		rewritten, err := t.fam.rewriteSchema("tools."+tool.Name+".parameters", tool.Parameters)
		if err != nil {
			return err
		}
		o.open('{')
		o.strMember("name", tool.Name)
		o.key("description")
		if tool.Description.Empty() {
			o.str(tool.Name)
		} else {
			o.raw(tool.Description)
		}
		o.key("parameterDefinitions")
		if err := appendDefinitions(o, rewritten); err != nil {
			return err
		}
		o.close('}')
	}
	o.close(']')
	return nil
}

func appendDefinitions(o *jsonOut, rewritten []byte) error {
	var root struct {
		Required   []string        `json:"required"`
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(rewritten, &root); err != nil {
		return &openai.ParseError{Param: "tools", Message: "Invalid schema in 'tools': " + err.Error() + "."}
	}
	o.open('{')
	members, err := jsonscan.Object(root.Properties, nil)
	if err == nil {
		for _, p := range members {
			o.comma()
			o.b = append(jsonscan.AppendString(o.b, string(p.Name)), ':')
			appendDefinition(o, p.Value, slices.Contains(root.Required, string(p.Name)))
		}
	}
	o.close('}')
	return nil
}

// appendDefinition writes one parameter.
func appendDefinition(o *jsonOut, raw []byte, required bool) {
	members, _ := jsonscan.Object(raw, nil)
	kind, description := "str", ""
	rest := members[:0:0]
	for _, m := range members {
		switch string(m.Name) {
		case "type":
			if python, ok := pythonTypes[openai.Text(m.Value).String()]; ok {
				kind = python
			}
		case "description":
			description = openai.Text(m.Value).String()
		default:
			rest = append(rest, m)
		}
	}
	if len(rest) > 0 {
		var more jsonOut
		more.open('{')
		for _, m := range rest {
			more.comma()
			more.b = append(jsonscan.AppendString(more.b, string(m.Name)), ':')
			more.raw(m.Value)
		}
		more.close('}')
		if string(more.b) != `{"items":{}}` && string(more.b) != `{"properties":{}}` {
			description = strings.TrimSpace(description + " JSON schema: " + string(more.b))
		}
	}
	o.open('{')
	o.strMember("type", kind)
	if description != "" {
		o.strMember("description", description)
	}
	o.rawMember("isRequired", boolText(required))
	o.close('}')
}

// cohereFormat writes responseFormat: COHERE and COHEREV2 have no JSON_SCHEMA, a schema stands beside JSON_OBJECT.
func (t *translation) cohereFormat() error {
	f := t.chat.ResponseFormat
	if f.Type == "" {
		return nil
	}
	o := &t.out
	o.key("responseFormat")
	o.open('{')
	if f.Type == openai.FormatText {
		o.strMember("type", "TEXT")
	} else {
		o.strMember("type", "JSON_OBJECT")
		if f.Schema != nil {
			rewritten, err := t.fam.rewriteSchema("response_format.json_schema.schema", f.Schema)
			if err != nil {
				return err
			}
			o.rawMember("schema", rewritten)
		}
	}
	o.close('}')
	return nil
}
