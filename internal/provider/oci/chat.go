package oci

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

// scratch is room for the members of one object.
type scratch = []jsonscan.Member

// maxResends bounds how many parameters one call finds out to be refused.
const maxResends = 3

// Chat implements provider.Chatter.
func (d *Deployment) Chat(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	in, err := d.readChat(r)
	if err != nil {
		return nil, badRequest(err)
	}
	if d.prefersOpenAI(in) {
		return d.chatOpenAI(ctx, r, in)
	}
	resp, out, err := d.send(ctx, in, false)
	if err != nil {
		return nil, badRequest(err)
	}
	body, err := d.readAnswer(ctx, resp)
	if err != nil {
		return nil, err
	}
	text, err := d.replyTo(in, out).completion(body)
	if err != nil {
		return nil, d.answerError(resp.Header, err)
	}
	return &openai.Response{Meta: openai.Meta{Header: resp.Header, Dropped: out.dropped}, Body: text}, nil
}

// ChatStream implements provider.Chatter.
func (d *Deployment) ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	in, err := d.readChat(r)
	if err != nil {
		return nil, badRequest(err)
	}
	if d.prefersOpenAI(in) {
		return d.streamOpenAI(ctx, r, in)
	}
	ctx, cancel := context.WithCancel(ctx)
	resp, out, err := d.send(ctx, in, true) //nolint:bodyclose // the stream closes it
	if err != nil {
		cancel()
		return nil, badRequest(err)
	}
	reply := d.replyTo(in, out)
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "application/json" {
		return d.newAnswerStream(ctx, cancel, resp, reply, out.dropped)
	}
	return d.newStream(ctx, cancel, resp, reply, out.dropped), nil
}

// send translates and sends a call. A model that turns out to refuse a parameter is asked again without it, when
// parameters may be dropped, and the deployment remembers.
func (d *Deployment) send(ctx context.Context, in *input, stream bool) (*http.Response, *outgoing, error) {
	whole := false // a stream was refused: the answer is asked for in one piece
	for resends := 0; ; resends++ {
		out, err := d.translate(ctx, in, stream && !whole && !d.learned(streamField))
		if err != nil {
			return nil, nil, err
		}
		resp, err := d.post(ctx, "chat", out.body, auth.BodyFromSum(out.sum, int64(len(out.body))))
		if err == nil {
			if whole {
				d.learn(streamField)
			}
			return resp, out, nil
		}
		var refusal *provider.UpstreamError
		if resends == maxResends || !errors.As(err, &refusal) {
			return nil, nil, err
		}
		if out.stream && refusesStream(refusal) {
			whole = true
			continue
		}
		if !in.drop || !d.adapt(refusal, in, out) {
			return nil, nil, err
		}
	}
}

// streamField asks for a stream. Some dedicated clusters refuse it; their answer then comes in one piece, and the
// caller gets it as a stream all the same.
const streamField = "isStream"

// refusesStream reads a refusal generously, since no text is documented: what it costs to be wrong is one more call,
// and only a call that works in one piece is remembered.
func refusesStream(e *provider.UpstreamError) bool {
	text := strings.ToLower(e.Param + " " + e.Message)
	if e.Status != http.StatusBadRequest || !strings.Contains(text, "stream") {
		return false
	}
	return strings.Contains(text, "isstream") || strings.Contains(text, "support") || strings.Contains(text, "allow")
}

// adapt takes a parameter that was refused out of the call, where parameters may be dropped; it reports whether the call
// is worth another try. What the model takes in no call the deployment remembers: a parameter that it does not
// support, or a value of the sampling parameters, which such models take at their default alone. Another value that it
// does not support may be one caller's mistake, and a call that drops parameters on the caller's word teaches nothing.
func (d *Deployment) adapt(e *provider.UpstreamError, in *input, out *outgoing) bool {
	if e.Status != http.StatusBadRequest || (e.Code != "unsupported_value" && e.Code != "unsupported_parameter") {
		return false
	}
	p, known := find(d.fam.format.params(), e.Param)
	if !known || !slices.Contains(out.sent, p.field) {
		return false
	}
	in.refused = append(in.refused, p.field)
	name, _, _ := strings.Cut(p.names, " ")
	if d.spec.DropParams && (e.Code == "unsupported_parameter" || slices.Contains(sampling, name)) {
		d.learn(p.field)
	}
	return true
}

func (d *Deployment) replyTo(in *input, out *outgoing) *replyTo {
	return &replyTo{
		id: "chatcmpl-" + d.o.NewID(), created: d.o.Now().Unix(), model: d.spec.Model, format: d.fam.format,
		functions: in.chat.Functions, stops: slices.Contains(out.sent, "stopSequences"),
		mint: func(choice, index int, name string) string { return callID(out.sum, choice, index, name) },
	}
}

// defaultCap is the cap of a caller who names none on a model whose bound is not known: what OCI allows the open
// models. Without a cap several models stop after about twenty tokens, so one is always sent.
const defaultCap = 4000

// thinkingFloor is the least cap of a model whose hidden thinking counts against it: below it the answer is often
// empty, since the thinking has used it up.
const thinkingFloor = 1024

// windowCap bounds the cap of a caller who names none on a family whose catalogued bound is the whole window: as much
// output as that would leave no room for the prompt. It is what Oracle's playground allows Grok.
const windowCap = 16384

// outputCap is the cap to send.
func (d *Deployment) outputCap(p paramSet) int {
	limit := p.limit
	switch {
	case limit == 0:
		limit = d.o.MaxOutput(d.spec.Model)
		if d.fam.wholeWindow {
			limit = min(limit, windowCap)
		}
	case d.fam.thinks && !p.sendsValue("reasoningEffort", `"NONE"`):
		limit = max(limit, thinkingFloor)
	}
	if limit == 0 {
		limit = defaultCap
	}
	return limit
}

// MaxOutput tells the cap that a chat request is sent with, in tokens, for those who reserve its worst case: the
// caller's, or more where hidden thinking counts against it, or the default one. 0 when the request cannot be read.
func (d *Deployment) MaxOutput(r *openai.Request) int {
	in, err := d.readChat(r)
	if err != nil {
		return 0
	}
	params, err := sortParams(d.fam, in.chat.Params, false, in.without(d), in.allowed)
	if err != nil {
		return 0
	}
	return d.outputCap(params)
}
