package pgvector_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/pgvector"
	"tollgate/internal/setting"
	"tollgate/internal/testkit"
)

func open(t testing.TB, values map[string]any, env map[string]string, now func() time.Time) *pgvector.Vectors {
	t.Helper()
	m := setting.New("cache_params", values, func(name string) string { return env[name] })
	v, err := pgvector.Open(m, pgvector.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if unknown := m.Unknown(); len(unknown) > 0 {
		t.Errorf("nobody asked for %v", unknown)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// ask asks a database for one number or text.
func ask(t testing.TB, address, question string) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var answer any
	if err := c.QueryRow(t.Context(), question).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer)
}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := testkit.PGVector(t)
	cachetest.RunVectors(t, cachetest.VectorsWorld{
		Open: func(t *testing.T, namespace string) cache.Vectors {
			return open(t, map[string]any{"namespace": namespace, "pgvector_url": server.URL}, nil, nil)
		},
		Server: server, Size: 32, Fixed: true,
	})
	if got := ask(t, server.URL, `SELECT indexdef FROM pg_indexes WHERE indexname = 'tollgate_semantic_cache_embedding'`); !strings.Contains(got, "USING hnsw (embedding vector_cosine_ops)") {
		t.Errorf("the index: %s", got)
	}
}

func database(t *testing.T, server *testkit.Server, name string) string {
	t.Helper()
	testkit.Execute(t, server.URL, "CREATE DATABASE "+name)
	return strings.Replace(server.URL, "/postgres?", "/"+name+"?", 1)
}

func put(t testing.TB, v *pgvector.Vectors, scope, id string, vector []float32, ttl time.Duration) {
	t.Helper()
	if err := v.Put(t.Context(), scope, id, vector, []byte(id), ttl); err != nil {
		t.Fatal(err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	server := testkit.PGVector(t)
	t.Run("replicas at once", func(t *testing.T) {
		address := database(t, server, "at_once")
		var all sync.WaitGroup
		for i := range 6 {
			v := open(t, map[string]any{"pgvector_url": address, "pgvector_table": "own.answers"}, nil, nil)
			all.Go(func() {
				if err := v.Put(t.Context(), "s", fmt.Sprint(i), []float32{1, 0}, nil, 0); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := ask(t, address, "SELECT count(*) FROM own.answers"); got != "6" {
			t.Errorf("%s rows", got)
		}
	})
	t.Run("another model", func(t *testing.T) {
		v := open(t, map[string]any{"pgvector_url": server.URL, "pgvector_table": "sized", "pgvector_vector_size": "3"}, nil, nil)
		if err := v.Put(t.Context(), "s", "id", []float32{1, 0}, nil, 0); err == nil || !strings.Contains(err.Error(), "the embedding has 2 numbers, the table's have 3: name another pgvector_table") {
			t.Errorf("got %v", err)
		}
		put(t, v, "s", "id", []float32{1, 0, 0}, 0)
	})
	t.Run("dropped", func(t *testing.T) {
		v := open(t, map[string]any{"pgvector_url": server.URL, "pgvector_table": "dropped"}, nil, nil)
		put(t, v, "s", "id", []float32{1, 0}, 0)
		testkit.Execute(t, server.URL, "DROP TABLE dropped")
		if _, _, err := v.Nearest(t.Context(), "s", []float32{1, 0}, 0.5); err == nil || err.Error() != cache.ErrMiss.Error() {
			t.Errorf("got %v", err)
		}
		if err := v.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		_ = v.Put(t.Context(), "s", "id", []float32{1, 0}, nil, 0) // notices it
		put(t, v, "s", "id", []float32{1, 0}, 0)
	})
	t.Run("long vectors have no index", func(t *testing.T) {
		v := open(t, map[string]any{"pgvector_url": server.URL, "pgvector_table": "long"}, nil, nil)
		long := make([]float32, 3072)
		long[7] = 1
		put(t, v, "s", "id", long, 0)
		if got, similar, err := v.Nearest(t.Context(), "s", long, 1); err != nil || string(got) != "id" || similar < 0.999 {
			t.Errorf("%q, %v, %v", got, similar, err)
		}
	})
	t.Run("the longest vectors that stay in their row", func(t *testing.T) {
		v := open(t, map[string]any{"pgvector_url": server.URL, "pgvector_table": "page"}, nil, nil)
		vector := make([]float32, 1900)
		vector[7] = 1
		noise := make([]byte, 3000) // texts that do not become shorter
		for i := range noise {
			noise[i] = byte('!' + rand.IntN(90)) //nolint:gosec // any text
		}
		if err := v.Put(t.Context(), string(noise[:500]), string(noise[500:1000]), vector, noise, 0); err != nil {
			t.Fatal(err)
		}
		if got, _, err := v.Nearest(t.Context(), string(noise[:500]), vector, 1); err != nil || len(got) != len(noise) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("a role without rights", func(t *testing.T) {
		address := database(t, server, "poor")
		testkit.Execute(t, address, "CREATE ROLE poor LOGIN PASSWORD 'p'; GRANT CREATE ON SCHEMA public TO poor")
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("poor", "p")
		v := open(t, map[string]any{"pgvector_url": u.String()}, nil, nil)
		err = v.Put(t.Context(), "s", "id", []float32{1, 0}, nil, 0)
		if want := "the role may not make the extension: have a superuser run CREATE EXTENSION vector"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		testkit.Execute(t, address, "CREATE EXTENSION vector")
		put(t, v, "s", "id", []float32{1, 0}, 0)
	})
}

// Among many entries of others the one of a small scope is found, by the index and without it.
func TestSmallScope(t *testing.T) {
	t.Parallel()
	server := testkit.PGVector(t)
	v := open(t, map[string]any{"pgvector_url": server.URL}, nil, nil)
	put(t, v, "small", "mine", []float32{1, 1, 1, 1, 1, 1, 1, 1}, time.Hour)
	testkit.Execute(t, server.URL, `INSERT INTO tollgate_semantic_cache SELECT '', 'id' || i, 'large',
		ARRAY(SELECT random() FROM generate_series(1, 8) g WHERE g + i > 0)::vector, 'v', now() + interval '1 hour' FROM generate_series(1, 5000) i`)
	for _, plan := range []string{"", "DROP INDEX tollgate_semantic_cache_scope", "DROP INDEX tollgate_semantic_cache_embedding"} {
		if plan != "" {
			testkit.Execute(t, server.URL, plan)
		}
		testkit.Execute(t, server.URL, "ANALYZE tollgate_semantic_cache")
		for range 20 {
			q := make([]float32, 8)
			for i := range q {
				q[i] = rand.Float32() - 0.2 //nolint:gosec // any vector
			}
			if got, _, err := v.Nearest(t.Context(), "small", q, -1); err != nil || string(got) != "mine" {
				t.Fatalf("%s: %q, %v", plan, got, err)
			}
		}
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	server := testkit.PGVector(t)
	var skew atomic.Int64
	v := open(t, map[string]any{"pgvector_url": server.URL}, nil, func() time.Time { return time.Now().Add(time.Duration(skew.Load())) })
	put(t, v, "s", "short", []float32{1, 0}, time.Microsecond)
	put(t, v, "s", "long", []float32{1, 0}, time.Hour)
	put(t, v, "s", "standard", []float32{1, 0}, 0)
	for _, step := range []struct {
		later time.Duration
		want  string
	}{{0, "3"}, {11 * time.Minute, "2"}} {
		skew.Store(int64(step.later))
		put(t, v, "s", "long", []float32{1, 0}, time.Hour)
		if got := ask(t, server.URL, "SELECT count(*) FROM tollgate_semantic_cache"); got != step.want {
			t.Errorf("after %v: %s rows, want %s", step.later, got, step.want)
		}
	}
	if got := ask(t, server.URL, "SELECT expires_at - now() BETWEEN interval '29 days' AND interval '30 days' FROM tollgate_semantic_cache WHERE id = 'standard'"); got != "true" {
		t.Error("an entry that names no life does not stay 30 days")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	server := testkit.PGVector(t)
	prisma := server.URL + "&schema=litellm&connection_limit=3&pool_timeout=10&pgbouncer=true"
	for name, env := range map[string]map[string]string{"DATABASE_URL": {"DATABASE_URL": prisma}, "PGVECTOR_URL": {"PGVECTOR_URL": server.URL, "DATABASE_URL": "postgres://256.0.0.1/"}} {
		v := open(t, nil, env, nil)
		if err := v.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		put(t, v, "s", "id", []float32{1, 0}, 0)
	}
	if got := ask(t, server.URL, "SELECT count(*) FROM litellm.tollgate_semantic_cache"); got != "1" {
		t.Errorf("the URL's schema has %s rows", got)
	}
	good := map[string]any{"pgvector_url": "postgres://h/d"}
	for want, changes := range map[string]map[string]any{
		"cache_params.pgvector_url: is missing; give it here or in the environment variable PGVECTOR_URL or DATABASE_URL": {"pgvector_url": nil},
		"cache_params.pgvector_url: must be postgres://":                                                                  {"pgvector_url": "mysql://u:open-sesame@h/d"},
		"cache_params.pgvector_url: cannot be read":                                                                       {"pgvector_url": "postgres://u:open-sesame@h/d?sslmode=maybe"},
		"cache_params.pgvector_table: must be a name":                                                                     {"pgvector_table": `x"; DROP TABLE y`},
		"cache_params.pgvector_max_connections: must be between":                                                          {"pgvector_max_connections": "0"},
		"cache_params.pgvector_vector_size: must be at most":                                                              {"pgvector_vector_size": "99999"},
	} {
		all := maps.Clone(good)
		maps.Copy(all, changes)
		_, err := pgvector.Open(setting.New("cache_params", all, nil), pgvector.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "open-sesame") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	bad := open(t, map[string]any{"pgvector_url": "postgres://u:open-sesame@127.0.0.1:1/d"}, nil, nil)
	if err := bad.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "open-sesame") {
		t.Errorf("away: %v", err)
	}
}

func BenchmarkPGVector(b *testing.B) {
	cachetest.BenchVectors(b, open(b, map[string]any{"pgvector_url": testkit.PGVector(b).URL}, nil, nil))
}
