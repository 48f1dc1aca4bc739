package store_test

import (
	"log/slog"
	"testing"

	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// Tests have a database of their own and run beside each other, but for those that measure how soon something happens.

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store { return open(t, store.Options{Dir: t.TempDir()}) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store { return open(t, store.Options{URL: testkit.Postgres(t)}) })
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store {
		s := open(t, store.Options{URL: testkit.PgBouncer(t, testkit.Postgres(t))})
		if !s.Pooled() {
			t.Error("PgBouncer is not detected")
		}
		return s
	})
}

// open opens and migrates a store, and closes it when the test ends.
func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
