package redisvectors

import (
	"context"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// prepare makes sure that there is an index of vectors of a size. It is tried again until it succeeds.
func (v *Vectors) prepare(ctx context.Context, size int) error {
	if _, ready := v.ready.Load(size); ready {
		return nil
	}
	err := v.redis.Do(ctx, "FT.CREATE", v.indexOf(size), "ON", "HASH", "PREFIX", 1, v.base(),
		"SCHEMA", fieldScope, "TAG", fieldExpires, "NUMERIC", field(size), "VECTOR", "HNSW", 6, "TYPE", "FLOAT32", "DIM", size, "DISTANCE_METRIC", "COSINE").Err()
	if err != nil && !strings.Contains(strings.ToLower(err.Error()), "already exists") {
		return explain(err)
	}
	v.ready.Store(size, true)
	return nil
}

// noIndex reports whether an error says that there is no such index, in the words of RediSearch and of valkey-search.
func noIndex(err error) bool {
	var said goredis.Error
	if !errors.As(err, &said) {
		return false
	}
	text := strings.ToLower(fmt.Sprint(said))
	return strings.Contains(text, "no such index") || strings.Contains(text, "unknown index") || strings.Contains(text, "index") && strings.Contains(text, "not found")
}
