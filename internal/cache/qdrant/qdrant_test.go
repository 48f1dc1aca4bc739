package qdrant_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/qdrant"
	"tollgate/internal/setting"
	"tollgate/internal/testkit"
)

// open opens a cache in a collection of a server.
func open(t testing.TB, values map[string]any, env map[string]string, now func() time.Time) *qdrant.Vectors {
	t.Helper()
	m := setting.New("cache_params", values, func(name string) string { return env[name] })
	v, err := qdrant.Open(m, qdrant.Options{Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if unknown := m.Unknown(); len(unknown) > 0 {
		t.Errorf("nobody asked for %v", unknown)
	}
	return v
}

// settings are those of a server's collection.
func settings(q *testkit.Qdrant, more map[string]any) map[string]any {
	all := map[string]any{"qdrant_api_base": q.URL + "/", "qdrant_api_key": q.APIKey, "qdrant_collection_name": "cache of answers"}
	maps.Copy(all, more)
	return all
}

func suite(t *testing.T, q *testkit.Qdrant, server cachetest.Server, more map[string]any) {
	const size = 32
	cachetest.RunVectors(t, cachetest.VectorsWorld{
		Open: func(t *testing.T, namespace string) cache.Vectors {
			return open(t, settings(q, map[string]any{"namespace": namespace, "qdrant_quantization_config": more["qdrant_quantization_config"]}), nil, nil)
		},
		Server: server, Size: size, Fixed: true,
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	q := testkit.NewQdrant(t, false)
	suite(t, q, q, nil)
}

func TestOld(t *testing.T) {
	t.Parallel()
	suite(t, testkit.NewQdrant(t, true), nil, map[string]any{"qdrant_quantization_config": "scalar"})
}

// The collection is made as LiteLLM makes it, by the size of the first vector, and again after somebody dropped it.
func TestCollection(t *testing.T) {
	t.Parallel()
	q := testkit.NewQdrant(t, false)
	ctx := t.Context()
	for _, kind := range []string{"binary", "scalar", "product", "none"} {
		v := open(t, settings(q, map[string]any{"qdrant_collection_name": kind, "qdrant_quantization_config": kind}), nil, nil)
		for range 2 {
			if err := v.Put(ctx, "s", "id", []float32{1, 0, 0}, []byte("v"), time.Hour); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if got, similar, err := v.Nearest(ctx, "s", []float32{1, 0, 0}, 1); err != nil || string(got) != "v" || similar < 0.999 {
				t.Errorf("%s: %q, %v, %v", kind, got, similar, err)
			}
			request(t, q, http.MethodDelete, "/collections/"+kind)
			if _, _, err := v.Nearest(ctx, "s", []float32{1, 0, 0}, 0.5); err == nil || err.Error() != cache.ErrMiss.Error() {
				t.Errorf("%s: dropped: %v", kind, err)
			}
			if err := v.Delete(ctx, "id"); err != nil {
				t.Error(err)
			}
		}
	}
	v := open(t, settings(q, map[string]any{"qdrant_collection_name": "sized", "qdrant_semantic_cache_vector_size": "4"}), nil, nil)
	err := v.Put(ctx, "s", "id", []float32{1, 0, 0}, []byte("v"), time.Hour)
	if err == nil || !strings.Contains(err.Error(), "set qdrant_semantic_cache_vector_size to 3") {
		t.Errorf("another size: %v", err)
	}
	if err := v.Put(ctx, "s", "id", []float32{1, 0, 0, 0}, []byte("v"), time.Hour); err != nil {
		t.Error(err)
	}
}

// request asks the server by hand.
func request(t *testing.T, q *testkit.Qdrant, method, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, q.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("api-key", q.APIKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v", method, path, text, err)
	}
	return string(text)
}

// Points whose time is over are removed as later ones are put.
func TestSweep(t *testing.T) {
	t.Parallel()
	q := testkit.NewQdrant(t, false)
	var skew atomic.Int64
	v := open(t, settings(q, map[string]any{"qdrant_collection_name": "swept"}), nil, func() time.Time { return time.Now().Add(time.Duration(skew.Load())) })
	put := func(id string, ttl time.Duration) {
		t.Helper()
		if err := v.Put(t.Context(), "s", id, []float32{1, 0}, []byte(id), ttl); err != nil {
			t.Fatal(err)
		}
	}
	put("short", time.Minute)
	put("long", 10*time.Hour)
	put("for ever", 0)
	for _, step := range []struct {
		later time.Duration
		want  string
	}{
		{5 * time.Minute, `"points_count":4`}, // not yet
		{30 * time.Minute, `"points_count":3`},
		{20 * time.Hour, `"points_count":2`},
	} {
		skew.Store(int64(step.later))
		put("at "+step.later.String(), time.Minute)
		if got := strings.ReplaceAll(request(t, q, http.MethodGet, "/collections/swept"), " ", ""); !strings.Contains(got, step.want) {
			t.Errorf("after %v: %s, want %s", step.later, got, step.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	q := testkit.NewQdrant(t, false)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>open-sesame</html>") }))
	defer away.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler(away.URL, http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		values map[string]any
		want   string
	}{
		"a wrong key": {map[string]any{"qdrant_api_key": "open-sesame"}, "qdrant: HTTP 401: Must provide an API key"},
		"no Qdrant":   {map[string]any{"qdrant_api_base": away.URL}, "qdrant: the answer is not Qdrant's"},
		"a redirect":  {map[string]any{"qdrant_api_base": elsewhere.URL}, "qdrant: HTTP 307"},
		"away":        {map[string]any{"qdrant_api_base": "http://127.0.0.1:1"}, "connection refused"},
	} {
		v := open(t, settings(q, c.values), nil, nil)
		_, _, err := v.Nearest(t.Context(), "s", []float32{1, 0}, 0.5)
		for what, err := range map[string]error{"Nearest": err, "Ping": v.Ping(t.Context()), "Put": v.Put(t.Context(), "s", "id", []float32{1, 0}, nil, 0)} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	q := testkit.NewQdrant(t, false)
	for name, env := range map[string]map[string]string{
		"QDRANT_URL":      {"QDRANT_URL": q.URL, "QDRANT_API_KEY": q.APIKey},
		"QDRANT_API_BASE": {"QDRANT_API_BASE": q.URL, "QDRANT_API_KEY": q.APIKey},
	} {
		if err := open(t, map[string]any{"qdrant_collection_name": "c"}, env, nil).Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, values := range map[string]map[string]any{
		"cache_params.qdrant_api_base: is missing; give it here or in the environment variable QDRANT_URL or QDRANT_API_BASE": {"qdrant_collection_name": "c"},
		"cache_params.qdrant_collection_name: is missing":                                                                     {"qdrant_api_base": q.URL},
		"cache_params.qdrant_api_base: must be http://":                                                                       {"qdrant_api_base": "localhost:6333", "qdrant_collection_name": "c"},
		"cache_params.qdrant_quantization_config: must be one of":                                                             {"qdrant_api_base": q.URL, "qdrant_collection_name": "c", "qdrant_quantization_config": "x"},
		"cache_params.qdrant_semantic_cache_vector_size: must be a whole number":                                              {"qdrant_api_base": q.URL, "qdrant_collection_name": "c", "qdrant_semantic_cache_vector_size": "x"},
	} {
		_, err := qdrant.Open(setting.New("cache_params", values, nil), qdrant.Options{Client: &http.Client{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{`{"result":{"points":[{"score":1,"payload":{"namespace":"","scope":"s","response":"v"}}]},"status":"ok"}`, `{"status":{"error":"x"}}`, `[]`, ``, `{"result":[],"status":"ok"}`} {
		f.Add(200, []byte(text))
		f.Add(404, []byte(text))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		client := &http.Client{Transport: answer(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}
		})}
		v, err := qdrant.Open(setting.New("c", map[string]any{"qdrant_api_base": "http://h", "qdrant_collection_name": "c"}, nil), qdrant.Options{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		if value, similar, err := v.Nearest(t.Context(), "s", []float32{1}, 0.5); err == nil && (value == nil || similar < 0.4) {
			t.Errorf("%q, %v", value, similar)
		}
		_ = v.Put(t.Context(), "s", "id", []float32{1}, nil, 0)
	})
}

type answer func(r *http.Request) *http.Response

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }
