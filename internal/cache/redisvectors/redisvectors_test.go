package redisvectors_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/redisconn"
	"tollgate/internal/cache/redisvectors"
	"tollgate/internal/setting"
	"tollgate/internal/testkit"
)

func open(t testing.TB, server *testkit.Server, more map[string]any) *redisvectors.Vectors {
	t.Helper()
	host, port, _ := net.SplitHostPort(server.Addr) // as testkit wrote it
	values := map[string]any{"host": host, "port": json.Number(port)}
	for k, v := range more {
		values[k] = v
	}
	m := setting.New("cache_params", values, nil)
	v, err := redisvectors.Open(m, redisconn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if unknown := m.Unknown(); len(unknown) > 0 {
		t.Errorf("nobody asked for %v", unknown)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := testkit.RedisSearch(t)
	cachetest.RunVectors(t, cachetest.VectorsWorld{
		Open: func(t *testing.T, namespace string) cache.Vectors {
			return open(t, server, map[string]any{"namespace": namespace})
		},
		Server: server, Size: 32,
	})
}

// Every embedding model has an index of its own, so that a change of the model needs no other name.
func TestSizes(t *testing.T) {
	t.Parallel()
	server := testkit.RedisSearch(t)
	v := open(t, server, map[string]any{"redis_semantic_cache_index_name": "own"})
	for _, vector := range [][]float32{{1, 0}, {1, 0, 0}, {0, 1}} {
		if err := v.Put(t.Context(), "s", "id", vector, []byte("v"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got, similar, err := v.Nearest(t.Context(), "s", vector, 1); err != nil || string(got) != "v" || similar < 0.999 {
			t.Errorf("%v: %q, %v, %v", vector, got, similar, err)
		}
	}
	if _, _, err := v.Nearest(t.Context(), "s", []float32{1, 0, 0}, 0.5); err == nil || err.Error() != cache.ErrMiss.Error() {
		t.Errorf("an entry that was replaced by one of another size: %v", err)
	}
	if got := testkit.RedisCommand(t, server, "FT._LIST"); !strings.Contains(got, "own:2") || !strings.Contains(got, "own:3") {
		t.Errorf("indexes: %s", got)
	}
}

// The index is made again after somebody dropped it, with what was there.
func TestDropped(t *testing.T) {
	t.Parallel()
	server := testkit.RedisSearch(t)
	v := open(t, server, nil)
	put := func() {
		t.Helper()
		if err := v.Put(t.Context(), "s", "id", []float32{1, 0}, []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
	}
	put()
	testkit.RedisCommand(t, server, "FT.DROPINDEX", "tollgate_semantic_cache:2")
	if _, _, err := v.Nearest(t.Context(), "s", []float32{1, 0}, 0.5); err == nil || err.Error() != cache.ErrMiss.Error() {
		t.Errorf("got %v", err)
	}
	put()
	if _, _, err := v.Nearest(t.Context(), "s", []float32{1, 0}, 0.5); err != nil {
		t.Error(err)
	}
}

// A plain Redis cannot search; a cluster is not served.
func TestRefused(t *testing.T) {
	t.Parallel()
	v := open(t, testkit.RedisServer(t), nil)
	_, _, nearest := v.Nearest(t.Context(), "s", []float32{1, 0}, 0.5)
	for what, err := range map[string]error{"Ping": v.Ping(t.Context()), "Put": v.Put(t.Context(), "s", "id", []float32{1, 0}, nil, 0), "Nearest": nearest} {
		if err == nil || !strings.Contains(err.Error(), "the server cannot search vectors (RediSearch): use Redis 8") {
			t.Errorf("%s: %v", what, err)
		}
	}
	m := setting.New("cache_params", map[string]any{"redis_startup_nodes": []any{map[string]any{"host": "h", "port": json.Number("1")}}}, nil)
	if _, err := redisvectors.Open(m, redisconn.Options{}); err == nil || !strings.Contains(err.Error(), "cache_params.redis_startup_nodes: a semantic cache in a Redis cluster is not served") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkRediSearch(b *testing.B) {
	cachetest.BenchVectors(b, open(b, testkit.RedisSearch(b), nil))
}
