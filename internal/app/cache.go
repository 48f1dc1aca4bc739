package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
)

// openedCache is the cache of a configuration. A reload that changes nothing of it keeps it, with what is in it.
type openedCache struct {
	cache *cache.Cache
	made  string            // what it was made of
	read  map[string]string // the variables that it was asked of when it was opened
}

// same reports whether a cache made of made, in an environment, would be this one.
func (o *openedCache) same(made string, getenv func(string) string) bool {
	if o == nil || o.made != made {
		return false
	}
	for name, value := range o.read {
		if getenv(name) != value {
			return false
		}
	}
	return true
}

// retire closes the backend once no call uses it any more.
func (o *openedCache) retire() {
	if o != nil {
		time.AfterFunc(time.Minute, func() { _ = o.cache.Close() })
	}
}

// abandonCache closes the cache of a configuration that is not taken, unless it is the one in force.
func (a *App) abandonCache(b *built) {
	if before := a.inForce.Load(); b.cache != nil && (before == nil || before.cache != b.cache) {
		_ = b.cache.cache.Close() // nobody has used it
	}
}

// openCache opens the cache that the configuration names. One that cannot be opened is left out and reported: calls do not
// depend on it.
func (a *App) openCache(b *built) {
	l := &b.config.Litellm
	if !l.Cache {
		return
	}
	values := b.cacheValues()
	kind, _ := values["type"].(string)
	openers := a.opts.Integrations.Caches
	if openers == nil {
		return
	}
	const path = "litellm_settings.cache_params"
	open, ok := openers[kind]
	if !ok {
		b.leaveOut(path+".type", errors.New(a.noCache(kind)))
		return
	}
	made, err := b.cacheMade(values)
	if err != nil {
		b.leaveOut(path, err)
		return
	}
	if before := a.inForce.Load(); before != nil && before.cache.same(made, b.getenv) {
		b.cache = before.cache
		b.probeCache(kind)
		return
	}
	read := map[string]string{}
	settings := setting.New(path, values, func(name string) string {
		read[name] = b.getenv(name)
		return read[name]
	})
	spec := cache.Spec{
		Settings: settings, Client: b.egress.HTTPClient(), Direct: &http.Client{Transport: b.egress.Direct(nil)}, Log: a.log, Check: a.checking,
	}
	if spec.TLS, err = egress.TLSConfig(b.way.caFile); err != nil {
		b.leaveOut(path, err)
		return
	}
	o, err := b.cacheOptions(settings)
	if err != nil {
		b.leaveOut(path, err)
		return
	}
	o.Log, o.Observer = a.log, a.cacheObserver()
	o.About = cache.About{Type: kind, Settings: shownParams(values)}
	store, vectors, err := open(spec)
	if err == nil {
		err = settings.Err()
	}
	if err != nil {
		b.leaveOut(path, err)
		return
	}
	if vectors != nil {
		if o.Semantic, err = b.semantic(settings, vectors); err != nil {
			b.leaveOut(path, errors.Join(err, vectors.Close()))
			return
		}
	} else {
		o.Store = store
	}
	for _, name := range settings.Unknown() {
		b.warnSetting(path+"."+name, fmt.Sprintf("the cache %s has no such setting", kind))
	}
	opened := cache.New(o)
	if a.checking {
		_ = opened.Close() // nothing was stored
		return
	}
	b.cache = &openedCache{cache: opened, made: made, read: read}
	b.probeCache(kind)
}

// shownParams are cache_params as /cache/ping shows them: without secrets, also those that an address holds.
func shownParams(values map[string]any) map[string]any {
	shown := maskedParams(values)
	for name, v := range shown {
		if text, ok := v.(string); ok && strings.Contains(text, "://") && strings.ContainsAny(text, "@?") {
			shown[name] = secret.Mask
		}
	}
	return shown
}

func (b *built) probeCache(kind string) {
	b.probes = append(b.probes, Probe{Kind: "cache", Name: "cache_params", Service: kind, Ping: b.cache.cache.Ping})
}

// cacheValues are cache_params, with what stands elsewhere in the file and without a type what LiteLLM means: Redis, or this
// process where there is none.
func (b *built) cacheValues() map[string]any {
	l := &b.config.Litellm
	values := map[string]any{}
	maps.Copy(values, l.CacheParams.JSON())
	if t, _ := values["type"].(string); t == "" {
		values["type"] = "local"
		for _, name := range [...]string{"REDIS_URL", "REDIS_HOST", "REDIS_CLUSTER_NODES", "REDIS_SENTINEL_NODES"} {
			if b.getenv(name) != "" {
				values["type"] = "redis"
			}
		}
		for _, name := range [...]string{"host", "url", "redis_startup_nodes", "sentinel_nodes"} {
			if values[name] != nil {
				values["type"] = "redis"
			}
		}
	}
	add := func(name string, d *time.Duration) {
		if d != nil && values[name] == nil {
			values[name] = json.Number(fmt.Sprint(d.Seconds()))
		}
	}
	switch kind := values["type"]; kind {
	case "local", "local-semantic", "disk":
		add("default_in_memory_ttl", l.DefaultMemoryTTL)
	case "redis":
		add("default_in_redis_ttl", l.DefaultRedisTTL)
	}
	return values
}

// cacheMade tells what a cache is made of, to see whether a reload changes it. It is not printed.
func (b *built) cacheMade(values map[string]any) (string, error) {
	text, err := json.Marshal([]any{values, b.way, b.config.Tollgate.CacheScope, b.config.Router.CachingGroups})
	return string(text), err
}

// cacheOptions reads what the engine is told, whatever the backend.
func (b *built) cacheOptions(s *setting.Map) (cache.Options, error) {
	s.Any("type")
	o := cache.Options{
		Namespace: s.Text("namespace", "REDIS_NAMESPACE"), TTL: s.Seconds("ttl", 0), OptIn: s.Choice("mode", "default_on", "default_off") == "default_off",
		CallTypes: s.Texts("supported_call_types"), Scope: cache.Scope(b.config.Tollgate.CacheScope),
		ChunkDelay: s.Seconds("", 0, "CACHED_STREAMING_CHUNK_DELAY"),
	}
	for _, group := range b.config.Router.CachingGroups {
		list, _ := group.([]any)
		var aliases []string
		for _, name := range list {
			alias, ok := name.(string)
			if !ok {
				return o, errors.New("router_settings.caching_groups must be a list of lists of aliases")
			}
			aliases = append(aliases, alias)
		}
		o.Groups = append(o.Groups, aliases)
	}
	return o, s.Err()
}

// semantic reads what a cache by meaning needs beside its backend.
func (b *built) semantic(s *setting.Map, vectors cache.Vectors) (*cache.Semantic, error) {
	if !s.Has("similarity_threshold") {
		s.Fault("similarity_threshold", "is missing: say how similar two questions must be to have one answer, 0.8 for example")
	}
	model := ""
	for _, name := range [...]string{"semantic_cache_embedding_model", "qdrant_semantic_cache_embedding_model", "redis_semantic_cache_embedding_model"} {
		if v := s.Text(name); v != "" {
			model = v
		}
	}
	if model == "" {
		model = "text-embedding-ada-002" // as LiteLLM has it
	}
	if !slices.ContainsFunc(b.config.Models, func(m config.Model) bool { return m.Name == model }) {
		s.Fault("", "the cache embeds questions with the model %q, which model_list does not have; name one of its embedding models in semantic_cache_embedding_model", model)
	}
	out := &cache.Semantic{
		Vectors: vectors, Model: model, Threshold: s.Number("similarity_threshold", 0), ByEndUser: s.Choice("semantic_cache_scope", "key", "end_user") == "end_user",
		Timeout: s.Seconds("semantic_cache_embedding_timeout", 0), MostTokens: s.Int("semantic_cache_embedding_max_input_tokens", 0),
	}
	if s.Has("similarity_threshold") && (out.Threshold <= 0 || out.Threshold > 1) {
		s.Fault("similarity_threshold", "must be above 0, which any two questions reach, and at most 1")
	}
	return out, s.Err()
}

// noCache says why a type is not served and what serves instead.
func (a *App) noCache(kind string) string {
	for _, d := range a.opts.Integrations.DeclinedCaches {
		if d.Name == kind {
			return kind + " is not served: " + d.Why
		}
	}
	return kind + " is not known; there are " + strings.Join(slices.Sorted(maps.Keys(a.opts.Integrations.Caches)), ", ")
}

// cacheObserver counts what the cache does.
func (a *App) cacheObserver() cache.Observer {
	return cacheCounts{a.opts.Metrics}
}
