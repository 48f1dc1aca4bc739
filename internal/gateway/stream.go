package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/record"
)

// answerStream passes the chunks on as they come: what the upstream sent together goes out together, before the next
// is waited for. Ids and creation time are pinned to the first chunk's, the model is the one asked for, and usage stands
// in one chunk of its own behind the finish chunk, for the callers who asked.
func (q *request) answerStream() error {
	q.events.open(func(h http.Header) { q.replyHeaders(h, q.stream.Meta()) })
	q.rec.Status = http.StatusOK
	q.rec.FirstByte = time.Since(q.rec.Started)
	q.events.collect(q.stream)
	var c chunker
	if q.mergesReasoning() {
		c.thinking = thinking{}
	}
	for {
		chunk, err := q.stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		text, err := c.rewrite(q, chunk)
		if err != nil {
			return err
		}
		if text == nil {
			continue
		}
		q.keepEvent(text)
		if err := q.events.data(text); err != nil {
			return err
		}
	}
	if q.meter.cut {
		return q.cut(&c)
	}
	q.estimate() // where the upstream has not told what was used
	return q.endStream(&c)
}

// endStream writes the usage, where it was asked for, and the end.
func (q *request) endStream(c *chunker) error {
	q.rec.RequestID = string(bytes.Trim(c.id, `"`))
	q.rec.Outcome = record.Success
	q.keepUsage(c)
	q.book()
	if c.usage != nil && (q.body.IncludeUsage || q.snap.AlwaysIncludeUsage) {
		if err := q.events.data(c.usageChunk()); err != nil {
			return err
		}
	}
	return q.events.done()
}

// cut ends a stream whose budget has nothing left: the caller gets a finish chunk that says why, and the upstream call is
// cancelled. What it has written is estimated, since nobody tells its usage any more.
func (q *request) cut(c *chunker) error {
	q.estimate()
	last := c.lengthChunk()
	q.keepEvent(last)
	if err := q.events.data(last); err != nil {
		return err
	}
	return q.endStream(c)
}

// finishes reports whether a chunk tells why the answer has ended.
func finishes(chunk []byte) bool {
	members, err := jsonscan.InnerObject(chunk, nil)
	if err != nil {
		return false
	}
	choices, _ := jsonscan.Find(members, "choices")
	list, err := jsonscan.InnerArray(choices, nil)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(choice []byte) bool {
		members, err := jsonscan.InnerObject(choice, nil)
		reason, _ := jsonscan.Find(members, "finish_reason")
		return err == nil && len(reason) > 0 && reason[0] == '"'
	})
}

// chunker rewrites the chunks of one stream.
type chunker struct {
	members []jsonscan.Member
	buf     []byte
	id      []byte // of the first chunk that has one, as JSON text
	created []byte
	object  []byte
	model   []byte // what every chunk carries
	usage   []byte // the upstream's, as JSON text; nil when it gave none
	tools   toolTurns
	// thinking is not nil when reasoning goes into the content.
	thinking thinking
}

// rewrite returns the text to send for an upstream's chunk, valid until the next call, or nil when nothing is to be sent.
func (c *chunker) rewrite(q *request, chunk openai.Chunk) ([]byte, error) {
	data, members := chunk.Data, chunk.Members
	if members == nil {
		var err error
		if c.members, err = jsonscan.InnerObject(data, c.members); err != nil {
			return nil, err
		}
		members = c.members
	}
	c.buf = append(c.buf[:0], '{')
	empty := false
	for _, m := range members {
		switch string(m.Name) {
		case "id":
			c.field("id", pin(&c.id, m.Value))
		case "created":
			c.field("created", pin(&c.created, m.Value))
		case "object":
			c.field("object", pin(&c.object, m.Value))
		case "model":
			if c.model == nil {
				c.model = q.modelInReply(bytes.Clone(m.Value))
			}
			c.field("model", c.model)
		case "usage": // in a chunk of its own, at the end
			if _, ok := openai.ParseUsage(m.Value); ok {
				c.usage = bytes.Clone(m.Value)
			}
		case "choices":
			empty = string(m.Value) == "[]"
			if !empty {
				q.keepChunk(m.Value)
			}
			choices, err := c.tools.mend(m.Value, "delta")
			if err != nil {
				return nil, err
			}
			if c.thinking != nil {
				if choices, err = c.thinking.merge(choices); err != nil {
					return nil, err
				}
			}
			c.field("choices", choices)
		default:
			c.separate()
			c.buf = append(c.buf, m.Text(data)...)
		}
	}
	c.buf = append(c.buf, '}')
	if empty && c.usage != nil {
		return nil, nil // the upstream's usage chunk
	}
	return c.buf, nil
}

func (c *chunker) separate() {
	if len(c.buf) > 1 {
		c.buf = append(c.buf, ',')
	}
}

func (c *chunker) field(name string, value []byte) {
	c.separate()
	c.buf = append(append(append(append(c.buf, '"'), name...), '"', ':'), value...)
}

// pin keeps the first value of a field that must be the same in every chunk.
func pin(kept *[]byte, value []byte) []byte {
	if len(*kept) == 0 && len(value) > 0 && string(value) != `""` && string(value) != "null" && string(value) != "0" {
		*kept = bytes.Clone(value)
	}
	if len(*kept) > 0 {
		return *kept
	}
	return value
}

// lengthChunk ends an answer for which the budget had no more.
func (c *chunker) lengthChunk() []byte {
	return c.closing([]byte(`[{"index":0,"delta":{},"finish_reason":"length"}]`), "tollgate", []byte(`{"ended_by":"budget_exceeded"}`))
}

// usageChunk is the last chunk of a stream whose caller asked for usage: no choices, as OpenAI sends it.
func (c *chunker) usageChunk() []byte { return c.closing([]byte("[]"), "usage", c.usage) }

// closing is a chunk of the stream's own that has one more field.
func (c *chunker) closing(choices []byte, name string, value []byte) []byte {
	c.buf = append(c.buf[:0], '{')
	for _, f := range []struct {
		name  string
		value []byte
	}{{"id", c.id}, {"object", c.object}, {"created", c.created}, {"model", c.model}, {"choices", choices}, {name, value}} {
		if f.value != nil {
			c.field(f.name, f.value)
		}
	}
	return append(c.buf, '}')
}
