// Package pgvector caches by meaning in a table of PostgreSQL with the extension pgvector.
package pgvector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate/internal/cache"
	"tollgate/internal/setting"
)

const (
	// DefaultTable is the table's name where pgvector_table gives none.
	DefaultTable = "tollgate_semantic_cache"
	// DefaultConnections bounds the pool, which is beside the store's.
	DefaultConnections = 4
	// DefaultTTL is how long an entry stays whose life nothing names: for ever would fill the table.
	DefaultTTL = 30 * 24 * time.Hour
	// sweepEvery is how often rows whose time is over are removed, swept is how many at once. They are never found, removed or not.
	sweepEvery = 10 * time.Minute
	swept      = 5000
	// rounding is what the similarity of equal vectors may fall short of 1, by the precision of the vectors' numbers.
	rounding = 1e-6
	// timeout bounds a call that has no shorter time of its own.
	timeout = 10 * time.Second
)

// Options is what the gateway gives to a cache in PostgreSQL.
type Options struct {
	Log *slog.Logger // nil = slog.Default
	// Now is the clock that says when to sweep; PostgreSQL's own says when an entry's time is over. nil = time.Now.
	Now func() time.Time
}

// Vectors is a cache in a table, which it makes at its first use. Safe for concurrent use.
type Vectors struct {
	pool      *pgxpool.Pool
	table     table
	namespace string
	ttl       time.Duration
	want      int // the size of vectors in a table that is made; 0 = that of the first one
	log       *slog.Logger
	now       func() time.Time
	swept     atomic.Int64 // when rows were swept last, in Unix milliseconds
	iterative atomic.Bool  // the extension can go on with its index until a row fits (0.8)
	size      atomic.Int64 // of the table's vectors; 0 = it is not known whether there is a table
}

var _ cache.Vectors = (*Vectors)(nil)

// Open reads the settings. It does not connect: a PostgreSQL that is away is tried again at every use.
func Open(settings *setting.Map, o Options) (*Vectors, error) {
	v := &Vectors{
		namespace: settings.Text("namespace"),
		ttl:       settings.Seconds("pgvector_default_ttl", DefaultTTL),
		want:      settings.Int("pgvector_vector_size", 0),
		log:       o.Log, now: o.Now,
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	config, schema := address(settings)
	v.table = tableOf(settings, schema)
	connections := settings.Int("pgvector_max_connections", DefaultConnections)
	if connections < 1 || connections > 1000 {
		settings.Fault("pgvector_max_connections", "must be between 1 and 1000")
	}
	if v.want > 16000 {
		settings.Fault("pgvector_vector_size", "must be at most 16000, pgvector's own bound")
	}
	if err := settings.Err(); err != nil {
		return nil, err
	}
	config.MaxConns = int32(connections)
	var err error
	if v.pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		return nil, fmt.Errorf("pgvector: %w", err)
	}
	return v, nil
}

// table is a table's name, quoted, and the part of it that its indexes' names begin with.
type table struct{ quoted, schema, name string }

// namePattern is what a table may be called: names that need no quotes, short enough for those of the indexes.
var namePattern = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,49}$`)

func tableOf(m *setting.Map, schema string) table {
	text := m.Text("pgvector_table")
	if text == "" {
		text = DefaultTable
	}
	if !namePattern.MatchString(text) {
		m.Fault("pgvector_table", "must be a name of at most 50 lower-case letters, digits and _, perhaps after a schema and a dot")
		return table{}
	}
	t := table{schema: schema, name: text}
	if before, after, found := strings.Cut(text, "."); found {
		t.schema, t.name = before, after
	}
	t.quoted = pgx.Identifier{t.name}.Sanitize()
	if t.schema != "" {
		t.quoted = pgx.Identifier{t.schema, t.name}.Sanitize()
	}
	return t
}

// Put implements cache.Vectors.
func (v *Vectors) Put(ctx context.Context, scope, id string, vector []float32, value []byte, ttl time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := v.prepare(ctx, len(vector)); err != nil {
		return err
	}
	if ttl <= 0 {
		ttl = v.ttl
	}
	if value == nil {
		value = []byte{} // nil would be NULL
	}
	_, err := v.pool.Exec(ctx, `INSERT INTO `+v.table.quoted+` (namespace, id, scope, embedding, value, expires_at)
		VALUES ($1, $2, $3, $4::text::vector, $5, now() + $6 * interval '1 microsecond')
		ON CONFLICT (namespace, id) DO UPDATE SET scope = excluded.scope, embedding = excluded.embedding, value = excluded.value, expires_at = excluded.expires_at`,
		v.namespace, id, scope, literal(vector), value, max(ttl.Microseconds(), 1))
	if v.gone(err) {
		v.size.Store(0) // somebody has dropped it: the next one makes it again
	}
	v.sweep(ctx)
	return wrap(err)
}

// literal is a vector as pgvector reads it.
func literal(vector []float32) string {
	b := make([]byte, 0, 2+12*len(vector))
	b = append(b, '[')
	for i, x := range vector {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return string(append(b, ']'))
}

// Delete implements cache.Vectors.
func (v *Vectors) Delete(ctx context.Context, ids ...string) error {
	return v.remove(ctx, ` WHERE namespace = $1 AND id = ANY($2)`, v.namespace, ids)
}

// Flush implements cache.Vectors.
func (v *Vectors) Flush(ctx context.Context) error {
	return v.remove(ctx, ` WHERE namespace = $1`, v.namespace)
}

// remove deletes rows. Without a table there are none.
func (v *Vectors) remove(ctx context.Context, which string, arguments ...any) error {
	_, err := v.pool.Exec(ctx, `DELETE FROM `+v.table.quoted+which, arguments...)
	if v.gone(err) {
		return nil
	}
	return wrap(err)
}

// sweep removes rows whose time is over, once in a while. That it fails is no fault of the entry that was put.
func (v *Vectors) sweep(ctx context.Context) {
	now := v.now().UnixMilli()
	last := v.swept.Load()
	if now-last < sweepEvery.Milliseconds() || !v.swept.CompareAndSwap(last, now) || last == 0 {
		return
	}
	which := ` WHERE ctid = ANY(ARRAY(SELECT ctid FROM ` + v.table.quoted + ` WHERE expires_at <= now() LIMIT $1))`
	if err := v.remove(ctx, which, swept); err != nil {
		v.log.WarnContext(ctx, "cache: rows of pgvector whose time is over were not removed", "error", err)
	}
}

// Ping implements cache.Vectors: it asks for a connection, and whether the extension is there or can be had.
func (v *Vectors) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var there bool
	err := v.pool.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'vector')`).Scan(&there)
	if err == nil && !there {
		return errNoExtension
	}
	return wrap(err)
}

// Close implements cache.Vectors. It waits for calls that are under way.
func (v *Vectors) Close() error {
	v.pool.Close()
	return nil
}

// gone reports whether an error says that there is no table, or no extension that makes its types.
func (v *Vectors) gone(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "42P01" || e.Code == "3F000" || e.Code == "42704") // undefined_table, invalid_schema_name, undefined_object
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pgvector: %w", err)
}
