package store

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// target is what a database URL says.
type target struct {
	config *pgxpool.Config
	schema string // made by Migrate
	pooler bool   // pgbouncer=true
}

// parseURL reads a PostgreSQL URL. The parameters of libpq mean what they mean to it (sslmode, sslrootcert,
// connect_timeout, application_name ...); those of Prisma, which a DATABASE_URL made for LiteLLM may have, are
// understood where they mean something here and left out otherwise. No error shows the URL, which holds a password.
func parseURL(text string) (target, error) {
	var t target
	scheme, _, found := strings.Cut(text, "://")
	if !found {
		return t, errors.New("store: the database URL has no scheme; postgres://user:password@host:5432/name is understood")
	}
	switch scheme {
	case "postgres", "postgresql":
	case "mysql", "sqlserver", "mongodb", "cockroachdb", "prisma", "prisma+postgres", "sqlite", "file":
		return t, fmt.Errorf("store: a database URL of %s:// is not supported: postgres:// and postgresql:// are; without a URL a SQLite file in the data directory is used", scheme)
	default:
		return t, errors.New("store: the scheme of the database URL is not supported: postgres:// and postgresql:// are")
	}
	u, err := url.Parse(text)
	if err != nil {
		return t, errors.New("store: the database URL cannot be read; characters such as @ : / ? # in the password must be written as %40 %3A %2F %3F %23")
	}
	// As libpq has it, a plus sign is one: a password or an option with a plus survives.
	q, err := url.ParseQuery(strings.ReplaceAll(u.RawQuery, "+", "%2B"))
	if err != nil {
		return t, errors.New("store: the parameters of the database URL cannot be read")
	}
	limit, err := t.prisma(q)
	if err != nil {
		return t, err
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	if t.config, err = pgxpool.ParseConfig(u.String()); err != nil {
		return t, fmt.Errorf("store: the database URL: %w", errors.New(cause(err)))
	}
	if limit > 0 {
		t.config.MaxConns = limit
	} else if !q.Has("pool_max_conns") {
		t.config.MaxConns = defaultMaxConns
	}
	if !q.Has("connect_timeout") {
		t.config.ConnConfig.ConnectTimeout = defaultConnectTimeout
	}
	if t.schema != "" {
		t.config.ConnConfig.RuntimeParams["search_path"] = strconv.Quote(t.schema)
	}
	if t.config.ConnConfig.RuntimeParams["application_name"] == "" {
		t.config.ConnConfig.RuntimeParams["application_name"] = "tollgate"
	}
	return t, nil
}

// prisma takes Prisma's parameters out of q and returns connection_limit.
// https://www.prisma.io/docs/orm/core-concepts/supported-databases/postgresql
func (t *target) prisma(q url.Values) (limit int32, err error) {
	take := func(name string) string {
		v := q.Get(name)
		q.Del(name)
		return v
	}
	if n, err := strconv.ParseInt(take("connection_limit"), 10, 32); err == nil && n > 0 {
		limit = int32(n)
	}
	t.schema = take("schema")
	t.pooler, _ = strconv.ParseBool(take("pgbouncer"))
	if v := q.Get("connect_timeout"); v == "0" {
		q.Del("connect_timeout") // Prisma: no timeout, which nobody wants of a server that is away
	}
	accept := take("sslaccept")
	if accept == "strict" && (q.Get("sslmode") == "require" || q.Get("sslmode") == "") {
		q.Set("sslmode", "verify-full")
	}
	if q.Has("sslcert") && !q.Has("sslkey") && !q.Has("sslrootcert") {
		q.Set("sslrootcert", take("sslcert")) // Prisma's name for the certificate of the authority
	}
	if take("sslidentity") != "" {
		return 0, errors.New("store: sslidentity (PKCS #12) of the database URL is not supported: give sslcert and sslkey in PEM")
	}
	for _, name := range []string{"pool_timeout", "socket_timeout", "statement_cache_size", "single_use_connections", "max_idle_connection_lifetime", "max_connection_lifetime"} {
		q.Del(name)
	}
	return limit, nil
}

// cause is the reason of a pgconn.ParseConfigError without the URL, which the error's own text repeats.
func cause(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return "it cannot be read"
}

// bound puts what Options say over what the URL says.
func (t *target) bound(o Options) {
	if o.MaxConns > 0 {
		t.config.MaxConns = int32(o.MaxConns)
	}
	if o.ConnectTimeout > 0 {
		t.config.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	t.config.MaxConnIdleTime = 5 * time.Minute
	t.config.MaxConnLifetime = time.Hour
	t.config.MaxConnLifetimeJitter = 10 * time.Minute
	t.config.HealthCheckPeriod = 30 * time.Second
	t.config.PingTimeout = 2 * time.Second
}
