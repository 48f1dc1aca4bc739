package store_test

import (
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

// leaders opens two replicas of one store, whose clock the test moves.
func leaders(t *testing.T, o store.Options) (a, b *store.Store, pass func(time.Duration)) {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var passed atomic.Int64 // the replicas read the clock while they lead
	open := func(name string) *store.Store {
		o := o
		o.Replica, o.Now = name, func() time.Time { return start.Add(time.Duration(passed.Load())) }
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
	return open("a"), open("b"), func(d time.Duration) { passed.Add(int64(d)) }
}

func testLeader(t *testing.T, o store.Options) {
	a, b, pass := leaders(t, o)
	_, resign, ok, err := a.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("the first replica leads: %v, %v", ok, err)
	}
	if _, _, ok, err := b.Lead(t.Context()); ok || err != nil {
		t.Fatalf("the second replica leads as well: %v, %v", ok, err)
	}
	resign()
	_, resign, ok, err = b.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("after the first has resigned the second leads: %v, %v", ok, err)
	}
	defer resign()
	pass(time.Minute) // b has died, for all that a knows
	_, resignA, ok, err := a.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("after the second has been silent the first leads: %v, %v", ok, err)
	}
	resignA()
}

func TestLead_SQLite(t *testing.T) { testLeader(t, store.Options{Dir: t.TempDir()}) }

func TestLead_Postgres(t *testing.T) { testLeader(t, store.Options{URL: testkit.Postgres(t)}) }
