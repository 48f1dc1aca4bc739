// Package redisstore caches in Redis or Valkey: one server, a cluster, or a master behind sentinels.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"tollgate/internal/cache"
	"tollgate/internal/cache/redisconn"
	"tollgate/internal/setting"
)

const (
	// DefaultTTL is how long an entry stays whose life nothing names: LiteLLM's 60 s for Redis.
	DefaultTTL = 60 * time.Second
	// DefaultBatch is how many commands go in one round trip: LiteLLM's redis_flush_size.
	DefaultBatch = 100
	// prefix stands before every key: another use of the same database is not touched by Flush.
	prefix = "tollgate:cache:"
)

// Store is a cache in Redis. Safe for concurrent use.
type Store struct {
	redis  goredis.UniversalClient
	prefix string
	ttl    time.Duration
	batch  int
}

var (
	_ cache.Many     = (*Store)(nil)
	_ cache.Informer = (*Store)(nil)
)

// Open reads the settings. It does not connect: a Redis that is away is tried again at every use.
func Open(settings *setting.Map, o redisconn.Options) (*Store, error) {
	s := &Store{
		prefix: prefix + url.QueryEscape(settings.Text("namespace", "REDIS_NAMESPACE")) + ":",
		ttl:    settings.Seconds("default_in_redis_ttl", DefaultTTL),
		batch:  max(settings.Int("redis_flush_size", DefaultBatch, "REDIS_FLUSH_SIZE"), 1),
	}
	var err error
	s.redis, err = redisconn.Open(settings, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Get implements cache.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	v, err := value(s.redis.Get(ctx, s.prefix+key))
	if err == nil && v == nil {
		err = cache.ErrMiss
	}
	return v, err
}

// value is a reply's value, nil where there is none.
func value(reply *goredis.StringCmd) ([]byte, error) {
	v, err := reply.Bytes()
	switch {
	case errors.Is(err, goredis.Nil):
		return nil, nil
	case err == nil && v == nil:
		return []byte{}, nil
	}
	return v, wrap(err)
}

// Set implements cache.Store.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return wrap(s.redis.Set(ctx, s.prefix+key, value, s.life(ttl)).Err())
}

// life is how long Redis keeps an entry; it counts in milliseconds.
func (s *Store) life(ttl time.Duration) time.Duration {
	switch {
	case ttl == 0:
		return s.ttl
	case ttl < time.Millisecond:
		return time.Millisecond // 0 would be for ever
	}
	return ttl
}

// GetMany implements cache.Many. It pipelines single commands, since MGET takes keys of one slot of a cluster alone.
func (s *Store) GetMany(ctx context.Context, keys []string) ([][]byte, error) {
	values := make([][]byte, 0, len(keys))
	for batch := range slices.Chunk(keys, s.batch) {
		replies, err := s.redis.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, k := range batch {
				p.Get(ctx, s.prefix+k)
			}
			return nil
		})
		if err != nil && !errors.Is(err, goredis.Nil) { // Nil is of the first reply that is one; others are read below
			return nil, wrap(err)
		}
		for _, r := range replies {
			v, err := value(r.(*goredis.StringCmd)) // as asked above
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
	}
	return values, nil
}

// SetMany implements cache.Many.
func (s *Store) SetMany(ctx context.Context, entries []cache.KeyValue, ttl time.Duration) error {
	for batch := range slices.Chunk(entries, s.batch) {
		_, err := s.redis.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, e := range batch {
				p.Set(ctx, s.prefix+e.Key, e.Value, s.life(ttl))
			}
			return nil
		})
		if err != nil {
			return wrap(err)
		}
	}
	return nil
}

// Delete implements cache.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = s.prefix + k
	}
	return wrap(redisconn.Unlink(ctx, s.redis, names))
}

// Flush implements cache.Store: the keys of this cache's namespace.
func (s *Store) Flush(ctx context.Context) error { return redisconn.Flush(ctx, s.redis, s.prefix) }

// Ping implements cache.Store.
func (s *Store) Ping(ctx context.Context) error { return wrap(s.redis.Ping(ctx).Err()) }

// Close implements cache.Store.
func (s *Store) Close() error { return s.redis.Close() }

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis: %w", err)
}
