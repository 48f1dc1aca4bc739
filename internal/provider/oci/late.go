package oci

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

// lateDeployment is a deployment whose region or compartment its principal tells. What it embeds knows everything
// else, and answers what is asked before the first call; calls go to the one that is made when the place is known.
type lateDeployment struct {
	*Deployment
	factory *Factory
	settled atomic.Pointer[Deployment] // nil before the first call
}

var (
	_ provider.Chatter  = (*lateDeployment)(nil)
	_ provider.Embedder = (*lateDeployment)(nil)
	_ provider.Reranker = (*lateDeployment)(nil)
)

// Chat implements provider.Chatter.
func (l *lateDeployment) Chat(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	d, err := l.settle(ctx)
	if err != nil {
		return nil, err
	}
	return d.Chat(ctx, r)
}

// ChatStream implements provider.Chatter.
func (l *lateDeployment) ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	d, err := l.settle(ctx)
	if err != nil {
		return nil, err
	}
	return d.ChatStream(ctx, r)
}

// Embed implements provider.Embedder.
func (l *lateDeployment) Embed(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	d, err := l.settle(ctx)
	if err != nil {
		return nil, err
	}
	return d.Embed(ctx, r)
}

// Rerank implements provider.Reranker.
func (l *lateDeployment) Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	d, err := l.settle(ctx)
	if err != nil {
		return nil, err
	}
	return d.Rerank(ctx, r)
}

// settle makes the deployment once its principal has told its place. Calls that come together may each make one; the
// first one stays.
func (l *lateDeployment) settle(ctx context.Context) (*Deployment, error) {
	if d := l.settled.Load(); d != nil {
		return d, nil
	}
	s, err := placed(ctx, l.settings, l.principal, l.spec.Params.APIBase)
	var noPlace *provider.UpstreamError
	switch {
	case errors.As(err, &noPlace):
		return nil, err
	case err != nil:
		return nil, l.noCredential(ctx, err)
	}
	d, err := l.factory.deployment(l.spec, s, l.principal)
	if err != nil {
		return nil, err
	}
	l.settled.CompareAndSwap(nil, d)
	return l.settled.Load(), nil
}

// placed completes settings by what their principal's token tells. Errors are the token's, or an *provider.UpstreamError.
func placed(ctx context.Context, s settings, who auth.Principal, base string) (settings, error) {
	p, ok := who.(*principal)
	if !ok {
		return s, nil
	}
	renewing, ok := p.Principal.(*auth.Renewing)
	if !ok {
		return s, nil
	}
	issued, err := renewing.Issued(ctx)
	if err != nil {
		return s, err
	}
	s.region = firstOf(s.region, issued.Region, defaultRegion)
	s.compartment = firstOf(s.compartment, issued.Tenancy)
	if s.compartment == "" {
		return s, &provider.UpstreamError{Reason: provider.BadRequest, Status: http.StatusBadRequest, Provider: providerName,
			Message: "no compartment: the token of " + s.choice.kind + " names no tenancy, so set oci_compartment_id or OCI_COMPARTMENT_ID"}
	}
	if err := s.readBase(base); err != nil {
		return s, &provider.UpstreamError{Reason: provider.BadRequest, Status: http.StatusBadRequest, Provider: providerName, Message: err.Error()}
	}
	return s, nil
}
