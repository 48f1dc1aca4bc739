package cache

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/openai"
)

// Options is what a Cache is made of.
type Options struct {
	Store    Store     // keeps answers by key; nil = answers are found by meaning alone
	Semantic *Semantic // finds answers by meaning; nil = by key alone
	// Namespace stands before every key whose request names none (cache_params.namespace).
	Namespace string
	TTL       time.Duration // of entries whose request names none; 0 = as long as the store keeps things by default
	// OptIn caches only calls that ask for it (mode: default_off).
	OptIn bool
	// CallTypes are the kinds of calls that are cached, by LiteLLM's names; nil = all that can be.
	CallTypes []string
	Scope     Scope
	Groups    [][]string // aliases that share answers (caching_groups)

	Timeout     time.Duration // of a look-up; 0 = a second
	Wait        time.Duration // for an equal call under way, of who asks for an answer in one piece; 0 = 30 seconds, negative = none
	StreamWait  time.Duration // of who asks for a stream; 0 = 5 seconds, negative = none
	ChunkDelay  time.Duration // between the chunks of a stream out of the cache (CACHED_STREAMING_CHUNK_DELAY); 0 = none
	LargestItem int           // in bytes; a larger answer is not kept; 0 = 8 MiB
	Log         *slog.Logger
	Observer    Observer // nil = nobody
	About       About
}

// About is what is shown of a cache.
type About struct {
	Type     string         // cache_params.type
	Settings map[string]any // cache_params, secrets masked
}

const (
	standardTimeout     = time.Second
	standardWait        = 30 * time.Second
	standardStreamWait  = 5 * time.Second
	standardLargestItem = 8 << 20
	// writeTimeout is how long storing an answer may take, which no caller waits for.
	writeTimeout = 10 * time.Second
	// mostWaiting bounds the answers that wait to be stored, in bytes. Those beyond it are not kept.
	mostWaiting = 64 << 20
	// waitCost is what an answer that waits takes beside its own bytes: a goroutine. However short answers are, no more than
	// some thousands wait.
	waitCost = 8 << 10
)

// Cache is the engine: it makes keys, finds answers, keeps new ones, and has equal calls that are under way at once share one
// answer. It is safe for concurrent use.
type Cache struct {
	o        Options
	store    breaker // of Store
	vectors  breaker // of Semantic
	embedder breaker // of Semantic.Model
	flights  flights

	mu      sync.Mutex
	closed  bool           // guarded by mu
	writing sync.WaitGroup // answers on their way into the store
	waiting atomic.Int64   // bytes of them
	quiet   quiet
}

// New makes a cache. Close closes its stores too.
func New(o Options) *Cache {
	o.Timeout = cmp.Or(o.Timeout, standardTimeout)
	o.Wait = cmp.Or(o.Wait, standardWait)
	o.StreamWait = cmp.Or(o.StreamWait, standardStreamWait)
	o.LargestItem = cmp.Or(o.LargestItem, standardLargestItem)
	o.Scope = cmp.Or(o.Scope, ScopeTeam)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{o: o}
	c.flights.running = map[string]*flight{}
	return c
}

// callTypes are LiteLLM's names of what can be cached (supported_call_types).
var callTypes = map[openai.Operation][2]string{
	openai.OpChat: {"completion", "acompletion"}, openai.OpCompletion: {"text_completion", "atext_completion"},
	openai.OpEmbedding: {"embedding", "aembedding"}, openai.OpRerank: {"rerank", "arerank"},
}

// serves reports whether calls of an operation are cached.
func (c *Cache) serves(op openai.Operation) bool {
	names, known := callTypes[op]
	if !known {
		return false
	}
	return c.o.CallTypes == nil || slices.Contains(c.o.CallTypes, names[0]) || slices.Contains(c.o.CallTypes, names[1])
}

// About is what is shown of the cache.
func (c *Cache) About() About { return c.o.About }

// LargestItem is the longest answer that is kept, in bytes.
func (c *Cache) LargestItem() int { return c.o.LargestItem }

// get fetches an entry; nil where there is none that can be used. A store that fails or is too late is no reason for the call
// to fail.
func (c *Cache) get(ctx context.Context, key string) *Answer {
	var e *Answer
	c.guarded(ctx, &c.store, "get", func(ctx context.Context) error {
		raw, err := c.o.Store.Get(ctx, key)
		if err == nil {
			e, err = decode(raw)
		}
		return err
	})
	return e
}

// guarded asks a backend within the time that a look-up may take, unless it has failed again and again.
func (c *Cache) guarded(ctx context.Context, b *breaker, what string, ask func(ctx context.Context) error) {
	if !b.allows(time.Now()) {
		c.note(Event{Kind: Skipped, Operation: what})
		return
	}
	begun := time.Now()
	inner, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	err := ask(inner)
	switch {
	case err == nil:
		b.note(nil, time.Now())
		c.note(Event{Kind: Answered, Operation: what, Took: time.Since(begun)})
	case errors.Is(err, ErrMiss), errors.Is(err, errEntry):
		b.note(nil, time.Now())
		c.note(Event{Kind: Answered, Operation: what, Took: time.Since(begun)})
	case ctx.Err() != nil: // the caller has left
		b.note(nil, time.Time{})
	default:
		b.note(err, time.Now())
		c.failed(what, err, time.Since(begun))
	}
}

// failed notes a backend that has failed.
func (c *Cache) failed(what string, err error, took time.Duration) {
	c.note(Event{Kind: Failed, Operation: what, Took: took, Err: err})
	if c.quiet.may(time.Now()) {
		c.o.Log.Warn("the cache has failed; calls go on without it", "operation", what, "error", err)
	}
}

// write stores something off the caller's way. done is called in any case, when nothing more will come.
func (c *Cache) write(size int, b *breaker, store func(ctx context.Context) error, done func()) {
	size += waitCost
	c.mu.Lock()
	closed := c.closed
	full := c.waiting.Load()+int64(size) > mostWaiting
	if !closed && !full {
		c.waiting.Add(int64(size))
		c.writing.Add(1)
	}
	c.mu.Unlock()
	if closed || full {
		c.note(Event{Kind: Dropped, Operation: "set"})
		done()
		return
	}
	go func() {
		defer c.writing.Done()
		defer c.waiting.Add(-int64(size))
		defer done()
		if !b.allows(time.Now()) {
			c.note(Event{Kind: Skipped, Operation: "set"})
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
		defer cancel()
		begun := time.Now()
		err := store(ctx)
		b.note(err, time.Now())
		if err != nil {
			c.failed("set", err, time.Since(begun))
			return
		}
		c.note(Event{Kind: Answered, Operation: "set", Took: time.Since(begun)})
	}()
}

// Settle returns when every answer that was given before is stored, or has failed to be.
func (c *Cache) Settle() { c.writing.Wait() }

// Close waits for answers on their way and closes the stores. Calls that still use the cache go on without it.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.writing.Wait()
	return c.all(Store.Close, Vectors.Close)
}

// Ping tries the stores with a harmless call; where answers are kept by key, with an entry that is written and removed.
func (c *Cache) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	const probe = "tollgate-ping"
	return c.all(func(s Store) error {
		if err := s.Ping(ctx); err != nil {
			return err
		}
		if err := s.Set(ctx, probe, []byte("{}"), time.Minute); err != nil {
			return err
		}
		return s.Delete(ctx, probe)
	}, func(v Vectors) error { return v.Ping(ctx) })
}

// Flush removes every entry of the cache.
func (c *Cache) Flush(ctx context.Context) error {
	return c.all(func(s Store) error { return s.Flush(ctx) }, func(v Vectors) error { return v.Flush(ctx) })
}

// Delete removes entries by the keys that x-litellm-cache-key tells. Absent ones are no error.
func (c *Cache) Delete(ctx context.Context, keys ...string) error {
	return c.all(func(s Store) error { return s.Delete(ctx, keys...) }, func(v Vectors) error { return v.Delete(ctx, keys...) })
}

// Info is what the server behind the cache says of itself; ok is false where there is none that does.
func (c *Cache) Info(ctx context.Context) (info Info, ok bool, err error) {
	var backend any = c.o.Store
	if c.o.Store == nil && c.o.Semantic != nil {
		backend = c.o.Semantic.Vectors
	}
	i, ok := backend.(Informer)
	if !ok {
		return Info{}, false, nil
	}
	info, err = i.Info(ctx)
	return info, true, err
}

// all does something with each of the stores.
func (c *Cache) all(store func(Store) error, vectors func(Vectors) error) error {
	var errs [2]error
	if c.o.Store != nil {
		errs[0] = store(c.o.Store)
	}
	if c.o.Semantic != nil {
		errs[1] = vectors(c.o.Semantic.Vectors)
	}
	return errors.Join(errs[:]...)
}
