package app_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/cache"
	"tollgate/internal/callback"
	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/provider"
)

// kinds are integrations that do as little as they can.
type kinds struct {
	delivered chan *callback.Event
	stores    []*mapStore
	away      error // what Ping of all answers
}

func (k *kinds) integrations() app.Integrations {
	return app.Integrations{
		Guardrails: func(func(string) string, *egress.Egress, *provider.Lease) map[string]guardrail.Opener {
			open := func(spec guardrail.Spec) (guardrail.Guardrail, error) {
				return &wordGuard{word: spec.Settings.Need("word", "WORD"), k: k}, spec.Settings.Err()
			}
			return map[string]guardrail.Opener{"word": open, "hide-secrets": open}
		},
		DeclinedGuardrails: []app.Declined{{Name: "lasso", Why: "is a vendor of the moon"}},
		Callbacks: map[string]callback.Opener{"sink": func(spec callback.Spec) (callback.Callback, error) {
			spec.Settings.Text("host")
			return &sink{k}, spec.Settings.Err()
		}},
		DeclinedCallbacks: []app.Declined{{Name: "sentry", Why: "is on the moon as well"}},
		Caches: map[string]cache.Opener{"map": func(spec cache.Spec) (cache.Store, cache.Vectors, error) {
			if spec.Settings.Text("url", "MAP_URL"); spec.Check {
				return nil, nil, spec.Settings.Err()
			}
			s := &mapStore{k: k, values: map[string][]byte{}}
			k.stores = append(k.stores, s)
			return s, nil, spec.Settings.Err()
		}},
	}
}

type wordGuard struct {
	word string
	k    *kinds
}

func (g *wordGuard) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	for _, t := range in.Content.Texts {
		if strings.Contains(t.Value, g.word) {
			return guardrail.Verdict{Action: guardrail.Block, Reason: "no such word"}, nil
		}
	}
	return guardrail.Verdict{}, nil
}

func (g *wordGuard) Ping(context.Context) error { return g.k.away }

type sink struct{ k *kinds }

func (s *sink) Deliver(_ context.Context, batch []*callback.Event) error {
	for _, e := range batch {
		s.k.delivered <- e
	}
	return nil
}

func (s *sink) Ping(context.Context) error { return s.k.away }

type mapStore struct {
	k      *kinds
	values map[string][]byte
	closed bool
}

func (s *mapStore) Get(_ context.Context, key string) ([]byte, error) {
	if v, ok := s.values[key]; ok {
		return v, nil
	}
	return nil, cache.ErrMiss
}

func (s *mapStore) Set(_ context.Context, key string, value []byte, _ time.Duration) error {
	s.values[key] = value
	return nil
}
func (s *mapStore) Delete(context.Context, ...string) error { return nil }
func (s *mapStore) Flush(context.Context) error             { return nil }
func (s *mapStore) Ping(context.Context) error              { return s.k.away }
func (s *mapStore) Close() error                            { s.closed = true; return nil }

func openKinds(t *testing.T, k *kinds, yaml string) (*world, config.Diagnostics, error) {
	t.Helper()
	k.delivered = make(chan *callback.Event, 64)
	w := &world{t: t, upstreams: &upstreams{down: map[string]bool{}}, file: filepath.Join(t.TempDir(), "config.yaml"), log: &bytes.Buffer{}}
	w.write(yaml)
	o := options(w.upstreams, w.file, w.log)
	o.Integrations = k.integrations()
	a, found, err := app.Open(t.Context(), o)
	if err != nil {
		return nil, found, err
	}
	w.App = a
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, s := range k.stores[max(0, len(k.stores)-1):] {
			if !s.closed {
				t.Error("the cache in force was not closed")
			}
		}
	})
	return w, found, nil
}

const chatModel = "model_list: [{model_name: m, litellm_params: {model: oci/up}}]\ngeneral_settings: {master_key: " + masterKey + "}\n"

// A guardrail that cannot be opened is an error: nothing is served unchecked, at a start and at a reload.
func TestGuardrailsThatCannotBeOpened(t *testing.T) {
	for _, tt := range []struct{ yaml, want string }{
		{"guardrails: [{guardrail_name: g, litellm_params: {guardrail: wrod, mode: pre_call}}]", "wrod is not known; there are hide-secrets, word"},
		{"guardrails: [{guardrail_name: g, litellm_params: {guardrail: lasso, mode: pre_call}}]", "lasso is a vendor of the moon"},
		{"guardrails: [{guardrail_name: g, litellm_params: {guardrail: my.module.Guard, mode: pre_call}}]", "put it behind generic_guardrail_api"},
		{"guardrails: [{guardrail_name: g, litellm_params: {guardrail: word, mode: pre_call}}]", "guardrails[0].litellm_params.word: is missing; give it here or in the environment variable WORD"},
		{"guardrails: [{guardrail_name: g, litellm_params: {guardrail: word, word: x, mode: sometimes}}]", `"sometimes" is no mode`},
		{"guardrails: [{litellm_params: {guardrail: word, word: x, mode: pre_call}}]", "has no guardrail_name"},
		{"litellm_settings: {callbacks: [hide_secrets]}", "word: is missing"},
		{"model_list: [{model_name: m, litellm_params: {model: oci/up, guardrails: [ghost]}}]", `there is no guardrail "ghost"; there are none`},
	} {
		yaml := chatModel + tt.yaml
		if strings.HasPrefix(tt.yaml, "model_list") {
			yaml = tt.yaml
		}
		_, found, err := openKinds(t, &kinds{}, yaml)
		if !errors.Is(err, app.ErrConfig) || !strings.Contains(found.Err().Error(), tt.want) {
			t.Errorf("%s\n%v\n%v", tt.yaml, err, found)
		}
	}
	k := &kinds{}
	w, _, err := openKinds(t, k, chatModel+"guardrails: [{guardrail_name: g, litellm_params: {guardrail: word, word: evil, mode: pre_call, default_on: true}}]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.reload(chatModel + "guardrails: [{guardrail_name: g, litellm_params: {guardrail: wrod, mode: pre_call}}]"); !errors.Is(err, app.ErrConfig) {
		t.Error(err)
	}
	if got := w.do("POST", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"evil"}]}`); got.Code != 400 || !strings.Contains(got.Body.String(), "no such word") {
		t.Errorf("after a refused reload: %d %s", got.Code, got.Body)
	}
}

// A callback or a cache that cannot be opened is left out and named: calls do not depend on it.
func TestCallbacksAndCachesThatCannotBeOpened(t *testing.T) {
	for _, tt := range []struct{ yaml, want string }{
		{"litellm_settings: {callbacks: [nosuch]}", "callback nosuch: is not known; there are sink"},
		{"litellm_settings: {success_callback: [sentry]}", "callback sentry: is on the moon as well"},
		{"litellm_settings: {callbacks: [sink]}\ncallback_settings: {sink: {odd: 1}}", "callback_settings.sink.odd: the callback sink has no such setting"},
		{"litellm_settings: {cache: true, cache_params: {type: floppy}}", "floppy is not known; there are map"},
		{"litellm_settings: {cache: true, cache_params: {type: map, odd: 1}}", "cache_params.odd: the cache map has no such setting"},
		{"litellm_settings: {cache: true, cache_params: {type: map, mode: sometimes}}", "must be one of default_on, default_off"},
	} {
		w, found, err := openKinds(t, &kinds{}, chatModel+tt.yaml)
		if err != nil {
			t.Errorf("%s: %v %v", tt.yaml, err, found)
			continue
		}
		var said []string
		for _, d := range found {
			said = append(said, d.String())
		}
		if !strings.Contains(strings.Join(said, "\n"), tt.want) {
			t.Errorf("%s\n%s", tt.yaml, strings.Join(said, "\n"))
		}
		if got, _ := w.chat("m"); got.Code != 200 {
			t.Errorf("%s: %d", tt.yaml, got.Code)
		}
	}
}

// A reload that changes nothing of the cache keeps what is in it; one that does takes another cache.
func TestReloadKeepsTheCache(t *testing.T) {
	k := &kinds{}
	cached := chatModel + "litellm_settings: {cache: true, cache_params: {type: map}, callbacks: [sink]}\n"
	w, _, err := openKinds(t, k, cached)
	if err != nil {
		t.Fatal(err)
	}
	w.mustReload(cached + "router_settings: {num_retries: 1}\n")
	if len(k.stores) != 1 {
		t.Errorf("%d caches were opened", len(k.stores))
	}
	w.mustReload(chatModel + "litellm_settings: {cache: true, cache_params: {type: map, ttl: 5}, callbacks: [sink]}\n")
	if len(k.stores) != 2 || k.stores[0].closed {
		t.Errorf("%d caches, the first one closed at once: %v", len(k.stores), k.stores[0].closed)
	}
	if got, _ := w.chat("m"); got.Code != 200 {
		t.Error(got.Code)
	}
	select {
	case e := <-k.delivered:
		if e.Payload.Status != "success" || e.Payload.ModelGroup != "m" {
			t.Errorf("%+v", e.Payload)
		}
	case <-time.After(30 * time.Second):
		t.Error("the callback has heard of nothing")
	}
}

// A variable that the cache has read is a part of it, wherever it is set. A reload that is refused leaves no cache behind.
func TestReloadReadsTheCachesVariables(t *testing.T) {
	k := &kinds{}
	cached := chatModel + "litellm_settings: {cache: true, cache_params: {type: map}}\nenvironment_variables: {MAP_URL: 'map://one', OTHER: %s}\n"
	w, _, err := openKinds(t, k, strings.Replace(cached, "%s", "a", 1))
	if err != nil {
		t.Fatal(err)
	}
	w.mustReload(strings.Replace(cached, "%s", "b", 1))
	if len(k.stores) != 1 {
		t.Errorf("%d caches were opened: another variable is none of the cache's", len(k.stores))
	}
	w.mustReload(strings.NewReplacer("map://one", "map://two", "%s", "b").Replace(cached))
	if len(k.stores) != 2 {
		t.Errorf("%d caches were opened", len(k.stores))
	}
	const wrong = "guardrails: [{guardrail_name: g, litellm_params: {guardrail: wrod, mode: pre_call}}]\n"
	for range 2 { // with another cache, and with the one in force
		if _, err := w.reload(strings.NewReplacer("map://one", "map://three", "%s", "b").Replace(cached) + wrong); !errors.Is(err, app.ErrConfig) {
			t.Fatal(err)
		}
	}
	if _, err := w.reload(strings.NewReplacer("map://one", "map://two", "%s", "b").Replace(cached) + wrong); !errors.Is(err, app.ErrConfig) {
		t.Fatal(err)
	}
	for i, s := range k.stores {
		if i > 1 != s.closed {
			t.Errorf("cache %d of %d is closed: %v, and the second one is in force", i, len(k.stores), s.closed)
		}
	}
	k.stores = k.stores[:2]
}

// The page of the cache shows no secret, wherever it stands.
func TestCachePageShowsNoSecret(t *testing.T) {
	w, _, err := openKinds(t, &kinds{}, chatModel+"litellm_settings: {cache: true, cache_params: {type: map, url: 'redis://user:hidden1@host:1/0', password: hidden2, pgvector_url: 'postgres://host/db?password=hidden3', namespace: ns}}\n")
	if err != nil {
		t.Fatal(err)
	}
	got := w.do("GET", "/cache/ping", "")
	if got.Code != 200 || strings.Contains(got.Body.String(), "hidden") || !strings.Contains(got.Body.String(), `"namespace":"ns"`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// A check finds the faults of a cache without making anything.
func TestCheckLooksAtTheCache(t *testing.T) {
	for params, want := range map[string]string{
		"type: disk, disk_cache_dir: DIR/made, max_size_mb: 0":                             "max_size_mb: must be at least 1",
		"type: disk, disk_cache_dir: DIR/made, odd: 1":                                     "cache_params.odd: the cache disk has no such setting",
		"type: qdrant-semantic, similarity_threshold: 0.9":                                 "qdrant_collection_name: is missing",
		"type: local-semantic, similarity_threshold: 2, semantic_cache_embedding_model: m": "must be above 0",
		"type: redis, host: 127.0.0.1, port: many":                                         "cache_params.port",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, []byte(chatModel+"litellm_settings: {cache: true, cache_params: {"+strings.ReplaceAll(params, "DIR", dir)+"}}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := options(&upstreams{}, file, &bytes.Buffer{})
		o.Integrations = app.Integrations{Caches: builtin.Caches()}
		var said strings.Builder
		for _, d := range app.Check(o) {
			said.WriteString(d.String() + "\n")
		}
		if !strings.Contains(said.String(), want) {
			t.Errorf("%s\n%s", params, said.String())
		}
		if _, err := os.Stat(filepath.Join(dir, "made")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a folder was made: %v", params, err)
		}
	}
}

// Every integration can be tried, without serving and in a gateway that runs; what fails says so.
func TestTry(t *testing.T) {
	yaml := chatModel + "guardrails: [{guardrail_name: g, litellm_params: {guardrail: word, word: evil, mode: pre_call}}]\n" +
		"litellm_settings: {cache: true, cache_params: {type: map}, callbacks: [sink]}\n"
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, away := range []error{nil, errors.New("connection refused; is it started?")} {
		k := &kinds{away: away}
		o := options(&upstreams{}, file, &bytes.Buffer{})
		o.Integrations = k.integrations()
		tried, found := app.Try(t.Context(), o)
		if found.HasErrors() || len(tried) != 3 {
			t.Fatal(found, tried)
		}
		for i, kind := range []string{"guardrail", "callback", "cache"} {
			if tried[i].Kind != kind || (tried[i].Err == nil) != (away == nil) {
				t.Errorf("%+v", tried[i])
			}
		}
		w, _, err := openKinds(t, k, yaml)
		if err != nil {
			t.Fatal(err)
		}
		got := w.do("GET", "/health/services", "")
		if ok := strings.Count(got.Body.String(), `"status":"success"`); got.Code != 200 || (ok == 3) != (away == nil) {
			t.Errorf("%d %s", got.Code, got.Body)
		}
		one := w.do("GET", "/health/services?service=sink", "")
		if want := map[bool]int{true: 200, false: 500}[away == nil]; one.Code != want || away != nil && !strings.Contains(one.Body.String(), "is it started?") {
			t.Errorf("%d %s", one.Code, one.Body)
		}
		if got := w.do("GET", "/health/services?service=ghost", ""); got.Code != 422 || !strings.Contains(got.Body.String(), "word, sink, map") {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
}
