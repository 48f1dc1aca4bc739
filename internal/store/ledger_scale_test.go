package store_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"tollgate/internal/ledger"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// The questions of the pages and reports, over 90 days of traffic. TOLLGATE_LEDGER_ROWS says how many rows there are;
// from a million on each answer has to be there within 100 ms.
func TestLedger_Scale(t *testing.T) {
	n := 4000
	if text := os.Getenv("TOLLGATE_LEDGER_ROWS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, store.Options{URL: testkit.Postgres(t), Timeout: 5 * time.Minute})
	end := time.Now().UTC().Truncate(24 * time.Hour)
	f := storetest.Traffic{Seed: 1, From: end.AddDate(0, 0, -90), Span: 90 * 24 * time.Hour}
	began := time.Now()
	if err := f.GenerateRows(t.Context(), s, n, 5000); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %v, %.0f rows/s", n, time.Since(began), float64(n)/time.Since(began).Seconds())
	if err := s.Exec(t.Context(), `VACUUM ANALYZE`); err != nil {
		t.Fatal(err)
	}
	one := f.Call(n/2, n)
	month, day := end.AddDate(0, 0, -30), end.AddDate(0, 0, -1)
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range pageQueries(one, month, day, end, newYork) {
		var times []time.Duration
		got := int64(0)
		for range 5 {
			began := time.Now()
			var err error
			if got, err = q.run(t, s); err != nil {
				t.Fatalf("%s: %v", q.name, err)
			}
			times = append(times, time.Since(began))
		}
		slices.Sort(times)
		t.Logf("%-38s %8.1f ms, %d", q.name, float64(times[2].Microseconds())/1000, got)
		if got == 0 {
			t.Errorf("%s has no answer", q.name)
		}
		if n >= 1_000_000 && times[2] > 100*time.Millisecond {
			t.Errorf("%s takes %v", q.name, times[2])
		}
	}
	began = time.Now()
	findings, err := s.Verify(t.Context(), nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("Verify: %v, %v", findings, err)
	}
	t.Logf("Verify %v", time.Since(began))
}

// pageQuery is a question of a page; run answers how much it has found.
type pageQuery struct {
	name string
	run  func(t *testing.T, s *store.Store) (int64, error)
}

func pageQueries(one record.Call, month, day, end time.Time, zone *time.Location) []pageQuery {
	rowsOf := func(name string, q ledger.RowQuery) pageQuery {
		return pageQuery{name, func(t *testing.T, s *store.Store) (n int64, err error) {
			err = s.Rows(t.Context(), q, func(*ledger.Row) error { n++; return nil })
			return n, err
		}}
	}
	count := func(name string, q ledger.RowQuery) pageQuery {
		return pageQuery{name, func(t *testing.T, s *store.Store) (int64, error) { return s.CountRows(t.Context(), q) }}
	}
	usage := func(name string, q ledger.UsageQuery) pageQuery {
		return pageQuery{name, func(t *testing.T, s *store.Store) (n int64, err error) {
			err = s.Usage(t.Context(), q, func(ledger.Usage) error { n++; return nil })
			return n, err
		}}
	}
	by := func(d ...ledger.Dimension) []ledger.Dimension { return d }
	ofKey := map[ledger.Dimension][]string{ledger.ByKey: {one.KeyHash}}
	return []pageQuery{
		rowsOf("newest 50", ledger.RowQuery{Desc: true, Limit: 50}),
		rowsOf("50 in the middle, keyset", ledger.RowQuery{Desc: true, Limit: 50, AfterTime: one.Started, AfterCall: one.ID}),
		rowsOf("newest 50 of a key", ledger.RowQuery{APIKey: one.KeyHash, Desc: true, Limit: 50}),
		rowsOf("newest 50 of a team, a month", ledger.RowQuery{TeamID: one.TeamID, From: month, To: end, Desc: true, Limit: 50}),
		rowsOf("newest 50 of a user", ledger.RowQuery{User: one.UserID, Desc: true, Limit: 50}),
		rowsOf("newest 50 of a model", ledger.RowQuery{ModelGroup: one.Group, Desc: true, Limit: 50}),
		rowsOf("newest 50 failures", ledger.RowQuery{Status: ledger.StatusFailure, Desc: true, Limit: 50}),
		rowsOf("newest 50 with code 429", ledger.RowQuery{ErrorCode: "429", Desc: true, Limit: 50}),
		rowsOf("newest 50 by alias", ledger.RowQuery{KeyAlias: one.KeyAlias, Desc: true, Limit: 50}),
		rowsOf("by request_id", ledger.RowQuery{RequestID: one.RequestID}),
		rowsOf("by call id", ledger.RowQuery{CallID: one.ID}),
		rowsOf("by session", ledger.RowQuery{SessionID: one.ID}),
		count("count all", ledger.RowQuery{}),
		count("count of a key, a month", ledger.RowQuery{APIKey: one.KeyHash, From: month.Add(7 * time.Minute), To: end}),
		count("count of failures, a month", ledger.RowQuery{Status: ledger.StatusFailure, From: month, To: end}),
		usage("spend by date, a month", ledger.UsageQuery{By: by(ledger.ByDate), From: month, To: end}),
		usage("spend by date, 90 days", ledger.UsageQuery{By: by(ledger.ByDate)}),
		usage("spend by date and model, a month", ledger.UsageQuery{By: by(ledger.ByDate, ledger.ByModel), From: month, To: end}),
		usage("spend by date in New York, a month", ledger.UsageQuery{By: by(ledger.ByDate), Zone: zone, From: month, To: end}),
		usage("spend by date in New York, of a key", ledger.UsageQuery{By: by(ledger.ByDate, ledger.ByModel), Zone: zone, From: month, To: end, Where: ofKey}),
		usage("first 10 keys, a month", ledger.UsageQuery{By: by(ledger.ByKey), From: month, To: end, Sort: "spend", Desc: true, Limit: 10}),
		usage("first 10 teams, a month", ledger.UsageQuery{By: by(ledger.ByTeam), From: month, To: end, Sort: "spend", Desc: true, Limit: 10}),
		usage("first 10 customers, a month", ledger.UsageQuery{By: by(ledger.ByCustomer), From: month, To: end, Sort: "spend", Desc: true, Limit: 10}),
		usage("tags, a month", ledger.UsageQuery{By: by(ledger.ByTag), From: month, To: end}),
		usage("activity of a key, a month", ledger.UsageQuery{By: by(ledger.ByDate, ledger.ByModel, ledger.ByProvider, ledger.ByEndpoint), From: month, To: end, Where: ofKey}),
		usage("hours of a day", ledger.UsageQuery{By: by(ledger.ByHour), From: day, To: end}),
		{"all models", func(t *testing.T, s *store.Store) (int64, error) {
			v, err := s.Values(t.Context(), ledger.ByModel, month, end)
			return int64(len(v)), err
		}},
	}
}
