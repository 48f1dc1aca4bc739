package cache

import (
	"strconv"
	"time"

	"tollgate/internal/setting"
)

// DefaultEmbeddingModel is the model_name that embeds prompts where none is configured (LiteLLM's).
const DefaultEmbeddingModel = "text-embedding-ada-002"

// ReadOptions reads what all kinds of caches have in common out of cache_params. The stores, Scope, Groups, Log, Observer and
// About are left to who opens the cache.
func ReadOptions(s *setting.Map) (Options, error) {
	o := Options{Namespace: s.Text("namespace"), TTL: s.Seconds("ttl", 0), OptIn: s.Choice("mode", "default_on", "default_off") == "default_off"}
	if err := checkNamespace(o.Namespace); err != nil {
		s.Fault("namespace", "must be at most %d signs of ASCII without spaces", longestNamespace)
	}
	if s.Has("supported_call_types") {
		o.CallTypes = append([]string{}, s.Texts("supported_call_types")...) // an empty list caches nothing
	}
	if text := s.Getenv("CACHED_STREAMING_CHUNK_DELAY"); text != "" {
		delay, err := strconv.ParseFloat(text, 64)
		if err != nil || delay < 0 || delay > longestDelay.Seconds() {
			s.Fault("", "the environment variable CACHED_STREAMING_CHUNK_DELAY must be a number of seconds from 0 to %v", longestDelay.Seconds())
		}
		o.ChunkDelay = time.Duration(delay * float64(time.Second))
	}
	return o, s.Err()
}

// longestDelay bounds the pause between two chunks out of the cache.
const longestDelay = 10 * time.Second

// ReadSemantic reads what all caches that find by meaning have in common. Vectors are left to who opens the cache.
func ReadSemantic(s *setting.Map) (*Semantic, error) {
	m := &Semantic{
		Model: DefaultEmbeddingModel, Threshold: s.Number("similarity_threshold", 0), ByEndUser: s.Choice("semantic_cache_scope", "key", "end_user") == "end_user",
		Timeout: s.Seconds("semantic_cache_embedding_timeout", standardEmbedTimeout), MostTokens: s.Int("semantic_cache_embedding_max_input_tokens", standardMostTokens),
	}
	for _, name := range [...]string{"semantic_cache_embedding_model", "qdrant_semantic_cache_embedding_model", "redis_semantic_cache_embedding_model", "valkey_semantic_cache_embedding_model"} {
		if model := s.Text(name); model != "" {
			m.Model = model
		}
	}
	switch {
	case !s.Has("similarity_threshold"):
		s.Fault("similarity_threshold", "is missing; 0.8 takes what means nearly the same, 1 only what is equal")
	case m.Threshold <= 0 || m.Threshold > 1:
		s.Fault("similarity_threshold", "must be more than 0 and at most 1")
	}
	return m, s.Err()
}
