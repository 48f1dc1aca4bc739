package oci

import (
	"crypto/rand"
	"strings"

	"tollgate/internal/openai"
)

// replyTo is what an answer needs to know of its request.
type replyTo struct {
	id        string
	created   int64
	model     string
	format    Format
	functions bool // the caller speaks of functions, the older form of tools, and wants to be answered so
	stops     bool // stop sequences were sent
	mint      func(choice, index int, name string) string
}

func randomID() string { return strings.ToLower(rand.Text()) }

// completion translates a whole answer into OpenAI's.
func (r *replyTo) completion(body []byte) ([]byte, error) {
	var o jsonOut
	o.b = make([]byte, 0, len(body)+256)
	o.open('{')
	o.strMember("id", r.id)
	o.strMember("object", "chat.completion")
	o.numMember("created", int(r.created))
	o.strMember("model", r.model)
	o.key("choices")
	o.open('[')
	reader := wireReader{format: r.format}
	tail, err := reader.answer(body, func(p piece) error {
		p.text = r.withoutArtefact(p)
		r.choice(&o, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	o.close(']')
	appendUsage(&o, tail.usage)
	if tail.serviceTier != "" {
		o.strMember("service_tier", strings.ToLower(tail.serviceTier))
	}
	o.close('}')
	return o.b, nil
}

func (r *replyTo) choice(o *jsonOut, p piece) {
	index := max(p.index, 0)
	o.open('{')
	o.numMember("index", index)
	o.key("message")
	o.open('{')
	o.strMember("role", "assistant")
	o.key("content")
	if p.text.Empty() && (len(p.calls) > 0 || !p.refusal.Empty()) {
		o.null()
	} else {
		o.text(p.text)
	}
	o.key("refusal")
	if p.refusal.Empty() {
		o.null()
	} else {
		o.raw(p.refusal)
	}
	if !p.reasoning.Empty() {
		o.textMember("reasoning_content", p.reasoning)
	}
	r.calls(o, index, p.calls)
	appendAnnotations(o, p)
	o.close('}')
	o.key("logprobs")
	if l := chatLogprobs(p.logprobs); l != nil {
		o.raw(l)
	} else {
		o.null()
	}
	o.strMember("finish_reason", finishReason(p.finish, len(p.calls) > 0, r.functions))
	o.close('}')
}

func (r *replyTo) calls(o *jsonOut, choice int, calls []wireCall) {
	if len(calls) == 0 {
		return
	}
	if r.functions {
		o.key("function_call")
		appendFunction(o, calls[0].name, wholeArguments(calls[0].args))
		return
	}
	o.key("tool_calls")
	o.open('[')
	for i, c := range calls {
		if c.id == "" {
			c.id = r.mint(choice, i, c.name)
		}
		o.open('{')
		o.strMember("id", c.id)
		o.strMember("type", "function")
		o.key("function")
		appendFunction(o, c.name, wholeArguments(c.args))
		o.close('}')
	}
	o.close(']')
}

func appendFunction(o *jsonOut, name string, args openai.Text) {
	o.open('{')
	o.strMember("name", name)
	o.textMember("arguments", args)
	o.close('}')
}

// wholeArguments are arguments as a caller can parse them: unwrapped once, {} when there are none.
func wholeArguments(args openai.Text) openai.Text {
	if args.Empty() {
		return openai.Text(`"{}"`)
	}
	return unwrapArguments(args)
}
