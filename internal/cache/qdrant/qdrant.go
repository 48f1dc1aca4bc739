// Package qdrant caches by meaning in a collection of Qdrant, through its REST API.
package qdrant

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"tollgate/internal/cache"
	"tollgate/internal/setting"
)

const (
	// sweepEvery is how often points whose time is over are removed. They are never found, removed or not.
	sweepEvery = 10 * time.Minute
	// rounding is what the similarity of equal vectors may fall short of 1, by the precision that Qdrant computes in.
	rounding = 1e-6
)

// Options is what the gateway gives to a cache in Qdrant.
type Options struct {
	Client *http.Client // the gateway's way out; not nil
	Log    *slog.Logger // nil = slog.Default
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Vectors is a cache in a collection. It makes the collection at its first use. Safe for concurrent use.
type Vectors struct {
	rest       rest
	collection string // escaped for a path
	namespace  string
	quantized  quantization
	log        *slog.Logger
	now        func() time.Time

	oldSearch atomic.Bool  // the server has no /points/query
	swept     atomic.Int64 // when points were swept last, in Unix milliseconds

	want int          // the size of vectors in a collection that is made; 0 = that of the first one
	size atomic.Int64 // of the collection's vectors; 0 = it is not known whether there is one
}

var _ cache.Vectors = (*Vectors)(nil)

// Open reads the settings. It calls nobody.
func Open(settings *setting.Map, o Options) (*Vectors, error) {
	v := &Vectors{
		rest: rest{
			base: address(settings), key: settings.Secret("qdrant_api_key", "QDRANT_API_KEY"), client: withoutRedirects(o.Client),
		},
		collection: url.PathEscape(settings.Need("qdrant_collection_name")),
		namespace:  settings.Text("namespace"),
		want:       settings.Int("qdrant_semantic_cache_vector_size", 0, "QDRANT_VECTOR_SIZE"),
		quantized:  quantizationOf(settings),
		log:        o.Log,
		now:        o.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	if err := settings.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// address reads where Qdrant is, without a slash at the end.
func address(m *setting.Map) string {
	text := m.Need("qdrant_api_base", "QDRANT_URL", "QDRANT_API_BASE")
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https") {
		m.Fault("qdrant_api_base", "must be http:// or https:// and a host, without a user and a query")
		return ""
	}
	for text != "" && text[len(text)-1] == '/' {
		text = text[:len(text)-1]
	}
	return text
}

// point is one entry as Qdrant keeps it.
type point struct {
	ID      string    `json:"id"`
	Vector  []float32 `json:"vector"`
	Payload payload   `json:"payload"`
}

// payload is what is kept with a vector. Namespace and scope are matched, expires_at is compared; the value is a text where
// it can be one, as LiteLLM's response is.
type payload struct {
	Namespace string  `json:"namespace"`
	Scope     string  `json:"scope"`
	ExpiresAt int64   `json:"expires_at,omitempty"` // milliseconds since 1970; 0 = never
	Response  *string `json:"response,omitempty"`
	Base64    *string `json:"response_base64,omitempty"` // of a value that is no text
}

// Put implements cache.Vectors.
func (v *Vectors) Put(ctx context.Context, scope, id string, vector []float32, value []byte, ttl time.Duration) error {
	if err := v.prepare(ctx, len(vector)); err != nil {
		return err
	}
	p := point{ID: v.uuid(id), Vector: vector, Payload: payload{Namespace: v.namespace, Scope: scope}}
	if ttl > 0 {
		p.Payload.ExpiresAt = v.now().Add(max(ttl, time.Millisecond)).UnixMilli()
	}
	text := string(value)
	if utf8.Valid(value) {
		p.Payload.Response = &text
	} else {
		text = base64.StdEncoding.EncodeToString(value)
		p.Payload.Base64 = &text
	}
	err := v.rest.call(ctx, http.MethodPut, v.path("/points?wait=true"), map[string]any{"points": []point{p}}, nil)
	if absent(err) {
		v.size.Store(0) // somebody has dropped it: the next one makes it again
	}
	v.sweep(ctx)
	return err
}

// uuid is an entry's id as Qdrant takes it.
func (v *Vectors) uuid(id string) string {
	b := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(v.namespace), v.namespace, id))
	b[6] = b[6]&0x0f | 0x80 // version 8: its bits are the maker's own
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Nearest implements cache.Vectors.
func (v *Vectors) Nearest(ctx context.Context, scope string, vector []float32, threshold float64) ([]byte, float64, error) {
	hit, err := v.search(ctx, scope, vector, threshold-rounding)
	if absent(err) {
		v.size.Store(0)
		return nil, 0, cache.ErrMiss
	}
	if err != nil {
		return nil, 0, err
	}
	if hit == nil || hit.Score < threshold-rounding || hit.Payload.Scope != scope || hit.Payload.Namespace != v.namespace {
		return nil, 0, cache.ErrMiss
	}
	switch p := hit.Payload; {
	case p.Response != nil:
		return []byte(*p.Response), hit.Score, nil
	case p.Base64 != nil:
		value, err := base64.StdEncoding.DecodeString(*p.Base64)
		if err != nil {
			return nil, 0, fmt.Errorf("qdrant: a point's response_base64: %w", err)
		}
		return value, hit.Score, nil
	}
	return nil, 0, cache.ErrMiss // not one of ours
}

// Delete implements cache.Vectors.
func (v *Vectors) Delete(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	points := make([]string, len(ids))
	for i, id := range ids {
		points[i] = v.uuid(id)
	}
	return v.remove(ctx, map[string]any{"points": points})
}

// Flush implements cache.Vectors.
func (v *Vectors) Flush(ctx context.Context) error {
	return v.remove(ctx, map[string]any{"filter": filter{Must: []condition{{Key: "namespace", Match: &match{v.namespace}}}}})
}

// remove deletes points. Without a collection there are none.
func (v *Vectors) remove(ctx context.Context, which any) error {
	err := v.rest.call(ctx, http.MethodPost, v.path("/points/delete?wait=true"), which, nil)
	if absent(err) {
		v.size.Store(0)
		return nil
	}
	return err
}

// sweep removes the points whose time is over, once in a while. That it fails is no fault of the entry that was put.
func (v *Vectors) sweep(ctx context.Context) {
	now := v.now().UnixMilli()
	last := v.swept.Load()
	if now-last < sweepEvery.Milliseconds() || !v.swept.CompareAndSwap(last, now) || last == 0 {
		return
	}
	which := map[string]any{"filter": filter{Must: []condition{{Key: "expires_at", Range: &span{LTE: now}}}}}
	if err := v.rest.call(ctx, http.MethodPost, v.path("/points/delete?wait=false"), which, nil); err != nil {
		v.log.WarnContext(ctx, "cache: points of Qdrant whose time is over were not removed", "error", err)
	}
}

// Ping implements cache.Vectors.
func (v *Vectors) Ping(ctx context.Context) error {
	err := v.rest.call(ctx, http.MethodGet, "/collections/"+v.collection, nil, nil)
	if absent(err) {
		return nil // it is made at the first use
	}
	return err
}

// Close implements cache.Vectors. The client is the gateway's.
func (v *Vectors) Close() error { return nil }

func (v *Vectors) path(rest string) string { return "/collections/" + v.collection + rest }

// absent reports whether an error says that there is no such collection.
func absent(err error) bool {
	var answer *Error
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound && answer.Message != ""
}
