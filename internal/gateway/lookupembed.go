package gateway

import (
	"context"
	"encoding/json"
	"errors"

	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
)

var errNoVector = errors.New("gateway: the embedding model has answered without a vector")

// Embed turns a text into a vector by one of the gateway's own models, for caches that find by meaning. It goes by no cache and
// no guardrail, and on nobody's key: what it has cost is the calling request's to charge.
func (s *Snapshot) Embed(ctx context.Context, model, text string) (vector []float32, cost money.USD, err error) {
	body := append([]byte(`{"model":`), jsonscan.Text(model)...)
	body = append(append(body, `,"encoding_format":"float","input":`...), jsonscan.Text(text)...)
	request, err := openai.ParseRequest(openai.OpEmbedding, append(body, '}'))
	if err != nil {
		return nil, 0, err
	}
	query := &dispatch.Query{Alias: model, Operation: openai.OpEmbedding, InputTokens: len(text) / bytesPerToken}
	reply, out, err := dispatch.Call(ctx, s.Router, query, func(ctx context.Context, t dispatch.Target) (*openai.Response, error) {
		if s.Models.byID(t.ID).misfits(openai.OpEmbedding) {
			return nil, cannot(openai.OpEmbedding, t)
		}
		sent, err := request.With(t.Overrides)
		if err != nil {
			return nil, err
		}
		return ask(ctx, openai.OpEmbedding, t, sent, true)
	})
	if err != nil {
		return nil, 0, err
	}
	var answer struct {
		Data []struct {
			Embedding []float32 `json:"embedding"`
		} `json:"data"`
		Usage json.RawMessage `json:"usage"`
	}
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		return nil, 0, err
	}
	if u, ok := openai.ParseUsage(answer.Usage); ok {
		out.Record(u)
		cost, _ = price.Cost(s.Models.rates(out.Deployment), price.Usage{Prompt: int64(u.PromptTokens), PromptChars: request.Chars()})
	}
	if len(answer.Data) == 0 || len(answer.Data[0].Embedding) == 0 {
		return nil, cost, errNoVector
	}
	return answer.Data[0].Embedding, cost, nil
}
