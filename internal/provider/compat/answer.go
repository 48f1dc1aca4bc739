package compat

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// errNull says that null stands where an object must be.
var errNull = errors.New("null in place of an object")

// answerStream gives an answer in one piece as a stream, for upstreams that ignore stream: true.
type answerStream struct {
	meta   openai.Meta
	chunks [][]byte
	closed atomic.Bool
}

// newAnswerStream splits an answer into a chunk with the text of all choices, one with their finish reasons and, when
// the answer has usage, one with that alone, as OpenAI orders them.
func newAnswerStream(c *Client, header http.Header, answer []byte) (openai.Stream, error) {
	var a struct {
		Choices []map[string]json.RawMessage `json:"choices"`
		Usage   json.RawMessage              `json:"usage"`
	}
	members, err := jsonscan.Object(answer, nil)
	if err == nil {
		err = json.Unmarshal(answer, &a)
	}
	if err != nil || len(a.Choices) == 0 {
		return nil, c.broken(header, "the upstream answered a stream request in one piece, and with no choices", err)
	}
	texts, ends := make([]json.RawMessage, len(a.Choices)), make([]json.RawMessage, len(a.Choices))
	for i, choice := range a.Choices {
		if texts[i], ends[i], err = splitChoice(choice, i); err != nil {
			return nil, c.broken(header, "the upstream answered a stream request in one piece, and with a choice that makes no sense", err)
		}
	}
	s := &answerStream{meta: openai.Meta{Header: header}}
	for _, choices := range [][]json.RawMessage{texts, ends} {
		s.chunks = append(s.chunks, chunkOf(answer, members, choices, nil))
	}
	if len(a.Usage) > 0 && string(a.Usage) != "null" {
		s.chunks = append(s.chunks, chunkOf(answer, members, []json.RawMessage{}, a.Usage))
	}
	return s, nil
}

// chunkOf is the answer with other choices, and with usage only where it is given.
func chunkOf(answer []byte, members []jsonscan.Member, choices []json.RawMessage, usage json.RawMessage) []byte {
	list, err := json.Marshal(choices)
	if err != nil { // each was marshalled just before
		panic(err)
	}
	set := []jsonscan.Field{{Name: "choices", Value: list}}
	if object, _ := jsonscan.Find(members, "object"); string(object) == `"chat.completion"` {
		set = append(set, jsonscan.Field{Name: "object", Value: []byte(`"chat.completion.chunk"`)})
	}
	if usage != nil {
		set = append(set, jsonscan.Field{Name: "usage", Value: usage})
	}
	omit := func(name []byte) bool { return usage == nil && string(name) == "usage" }
	return jsonscan.Splice(answer, members, set, omit).Bytes()
}

// splitChoice turns a choice into one that has the text and one that has the finish reason. i is its place, for
// upstreams that leave index out.
func splitChoice(choice map[string]json.RawMessage, i int) (text, end json.RawMessage, err error) {
	if choice == nil {
		return nil, nil, errNull
	}
	index, ok := choice["index"]
	if !ok {
		index = jsonscan.AppendInt(nil, int64(i))
	}
	reason := choice["finish_reason"]
	if len(reason) == 0 || string(reason) == "null" {
		reason = json.RawMessage(`"stop"`)
	}
	first := map[string]json.RawMessage{}
	for name, value := range choice {
		first[name] = value
	}
	first["index"], first["finish_reason"] = index, json.RawMessage("null")
	last := map[string]json.RawMessage{"index": index, "finish_reason": reason}
	if message, chat := choice["message"]; chat {
		delete(first, "message")
		if first["delta"], err = deltaOf(message); err != nil {
			return nil, nil, err
		}
		last["delta"] = json.RawMessage("{}")
	} else {
		last["text"] = json.RawMessage(`""`)
	}
	if text, err = json.Marshal(first); err != nil {
		return nil, nil, err
	}
	end, err = json.Marshal(last)
	return text, end, err
}

// deltaOf is a message as a delta: its tool calls are numbered, which messages leave out.
func deltaOf(message json.RawMessage) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(message, &m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errNull
	}
	if raw := m["tool_calls"]; len(raw) > 0 && string(raw) != "null" {
		var calls []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &calls); err != nil {
			return nil, err
		}
		for i, call := range calls {
			if call == nil {
				return nil, errNull
			}
			call["index"] = jsonscan.AppendInt(nil, int64(i))
		}
		var err error
		if m["tool_calls"], err = json.Marshal(calls); err != nil {
			return nil, err
		}
	}
	return json.Marshal(m)
}

// Meta implements openai.Stream.
func (s *answerStream) Meta() openai.Meta { return s.meta }

// Next implements openai.Stream.
func (s *answerStream) Next() (openai.Chunk, error) {
	if len(s.chunks) == 0 || s.closed.Load() {
		return openai.Chunk{}, io.EOF
	}
	data := s.chunks[0]
	s.chunks = s.chunks[1:]
	return openai.Chunk{Data: data}, nil
}

// Close implements openai.Stream.
func (s *answerStream) Close() error {
	s.closed.Store(true)
	return nil
}
