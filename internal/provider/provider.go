// Package provider is the seam between the gateway and its upstreams. A provider takes a request in OpenAI's
// shape, makes one call of its upstream and gives the answer back in OpenAI's shape. It knows nothing of keys,
// budgets, retries or fallbacks.
package provider

import (
	"context"
	"log/slog"
	"slices"

	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Chatter answers chat requests. Every provider is one. Methods are safe for concurrent use; an error is a
// *UpstreamError (the upstream failed), an *apierr.Error (the request cannot be made, for instance a parameter
// that the upstream does not take) or the context's own.
type Chatter interface {
	Chat(ctx context.Context, r *openai.Request) (*openai.Response, error)
	// ChatStream returns once the upstream has accepted the call (2xx headers have come). The context governs
	// the whole stream: cancelling it ends the upstream call.
	ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error)
}

// Completer answers legacy text completions. Where a provider is none, the gateway asks its Chatter.
type Completer interface {
	Complete(ctx context.Context, r *openai.Request) (*openai.Response, error)
	CompleteStream(ctx context.Context, r *openai.Request) (openai.Stream, error)
}

// Embedder makes embeddings.
type Embedder interface {
	Embed(ctx context.Context, r *openai.Request) (*openai.Response, error)
}

// Reranker orders documents by relevance.
type Reranker interface {
	Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error)
}

// Checker is a provider that can say more about its settings than Open must know, without a network: warnings for
// what is unusual, an error for what the upstream is sure to refuse. `tollgate validate` asks it.
type Checker interface {
	Check() (warnings []string, err error)
}

// Explainer is a provider that can say what it has made of its settings where they leave that open, a sentence each and
// without a network. `tollgate validate` shows it.
type Explainer interface {
	Explain() []string
}

// Spec is what a provider is opened with: one deployment of the configuration.
type Spec struct {
	ID    string // the deployment's id
	Alias string // its model_name
	Model string // the upstream's id, without the provider's prefix: "cohere.command-latest"
	// Params are the deployment's litellm_params. A provider reads its own keys from them.
	Params config.Params
	// Defaults are request parameters of the deployment (temperature, max_tokens, extra_body's members ...) that
	// apply where the caller gave none.
	Defaults []jsonscan.Field
	// Omit names top-level members that never go to this upstream (additional_drop_params).
	Omit []string
	// DropParams is the effective drop_params: unsupported parameters are left out and named instead of refused.
	DropParams bool
	Egress     *egress.Egress
	// Credentials keeps what signs for the deployment beyond the configuration; nil keeps nothing.
	Credentials *Lease
	// AllowURLFetch lets a provider fetch URLs out of a caller's body through Egress.Fetch.
	AllowURLFetch bool
	Log           *slog.Logger
}

// Opener makes the provider of one deployment. It does no network I/O. Errors are the operator's to mend and
// name the key at fault.
type Opener func(Spec) (Chatter, error)

// Outgoing is the body for an OpenAI-shaped upstream: the caller's text with the model replaced, the deployment's
// default parameters added where the caller gave none, the caller's extra_body merged and the gateway's own
// fields left out. further fields win over all of these. Nothing of the caller's text is copied. The error is
// an *openai.ParseError.
func (s *Spec) Outgoing(r *openai.Request, further ...jsonscan.Field) (jsonscan.Parts, error) {
	set := make([]jsonscan.Field, 0, 4+len(further))
	set = append(set, further...)
	set = appendNew(set, jsonscan.Field{Name: "model", Value: jsonscan.Text(s.Model)})
	extra, err := r.ExtraBody()
	if err != nil {
		return nil, err
	}
	for _, f := range extra {
		if !s.omits([]byte(f.Name)) {
			set = appendNew(set, f)
		}
	}
	for _, f := range s.Defaults {
		if _, given := jsonscan.Find(r.Members, f.Name); !given {
			set = appendNew(set, f)
		}
	}
	return jsonscan.Splice(r.Body, r.Members, set, s.omits), nil
}

func (s *Spec) omits(name []byte) bool {
	return openai.IsGatewayField(name) || slices.Contains(s.Omit, string(name))
}

func appendNew(set []jsonscan.Field, f jsonscan.Field) []jsonscan.Field {
	if slices.ContainsFunc(set, func(g jsonscan.Field) bool { return g.Name == f.Name }) {
		return set
	}
	return append(set, f)
}
