package content

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Assembler makes one answer in one piece out of the chunks of a stream: chat.completion out of chat.completion.chunk, and
// text_completion likewise. What it keeps are copies. It is used by one goroutine.
type Assembler struct {
	op      openai.Operation
	top     []jsonscan.Field // members of the whole: id, created, model ... in the order in which they came
	usage   []byte
	choices []*assembled // by index, ascending
	held    int
	scratch []jsonscan.Member
}

// NewAssembler starts an answer of an operation that is streamed: chat or completion.
func NewAssembler(op openai.Operation) *Assembler { return &Assembler{op: op} }

// Held is about how many bytes the assembler keeps, for who bounds them.
func (a *Assembler) Held() int { return a.held }

// Empty reports whether no chunk has come yet.
func (a *Assembler) Empty() bool { return len(a.top) == 0 && len(a.choices) == 0 }

// Add takes one chunk: a JSON object as openai.Chunk has it. A chunk of another shape is an error, and leaves an answer that is
// not complete.
func (a *Assembler) Add(chunk []byte) error {
	members, err := jsonscan.InnerObject(chunk, a.scratch)
	if err != nil {
		return err
	}
	a.scratch = members
	for _, m := range members {
		switch name := string(m.Name); name {
		case "choices":
			if err := a.addChoices(m.Value); err != nil {
				return err
			}
		case "usage":
			if string(m.Value) != "null" {
				a.usage = bytes.Clone(m.Value)
			}
		case "object", "obfuscation": // of the chunks, not of the answer
		default:
			a.held += keepFirst(&a.top, name, m.Value)
		}
	}
	return nil
}

// keepFirst notes a member's first value that says something, and tells by how much what is kept has grown.
func keepFirst(fields *[]jsonscan.Field, name string, value []byte) int {
	for i := range *fields {
		f := &(*fields)[i]
		if f.Name != name {
			continue
		}
		if blank(f.Value) && !blank(value) {
			f.Value = bytes.Clone(value)
			return len(value)
		}
		return 0
	}
	*fields = append(*fields, jsonscan.Field{Name: name, Value: bytes.Clone(value)})
	return len(name) + len(value)
}

func blank(value []byte) bool {
	switch string(value) {
	case "null", `""`, "0", "[]", "{}":
		return true
	}
	return false
}

func (a *Assembler) addChoices(value []byte) error {
	if string(value) == "null" {
		return nil
	}
	list, err := jsonscan.InnerArray(value, nil)
	if err != nil {
		return err
	}
	for i, raw := range list {
		members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
		if err != nil {
			return err
		}
		index := i
		if raw, ok := jsonscan.Find(members, "index"); ok {
			index = number(raw, i)
		}
		grown, err := a.choice(index).add(members)
		if err != nil {
			return fmt.Errorf("choice %d: %w", index, err)
		}
		a.held += grown
	}
	return nil
}

func (a *Assembler) choice(index int) *assembled {
	at, found := slices.BinarySearchFunc(a.choices, index, func(c *assembled, i int) int { return c.index - i })
	if !found {
		a.choices = slices.Insert(a.choices, at, &assembled{index: index})
	}
	return a.choices[at]
}

// Reply is the answer as it stands. It may be asked for before the stream has ended; the finish reasons are null then.
func (a *Assembler) Reply() []byte {
	object := "chat.completion"
	if a.op == openai.OpCompletion {
		object = "text_completion"
	}
	out := append(make([]byte, 0, a.held+256), '{')
	id := slices.IndexFunc(a.top, func(f jsonscan.Field) bool { return f.Name == "id" })
	if id >= 0 {
		out = append(appendName(out, "id"), a.top[id].Value...)
	}
	out = append(appendName(out, "object"), strconv.Quote(object)...)
	for i, f := range a.top {
		if i != id {
			out = append(appendName(out, f.Name), f.Value...)
		}
	}
	out = append(appendName(out, "choices"), '[')
	for i, c := range a.choices {
		if i > 0 {
			out = append(out, ',')
		}
		out = c.append(out, a.op == openai.OpChat)
	}
	out = append(out, ']')
	if a.usage != nil {
		out = append(appendName(out, "usage"), a.usage...)
	}
	return append(out, '}')
}

// appendName begins a member of the object that out ends in.
func appendName(out []byte, name string) []byte {
	if c := out[len(out)-1]; c != '{' {
		out = append(out, ',')
	}
	return append(jsonscan.AppendString(out, name), ':')
}
