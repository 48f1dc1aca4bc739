package oci

import (
	"context"

	"tollgate/internal/openai"
)

// Embed implements provider.Embedder.
func (d *Deployment) Embed(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return nil, nil
}

// Rerank implements provider.Reranker.
func (d *Deployment) Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return nil, nil
}
