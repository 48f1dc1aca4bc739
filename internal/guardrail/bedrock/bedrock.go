// Package bedrock is the guardrail `bedrock`: Amazon Bedrock Guardrails by ApplyGuardrail, which works with any model.
package bedrock

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

const (
	standardRegion = "us-west-2" // LiteLLM's
	violated       = "Violated guardrail policy"
)

type bedrock struct {
	client *remote.Client
	url    string
	signer *awssign.Signer // nil with a bearer token
	bearer secret.String
	// quiet: a block is answered with Bedrock's own words and status 200.
	quiet      bool
	latestOnly bool
}

var (
	_ guardrail.Guardrail = (*bedrock)(nil)
	_ guardrail.Pinger    = (*bedrock)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	region := cmp.Or(s.Text("aws_region_name", "AWS_REGION_NAME", "AWS_REGION"), standardRegion)
	base := remote.Base(&spec, "aws_bedrock_runtime_endpoint", "https://bedrock-runtime."+region+".amazonaws.com", "AWS_BEDROCK_RUNTIME_ENDPOINT")
	id, version := s.Need("guardrailIdentifier"), s.Need("guardrailVersion")
	// The masks are put in place in any case; the flags say besides that nothing is ever answered with an error.
	maskRequest, maskResponse := s.Flag("mask_request_content", false), s.Flag("mask_response_content", false)
	b := &bedrock{
		url:        base + "/guardrail/" + url.PathEscape(id) + "/version/" + url.PathEscape(version) + "/apply",
		quiet:      s.Flag("disable_exception_on_block", false) || maskRequest || maskResponse,
		latestOnly: s.Flag("experimental_use_latest_role_message_only", false),
	}
	if s.Has("checks") {
		s.Fault("checks", "InvokeGuardrailChecks is not served; make a guardrail in Bedrock and give its guardrailIdentifier")
	}
	secrets := b.credentials(&spec, region)
	b.client = remote.New("Bedrock", &spec, secrets...)
	return b, s.Err()
}

// credentials reads who signs and returns what must not be shown.
func (b *bedrock) credentials(spec *guardrail.Spec, region string) []secret.String {
	s := spec.Settings
	o := awssign.Options{
		AccessKey: s.Text("aws_access_key_id"), Secret: s.Secret("aws_secret_access_key"), Token: s.Secret("aws_session_token"),
		Region: region, Profile: s.Text("aws_profile_name"),
		Role: s.Text("aws_role_name"), SessionName: s.Text("aws_session_name"), ExternalID: s.Text("aws_external_id"),
		WebIdentity: s.Text("aws_web_identity_token"), STS: s.Text("aws_sts_endpoint"), Getenv: s.Getenv, Client: spec.Client,
	}
	named := o.AccessKey != "" || o.Profile != "" || o.Role != ""
	if token := s.Secret("api_key", "AWS_BEARER_TOKEN_BEDROCK"); !token.Empty() && !named {
		b.bearer = token
		return []secret.String{token}
	}
	signer, err := awssign.New(o)
	if err != nil {
		s.Fault("", "%s", strings.TrimPrefix(err.Error(), "aws: "))
		return nil
	}
	b.signer = signer
	return []secret.String{o.Secret, o.Token}
}

type item struct {
	Text struct {
		Text string `json:"text"`
	} `json:"text"`
}

// Check implements guardrail.Guardrail.
func (b *bedrock) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	sent := b.judged(in) // indexes of the texts
	if len(sent) == 0 {
		return guardrail.Verdict{}, nil
	}
	items, judged := make([]item, len(sent)), make([]string, len(sent))
	for i, at := range sent {
		judged[i] = in.Content.Texts[at].Value
		items[i].Text.Text = judged[i]
	}
	source := "INPUT"
	if in.Phase == guardrail.PostCall {
		source = "OUTPUT"
	}
	var out reply
	if err := b.call(ctx, in.Extra, map[string]any{"source": source, "content": items}, judged, &out); err != nil {
		return guardrail.Verdict{}, err
	}
	switch out.Action {
	case "NONE":
		return guardrail.Verdict{Findings: out.tally().Findings()}, nil
	case "GUARDRAIL_INTERVENED":
		return b.intervened(in, sent, &out), nil
	}
	return guardrail.Verdict{}, b.client.Wrong("its action is neither NONE nor GUARDRAIL_INTERVENED")
}

// judged are the indexes of the texts that are sent: all that say something, or those of the user's last message.
func (b *bedrock) judged(in *guardrail.Input) []int {
	texts, last := in.Content.Texts, -1
	if b.latestOnly && in.Phase != guardrail.PostCall {
		for _, t := range texts {
			if t.Role == "user" {
				last = max(last, t.Index)
			}
		}
	}
	var out []int
	for i, t := range texts {
		if strings.TrimSpace(t.Value) == "" || last >= 0 && (t.Role != "user" || t.Index != last || t.Kind == content.Definition) {
			continue
		}
		out = append(out, i)
	}
	return out
}

// intervened decides about an intervention: a block, or texts with masks, which come in the order of what was sent.
func (b *bedrock) intervened(in *guardrail.Input, sent []int, out *reply) guardrail.Verdict {
	tally := out.tally()
	outputs := out.Outputs
	if outputs == nil {
		outputs = out.Output
	}
	v := guardrail.Verdict{Findings: tally.Findings(), Log: out.redacted()}
	if !out.blocked() && len(outputs) == len(sent) {
		v.Action, v.Texts = guardrail.Mask, remote.Values(in.Content.Texts)
		for i, at := range sent {
			v.Texts[at] = outputs[i].Text
		}
		return v
	}
	var words []string
	for _, o := range outputs {
		words = append(words, o.Text)
	}
	said := strings.Join(words, " ")
	v.Action, v.Reason = guardrail.Block, violated
	v.Detail = map[string]any{"error": violated}
	if out.blocked() { // then the outputs are the guardrail's own words, else masked texts of the caller's
		v.Detail["bedrock_guardrail_response"] = said
	} else {
		said = violated
	}
	if b.quiet {
		v.Response = cmp.Or(said, violated)
	}
	return v
}

func (b *bedrock) call(ctx context.Context, extra, body map[string]any, judged []string, out *reply) error {
	call := remote.Call{URL: b.url, Body: remote.Merge(body, extra), Judged: judged, Chosen: extra != nil}
	if b.signer == nil {
		call.Header = remote.Bearer(b.bearer)
	} else {
		call.Sign = func(ctx context.Context, r *http.Request, body []byte) error {
			return b.signer.Sign(ctx, r, awssign.Hash(body), "bedrock", time.Now())
		}
	}
	return b.client.Do(ctx, call, out)
}

// Ping implements guardrail.Pinger.
func (b *bedrock) Ping(ctx context.Context) error {
	var i item
	i.Text.Text = "Hello"
	return remote.ForOperator(b.call(ctx, nil, map[string]any{"source": "INPUT", "content": []item{i}}, nil, &reply{}))
}
