package store_test

import (
	"slices"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
)

// A counter whose period has ended starts anew with the next call that is booked, and keeps its total.
func TestWrite_ResetsCounters(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC))
		scope, other := account.TeamScope("a"), account.TeamScope("b")
		err := s.Update(t.Context(), func(tx account.Tx) error {
			return tx.SetPeriod(t.Context(), scope, "1d", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		book := func() {
			call := traffic().Call(n, 100)
			n++
			call.Cost, call.Started, call.Charges = money.Dollar, c.now(), []account.Scope{scope, other}
			write(t, s, []record.Call{call})
		}
		want := func(spent, total money.USD, resetAt string) {
			t.Helper()
			got, err := s.Spend(t.Context(), scope, other)
			if err != nil {
				t.Fatal(err)
			}
			at := got[scope].ResetAt
			if got[scope].Spent != spent*money.Dollar || got[scope].Total != total*money.Dollar || at == nil || at.Format(time.RFC3339) != resetAt {
				t.Errorf("got %+v (%v), want %d of %d until %s", got[scope], at, spent, total, resetAt)
			}
			if got[other].Spent != total*money.Dollar {
				t.Errorf("the counter without a period: %+v", got[other])
			}
		}
		book()
		book()
		want(2, 2, "2026-11-26T00:00:00Z")
		c.set(time.Date(2026, 11, 26, 0, 0, 1, 0, time.UTC))
		book()
		want(1, 3, "2026-11-27T00:00:00Z")
		c.set(time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC))
		book()
		book()
		want(2, 5, "2026-12-25T00:00:00Z")
		wantVerified(t, s)
	})
}

func TestResetDue(t *testing.T) {
	c := &clock{}
	ledgerOn(t, store.Options{Now: c.now}, func(t *testing.T, s *store.Store) {
		c.set(time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC))
		due, later, never := account.KeyScope("due"), account.KeyScope("later"), account.KeyScope("never")
		err := s.Update(t.Context(), func(tx account.Tx) error {
			if err := tx.SetPeriod(t.Context(), due, "1h", nil); err != nil {
				return err
			}
			return tx.SetPeriod(t.Context(), later, "30d", nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		call := traffic().Call(0, 100)
		call.Cost, call.Charges = money.Dollar, []account.Scope{due, later, never}
		write(t, s, []record.Call{call})
		if got, err := s.ResetDue(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("reset too early: %v, %v", got, err)
		}
		c.add(61 * time.Minute)
		if got, err := s.ResetDue(t.Context()); err != nil || !slices.Equal(got, []account.Scope{due}) {
			t.Errorf("reset %v, %v; want %s", got, err, due)
		}
		if got, err := s.ResetDue(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("reset twice: %v, %v", got, err)
		}
		got, err := s.Spend(t.Context(), due, later, never)
		if err != nil {
			t.Fatal(err)
		}
		for scope, spent := range map[account.Scope]money.USD{due: 0, later: money.Dollar, never: money.Dollar} {
			if got[scope].Spent != spent || got[scope].Total != money.Dollar {
				t.Errorf("%s: %+v", scope, got[scope])
			}
		}
		if at := got[due].ResetAt; at == nil || at.Format(time.RFC3339) != "2026-11-25T12:00:00Z" {
			t.Errorf("the next reset is %v", at)
		}
	})
}

// A key that is rotated, and a team that is deleted and made again, leave no gap between counters and usage.
func TestVerify_FollowsCounters(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		calls := traffic().Calls(0, 100, 100)
		write(t, s, calls[:40])
		old, team := account.KeyScope(calls[0].KeyHash), account.TeamScope(calls[1].TeamID)
		for range 2 {
			err := s.Update(t.Context(), func(tx account.Tx) error {
				if err := tx.MoveCounter(t.Context(), old, account.KeyScope("new")); err != nil {
					return err
				}
				return tx.DropCounter(t.Context(), team)
			})
			if err != nil {
				t.Fatal(err)
			}
			wantVerified(t, s)
			write(t, s, calls[40:])
			wantVerified(t, s)
		}
	})
}
