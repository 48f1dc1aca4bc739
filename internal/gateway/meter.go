package gateway

import (
	"io"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// meter counts what an upstream's stream gives at the moment at which it gives it. What stands between it and the caller may
// withhold chunks, or change them; they are billed all the same, and a budget must cover them. It ends the stream when nothing
// of the budget is left.
type meter struct {
	openai.Stream
	q       *request
	members []jsonscan.Member
	chars   bool // somebody bills the characters that the stream has written
	cut     bool // the budget is used up: the chunk that was given last is the last one
}

// Next implements openai.Stream.
func (m *meter) Next() (openai.Chunk, error) {
	if m.cut {
		_ = m.Stream.Close() // an upstream that is not asked any further
		return openai.Chunk{}, io.EOF
	}
	chunk, err := m.Stream.Next()
	if err != nil {
		return openai.Chunk{}, err
	}
	if chunk.Members == nil {
		if m.members, err = jsonscan.InnerObject(chunk.Data, m.members); err != nil {
			return openai.Chunk{}, err
		}
		chunk.Members = m.members
	}
	m.count(chunk.Members)
	m.cut = !m.q.covers() && !finishes(chunk.Data)
	return chunk, nil
}

// OnWait implements openai.Waiter, where the upstream's stream does.
func (m *meter) OnWait(f func()) bool {
	w, ok := m.Stream.(openai.Waiter)
	return ok && w.OnWait(f)
}

func (m *meter) count(members []jsonscan.Member) {
	q := m.q
	for i := range members {
		value := members[i].Value
		switch string(members[i].Name) {
		case "usage":
			if u, ok := openai.ParseUsage(value); ok {
				q.count(u)
			}
		case "choices":
			if string(value) == "[]" {
				continue
			}
			q.produced++
			q.volume += int64(len(value))
			if m.chars {
				q.written += openai.ChoiceChars(value)
			}
			if q.hold != nil {
				q.said += openai.Said(value)
			}
		}
	}
}
