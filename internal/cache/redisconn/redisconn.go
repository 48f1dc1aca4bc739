// Package redisconn connects to the Redis or Valkey that cache_params and LiteLLM's REDIS_* variables name: one server, a
// cluster, or a master behind sentinels, with or without TLS. It is shared by the caches that live there.
package redisconn

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"tollgate/internal/redis"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
)

// DefaultTimeout bounds one command where socket_timeout does not: LiteLLM's 5 s. A lookup has its own, shorter one.
const DefaultTimeout = 5 * time.Second

// Options is what the gateway gives to a cache in Redis.
type Options struct {
	// TLS is the base of TLS connections: the roots that the gateway trusts. nil = the system's.
	TLS *tls.Config
	Log *slog.Logger // nil = slog.Default
}

// Open reads the settings and prepares a client. It does not connect. Faults of settings are noted in settings and returned.
func Open(settings *setting.Map, o Options) (goredis.UniversalClient, error) {
	r := read(settings, o)
	if len(r.Addrs) == 0 && r.URL.Empty() {
		settings.Fault("host", "is missing; give it here or in REDIS_HOST, or an url (REDIS_URL), redis_startup_nodes (REDIS_CLUSTER_NODES) or sentinel_nodes (REDIS_SENTINEL_NODES)")
	}
	if err := settings.Err(); err != nil {
		return nil, err
	}
	client, err := redis.Connect(r)
	if err != nil {
		settings.Fault("url", "%s", strings.TrimPrefix(err.Error(), "redis: "))
		return nil, settings.Err()
	}
	return client, nil
}

// read turns the settings into the options of a client.
func read(m *setting.Map, o Options) redis.Options {
	r := redis.Options{
		Username: m.Text("username", "REDIS_USERNAME"),
		Password: m.Secret("password", "REDIS_PASSWORD"),
		DB:       m.Int("db", 0, "REDIS_DB"),
		Timeout:  m.Seconds("socket_timeout", DefaultTimeout, "REDIS_SOCKET_TIMEOUT"),
		PoolSize: m.Int("max_connections", 0, "REDIS_MAX_CONNECTIONS"),
		Log:      o.Log,
	}
	if r.Timeout == 0 {
		r.Timeout = DefaultTimeout // 0 would be no time at all; LiteLLM's null is no limit, which a gateway does not want
	}
	refuse(m)
	address, query := address(m)
	r.URL = secret.New(address)
	host := place(m, &r)
	r.TLS = transport(m, o.TLS, strings.HasPrefix(address, "rediss://"), query, host)
	return r
}

// address reads the URL, and takes out of it what redis-py reads there and the library does not know.
func address(m *setting.Map) (text string, ssl url.Values) {
	text = m.Text("url", "REDIS_URL")
	u, err := url.Parse(text)
	if err != nil {
		return text, nil // the library refuses it, without showing it
	}
	query := u.Query()
	ssl = url.Values{}
	for name := range query {
		if strings.HasPrefix(name, "ssl_") {
			ssl[name] = query[name]
			query.Del(name)
		}
	}
	if len(ssl) == 0 {
		return text, nil
	}
	u.RawQuery = query.Encode()
	return u.String(), ssl
}

// place says which servers are asked, and returns the name that a certificate must have, "" = that of each address. As
// LiteLLM does, an URL goes before all else, then a cluster, sentinels, and one host.
func place(m *setting.Map, r *redis.Options) (host string) {
	nodes := clusterNodes(m)
	sentinels := sentinelNodes(m)
	r.Master = m.Text("service_name", "REDIS_SERVICE_NAME")
	r.SentinelUsername = m.Text("sentinel_username", "REDIS_SENTINEL_USERNAME")
	r.SentinelPassword = m.Secret("sentinel_password", "REDIS_SENTINEL_PASSWORD")
	name, port := m.Text("host", "REDIS_HOST"), m.Int("port", 6379, "REDIS_PORT")
	switch {
	case !r.URL.Empty():
		r.Master = ""
	case len(nodes) > 0:
		r.Addrs, r.Cluster, r.Master = nodes, true, ""
		if r.DB != 0 {
			m.Fault("db", "must be 0 for a cluster, which has one database")
		}
	case len(sentinels) > 0:
		r.Addrs = sentinels
		if r.Master == "" {
			m.Fault("service_name", "is missing; the name by which the sentinels know the master, here or in REDIS_SERVICE_NAME")
		}
	case name != "":
		r.Addrs, r.Master = []string{net.JoinHostPort(name, strconv.Itoa(port))}, ""
		return name
	}
	return ""
}

// refuse notes what is asked for and not served.
func refuse(m *setting.Map) {
	for _, name := range []string{"gcp_service_account", "gcp_ssl_ca_certs"} {
		if !secret.New(m.Text(name, "REDIS_"+strings.ToUpper(name))).Empty() {
			m.Fault(name, "is not served: access tokens of Google Cloud's IAM are not fetched here; give the instance a password (AUTH) and set password or REDIS_PASSWORD, with ssl_ca_certs for its authority")
		}
	}
}
