package builtin

import (
	"tollgate/internal/cache"
	"tollgate/internal/cache/disk"
	"tollgate/internal/cache/local"
	"tollgate/internal/cache/memoryvectors"
	"tollgate/internal/cache/pgvector"
	"tollgate/internal/cache/qdrant"
	"tollgate/internal/cache/redisconn"
	"tollgate/internal/cache/redisstore"
	"tollgate/internal/cache/redisvectors"
	"tollgate/internal/cache/s3store"
)

// Caches are the openers by cache_params.type. A new cache is its folder and one line here.
func Caches() map[string]cache.Opener {
	redis := func(s cache.Spec) redisconn.Options { return redisconn.Options{TLS: s.TLS, Log: s.Log} }
	byRediSearch := func(s cache.Spec) (cache.Store, cache.Vectors, error) {
		v, err := redisvectors.Open(s.Settings, redis(s))
		return nil, v, err
	}
	return map[string]cache.Opener{
		"disk": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			if s.Check {
				return nil, nil, disk.Check(s.Settings)
			}
			store, err := disk.Open(s.Settings, s.Log)
			return store, nil, err
		},
		"local": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			store, err := local.Open(s.Settings)
			return store, nil, err
		},
		"local-semantic": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			v, err := memoryvectors.Open(s.Settings)
			return nil, v, err
		},
		"pgvector-semantic": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			v, err := pgvector.Open(s.Settings, pgvector.Options{Log: s.Log})
			return nil, v, err
		},
		"qdrant-semantic": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			v, err := qdrant.Open(s.Settings, qdrant.Options{Client: s.Client, Log: s.Log})
			return nil, v, err
		},
		"redis": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			store, err := redisstore.Open(s.Settings, redis(s))
			return store, nil, err
		},
		"redis-semantic":  byRediSearch,
		"valkey-semantic": byRediSearch,
		"s3": func(s cache.Spec) (cache.Store, cache.Vectors, error) {
			store, err := s3store.Open(s.Settings, s3store.Options{Client: s.Client, Direct: s.Direct})
			return store, nil, err
		},
	}
}
