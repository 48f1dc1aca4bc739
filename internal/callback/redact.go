package callback

import (
	"bytes"
	"encoding/json"
	"net/http"

	"tollgate/internal/record"
)

// Placeholder stands where a text was left out (LiteLLM's word).
const Placeholder = "redacted-by-litellm"

// redactedMessages is what was asked, redacted.
const redactedMessages = `[{"role":"user","content":"` + Placeholder + `"}]`

// redactedText is an answer of a shape whose texts nobody knows, redacted.
const redactedText = `{"text":"` + Placeholder + `"}`

// redactResponse is an answer without its texts. What is kept is listed: a member that nobody knows may hold a text.
func redactResponse(raw []byte) json.RawMessage {
	tree, ok := decode(raw).(map[string]any)
	if !ok {
		return json.RawMessage(redactedText)
	}
	choices, _ := tree["choices"].([]any)
	output, _ := tree["output"].([]any)
	var kept map[string]any
	switch {
	case choices != nil:
		kept = only(tree, "id", "object", "created", "model", "usage", "system_fingerprint", "service_tier")
		kept["choices"] = each(choices, redactChoice)
	case output != nil && tree["object"] == "response":
		kept = only(tree, "id", "object", "created_at", "model", "usage", "status", "service_tier", "parallel_tool_calls", "temperature", "top_p", "max_output_tokens")
		kept["output"], kept["reasoning"] = each(output, redactItem), nil
		if _, has := tree["instructions"].(string); has {
			kept["instructions"] = Placeholder
		}
	default:
		return json.RawMessage(redactedText)
	}
	text, err := json.Marshal(kept)
	if err != nil { // what was decoded encodes
		return json.RawMessage(redactedText)
	}
	return text
}

// decode reads JSON as a tree with its numbers as they are, nil when it is none.
func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		return nil
	}
	return tree
}

// only is an object with some of its members.
func only(tree map[string]any, names ...string) map[string]any {
	kept := make(map[string]any, len(names))
	for _, name := range names {
		if v, ok := tree[name]; ok {
			kept[name] = v
		}
	}
	return kept
}

// each redacts the objects of a list; anything else in it is left out.
func each(list []any, redact func(map[string]any) map[string]any) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		if o, ok := v.(map[string]any); ok {
			out = append(out, redact(o))
		}
	}
	return out
}

// redactChoice is a choice of a chat or of a completion.
func redactChoice(choice map[string]any) map[string]any {
	kept := only(choice, "index", "finish_reason")
	if _, has := choice["text"]; has {
		kept["text"] = Placeholder
	}
	for _, part := range [...]string{"message", "delta"} {
		if message, ok := choice[part].(map[string]any); ok {
			kept[part] = redactMessage(message)
		}
	}
	return kept
}

func redactMessage(message map[string]any) map[string]any {
	kept := only(message, "role")
	for _, name := range [...]string{"content", "reasoning_content", "refusal"} {
		if v, has := message[name]; has {
			kept[name] = nil
			if v != nil {
				kept[name] = Placeholder
			}
		}
	}
	for _, name := range [...]string{"thinking_blocks", "audio"} {
		if _, has := message[name]; has {
			kept[name] = nil
		}
	}
	if calls, ok := message["tool_calls"].([]any); ok {
		kept["tool_calls"] = each(calls, func(call map[string]any) map[string]any {
			one := only(call, "id", "type", "index")
			if f, ok := call["function"].(map[string]any); ok {
				one["function"] = redactFunction(f)
			}
			return one
		})
	}
	if f, ok := message["function_call"].(map[string]any); ok {
		kept["function_call"] = redactFunction(f)
	}
	return kept
}

// redactFunction keeps the name of what was called.
func redactFunction(f map[string]any) map[string]any {
	kept := only(f, "name")
	kept["arguments"] = Placeholder
	return kept
}

// redactItem is an item of the output of OpenAI's Responses.
func redactItem(item map[string]any) map[string]any {
	kept := only(item, "id", "type", "role", "status", "name", "call_id")
	for _, list := range [...]string{"content", "summary"} {
		if parts, ok := item[list].([]any); ok {
			kept[list] = each(parts, func(part map[string]any) map[string]any {
				one := only(part, "type")
				for _, text := range [...]string{"text", "refusal"} {
					if _, has := part[text]; has {
						one[text] = Placeholder
					}
				}
				return one
			})
		}
	}
	if _, has := item["arguments"]; has {
		kept["arguments"] = Placeholder
	}
	return kept
}

// redactSteps are the steps of a call without what went wrong in them: an upstream's error may quote the prompt.
func redactSteps(steps []record.Step) []record.Step {
	out := make([]record.Step, len(steps))
	for i, s := range steps {
		if s.Error != "" {
			s.Error = Placeholder
		}
		out[i] = s
	}
	return out
}

// mayQuote reports whether the error of a call may hold what was asked: an upstream's, or one about the body. Those that
// are about the caller, its budget, its limits or the time it took do not.
func mayQuote(c *record.Call) bool {
	if len(c.Attempts) > 0 {
		return c.Outcome != record.Gone
	}
	switch c.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusServiceUnavailable, 499:
		return false
	}
	return c.ErrorType != "budget_exceeded"
}
