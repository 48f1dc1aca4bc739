package oci

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// input is what a call asks for once the caller's body, its extra_body and the deployment's defaults are put
// together.
type input struct {
	chat    *openai.Chat
	members []jsonscan.Field // what chat was read from
	omitted []string         // parameters of the caller's that additional_drop_params has left out
	drop    bool             // parameters that the model does not take are left out instead of refused
	allowed []string         // parameters that are sent whatever the table says
	size    int              // of the caller's body, in bytes
	refused []string         // OCI's fields that this call was refused for, and goes without
	fetches int              // addresses of the caller's that were fetched
}

// without reports whether a field is left out: the model refuses it always, or did so in this call.
func (in *input) without(d *Deployment) func(field string) bool {
	return func(field string) bool { return slices.Contains(in.refused, field) || d.learned(field) }
}

// readChat reads a chat request. Errors are an *openai.ParseError.
func (d *Deployment) readChat(r *openai.Request) (*input, error) {
	members, omitted, err := d.members(r)
	if err != nil {
		return nil, err
	}
	chat, err := openai.ParseChat(members)
	if err != nil {
		return nil, err
	}
	in := &input{chat: chat, members: members, omitted: omitted, drop: d.dropParams(r), size: len(r.Body)}
	in.allowed = append(in.allowed, d.spec.Params.AllowedOpenAIParams...)
	in.allowed = append(in.allowed, stringList(r, "allowed_openai_params")...)
	return in, nil
}

// members are the effective top-level members of a call: extra_body wins over the body, and the body over the
// deployment's defaults. The gateway's own are left out, and those that the deployment or the caller omits; omitted
// names what of the caller's these are.
func (d *Deployment) members(r *openai.Request) (out []jsonscan.Field, omitted []string, err error) {
	fields, err := r.ExtraBody()
	if err != nil {
		return nil, nil, err
	}
	omit := append(stringList(r, "additional_drop_params"), d.spec.Omit...)
	out = make([]jsonscan.Field, 0, len(fields)+len(r.Members)+len(d.spec.Defaults))
	given := func(name string) bool {
		return slices.ContainsFunc(out, func(f jsonscan.Field) bool { return f.Name == name })
	}
	add := func(f jsonscan.Field) {
		switch {
		case slices.Contains(omit, f.Name):
			if string(f.Value) != "null" {
				omitted = append(omitted, f.Name)
			}
		case !given(f.Name):
			out = append(out, f)
		}
	}
	for _, f := range fields {
		add(f)
	}
	for _, m := range r.Members {
		if !openai.IsGatewayField(m.Name) {
			add(jsonscan.Field{Name: string(m.Name), Value: m.Value})
		}
	}
	callers := len(omitted)
	for _, f := range d.spec.Defaults {
		add(f)
	}
	return out, omitted[:callers], nil
}

// dropParams is the deployment's drop_params, or the caller's for this call.
func (d *Deployment) dropParams(r *openai.Request) bool {
	if raw, ok := r.Get("drop_params"); ok {
		return string(raw) == "true"
	}
	return d.spec.DropParams
}

// stringList reads a member that is a list of names; anything else counts as none.
func stringList(r *openai.Request, name string) []string {
	raw, ok := r.Get(name)
	if !ok {
		return nil
	}
	var names []string
	if json.Unmarshal(raw, &names) != nil {
		return nil
	}
	return names
}

// badRequest turns a request that cannot be read into the caller's answer; other errors stay as they are.
func badRequest(err error) error {
	var bad *openai.ParseError
	if !errors.As(err, &bad) {
		return err
	}
	return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: bad.Param, Message: bad.Message, Cause: err}
}
