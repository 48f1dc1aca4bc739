package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/store"
)

// Watched runs Watch until the test ends and returns what it hands over, one change at a time. The first change, which
// says that everything must be forgotten, has been taken.
func Watched(t testing.TB, s *store.Store) <-chan account.Change {
	t.Helper()
	changes := make(chan account.Change, 10_000)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- s.Watch(ctx, func(all []account.Change) {
			for _, c := range all {
				changes <- c
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	if c := Next(t, changes, 10*time.Second); c.Kind != store.Everything {
		t.Fatalf("Watch begins with %+v", c)
	}
	return changes
}

// Next is the next change. The test fails when it does not come in time.
func Next(t testing.TB, changes <-chan account.Change, within time.Duration) account.Change {
	t.Helper()
	select {
	case c := <-changes:
		return c
	case <-time.After(within):
		t.Fatalf("no change within %v", within)
		return account.Change{}
	}
}

func watchTellsChanges(t *testing.T, s *store.Store) {
	insert(t, s, &account.Key{Token: "before"})
	if !s.LastSync().IsZero() {
		t.Error("LastSync before Watch")
	}
	changes := Watched(t, s)
	start := time.Now()
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(
			tx.Insert(ctx, &account.Key{Token: "a"}), tx.Insert(ctx, &account.Team{TeamID: "t"}),
			tx.Replace(ctx, &account.Key{Token: "a", KeyAlias: "x"}), tx.SetSpent(ctx, "global", 1),
			tx.Delete(ctx, account.Keys, "before"))
	})
	want := []account.Change{{Kind: account.Keys, ID: "a"}, {Kind: account.Teams, ID: "t"}, {ID: "global"}, {Kind: account.Keys, ID: "before"}}
	var got []account.Change
	for range want {
		got = append(got, Next(t, changes, time.Second))
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes: %s", cmp.Diff(want, got))
	}
	t.Logf("told after %v", time.Since(start))
	update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.Insert(ctx, &account.Key{Token: "last"}) })
	if c := Next(t, changes, time.Second); c.ID != "last" {
		t.Errorf("the next change is %+v", c)
	}
	if at := s.LastSync(); at.Before(start.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("LastSync: %v", at)
	}
	// More than what is handed over at once.
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		for n := range 2500 {
			if err := tx.DropCounter(ctx, account.TagScope(time.Duration(n).String())); err != nil {
				return err
			}
		}
		return nil
	})
	for n := range 2500 {
		if c := Next(t, changes, 10*time.Second); c.ID != string(account.TagScope(time.Duration(n).String())) {
			t.Fatalf("change %d is %+v", n, c)
		}
	}
}

func watchTellsNothingOfFailures(t *testing.T, s *store.Store) {
	changes := Watched(t, s)
	stop := errors.New("stop")
	err := s.Update(t.Context(), func(tx account.Tx) error {
		if err := tx.Insert(t.Context(), &account.Key{Token: "never"}); err != nil {
			t.Fatal(err)
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	// A change that reads only, or fails inside, tells nothing either.
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		if err := tx.Delete(ctx, account.Keys, "never"); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Delete: %v", err)
		}
		_, err := tx.Find(ctx, account.Keys, account.Filter{}, func([]byte) error { return nil })
		return err
	})
	insert(t, s, &account.Key{Token: "real"})
	if c := Next(t, changes, time.Second); c.ID != "real" {
		t.Errorf("told: %+v", c)
	}
}
