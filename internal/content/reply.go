package content

import (
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Reply finds the texts of an answer in one piece, of every choice. It fails with ErrUnknownSurface, with a
// *jsonscan.SyntaxError where body is no JSON, or with an *openai.ParseError where it has another shape.
func Reply(op openai.Operation, body []byte) (*Body, error) { return answer(op, body, "message") }

func answer(op openai.Operation, body []byte, part string) (*Body, error) {
	switch op {
	case openai.OpChat, openai.OpCompletion, openai.OpEmbedding, openai.OpRerank:
	default:
		return nil, ErrUnknownSurface
	}
	members, err := jsonscan.Object(body, make([]jsonscan.Member, 0, 12))
	if err != nil {
		return nil, err
	}
	w := walker{body: &Body{Surface: op, src: body, pieces: part == "delta"}, now: Text{Role: "assistant"}}
	for _, m := range members {
		switch string(m.Name) {
		case "choices":
			if string(m.Value) != "null" {
				w.array("choices", m.Value, func(i int, e []byte) { w.choice(i, e, part) })
			}
		case "results": // of a rerank: the documents may be told again
			if op == openai.OpRerank && string(m.Value) != "null" {
				w.array("results", m.Value, w.result)
			}
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.body, nil
}

func (w *walker) choice(i int, value []byte, part string) {
	param := "choices[" + strconv.Itoa(i) + "]"
	members := w.object(param, value)
	w.owner, w.now = i, Text{Role: "assistant", Index: i}
	if raw, ok := jsonscan.Find(members, "index"); ok {
		w.now.Index = number(raw, i)
	}
	for _, m := range members {
		switch string(m.Name) {
		case part:
			if m.Value[0] == '{' {
				w.message(param+"."+part, m.Value, "assistant")
			}
		case "text":
			w.now.Field = "text"
			w.text(Plain, param+".text", m.Value)
		case "logprobs":
			w.repeated(m.Value)
		}
	}
}

// repeated notes a member that repeats the text of its choice.
func (w *walker) repeated(value []byte) {
	if string(value) != "null" {
		start := w.offset(value)
		w.body.again = append(w.body.again, place{start: start, end: start + len(value), owner: w.owner})
	}
}

func (w *walker) result(i int, value []byte) {
	w.now = Text{Index: i, Field: "document"}
	if document, ok := jsonscan.Find(w.object("results", value, "document"), "document"); ok && w.err == nil {
		w.everything(Plain, "results.document", document)
	}
}

// number reads a small index; anything else is otherwise.
func number(raw []byte, otherwise int) int {
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return otherwise
	}
	return n
}
