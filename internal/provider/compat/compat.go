package compat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"tollgate/internal/apierr"
	"tollgate/internal/config"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// deployment is the provider of one deployment.
type deployment struct {
	spec     provider.Spec
	upstream *Upstream
	rule     modelRule
	renames  []Rename
	client   *Client
}

// reranking is a deployment whose upstream has /rerank.
type reranking struct{ *deployment }

var (
	_ provider.Opener    = Open
	_ provider.Chatter   = (*deployment)(nil)
	_ provider.Completer = (*deployment)(nil)
	_ provider.Embedder  = (*deployment)(nil)
	_ provider.Reranker  = reranking{}
)

// Open makes the provider of a deployment on one of Upstreams. Besides provider.Chatter it is a Completer and an
// Embedder, and a Reranker where the upstream is one. Of litellm_params it reads model, custom_llm_provider, api_base,
// api_key, organization, extra_headers and, for Azure, api_version.
func Open(spec provider.Spec) (provider.Chatter, error) {
	upstream, err := upstreamOf(&spec.Params)
	if err != nil {
		return nil, err
	}
	base, err := upstream.baseURL(&spec.Params, spec.Model)
	if err != nil {
		return nil, err
	}
	if _, err := parseBase(base); err != nil {
		return nil, fmt.Errorf("api_base: %w", err)
	}
	header, err := headers(upstream, &spec.Params)
	if err != nil {
		return nil, err
	}
	client, err := NewClient(Options{Provider: upstream.Label(), BaseURL: base, Egress: spec.Egress, Header: header})
	if err != nil {
		return nil, err
	}
	rule := ruleOf(upstream, spec.Model)
	d := &deployment{spec: spec, upstream: upstream, rule: rule, client: client, renames: slices.Concat(upstream.Renames, rule.renames)}
	d.spec.Model = upstream.modelID(spec.Model)
	if upstream.Rerank {
		return reranking{d}, nil
	}
	return d, nil
}

// headers are the credential and whatever else the deployment sends with every call. extra_headers win, so that a
// server behind a gateway of its own can be given any Authorization. Without a key none is sent: servers of one's own
// often want none, and the others say so themselves.
func headers(u *Upstream, p *config.Params) (http.Header, error) {
	h := http.Header{}
	key := strings.TrimSpace(p.APIKey.Reveal()) // a key out of a file often has a line end behind it
	if key == "" {
		key = strings.TrimSpace(environment(u.KeyEnv))
	}
	switch {
	case !httpguts.ValidHeaderFieldValue(key):
		return nil, errors.New("api_key: holds a character that no HTTP header can carry")
	case key == "":
	case u.KeyHeader != "":
		h.Set(u.KeyHeader, key)
	default:
		h.Set("Authorization", "Bearer "+key)
	}
	if p.Organization != "" {
		h.Set("OpenAI-Organization", p.Organization)
	}
	for name, value := range p.ExtraHeaders {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Reveal()) {
			return nil, fmt.Errorf("extra_headers: %q is no header that HTTP can carry", name)
		}
		h.Set(name, value.Reveal())
	}
	return h, nil
}

// Chat implements provider.Chatter.
func (d *deployment) Chat(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return d.post(ctx, r, "/chat/completions")
}

// ChatStream implements provider.Chatter.
func (d *deployment) ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	return d.stream(ctx, r, "/chat/completions")
}

// Complete implements provider.Completer.
func (d *deployment) Complete(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return d.post(ctx, r, "/completions")
}

// CompleteStream implements provider.Completer.
func (d *deployment) CompleteStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	return d.stream(ctx, r, "/completions")
}

// Embed implements provider.Embedder.
func (d *deployment) Embed(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return d.post(ctx, r, "/embeddings")
}

// Rerank implements provider.Reranker.
func (d reranking) Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	return d.post(ctx, r, "/rerank")
}

func (d *deployment) post(ctx context.Context, r *openai.Request, path string) (*openai.Response, error) {
	body, dropped, err := d.outgoing(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := d.client.Post(ctx, path, body, r.Header)
	if err != nil {
		return nil, err
	}
	answer.Dropped = dropped
	return answer, nil
}

func (d *deployment) stream(ctx context.Context, r *openai.Request, path string) (openai.Stream, error) {
	body, dropped, err := d.outgoing(r, true)
	if err != nil {
		return nil, err
	}
	s, err := d.client.Stream(ctx, path, body, r.Header)
	if err != nil || len(dropped) == 0 {
		return s, err
	}
	return provider.WithDropped(s, dropped), nil
}

// outgoing is the body for the upstream and the parameters that were left out because the model refuses them.
func (d *deployment) outgoing(r *openai.Request, streamed bool) (jsonscan.Parts, []string, error) {
	get := func(name string) ([]byte, bool) { return d.param(r, name) }
	var e edit
	if r.Operation == openai.OpChat {
		e.rename(d.renames, get)
		if d.spec.DropParams {
			e.drop(&d.rule, get)
		}
	}
	d.setStream(&e, r, streamed, get)
	spec := &d.spec
	if len(e.omit) > 0 {
		edited := d.spec
		edited.Omit = slices.Concat(d.spec.Omit, e.omit)
		edited.Defaults = slices.DeleteFunc(slices.Clone(d.spec.Defaults), func(f jsonscan.Field) bool { return slices.Contains(e.omit, f.Name) })
		spec = &edited
	}
	body, err := spec.Outgoing(r, e.set...)
	if err != nil {
		var bad *openai.ParseError
		if errors.As(err, &bad) {
			return nil, nil, &apierr.Error{Status: http.StatusBadRequest, Param: bad.Param, Message: bad.Message, Cause: err}
		}
		return nil, nil, err
	}
	return body, e.dropped, nil
}

// param is a parameter of the call: the caller's, else the deployment's default, unless the deployment omits it.
func (d *deployment) param(r *openai.Request, name string) ([]byte, bool) {
	if slices.Contains(d.spec.Omit, name) {
		return nil, false
	}
	if _, given := jsonscan.Find(r.Members, name); given {
		return r.Get(name)
	}
	for _, f := range d.spec.Defaults {
		if f.Name == name {
			return f.Value, true
		}
	}
	return nil, false
}

// setStream makes stream and stream_options fit the way in which the answer is wanted: usage is asked for always.
func (d *deployment) setStream(e *edit, r *openai.Request, streamed bool, get lookup) {
	switch {
	case streamed && d.upstream.NoStreamOptions:
		e.omit = append(e.omit, "stream_options")
	case streamed && !slices.Contains(d.spec.Omit, "stream_options"):
		given, _ := get("stream_options")
		e.set = append(e.set, usageOption(given))
	case !streamed && r.Stream:
		e.omit = append(e.omit, "stream_options") // refused beside stream: false
	}
	if streamed != r.Stream {
		e.set = append(e.set, jsonscan.Field{Name: "stream", Value: fmt.Append(nil, streamed)})
	}
}
