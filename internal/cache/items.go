package cache

import (
	"context"
	"errors"
	"math/bits"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
)

// items are the inputs of a call for embeddings. Each has an entry of its own, so that a call which shares some of its inputs
// with earlier ones asks the upstream for the others alone.
type items struct {
	inputs [][]byte
	keys   []string
	found  []*Answer // nil = not found
	had    int       // how many were
}

// mostItems bounds the inputs that are looked up one by one; no upstream takes as many.
const mostItems = 4096

// newItems is nil where the inputs are none that can be told apart, or there is no store.
func (c *Cache) newItems(p *Plan) *items {
	inputs, _ := inputsOf(p.call.Request)
	if len(inputs) == 0 || len(inputs) > mostItems || c.o.Store == nil {
		return nil
	}
	return &items{inputs: inputs, keys: c.itemKeys(p.call, p.controls.namespace, p.tenant, inputs), found: make([]*Answer, len(inputs))}
}

// name is the key of the call as a whole.
func (s *items) name(p *Plan) string {
	if len(s.keys) == 1 {
		return s.keys[0]
	}
	return p.c.wholeKey(p.call, p.controls.namespace, p.tenant)
}

// some reports whether some of the inputs were found, and not all.
func (s *items) some() bool { return s.had > 0 && s.had < len(s.inputs) }

// find looks all inputs up; the answer is complete when each was found.
func (s *items) find(ctx context.Context, p *Plan) *Found {
	p.c.guarded(ctx, &p.c.store, "get", func(ctx context.Context) error { return s.fetch(ctx, p.c.o.Store) })
	s.had = 0
	for i, e := range s.found {
		if e == nil || !p.fresh(e) {
			s.found[i] = nil
			continue
		}
		s.had++
	}
	if s.had < len(s.inputs) {
		return nil
	}
	e := s.whole()
	if e == nil {
		s.found, s.had = make([]*Answer, len(s.inputs)), 0
		return nil
	}
	return &Found{Answer: e, Key: p.key}
}

// lookupsAtOnce is how many entries are fetched side by side from a store that has no way to fetch many.
const lookupsAtOnce = 16

// fetch fetches what the store has.
func (s *items) fetch(ctx context.Context, store Store) error {
	if many, ok := store.(Many); ok {
		values, err := many.GetMany(ctx, s.keys)
		if err != nil {
			return err
		}
		for i := range min(len(values), len(s.keys)) {
			if values[i] != nil {
				s.found[i] = decodeItem(values[i])
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i, key := range s.keys {
		group.Go(func() error {
			raw, err := store.Get(ctx, key)
			if err == nil {
				s.found[i] = decodeItem(raw)
			} else if !errors.Is(err, ErrMiss) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}

// decodeItem is decode for an entry of one embedding, nil for anything else.
func decodeItem(raw []byte) *Answer {
	e, err := decode(raw)
	if err != nil {
		return nil
	}
	members, err := jsonscan.InnerObject(e.Body, make([]jsonscan.Member, 0, 4))
	if err != nil {
		return nil
	}
	if _, ok := jsonscan.Find(members, "embedding"); !ok {
		return nil
	}
	return e
}

// whole is the answer that the entries of all inputs make. What it has cost and used is the sum.
func (s *items) whole() *Answer {
	first := s.found[0]
	e := &Answer{Time: first.Time, Served: first.Served}
	e.Cost, e.Prompt, e.Priced = 0, 0, true
	data := make([][]byte, len(s.found))
	for i, item := range s.found {
		if item.Time.Before(e.Time) {
			e.Time = item.Time
		}
		sum, err := e.Cost.Add(item.Cost)
		if err != nil {
			return nil
		}
		e.Cost, e.Prompt, e.Priced, e.Estimated = sum, e.Prompt+item.Prompt, e.Priced && item.Priced, e.Estimated || item.Estimated
		data[i] = placed(item.Body, i)
	}
	tokens := strconv.Itoa(e.Prompt)
	out := append([]byte(`{"object":"list","data":`), joined(data)...)
	out = append(append(out, `,"model":`...), jsonscan.Text(e.Upstream)...)
	out = append(out, `,"usage":{"prompt_tokens":`+tokens+`,"total_tokens":`+tokens+`}}`...)
	e.Body = out
	return e
}

// placed is an embedding with its index in another answer.
func placed(embedding []byte, index int) []byte {
	members, err := jsonscan.InnerObject(embedding, make([]jsonscan.Member, 0, 4))
	if err != nil { // it was scanned before
		return embedding
	}
	return jsonscan.Splice(embedding, members, []jsonscan.Field{{Name: "index", Value: jsonscan.AppendInt(nil, int64(index))}}, nil).Bytes()
}

// Rest is the request for the inputs that the cache does not have; nil where it has none of them, or all.
func (p *Plan) Rest() *openai.Request {
	if p.items == nil || !p.items.some() {
		return nil
	}
	var missing [][]byte
	for i, e := range p.items.found {
		if e == nil {
			missing = append(missing, p.items.inputs[i])
		}
	}
	rest, err := p.call.Request.With([]jsonscan.Field{{Name: "input", Value: joined(missing)}})
	if err != nil { // the request was parsed before
		return nil
	}
	rest.Header = p.call.Request.Header
	return rest
}

// Saved is what the inputs that Rest leaves out would have cost.
func (p *Plan) Saved() (cost money.USD) {
	if p.items == nil || !p.items.some() {
		return 0
	}
	for _, e := range p.items.found {
		if e == nil {
			continue
		}
		sum, err := cost.Add(e.Cost)
		if err != nil {
			return cost
		}
		cost = sum
	}
	return cost
}

// Merge puts the answer to Rest and what the cache has together, in the order of the inputs. Its usage stays as it is: that of
// what was asked of the upstream. ok is false where the answer has not as many embeddings as were asked for.
func (p *Plan) Merge(body []byte) (whole []byte, ok bool) {
	members, err := jsonscan.Object(body, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return nil, false
	}
	s := p.items
	fresh := embeddings(members, len(s.inputs)-s.had)
	if fresh == nil {
		return nil, false
	}
	data := make([][]byte, len(s.inputs))
	next := 0
	for i, e := range s.found {
		if e != nil {
			data[i] = placed(e.Body, i)
			continue
		}
		data[i] = placed(fresh[next], i)
		next++
	}
	return jsonscan.Splice(body, members, []jsonscan.Field{{Name: "data", Value: joined(data)}}, nil).Bytes(), true
}

// embeddings are those of an answer by their index; nil where they are not exactly n.
func embeddings(members []jsonscan.Member, n int) [][]byte {
	raw, _ := jsonscan.Find(members, "data")
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	list, err := jsonscan.InnerArray(raw, nil)
	if err != nil || len(list) != n {
		return nil
	}
	out := make([][]byte, n)
	for i, e := range list {
		if e[0] != '{' {
			return nil
		}
		inner, err := jsonscan.InnerObject(e, make([]jsonscan.Member, 0, 4))
		if err != nil {
			return nil
		}
		at := i
		if raw, ok := jsonscan.Find(inner, "index"); ok {
			if at, err = strconv.Atoi(string(raw)); err != nil {
				return nil
			}
		}
		vector, _ := jsonscan.Find(inner, "embedding")
		if at < 0 || at >= n || out[at] != nil || !says(vector) {
			return nil
		}
		out[at] = e
	}
	return out
}

// keep stores what the upstream has answered, input by input. What it has used and cost is divided among them by their length.
func (s *items) keep(p *Plan, e *Answer, done func()) {
	members, err := jsonscan.Object(e.Body, make([]jsonscan.Member, 0, 8))
	if err != nil {
		done()
		return
	}
	all := embeddings(members, len(s.inputs))
	if all == nil {
		done()
		return
	}
	var asked []int
	total := 0
	for i := range s.inputs {
		if s.found[i] == nil {
			asked = append(asked, i)
			total += len(s.inputs[i])
		}
	}
	entries := make([]Answer, len(asked))
	keys := make([]string, len(asked))
	behind := 0
	for n, i := range asked {
		before := behind
		behind += len(s.inputs[i])
		entries[n] = Answer{Time: e.Time, Body: all[i], Served: e.Served}
		entries[n].Prompt = int(share(int64(e.Prompt), before, behind, total))
		entries[n].Cost = money.USD(share(int64(e.Cost), before, behind, total))
		keys[n] = s.keys[i]
	}
	p.c.write(len(e.Body), &p.c.store, func(ctx context.Context) error { return storeItems(ctx, p.c.o.Store, keys, entries, p.ttl()) }, done)
}

// share is the part of a sum that belongs to the stretch from before to behind of a whole. The shares of all stretches add up
// to the sum.
func share(sum int64, before, behind, whole int) int64 {
	upTo := func(n int) int64 {
		high, low := bits.Mul64(uint64(max(sum, 0)), uint64(n))
		quotient, _ := bits.Div64(high, low, uint64(whole)) // n is at most whole, so that it fits
		return int64(quotient)
	}
	return upTo(behind) - upTo(before)
}

// storeItems stores entries in as few round trips as the store can.
func storeItems(ctx context.Context, store Store, keys []string, entries []Answer, ttl time.Duration) error {
	if many, ok := store.(Many); ok {
		list := make([]KeyValue, len(keys))
		for i := range keys {
			list[i] = KeyValue{Key: keys[i], Value: entries[i].encode()}
		}
		return many.SetMany(ctx, list, ttl)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i := range keys {
		group.Go(func() error { return store.Set(ctx, keys[i], entries[i].encode(), ttl) })
	}
	return group.Wait()
}
