package content

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// requestNames are the top-level members of requests, of every operation, that hold what a model reads.
var requestNames = []string{"messages", "tools", "functions", "response_format", "prediction", "prompt", "suffix", "input", "query", "documents"}

// unread are top-level members that may hold strings which no model reads: switches, names, and what speaks to the gateway. The
// strings in any other member are texts, since upstreams have fields of their own for them: preamble, chat_template and so on.
var unread = map[string]bool{
	"model": true, "user": true, "stop": true, "stop_sequences": true, "stopSequences": true, "stream_options": true, "tool_choice": true, "function_call": true,
	"logit_bias": true, "modalities": true, "audio": true, "service_tier": true, "verbosity": true, "reasoning_effort": true, "reasoning": true, "thinking": true,
	"encoding_format": true, "input_type": true, "embedding_types": true, "truncate": true, "rank_fields": true, "safety_mode": true, "citation_quality": true,
	"prompt_truncation": true, "safety_identifier": true, "prompt_cache_key": true, "prompt_cache_retention": true,
}

// HoldsText reports whether a request's top-level member of this name holds what a model reads: who sets it in another place,
// such as extra_body, goes around whoever has looked at the request.
func HoldsText(name string) bool {
	return slices.ContainsFunc(requestNames, func(n string) bool { return strings.EqualFold(n, name) })
}

// MayHoldText is HoldsText for a member that no one looks at: of one that is not known, any string may be a text.
func MayHoldText(name string, value []byte) bool {
	return HoldsText(name) || name == "extra_body" || !isUnread(name) && bytes.IndexByte(value, '"') >= 0
}

func isUnread(name string) bool { return unread[name] || openai.IsGatewayField([]byte(name)) }

// Request finds the texts of a request. It fails with ErrUnknownSurface, or with an *openai.ParseError where the body does not
// have the shape of its operation: nobody could say then what an upstream makes of it.
func Request(r *openai.Request) (*Body, error) {
	switch r.Operation {
	case openai.OpChat, openai.OpCompletion, openai.OpEmbedding, openai.OpRerank:
	default:
		return nil, ErrUnknownSurface
	}
	w := walker{body: &Body{Surface: r.Operation, src: r.Body}}
	w.exact("request", r.Members, requestNames)
	for _, m := range r.Members {
		if string(m.Value) != "null" {
			w.member(string(m.Name), m.Value)
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.body, nil
}

// member notes the texts of a top-level member of a request. What an operation does not know is read all the same: upstreams
// may know it.
func (w *walker) member(name string, value []byte) {
	w.now = Text{Field: name}
	switch name {
	case "messages":
		w.array(name, value, func(i int, e []byte) {
			w.now = Text{Index: i}
			w.message(name+"["+strconv.Itoa(i)+"]", e, "")
		})
	case "tools", "functions", "response_format":
		w.now.Role = "system"
		if name == "tools" {
			w.body.Tools = value
		}
		if value[0] != '[' {
			w.described(name, value)
			return
		}
		w.array(name, value, func(i int, e []byte) {
			w.now.Index = i
			w.described(name, e)
		})
	case "prediction":
		w.now.Role = "assistant"
		if content, ok := jsonscan.Find(w.object(name, value, "content"), "content"); ok {
			w.content(name+".content", content)
		}
	case "prompt", "input":
		w.inputs(name, value)
	case "suffix", "query", "documents":
		w.documents(name, value)
	case "extra_body":
		for _, m := range w.object(name, value) {
			if !HoldsText(string(m.Name)) { // else the request is refused by who must know all of it
				w.unknown(string(m.Name), m.Value)
			}
		}
	default:
		w.unknown(name, value)
	}
}

// unknown notes the strings in a member that an upstream may have a use for.
func (w *walker) unknown(name string, value []byte) {
	if w.now = (Text{Field: name}); !isUnread(name) {
		w.everything(Plain, name, value)
	}
}

// inputs notes prompts or inputs: a text, a list of them, or token numbers.
func (w *walker) inputs(name string, value []byte) {
	if value[0] != '[' {
		w.content(name, value)
		return
	}
	w.array(name, value, func(i int, e []byte) {
		w.now.Index = i
		switch c := e[0]; {
		case c == '[': // tokens, or parts
			w.array(name, e, func(_ int, inner []byte) { w.input(name, inner) })
		default:
			w.input(name, e)
		}
	})
}

func (w *walker) input(name string, value []byte) {
	if c := value[0]; c == '-' || c >= '0' && c <= '9' {
		w.body.Tokens = true
		return
	}
	w.content(name, value)
}

// documents notes a text, or a list of texts or of objects whose fields are texts.
func (w *walker) documents(name string, value []byte) {
	if value[0] != '[' {
		w.everything(Plain, name, value)
		return
	}
	w.array(name, value, func(i int, e []byte) {
		w.now.Index = i
		w.everything(Plain, name, e)
	})
}
