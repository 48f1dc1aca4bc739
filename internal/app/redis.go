package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"

	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/redis"
	"tollgate/internal/secret"
)

// redisOptions say where Redis is: router_settings, and for a cluster, sentinels and TLS LiteLLM's environment variables.
// configured is false where nothing names one.
func (a *App) redisOptions(cfg *config.Config) (o redis.Options, configured bool, err error) {
	r := &cfg.Router
	lookup := a.environ.with(cfg.Environment)
	get := func(name string) string { value, _ := lookup(name); return value }
	o = redis.Options{
		URL: r.RedisURL, Username: get("REDIS_USERNAME"), Password: r.RedisPassword, DB: deref(r.RedisDB), Log: a.log,
		Master: get("REDIS_SERVICE_NAME"), SentinelUsername: get("REDIS_SENTINEL_USERNAME"), SentinelPassword: secret.New(get("REDIS_SENTINEL_PASSWORD")),
	}
	if o.Addrs, o.Cluster, err = redisNodes(get); err != nil {
		return o, false, err
	}
	if len(o.Addrs) == 0 && r.RedisHost != "" {
		o.Addrs = []string{net.JoinHostPort(r.RedisHost, strconv.Itoa(redisPort(r.RedisPort)))}
	}
	if on, _ := strconv.ParseBool(get("REDIS_SSL")); on {
		if o.TLS, err = egress.TLSConfig(extraCAs(cfg)); err != nil {
			return o, false, fmt.Errorf("app: %w", err)
		}
		if r.RedisHost != "" {
			o.TLS.ServerName = r.RedisHost
		}
	}
	return o, !o.URL.Empty() || len(o.Addrs) > 0, nil
}

func redisPort(port *int) int {
	if port == nil {
		return 6379
	}
	return *port
}

// redisNodes reads the nodes of a cluster, [{"host": "a", "port": 7001}], or of sentinels, [["a", 26379]].
func redisNodes(get func(string) string) (addrs []string, cluster bool, err error) {
	if text := get("REDIS_CLUSTER_NODES"); text != "" {
		var nodes []struct {
			Host string      `json:"host"`
			Port json.Number `json:"port"`
		}
		if json.Unmarshal([]byte(text), &nodes) != nil || len(nodes) == 0 {
			return nil, false, errors.New(`app: REDIS_CLUSTER_NODES is no list such as [{"host": "10.0.0.1", "port": 7001}]`)
		}
		for _, n := range nodes {
			addrs = append(addrs, net.JoinHostPort(n.Host, n.Port.String()))
		}
		return addrs, true, nil
	}
	if text := get("REDIS_SENTINEL_NODES"); text != "" {
		var nodes [][2]any
		if json.Unmarshal([]byte(text), &nodes) != nil || len(nodes) == 0 {
			return nil, false, errors.New(`app: REDIS_SENTINEL_NODES is no list such as [["10.0.0.1", 26379]]`)
		}
		for _, n := range nodes {
			addrs = append(addrs, net.JoinHostPort(fmt.Sprint(n[0]), fmt.Sprint(n[1])))
		}
	}
	return addrs, false, nil
}
