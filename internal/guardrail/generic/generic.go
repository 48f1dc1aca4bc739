// Package generic is the guardrail `generic_guardrail_api`: LiteLLM's vendor-neutral HTTP interface, which a company's own
// service can implement in a few lines.
package generic

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

// path is where the interface is, below api_base.
const path = "/beta/litellm_basic_guardrail_api"

// version is sent as litellm_version: servers that look at it want LiteLLM's form of a version.
const version = "tollgate"

// present stands for the value of a header of the caller that is not forwarded.
const present = "[present]"

// credentials are headers that hold the caller's keys; their values are never forwarded.
var credentials = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Litellm-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"}

type api struct {
	name      string
	client    *remote.Client
	url       string
	header    http.Header
	forwarded []string // canonical names of headers whose values are sent
	params    map[string]any
	open      bool // unreachable_fallback: fail_open
}

var (
	_ guardrail.Guardrail = (*api)(nil)
	_ guardrail.Pinger    = (*api)(nil)
	_ guardrail.Definer   = (*api)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	key := s.Secret("api_key")
	g := &api{
		name: spec.Name,
		url:  strings.TrimSuffix(remote.Base(&spec, "api_base", "", "GENERIC_GUARDRAIL_API_BASE"), path) + path,
		open: s.Choice("unreachable_fallback", "fail_closed", "fail_open") == "fail_open",
	}
	secrets := []secret.String{key}
	g.header, secrets = headers(&spec, secrets)
	if !key.Empty() && g.header.Get("Authorization") == "" {
		g.header.Set("Authorization", "Bearer "+key.Reveal())
	}
	for _, name := range s.Texts("extra_headers") {
		canonical := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		if slices.Contains(credentials, canonical) {
			s.Fault("extra_headers", "%s holds the caller's key and is not forwarded", canonical)
		}
		g.forwarded = append(g.forwarded, canonical)
	}
	s.Into("additional_provider_specific_params", &g.params)
	g.client = remote.New("generic guardrail", &spec, secrets...)
	return g, s.Err()
}

// headers are the static ones of the configuration, whose values are secrets more often than not.
func headers(spec *guardrail.Spec, secrets []secret.String) (http.Header, []secret.String) {
	given := map[string]string{}
	spec.Settings.Into("headers", &given)
	header := http.Header{}
	for name, value := range given {
		if variable, is := strings.CutPrefix(value, "os.environ/"); is {
			value = spec.Settings.Getenv(variable)
		}
		header.Set(name, value)
		secrets = append(secrets, secret.New(value))
	}
	return header, secrets
}

// request is the interface's request. Members without a value are null, as LiteLLM sends them.
type request struct {
	Texts      []string          `json:"texts"`
	Images     []string          `json:"images"`
	Tools      json.RawMessage   `json:"tools"`
	ToolCalls  []toolCall        `json:"tool_calls"`
	Messages   []message         `json:"structured_messages"`
	Who        who               `json:"request_data"`
	Headers    map[string]string `json:"request_headers"`
	Version    string            `json:"litellm_version"`
	InputType  string            `json:"input_type"`
	CallID     *string           `json:"litellm_call_id"`
	TraceID    *string           `json:"litellm_trace_id"`
	Additional map[string]any    `json:"additional_provider_specific_params"`
}

// who is whose call it is. Empty members are left out.
type who struct {
	KeyHash   string `json:"user_api_key_hash,omitempty"`
	KeyAlias  string `json:"user_api_key_alias,omitempty"`
	UserID    string `json:"user_api_key_user_id,omitempty"`
	UserEmail string `json:"user_api_key_user_email,omitempty"`
	TeamID    string `json:"user_api_key_team_id,omitempty"`
	TeamAlias string `json:"user_api_key_team_alias,omitempty"`
	EndUser   string `json:"user_api_key_end_user_id,omitempty"`
	OrgID     string `json:"user_api_key_org_id,omitempty"`
}

type reply struct {
	Action string          `json:"action"`
	Reason string          `json:"blocked_reason"`
	Texts  []string        `json:"texts"`
	Images []string        `json:"images"`
	Tools  json.RawMessage `json:"tools"`
}

// Check implements guardrail.Guardrail.
func (g *api) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if len(in.Content.Texts) == 0 && len(in.Content.Images) == 0 && in.Content.Tools == nil {
		return guardrail.Verdict{}, nil
	}
	var out reply
	err := g.client.Do(ctx, remote.Call{URL: g.url, Header: g.header, Body: g.request(in), Judged: remote.Values(in.Content.Texts), Chosen: in.Extra != nil}, &out)
	if err != nil {
		var failure *remote.Error
		if g.open && errors.As(err, &failure) && failure.Unreachable() {
			return guardrail.Verdict{Action: guardrail.Allow, Findings: []guardrail.Finding{{Kind: "unreachable", Action: guardrail.Allow, Count: 1}}}, nil
		}
		return guardrail.Verdict{}, err
	}
	return g.verdict(in, &out)
}

// WantsDefinitions implements guardrail.Definer: the interface has a place for tools.
func (g *api) WantsDefinitions() bool { return true }

func (g *api) verdict(in *guardrail.Input, out *reply) (guardrail.Verdict, error) {
	switch out.Action {
	case "NONE":
		return guardrail.Verdict{}, nil
	case "BLOCKED":
		reason := out.Reason
		if reason == "" {
			reason = "Content violates policy"
		}
		return guardrail.Verdict{
			Action: guardrail.Block, Reason: "Content blocked by guardrail: " + reason,
			Detail:   map[string]any{"error": "Content blocked by guardrail: " + reason, "guardrail_name": g.name},
			Findings: []guardrail.Finding{{Kind: "blocked", Action: guardrail.Block, Count: 1}},
			Log:      map[string]any{"action": out.Action, "blocked_reason": out.Reason},
		}, nil
	case "GUARDRAIL_INTERVENED":
	default:
		return guardrail.Verdict{}, g.client.Wrong("its action is none of BLOCKED, NONE and GUARDRAIL_INTERVENED")
	}
	switch {
	case out.Images != nil && !slices.Equal(out.Images, in.Content.Images):
		return guardrail.Verdict{}, g.client.Wrong("it changes images, which cannot be put in place")
	case out.Tools != nil && !sameJSON(out.Tools, in.Content.Tools):
		return guardrail.Verdict{}, g.client.Wrong("it changes tools, which cannot be put in place; change the texts of their descriptions")
	case out.Texts == nil:
		return guardrail.Verdict{}, nil
	case len(out.Texts) != len(in.Content.Texts):
		return guardrail.Verdict{}, g.client.Wrong("it answers %d texts for %d", len(out.Texts), len(in.Content.Texts))
	}
	changed := 0
	for i := range out.Texts {
		if out.Texts[i] != in.Content.Texts[i].Value {
			changed++
		}
	}
	if changed == 0 {
		return guardrail.Verdict{}, nil
	}
	return guardrail.Verdict{
		Action: guardrail.Mask, Texts: out.Texts,
		Findings: []guardrail.Finding{{Kind: "changed", Action: guardrail.Mask, Count: changed}},
		Log:      map[string]any{"action": out.Action},
	}, nil
}

// Ping implements guardrail.Pinger.
func (g *api) Ping(ctx context.Context) error {
	var out reply
	body := request{Texts: []string{"Hello"}, InputType: "request", Version: version, Headers: map[string]string{}, Additional: g.params}
	return remote.ForOperator(g.client.Do(ctx, remote.Call{URL: g.url, Header: g.header, Body: body}, &out))
}

func (g *api) request(in *guardrail.Input) request {
	r := request{
		Texts: remote.Values(in.Content.Texts), Images: in.Content.Images, Tools: in.Content.Tools, Headers: map[string]string{},
		Version: version, InputType: "request", Additional: map[string]any{},
	}
	maps.Copy(r.Additional, g.params)
	remote.Merge(r.Additional, in.Extra)
	r.ToolCalls = toolCalls(in.Content)
	if in.Phase == guardrail.PostCall {
		r.InputType = "response"
	} else {
		r.Messages = messages(in.Content)
	}
	c := in.Call
	if c == nil {
		return r
	}
	r.Who = who{
		KeyHash: c.KeyHash, KeyAlias: c.KeyAlias, UserID: c.UserID, UserEmail: c.UserEmail, TeamID: c.TeamID, TeamAlias: c.TeamAlias,
		EndUser: c.EndUser, OrgID: c.OrgID,
	}
	r.CallID, r.TraceID = set(c.ID), set(c.TraceID)
	for name, values := range c.Header {
		value := present
		if slices.Contains(g.forwarded, textproto.CanonicalMIMEHeaderKey(name)) {
			value = strings.Join(values, ", ")
		}
		r.Headers[strings.ToLower(name)] = value
	}
	return r
}

func set(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	one, err1 := json.Marshal(x)
	two, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && string(one) == string(two)
}
