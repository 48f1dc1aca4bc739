package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
)

func TestPrune(t *testing.T) { ledgerOn(t, store.Options{}, prune) }

// Old rows go, over the end of a month; counters, usage and the proof that they fit stay.
func prune(t *testing.T, s *store.Store) {
	f := storetest.Traffic{Seed: 9, From: time.Date(2026, 9, 20, 0, 0, 0, 0, time.UTC), Span: 60 * 24 * time.Hour, Keys: 5}
	calls := f.Calls(0, 600, 600)
	write(t, s, calls)
	before := time.Date(2026, 10, 31, 22, 15, 0, 0, time.UTC)
	want := 0
	for i := range calls {
		if calls[i].Started.Before(before) {
			want++
		}
	}
	steps := []int64{}
	n, err := s.Prune(t.Context(), before.Add(time.Minute), func(removed int64) { steps = append(steps, removed) })
	if err != nil || n != int64(want) || len(steps) == 0 || steps[len(steps)-1] != n {
		t.Errorf("pruned %d (%v), %v; want %d", n, steps, err, want)
	}
	if left := rows(t, s, ledger.RowQuery{}); len(left) != 600-want || left[0].StartTime.Before(before) {
		t.Errorf("%d rows are left, want %d", len(left), 600-want)
	}
	if got, err := s.CountRows(t.Context(), ledger.RowQuery{}); err != nil || got != int64(600-want) {
		t.Errorf("counted %d, %v; want %d", got, err, 600-want)
	}
	m := sumUsage(t, s, ledger.UsageQuery{})
	spent, err := s.Spend(t.Context(), account.GlobalScope)
	if err != nil || m.Requests != 600 || spent[account.GlobalScope].Total != m.Spend {
		t.Errorf("after pruning usage is %+v, the counter %+v, %v", m, spent, err)
	}
	wantVerified(t, s)
	if n, err := s.Prune(t.Context(), before, nil); err != nil || n != 0 {
		t.Errorf("pruned again: %d, %v", n, err)
	}
	// A month that was dropped is made again when a row needs it.
	late := f.Call(0, 600)
	late.ID += "-late"
	if n := write(t, s, []record.Call{late}); n != 1 {
		t.Errorf("a late call booked %d", n)
	}
	wantVerified(t, s)
}

func TestEraseCustomer(t *testing.T) { ledgerOn(t, store.Options{}, eraseCustomer) }

func eraseCustomer(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 200, 200)
	const name = "Jane/Doe@example.org"
	n := 0
	for i := range calls {
		if i%5 == 0 {
			n++
			calls[i].Charges = slices.DeleteFunc(calls[i].Charges, func(c account.Scope) bool { return strings.HasPrefix(string(c), "customer:") })
			calls[i].EndUser = name
			calls[i].Charges = append(calls[i].Charges, account.CustomerScope(name), account.CustomerScope(name).Window("7d"))
			calls[i].Prompt, calls[i].SessionID = account.JSON(`{"messages":"I am `+name+`"}`), name
			calls[i].Metadata = account.JSON(`{"who":"` + name + `"}`)
		}
	}
	write(t, s, calls)
	before := sumUsage(t, s, ledger.UsageQuery{})
	got, err := s.EraseCustomer(t.Context(), name)
	if err != nil || got != int64(n) {
		t.Errorf("erased %d, %v; want %d", got, err, n)
	}
	after := rows(t, s, ledger.RowQuery{})
	for _, r := range after {
		if text := string(r.Metadata) + string(r.ProxyServerRequest) + r.EndUser + r.SessionID; strings.Contains(text, name) {
			t.Errorf("a row still says %s", text)
		}
	}
	if m := sumUsage(t, s, ledger.UsageQuery{}); m != before || len(after) != 200 {
		t.Errorf("usage %+v, was %+v", m, before)
	}
	if names, err := s.Values(t.Context(), ledger.ByCustomer, time.Time{}, time.Time{}); err != nil || slices.Contains(names, name) {
		t.Errorf("usage still has %s: %v", name, err)
	}
	if c, err := s.Spend(t.Context(), account.CustomerScope(name), account.CustomerScope(name).Window("7d")); err != nil || len(c) != 0 {
		t.Errorf("its counters are there: %v, %v", c, err)
	}
	wantVerified(t, s)
	write(t, s, calls) // a replay books nothing anew
	wantVerified(t, s)
	back := calls[0]
	back.ID += "-again"
	write(t, s, []record.Call{back})
	if got := sumUsage(t, s, ledger.UsageQuery{Where: map[ledger.Dimension][]string{ledger.ByCustomer: {name}}}); got.Requests != 1 {
		t.Errorf("a customer that comes back has %d calls", got.Requests)
	}
	wantVerified(t, s)
}
