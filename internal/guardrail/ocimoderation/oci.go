// Package ocimoderation is the guardrail `oci`: OCI Generative AI's own guardrails (applyGuardrails), which find harmful content,
// prompt injections and personal data in what goes into any model and comes out of it. Calls are signed by the same principals
// as those of models.
package ocimoderation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

// Account is who calls OCI and where. Package provider/oci has one, with the settings that its models have.
type Account interface {
	// Place tells the address of the actions (.../20231130/actions) and the compartment.
	Place(ctx context.Context) (actions, compartment string, err error)
	Sign(ctx context.Context, r *http.Request, body []byte) error
	// Refresh renews the credential after a 401.
	Refresh(ctx context.Context) error
}

const (
	violated = "Violated guardrail policy"
	// overlap is how many characters two pieces of a long text have in common.
	overlap = 200
	// between stands between texts that are judged in one call.
	between = "\n\n"
)

type moderation struct {
	client  *remote.Client
	account Account
	checks  checks
	// chunk bounds what one call judges, in characters.
	chunk    int
	language string
	version  string
}

var (
	_ guardrail.Guardrail = (*moderation)(nil)
	_ guardrail.Pinger    = (*moderation)(nil)
)

// Opener makes the guardrail.Opener. connect makes the account of a spec's settings, without network I/O.
func Opener(connect func(spec *guardrail.Spec) (Account, error)) guardrail.Opener {
	return func(spec guardrail.Spec) (guardrail.Guardrail, error) {
		s := spec.Settings
		m := &moderation{
			checks: readChecks(&spec), chunk: s.Int("chunk_characters", 20_000), language: s.Text("language"), version: s.Text("guardrail_version"),
		}
		if m.chunk < 2*overlap {
			s.Fault("chunk_characters", "must be %d at least", 2*overlap)
		}
		m.client = remote.New("OCI guardrails", &spec)
		account, err := connect(&spec)
		if err != nil {
			s.Fault("", "%s", strings.TrimPrefix(err.Error(), "oci: "))
		}
		m.account = account
		return m, s.Err()
	}
}

// Check implements guardrail.Guardrail.
func (m *moderation) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	wanted := m.checks.at(in.Phase)
	batches := batch(in.Content.Texts, m.chunk)
	if len(batches) == 0 || wanted.none() {
		return guardrail.Verdict{}, nil
	}
	language := in.Language
	if language == "" {
		language = m.language
	}
	replies := make([]reply, len(batches))
	err := remote.Each(ctx, len(batches), func(ctx context.Context, i int) error {
		return m.apply(ctx, &wanted, batches[i].content, language, remote.Values(in.Content.Texts), &replies[i])
	})
	if err != nil {
		return guardrail.Verdict{}, err
	}
	j := judgement{checks: &wanted, texts: in.Content.Texts, spans: make([][]remote.Span, len(in.Content.Texts))}
	for i := range batches {
		if err := m.judge(&j, &batches[i], &replies[i]); err != nil {
			return guardrail.Verdict{}, err
		}
	}
	return m.verdict(&j)
}

// apply makes one call, and a second one with a renewed credential after a 401. judged are what no error repeats.
func (m *moderation) apply(ctx context.Context, wanted *checks, text, language string, judged []string, out *reply) error {
	actions, compartment, err := m.account.Place(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return m.client.NoCredential(err)
	}
	body := request{CompartmentID: compartment, Configs: wanted.configs(), Input: input{Type: "TEXT", Content: text, Language: language}}
	if m.version != "" {
		body.Version = &version{m.version}
	}
	call := remote.Call{URL: actions + "/applyGuardrails", Body: body, Sign: m.account.Sign, Judged: judged, Chosen: language != m.language}
	err = m.client.Do(ctx, call, out)
	var refused *remote.Error
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		if m.account.Refresh(ctx) == nil {
			*out = reply{}
			err = m.client.Do(ctx, call, out)
		}
	}
	return err
}

// Ping implements guardrail.Pinger.
func (m *moderation) Ping(ctx context.Context) error {
	return remote.ForOperator(m.apply(ctx, &m.checks, "Hello", m.language, nil, &reply{}))
}

// batched is what one call judges: texts, or pieces of one, put together.
type batched struct {
	content string
	chars   int
	parts   []part
}

// part is where a piece of a text stands in a batch, in characters.
type part struct {
	text       int // its index
	at, offset int // where the piece begins in the text and in the batch
	length     int
}

// batch puts texts together, so that a long conversation is a few calls. Blank texts are left out.
func batch(texts []content.Text, limit int) []batched {
	var out []batched
	for i := range texts {
		if strings.TrimSpace(texts[i].Value) == "" {
			continue
		}
		for _, p := range remote.Cut(texts[i].Value, limit, overlap, remote.Characters) {
			chars := utf8.RuneCountInString(p.Text)
			if n := len(out); n == 0 || out[n-1].chars+len(between)+chars > limit {
				out = append(out, batched{})
			}
			b := &out[len(out)-1]
			if b.chars > 0 {
				b.content += between
				b.chars += len(between)
			}
			b.parts = append(b.parts, part{text: i, at: p.At, offset: b.chars, length: chars})
			b.content += p.Text
			b.chars += chars
		}
	}
	return out
}
