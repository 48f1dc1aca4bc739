package openai

import (
	"fmt"

	"tollgate/internal/jsonscan"
)

// Chat is the tree of a chat request, for those who must translate it or look inside. It points into the bytes
// that it was parsed from: texts stay as the caller wrote them (Text), so that a long prompt can be copied into
// another body without being decoded.
type Chat struct {
	Messages []Message // never empty
	// Tools holds tools and the older functions, in the order given.
	Tools []Tool
	// Functions says that the caller speaks of functions only, and so reads function_call in the answer.
	Functions bool
	// ToolChoice is tool_choice or the older function_call; its Mode is "" when there was neither.
	ToolChoice ToolChoice
	// ResponseFormat has the Type "" when none was asked for.
	ResponseFormat ResponseFormat
	// Params are all other members as written, in the order given; those that were null are left out.
	Params []jsonscan.Field
}

// Role says who speaks in a message.
type Role string

// The roles of OpenAI's messages.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
	RoleFunction  Role = "function" // the older form of tool; its Name says which function
)

// Message is one turn of the conversation.
type Message struct {
	Role Role
	Name string
	// Content is nil when the caller gave none or null. A plain string is one part of type text.
	Content []Part
	// ToolCalls holds tool_calls, or the older function_call as one call without an id.
	ToolCalls  []ToolCall
	ToolCallID string // of a tool's answer
	Refusal    Text
	Reasoning  Text // reasoning_content, which callers send back with an assistant's turn
}

// PartType is the kind of a part of a message's content.
type PartType string

// The kinds of parts that Part has fields for. Other kinds are kept as they are in Part.Raw.
const (
	PartText     PartType = "text"
	PartImage    PartType = "image_url"
	PartAudio    PartType = "input_audio"
	PartFile     PartType = "file"
	PartRefusal  PartType = "refusal"
	PartVideo    PartType = "video_url"
	PartDocument PartType = "document_url"
	PartAudioURL PartType = "audio_url"
	PartThinking PartType = "thinking"
)

// Part is one piece of a message's content.
type Part struct {
	Type   PartType
	Text   Text   // of text, refusal and thinking
	URL    Text   // of the kinds that end in _url
	Detail string // of image_url: auto, low, high
	Data   Text   // of input_audio: base64; of file: a data URI
	Format string // of input_audio: wav, mp3
	FileID string // of file: the id of an uploaded file
	Name   string // of file: its name
	Raw    []byte // the whole part as written; nil when the content was a plain string
}

// ToolCall is a call that the model made in an earlier turn.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is the JSON text of the arguments, itself a JSON string; nil when there were none.
	Arguments Text
}

// Tool is something that the model may call. Only those of type "function" have the other fields.
type Tool struct {
	Type        string
	Name        string
	Description Text
	Parameters  []byte // JSON schema; nil when the function takes none
	Strict      bool
}

// ChoiceMode says how free the model is in calling tools.
type ChoiceMode string

// The modes of tool_choice.
const (
	ChoiceAuto     ChoiceMode = "auto"
	ChoiceNone     ChoiceMode = "none"
	ChoiceRequired ChoiceMode = "required"
	ChoiceFunction ChoiceMode = "function" // the one that Name names
)

// ToolChoice is tool_choice in any of its forms.
type ToolChoice struct {
	Mode ChoiceMode
	Name string
	// Allowed names the functions of the form allowed_tools, which restricts what Mode speaks of; nil means all.
	Allowed []string
}

// FormatType is the kind of a response format.
type FormatType string

// The kinds of response_format.
const (
	FormatText       FormatType = "text"
	FormatJSONObject FormatType = "json_object"
	FormatJSONSchema FormatType = "json_schema"
)

// ResponseFormat is response_format.
type ResponseFormat struct {
	Type        FormatType
	Name        string
	Description Text
	Schema      []byte // JSON schema; nil when none was given
	Strict      bool
}

// ParseChat reads the members of a chat request, whose values must be valid JSON. It fails with a *ParseError
// that names the place at fault.
func ParseChat(members []jsonscan.Field) (*Chat, error) {
	p := chatParser{chat: &Chat{Params: make([]jsonscan.Field, 0, len(members))}}
	var seen, tools, functions bool
	for _, m := range members {
		if string(m.Value) == "null" {
			continue
		}
		switch m.Name {
		case "messages":
			seen = true
			p.messages(m.Value)
		case "tools":
			tools = true
			p.tools(m.Name, m.Value, p.tool)
		case "functions":
			functions = true
			p.tools(m.Name, m.Value, p.function)
		case "tool_choice":
			p.toolChoice(m.Value)
		case "function_call":
			p.functionChoice(m.Value)
		case "response_format":
			p.responseFormat(m.Value)
		default:
			p.chat.Params = append(p.chat.Params, m)
		}
	}
	if !seen {
		p.fail("messages", "Missing required parameter: 'messages'.")
	}
	if p.err != nil {
		return nil, p.err
	}
	p.chat.Functions = functions && !tools
	return p.chat, nil
}

// chatParser builds a Chat; after the first error its methods do nothing of use and the error stands.
type chatParser struct {
	chat *Chat
	err  error
	// Scratch of the levels of nesting that are open at the same time.
	elements, parts       [][]byte
	message, part, inside []jsonscan.Member
}

func (p *chatParser) fail(param, format string, args ...any) {
	if p.err == nil {
		p.err = &ParseError{Param: param, Message: fmt.Sprintf(format, args...)}
	}
}

func (p *chatParser) wrongType(param, want string, raw []byte) {
	p.fail(param, "Invalid type for '%s': expected %s, but got %s instead.", param, want, kindOf(raw))
}

// object scans raw into *scratch. A value that is no object, and one that names a member twice, is an error.
func (p *chatParser) object(param string, raw []byte, scratch *[]jsonscan.Member) object {
	members, err := jsonscan.InnerObject(raw, *scratch)
	if err != nil {
		if len(raw) > 0 && raw[0] == '{' {
			p.fail(param, "Invalid value for '%s': %s.", param, err)
		} else {
			p.wrongType(param, "an object", raw)
		}
		return object{p: p, path: param}
	}
	*scratch = members
	return object{p: p, path: param, members: members}
}

// array scans raw into *scratch.
func (p *chatParser) array(param string, raw []byte, scratch *[][]byte) [][]byte {
	elements, err := jsonscan.InnerArray(raw, *scratch)
	if err != nil {
		p.wrongType(param, "an array", raw)
		return nil
	}
	*scratch = elements
	return elements
}

// object is a scanned JSON object at a path; a null member counts as absent.
type object struct {
	p       *chatParser
	path    string
	members []jsonscan.Member
}

func (o object) get(name string) ([]byte, bool) {
	raw, ok := jsonscan.Find(o.members, name)
	return raw, ok && string(raw) != "null"
}

// text returns a string member undecoded, nil when it is absent.
func (o object) text(name string) Text {
	raw, ok := o.get(name)
	if !ok {
		return nil
	}
	if raw[0] != '"' {
		o.p.wrongType(o.path+"."+name, "a string", raw)
		return nil
	}
	return raw
}

// str returns a string member decoded, "" when it is absent.
func (o object) str(name string) string { return o.text(name).String() }

func (o object) flag(name string) bool {
	raw, ok := o.get(name)
	if ok && raw[0] != 't' && raw[0] != 'f' {
		o.p.wrongType(o.path+"."+name, "a boolean", raw)
	}
	return ok && raw[0] == 't'
}

// kindOf names the type of a JSON value as OpenAI's messages do.
func kindOf(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
