package store_test

import (
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
)

func TestImportCounters_OnceAndThenTotalsAlone(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		scope := account.TeamScope("brought")
		resetAt := time.Now().UTC().Add(10 * time.Hour).Truncate(time.Second)
		bring := func(spent, total money.USD) {
			t.Helper()
			c := account.Counter{Spent: spent * money.Dollar, Total: total * money.Dollar, Duration: "1d", ResetAt: &resetAt}
			if err := s.ImportCounters(t.Context(), map[account.Scope]account.Counter{scope: c}); err != nil {
				t.Fatal(err)
			}
		}
		want := func(spent, total money.USD) {
			t.Helper()
			got, err := s.Spend(t.Context(), scope)
			if c := got[scope]; err != nil || c.Spent != spent*money.Dollar || c.Total != total*money.Dollar || c.Duration != "1d" || !c.ResetAt.Equal(resetAt) {
				t.Errorf("%+v, want %d and %d: %v", c, spent, total, err)
			}
			findings, err := s.Verify(t.Context(), nil)
			if err != nil || len(findings) > 0 {
				t.Errorf("%+v %v", findings, err)
			}
		}
		bring(0, 0) // the period alone
		want(0, 0)
		bring(3, 5)
		want(3, 5)
		bring(3, 5)
		want(3, 5)
		call := traffic().Call(1, 100)
		call.Cost, call.Charges = money.Dollar, []account.Scope{scope}
		write(t, s, []record.Call{call})
		want(4, 6)
		bring(9, 8) // more was found of before: what is spent now is ours
		want(4, 9)
	})
}

func TestImportUsage_LeavesDaysWithCalls(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		call := traffic().Call(1, 100)
		write(t, s, []record.Call{call})
		with := call.Started.UTC().Truncate(24 * time.Hour)
		without := with.AddDate(0, 0, -5)
		by := []ledger.Dimension{ledger.ByKey, ledger.ByTeam, ledger.ByEndpoint, ledger.ByTag}
		lines := func(spend money.USD) []ledger.Usage {
			m := ledger.Metrics{Spend: spend * money.Dollar, PromptTokens: 7, Successful: 3}
			return []ledger.Usage{{Values: []string{"k", "t", "/chat", ""}, Metrics: m}, {Values: []string{"k", "u", "/chat", ""}, Metrics: m}, {Values: []string{"k", "", "", "night"}, Metrics: m}}
		}
		if done, err := s.ImportUsage(t.Context(), with, by, lines(1)); done || err != nil {
			t.Errorf("a day with calls: %v %v", done, err)
		}
		for range 2 {
			if done, err := s.ImportUsage(t.Context(), without, by, lines(2)); !done || err != nil {
				t.Errorf("%v %v", done, err)
			}
		}
		if _, err := s.Prune(t.Context(), with, nil); err != nil {
			t.Fatal(err)
		}
		if kept, err := s.KeptSince(t.Context()); err != nil || !kept.Equal(with) {
			t.Errorf("rows are kept since %s: %v", kept, err)
		}
		for dimension, want := range map[ledger.Dimension]money.USD{ledger.ByKey: 4, ledger.ByTag: 2} {
			var sum money.USD
			err := s.Usage(t.Context(), ledger.UsageQuery{From: without, To: without.AddDate(0, 0, 1), By: []ledger.Dimension{dimension}}, func(u ledger.Usage) error {
				sum += u.Metrics.Spend
				return nil
			})
			if err != nil || sum != want*money.Dollar {
				t.Errorf("by %s: %s, want %d dollars: %v", dimension, sum, want, err)
			}
		}
		if findings, err := s.Verify(t.Context(), nil); err != nil || len(findings) > 0 {
			t.Errorf("%+v %v", findings, err)
		}
	})
}
