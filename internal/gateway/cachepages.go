package gateway

import (
	"encoding/json"
	"io"
	"net/http"

	"tollgate/internal/apierr"
	"tollgate/internal/cache"
)

// cacheOr503 is the cache; without one the caller is told so.
func (g *Gateway) cacheOr503(w http.ResponseWriter) *cache.Cache {
	c := g.snap.Load().Cache
	if c == nil {
		cacheTrouble("No cache is configured. Set litellm_settings.cache: true and litellm_settings.cache_params.", nil).Write(w)
	}
	return c
}

func cacheTrouble(message string, cause error) *apierr.Error {
	return (&apierr.Error{Status: http.StatusServiceUnavailable, Type: "cache_ping_error", Param: "cache", Message: message, Cause: cause}).NoRetry()
}

// cachePing is GET /cache/ping: the cache is asked, and an entry is written and removed.
func (g *Gateway) cachePing(w http.ResponseWriter, r *http.Request, _ visit) {
	c := g.cacheOr503(w)
	if c == nil {
		return
	}
	about := c.About()
	if err := c.Ping(r.Context()); err != nil {
		cacheTrouble("Service Unhealthy: the cache of type "+about.Type+" does not answer; the log has the reason.", err).Write(w)
		g.opts.Log.Warn("the cache does not answer", "type", about.Type, "error", err)
		return
	}
	params, err := json.Marshal(about.Settings)
	if err != nil {
		params = []byte("{}")
	}
	writeJSON(w, map[string]any{
		"status": "healthy", "cache_type": about.Type, "ping_response": true, "set_cache_response": "success",
		"litellm_cache_params": string(params), "health_check_cache_params": about.Settings,
	})
}

// mostDeleted bounds the body of cacheDelete, in bytes.
const mostDeleted = 1 << 20

// cacheDelete is POST /cache/delete: entries are removed by the keys that x-litellm-cache-key has told.
func (g *Gateway) cacheDelete(w http.ResponseWriter, r *http.Request, _ visit) {
	var asked struct {
		Keys []string `json:"keys"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostDeleted))
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil || len(asked.Keys) == 0 {
		(&apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "keys", Message: `Send {"keys": ["..."]}, the keys as x-litellm-cache-key tells them.`}).Write(w)
		return
	}
	if c := g.cacheOr503(w); c != nil {
		g.cacheDone(w, c.Delete(r.Context(), asked.Keys...))
	}
}

// cacheFlush is POST /cache/flushall: every entry of this cache is removed, and nothing else that its server holds.
func (g *Gateway) cacheFlush(w http.ResponseWriter, r *http.Request, _ visit) {
	if c := g.cacheOr503(w); c != nil {
		g.cacheDone(w, c.Flush(r.Context()))
	}
}

func (g *Gateway) cacheDone(w http.ResponseWriter, err error) {
	if err != nil {
		g.opts.Log.Warn("the cache could not be changed", "error", err)
		cacheTrouble("The cache did not do it; the log has the reason.", err).Write(w)
		return
	}
	writeJSON(w, map[string]string{"status": "success"})
}

// cacheInfo is GET /cache/redis/info: what the Redis behind the cache says of itself.
func (g *Gateway) cacheInfo(w http.ResponseWriter, r *http.Request, _ visit) {
	c := g.cacheOr503(w)
	if c == nil {
		return
	}
	info, ok, err := c.Info(r.Context())
	if !ok {
		(&apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "The cache of type " + c.About().Type + " has no Redis to tell of."}).Write(w)
		return
	}
	if err != nil {
		g.cacheDone(w, err)
		return
	}
	writeJSON(w, map[string]any{"num_clients": len(info.Clients), "clients": info.Clients, "info": info.Server})
}
