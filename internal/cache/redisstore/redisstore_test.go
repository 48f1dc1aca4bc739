package redisstore_test

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/redisconn"
	"tollgate/internal/cache/redisstore"
	"tollgate/internal/setting"
	"tollgate/internal/testkit"
)

// opener opens a cache with settings and variables.
func opener(values map[string]any, env map[string]string) func(t *testing.T, namespace string) cache.Store {
	return func(t *testing.T, namespace string) cache.Store {
		t.Helper()
		all := maps.Clone(values)
		if all == nil {
			all = map[string]any{}
		}
		all["namespace"] = namespace
		m := setting.New("cache_params", all, func(name string) string { return env[name] })
		s, err := redisstore.Open(m, redisconn.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if unknown := m.Unknown(); len(unknown) > 0 {
			t.Errorf("nobody asked for %v", unknown)
		}
		return s
	}
}

func hostPort(addr string) (host string, port json.Number) {
	host, p, _ := net.SplitHostPort(addr) // as testkit wrote it
	return host, json.Number(p)
}

func TestSingle(t *testing.T) {
	t.Parallel()
	server := testkit.RedisServer(t)
	host, port := hostPort(server.Addr)
	cachetest.RunStore(t, cachetest.StoreWorld{
		Open:   opener(map[string]any{"host": host, "port": port, "redis_flush_size": json.Number("64"), "socket_timeout": json.Number("5")}, nil),
		Server: server, Largest: 32 << 20,
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()
	nodes := testkit.RedisCluster(t)
	host, port := hostPort(nodes[1].Addr)
	cachetest.RunStore(t, cachetest.StoreWorld{Open: opener(map[string]any{"redis_startup_nodes": []any{map[string]any{"host": host, "port": port}}}, nil)})
}

// The master is gone: the replica that takes its place is asked.
func TestSentinel(t *testing.T) {
	t.Parallel()
	sentinel, master := testkit.RedisSentinel(t)
	host, port := hostPort(sentinel.Addr)
	open := opener(map[string]any{"sentinel_nodes": []any{[]any{host, port}}, "service_name": "main"}, nil)
	cachetest.RunStore(t, cachetest.StoreWorld{Open: open})
	s := open(t, "failover")
	defer s.Close()
	if err := s.Set(t.Context(), "k", []byte("before"), time.Hour); err != nil {
		t.Fatal(err)
	}
	master.Stop()
	begun := time.Now()
	for deadline := begun.Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // between two tries
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := s.Set(ctx, "k", []byte("after"), time.Hour)
		cancel()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if v, err := s.Get(t.Context(), "k"); err != nil || string(v) != "after" {
		t.Errorf("got %q, %v", v, err)
	}
	t.Logf("served again %v after the master's end", time.Since(begun))
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, ca, password := testkit.RedisTLS(t)
	host, port := hostPort(server.Addr)
	good := map[string]any{"host": host, "port": port, "password": password, "ssl": true, "ssl_ca_certs": ca}
	cachetest.RunStore(t, cachetest.StoreWorld{Open: opener(good, nil), Server: server, Entries: 300, Largest: 1 << 20})
	with := func(changes map[string]any) map[string]any {
		all := maps.Clone(good)
		maps.Copy(all, changes)
		return all
	}
	for _, c := range []struct {
		name   string
		values map[string]any
		env    map[string]string
		fails  string // "" = it works
	}{
		{"by URL", map[string]any{"url": "rediss://:" + password + "@" + server.Addr + "/0", "ssl_ca_certs": ca}, nil, ""},
		{"redis-py's query", map[string]any{"url": "rediss://:" + password + "@" + server.Addr + "/0?ssl_cert_reqs=none"}, nil, ""},
		{"variables", nil, map[string]string{"REDIS_HOST": host, "REDIS_PORT": port.String(), "REDIS_PASSWORD": password, "REDIS_SSL": "True", "REDIS_SSL_CA_CERTS": ca}, ""},
		{"not verified", with(map[string]any{"ssl_ca_certs": nil, "ssl_cert_reqs": "none"}), nil, ""},
		{"another name", with(map[string]any{"host": "localhost"}), nil, "certificate"},
		{"the name is not checked", with(map[string]any{"host": "localhost", "ssl_check_hostname": false}), nil, ""},
		{"the name is not checked, the chain is", with(map[string]any{"ssl_check_hostname": false, "ssl_ca_certs": nil}), nil, "certificate"},
		{"an unknown authority", with(map[string]any{"ssl_ca_certs": nil}), nil, "certificate"},
		{"no TLS", with(map[string]any{"ssl": false}), nil, ""},
		{"a wrong password", with(map[string]any{"password": "open-sesame"}), nil, "WRONGPASS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := opener(c.values, c.env)(t, "")
			defer s.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			err := s.Ping(ctx)
			if wantOK := c.fails == "" && c.name != "no TLS"; wantOK != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "open-sesame")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Every variable stands in for its setting.
func TestVariables(t *testing.T) {
	t.Parallel()
	single, cluster := testkit.RedisServer(t), testkit.RedisCluster(t)
	sentinel, _ := testkit.RedisSentinel(t)
	host, port := hostPort(single.Addr)
	clusterHost, clusterPort := hostPort(cluster[0].Addr)
	sentinelHost, sentinelPort := hostPort(sentinel.Addr)
	for name, env := range map[string]map[string]string{
		"host":      {"REDIS_HOST": host, "REDIS_PORT": port.String(), "REDIS_DB": "3"},
		"url":       {"REDIS_URL": "redis://" + single.Addr + "/2", "REDIS_HOST": "256.0.0.1"},
		"cluster":   {"REDIS_CLUSTER_NODES": `[{"host": "` + clusterHost + `", "port": "` + clusterPort.String() + `"}]`, "REDIS_HOST": "256.0.0.1"},
		"sentinels": {"REDIS_SENTINEL_NODES": `[["` + sentinelHost + `", ` + sentinelPort.String() + `]]`, "REDIS_SERVICE_NAME": "main"},
	} {
		t.Run(name, func(t *testing.T) {
			s := opener(nil, env)(t, "")
			defer s.Close()
			if err := s.Set(t.Context(), "k", []byte("v"), time.Minute); err != nil {
				t.Fatal(err)
			}
			info, err := s.(cache.Informer).Info(t.Context())
			if err != nil || info.Server["tcp_port"] == "" || len(info.Clients) == 0 || info.Clients[0]["addr"] == "" {
				t.Errorf("Info: %+v, %v", info, err)
			}
			if name == "cluster" && len(info.Clients) < len(cluster) {
				t.Errorf("Info has the clients of some nodes: %d", len(info.Clients))
			}
			if db, ok := map[string]string{"host": "db3", "url": "db2"}[name]; ok && info.Server[db] == "" {
				t.Errorf("the entry is not in %s: %v", db, info.Server)
			}
		})
	}
}

// An entry that names no life has the one of the settings, and other uses of the database are left alone.
func TestBesideOthers(t *testing.T) {
	t.Parallel()
	server := testkit.RedisServer(t)
	host, port := hostPort(server.Addr)
	open := opener(map[string]any{"host": host, "port": port}, nil)
	s, other := open(t, ""), open(t, "other")
	defer s.Close()
	defer other.Close()
	for _, c := range []cache.Store{s, other} {
		if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
			t.Fatal(err)
		}
	}
	raw := testkit.RedisCommand(t, server, "TTL", "tollgate:cache::k")
	if ttl, _ := strconv.Atoi(raw); ttl < 30 || ttl > 60 {
		t.Errorf("TTL %s, want LiteLLM's 60 s", raw)
	}
	testkit.RedisCommand(t, server, "SET", "tollgate:limits", "1")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(t.Context(), "k"); err != nil {
		t.Errorf("another namespace: %v", err)
	}
	if got := testkit.RedisCommand(t, server, "GET", "tollgate:limits"); got != "1" {
		t.Errorf("another use of the database: %s", got)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		values map[string]any
		env    map[string]string
		want   string
	}{
		{"nothing", nil, nil, "cache_params.host: is missing"},
		{"a port", map[string]any{"host": "h", "port": "x"}, nil, "cache_params.port: must be a whole number"},
		{"a URL", map[string]any{"url": "redis://:open-sesame@host:port:1/x"}, nil, "cache_params.url: the URL is not redis://"},
		{"nodes", map[string]any{"redis_startup_nodes": []any{"a:1"}}, nil, "cache_params.redis_startup_nodes: must be a list such as"},
		{"nodes without a port", nil, map[string]string{"REDIS_CLUSTER_NODES": `[{"host": "a"}]`}, "cache_params.redis_startup_nodes: must be a list such as"},
		{"a database of a cluster", map[string]any{"db": json.Number("2"), "redis_startup_nodes": []any{map[string]any{"host": "a", "port": json.Number("1")}}}, nil, "cache_params.db: must be 0 for a cluster"},
		{"sentinels", map[string]any{"sentinel_nodes": []any{[]any{"a"}}}, nil, "cache_params.sentinel_nodes: must be a list such as"},
		{"sentinels without a name", map[string]any{"sentinel_nodes": []any{[]any{"a", json.Number("26379")}}}, nil, "cache_params.service_name: is missing"},
		{"verification", map[string]any{"host": "h", "ssl": true, "ssl_cert_reqs": "maybe"}, nil, "cache_params.ssl_cert_reqs: must be one of"},
		{"authorities", map[string]any{"host": "h", "ssl": true, "ssl_ca_certs": "/does/not/exist"}, nil, "cache_params.ssl_ca_certs: open /does/not/exist"},
		{"authorities that are none", map[string]any{"host": "h", "ssl": true, "ssl_ca_data": "x"}, nil, "cache_params.ssl_ca_data: holds no certificate"},
		{"half a pair", map[string]any{"host": "h", "ssl": true, "ssl_certfile": "/x"}, nil, "go together"},
		{"IAM", map[string]any{"host": "h", "gcp_service_account": "projects/-/serviceAccounts/a"}, nil, "cache_params.gcp_service_account: is not served"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := redisstore.Open(setting.New("cache_params", c.values, func(name string) string { return c.env[name] }), redisconn.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "open-sesame") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func BenchmarkRedis(b *testing.B) {
	host, port := hostPort(testkit.Redis(b))
	s, err := redisstore.Open(setting.New("cache_params", map[string]any{"host": host, "port": port}, nil), redisconn.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cachetest.BenchStore(b, s)
}
