package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/openai"
)

// notebook is a cache that forgets nothing before its time: the smallest there can be.
type notebook struct {
	mu    sync.Mutex
	notes map[string]note
}

type note struct {
	value []byte
	until time.Time
}

// standardLife is how long a note stays that names no time.
const standardLife = time.Hour

// Get returns a copy-free view: nobody changes a value once it is stored.
func (n *notebook) Get(_ context.Context, key string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	found, ok := n.notes[key]
	if !ok || !time.Now().Before(found.until) {
		return nil, cache.ErrMiss // any other error means that the backend is broken
	}
	return found.value, nil
}

// Set keeps a copy, since the caller may use its bytes again.
func (n *notebook) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl == 0 {
		ttl = standardLife
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes[key] = note{append([]byte{}, value...), time.Now().Add(ttl)}
	return nil
}

// Delete removes notes; absent ones are no error.
func (n *notebook) Delete(_ context.Context, keys ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, key := range keys {
		delete(n.notes, key)
	}
	return nil
}

// Flush removes all notes.
func (n *notebook) Flush(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.notes)
	return nil
}

// Ping has nobody to ask.
func (n *notebook) Ping(context.Context) error { return nil }

// Close has nothing to release.
func (n *notebook) Close() error { return nil }

// A cache of one's own is a Store. The engine makes the keys, decides what is kept, and replays streams.
func Example() {
	c := cache.New(cache.Options{Store: &notebook{notes: map[string]note{}}, TTL: time.Minute})
	defer func() { _ = c.Close() }()
	call := func(key, body string) *cache.Plan {
		r, err := openai.ParseRequest(openai.OpChat, []byte(body))
		if err != nil {
			panic(err)
		}
		p, err := c.Plan(&cache.Call{Request: r, Alias: r.Model, Tenant: cache.Tenant{Key: key}})
		if err != nil {
			panic(err)
		}
		return p
	}
	answer := []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"Rome."},"finish_reason":"stop"}]}`)

	first := call("alice", `{"model":"m","messages":[{"role":"user","content":"Where?"}],"temperature":0}`)
	fmt.Println("the first call finds something:", first.Lookup(context.Background(), nil) != nil)
	first.Keep(answer, cache.Served{Deployment: "d1"}) // what the upstream has answered
	c.Settle()

	same := call("alice", `{"temperature": 0.0, "messages": [{"content": "Where?", "role": "user"}], "model": "m", "stream": true}`)
	found := same.Lookup(context.Background(), nil)
	fmt.Println("an equal one, written in another way:", bytes.Equal(found.Body, answer))

	other := call("bob", `{"model":"m","messages":[{"role":"user","content":"Where?"}],"temperature":0}`)
	fmt.Println("another tenant's:", other.Lookup(context.Background(), nil) != nil)
	other.Drop(false) // a plan is ended in any case: others may wait for its answer

	// Output:
	// the first call finds something: false
	// an equal one, written in another way: true
	// another tenant's: false
}
