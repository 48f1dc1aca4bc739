package pgvector

import (
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate/internal/setting"
)

// address reads pgvector_url, or DATABASE_URL, whose parameters of Prisma are understood where they mean something here. It
// returns the schema that the URL names, "" = the server's default.
func address(m *setting.Map) (config *pgxpool.Config, schema string) {
	const name = "pgvector_url"
	text := m.Need(name, "PGVECTOR_URL", "DATABASE_URL")
	if text == "" {
		return nil, ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		m.Fault(name, "must be postgres://user:password@host:5432/name; characters such as @ : / ? # in the password are written as %%40 %%3A %%2F %%3F %%23")
		return nil, ""
	}
	q, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, "+", "%2B"))
	if err != nil {
		m.Fault(name, "has parameters that cannot be read")
		return nil, ""
	}
	schema = q.Get("schema")
	if q.Get("sslaccept") == "strict" && (q.Get("sslmode") == "require" || q.Get("sslmode") == "") {
		q.Set("sslmode", "verify-full")
	}
	for _, prisma := range []string{"schema", "sslaccept", "connection_limit", "pgbouncer", "pool_timeout", "socket_timeout", "statement_cache_size",
		"single_use_connections", "max_idle_connection_lifetime", "max_connection_lifetime"} {
		q.Del(prisma)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	if config, err = pgxpool.ParseConfig(u.String()); err != nil {
		m.Fault(name, "cannot be read: see its host, port and sslmode") // the library's error repeats the URL
		return nil, ""
	}
	if !q.Has("connect_timeout") {
		config.ConnConfig.ConnectTimeout = timeout
	}
	// No statement stays prepared on the server: right with and without a pooler, and one round trip.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "tollgate cache"
	}
	config.MinConns, config.MaxConnIdleTime, config.HealthCheckPeriod = 0, 5*time.Minute, 30*time.Second
	return config, schema
}
