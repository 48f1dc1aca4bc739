// Package storetest is the suite that every engine of the store must pass. It asks nothing that depends on an engine.
package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/store"
)

// Run runs the suite. open returns a migrated, empty store, which it closes when its test ends.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *store.Store)
	}{
		{"EveryKind", everyKind},
		{"InsertedTwice", insertedTwice},
		{"UniqueFields", uniqueFields},
		{"NewerFieldsSurvive", newerFieldsSurvive},
		{"UpdateIsAllOrNothing", updateIsAllOrNothing},
		{"UpdateSeesItsOwnWrites", updateSeesItsOwnWrites},
		{"UpdatesAreSerialised", updatesAreSerialised},
		{"HostileText", hostileText},
		{"UnstorableText", unstorableText},
		{"Filters", filters},
		{"FiltersThatDoNotFit", filtersThatDoNotFit},
		{"EveryFieldFiltersAndSorts", everyFieldFiltersAndSorts},
		{"PagesAreStable", pagesAreStable},
		{"SortBySpend", sortBySpend},
		{"Counters", counters},
		{"CountersStartAnew", countersStartAnew},
		{"CountersMoveAndGo", countersMoveAndGo},
		{"CountersStayAccountedFor", countersStayAccountedFor},
		{"AuditLog", auditLog},
		{"WatchTellsChanges", watchTellsChanges},
		{"WatchTellsNothingOfFailures", watchTellsNothingOfFailures},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// update runs change and fails the test when it fails.
func update(t testing.TB, s *store.Store, change func(ctx context.Context, tx account.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx account.Tx) error { return change(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

// insert puts objects into the store.
func insert(t testing.TB, s *store.Store, objects ...account.Object) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		for _, o := range objects {
			if err := tx.Insert(ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
}

// find returns the ids of the keys that match, in order, and the total.
func find(t testing.TB, r account.Reader, f account.Filter) ([]string, int) {
	t.Helper()
	ids := []string{}
	total, err := r.Find(t.Context(), account.Keys, f, func(doc []byte) error {
		var k account.Key
		err := json.Unmarshal(doc, &k)
		ids = append(ids, k.Token)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, total
}

func ref[T any](v T) *T { return &v }

// day is the nth day of a month, at noon.
func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }
