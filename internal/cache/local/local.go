// Package local caches in the memory of the process, bounded by bytes. What is asked for often stays (W-TinyLFU).
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/maypok86/otter/v2"

	"tollgate/internal/cache"
	"tollgate/internal/setting"
)

const (
	// DefaultTTL is how long an entry stays whose life nothing names: LiteLLM's 600 s for caches in memory.
	DefaultTTL = 600 * time.Second
	// DefaultMB is how much is kept, in MB.
	DefaultMB = 256
	// overhead is what an entry takes beside its key and value, in bytes.
	overhead = 200
)

// Options is what a store is made of.
type Options struct {
	MaxBytes int64         // of keys and values; 0 = DefaultMB
	TTL      time.Duration // of entries that name none; 0 = DefaultTTL
}

// Store is a cache in memory. Safe for concurrent use.
type Store struct {
	entries *otter.Cache[string, entry]
	ttl     time.Duration
	most    int64
}

type entry struct {
	value []byte
	until time.Time
}

var _ cache.Many = (*Store)(nil)

// Open reads the settings max_size_mb and default_in_memory_ttl.
func Open(settings *setting.Map) (*Store, error) {
	mb := settings.Int("max_size_mb", DefaultMB)
	if mb == 0 {
		settings.Fault("max_size_mb", "must be at least 1")
	}
	o := Options{MaxBytes: int64(mb) << 20, TTL: settings.Seconds("default_in_memory_ttl", DefaultTTL)}
	if err := settings.Err(); err != nil {
		return nil, err
	}
	return New(o)
}

// New makes an empty store.
func New(o Options) (*Store, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMB << 20
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	entries, err := otter.New(&otter.Options[string, entry]{
		MaximumWeight: uint64(o.MaxBytes),
		Weigher:       func(key string, e entry) uint32 { return uint32(min(size(key, e.value), math.MaxUint32)) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, entry]) time.Duration {
			return time.Until(e.Value.until)
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	return &Store{entries: entries, ttl: o.TTL, most: o.MaxBytes}, nil
}

func size(key string, value []byte) int64 { return int64(len(key)) + int64(len(value)) + overhead }

// Get implements cache.Store. The value is shared by all who ask for it.
func (s *Store) Get(_ context.Context, key string) ([]byte, error) {
	e, ok := s.entries.GetIfPresent(key)
	if !ok || !time.Now().Before(e.until) {
		return nil, cache.ErrMiss
	}
	return e.value, nil
}

// errTooLarge says that a value alone is larger than the whole cache.
var errTooLarge = errors.New("local: the value is larger than the cache")

// Set implements cache.Store. It copies the value.
func (s *Store) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if size(key, value) > s.most {
		return errTooLarge
	}
	if ttl <= 0 {
		ttl = s.ttl
	}
	s.entries.Set(key, entry{bytes.Clone(value), time.Now().Add(ttl)})
	return nil
}

// GetMany implements cache.Many.
func (s *Store) GetMany(ctx context.Context, keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i], _ = s.Get(ctx, key) // a miss is nil
	}
	return values, nil
}

// SetMany implements cache.Many.
func (s *Store) SetMany(ctx context.Context, entries []cache.KeyValue, ttl time.Duration) error {
	for _, e := range entries {
		if err := s.Set(ctx, e.Key, e.Value, ttl); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements cache.Store.
func (s *Store) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		s.entries.Invalidate(key)
	}
	return nil
}

// Flush implements cache.Store.
func (s *Store) Flush(context.Context) error {
	s.entries.InvalidateAll()
	return nil
}

// Ping implements cache.Store: memory is always there.
func (s *Store) Ping(context.Context) error { return nil }

// Close implements cache.Store.
func (s *Store) Close() error {
	s.entries.StopAllGoroutines()
	s.entries.InvalidateAll()
	return nil
}
