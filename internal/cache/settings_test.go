package cache

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"tollgate/internal/setting"
)

func settings(t *testing.T, text string, env map[string]string) *setting.Map {
	t.Helper()
	values := map[string]any{}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		t.Fatal(err)
	}
	return setting.New("cache_params", values, func(name string) string { return env[name] })
}

func TestReadOptions(t *testing.T) {
	for text, want := range map[string]Options{
		`{}`: {},
		`{"namespace":"a","ttl":90,"mode":"default_off","supported_call_types":["acompletion"]}`: {Namespace: "a", TTL: 90 * time.Second, OptIn: true, CallTypes: []string{"acompletion"}},
		`{"supported_call_types":[]}`: {CallTypes: []string{}},
	} {
		got, err := ReadOptions(settings(t, text, nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if o, err := ReadOptions(settings(t, `{}`, map[string]string{"CACHED_STREAMING_CHUNK_DELAY": "0.02"})); err != nil || o.ChunkDelay != 20*time.Millisecond {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{`{"mode":"on"}`, `{"ttl":-1}`, `{"namespace":"a b"}`, `{"supported_call_types":5}`} {
		if _, err := ReadOptions(settings(t, bad, nil)); err == nil || !strings.HasPrefix(err.Error(), "cache_params.") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := ReadOptions(settings(t, `{}`, map[string]string{"CACHED_STREAMING_CHUNK_DELAY": "soon"})); err == nil {
		t.Error("a delay that is no number was taken")
	}
}

func TestReadSemantic(t *testing.T) {
	got, err := ReadSemantic(settings(t, `{"similarity_threshold":0.8}`, nil))
	if err != nil || *got != (Semantic{Model: "text-embedding-ada-002", Threshold: 0.8, Timeout: 5 * time.Second, MostTokens: 8191}) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = ReadSemantic(settings(t, `{"similarity_threshold":1,"qdrant_semantic_cache_embedding_model":"cohere","semantic_cache_scope":"end_user","semantic_cache_embedding_timeout":2,"semantic_cache_embedding_max_input_tokens":512}`, nil))
	if err != nil || *got != (Semantic{Model: "cohere", Threshold: 1, ByEndUser: true, Timeout: 2 * time.Second, MostTokens: 512}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{`{}`, `{"similarity_threshold":0}`, `{"similarity_threshold":1.1}`, `{"similarity_threshold":0.8,"semantic_cache_scope":"all"}`} {
		if _, err := ReadSemantic(settings(t, bad, nil)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
