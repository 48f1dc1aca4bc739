package cache

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Replay is the stream that an answer in one piece would have been: a chunk with the role, the texts in pieces of some words,
// the tool calls opened and filled, the reason of the end, for every choice; the usage last.
type Replay struct {
	ctx    context.Context
	chunks [][]byte
	delay  time.Duration
	wait   func() // before a pause; nil = nobody asks
	next   int
	closed chan struct{}
	once   sync.Once
}

var _ openai.Waiter = (*Replay)(nil)

// Replay makes a stream of an answer to a chat or a text completion. ok is false where body is no such answer.
func (c *Cache) Replay(ctx context.Context, op openai.Operation, body []byte) (s *Replay, ok bool) {
	chunks, ok := chunksOf(op, body)
	return &Replay{ctx: ctx, chunks: chunks, delay: c.o.ChunkDelay, closed: make(chan struct{})}, ok
}

// Next implements openai.Stream.
func (s *Replay) Next() (openai.Chunk, error) {
	if s.next > 0 && s.delay > 0 && s.next < len(s.chunks) {
		if s.wait != nil {
			s.wait()
		}
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return openai.Chunk{}, s.ctx.Err()
		case <-s.closed:
			return openai.Chunk{}, context.Canceled
		}
	}
	if err := s.ctx.Err(); err != nil {
		return openai.Chunk{}, err
	}
	if s.next == len(s.chunks) {
		return openai.Chunk{}, io.EOF
	}
	s.next++
	return openai.Chunk{Data: s.chunks[s.next-1]}, nil
}

// Close implements openai.Stream.
func (s *Replay) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Meta implements openai.Stream: no upstream was asked.
func (s *Replay) Meta() openai.Meta { return openai.Meta{} }

// OnWait implements openai.Waiter.
func (s *Replay) OnWait(f func()) bool {
	s.wait = f
	return true
}

// replayed makes the chunks of one answer.
type replayed struct {
	head   []byte // what every chunk begins with: id, created, model ...
	chunks [][]byte
}

func chunksOf(op openai.Operation, body []byte) ([][]byte, bool) {
	members, err := jsonscan.Object(body, make([]jsonscan.Member, 0, 12))
	if err != nil {
		return nil, false
	}
	raw, _ := jsonscan.Find(members, "choices")
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	choices, err := jsonscan.InnerArray(raw, nil)
	if err != nil {
		return nil, false
	}
	object := "chat.completion.chunk"
	if op == openai.OpCompletion {
		object = "text_completion"
	}
	r := replayed{head: []byte(`{"object":"` + object + `"`)}
	var usage []byte
	for _, m := range members {
		switch string(m.Name) {
		case "choices", "object":
		case "usage":
			if len(m.Value) > 0 && m.Value[0] == '{' {
				usage = m.Value
			}
		default:
			r.head = append(member(r.head, string(m.Name)), m.Value...)
		}
	}
	for i, choice := range choices {
		if !r.choice(op, i, choice) {
			return nil, false
		}
	}
	if usage != nil {
		r.add(append([]byte(`"choices":[],"usage":`), usage...))
	}
	return r.chunks, true
}

// member begins a member of the object that out ends in.
func member(out []byte, name string) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(jsonscan.AppendString(out, name), ':')
}

// field appends a member behind others.
func field(out []byte, name string, value []byte) []byte {
	return append(append(jsonscan.AppendString(append(out, ','), name), ':'), value...)
}

// add adds a chunk with the head and rest.
func (r *replayed) add(rest []byte) {
	chunk := make([]byte, 0, len(r.head)+len(rest)+2)
	chunk = append(append(chunk, r.head...), ',')
	r.chunks = append(r.chunks, append(append(chunk, rest...), '}'))
}

// choice adds the chunks of one choice.
func (r *replayed) choice(op openai.Operation, at int, raw []byte) bool {
	members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return false
	}
	c := choice{r: r, open: `{"index":` + strconv.Itoa(at)}
	var text, message []byte
	var rest, last []byte
	finish := []byte("null")
	for _, m := range members {
		switch name := string(m.Name); name {
		case "index":
			c.open = `{"index":` + string(m.Value)
		case "message":
			message = m.Value
		case "text":
			text = m.Value
		case "finish_reason":
			finish = m.Value
		case "logprobs":
			if string(m.Value) != "null" {
				rest = field(rest, name, m.Value)
			}
		default:
			last = field(last, name, m.Value)
		}
	}
	if op == openai.OpCompletion {
		if !c.texts("text", text) {
			return false
		}
		if rest != nil {
			c.say(`"text":""`, rest)
		}
		c.end(`"text":""`, finish, last)
		return true
	}
	if len(message) == 0 || message[0] != '{' || !c.message(message) {
		return false
	}
	if rest != nil {
		c.say(`"delta":{}`, rest)
	}
	c.end(`"delta":{}`, finish, last)
	return true
}

// choice makes the chunks of one choice.
type choice struct {
	r    *replayed
	open string
}

// say adds a chunk that says something, with more members of the choice behind it.
func (c *choice) say(what string, more []byte) {
	out := append([]byte(`"choices":[`), c.open...)
	out = append(append(append(out, ','), what...), more...)
	c.r.add(append(out, `,"finish_reason":null}]`...))
}

// end adds the chunk that says why the choice has ended.
func (c *choice) end(what string, finish, more []byte) {
	out := append([]byte(`"choices":[`), c.open...)
	out = append(append(append(out, ','), what...), more...)
	out = append(append(out, `,"finish_reason":`...), finish...)
	c.r.add(append(out, "}]"...))
}

// texts adds a text in pieces; null and absent add nothing.
func (c *choice) texts(field string, value []byte) bool {
	if len(value) == 0 || string(value) == "null" {
		return true
	}
	if value[0] != '"' {
		return false
	}
	for _, piece := range pieces(value[1 : len(value)-1]) {
		said := `"` + string(piece) + `"`
		if field == "text" {
			c.say(`"text":`+said, nil)
			continue
		}
		c.say(`"delta":{"`+field+`":`+said+`}`, nil)
	}
	return true
}

// message adds the chunks of a chat's message: what was thought first, then what is said, what is called, and what else there
// is, each as a whole.
func (c *choice) message(raw []byte) bool {
	members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return false
	}
	c.say(`"delta":{"role":"assistant","content":`+opening(members)+`}`, nil)
	for _, field := range [...]string{"reasoning_content", "reasoning", "content", "refusal"} {
		value, _ := jsonscan.Find(members, field)
		if len(value) > 0 && value[0] == '[' { // content in parts
			c.say(`"delta":{"`+field+`":`+string(value)+`}`, nil)
			continue
		}
		if !c.texts(field, value) {
			return false
		}
	}
	for _, m := range members {
		switch name := string(m.Name); name {
		case "role", "reasoning_content", "reasoning", "content", "refusal":
		case "tool_calls":
			if !c.calls(m.Value) {
				return false
			}
		case "function_call":
			if !c.function(m.Value) {
				return false
			}
		default:
			if string(m.Value) != "null" {
				c.say(`"delta":{`+string(field(nil, name, m.Value)[1:])+`}`, nil)
			}
		}
	}
	return true
}

// opening is the content of the first chunk: null where the answer has no text, as OpenAI's streams of tool calls begin.
func opening(message []jsonscan.Member) string {
	content, _ := jsonscan.Find(message, "content")
	if len(content) == 0 || content[0] != '"' {
		return "null"
	}
	return `""`
}

// calls opens each tool call and fills it.
func (c *choice) calls(value []byte) bool {
	if string(value) == "null" {
		return true
	}
	list, err := jsonscan.InnerArray(value, nil)
	if err != nil {
		return false
	}
	for i, raw := range list {
		members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
		if err != nil {
			return false
		}
		index := `{"index":` + strconv.Itoa(i)
		first := []byte(index)
		kind, field, said := "", "", []byte(nil)
		for _, m := range members {
			switch name := string(m.Name); name {
			case "index":
			case "function", "custom":
				kind = name
				var head []byte
				var ok bool
				if field, said, head, ok = emptied(m.Value); !ok {
					return false
				}
				first = append(member(first, name), head...)
			default:
				first = append(member(first, name), m.Value...)
			}
		}
		c.say(`"delta":{"tool_calls":[`+string(first)+`}]}`, nil)
		for _, piece := range pieces(said) {
			c.say(`"delta":{"tool_calls":[`+index+`,"`+kind+`":{"`+field+`":"`+string(piece)+`"}}]}`, nil)
		}
	}
	return true
}

// function opens and fills the older function_call.
func (c *choice) function(value []byte) bool {
	if string(value) == "null" {
		return true
	}
	field, said, head, ok := emptied(value)
	if !ok {
		return false
	}
	c.say(`"delta":{"function_call":`+string(head)+`}`, nil)
	for _, piece := range pieces(said) {
		c.say(`"delta":{"function_call":{"`+field+`":"`+string(piece)+`"}}`, nil)
	}
	return true
}

// emptied is a function with nothing in its arguments (a custom tool's input), and what was in them, as written inside of the
// quotes.
func emptied(function []byte) (field string, said, head []byte, ok bool) {
	if len(function) == 0 || function[0] != '{' {
		return "", nil, nil, false
	}
	members, err := jsonscan.InnerObject(function, make([]jsonscan.Member, 0, 4))
	if err != nil {
		return "", nil, nil, false
	}
	for _, name := range [...]string{"arguments", "input"} {
		value, given := jsonscan.Find(members, name)
		if given && value[0] == '"' {
			field, said = name, value[1:len(value)-1]
			members = slices.Clone(members)
			return field, said, jsonscan.Splice(function, members, []jsonscan.Field{{Name: name, Value: []byte(`""`)}}, nil).Bytes(), true
		}
	}
	return "", nil, function, true
}

const (
	// pieceLength is about how long a piece of a text is, in bytes: some words.
	pieceLength = 24
	// longestPiece ends a piece where there is no space.
	longestPiece = 48
)

// pieces cuts the inside of a JSON string, behind spaces where there are some, never inside of a character or an escape.
func pieces(inner []byte) [][]byte {
	var list [][]byte
	start, i := 0, 0
	for i < len(inner) {
		space := inner[i] == ' '
		i += width(inner[i:])
		if n := i - start; n >= longestPiece || space && n >= pieceLength {
			list = append(list, inner[start:i])
			start = i
		}
	}
	if start < len(inner) {
		list = append(list, inner[start:])
	}
	return list
}

// width is the length of the character that a JSON string's inside begins with, as it is written.
func width(s []byte) int {
	const escape, pair = 6, 12 // \u00e9, and two of them that are one character
	switch {
	case s[0] == '\\' && len(s) > 1 && s[1] == 'u':
		if len(s) >= pair && high(s[2:escape]) && s[escape] == '\\' && s[escape+1] == 'u' {
			return pair
		}
		return min(escape, len(s))
	case s[0] == '\\':
		return min(2, len(s))
	}
	n := 1
	for n < len(s) && s[n]&0xC0 == 0x80 {
		n++
	}
	return n
}

// high reports whether four digits are the first half of a surrogate pair.
func high(digits []byte) bool {
	r := hexRune(digits)
	return r >= 0xD800 && r < 0xDC00
}
