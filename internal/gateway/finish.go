package gateway

import (
	"bytes"
	"encoding/json"

	"tollgate/internal/jsonscan"
)

// This file mends turns that called tools and yet say "stop" (BerriAI/litellm#21041): agents run tools only where the
// finish reason is "tool_calls".

// toolTurns are the choices of an answer that have called a tool, by index.
type toolTurns map[int]bool

// mend returns the choices with the finish reason of tool turns put right; part is "message", or "delta" in a stream.
// Choices without tool calls, nearly all, are looked at as bytes only.
func (t *toolTurns) mend(choices []byte, part string) ([]byte, error) {
	calls := bytes.Contains(choices, []byte(`"tool_calls"`))
	if !calls && (len(*t) == 0 || !bytes.Contains(choices, []byte(`"stop"`))) {
		return choices, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(choices, &list); err != nil {
		return nil, err
	}
	changed := false
	for i, raw := range list {
		fixed, err := t.mendOne(raw, part)
		if err != nil {
			return nil, err
		}
		if fixed != nil {
			list[i], changed = fixed, true
		}
	}
	if !changed {
		return choices, nil
	}
	return joinArray(list), nil
}

// mendOne is nil when the choice is right as it is.
func (t *toolTurns) mendOne(choice []byte, part string) ([]byte, error) {
	var c struct {
		Index   int             `json:"index"`
		Finish  string          `json:"finish_reason"`
		Message json.RawMessage `json:"message"`
		Delta   json.RawMessage `json:"delta"`
	}
	if err := json.Unmarshal(choice, &c); err != nil {
		return nil, err
	}
	said := c.Message
	if part == "delta" {
		said = c.Delta
	}
	var turn struct {
		ToolCalls []json.RawMessage `json:"tool_calls"`
	}
	if len(said) > 0 {
		if err := json.Unmarshal(said, &turn); err != nil {
			return nil, err
		}
	}
	if len(turn.ToolCalls) > 0 {
		if *t == nil {
			*t = toolTurns{}
		}
		(*t)[c.Index] = true
	}
	if c.Finish != "stop" || !(*t)[c.Index] {
		return nil, nil
	}
	members, err := jsonscan.Object(choice, nil)
	if err != nil {
		return nil, err
	}
	return jsonscan.Splice(choice, members, []jsonscan.Field{{Name: "finish_reason", Value: []byte(`"tool_calls"`)}}, nil).Bytes(), nil
}

// joinArray writes a JSON array of its elements as they are; json.Marshal would escape < and > in them.
func joinArray(list []json.RawMessage) []byte {
	out := []byte{'['}
	for i, raw := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, raw...)
	}
	return append(out, ']')
}
