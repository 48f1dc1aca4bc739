package content

import (
	"bytes"
	"fmt"
	"slices"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// walker goes through a body that is known to be well-formed JSON and notes its texts. After the first error its methods do
// nothing of use, and the error stands.
type walker struct {
	body  *Body
	now   Text // what the next text has besides its value
	owner int
	err   error
}

// offset is where value stands in the body, of which it is a slice: slices of slices keep the end of their array.
func (w *walker) offset(value []byte) int { return cap(w.body.src) - cap(value) }

func (w *walker) fail(param, format string, args ...any) {
	if w.err == nil {
		w.err = &openai.ParseError{Param: param, Message: fmt.Sprintf(format, args...)}
	}
}

// object scans an object. names are members that matter here: one in another case is refused, because upstreams that do not
// tell cases apart would read what was not looked at.
func (w *walker) object(param string, value []byte, names ...string) []jsonscan.Member {
	if w.err != nil {
		return nil
	}
	members, err := jsonscan.InnerObject(value, make([]jsonscan.Member, 0, 8))
	if err != nil {
		w.fail(param, "Invalid value for '%s': expected an object that names no member twice.", param)
		return nil
	}
	w.exact(param, members, names)
	return members
}

func (w *walker) exact(param string, members []jsonscan.Member, names []string) {
	for i := range members {
		for _, name := range names {
			if got := members[i].Name; len(got) == len(name) && string(got) != name && bytes.EqualFold(got, []byte(name)) {
				w.fail(param, "Unknown parameter %q in '%s': write it as '%s'.", got, param, name)
			}
		}
	}
}

// array calls each with the elements of an array; any other value is an error.
func (w *walker) array(param string, value []byte, each func(i int, element []byte)) {
	if w.err != nil {
		return
	}
	elements, err := jsonscan.InnerArray(value, make([][]byte, 0, 16))
	if err != nil {
		w.fail(param, "Invalid type for '%s': expected an array.", param)
		return
	}
	for i, e := range elements {
		each(i, e)
	}
}

// text notes a string; null is none, and any other value an error.
func (w *walker) text(kind Kind, param string, value []byte) {
	switch {
	case w.err != nil || string(value) == "null" || string(value) == `""`:
	case value[0] != '"':
		w.fail(param, "Invalid type for '%s': expected a string.", param)
	default:
		w.add(kind, decode(value), value, false)
	}
}

func (w *walker) add(kind Kind, text string, value []byte, object bool) {
	t := w.now
	t.Kind, t.Value = kind, text
	start := w.offset(value)
	w.body.Texts = append(w.body.Texts, t)
	w.body.places = append(w.body.places, place{start: start, end: start + len(value), owner: w.owner, object: object})
}

// everything notes every string inside a value whose shape is not known.
func (w *walker) everything(kind Kind, param string, value []byte) {
	switch {
	case w.err != nil || len(value) == 0:
	case value[0] == '"':
		w.text(kind, param, value)
	case value[0] == '[':
		w.array(param, value, func(_ int, e []byte) { w.everything(kind, param, e) })
	case value[0] == '{':
		for _, m := range w.object(param, value) {
			if string(m.Name) != "type" || w.now.Field != "content" { // of a part it says what the part is
				w.everything(kind, param, m.Value)
			}
		}
	}
}

// worded are the members of a tool or of a schema whose strings a model reads as words, besides description.
var worded = []string{"title", "enum", "const", "default", "example", "examples", "$comment"}

// described notes the descriptions inside a value, at any depth.
func (w *walker) described(param string, value []byte) {
	switch {
	case w.err != nil || len(value) == 0:
	case value[0] == '[':
		w.array(param, value, func(_ int, e []byte) { w.described(param, e) })
	case value[0] == '{':
		for _, m := range w.object(param, value) {
			switch {
			case string(m.Name) == "description" && m.Value[0] == '"':
				w.text(Definition, param, m.Value)
			case slices.Contains(worded, string(m.Name)) && m.Value[0] != '{': // else a property of that name
				w.everything(Definition, param, m.Value)
			default:
				w.described(param, m.Value)
			}
		}
	}
}

// messageNames are the members of messages, answers' included, that hold texts.
var messageNames = []string{"role", "content", "name", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "thinking_blocks", "audio"}

// labels are members of messages and of parts that say something about them, and are no text; unread ones of media are files, which
// nobody here can read.
var labels = []string{"type", "id", "tool_call_id", "index", "status", "cache_control", "annotations", "signature", "detail", "format",
	"input_audio", "video_url", "document_url", "audio_url", "file_data", "file_id", "data", "source"}

// message notes the texts of a message of a request or of an answer.
func (w *walker) message(param string, value []byte, role string) {
	members := w.object(param, value, messageNames...)
	w.now.Role = role
	if said := openai.StringMember(members, "role"); said != "" && role == "" {
		w.now.Role = said
	}
	for _, m := range members {
		w.now.Field = string(m.Name)
		switch name := string(m.Name); name {
		case "content":
			w.content(param+".content", m.Value)
		case "name":
			w.text(Plain, param+".name", m.Value)
		case "refusal":
			w.text(Refusal, param+".refusal", m.Value)
		case "reasoning_content", "reasoning", "thinking_blocks":
			w.thought(param+"."+name, m.Value)
		case "tool_calls":
			if string(m.Value) != "null" {
				w.array(param+".tool_calls", m.Value, func(i int, e []byte) { w.toolCall(param+".tool_calls", i, e) })
			}
		case "function_call":
			w.called(param+".function_call", m.Value, "function_call")
		case "provider_specific_fields":
			if role != "" { // of an answer: an upstream's citations
				w.repeated(m.Value)
			}
		case "role":
		case "audio":
			if m.Value[0] == '{' {
				transcript, _ := jsonscan.Find(w.object(param+".audio", m.Value, "transcript"), "transcript")
				if transcript != nil {
					w.text(Plain, param+".audio.transcript", transcript)
				}
			}
		default:
			if role == "" && !slices.Contains(labels, name) { // of a request: an upstream may read it
				w.everything(Plain, param+"."+name, m.Value)
			}
		}
	}
	w.now.Name, w.now.Call = "", 0
}

// thought notes what a model has thought: a text, or Anthropic's blocks with signatures that are nobody's text.
func (w *walker) thought(param string, value []byte) {
	if value[0] != '[' {
		if value[0] == '"' {
			w.text(Reasoning, param, value)
		}
		return
	}
	w.array(param, value, func(_ int, block []byte) {
		if block[0] != '{' {
			return
		}
		if thinking, ok := jsonscan.Find(w.object(param, block, "thinking"), "thinking"); ok {
			w.text(Reasoning, param, thinking)
		}
	})
}

func (w *walker) toolCall(param string, i int, value []byte) {
	w.now.Call = i
	for _, m := range w.object(param, value, "function", "custom", "index") {
		switch string(m.Name) {
		case "index":
			w.now.Call = number(m.Value, i)
		case "function", "custom":
			w.called(param, m.Value, "")
		}
	}
}

// called notes the arguments of a call; some clients write them as the object itself where OpenAI wants its text. field is the
// texts' Field, "" for the member's own name.
func (w *walker) called(param string, value []byte, field string) {
	if value[0] != '{' {
		return // null, of an entry of another type
	}
	members := w.object(param, value, "name", "arguments", "input")
	w.now.Name = openai.StringMember(members, "name")
	for _, m := range members {
		if w.now.Field = field; field == "" {
			w.now.Field = string(m.Name)
		}
		switch string(m.Name) {
		case "arguments":
			if m.Value[0] == '{' || m.Value[0] == '[' {
				w.add(Arguments, Unescaped(string(m.Value)), m.Value, true)
			} else {
				w.arguments(param+".arguments", m.Value)
			}
		case "input": // of a custom tool: any text
			w.text(Plain, param+".input", m.Value)
		}
	}
	w.now.Name = ""
}

// arguments notes arguments as whoever reads the JSON sees them; pieces of them are put together first.
func (w *walker) arguments(param string, value []byte) {
	from := len(w.body.Texts)
	w.text(Arguments, param, value)
	if len(w.body.Texts) > from && !w.body.pieces {
		t := &w.body.Texts[from]
		t.Value = Unescaped(t.Value)
	}
}

// content notes a text, or the parts of one.
func (w *walker) content(param string, value []byte) {
	switch {
	case w.err != nil:
	case value[0] == '[':
		w.array(param, value, func(_ int, e []byte) { w.content(param, e) })
	case value[0] == '{':
		w.part(param, value)
	default:
		w.text(Plain, param, value)
	}
}

// part notes the text of a part of a content. One of a kind that is not known is searched whole.
func (w *walker) part(param string, value []byte) {
	members := w.object(param, value, "type", "text", "refusal", "thinking", "content", "image_url")
	switch openai.PartType(openai.StringMember(members, "type")) {
	case openai.PartAudio, openai.PartFile, openai.PartVideo, openai.PartDocument, openai.PartAudioURL:
	case openai.PartText, openai.PartRefusal, openai.PartThinking, openai.PartImage, "":
	default:
		if w.err == nil {
			w.everything(Plain, param, value)
		}
		return
	}
	for _, m := range members {
		switch name := string(m.Name); name {
		case "text":
			w.text(Plain, param+".text", m.Value)
		case "refusal":
			w.text(Refusal, param+".refusal", m.Value)
		case "thinking":
			w.text(Reasoning, param+".thinking", m.Value)
		case "content":
			w.content(param+".content", m.Value)
		case "image_url":
			w.image(param, m.Value)
		case "file":
			w.labelled(param+".file", m.Value)
		default:
			if !slices.Contains(labels, name) {
				w.everything(Plain, param+"."+name, m.Value)
			}
		}
	}
}

// labelled notes what a file or an image is called and described with.
func (w *walker) labelled(param string, value []byte) {
	if value[0] != '{' {
		return
	}
	for _, m := range w.object(param, value) {
		if !slices.Contains(labels, string(m.Name)) && string(m.Name) != "url" {
			w.everything(Plain, param+"."+string(m.Name), m.Value)
		}
	}
}

func (w *walker) image(param string, value []byte) {
	if value[0] == '{' {
		w.labelled(param+".image_url", value)
		value, _ = jsonscan.Find(w.object(param+".image_url", value, "url"), "url")
	}
	if len(value) > 2 && value[0] == '"' && w.err == nil {
		w.body.Images = append(w.body.Images, decode(value))
	}
}
