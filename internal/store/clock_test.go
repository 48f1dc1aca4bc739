package store_test

import (
	"errors"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

// A replica whose clock is two months ahead resets no budget, prunes nothing, and does not take the office of the leader.
func TestClockThatJumps(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	a, b := open(t, store.Options{URL: url, Replica: "a"}), open(t, store.Options{URL: url, Replica: "b"})
	scope := account.KeyScope("k")
	if err := a.Update(t.Context(), func(tx account.Tx) error { return tx.SetPeriod(t.Context(), scope, "30d", nil) }); err != nil {
		t.Fatal(err)
	}
	call := traffic().Call(0, 100)
	call.Cost, call.Charges, call.Started = money.Dollar, []account.Scope{scope}, time.Now().Add(-24*time.Hour)
	write(t, a, []record.Call{call})
	_, resign, ok, err := a.Lead(t.Context())
	if err != nil || !ok {
		t.Fatalf("the first does not lead: %v, %v", ok, err)
	}
	defer resign()

	for _, off := range []time.Duration{60 * 24 * time.Hour, -60 * 24 * time.Hour, 6 * time.Minute} {
		b.SetOwnClock(func() time.Time { return time.Now().Add(off) })
		if _, _, ok, err := b.Lead(t.Context()); ok || err != nil {
			t.Errorf("%v ahead it leads as well: %v, %v", off, ok, err)
		}
		if now, err := b.Now(t.Context()); err != nil || time.Since(now).Abs() > time.Minute {
			t.Errorf("%v ahead the time is %v, %v", off, now, err)
		}
		if reset, err := b.ResetDue(t.Context()); err != nil || len(reset) != 0 {
			t.Errorf("%v ahead it has reset %v, %v", off, reset, err)
		}
		if n, err := b.Prune(t.Context(), time.Now().Add(off), nil); n != 0 || !errors.Is(err, store.ErrClock) {
			t.Errorf("%v ahead it has pruned %d, %v", off, n, err)
		}
	}
	wantSpent(t, a, map[account.Scope]money.USD{scope: money.Dollar})
	if n := len(rows(t, a, ledger.RowQuery{})); n != 1 {
		t.Errorf("%d rows are left", n)
	}
	b.SetOwnClock(func() time.Time { return time.Now().Add(-4 * time.Minute) })
	if n, err := b.Prune(t.Context(), time.Now().Add(-time.Hour), nil); n != 1 || err != nil {
		t.Errorf("a clock that is off a little keeps it from pruning: %d, %v", n, err)
	}
}
