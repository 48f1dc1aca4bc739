package oci

import (
	"slices"
	"strconv"

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
	c, err := newCohereChat(answerable(normalHistory(t.chat.Messages)))
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
		c.appendHistory(o)
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
	c.split(messages[head:])
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
	if end > 0 && end < len(rest) && rest[end-1].Role == openai.RoleAssistant {
		// A note behind an answer, as agents send to have it mended, is what is to be answered now: with the question as
		// the message, the model would answer the question once more.
		for _, note := range rest[end:] {
			c.message = joinTexts(c.message, textOf(note))
		}
		c.history = rest[:end]
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

// appendHistory writes the entries of the history, neighbouring results merged into one. Entries without content are
// left out: OCI answers 400 to them (BerriAI/litellm#24796). Results are answered by a CHATBOT entry: where the caller
// went on without one, a placeholder stands for it, since OCI refuses a message behind a history that ends with results
// (oracle/langchain-oracle#8).
func (c *cohereChat) appendHistory(o *jsonOut) {
	unanswered := false // the last entry holds results
	answer := func() {
		if unanswered {
			appendHistoryText(o, "CHATBOT", placeholder)
			unanswered = false
		}
	}
	for i := 0; i < len(c.history); {
		m := c.history[i]
		i++
		switch {
		case m.Role == openai.RoleTool:
			start := i - 1
			for i < len(c.history) && c.history[i].Role == openai.RoleTool {
				i++
			}
			answer()
			o.open('{')
			o.strMember("role", "TOOL")
			o.key("toolResults")
			c.appendResults(o, c.history[start:i])
			o.close('}')
			unanswered = true
		case m.Role == openai.RoleAssistant:
			if c.appendChatbot(o, m) {
				unanswered = false
			}
		case !textOf(m).Blank():
			answer()
			role := "USER"
			if isSystem(m) {
				role = "SYSTEM"
			}
			appendHistoryText(o, role, textOf(m))
		}
	}
	answer()
}

func appendHistoryText(o *jsonOut, role string, text openai.Text) {
	o.open('{')
	o.strMember("role", role)
	o.textMember("message", text)
	o.close('}')
}

// appendChatbot leaves out calls that have no result: Command A refuses them (oracle/langchain-oracle#10). It reports
// whether anything was left to write.
func (c *cohereChat) appendChatbot(o *jsonOut, m openai.Message) bool {
	calls := make([]openai.ToolCall, 0, len(m.ToolCalls))
	for _, call := range m.ToolCalls {
		if c.answered[call.ID] {
			calls = append(calls, call)
		}
	}
	text := textOf(m)
	if len(calls) == 0 && text.Blank() {
		return false
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
	return true
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
