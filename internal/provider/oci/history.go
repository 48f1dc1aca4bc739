package oci

import (
	"slices"
	"strconv"

	"tollgate/internal/openai"
)

// normalHistory brings the older forms of calling into today's: a call without an id gets one, a function's answer
// becomes a tool's. Messages that need nothing of this are returned as they are.
func normalHistory(messages []openai.Message) []openai.Message {
	old := func(m openai.Message) bool {
		return m.Role == openai.RoleFunction || slices.ContainsFunc(m.ToolCalls, func(c openai.ToolCall) bool { return c.ID == "" })
	}
	if !slices.ContainsFunc(messages, old) {
		return messages
	}
	out := slices.Clone(messages)
	open := map[string]string{} // name of a function to the id of its last call
	for i := range out {
		m := &out[i]
		m.ToolCalls = slices.Clone(m.ToolCalls)
		for k := range m.ToolCalls {
			call := &m.ToolCalls[k]
			if call.ID == "" {
				call.ID = "call_" + strconv.Itoa(i) + "_" + strconv.Itoa(k)
			}
			open[call.Name] = call.ID
		}
		if m.Role == openai.RoleFunction {
			m.Role, m.ToolCallID = openai.RoleTool, open[m.Name]
		}
	}
	return out
}

// oneCallPerTurn spreads turns with several calls over pairs of one call and its result, in the order of the
// calls: Gemini counts the results of a turn and refuses the rest (oracle/langchain-oracle#111). Results that
// answer none of the calls stay behind the pairs.
func oneCallPerTurn(messages []openai.Message) []openai.Message {
	if !slices.ContainsFunc(messages, func(m openai.Message) bool { return len(m.ToolCalls) > 1 }) {
		return messages
	}
	out := make([]openai.Message, 0, len(messages)+8)
	for i := 0; i < len(messages); i++ {
		m := messages[i]
		if len(m.ToolCalls) < 2 {
			out = append(out, m)
			continue
		}
		results := resultsBehind(messages, i)
		i += len(results)
		used := make([]bool, len(results))
		for k, call := range m.ToolCalls {
			turn := openai.Message{Role: m.Role, ToolCalls: []openai.ToolCall{call}}
			if k == 0 {
				turn.Content, turn.Name, turn.Refusal = m.Content, m.Name, m.Refusal
			}
			out = append(out, turn)
			for r, result := range results {
				if !used[r] && result.ToolCallID == call.ID {
					used[r], out = true, append(out, result)
					break
				}
			}
		}
		for r, result := range results {
			if !used[r] {
				out = append(out, result)
			}
		}
	}
	return out
}

// resultsBehind returns the tools' answers that stand directly behind message i.
func resultsBehind(messages []openai.Message, i int) []openai.Message {
	end := i + 1
	for end < len(messages) && messages[end].Role == openai.RoleTool {
		end++
	}
	return messages[i+1 : end]
}

// answerable gives a conversation that holds nothing but instructions a user's turn, which Cohere's models need: the
// last instruction is what the model answers.
func answerable(messages []openai.Message) []openai.Message {
	last := -1
	for i, m := range messages {
		switch {
		case !isSystem(m):
			return messages
		case !noText(m.Content):
			last = i
		}
	}
	if last < 0 {
		last = len(messages) - 1
	}
	messages = slices.Clone(messages)
	messages[last].Role = openai.RoleUser
	return messages
}

// unwrapArguments undoes one level of JSON in JSON: some models write the arguments' text as a text again
// (Llama), and callers send it back so. What is no object inside stays as it is.
func unwrapArguments(args openai.Text) openai.Text {
	inner := args.String()
	if len(inner) < 2 || inner[0] != '"' {
		return args
	}
	text := openai.Text(inner)
	if !isObject([]byte(text.String())) {
		return args
	}
	return text
}
