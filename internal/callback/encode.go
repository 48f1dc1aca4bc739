package callback

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"

	"tollgate/internal/jsonscan"
	"tollgate/internal/record"
)

// encoder encodes a call for several callbacks, each form once.
type encoder struct {
	call     *record.Call
	settings *Settings
	plain    []byte
	redacted []byte
}

// maxEvent is how long an event may be with its texts, in bytes. Beyond that they are left out.
const maxEvent = 16 << 20

// bytes is the event, redacted where the callback wants that or somebody else does.
func (e *encoder) bytes(redact bool) ([]byte, error) {
	c := e.call
	redact = redact || e.settings.Redact && c.Logging.Redact == nil || c.Logging.Redact != nil && *c.Logging.Redact
	form := &e.plain
	if redact {
		form = &e.redacted
	}
	if *form != nil {
		return *form, nil
	}
	rules := Rules{Redact: redact, MaskInput: c.Logging.MaskInput, MaskOutput: c.Logging.MaskOutput, HideCaller: e.settings.HideCaller}
	event := NewEvent(c, rules)
	text, err := event.encode()
	if err != nil || len(text) > maxEvent {
		event.omitTexts()
		text, err = event.encode()
	}
	*form = text
	return text, err
}

// omitTexts leaves out what is too long to be told, or is no JSON.
func (e *Event) omitTexts() {
	e.Payload.Messages = json.RawMessage(`[{"role":"user","content":"left out by the gateway"}]`)
	e.Payload.Response, e.Tools = json.RawMessage(`{"text":"left out by the gateway"}`), nil
	e.Payload.Metadata.Requester, e.Payload.Metadata.SpendLogs = nil, nil
	e.Payload.ModelParameters, e.Payload.BuiltInTools, e.Steps = map[string]any{}, BuiltInTools{}, nil
	e.Redacted = true
}

// version begins an encoded event. What another version has left on the disk is dropped and counted.
const version = 1

// encode is the event on its way through the queue: its JSON without the large texts, and those behind it as they are,
// since encoding/json would look at each of their bytes several times.
func (e *Event) encode() ([]byte, error) {
	texts := [...]json.RawMessage{e.Payload.Messages, e.Payload.Response, e.Tools}
	size := 0
	for _, t := range texts {
		if len(t) > 0 && jsonscan.Valid(t) != nil {
			return nil, errors.New("callback: a text is no JSON")
		}
		size += len(t)
	}
	bare := *e
	bare.Payload.Messages, bare.Payload.Response, bare.Tools = nil, nil, nil
	head, err := plainJSON(&bare)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(head)+size+16), version)
	out = append(binary.AppendUvarint(out, uint64(len(head))), head...)
	for _, t := range texts {
		out = append(binary.AppendUvarint(out, uint64(len(t))), t...)
	}
	return out, nil
}

// errDamaged says that bytes are no event.
var errDamaged = errors.New("callback: what the queue holds is no event of this version")

// decodeEvent reads what encode has written. The event shares nothing with b.
func decodeEvent(b []byte) (*Event, error) {
	if len(b) == 0 || b[0] != version {
		return nil, errDamaged
	}
	b = bytes.Clone(b[1:])
	next := func() ([]byte, bool) {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, false
		}
		part := b[used : used+int(n) : used+int(n)]
		b = b[used+int(n):]
		if n == 0 {
			part = nil
		}
		return part, true
	}
	e := new(Event)
	head, ok := next()
	if !ok || json.Unmarshal(head, e) != nil {
		return nil, errDamaged
	}
	for _, text := range []*json.RawMessage{&e.Payload.Messages, &e.Payload.Response, &e.Tools} {
		part, ok := next()
		if !ok {
			return nil, errDamaged
		}
		*text = part
	}
	return e, nil
}

// JSON encodes the payload. Messages and answer stand in it as they came, at its end.
func (p *Payload) JSON() ([]byte, error) {
	type left struct{} // a pointer to it that is nil is left out
	head, err := plainJSON(struct {
		*Payload
		Messages *left `json:"messages,omitempty"`
		Response *left `json:"response,omitempty"`
	}{Payload: p})
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(head)+len(p.Messages)+len(p.Response)+64), head[:len(head)-1]...)
	for _, t := range [...]struct {
		name string
		text json.RawMessage
	}{{"messages", p.Messages}, {"response", p.Response}} {
		if len(t.text) == 0 {
			t.text = json.RawMessage("null")
		}
		out = append(append(append(append(out, `,"`...), t.name...), `":`...), t.text...)
	}
	return append(out, '}'), nil
}

// plainJSON writes JSON. Texts stay as they are: < and > are not escaped, since they are passed on and not shown on a page.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(4096)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
