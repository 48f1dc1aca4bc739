package redisconn_test

import (
	"strings"
	"testing"

	"tollgate/internal/cache/redisconn"
	"tollgate/internal/setting"
)

// Whatever the variables hold, there is a client or an error that names the setting.
func FuzzNodes(f *testing.F) {
	f.Add(`[{"host": "10.0.0.1", "port": 7001}]`, `[["10.0.0.1", 26379]]`, "rediss://u:p@h:1/0?ssl_cert_reqs=none")
	f.Add(`[{"host": "a", "port": "x"}]`, `[["a"]]`, "redis://h:p:1")
	f.Add(`{}`, `[[1,2]]`, "%")
	f.Fuzz(func(t *testing.T, nodes, sentinels, address string) {
		env := map[string]string{"REDIS_CLUSTER_NODES": nodes, "REDIS_SENTINEL_NODES": sentinels, "REDIS_URL": address, "REDIS_SERVICE_NAME": "main"}
		c, err := redisconn.Open(setting.New("cache_params", nil, func(name string) string { return env[name] }), redisconn.Options{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "cache_params.") {
				t.Errorf("got %v", err)
			}
			return
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
