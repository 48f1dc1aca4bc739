// Package cache answers calls again that were answered before: exactly equal ones by key, similar ones by meaning. A backend
// has a file or folder below; it stores bytes and knows nothing of calls.
package cache

import (
	"context"
	"errors"
	"time"
)

// ErrMiss says that there is no such entry. Backends return it bare or wrapped.
var ErrMiss = errors.New("cache: no such entry")

// Store keeps values by key. It is safe for concurrent use. Any error but ErrMiss means that the backend failed: the call goes
// on without a cache.
type Store interface {
	// Get returns a value that has not outlived its time.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set stores a value; ttl 0 = as long as the backend keeps things by default.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete removes entries; absent ones are no error.
	Delete(ctx context.Context, keys ...string) error
	// Flush removes every entry of this cache, and nothing else that the backend holds.
	Flush(ctx context.Context) error
	// Ping tries the backend with a harmless call.
	Ping(ctx context.Context) error
	Close() error
}

// Many is a Store that fetches and stores several entries in one round trip. Who embeds item by item asks for it.
type Many interface {
	Store
	// GetMany returns the values in the order of the keys, nil for what there is not (an empty value is not nil).
	GetMany(ctx context.Context, keys []string) ([][]byte, error)
	// SetMany stores entries as Set does. An error may leave some of them stored.
	SetMany(ctx context.Context, entries []KeyValue, ttl time.Duration) error
}

// KeyValue is a value under its key.
type KeyValue struct {
	Key   string
	Value []byte
}

// Informer is a Store that tells of its server, for GET /cache/redis/info.
type Informer interface {
	// Info is the server's account of itself: what CLIENT LIST and INFO say.
	Info(ctx context.Context) (Info, error)
}

// Info is what a Redis says of itself.
type Info struct {
	Clients []map[string]string // of CLIENT LIST, of all nodes
	Server  map[string]string   // of INFO; of a cluster one node's
}

// Vectors keeps values by meaning. It is safe for concurrent use, with the same rule for errors.
type Vectors interface {
	// Nearest returns the value of scope whose vector is most similar to v, and how similar it is (cosine, 1 = equal), where
	// that is at least threshold; else ErrMiss. It never looks outside of scope.
	Nearest(ctx context.Context, scope string, v []float32, threshold float64) (value []byte, similarity float64, err error)
	// Put stores a value under an id; one that exists is replaced.
	Put(ctx context.Context, scope, id string, v []float32, value []byte, ttl time.Duration) error
	Delete(ctx context.Context, ids ...string) error
	Flush(ctx context.Context) error
	Ping(ctx context.Context) error
	Close() error
}
