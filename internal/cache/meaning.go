package cache

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"tollgate/internal/content"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Semantic finds answers by the meaning of the prompt.
type Semantic struct {
	Vectors   Vectors
	Model     string  // the model_name that embeds prompts
	Threshold float64 // the least similarity of a hit (similarity_threshold)
	// ByEndUser parts entries by the customer too (semantic_cache_scope: end_user).
	ByEndUser bool
	Timeout   time.Duration // of the embedding (semantic_cache_embedding_timeout); 0 = 5 seconds
	// MostTokens is the longest prompt that is embedded, estimated at four bytes a token; longer ones are not looked for
	// (semantic_cache_embedding_max_input_tokens). 0 = 8191.
	MostTokens int
}

const (
	standardEmbedTimeout = 5 * time.Second
	standardMostTokens   = 8191 // of OpenAI's embedding models
	bytesPerToken        = 4
)

// meaning is what a call is looked for by where answers are found by meaning. A nil one looks for nothing.
type meaning struct {
	text   string
	scope  string
	vector []float32
}

// newMeaning is nil where the cache does not find by meaning, or the call has none: its prompt has no text, or holds token numbers.
func (c *Cache) newMeaning(p *Plan) *meaning {
	s := c.o.Semantic
	op := p.call.Request.Operation
	if s == nil || p.call.Embed == nil || op != openai.OpChat && op != openai.OpCompletion {
		return nil
	}
	body, err := content.Request(p.call.Request)
	if err != nil || body.Tokens {
		return nil
	}
	most := s.MostTokens
	if most == 0 {
		most = standardMostTokens
	}
	m := &meaning{text: prompt(body)}
	if m.text == "" || len(m.text) > most*bytesPerToken {
		return nil
	}
	m.scope = c.scopeOf(p, body)
	return m
}

// prompt is the text that is compared: what everybody but the system has said.
func prompt(body *content.Body) string {
	var said strings.Builder
	for i := range body.Texts {
		t := &body.Texts[i]
		if exact(t) {
			continue
		}
		if said.Len() > 0 {
			said.WriteByte('\n')
		}
		said.WriteString(t.Value)
	}
	return said.String()
}

// exact reports whether a text must be the same rather than similar: instructions, what tools are described with, and the name
// of who speaks.
func exact(t *content.Text) bool {
	return t.Kind == content.Definition || t.Role == "system" || t.Role == "developer" || t.Field == "name"
}

// scopeOf is what must be equal: the tenant, every parameter, the instructions, the images, who has spoken in which order, and
// which tools were called.
// LiteLLM leaves out the messages as a whole; a question that is asked under other instructions would get their answer.
func (c *Cache) scopeOf(p *Plan, body *content.Body) string {
	k := c.newKeyed(p.call, p.controls.namespace, p.tenant, "meaning")
	if c.o.Semantic.ByEndUser {
		k.digest.words("end user", p.call.Tenant.EndUser)
	}
	k.digest.words(c.o.Semantic.Model)
	k.digest.members(params(p.call.Request, func(name string) bool { return name == "messages" || name == "prompt" }))
	for i := range body.Texts {
		t := &body.Texts[i]
		k.digest.words(t.Role, string(t.Kind), t.Field, t.Name)
		if exact(t) {
			k.digest.words(t.Value)
		}
	}
	k.digest.mark('.')
	k.digest.words(body.Images...)
	if messages, ok := p.call.Request.Get("messages"); ok {
		for _, part := range otherParts(messages) {
			k.digest.value(part)
		}
	}
	return k.key()
}

// otherParts are the parts of messages that are no text: images with how closely they are looked at, files, audio.
func otherParts(messages []byte) (parts [][]byte) {
	list, err := jsonscan.InnerArray(messages, nil)
	if err != nil {
		return nil
	}
	for _, message := range list {
		members, err := jsonscan.InnerObject(message, make([]jsonscan.Member, 0, 8))
		if err != nil {
			continue
		}
		given, _ := jsonscan.Find(members, "content")
		inner, err := jsonscan.InnerArray(given, nil)
		if err != nil {
			continue // a text, mostly
		}
		for _, part := range inner {
			about, err := jsonscan.InnerObject(part, make([]jsonscan.Member, 0, 4))
			if err != nil || openai.StringMember(about, "type") != "text" {
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// find embeds the prompt and asks for the most similar one.
func (m *meaning) find(ctx context.Context, p *Plan) *Found {
	if m == nil || !m.embed(ctx, p) {
		return nil
	}
	c := p.c
	var found *Found
	c.guarded(ctx, &c.vectors, "nearest", func(ctx context.Context) error {
		raw, similarity, err := c.o.Semantic.Vectors.Nearest(ctx, m.scope, m.vector, c.o.Semantic.Threshold)
		if err != nil {
			return err
		}
		e, err := decode(raw)
		if err == nil && similarity >= c.o.Semantic.Threshold && p.fits(e) {
			found = &Found{Answer: e, Key: p.key, Similarity: similarity}
		}
		return err
	})
	return found
}

var errNoVector = errors.New("cache: the embedding model has given no vector")

// embed asks for the prompt's vector, once. A model that fails again and again is not waited for by every call.
func (m *meaning) embed(ctx context.Context, p *Plan) bool {
	c := p.c
	now := time.Now()
	if !c.vectors.closed(now) || !c.embedder.allows(now) { // its answer could not be used, or it has none
		c.note(Event{Kind: Skipped, Operation: "embed"})
		return false
	}
	inner, cancel := context.WithTimeout(ctx, cmp.Or(c.o.Semantic.Timeout, standardEmbedTimeout))
	defer cancel()
	begun := time.Now()
	vector, cost, err := p.call.Embed(inner, c.o.Semantic.Model, m.text)
	p.spent += cost
	switch {
	case err == nil && len(vector) > 0:
		m.vector = vector
		c.embedder.note(nil, time.Now())
		c.note(Event{Kind: Answered, Operation: "embed", Took: time.Since(begun)})
		return true
	case ctx.Err() == nil:
		err = cmp.Or(err, errNoVector)
		c.embedder.note(err, time.Now())
		c.failed("embed", err, time.Since(begun))
	}
	return false
}

// keep stores the answer by its meaning.
func (m *meaning) keep(p *Plan, e *Answer, done func()) {
	if m == nil || m.vector == nil { // it was not looked for, so that nobody has paid for its vector
		done()
		return
	}
	c := p.c
	c.write(len(e.Body)+4*len(m.vector), &c.vectors, func(ctx context.Context) error {
		return c.o.Semantic.Vectors.Put(ctx, m.scope, p.key, m.vector, e.encode(), p.ttl())
	}, done)
}
