package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

func TestOpen_URLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, says string }{
		{"mysql://u:hunter2@h/d", "mysql:// is not supported"},
		{"sqlite:///var/x.db", "sqlite:// is not supported"},
		{"file:///var/x.db", "file:// is not supported"},
		{"prisma+postgres://accelerate.example/?api_key=hunter2", "is not supported"},
		{"hunter2://h/d", "scheme of the database URL is not supported"},
		{"host=h password=hunter2", "has no scheme"},
		{"postgres://u:hunter2 @h/d", "cannot be read"},
		{"postgres://u:hun#ter2@h:1/d", "database URL"},
		{"postgres://u:hunter2@h/d?sslmode=maybe", "sslmode"},
		{"postgres://u:hunter2@h/d?sslidentity=x.p12", "sslidentity"},
		{"postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"},
		{"postgres://u:hunter2@h/d?sslmode=require&sslcert=/nowhere/prisma.pem", "/nowhere/prisma.pem"},
		{"postgres://u:hunter2@h/d?x=%zz", "cannot be read"},
		{"", "neither a database URL nor a data directory"},
	} {
		_, err := store.Open(t.Context(), store.Options{URL: c.url})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.url, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "ter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestOpen_PrismaParameters(t *testing.T) {
	t.Parallel()
	plain := testkit.Postgres(t)
	s := open(t, store.Options{URL: strings.Replace(plain, "postgres://", "postgresql://", 1) +
		"&schema=gate%20way&connection_limit=3&pool_timeout=10&socket_timeout=5&statement_cache_size=0&connect_timeout=0&sslaccept=accept_invalid_certs&pgbouncer=false"})
	if s.Pooled() {
		t.Error("pgbouncer=false is read as true")
	}
	if err := put(t.Context(), s, "k"); err != nil {
		t.Error(err)
	}
	if n, err := s.Number(t.Context(), `SELECT count(*) FROM "gate way".keys`); err != nil || n != 1 {
		t.Errorf("keys of the schema: %d, %v", n, err)
	}
	if !open(t, store.Options{URL: plain + "&pgbouncer=true"}).Pooled() {
		t.Error("pgbouncer=true is not believed")
	}
}

func TestOpen_SchemaBehindAPooler(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Options{URL: testkit.PgBouncer(t, testkit.Postgres(t)) + "&schema=app"})
	if err == nil || !strings.Contains(err.Error(), "search_path") {
		t.Errorf("schema= behind a pooler that does not pass it on: %v", err)
	}
}

func TestOpen_SQLiteDirectories(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("plain", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"plain", "a b/c?d#e%20f&g", "./x/../ünï", filepath.Join(t.TempDir(), "absolute?x=1")} {
		s := open(t, store.Options{Dir: dir, FullSync: true})
		if err := put(t.Context(), s, "k"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"tollgate.db", "tollgate.db-wal"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s in %s: %v, %v, want mode 0600", name, dir, info, err)
			}
		}
		if n, err := s.Number(t.Context(), `SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'`); err != nil || n != 1 {
			t.Errorf("%s is not in WAL mode: %v", dir, err)
		}
	}
}
