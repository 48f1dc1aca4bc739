package access

import (
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/apierr"
)

// keyHeaders are the places of a key in LiteLLM's order; the Authorization header stands second.
var keyHeaders = []string{"X-Litellm-Api-Key", "Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "Ocp-Apim-Subscription-Key"}

// IsKeyHeader reports whether a request header may carry a caller's key. Such a header never leaves the gateway.
func (g *Gate) IsKeyHeader(name string) bool {
	return (g.opts.KeyHeader != "" && strings.EqualFold(name, g.opts.KeyHeader)) ||
		slices.ContainsFunc(keyHeaders, func(h string) bool { return strings.EqualFold(h, name) })
}

// Key finds the caller's key in the request (LiteLLM's order of headers; source: its auth builder).
func (g *Gate) Key(r *http.Request) (string, *apierr.Error) {
	if g.opts.KeyHeader != "" {
		v := r.Header.Get(g.opts.KeyHeader)
		if v == "" {
			return "", noKey()
		}
		key, ok := cutBearer(v)
		if !ok {
			return "", malformedKey()
		}
		return key, nil
	}
	for _, name := range keyHeaders {
		v := strings.TrimSpace(r.Header.Get(name))
		if v == "" {
			continue
		}
		key, prefixed := cutBearer(v)
		if name == "Authorization" && !prefixed {
			return "", malformedKey()
		}
		if key != "" {
			return key, nil
		}
	}
	return "", noKey()
}

// cutBearer understands "Bearer X", "bearer X", "Basic X" (X raw) and the SigV4 form that carries a bearer key
// in its Credential.
func cutBearer(v string) (key string, ok bool) {
	scheme, rest, found := strings.Cut(v, " ")
	if !found {
		return v, false
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"), scheme == "Basic":
		return strings.TrimSpace(rest), true
	case scheme == "AWS4-HMAC-SHA256":
		if _, cred, ok := strings.Cut(rest, "Credential=Bearer "); ok {
			key, _, _ = strings.Cut(cred, "/")
			return key, true
		}
	}
	return v, false
}
