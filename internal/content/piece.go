package content

import (
	"bytes"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Piece is a chunk of a stream with one choice at most, for who changes a stream while it runs.
type Piece struct {
	*Body
	Choice    int  // the index of its choice; -1 without one
	Finished  bool // it tells why the choice has ended
	TextsOnly bool // besides texts, the choice says nothing
	Data      []byte
}

// Pieces scans a chunk. One with several choices becomes as many pieces, in order; usage stays with the last. The pieces point
// into chunk.
func Pieces(op openai.Operation, chunk []byte) ([]*Piece, error) {
	members, err := jsonscan.Object(chunk, make([]jsonscan.Member, 0, 12))
	if err != nil {
		return nil, err
	}
	choices, _ := jsonscan.Find(members, "choices")
	var list [][]byte
	if len(choices) > 0 && choices[0] == '[' {
		if list, err = jsonscan.InnerArray(choices, nil); err != nil {
			return nil, err
		}
	}
	if len(list) < 2 {
		p, err := piece(op, chunk, list)
		return []*Piece{p}, err
	}
	pieces := make([]*Piece, 0, len(list))
	for i, choice := range list {
		set := []jsonscan.Field{{Name: "choices", Value: bytes.Join([][]byte{[]byte("["), choice, []byte("]")}, nil)}}
		last := i == len(list)-1
		data := jsonscan.Splice(chunk, members, set, func(name []byte) bool { return !last && string(name) == "usage" }).Bytes()
		p, err := piece(op, data, list[i:i+1])
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
	}
	return pieces, nil
}

// piece scans a chunk whose choices are list, of one or none.
func piece(op openai.Operation, data []byte, list [][]byte) (*Piece, error) {
	body, err := answer(op, data, "delta")
	if err != nil {
		return nil, err
	}
	p := &Piece{Body: body, Choice: -1, Data: data}
	if len(list) == 0 {
		return p, nil
	}
	members, err := jsonscan.InnerObject(list[0], make([]jsonscan.Member, 0, 8))
	if err != nil {
		return nil, err
	}
	p.Choice, p.TextsOnly = 0, true
	for _, m := range members {
		switch string(m.Name) {
		case "index":
			p.Choice = number(m.Value, 0)
		case "finish_reason":
			p.Finished = string(m.Value) != "null"
		case "delta":
			p.TextsOnly = textsOnly(m.Value)
		}
	}
	return p, nil
}

// textsOnly reports whether a delta holds texts and nothing that starts something.
func textsOnly(delta []byte) bool {
	members, err := jsonscan.InnerObject(delta, make([]jsonscan.Member, 0, 8))
	for _, m := range members {
		switch string(m.Name) {
		case "content", "reasoning_content", "reasoning", "refusal":
		default:
			if !blank(m.Value) {
				return false
			}
		}
	}
	return err == nil
}

// Usage reports whether the piece tells what was used.
func (p *Piece) Usage() bool {
	members, err := jsonscan.InnerObject(p.Data, make([]jsonscan.Member, 0, 12))
	usage, _ := jsonscan.Find(members, "usage")
	return err == nil && len(usage) > 0 && string(usage) != "null"
}

// Cites reports whether the piece tells what repeats a text of its choice, apart from the text itself.
func (p *Piece) Cites() bool { return len(p.Texts) == 0 && len(p.again) > 0 }

// Uncited is the piece without what repeats a text of its choice.
func (p *Piece) Uncited() []byte { return apply(p.src, p.forgotten(map[int]bool{0: true}), 0) }

// UsageOnly is the piece with the same usage and no choice.
func (p *Piece) UsageOnly() []byte {
	members, err := jsonscan.InnerObject(p.Data, make([]jsonscan.Member, 0, 12))
	if err != nil { // it was scanned before
		return nil
	}
	return jsonscan.Splice(p.Data, members, []jsonscan.Field{{Name: "choices", Value: []byte("[]")}}, nil).Bytes()
}

// Saying is a piece with the same id, model and time that says text in the place where t stands, and nothing else.
func (p *Piece) Saying(t *Text, text string) []byte {
	value := string(jsonscan.Text(text))
	switch t.Field {
	case "text":
		return p.withChoice(`{"index":` + strconv.Itoa(t.Index) + `,"text":` + value + `,"finish_reason":null}`)
	case "thinking_blocks":
		value = `[{"type":"thinking","thinking":` + value + "}]"
	case "audio":
		value = `{"transcript":` + value + "}"
	case "function_call":
		value = `{"arguments":` + value + "}"
	}
	said := strconv.Quote(t.Field) + ":" + value
	if t.Field == "arguments" || t.Field == "input" {
		said = `"tool_calls":[{"index":` + strconv.Itoa(t.Call) + "," + called[t.Field] + ":{" + said + "}}]"
	}
	return p.withChoice(`{"index":` + strconv.Itoa(t.Index) + `,"delta":{` + said + `},"finish_reason":null}`)
}

// called is the member of a tool call that a text stands in, by the text's Field.
var called = map[string]string{"arguments": `"function"`, "input": `"custom"`}

// Ending is a piece with the same id, model and time that ends a choice.
func (p *Piece) Ending(choice int, reason string) []byte {
	said := `"delta":{}`
	if p.Surface == openai.OpCompletion {
		said = `"text":""`
	}
	return p.withChoice(`{"index":` + strconv.Itoa(choice) + "," + said + `,"finish_reason":` + strconv.Quote(reason) + "}")
}

func (p *Piece) withChoice(choice string) []byte {
	members, err := jsonscan.InnerObject(p.Data, make([]jsonscan.Member, 0, 12))
	if err != nil { // it was scanned before
		return nil
	}
	set := []jsonscan.Field{{Name: "choices", Value: []byte("[" + choice + "]")}}
	return jsonscan.Splice(p.Data, members, set, func(name []byte) bool { return string(name) == "usage" }).Bytes()
}
