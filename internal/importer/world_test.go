package importer_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/nacl/secretbox"

	"tollgate/internal/importer"
	"tollgate/internal/seal"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

// The ages of LiteLLM's schema that are tried: its newest, that of the middle of 2025, and the first that it published.
const (
	newest  = testkit.NewestLiteLLM
	mid2025 = "20250701"
	first   = "20250327"
)

// database is a database of LiteLLM's.
type database struct {
	*pgx.Conn
	t   testing.TB
	url string
}

// liteLLM makes an empty database of LiteLLM's, as its own migrations make it.
func liteLLM(t testing.TB, before string) *database {
	t.Helper()
	d := &database{t: t, url: testkit.LiteLLM(t, before)}
	conn, err := store.Connect(t.Context(), d.url)
	if err != nil {
		t.Fatal(err)
	}
	d.Conn = conn
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d
}

func (d *database) exec(text string, args ...any) {
	d.t.Helper()
	if _, err := d.Exec(d.t.Context(), text, args...); err != nil {
		d.t.Fatalf("%s: %v", text, err)
	}
}

// insert writes a row of the columns that the schema has; what it does not have is left out, a whole table too.
func (d *database) insert(table string, row map[string]any) {
	d.t.Helper()
	var columns, places []string
	var args []any
	for name, v := range row {
		var there bool
		err := d.QueryRow(d.t.Context(), `SELECT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = $1 AND column_name = $2)`,
			"LiteLLM_"+table, name).Scan(&there)
		if err != nil {
			d.t.Fatal(err)
		}
		if there {
			columns, args = append(columns, `"`+name+`"`), append(args, v)
			places = append(places, fmt.Sprintf("$%d", len(args)))
		}
	}
	if len(columns) == 0 {
		return
	}
	d.exec(`INSERT INTO "LiteLLM_`+table+`" (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`, args...)
}

// text is one value of a query.
func (d *database) text(query string, args ...any) string {
	d.t.Helper()
	var s string
	if err := d.QueryRow(d.t.Context(), query, args...).Scan(&s); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// targets are empty stores of both engines.
var targets = map[string]func(testing.TB) store.Options{
	"sqlite":   func(t testing.TB) store.Options { return store.Options{Dir: t.TempDir()} },
	"postgres": func(t testing.TB) store.Options { return store.Options{URL: testkit.Postgres(t)} },
}

func openStore(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// bring imports and fails the test where the import does.
func bring(t testing.TB, d *database, to *store.Store, change ...func(*importer.Options)) *importer.Report {
	t.Helper()
	o := importer.Options{Source: d.Conn, Target: to}
	for _, c := range change {
		c(&o)
	}
	report, err := importer.Import(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func line(t testing.TB, r *importer.Report, what string) importer.Line {
	t.Helper()
	for _, l := range r.Lines {
		if l.What == what {
			return *l
		}
	}
	t.Fatalf("the report has no line %q: %+v", what, r.Lines)
	return importer.Line{}
}

// verified holds the ledger to its own sums.
func verified(t testing.TB, s *store.Store) {
	t.Helper()
	findings, err := s.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("verify: %+v", f)
	}
}

// The three forms in which LiteLLM has stored secrets.

func sealV3(t testing.TB, key, text string) string {
	k, err := hkdf.Key(sha256.New, []byte(key), nil, "litellm-at-rest-v3", 32)
	if err != nil {
		t.Fatal(err)
	}
	return "v3:gcm:" + sealGCM(t, k, text)
}

func sealV2(t testing.TB, key, text string) string {
	k := sha256.Sum256([]byte(key))
	return "v2:gcm:" + sealGCM(t, k[:], text)
}

func sealGCM(t testing.TB, key []byte, text string) string {
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return base64.URLEncoding.EncodeToString(gcm.Seal(nil, nil, []byte(text), nil))
}

func sealBox(key, text string) string {
	k := sha256.Sum256([]byte(key))
	var nonce [24]byte
	_, _ = rand.Read(nonce[:])
	return base64.URLEncoding.EncodeToString(secretbox.Seal(nonce[:], []byte(text), &nonce, &k))
}

func sealer(t testing.TB, key string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
