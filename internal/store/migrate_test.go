package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"tollgate/internal/account"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}

// bare opens stores on one database without migrating it.
func bare(t *testing.T, engine string) func() *store.Store {
	o := store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	switch engine {
	case "postgres":
		o.URL = testkit.Postgres(t)
	case "pgbouncer":
		o.URL = testkit.PgBouncer(t, testkit.Postgres(t))
	}
	return func() *store.Store {
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

func TestMigrate_ReplicasStartAtOnce(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := bare(t, e.name)
			var replicas []*store.Store
			for range 3 {
				replicas = append(replicas, another())
			}
			if all, err := replicas[0].Status(t.Context()); err != nil || len(all) == 0 || slices.ContainsFunc(all, func(m store.Migration) bool { return !m.Applied.IsZero() }) {
				t.Errorf("the state of an empty database: %+v, %v", all, err)
			}
			if err := replicas[0].Check(t.Context()); !errors.Is(err, store.ErrPending) {
				t.Errorf("an empty database is checked: %v", err)
			}
			var wg sync.WaitGroup
			for i, s := range replicas {
				wg.Go(func() {
					if err := s.Migrate(t.Context()); err != nil {
						t.Errorf("replica %d: %v", i, err)
					}
					if err := put(t.Context(), s, fmt.Sprint(i)); err != nil {
						t.Errorf("replica %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			all, err := another().Status(t.Context())
			if err != nil || slices.ContainsFunc(all, func(m store.Migration) bool { return m.Applied.IsZero() || !m.Known }) {
				t.Errorf("the state of a migrated database: %+v, %v", all, err)
			}
		})
	}
}

func TestMigrate_ThereAndBack(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := bare(t, e.name)()
			for range 2 {
				if err := errors.Join(s.Migrate(t.Context()), put(t.Context(), s, "k"), s.Rollback(t.Context(), 0)); err != nil {
					t.Fatal(err)
				}
				tables := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'`
				if s.Engine() == "postgres" {
					tables = `SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relkind IN ('r', 'p', 'v', 'S') AND relname <> 'schema_migrations')
						+ (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public')`
				}
				if n, err := s.Number(t.Context(), tables); err != nil || n != 0 {
					t.Errorf("%d things are left after the way back, %v", n, err)
				}
			}
		})
	}
}

// newer is this version's migrations and one more, of a version to come.
func newer(t *testing.T, minimum int) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(store.Migrations(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(store.Migrations(), name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []string{"postgres", "sqlite"} {
		files["migrations/"+engine+"/9001_newer.up.sql"] = &fstest.MapFile{Data: []byte(fmt.Sprintf("-- min_version: %d\n", minimum) + `
			ALTER TABLE keys ADD COLUMN shade text NOT NULL DEFAULT 'none';
			ALTER TABLE counters ADD COLUMN shade text;
			CREATE TABLE newer (id text PRIMARY KEY);`)}
		files["migrations/"+engine+"/9001_newer.down.sql"] = &fstest.MapFile{Data: []byte(`
			DROP TABLE newer; ALTER TABLE counters DROP COLUMN shade; ALTER TABLE keys DROP COLUMN shade;`)}
	}
	return files
}

func TestMigrate_TwoVersionsSideBySide(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := bare(t, e.name)
			old, next := another(), another()
			next.SetMigrations(newer(t, 1))
			if err := old.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The old version works all the time: before, while and after the new one migrates, and after the way back.
			work := func(s *store.Store, id string) {
				t.Helper()
				err := s.Update(t.Context(), func(tx account.Tx) error {
					k := &account.Key{Token: id, KeyAlias: id}
					if err := errors.Join(tx.Insert(t.Context(), k), tx.SetSpent(t.Context(), account.KeyScope(id), 1)); err != nil {
						return err
					}
					k.TeamID = "t"
					return tx.Replace(t.Context(), k)
				})
				if err == nil {
					_, err = s.Find(t.Context(), account.Keys, account.Filter{Sort: "spend", Equal: map[string]any{"team_id": "t"}}, func([]byte) error { return nil })
				}
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			work(old, "before")
			var wg sync.WaitGroup
			wg.Go(func() {
				for n := range 10 {
					work(old, fmt.Sprint("while", n))
				}
			})
			if err := next.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			work(next, "new")
			work(old, "old")
			restarted := another()
			if err := restarted.Migrate(t.Context()); err != nil {
				t.Errorf("the old version does not start on the new schema: %v", err)
			}
			if err := restarted.Check(t.Context()); err != nil {
				t.Errorf("the old version is checked: %v", err)
			}
			work(restarted, "old again")
			all, err := restarted.Status(t.Context())
			if last := all[len(all)-1]; err != nil || last.Version != 9001 || last.Name != "newer" || last.Known || last.Applied.IsZero() {
				t.Errorf("the old version sees %+v, %v", last, err)
			}
			if err := restarted.Rollback(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "newer version") {
				t.Errorf("the old version takes back what it does not know: %v", err)
			}
			if err := next.Rollback(t.Context(), 9000); err != nil {
				t.Fatal(err)
			}
			work(old, "after the way back")
			if n, err := old.Number(t.Context(), `SELECT count(*) FROM keys`); err != nil || n != 15 {
				t.Errorf("%d keys of 15, %v", n, err)
			}
		})
	}
}

func TestMigrate_KeepsTooOldVersionsOut(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := bare(t, e.name)
			old, next := another(), another()
			next.SetMigrations(newer(t, 9001))
			if err := next.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := old.Migrate(t.Context()); !errors.Is(err, store.ErrTooOld) {
				t.Errorf("the old version starts: %v", err)
			}
			if err := old.Check(t.Context()); !errors.Is(err, store.ErrTooOld) {
				t.Errorf("the old version is checked: %v", err)
			}
			if err := next.Migrate(t.Context()); err != nil {
				t.Errorf("the new one does not: %v", err)
			}
		})
	}
}

func TestMigrate_FailureLeavesTheLastStep(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := bare(t, e.name)()
			broken := newer(t, 1).(fstest.MapFS)
			for name := range broken {
				if strings.HasSuffix(name, "9001_newer.up.sql") {
					broken[name] = &fstest.MapFile{Data: append(slices.Clone(broken[name].Data), " SELECT nonsense FROM nowhere;"...)}
				}
			}
			s.SetMigrations(broken)
			if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "9001_newer") {
				t.Errorf("a broken migration: %v", err)
			}
			if err := put(t.Context(), s, "k"); err != nil {
				t.Errorf("the schema before it does not work: %v", err)
			}
			s.SetMigrations(newer(t, 1))
			if err := s.Migrate(t.Context()); err != nil {
				t.Errorf("after it is mended: %v", err)
			}
		})
	}
}
