//go:build seaweedfs

package s3store_test

import (
	"testing"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/testkit"
)

// SeaweedFS takes minutes to build, so these tests have a tag of their own: make test-integrations.

func TestSeaweedFS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.SeaweedFS(t))
	gate := cachetest.NewGate(t, w.server.Addr) // SeaweedFS takes half a minute to stop and to start
	w.values["s3_endpoint_url"] = "http://" + gate.Addr
	cachetest.RunStore(t, cachetest.StoreWorld{
		Open: func(t *testing.T, namespace string) cache.Store {
			return w.open(t, map[string]any{"namespace": namespace}, nil)
		},
		Server: gate, Entries: 1100,
	})
	w.own(t)
}

func BenchmarkSeaweedFS(b *testing.B) {
	cachetest.BenchStore(b, newWorld(b, testkit.SeaweedFS(b)).open(b, nil, nil))
}
