package oci

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// translation is one chat request on its way into OCI's shape.
type translation struct {
	d      *Deployment
	in     *input
	fam    *family
	chat   *openai.Chat
	tools  []openai.Tool // those that the model may call
	params paramSet
	stream bool
	out    jsonOut
}

// outgoing is a request ready to be signed and sent.
type outgoing struct {
	body    []byte
	sum     [sha256.Size]byte // of body
	stream  bool              // a stream was asked for
	dropped []string          // parameters that were left out, sorted
	sent    []string          // OCI's names of the parameters that were not
}

// translate makes the body of one chat call. Parameters that the model does not take are left out when drop says
// so, else they are all named in one refusal.
func (d *Deployment) translate(ctx context.Context, in *input, stream bool) (*outgoing, error) {
	tools, skipped, err := d.fam.offered(in.chat)
	if err != nil {
		return nil, err
	}
	t := translation{d: d, in: in, fam: d.fam, chat: in.chat, tools: tools, stream: stream}
	params, err := sortParams(d.fam, in.chat.Params, len(t.tools) > 0, in.without(d), in.allowed)
	if err != nil {
		return nil, err
	}
	t.params = params
	t.refuseChoice()
	if len(t.params.refused) > 0 && !in.drop {
		return nil, unsupported(d.spec.Model, t.params.refused)
	}
	const perMessage = 64 // what OCI's form of a message has more than OpenAI's, in bytes
	t.out.b = make([]byte, 0, in.size+len(d.envelope)+512+perMessage*len(in.chat.Messages))
	if err := t.append(ctx); err != nil {
		return nil, err
	}
	req := &outgoing{body: t.out.b, sum: sha256.Sum256(t.out.b), stream: stream}
	req.dropped = sortedNames(slices.Concat(in.omitted, skipped, t.params.left, t.params.refused))
	for _, f := range t.params.fields {
		req.sent = append(req.sent, f.Name)
	}
	return req, nil
}

// refuseChoice counts a tool_choice that COHERE has no field for as an unsupported parameter. Auto is what it does
// anyway, and none is done by offering no tools. A named function is the only one offered; that the model is then not
// forced to call it is told, not refused.
func (t *translation) refuseChoice() {
	if t.fam.format != Cohere || len(t.tools) == 0 {
		return
	}
	switch t.chat.ToolChoice.Mode {
	case openai.ChoiceRequired:
		t.params.refused = append(t.params.refused, "tool_choice")
	case openai.ChoiceFunction:
		t.params.left = append(t.params.left, "tool_choice")
	}
}

func (t *translation) append(ctx context.Context) error {
	o := &t.out
	o.b = append(o.b, t.d.envelope...)
	if t.stream {
		o.rawMember("isStream", boolText(true))
		o.rawMember("streamOptions", []byte(`{"isIncludeUsage":true}`))
	}
	o.numMember(t.fam.capName, t.d.outputCap(t.params))
	for _, f := range t.params.fields {
		o.comma()
		o.b = append(jsonscan.AppendString(o.b, f.Name), ':')
		o.raw(f.Value)
	}
	var err error
	switch t.fam.format {
	case Cohere:
		err = t.appendCohere()
	case CohereV2:
		err = t.appendCohereV2(ctx)
	default:
		err = t.appendGeneric(ctx)
	}
	if err != nil {
		return err
	}
	o.close('}')
	o.close('}')
	return nil
}

func (s *paramSet) has(field string) bool {
	return slices.ContainsFunc(s.fields, func(f jsonscan.Field) bool { return f.Name == field })
}

func (s *paramSet) sendsValue(field, value string) bool {
	return slices.ContainsFunc(s.fields, func(f jsonscan.Field) bool { return f.Name == field && string(f.Value) == value })
}

// sortedNames is names in order, each once; nil when there are none.
func sortedNames(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// unsupported is LiteLLM's refusal of parameters.
func unsupported(model string, names []string) *apierr.Error {
	names = sortedNames(names)
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: names[0],
		Message: fmt.Sprintf("litellm.UnsupportedParamsError: oci does not support parameters: ['%s'], for model=%s. To drop these, set `litellm.drop_params=True` or for proxy: `litellm_settings: drop_params: true`",
			strings.Join(names, "', '"), model),
	}
}

// answerSchema writes the schema that the answer shall follow, when there is one, in the family's dialect.
func (t *translation) answerSchema() error {
	raw := t.chat.ResponseFormat.Schema
	if raw == nil {
		return nil
	}
	rewritten, err := t.fam.rewriteSchema("response_format.json_schema.schema", raw)
	if err != nil {
		return err
	}
	t.out.rawMember("schema", rewritten)
	return nil
}
