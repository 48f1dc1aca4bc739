// Package redisvectors caches by meaning in a Redis or Valkey that can search vectors (RediSearch): Redis 8, Redis Stack, or
// Valkey with valkey-search.
package redisvectors

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"tollgate/internal/cache"
	"tollgate/internal/cache/redisconn"
	"tollgate/internal/setting"
)

const (
	// DefaultIndex is what the indexes' names begin with. It is not LiteLLM's, litellm_semantic_cache_index: RedisVL lays its
	// entries out in another way, and has no scope.
	DefaultIndex = "tollgate_semantic_cache"
	// rounding is what the similarity of equal vectors may fall short of 1, by the precision of the vectors' numbers.
	rounding = 1e-6
)

// The fields of an entry, a hash.
const (
	fieldScope    = "scope"
	fieldValue    = "value"
	fieldExpires  = "expires_at" // milliseconds since 1970
	fieldDistance = "distance"   // not stored: what a search computes
)

// Vectors is a cache in hashes that Redis keeps an index of, one for each size of vectors. Safe for concurrent use.
type Vectors struct {
	redis     goredis.UniversalClient
	index     string
	namespace string
	keys      string // what the keys of this namespace begin with
	now       func() time.Time
	ready     sync.Map // the sizes of vectors (int) whose index is there
}

var _ cache.Vectors = (*Vectors)(nil)

// never is the end of an entry that has none: past any clock, and exact as the double that an index compares.
const never = 1 << 52

// Open reads the settings. It does not connect: a Redis that is away is tried again at every use.
func Open(settings *setting.Map, o redisconn.Options) (*Vectors, error) {
	v := &Vectors{
		index:     settings.Text("redis_semantic_cache_index_name"),
		namespace: settings.Text("namespace", "REDIS_NAMESPACE"),
		now:       time.Now,
	}
	if v.index == "" {
		v.index = DefaultIndex
	}
	v.keys = v.base() + url.QueryEscape(v.namespace) + ":"
	client, err := redisconn.Open(settings, o)
	if err != nil {
		return nil, err
	}
	if _, cluster := client.(*goredis.ClusterClient); cluster {
		_ = client.Close() // nothing is connected
		settings.Fault("redis_startup_nodes", "a semantic cache in a Redis cluster is not served: a search would have to be put together from its nodes; use one server, sentinels, or another type")
		return nil, settings.Err()
	}
	v.redis = client
	return v, nil
}

// base is what the keys of all namespaces of the index begin with.
func (v *Vectors) base() string { return "tollgate:semantic:" + url.QueryEscape(v.index) + ":" }

// key is where an entry is.
func (v *Vectors) key(id string) string { return v.keys + id }

// tag is a namespace's scope as a word that no query reads in a way of its own.
func (v *Vectors) tag(scope string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(v.namespace), v.namespace, scope))
	return hex.EncodeToString(sum[:])
}

// field is where vectors of a size are, and indexOf the name of the index over it.
func field(size int) string { return "v" + strconv.Itoa(size) }

func (v *Vectors) indexOf(size int) string { return v.index + ":" + strconv.Itoa(size) }

// Put implements cache.Vectors.
func (v *Vectors) Put(ctx context.Context, scope, id string, vector []float32, value []byte, ttl time.Duration) error {
	blob, err := encode(vector)
	if err != nil {
		return err
	}
	if err := v.prepare(ctx, len(vector)); err != nil {
		return err
	}
	expires := int64(never)
	if ttl > 0 {
		ttl = max(ttl, time.Millisecond)
		expires = v.now().Add(ttl).UnixMilli()
	}
	_, err = v.redis.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Del(ctx, v.key(id)) // with it a vector of another size
		p.HSet(ctx, v.key(id), fieldScope, v.tag(scope), fieldValue, value, fieldExpires, expires, field(len(vector)), blob)
		if ttl > 0 {
			p.PExpire(ctx, v.key(id), ttl)
		}
		return nil
	})
	return explain(err)
}

// encode writes a vector as Redis takes it: FLOAT32, little-endian. One that has no direction is like nothing, and would be
// the nearest of everything.
func encode(vector []float32) ([]byte, error) {
	blob := make([]byte, 0, 4*len(vector))
	length := 0.0
	for _, x := range vector {
		blob = binary.LittleEndian.AppendUint32(blob, math.Float32bits(x))
		length += float64(x) * float64(x)
	}
	if !(length > 0) || math.IsInf(length, 0) {
		return nil, errors.New("redis: the embedding has no direction")
	}
	return blob, nil
}

// Nearest implements cache.Vectors. Redis removes an entry whose time is over a little later; until then it would stand before
// the next one.
func (v *Vectors) Nearest(ctx context.Context, scope string, vector []float32, threshold float64) ([]byte, float64, error) {
	blob, err := encode(vector)
	if err != nil {
		return nil, 0, err
	}
	size := len(vector)
	query := fmt.Sprintf("(@%s:{%s} @%s:[(%d +inf])=>[KNN 1 @%s $v AS %s]", fieldScope, v.tag(scope), fieldExpires, v.now().UnixMilli(), field(size), fieldDistance)
	found, err := v.redis.FTSearchWithArgs(ctx, v.indexOf(size), query, &goredis.FTSearchOptions{
		Params: map[string]any{"v": blob}, Return: []goredis.FTSearchReturn{{FieldName: fieldDistance}, {FieldName: fieldValue}}, DialectVersion: 2,
	}).Result()
	if noIndex(err) {
		v.ready.Delete(size) // somebody has dropped it, or the server has lost it: the next Put makes it again
		return nil, 0, cache.ErrMiss
	}
	if err != nil {
		return nil, 0, explain(err)
	}
	if len(found.Docs) == 0 {
		return nil, 0, cache.ErrMiss
	}
	entry := found.Docs[0].Fields
	distance, err := strconv.ParseFloat(entry[fieldDistance], 64)
	value, there := entry[fieldValue] // one whose time ended meanwhile has none
	if similarity := 1 - distance; err == nil && there && similarity >= threshold-rounding {
		return []byte(value), similarity, nil
	}
	return nil, 0, cache.ErrMiss
}

// Delete implements cache.Vectors.
func (v *Vectors) Delete(ctx context.Context, ids ...string) error {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = v.key(id)
	}
	return explain(redisconn.Unlink(ctx, v.redis, keys))
}

// Flush implements cache.Vectors. The index stays, empty.
func (v *Vectors) Flush(ctx context.Context) error { return redisconn.Flush(ctx, v.redis, v.keys) }

// Ping implements cache.Vectors: it asks whether the server can search.
func (v *Vectors) Ping(ctx context.Context) error {
	return explain(v.redis.Do(ctx, "FT._LIST").Err())
}

// Close implements cache.Vectors.
func (v *Vectors) Close() error { return v.redis.Close() }

// explain says what to do where the server cannot search.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if strings.Contains(err.Error(), "unknown command") {
		return errors.New("redis: the server cannot search vectors (RediSearch): use Redis 8, Redis Stack or Valkey with valkey-search, or another type of semantic cache")
	}
	return fmt.Errorf("redis: %w", err)
}
