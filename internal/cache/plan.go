package cache

import (
	"context"
	"net/http"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/openai"
)

// Embed turns a text into a vector by one of the gateway's own models, past this cache, and tells what it has cost.
type Embed func(ctx context.Context, model, text string) (vector []float32, cost money.USD, err error)

// Call is what a cache must know of a call.
type Call struct {
	Request *openai.Request // as it would go upstream: with what guardrails have masked
	Header  http.Header     // the caller's, for Cache-Control
	Allowed []string        // the controls that Header may say, by the body's names; none = all
	Alias   string          // the alias that is asked of the router
	Tenant  Tenant
	// Also is whatever else the answer depends on, such as headers that go upstream.
	Also []string
	// Embed is asked by caches that find by meaning; nil = such a cache is not looked into.
	Embed Embed
}

// Plan is what a cache does for one call. It is used by the goroutine of the call. A call that has one must end it, by Keep or
// by Drop: others may wait for its answer.
type Plan struct {
	c        *Cache
	call     *Call
	controls controls
	tenant   string
	key      string
	reads    bool
	writes   bool
	flight   *flight // that the call leads; nil = none
	items    *items  // of a call for embeddings
	meaning  *meaning
	spent    money.USD // for embedding the prompt
}

// Found is an answer out of the cache.
type Found struct {
	*Answer
	Key        string
	Similarity float64 // 0 = the request was the same
	// Shared says that an equal call, under way at the same time, has got the answer.
	Shared bool
}

// Plan says what the cache does for a call; nil where it does nothing. The error is an *openai.ParseError about what the caller
// says of the cache.
func (c *Cache) Plan(call *Call) (*Plan, error) {
	controls, err := readControls(call)
	if err != nil {
		return nil, err
	}
	p := &Plan{c: c, call: call, controls: controls, tenant: call.Tenant.within(c.o.Scope)}
	if p.tenant == "" || !c.serves(call.Request.Operation) || !p.wanted() {
		return nil, nil
	}
	p.reads, p.writes = !controls.noCache, !controls.noStore && (controls.ttl == nil || *controls.ttl > 0)
	if !p.reads && !p.writes {
		return nil, nil
	}
	if call.Request.Operation == openai.OpEmbedding {
		if p.items = c.newItems(p); p.items == nil {
			return nil, nil
		}
		p.key = p.items.name(p)
		return p, nil
	}
	p.key = c.wholeKey(call, controls.namespace, p.tenant)
	if p.meaning = c.newMeaning(p); p.meaning == nil && c.o.Store == nil {
		return nil, nil
	}
	return p, nil
}

// wanted reports whether the configuration and the call want the cache.
func (p *Plan) wanted() bool {
	if use := p.controls.use; use != nil {
		return *use
	}
	return !p.c.o.OptIn
}

// Key is the key of the call's entry; of a call for several embeddings, whose inputs have a key each, the key of the whole.
func (p *Plan) Key() string { return p.key }

// Spent is what the look-up has cost: a model was asked for the meaning of the prompt.
func (p *Plan) Spent() money.USD { return p.spent }

// Lookup looks for the answer; nil where there is none. waiting, where it is not nil, is called before the call waits for an
// equal one that is under way.
func (p *Plan) Lookup(ctx context.Context, waiting func()) *Found {
	if !p.reads {
		if p.meaning != nil {
			p.meaning.embed(ctx, p) // for the entry that the answer becomes
		}
		return nil
	}
	found := p.share(ctx, waiting)
	if found == nil {
		found = p.find(ctx)
	}
	switch {
	case found == nil && p.items != nil && p.items.some():
		p.c.note(Event{Kind: Partial, Operation: "items"})
	case found == nil:
		p.c.note(Event{Kind: Miss, Operation: p.way(nil)})
	default:
		if p.flight != nil { // the others are answered with it
			p.flight.land(found.Answer, false)
			p.c.flights.forget(p.key, p.flight)
		}
		p.c.note(Event{Kind: Hit, Operation: p.way(found)})
	}
	return found
}

// way is how an answer was found.
func (p *Plan) way(found *Found) string {
	switch {
	case found != nil && found.Shared:
		return "shared"
	case found != nil && found.Similarity > 0:
		return "semantic"
	case p.items != nil:
		return "items"
	}
	return "exact"
}

// find asks the stores.
func (p *Plan) find(ctx context.Context) *Found {
	if p.items != nil {
		return p.items.find(ctx, p)
	}
	if p.c.o.Store != nil {
		if e := p.c.get(ctx, p.key); e != nil && p.fits(e) {
			return &Found{Answer: e, Key: p.key}
		}
	}
	return p.meaning.find(ctx, p)
}

// fits reports whether an entry is one that the call can be answered with: somebody else may have written it.
func (p *Plan) fits(e *Answer) bool {
	return p.fresh(e) && Kept(p.call.Request.Operation, e.Body, false)
}

// fresh reports whether an entry is young enough for the call.
func (p *Plan) fresh(e *Answer) bool {
	return p.controls.maxAge == nil || e.age(time.Now()) < *p.controls.maxAge
}

// share waits for an equal call that is under way. nil where there is none, or it has no answer: then the call goes by itself,
// and leads those that come after it where it can.
func (p *Plan) share(ctx context.Context, waiting func()) *Found {
	most := p.c.o.Wait
	if p.call.Request.Stream {
		most = p.c.o.StreamWait
	}
	if !p.writes || p.controls.maxAge != nil || most < 0 { // what it finds may be no answer for the others, or theirs for it
		return nil
	}
	begun := time.Now()
	for range 2 {
		fl, leads := p.c.flights.join(p.key)
		if leads {
			p.flight = fl
			return nil
		}
		if waiting != nil && !fl.landed() {
			waiting()
			waiting = nil
		}
		if !fl.wait(ctx, most-time.Since(begun)) {
			return nil
		}
		if fl.entry != nil {
			return &Found{Answer: fl.entry, Key: p.key, Shared: true}
		}
		if !fl.left {
			return nil // the upstream has failed: were the others to try one by one, the last would wait for all of them
		}
	}
	return nil
}

// Keep keeps the answer, off the caller's way, and gives it to those who wait for it. body is the whole answer in one piece, as
// the upstream gave it, and is not changed any more.
func (p *Plan) Keep(body []byte, s Served) {
	if !p.writes || len(body) > p.c.o.LargestItem {
		p.Drop(false)
		return
	}
	e := &Answer{Time: time.Now(), Body: body, Served: s}
	fl := p.flight
	p.flight = nil
	landed := func() {}
	if fl != nil {
		fl.land(e, false)
		landed = func() { p.c.flights.forget(p.key, fl) }
	}
	if p.items != nil {
		p.items.keep(p, e, landed)
		return
	}
	if p.c.o.Store == nil {
		p.meaning.keep(p, e, landed)
		return
	}
	p.c.write(len(body), &p.c.store, func(ctx context.Context) error { return p.c.o.Store.Set(ctx, p.key, e.encode(), p.ttl()) }, landed)
	p.meaning.keep(p, e, func() {})
}

// ttl is how long the answer is kept.
func (p *Plan) ttl() time.Duration {
	if p.controls.ttl != nil {
		return *p.controls.ttl
	}
	return p.c.o.TTL
}

// Drop says that there is no answer to keep. left is true where that is because the caller has gone. It does nothing behind
// Keep.
func (p *Plan) Drop(left bool) {
	if fl := p.flight; fl != nil {
		p.flight = nil
		p.c.flights.forget(p.key, fl) // first, so that who is told goes its own way
		fl.land(nil, left)
	}
}
