package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// openCall is a tool call of a stream, from its first fragment on.
type openCall struct {
	index int
	id    string
	name  string
	args  []byte // what has come of the arguments: the inside of a JSON string, escapes as written
	held  bool   // the arguments began with a quote, so they are kept until they can be unwrapped
	told  bool   // some of the arguments have been passed on
}

// callTracker gives each fragment of a streamed tool call its place. OCI numbers nothing, and vendors differ: Grok
// sends whole calls, one per event; GPT and gpt-oss open a call and send nameless fragments; Llama gives every
// fragment a new id (BerriAI/litellm#40040); Gemini gives no ids at all.
type callTracker struct {
	calls []*openCall
	at    []*openCall // the call opened last, by position in an event's list
}

// place finds the call that a fragment belongs to, opening one when it begins one. A known id decides. Otherwise a
// fragment with a name begins a call, unless it repeats the name of a call whose arguments are not complete; one
// without a name continues the call opened last at its position.
func (t *callTracker) place(f wireCall, position int, mint func(index int, name string) string) (call *openCall, opened bool) {
	if f.id != "" {
		for _, c := range t.calls {
			if c.id == f.id {
				t.remember(position, c)
				return c, false
			}
		}
	}
	if last := t.last(position); last != nil && (f.name == "" || (f.name == last.name && !last.complete())) {
		return last, false
	}
	c := &openCall{index: len(t.calls), id: f.id, name: f.name}
	if c.id == "" {
		c.id = mint(c.index, c.name)
	}
	t.calls = append(t.calls, c)
	t.remember(position, c)
	return c, true
}

func (t *callTracker) last(position int) *openCall {
	if position < len(t.at) {
		return t.at[position]
	}
	return nil
}

func (t *callTracker) remember(position int, c *openCall) {
	for len(t.at) <= position {
		t.at = append(t.at, nil)
	}
	t.at[position] = c
}

// text is what has come of the arguments, decoded.
func (c *openCall) text() openai.Text {
	return append(append([]byte{'"'}, c.args...), '"')
}

// complete reports whether the arguments are a whole JSON value.
func (c *openCall) complete() bool {
	return len(c.args) > 0 && jsonscan.Valid([]byte(c.text().String())) == nil
}

// add takes a fragment's arguments and returns the part of them that can be passed on now.
func (c *openCall) add(args openai.Text) openai.Text {
	if args.Empty() || c.repeats(args) {
		return nil
	}
	if len(c.args) == 0 {
		c.held = bytes.HasPrefix(bytes.TrimLeft(args.Inner(), " "), []byte(`\"`))
	}
	c.args = append(c.args, args.Inner()...)
	if c.held {
		return nil
	}
	c.told = true
	return args
}

// repeats reports whether args say again, as a whole, what has come: an id may be announced anew, and COHEREV2's last
// event may hold everything.
func (c *openCall) repeats(args openai.Text) bool {
	return bytes.HasPrefix(c.args, []byte{'{'}) && bytes.Equal(c.args, args.Inner()) && c.complete()
}

// rest is what is still to be passed on when the stream ends: arguments that were held back, unwrapped once, or {}
// for a call that came without any.
func (c *openCall) rest() openai.Text {
	switch {
	case c.held:
		c.held, c.told = false, true
		return unwrapArguments(c.text())
	case !c.told:
		c.told = true
		return openai.Text(`"{}"`)
	}
	return nil
}

// callID makes the id of a call that OCI gave none (Cohere, Gemini). It is the same whenever the same request gets
// the same calls, and differs from one turn of a conversation to the next, since each sends another body.
func callID(body [sha256.Size]byte, choice, index int, name string) string {
	const length = 24 // hex digits, as OpenAI's ids have characters
	h := sha256.New()
	h.Write(body[:])
	h.Write(strconv.AppendInt(nil, int64(choice), 10))
	h.Write([]byte{'/'})
	h.Write(strconv.AppendInt(nil, int64(index), 10))
	h.Write([]byte{'/'})
	h.Write([]byte(name))
	return "call_" + hex.EncodeToString(h.Sum(nil))[:length]
}
