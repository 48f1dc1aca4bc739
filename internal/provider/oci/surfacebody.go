package oci

import (
	"bytes"
	"slices"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider/compat"
)

// outgoingOpenAI is the body for the OpenAI-shaped surface and the names of what was left out: the caller's text, with
// the model and the stream's members set, a cap under the name that the model knows, roles and tools that it takes, and
// what it refuses left out when that is allowed.
func (d *Deployment) outgoingOpenAI(r *openai.Request, in *input, stream bool) (jsonscan.Parts, []string, error) {
	tools, skipped, err := d.fam.offered(in.chat)
	if err != nil {
		return nil, nil, err
	}
	params, err := sortParams(d.fam, in.chat.Params, len(tools) > 0, in.without(d), in.allowed)
	if err != nil {
		return nil, nil, err
	}
	set := []jsonscan.Field{{Name: "model", Value: jsonscan.Text(d.spec.Model)}, d.openAICap(params)}
	omit := slices.Concat(capNames, []string{"stream", "stream_options"})
	if stream {
		set = append(set, jsonscan.Field{Name: "stream", Value: []byte("true")}, compat.WithUsage(r))
	}
	dropped := slices.Concat(in.omitted, skipped)
	for _, f := range in.chat.Params {
		p, known := find(genericParams, f.Name)
		if known && d.fam.rejects(p) && !slices.Contains(in.allowed, f.Name) && (in.drop || isNeutral(f.Value, p.neutral)) {
			omit = append(omit, f.Name)
			if !isNeutral(f.Value, p.neutral) {
				dropped = append(dropped, f.Name)
			}
		}
	}
	if len(skipped) > 0 && len(tools) == 0 {
		omit = append(omit, "tools", "tool_choice", "parallel_tool_calls")
	}
	for _, f := range in.members {
		if slices.Contains(omit, f.Name) || holds(set, f.Name) {
			continue
		}
		switch {
		case f.Name == "messages":
			f.Value, err = d.openAIMessages(in.chat, f.Value)
		case f.Name == "tools" && len(skipped) > 0:
			f.Value, err = functionsOf(f.Value)
		}
		if err != nil {
			return nil, nil, err
		}
		set = append(set, f)
	}
	return splice(r, set), sortedNames(dropped), nil
}

// splice makes a body of exactly the members of set. What the caller's body says in the same words stays where it is,
// and is not copied.
func splice(r *openai.Request, set []jsonscan.Field) jsonscan.Parts {
	own := func(f jsonscan.Field) bool {
		raw, ok := r.Get(f.Name)
		return ok && bytes.Equal(raw, f.Value)
	}
	changed := make([]jsonscan.Field, 0, len(set))
	for _, f := range set {
		if !own(f) {
			changed = append(changed, f)
		}
	}
	return jsonscan.Splice(r.Body, r.Members, changed, func(name []byte) bool { return !holds(set, string(name)) })
}

func holds(fields []jsonscan.Field, name string) bool {
	return slices.ContainsFunc(fields, func(f jsonscan.Field) bool { return f.Name == name })
}

// openAICap is the bound of the answer's length under the name that the model knows on this surface. As on the native
// one it is always sent: without it several models stop after about twenty tokens.
func (d *Deployment) openAICap(params paramSet) jsonscan.Field {
	name := "max_tokens"
	if d.fam.capName == "maxCompletionTokens" {
		name = "max_completion_tokens"
	}
	return jsonscan.Field{Name: name, Value: strconv.AppendInt(nil, int64(d.outputCap(params)), 10)}
}

// openAIMessages are the messages in roles that the model knows: a developer is a system to all but OpenAI's, and
// a system message in front becomes the user's where it would be refused.
func (d *Deployment) openAIMessages(chat *openai.Chat, messages []byte) ([]byte, error) {
	roles := make([]string, len(chat.Messages)) // "" stays as it is
	for i, m := range chat.Messages {
		if m.Role == openai.RoleDeveloper && !d.fam.developerRole {
			roles[i] = `"system"`
		}
	}
	if d.needsFold(chat) {
		roles[0] = `"user"`
	}
	if !slices.ContainsFunc(roles, func(role string) bool { return role != "" }) {
		return messages, nil
	}
	elements, err := jsonscan.Array(messages, nil)
	if err != nil {
		return nil, err
	}
	var o jsonOut
	o.b = make([]byte, 0, len(messages))
	o.open('[')
	for i, e := range elements {
		if roles[i] != "" {
			members, err := jsonscan.Object(e, nil)
			if err != nil {
				return nil, err
			}
			e = jsonscan.Splice(e, members, []jsonscan.Field{{Name: "role", Value: []byte(roles[i])}}, nil).Bytes()
		}
		o.raw(e)
	}
	o.close(']')
	return o.b, nil
}

// functionsOf are the tools of a list that are functions.
func functionsOf(tools []byte) ([]byte, error) {
	elements, err := jsonscan.Array(tools, nil)
	if err != nil {
		return nil, err
	}
	var o jsonOut
	o.b = make([]byte, 0, len(tools))
	o.open('[')
	for _, e := range elements {
		members, err := jsonscan.Object(e, nil)
		if err != nil {
			return nil, err
		}
		if kind := textValue(members, "type"); kind.Empty() || kind.String() == "function" {
			o.raw(e)
		}
	}
	o.close(']')
	return o.b, nil
}
