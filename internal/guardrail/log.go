package guardrail

import (
	"context"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

// Conceal takes out of an answer again what was put back into it for the caller, for copies of it: what pre_call has kept from the
// model is kept from logs too. It returns reply itself where there is nothing of it.
func (r *Run) Conceal(reply []byte) []byte {
	if r == nil || r.restore == nil || len(reply) == 0 {
		return reply
	}
	body, err := content.Reply(r.surface, reply)
	if err != nil {
		return nil // nobody can say what it holds
	}
	texts := values(body)
	for i := range texts {
		texts[i] = r.restore.concealed(body.Texts[i].Kind, texts[i])
	}
	out, err := body.With(texts)
	if err != nil {
		return nil
	}
	return out
}

// LogCopy is what is told of a call to logs and callbacks: request and reply as the guardrails of logging_only leave them, and
// without what was put back into the answer. Either may be nil. What a guardrail blocks, and what it could not judge unless it
// fails open, becomes nil: it is not told at all. It asks vendors, and so must not stand in the way of an answer.
func (r *Run) LogCopy(ctx context.Context, req *openai.Request, reply []byte) (request, answer []byte) {
	if req != nil {
		request = req.Body
	}
	if r == nil {
		return request, reply
	}
	reply = r.Conceal(reply)
	if !r.Has(LoggingOnly) {
		return request, reply
	}
	if req != nil {
		body, err := content.Request(req)
		request = r.logged(ctx, body, err)
	}
	if len(reply) > 0 {
		body, err := content.Reply(r.surface, reply)
		reply = r.logged(ctx, body, err)
	}
	return request, reply
}

// logged is a body as the guardrails of logging_only leave it.
func (r *Run) logged(ctx context.Context, body *content.Body, err error) []byte {
	if err != nil {
		return nil
	}
	texts := values(body)
	for _, u := range r.of(LoggingOnly) {
		in, at := u.input(r, LoggingOnly, body, texts, nil)
		v, err := r.judge(ctx, u, in)
		if err != nil || v.Action == Block {
			return nil
		}
		for i, text := range v.Texts {
			texts[at[i]] = text
		}
	}
	out, err := body.With(texts)
	if err != nil {
		return nil
	}
	return out
}

// Offline reports whether the copy for logs is made without asking anybody else, and so at once.
func (r *Run) Offline() bool {
	for _, u := range r.of(LoggingOnly) {
		if u.windowed == nil {
			return false
		}
	}
	return true
}
