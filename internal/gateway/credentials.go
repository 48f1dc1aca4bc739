package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/openai"
)

// credentialFields would let a caller choose where the operator's credentials are sent.
var credentialFields = []string{"api_base", "base_url", "api_key", "api_version", "user_config", "custom_llm_provider", "model_list", "extra_headers", "litellm_credential_name"}

// callersFields are those of them that a caller may set where the operator allows it.
var callersFields = []string{"api_base", "base_url", "api_key", "api_version"}

func isCredential(name string) bool {
	return slices.Contains(credentialFields, name) || strings.HasPrefix(name, "oci_") || strings.HasPrefix(name, "aws_") || strings.HasPrefix(name, "vertex_")
}

// checkCredentials collects the credential fields of the body. They are refused here unless they may go to every
// deployment of the alias; a fallback's deployment is asked again (withCredentials).
func (q *request) checkCredentials() error {
	for _, m := range q.body.Members {
		if !isCredential(string(m.Name)) {
			continue
		}
		name := string(m.Name)
		value := openai.StringMember(q.body.Members, name)
		if !slices.Contains(callersFields, name) || value == "" {
			return notAllowed(name)
		}
		if q.credentials == nil {
			q.credentials = map[string]string{}
		}
		q.credentials[name] = value
	}
	if q.credentials == nil {
		return nil
	}
	for _, d := range q.deployments() {
		if _, err := q.mayBring(d); err != nil {
			return err
		}
	}
	if q.credentials["api_key"] == "" {
		return &apierr.Error{
			Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "api_key",
			Message: "A request that names an api_base must bring its own api_key: the gateway's key is never sent to an address that a caller chose.",
		}
	}
	return nil
}

func notAllowed(name string) error {
	return &apierr.Error{
		Status: http.StatusUnauthorized, Type: "auth_error", Param: name,
		Message: "Authentication Error, Rejected Request: " + name + " is not allowed in request body. Enable with `general_settings::allow_client_side_credentials` on proxy config.yaml.",
	}
}

// mayBring decides whether the call's own credential may be used for a deployment: where the operator lets it for the
// deployment (configurable_clientside_auth_params), or for the whole gateway (allow_client_side_credentials). vetted is
// true when the operator's own pattern has passed every value, the address among them.
func (q *request) mayBring(d *dispatch.Deployment) (vetted bool, err error) {
	m := q.snap.Models.byID(d.ID)
	vetted = true
	for name, value := range q.credentials {
		if m != nil && m.ClientParams[name] != nil && m.ClientParams[name].MatchString(value) {
			continue
		}
		if !q.snap.ClientCredentials {
			return false, notAllowed(name)
		}
		vetted = false
	}
	return vetted, nil
}

// withCredentials is the target for a call that brings its own credential, else t itself.
func (q *request) withCredentials(t dispatch.Target) (dispatch.Target, error) {
	if q.credentials == nil {
		return t, nil
	}
	vetted, err := q.mayBring(t.Deployment)
	if err != nil {
		return t, err
	}
	d, err := q.snap.OpenWith(t.Deployment, q.credentials, vetted)
	if err != nil {
		return t, &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "api_base",
			Message: fmt.Sprintf("The credential of the request cannot be used for %s: %v.", t.Group, err), Cause: err}
	}
	t.Deployment = &d
	return t, nil
}

// outgoing is what one attempt sends: the body with the fallback's overrides, and the headers that are passed on.
func (q *request) outgoing(t dispatch.Target) (dispatch.Target, *openai.Request, error) {
	span := q.attemptSpan() // before anything that ends the attempt
	if q.snap.Models.byID(t.ID).misfits(q.op) {
		return t, nil, cannot(q.op, t)
	}
	t, err := q.withCredentials(t)
	if err != nil {
		return t, nil, err
	}
	overrides := t.Overrides
	if caps := q.capFields(t); len(caps) > 0 {
		overrides = append(overrides[:len(overrides):len(overrides)], caps...)
	}
	body, err := q.body.With(overrides)
	if err != nil {
		return t, nil, badBody(q.op, err)
	}
	body.Header = q.tellTrace(q.forwarded, span)
	q.sent = body
	return t, body, nil
}

// forwardedHeaders are the caller's headers for the upstream, with forward_client_headers_to_llm_api: x-* but for those
// of SDKs and of ours, and anthropic-beta. Keys are never among them. x-pass-*, which LiteLLM documents as always
// forwarded, is so on its pass-through routes only.
func (q *request) forwardedHeaders() http.Header {
	if !q.snap.ForwardHeaders {
		return nil
	}
	out := http.Header{}
	for name, values := range q.r.Header {
		lower := strings.ToLower(name)
		forwarded := lower == "anthropic-beta" || strings.HasPrefix(lower, "x-")
		if forwarded && !neverForwarded(lower) && !q.snap.Gate.IsKeyHeader(name) {
			out[http.CanonicalHeaderKey(name)] = values
		}
	}
	return out
}

// neverForwarded are headers that tell of the way to us, or speak to us.
func neverForwarded(lower string) bool {
	switch lower {
	case "x-real-ip", "x-request-id":
		return true
	}
	for _, prefix := range []string{"x-litellm-", "x-tollgate-", "x-stainless-", "x-forwarded-", "x-pass-"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}
