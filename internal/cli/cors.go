package cli

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// exposedHeaders are what a script in a browser may read of an answer.
var exposedHeaders = []string{
	"x-litellm-call-id", "x-litellm-model-id", "x-litellm-model-group", "x-litellm-model-api-base", "x-litellm-version", "x-litellm-response-cost",
	"x-litellm-key-spend", "x-litellm-attempted-retries", "x-litellm-attempted-fallbacks", "x-request-id", "retry-after", "x-tollgate-dropped-params", "x-tollgate-served-model",
	"x-litellm-key-max-budget", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
	"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-tollgate-truncated", "x-tollgate-next-cursor",
	"x-tollgate-ignored-fields", "x-tollgate-output-cap", "x-tollgate-budget-scope", "x-tollgate-budget-needed", "x-tollgate-budget-reset",
}

// corsHandler answers browsers as LiteLLM does: LITELLM_CORS_ORIGINS lists the origins ("*" when it is not set), and
// LITELLM_CORS_ALLOW_CREDENTIALS allows cookies. With "*" among the origins no credentials are allowed, whatever is set:
// any site could use them.
func corsHandler(env *Environment, next http.Handler) http.Handler {
	origins := []string{"*"}
	if text, ok := env.LookupEnv("LITELLM_CORS_ORIGINS"); ok && strings.TrimSpace(text) != "" {
		origins = nil
		for _, o := range strings.Split(text, ",") {
			origins = append(origins, strings.TrimSpace(o))
		}
	}
	credentials, _ := env.LookupEnv("LITELLM_CORS_ALLOW_CREDENTIALS")
	return cors.New(cors.Options{
		AllowedOrigins: origins, AllowedHeaders: []string{"*"}, ExposedHeaders: exposedHeaders,
		AllowedMethods:   []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"},
		AllowCredentials: strings.EqualFold(credentials, "true") && !slices.Contains(origins, "*"),
		MaxAge:           600,
	}).Handler(next)
}
