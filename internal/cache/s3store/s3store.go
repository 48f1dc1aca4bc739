// Package s3store caches in S3 or in what speaks like it: an object for each entry.
package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/s3"
	"tollgate/internal/setting"
)

const (
	// expires is the header that holds the end of an entry's life in milliseconds since 1970. HTTP's own Expires, which
	// LiteLLM writes and nobody enforces, counts in seconds.
	expires = "X-Amz-Meta-Tollgate-Expires"
	// forever is what LiteLLM promises of an entry that names no life, in seconds: a year.
	forever = 31536000
	// longest bounds a key as it stands in an object's name, in bytes; a longer one is hashed. S3 takes names of 1024.
	longest = 240
)

// Options is what the gateway gives to a cache in S3.
type Options struct {
	Client *http.Client // the gateway's way out
	Direct *http.Client // past any proxy, for a machine's credentials; nil = Client
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Store is a cache in a bucket, or in a folder of one. Safe for concurrent use.
type Store struct {
	bucket *s3.Client
	prefix string
	now    func() time.Time
}

var _ cache.Store = (*Store)(nil)

// Open reads the settings. It calls nobody.
func Open(settings *setting.Map, o Options) (*Store, error) {
	s := &Store{prefix: folder(settings.Text("s3_path")) + folder(escape(settings.Text("namespace"))), now: o.Now}
	if settings.Has("s3_config") {
		settings.Fault("s3_config", "is not served: it is boto3's own configuration; use s3_endpoint_url, s3_use_virtual_hosted_style and timeout")
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	s.bucket, err = s3.Open(settings, o.Client, o.Direct)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// folder is a path that names can begin with.
func folder(path string) string {
	if path = strings.Trim(path, "/"); path == "" {
		return ""
	}
	return path + "/"
}

// escape writes a text as a part of an object's name that no service reads in a way of its own: no slash, no name of dots
// alone. "=" begins what is not as it was. An empty text has a name that no other has.
func escape(text string) string {
	if text == "" {
		return "=none"
	}
	var b strings.Builder
	for i := range len(text) {
		ch := text[i]
		plain := 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || ch == '-' || ch == '_' || ch == ':' || ch == '.' && i > 0
		if plain {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "=%02X", ch)
		}
	}
	if b.Len() > longest {
		sum := sha256.Sum256([]byte(text))
		return "=sha256:" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

func (s *Store) name(key string) string { return s.prefix + escape(key) }

// Get implements cache.Store. S3 does not end an entry's life by the second: it is done here.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := s.bucket.Get(ctx, s.name(key))
	if errors.Is(err, s3.ErrNotFound) {
		return nil, cache.ErrMiss
	}
	if err != nil {
		return nil, err
	}
	if end := o.Header.Get(expires); end != "" {
		ms, err := strconv.ParseInt(end, 10, 64)
		if err != nil || s.now().UnixMilli() >= ms {
			return nil, cache.ErrMiss
		}
	}
	if o.Body == nil {
		o.Body = []byte{}
	}
	return o.Body, nil
}

// Set implements cache.Store.
func (s *Store) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.bucket.Put(ctx, s.name(key), value, s.header(key, ttl))
}

// header is what LiteLLM stores with an entry, and when its life ends.
func (s *Store) header(key string, ttl time.Duration) http.Header {
	seconds := int64(forever)
	h := http.Header{
		"Content-Type":        {"application/json"},
		"Content-Language":    {"en"},
		"Content-Disposition": {`inline; filename="` + escape(key) + `.json"`},
	}
	if ttl > 0 {
		end := s.now().Add(ttl)
		seconds = int64((ttl + time.Second - 1) / time.Second)
		h["Expires"] = []string{end.UTC().Format(http.TimeFormat)}
		h[expires] = []string{strconv.FormatInt(end.UnixMilli(), 10)}
	}
	h["Cache-Control"] = []string{fmt.Sprintf("immutable, max-age=%d, s-maxage=%d", seconds, seconds)}
	return h
}

// Delete implements cache.Store.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 1 {
		return s.bucket.Delete(ctx, s.name(keys[0]))
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = s.name(k)
	}
	return s.bucket.DeleteAll(ctx, names)
}

// Flush implements cache.Store: it removes the objects of this cache's folder, a page at a time.
func (s *Store) Flush(ctx context.Context) error {
	for names, err := range s.bucket.List(ctx, s.prefix) {
		if err != nil {
			return err
		}
		if err := s.bucket.DeleteAll(ctx, names); err != nil {
			return err
		}
	}
	return nil
}

// Ping implements cache.Store.
func (s *Store) Ping(ctx context.Context) error { return s.bucket.HeadBucket(ctx) }

// Close implements cache.Store. The client is the gateway's.
func (s *Store) Close() error { return nil }
