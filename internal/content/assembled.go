package content

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"tollgate/internal/jsonscan"
)

// errShape says that a chunk is not one of a chat or a text completion.
var errShape = errors.New("content: the chunk has another shape")

// assembled is one choice of an answer that is put together.
type assembled struct {
	index    int
	texts    []joined         // content, reasoning_content, refusal ... and a completion's text, in the order in which they came
	lists    []joined         // members of the message that are lists: each chunk brings more of them
	other    []jsonscan.Field // members of the message that come whole
	calls    []*call          // by index, ascending
	function *call            // the older function_call
	own      []jsonscan.Field // members of the choice that come whole
	probs    []joined         // the lists of logprobs
	finish   []byte
}

// joined is a member whose value comes in pieces: the inside of a string, or of a list.
type joined struct {
	name  string
	inner []byte
}

// call is a tool call that comes in pieces.
type call struct {
	index  int
	fields []jsonscan.Field // id, type
	kind   string           // function, or custom
	name   []jsonscan.Field
	said   []joined // arguments, or a custom tool's input
}

// join adds a piece of a string (quote '"') or a list (quote '['); null adds nothing.
func join(list *[]joined, name string, value []byte, quote byte) (grown int, err error) {
	if string(value) == "null" {
		return 0, nil
	}
	if value[0] != quote {
		return 0, errShape
	}
	inner := bytes.TrimSpace(value[1 : len(value)-1])
	if quote == '"' {
		inner = value[1 : len(value)-1]
	}
	i := slices.IndexFunc(*list, func(j joined) bool { return j.name == name })
	if i < 0 {
		*list, i = append(*list, joined{name: name}), len(*list)
	}
	j := &(*list)[i]
	if quote == '[' && len(j.inner) > 0 && len(inner) > 0 {
		j.inner = append(j.inner, ',')
	}
	j.inner = append(j.inner, inner...)
	return len(inner), nil
}

func (c *assembled) add(members []jsonscan.Member) (grown int, err error) {
	for _, m := range members {
		var n int
		switch name := string(m.Name); name {
		case "index":
		case "delta":
			n, err = eachMember(m.Value, c.addDelta)
		case "text":
			n, err = join(&c.texts, name, m.Value, '"')
		case "finish_reason":
			if string(m.Value) != "null" {
				c.finish = bytes.Clone(m.Value)
			}
		case "logprobs":
			n, err = eachMember(m.Value, func(name string, value []byte) (int, error) { return join(&c.probs, name, value, '[') })
		default:
			n = keepFirst(&c.own, name, m.Value)
		}
		if err != nil {
			return grown, err
		}
		grown += n
	}
	return grown, nil
}

// eachMember sums over the members of an object; null has none.
func eachMember(object []byte, add func(name string, value []byte) (int, error)) (grown int, err error) {
	if string(object) == "null" {
		return 0, nil
	}
	members, err := jsonscan.InnerObject(object, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return 0, err
	}
	for _, m := range members {
		n, err := add(string(m.Name), m.Value)
		if err != nil {
			return grown, err
		}
		grown += n
	}
	return grown, nil
}

func (c *assembled) addDelta(name string, value []byte) (int, error) {
	switch name {
	case "role":
		return 0, nil
	case "content", "reasoning_content", "reasoning", "refusal":
		return join(&c.texts, name, value, '"')
	case "tool_calls":
		return c.addCalls(value)
	case "function_call":
		if string(value) == "null" {
			return 0, nil
		}
		if c.function == nil {
			c.function = &call{}
		}
		return eachMember(value, c.function.addSaid)
	}
	if value[0] == '[' {
		return join(&c.lists, name, value, '[')
	}
	return keepFirst(&c.other, name, value), nil
}

func (c *assembled) addCalls(value []byte) (grown int, err error) {
	if string(value) == "null" {
		return 0, nil
	}
	list, err := jsonscan.InnerArray(value, nil)
	if err != nil {
		return 0, err
	}
	for i, raw := range list {
		members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 4))
		if err != nil {
			return grown, err
		}
		index := c.indexOf(members, i)
		n, err := eachMember(raw, c.call(index).add)
		if err != nil {
			return grown, err
		}
		grown += n
	}
	return grown, nil
}

// indexOf is the index of the call that a piece belongs to. Some upstreams send whole calls, each with an id and none with an
// index.
func (c *assembled) indexOf(members []jsonscan.Member, at int) int {
	if raw, ok := jsonscan.Find(members, "index"); ok {
		return number(raw, at)
	}
	id, _ := jsonscan.Find(members, "id")
	if blank(id) || len(id) == 0 {
		return at
	}
	for _, call := range c.calls {
		if slices.ContainsFunc(call.fields, func(f jsonscan.Field) bool { return f.Name == "id" && bytes.Equal(f.Value, id) }) {
			return call.index
		}
	}
	if n := len(c.calls); n > 0 {
		return max(at, c.calls[n-1].index+1)
	}
	return at
}

func (c *assembled) call(index int) *call {
	at, found := slices.BinarySearchFunc(c.calls, index, func(c *call, i int) int { return c.index - i })
	if !found {
		c.calls = slices.Insert(c.calls, at, &call{index: index})
	}
	return c.calls[at]
}

func (c *call) add(name string, value []byte) (int, error) {
	switch name {
	case "index":
		return 0, nil
	case "function", "custom":
		c.kind = name
		return eachMember(value, c.addSaid)
	}
	return keepFirst(&c.fields, name, value), nil
}

func (c *call) addSaid(name string, value []byte) (int, error) {
	if name == "arguments" || name == "input" {
		return join(&c.said, name, value, '"')
	}
	return keepFirst(&c.name, name, value), nil
}

// append writes the choice. chat tells whether it has a message, or a text.
func (c *assembled) append(out []byte, chat bool) []byte {
	out = append(out, '{')
	out = strconv.AppendInt(appendName(out, "index"), int64(c.index), 10)
	if chat {
		out = c.appendMessage(append(appendName(out, "message"), '{'))
	} else {
		out = appendJoined(out, "text", find(c.texts, "text"), '"')
	}
	out = appendName(out, "logprobs")
	if len(c.probs) == 0 {
		out = append(out, "null"...)
	} else {
		out = append(out, '{')
		for _, p := range c.probs {
			out = appendJoined(out, p.name, p.inner, '[')
		}
		out = append(out, '}')
	}
	out = appendName(out, "finish_reason")
	if c.finish == nil {
		out = append(out, "null"...)
	} else {
		out = append(out, c.finish...)
	}
	return append(appendFields(out, c.own), '}')
}

func (c *assembled) appendMessage(out []byte) []byte {
	out = append(out, `"role":"assistant"`...)
	if content := find(c.texts, "content"); content != nil {
		out = appendJoined(out, "content", content, '"')
	} else {
		out = append(appendName(out, "content"), "null"...)
	}
	for _, t := range c.texts {
		if t.name != "content" && t.name != "text" {
			out = appendJoined(out, t.name, t.inner, '"')
		}
	}
	for i, call := range c.calls {
		if i == 0 {
			out = append(appendName(out, "tool_calls"), '[')
		} else {
			out = append(out, ',')
		}
		out = call.append(out)
	}
	if len(c.calls) > 0 {
		out = append(out, ']')
	}
	if c.function != nil {
		out = append(c.function.appendSaid(append(appendName(out, "function_call"), '{')), '}')
	}
	for _, l := range c.lists {
		out = appendJoined(out, l.name, l.inner, '[')
	}
	return append(appendFields(out, c.other), '}')
}

func (c *call) append(out []byte) []byte {
	out = appendFields(append(out, '{'), c.fields)
	if c.kind != "" {
		out = append(c.appendSaid(append(appendName(out, c.kind), '{')), '}')
	}
	return append(out, '}')
}

func (c *call) appendSaid(out []byte) []byte {
	out = appendFields(out, c.name)
	for _, s := range c.said {
		out = appendJoined(out, s.name, s.inner, '"')
	}
	return out
}

func appendFields(out []byte, fields []jsonscan.Field) []byte {
	for _, f := range fields {
		out = append(appendName(out, f.Name), f.Value...)
	}
	return out
}

func appendJoined(out []byte, name string, inner []byte, quote byte) []byte {
	out = append(append(appendName(out, name), quote), inner...)
	if quote == '[' {
		quote = ']'
	}
	return append(out, quote)
}

// find is the inside of a joined member, nil where nothing came.
func find(list []joined, name string) []byte {
	for _, j := range list {
		if j.name == name {
			if j.inner == nil {
				return []byte{}
			}
			return j.inner
		}
	}
	return nil
}
