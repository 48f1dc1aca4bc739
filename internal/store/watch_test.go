package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// engines open any number of stores on one database.
var engines = []struct {
	name string
	new  func(t *testing.T) func() *store.Store
}{
	{"sqlite", func(t *testing.T) func() *store.Store {
		dir := t.TempDir()
		return func() *store.Store { return open(t, store.Options{Dir: dir}) }
	}},
	{"postgres", func(t *testing.T) func() *store.Store {
		url := testkit.Postgres(t)
		return func() *store.Store { return open(t, store.Options{URL: url}) }
	}},
	{"pgbouncer", func(t *testing.T) func() *store.Store {
		url := testkit.PgBouncer(t, testkit.Postgres(t))
		return func() *store.Store { return open(t, store.Options{URL: url}) }
	}},
}

func TestWatch_OtherReplicasHearWithinASecond(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := e.new(t)
			a, b, c := another(), another(), another()
			atB, atC := storetest.Watched(t, b), storetest.Watched(t, c)
			var slowest time.Duration
			for n := range 5 {
				token := fmt.Sprint("k", n)
				start := time.Now()
				if err := put(t.Context(), a, token); err != nil {
					t.Fatal(err)
				}
				for _, changes := range []<-chan account.Change{atB, atC} {
					if got := storetest.Next(t, changes, time.Second); got != (account.Change{Kind: account.Keys, ID: token}) {
						t.Errorf("told: %+v", got)
					}
				}
				slowest = max(slowest, time.Since(start))
			}
			t.Logf("slowest: %v", slowest)
		})
	}
}

// TestWatch_InTheOrderOfTheCommits lets replicas write at once: what a watcher has seen is what is in the store, in order.
func TestWatch_InTheOrderOfTheCommits(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := e.new(t)
			watcher := another()
			changes := storetest.Watched(t, watcher)
			const replicas, each = 3, 20
			var wg sync.WaitGroup
			for r := range replicas {
				s := another()
				wg.Go(func() {
					for n := range each {
						if err := put(t.Context(), s, fmt.Sprintf("%d/%02d", r, n)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			var last [replicas]int
			for range replicas * each {
				c := storetest.Next(t, changes, 10*time.Second)
				var r, n int
				if _, err := fmt.Sscanf(c.ID, "%d/%d", &r, &n); err != nil || n != last[r] {
					t.Fatalf("told %+v, want number %d next: %v", c, last[r], err)
				}
				last[r]++
				if err := watcher.Get(t.Context(), c.ID, new(account.Key)); err != nil {
					t.Errorf("%s was told before it could be read: %v", c.ID, err)
				}
			}
			wg.Wait()
		})
	}
}

func TestWatch_PrunedLogSaysEverything(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			another := e.new(t)
			a, b := another(), another()
			if err := put(t.Context(), a, "old"); err != nil {
				t.Fatal(err)
			}
			// Apply is held up at the first change while the log goes on and is pruned.
			changes := make(chan account.Change, 100)
			goOn := make(chan struct{})
			watched := watch(t, b, func(all []account.Change) {
				for _, c := range all {
					changes <- c
					if c.ID == "held" {
						<-goOn
					}
				}
			})
			defer watched()
			if c := storetest.Next(t, changes, recovery); c.Kind != store.Everything {
				t.Fatalf("told first: %+v", c)
			}
			err := errors.Join(put(t.Context(), a, "held"))
			if c := storetest.Next(t, changes, time.Second); err != nil || c.ID != "held" {
				t.Fatalf("told %+v, %v", c, err)
			}
			err = errors.Join(put(t.Context(), a, "missed"), a.PruneChanges(t.Context(), time.Now().Add(time.Hour)), put(t.Context(), a, "last"))
			if err != nil {
				t.Fatal(err)
			}
			close(goOn)
			if c := storetest.Next(t, changes, time.Second); c.Kind != store.Everything {
				t.Errorf("told %+v, want everything", c)
			}
			if n, err := a.Number(t.Context(), `SELECT count(*) FROM changes WHERE id <> 'last'`); err != nil || n != 0 {
				t.Errorf("%d changes are left, %v", n, err)
			}
			// A store that is put back to an older state says it too.
			if err := put(t.Context(), a, "new"); err != nil {
				t.Fatal(err)
			}
			for storetest.Next(t, changes, time.Second).ID != "new" {
			}
			if err := errors.Join(a.Exec(t.Context(), `DELETE FROM changes`), a.Exec(t.Context(), `UPDATE changes_pruned SET seq = 0`)); err != nil {
				t.Fatal(err)
			}
			if c := storetest.Next(t, changes, time.Second); c.Kind != store.Everything {
				t.Errorf("told %+v, want everything", c)
			}
		})
	}
}

// watch runs Watch until the returned function is called.
func watch(t *testing.T, s *store.Store, apply func([]account.Change)) (stop func()) {
	ctx, cancel := contextOf(t)
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, apply) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	}
}
