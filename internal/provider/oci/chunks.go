package oci

import (
	"bytes"

	"tollgate/internal/openai"
)

// chunker turns the events of a stream into OpenAI's chunks. What an event makes is queued; it is valid until the
// next event.
type chunker struct {
	*replyTo
	reader  wireReader
	prefix  []byte // of every chunk, up to its choices
	out     jsonOut
	ends    []int // where the queued chunks end in out
	next    int   // the chunk to be taken next
	choices []*streamed
	tail    tail
	sources piece // of the first choice: what its annotations are made of
}

// streamed is what a choice has given so far.
type streamed struct {
	index    int
	begun    bool // its role has been told
	finished bool
	finish   string // OCI's word
	calls    callTracker
	whole    []byte // Cohere's text so far, decoded: its last event repeats all of it
	held     string // the end of COHERE's text that is not passed on yet, decoded; not in whole
	told     bool   // an event of COHERE has come
	nullKeys bool   // the first one had a finishReason of null, so that its presence says nothing
}

func newChunker(r *replyTo) *chunker {
	c := &chunker{replyTo: r, reader: wireReader{format: r.format}}
	var o jsonOut
	o.open('{')
	o.strMember("id", r.id)
	o.strMember("object", "chat.completion.chunk")
	o.numMember("created", int(r.created))
	o.strMember("model", r.model)
	o.key("choices")
	o.open('[')
	c.prefix = o.b
	return c
}

// take returns the next queued chunk.
func (c *chunker) take() (openai.Chunk, bool) {
	if c.next == len(c.ends) {
		return openai.Chunk{}, false
	}
	start := 0
	if c.next > 0 {
		start = c.ends[c.next-1]
	}
	data := c.out.b[start:c.ends[c.next]]
	c.next++
	return openai.Chunk{Data: data}, true
}

// event queues what one event makes.
func (c *chunker) event(data []byte) error {
	c.out.b, c.ends, c.next = c.out.b[:0], c.ends[:0], 0
	p, t, err := c.reader.event(data)
	if err != nil {
		return err
	}
	if t.usage != nil {
		c.tail.usage = append(c.tail.usage[:0], t.usage...)
	}
	if p.index < 0 && p.text == nil && len(p.calls) == 0 && p.reasoning == nil && p.refusal == nil && !p.finished {
		return nil // usage alone
	}
	s := c.choice(p)
	switch c.format {
	case Cohere:
		c.dropRepeats(s, &p)
	case CohereV2:
		s.dropRepeatsV2(&p)
	}
	c.queue(s, p)
	return nil
}

// queue makes the chunks of a piece.
func (c *chunker) queue(s *streamed, p piece) {
	c.keepSources(p)
	c.delta(s, p)
	for i, call := range p.calls {
		c.call(s, call, i)
	}
	if p.finished {
		s.finished, s.finish = true, p.finish
	}
}

// answer queues what a whole answer makes, but for its end.
func (c *chunker) answer(body []byte) error {
	t, err := c.reader.answer(body, func(p piece) error {
		p.text = c.withoutArtefact(p)
		c.queue(c.choice(p), p)
		return nil
	})
	c.tail = t
	return err
}

// choice finds the choice that an event speaks of. GENERIC's last event of a choice has no index: it is the first
// one that has not finished.
func (c *chunker) choice(p piece) *streamed {
	for _, s := range c.choices {
		if s.index == p.index || (p.index < 0 && !s.finished) {
			return s
		}
	}
	if p.index < 0 && len(c.choices) > 0 {
		return c.choices[len(c.choices)-1]
	}
	s := &streamed{index: max(p.index, 0)}
	c.choices = append(c.choices, s)
	return s
}

// keepSources remembers citations until the end; an event that repeats them replaces them.
func (c *chunker) keepSources(p piece) {
	if !p.hasSources() {
		return
	}
	for _, field := range []struct {
		to   *[]byte
		from []byte
	}{
		{&c.sources.notes, p.notes}, {&c.sources.citations, p.citations}, {&c.sources.documents, p.documents},
		{&c.sources.queries, p.queries}, {&c.sources.grounding, p.grounding},
	} {
		if len(field.from) > 2 {
			*field.to = bytes.Clone(field.from)
		}
	}
}

// begin starts a chunk up to its delta's members; the first of a choice tells the role.
func (c *chunker) begin(s *streamed) {
	c.out.b = append(c.out.b, c.prefix...)
	c.out.open('{')
	c.out.numMember("index", s.index)
	c.out.key("delta")
	c.out.open('{')
	if !s.begun {
		s.begun = true
		c.out.strMember("role", "assistant")
	}
}

// end closes a delta and its chunk; finish is "" before the last one of a choice.
func (c *chunker) end(finish string, logprobs []byte) {
	c.out.close('}')
	if l := chatLogprobs(logprobs); l != nil {
		c.out.rawMember("logprobs", l)
	}
	c.out.key("finish_reason")
	if finish == "" {
		c.out.null()
	} else {
		c.out.str(finish)
	}
	c.out.b = append(c.out.b, "}]}"...)
	c.ends = append(c.ends, len(c.out.b))
}

// delta queues the texts of an event. The first one of a choice is passed on if it is empty: it tells the caller
// that the answer has begun.
func (c *chunker) delta(s *streamed, p piece) {
	empty := p.text.Empty() && p.reasoning.Empty() && p.refusal.Empty() && p.logprobs == nil
	if empty && (s.begun || len(p.calls) > 0) {
		return
	}
	c.begin(s)
	if !p.reasoning.Empty() {
		c.out.textMember("reasoning_content", p.reasoning)
	}
	if !p.refusal.Empty() {
		c.out.textMember("refusal", p.refusal)
	}
	if !p.text.Empty() || empty {
		c.out.textMember("content", p.text)
	}
	c.end("", p.logprobs)
}

// call queues a fragment of a tool call.
func (c *chunker) call(s *streamed, f wireCall, position int) {
	call, opened := s.calls.place(f, position, func(index int, name string) string { return c.mint(s.index, index, name) })
	args := call.add(f.args)
	if call.held && bytes.HasSuffix(call.args, []byte(`\"`)) && call.complete() {
		args = call.rest()
	}
	if !opened && args.Empty() {
		return
	}
	if args == nil {
		args = emptyText
	}
	c.callDelta(s, call, opened, args)
}

func (c *chunker) callDelta(s *streamed, call *openCall, opened bool, args openai.Text) {
	if c.functions && call.index > 0 {
		return // the older form has room for one call
	}
	c.begin(s)
	o := &c.out
	if c.functions {
		o.key("function_call")
	} else {
		o.key("tool_calls")
		o.open('[')
		o.open('{')
		o.numMember("index", call.index)
		if opened {
			o.strMember("id", call.id)
			o.strMember("type", "function")
		}
		o.key("function")
	}
	o.open('{')
	if opened {
		o.strMember("name", call.name)
	}
	o.textMember("arguments", args)
	o.close('}')
	if !c.functions {
		o.close('}')
		o.close(']')
	}
	c.end("", nil)
}

// complete reports whether the answer has come to its end: every choice that began has finished.
func (c *chunker) complete() bool {
	for _, s := range c.choices {
		if !s.finished {
			return false
		}
	}
	return len(c.choices) > 0
}

// finish queues the end of the stream: what was held back, one last chunk for each choice, the usage.
func (c *chunker) finish() {
	c.out.b, c.ends, c.next = c.out.b[:0], c.ends[:0], 0
	if len(c.choices) == 0 {
		c.choices = append(c.choices, &streamed{})
	}
	for i, s := range c.choices {
		if s.held != "" {
			p := piece{}
			s.release(&p)
			c.delta(s, p)
		}
		for _, call := range s.calls.calls {
			if args := call.rest(); args != nil {
				c.callDelta(s, call, false, args)
			}
		}
		if i == 0 && c.sources.hasSources() {
			c.begin(s)
			appendAnnotations(&c.out, c.sources)
			c.end("", nil)
		}
		if !s.begun {
			c.begin(s)
			c.out.textMember("content", nil)
			c.end("", nil)
		}
		c.begin(s)
		c.end(finishReason(s.finish, len(s.calls.calls) > 0, c.functions), nil)
	}
	if c.tail.usage != nil {
		mark := len(c.out.b)
		c.out.b = append(append(c.out.b, c.prefix...), ']')
		if appendUsage(&c.out, c.tail.usage) {
			c.out.close('}')
			c.ends = append(c.ends, len(c.out.b))
		} else {
			c.out.b = c.out.b[:mark]
		}
	}
}
