package store_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// recovery is how long the store may take after its server is back.
const recovery = 5 * time.Second

// put stores a key, or fails as the store does.
func put(ctx context.Context, s *store.Store, token string) error {
	return s.Update(ctx, func(tx account.Tx) error { return tx.Insert(ctx, &account.Key{Token: token}) })
}

// recovered tries until a key can be stored, and returns how long that took.
func recovered(t *testing.T, s *store.Store, token string) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		err := put(t.Context(), s, token)
		if err == nil || errors.Is(err, account.ErrExists) {
			return time.Since(start)
		}
		if !errors.Is(err, account.ErrUnavailable) || time.Since(start) > 4*recovery {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
	}
}

// heard waits for the change of a key, whatever comes before it.
func heard(t *testing.T, changes <-chan account.Change, token string) {
	t.Helper()
	for {
		if c := storetest.Next(t, changes, recovery); c.ID == token {
			return
		}
	}
}

func TestPostgres_Restarts(t *testing.T) {
	server := testkit.PostgresServer(t)
	a, b := open(t, store.Options{URL: server.URL}), open(t, store.Options{URL: server.URL})
	changes := storetest.Watched(t, b)
	for _, c := range []struct {
		name string
		fall func()
	}{{"stopped", server.Stop}, {"crashed", server.Crash}} {
		if err := put(t.Context(), a, "before it "+c.name); err != nil {
			t.Fatal(err)
		}
		heard(t, changes, "before it "+c.name)
		c.fall()
		for what, err := range map[string]error{
			"Ping": a.Ping(t.Context()), "Update": put(t.Context(), a, "never"),
			"Get": a.Get(t.Context(), "x", new(account.Key)),
		} {
			if !errors.Is(err, account.ErrUnavailable) {
				t.Errorf("%s while the server is %s: %v, want ErrUnavailable", what, c.name, err)
			}
		}
		asleep := b.LastSync()
		late := make(chan account.Change, 100)
		stop := watch(t, a, func(all []account.Change) {
			for _, c := range all {
				late <- c
			}
		})
		server.Start()
		took := recovered(t, a, "after it "+c.name)
		start := time.Now()
		heard(t, changes, "after it "+c.name)
		t.Logf("%s: writes after %v, changes told after %v", c.name, took, time.Since(start))
		if took > recovery {
			t.Errorf("%s: recovery took %v", c.name, took)
		}
		for asked := time.Now(); !b.LastSync().After(asleep); { // it moves on behind the telling
			if time.Since(asked) > recovery {
				t.Fatal("LastSync stands still")
			}
			runtime.Gosched()
		}
		if first := storetest.Next(t, late, recovery); first.Kind != store.Everything {
			t.Errorf("a Watch that began while the server was %s is told %+v first", c.name, first)
		}
		stop()
		listensAgain(t, a)
	}
}

// listensAgain waits until somebody listens for changes.
func listensAgain(t *testing.T, s *store.Store) {
	t.Helper()
	for start := time.Now(); ; {
		n, err := s.Number(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'`)
		if err == nil && n > 0 {
			return
		}
		if err != nil || time.Since(start) > recovery {
			t.Fatalf("nobody listens: %v", err)
		}
	}
}

func TestPostgres_PausedHangsNobody(t *testing.T) {
	server := testkit.PostgresServer(t)
	const limit = time.Second
	o := store.Options{URL: server.URL, Timeout: limit, MaxConns: 4}
	a, b := open(t, o), open(t, o)
	changes := storetest.Watched(t, b)
	if err := put(t.Context(), a, "before"); err != nil {
		t.Fatal(err)
	}
	heard(t, changes, "before")

	server.Pause()
	var wg sync.WaitGroup
	start := time.Now()
	for range 20 { // more than there are connections
		wg.Go(func() {
			if err := a.Get(t.Context(), "before", new(account.Key)); !errors.Is(err, account.ErrUnavailable) {
				t.Errorf("Get of a paused server: %v", err)
			}
		})
		wg.Go(func() {
			if err := put(t.Context(), a, "while paused"); !errors.Is(err, account.ErrUnavailable) {
				t.Errorf("Update on a paused server: %v", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 3*limit {
		t.Errorf("callers hung for %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own deadline: %v", err)
	}

	server.Resume()
	took := recovered(t, a, "after")
	heard(t, changes, "after")
	t.Logf("writes after %v", took)
	if took > recovery {
		t.Errorf("recovery took %v", took)
	}
}

// TestPostgres_StuckChangeLosesItsTurn: a function that does not go on holds up the others for Timeout alone.
func TestPostgres_StuckChangeLosesItsTurn(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	stuck := open(t, store.Options{URL: url, Timeout: time.Second})
	other := open(t, store.Options{URL: url})
	err := stuck.Update(t.Context(), func(tx account.Tx) error {
		if err := tx.Insert(t.Context(), &account.Key{Token: "stuck"}); err != nil {
			return err
		}
		if err := put(t.Context(), other, "other"); err != nil {
			t.Errorf("the other replica: %v", err)
		}
		return tx.Insert(t.Context(), &account.Key{Token: "too late"})
	})
	if !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("the stuck change: %v, want ErrUnavailable", err)
	}
	if err := other.Get(t.Context(), "stuck", new(account.Key)); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("what it did before: %v", err)
	}
}

func TestUpdate_InsideAnUpdateIsRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]store.Options{"sqlite": {Dir: t.TempDir()}, "postgres": {URL: testkit.Postgres(t)}} {
		o.Timeout = time.Second
		s := open(t, o)
		err := s.Update(t.Context(), func(account.Tx) error { return put(t.Context(), s, "inner") })
		if !errors.Is(err, account.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if err := put(t.Context(), s, "after"); err != nil {
			t.Errorf("%s, afterwards: %v", name, err)
		}
	}
}

func TestPostgres_PoolIsBounded(t *testing.T) {
	url := testkit.Postgres(t)
	s := open(t, store.Options{URL: url, MaxConns: 2})
	other := open(t, store.Options{URL: url})
	const connections = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	before, err := other.Number(t.Context(), connections)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			if err := put(t.Context(), s, string(rune('A'+n))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n, err := other.Number(t.Context(), connections)
	if err != nil || n > 2+before {
		t.Errorf("%d connections, %v", n, err)
	}
}

func TestOpen_ServerAway(t *testing.T) {
	t.Parallel()
	server := testkit.PostgresServer(t)
	server.Stop()
	_, err := store.Open(t.Context(), store.Options{URL: server.URL})
	if !errors.Is(err, account.ErrUnavailable) {
		t.Errorf("Open: %v, want ErrUnavailable", err)
	}
}
