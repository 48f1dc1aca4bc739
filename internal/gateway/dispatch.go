package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/openai"
)

// dispatch has the call answered by one of the deployments behind its alias.
func (q *request) dispatch() error {
	if q.reply != nil || q.stream != nil {
		return nil // the cache had it
	}
	if q.body.Stream && (q.op == openai.OpChat || q.op == openai.OpCompletion) {
		if q.events == nil { // else the call has waited for an equal one
			q.events = newEvents(q.w, q.keepalive())
		}
		return q.openStream()
	}
	var err error
	q.reply, q.out, err = dispatch.Call(q.upstreamContext(), q.snap.Router, q.query, func(ctx context.Context, t dispatch.Target) (*openai.Response, error) {
		t, body, err := q.outgoing(t)
		if err != nil {
			return nil, err
		}
		reply, err := ask(ctx, q.op, t, body, q.drops(t))
		if err != nil {
			q.mayBeBilled(ctx, t, err)
		}
		return reply, err
	})
	if err != nil {
		return q.judged(err)
	}
	return q.answered()
}

// keepalive is the silence after which a comment is sent: the request's own where its deployment lets it, the
// deployment's, or the gateway's.
func (q *request) keepalive() time.Duration {
	silence := q.snap.Keepalive
	deployments := q.deployments()
	if len(deployments) == 0 {
		return silence
	}
	m := q.snap.Models.byID(deployments[0].ID)
	if m == nil {
		return silence
	}
	if m.Keepalive != nil {
		silence = *m.Keepalive
	}
	f := fields{q: q}
	if own := f.seconds("", "keepalive_seconds"); m.KeepaliveOverride && own >= time.Second && own <= 300*time.Second {
		silence = own
	}
	return silence
}

func (q *request) openStream() error {
	var err error
	q.stream, q.out, err = q.snap.Router.Stream(q.upstreamContext(), q.query, func(ctx context.Context, t dispatch.Target) (openai.Stream, error) {
		t, body, err := q.outgoing(t)
		if err != nil {
			return nil, err
		}
		stream, err := openStream(ctx, q.op, t, body, q.drops(t))
		if err != nil {
			q.mayBeBilled(ctx, t, err)
		}
		return stream, err
	})
	if err != nil {
		return q.judged(err)
	}
	q.meter = meter{Stream: q.stream, q: q, chars: q.billsChars()}
	q.stream = q.recorded(&q.meter)
	return nil
}

// openStream makes one streamed call of a deployment, as ask does a unary one.
func openStream(ctx context.Context, op openai.Operation, t dispatch.Target, body *openai.Request, drop bool) (openai.Stream, error) {
	if op == openai.OpChat {
		return t.Chatter.ChatStream(ctx, body)
	}
	if t.Completer != nil {
		return t.Completer.CompleteStream(ctx, body)
	}
	return completeStreamByChat(ctx, t.Chatter, body, drop)
}

// drops reports whether parameters that the deployment does not take are dropped rather than refused.
func (q *request) drops(t dispatch.Target) bool {
	own, _ := q.body.Get("drop_params")
	if string(own) == "true" {
		return true
	}
	m := q.snap.Models.byID(t.ID)
	return m != nil && m.DropParams
}

// ask makes one unary call of a deployment. drop concerns what the gateway itself translates.
func ask(ctx context.Context, op openai.Operation, t dispatch.Target, body *openai.Request, drop bool) (*openai.Response, error) {
	switch op {
	case openai.OpChat:
		return t.Chatter.Chat(ctx, body)
	case openai.OpCompletion:
		if t.Completer != nil {
			return t.Completer.Complete(ctx, body)
		}
		return completeByChat(ctx, t.Chatter, body, drop)
	case openai.OpEmbedding:
		if t.Embedder != nil {
			return t.Embedder.Embed(ctx, body)
		}
	case openai.OpRerank:
		if t.Reranker != nil {
			return t.Reranker.Rerank(ctx, body)
		}
	}
	return nil, cannot(op, t)
}

// misfits reports whether the model is known to be of another kind than the operation wants. Asking all the same
// would be answered with a 404 by OCI, and cool the deployment for the callers who use it rightly.
func (m *Model) misfits(op openai.Operation) bool {
	if m == nil || !m.ModeKnown {
		return false
	}
	switch m.Mode {
	case "embedding":
		return op != openai.OpEmbedding
	case "rerank":
		return op != openai.OpRerank
	case "chat", "completion", "responses":
		return op == openai.OpEmbedding || op == openai.OpRerank
	}
	return false
}

// cannot refuses an operation that the provider of a deployment does not have.
func cannot(op openai.Operation, t dispatch.Target) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "model",
		Message: fmt.Sprintf("%s: the model %s (%s) does not serve this operation. Call `/model_group/info` to see each model's mode.", op, t.Group, t.Model),
	}
}
