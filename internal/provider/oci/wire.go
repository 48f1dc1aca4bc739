package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// piece is what one event of a stream, or one choice of a whole answer, says. Its texts point into what was read.
type piece struct {
	index     int // -1 when the event does not say, as GENERIC's last one does not
	text      openai.Text
	reasoning openai.Text
	refusal   openai.Text
	calls     []wireCall
	citations []byte // OCI's, in the format's own shape
	documents []byte
	queries   []byte // searchQueries
	grounding []byte // groundingMetadata
	notes     []byte // annotations
	logprobs  []byte
	finished  bool   // the answer, or the choice, ends here
	nullKey   bool   // a finishReason was there, but null
	finish    string // OCI's word; "" for null
}

// wireCall is a tool call or a fragment of one.
type wireCall struct {
	id, name string
	args     openai.Text // the text of the arguments, as a JSON string; nil when absent
}

// tail is what stands beside the choices.
type tail struct {
	usage       []byte // as written; nil when absent
	serviceTier string
}

// wireReader reads one format of answers. It keeps scratch space, so it serves one answer or stream, one event at
// a time: what an event returned is valid until the next one is read.
type wireReader struct {
	format              Format
	top, inner, message []jsonscan.Member
	part, call          []jsonscan.Member
	elements, parts     [][]byte
	calls               []wireCall
	joined              []byte
}

// malformed is an answer that is not in OCI's shape.
type malformed struct{ what string }

func (e *malformed) Error() string { return "OCI's answer is not in its own shape: " + e.what }

// reported is a failure that OCI tells of in place of an answer, or in the middle of one.
type reported struct{ body []byte }

func (e *reported) Error() string { return "OCI reports a failure" }

func object(what string, raw []byte, scratch *[]jsonscan.Member) ([]jsonscan.Member, error) {
	members, err := jsonscan.Object(raw, *scratch)
	if err != nil {
		return nil, &malformed{fmt.Sprintf("%s: %v", what, err)}
	}
	*scratch = members
	return members, nil
}

func array(what string, raw []byte, scratch *[][]byte) ([][]byte, error) {
	elements, err := jsonscan.Array(raw, *scratch)
	if err != nil {
		return nil, &malformed{fmt.Sprintf("%s: %v", what, err)}
	}
	*scratch = elements
	return elements, nil
}

// value returns a member that is there and not null.
func value(members []jsonscan.Member, name string) ([]byte, bool) {
	raw, ok := jsonscan.Find(members, name)
	return raw, ok && string(raw) != "null"
}

// textValue returns a string member undecoded; nil when it is absent or no string.
func textValue(members []jsonscan.Member, name string) openai.Text {
	if raw, ok := jsonscan.Find(members, name); ok && raw[0] == '"' {
		return raw
	}
	return nil
}

// event reads one event of a stream: a piece, and what stands beside it.
func (r *wireReader) event(data []byte) (piece, tail, error) {
	top, err := object("event", data, &r.top)
	if err != nil {
		return piece{}, tail{}, err
	}
	if failed(top) {
		return piece{}, tail{}, &reported{data}
	}
	t := tailOf(top)
	var p piece
	if r.format == Cohere {
		p, err = r.coherePiece(top)
	} else {
		p, err = r.messagePiece(top)
	}
	return p, t, err
}

// answer reads a whole answer; each gets the pieces, valid until it returns.
func (r *wireReader) answer(body []byte, each func(piece) error) (tail, error) {
	top, err := object("body", body, &r.top)
	if err != nil {
		return tail{}, err
	}
	raw, ok := value(top, "chatResponse")
	if !ok {
		if failed(top) {
			return tail{}, &reported{body}
		}
		return tail{}, &malformed{"no chatResponse"}
	}
	response, err := object("chatResponse", raw, &r.inner)
	if err != nil {
		return tail{}, err
	}
	if failed(response) {
		return tail{}, &reported{raw}
	}
	t := tailOf(response)
	if r.format == Generic {
		return t, r.choices(response, each)
	}
	var p piece
	if r.format == Cohere {
		p, err = r.coherePiece(response)
	} else {
		p, err = r.messagePiece(response)
	}
	if err != nil {
		return t, err
	}
	p.finished = true
	return t, each(p)
}

func (r *wireReader) choices(response []jsonscan.Member, each func(piece) error) error {
	raw, ok := value(response, "choices")
	if !ok {
		return &malformed{"no choices"}
	}
	choices, err := array("choices", raw, &r.elements)
	if err != nil {
		return err
	}
	if len(choices) == 0 {
		return &malformed{"no choices"}
	}
	for i, c := range choices {
		members, err := object("choice", c, &r.inner)
		if err != nil {
			return err
		}
		p, err := r.messagePiece(members)
		if err != nil {
			return err
		}
		p.index, p.finished = i, true
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func tailOf(members []jsonscan.Member) (t tail) {
	if raw, ok := value(members, "usage"); ok && raw[0] == '{' {
		t.usage = raw
	}
	t.serviceTier = textValue(members, "serviceTier").String()
	return t
}

// failed reports whether members tell of a failure: OCI documents errorMessage for Cohere; the other two forms are
// its error body and OpenAI's.
func failed(members []jsonscan.Member) bool {
	if !textValue(members, "errorMessage").Empty() {
		return true
	}
	if _, ok := value(members, "error"); ok {
		return true
	}
	return !textValue(members, "code").Empty() && !textValue(members, "message").Empty()
}

// setFinish notes a finishReason. One that is null ends nothing by itself, since an event may carry every key.
func (p *piece) setFinish(members []jsonscan.Member) {
	raw, ok := jsonscan.Find(members, "finishReason")
	switch {
	case ok && raw[0] == '"':
		p.finished, p.finish = true, openai.Text(raw).String()
	case ok && string(raw) == "null":
		p.nullKey = true
	}
}

// messagePiece reads the forms of GENERIC and COHEREV2, which hold a message.
func (r *wireReader) messagePiece(members []jsonscan.Member) (piece, error) {
	p := piece{index: -1}
	if raw, ok := value(members, "index"); ok {
		index, err := strconv.Atoi(string(raw))
		if err != nil || index < 0 {
			return p, &malformed{"index"}
		}
		p.index = index
	}
	p.setFinish(members)
	p.logprobs, _ = value(members, "logprobs")
	p.grounding, _ = value(members, "groundingMetadata")
	raw, ok := value(members, "message")
	if !ok {
		return p, nil
	}
	message, err := object("message", raw, &r.message)
	if err != nil {
		return p, err
	}
	r.joined = r.joined[:0]
	p.reasoning = textValue(message, "reasoningContent")
	p.refusal = textValue(message, "refusal")
	p.notes, _ = value(message, "annotations")
	p.citations, _ = value(message, "citations")
	if content, ok := value(message, "content"); ok {
		if err := r.content(&p, content); err != nil {
			return p, err
		}
	}
	if plan := textValue(message, "toolPlan"); p.reasoning == nil && !plan.Empty() {
		p.reasoning = plan
	}
	if calls, ok := value(message, "toolCalls"); ok {
		err = r.toolCalls(&p, calls)
	}
	return p, err
}

// content reads the parts of a message: texts, of which Gemini's may lack the text itself, and COHEREV2's thoughts.
func (r *wireReader) content(p *piece, raw []byte) error {
	if raw[0] == '"' {
		p.text = raw
		return nil
	}
	parts, err := array("content", raw, &r.parts)
	if err != nil {
		return err
	}
	for _, raw := range parts {
		part, err := object("content", raw, &r.part)
		if err != nil {
			return err
		}
		if thought := textValue(part, "thinking"); thought != nil {
			p.reasoning = r.join(p.reasoning, thought)
		} else {
			p.text = r.join(p.text, textValue(part, "text"))
		}
	}
	return nil
}

// join puts two texts one behind the other.
func (r *wireReader) join(a, b openai.Text) openai.Text {
	switch {
	case b == nil:
		return a
	case a.Empty():
		return b
	}
	start := len(r.joined)
	r.joined = append(r.joined, '"')
	r.joined = append(r.joined, a.Inner()...)
	r.joined = append(r.joined, b.Inner()...)
	r.joined = append(r.joined, '"')
	return openai.Text(r.joined[start:])
}

// toolCalls reads GENERIC's flat calls and COHEREV2's nested ones.
func (r *wireReader) toolCalls(p *piece, raw []byte) error {
	elements, err := array("toolCalls", raw, &r.parts)
	if err != nil {
		return err
	}
	r.calls = r.calls[:0]
	for _, e := range elements {
		call, err := object("toolCalls", e, &r.call)
		if err != nil {
			return err
		}
		c := wireCall{id: textValue(call, "id").String()}
		if nested, ok := value(call, "function"); ok && nested[0] == '{' {
			if call, err = object("toolCalls", nested, &r.part); err != nil {
				return err
			}
		}
		c.name = textValue(call, "name").String()
		c.args = argumentsText(call, "arguments")
		r.calls = append(r.calls, c)
	}
	p.calls = r.calls
	return nil
}

// coherePiece reads the form of COHERE, which is flat and whose calls hold objects and no ids.
func (r *wireReader) coherePiece(members []jsonscan.Member) (piece, error) {
	p := piece{index: 0, text: textValue(members, "text")}
	p.setFinish(members)
	if history, ok := value(members, "chatHistory"); ok && hasElements(history) {
		p.finished = true // only the last event tells it; its finishReason is null where a stop sequence has fired
	}
	p.citations, _ = value(members, "citations")
	p.documents, _ = value(members, "documents")
	p.queries, _ = value(members, "searchQueries")
	raw, ok := value(members, "toolCalls")
	if !ok {
		return p, nil
	}
	elements, err := array("toolCalls", raw, &r.parts)
	if err != nil {
		return p, err
	}
	r.calls = r.calls[:0]
	for _, e := range elements {
		call, err := object("toolCalls", e, &r.call)
		if err != nil {
			return p, err
		}
		c := wireCall{name: textValue(call, "name").String(), args: argumentsText(call, "parameters")}
		if c.args == nil {
			c.args = openai.Text(`"{}"`)
		}
		r.calls = append(r.calls, c)
	}
	p.calls = r.calls
	return p, nil
}

// argumentsText makes a JSON string of arguments that are an object, and leaves those that are a string.
func argumentsText(call []jsonscan.Member, name string) openai.Text {
	raw, ok := value(call, name)
	switch {
	case !ok:
		return nil
	case raw[0] == '"':
		return raw
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return nil
	}
	return openai.Quote(compact.String())
}
