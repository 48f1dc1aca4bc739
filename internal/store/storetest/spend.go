package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
)

func spent(t *testing.T, s *store.Store, scope account.Scope) account.Counter {
	t.Helper()
	found, err := s.Spend(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return found[scope]
}

func counters(t *testing.T, s *store.Store) {
	key, team := account.KeyScope("k"), account.TeamScope("t")
	if found, err := s.Spend(t.Context(), key, team); err != nil || len(found) != 0 {
		t.Errorf("before anything was spent: %v, %v", found, err)
	}
	for _, amount := range []money.USD{money.Picodollar, 0, -money.Picodollar, money.Max, money.Min, 28_500_000, 3*money.Dollar + 1} {
		update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetSpent(ctx, key, amount) })
		if got := spent(t, s, key); got.Spent != amount || got.Total != 0 {
			t.Errorf("%v reads back as %v, total %v", amount, got.Spent, got.Total)
		}
	}
	update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetSpent(ctx, team, 2) })
	found, err := s.Spend(t.Context(), key, team, account.GlobalScope, key)
	if err != nil || len(found) != 2 || found[team].Spent != 2 {
		t.Errorf("several: %v, %v", found, err)
	}
	if found, err := s.Spend(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("none: %v, %v", found, err)
	}
}

func countersStartAnew(t *testing.T, s *store.Store) {
	key := account.KeyScope("k")
	future := time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(tx.SetSpent(ctx, key, 5), tx.SetPeriod(ctx, key, "7d", &future))
	})
	if got := spent(t, s, key); !cmp.Equal(got, account.Counter{Spent: 5, Duration: "7d", ResetAt: &future}) {
		t.Errorf("a period set with its end: %+v", got)
	}
	update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetPeriod(ctx, key, "1mo", nil) })
	got := spent(t, s, key)
	if now := time.Now().UTC(); got.Spent != 5 || got.ResetAt == nil || !got.ResetAt.After(now) || got.ResetAt.Day() != 1 || got.ResetAt.Hour() != 0 {
		t.Errorf("a period whose end is computed: %+v", got)
	}

	past := time.Now().Add(-time.Hour)
	update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetPeriod(ctx, key, "1d", &past) })
	got = spent(t, s, key)
	if got.Spent != 0 || got.ResetAt == nil || !got.ResetAt.After(time.Now()) {
		t.Errorf("a period that is over: %+v", got)
	}
	// What is set now belongs to the period under way: the reset that was due does not take it away.
	update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetSpent(ctx, key, 9) })
	if got := spent(t, s, key); got.Spent != 9 || !got.ResetAt.After(time.Now()) {
		t.Errorf("set in a new period: %+v", got)
	}
	// An amount of a period that is over is not carried into the next one by a change of the period.
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(tx.SetPeriod(ctx, key, "1d", &past), tx.SetPeriod(ctx, key, "", nil))
	})
	if got := spent(t, s, key); !cmp.Equal(got, account.Counter{}) {
		t.Errorf("without a period: %+v", got)
	}
	if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.SetPeriod(t.Context(), key, "3mo", nil) }); err == nil {
		t.Error("a duration that has no end was stored")
	}
}

func countersMoveAndGo(t *testing.T, s *store.Store) {
	from, to := account.KeyScope("old"), account.KeyScope("new")
	near := account.KeyScope("old2")
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(
			tx.SetSpent(ctx, from, 1), tx.SetSpent(ctx, from.Window("1d"), 2), tx.SetSpent(ctx, from.Model("a@b#c"), 3),
			tx.SetPeriod(ctx, from, "30d", nil), tx.SetSpent(ctx, near, 4), tx.SetSpent(ctx, account.KeyScope("old#x"), 5),
			tx.SetSpent(ctx, to.Window("1d"), 10), tx.MoveCounter(ctx, from, to), tx.MoveCounter(ctx, near, near))
	})
	want := map[account.Scope]money.USD{
		to: 1, to.Window("1d"): 12, to.Model("a@b#c"): 3, near: 4, account.KeyScope("old#x"): 5,
	}
	check := func(want map[account.Scope]money.USD) {
		t.Helper()
		found, err := s.Spend(t.Context(), from, from.Window("1d"), from.Model("a@b#c"), to, to.Window("1d"), to.Model("a@b#c"), near, account.KeyScope("old#x"))
		got := map[account.Scope]money.USD{}
		for scope, c := range found {
			got[scope] = c.Spent
		}
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("counters: %s, %v", cmp.Diff(want, got), err)
		}
	}
	check(want)
	if got := spent(t, s, to); got.Duration != "30d" || got.ResetAt == nil {
		t.Errorf("the period has not moved: %+v", got)
	}
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(tx.DropCounter(ctx, to), tx.DropCounter(ctx, account.KeyScope("never")))
	})
	check(map[account.Scope]money.USD{near: 4, account.KeyScope("old#x"): 5})
}

// countersStayAccountedFor moves and drops counters that calls were booked on: the ledger must know why they differ.
func countersStayAccountedFor(t *testing.T, s *store.Store) {
	from, to := account.KeyScope("old"), account.KeyScope("new")
	booked := 0
	step := func(what string, charges []account.Scope, change func(ctx context.Context, tx account.Tx) error) {
		t.Helper()
		booked++
		call := record.Call{ID: fmt.Sprint("call", booked), Started: day(booked), Ended: day(booked), Outcome: record.Success, Status: 200,
			Charges: charges, Cost: money.Dollar, CostKnown: true}
		if n, err := s.Write(t.Context(), []record.Call{call}); err != nil || n != 1 {
			t.Fatalf("%s: %d booked, %v", what, n, err)
		}
		update(t, s, change)
		if findings, err := s.Verify(t.Context(), nil); err != nil || len(findings) != 0 {
			t.Errorf("%s: %+v, %v", what, findings, err)
		}
	}
	both := []account.Scope{from, from.Window("1d")}
	move := func(ctx context.Context, tx account.Tx) error { return tx.MoveCounter(ctx, from, to) }
	step("moved", both, move)
	step("moved again, to what is there", both, move)
	if c := spent(t, s, to.Window("1d")); c.Spent != 2*money.Dollar || c.Total != 2*money.Dollar {
		t.Errorf("after two moves: %+v", c)
	}
	drop := func(ctx context.Context, tx account.Tx) error { return tx.DropCounter(ctx, from) }
	step("dropped", both, drop)
	step("set by hand", both, func(ctx context.Context, tx account.Tx) error { return tx.SetSpent(ctx, from, 0) })
	if c := spent(t, s, from); c.Spent != 0 || c.Total != money.Dollar {
		t.Errorf("charged after it was dropped, and set to zero: %+v", c)
	}
	step("dropped at last", both, drop)
}

func auditLog(t *testing.T, s *store.Store) {
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		return errors.Join(
			tx.Audit(ctx, account.AuditEntry{ID: "1", UpdatedAt: day(1), ChangedBy: "ann", Action: "created", TableName: "keys", ObjectID: "k",
				BeforeValue: nil, UpdatedValues: account.JSON(`{"a": 1}`)}),
			tx.Audit(ctx, account.AuditEntry{ID: "2", UpdatedAt: day(3), ChangedBy: "bob", Action: "deleted", TableName: "keys", ObjectID: "k"}),
			tx.Audit(ctx, account.AuditEntry{ID: "3", UpdatedAt: day(2), ChangedBy: "ann", Action: "created", TableName: "teams", ObjectID: "t"}))
	})
	for _, c := range []struct {
		f    account.Filter
		want string
	}{
		{account.Filter{}, "231"},
		{account.Filter{Sort: "changed_by"}, "132"},
		{account.Filter{Equal: map[string]any{"object_id": "k"}}, "21"},
		{account.Filter{Equal: map[string]any{"changed_by": "ann"}, Sort: "updated_at"}, "13"},
		{account.Filter{Before: map[string]time.Time{"updated_at": day(3)}}, "31"},
	} {
		got := ""
		_, err := s.AuditLog(t.Context(), c.f, func(e account.AuditEntry) error {
			got += e.ID
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v, want %q", c.f, got, err, c.want)
		}
	}
	total, err := s.AuditLog(t.Context(), account.Filter{Equal: map[string]any{"id": "1"}, Limit: 1}, func(e account.AuditEntry) error {
		if e.Action != "created" || !e.UpdatedAt.Equal(day(1)) || !cmp.Equal(tree(t, e.UpdatedValues), any(map[string]any{"a": 1.0})) {
			t.Errorf("an entry reads back as %+v", e)
		}
		return nil
	})
	if err != nil || total != 1 {
		t.Errorf("one entry: %d, %v", total, err)
	}
}
