//go:build soak

package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// How long and how large the long runs are. The defaults are what is promised; shorter ones try the tests out.
var (
	soakAway = flag.Duration("soak.away", 10*time.Minute, "how long the store stays away")
	soakRate = flag.Int("soak.rate", 500, "calls a second meanwhile")
	soakRows = flag.Int("soak.rows", 10_000_000, "rows of the ledger that is asked for reports")
)

// paced lets callers call so often a second until it is cancelled, and counts how late it was.
func paced(ctx context.Context, rate int, call func(i int) answered) (l *load, behind *atomic.Int64) {
	turns, behind := make(chan int, rate), new(atomic.Int64)
	go func() {
		defer close(turns)
		began := time.Now()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				for ; i < int(now.Sub(began).Seconds()*float64(rate)); i++ {
					select {
					case turns <- i:
					default:
						behind.Add(1) // a second's calls wait already
					}
				}
			}
		}
	}()
	l = &load{stopping: make(chan struct{})}
	for range 128 {
		l.callers.Go(func() {
			for i := range turns {
				a := call(i)
				a.header, a.body = nil, "" // there are hundreds of thousands
				l.mu.Lock()
				l.all = append(l.all, a)
				l.mu.Unlock()
			}
		})
	}
	return l, behind
}

// TestSoakStoreAway: PostgreSQL is away for ten minutes at 500 calls a second. Serving goes on, and afterwards each call
// that was answered is booked once.
func TestSoakStoreAway(t *testing.T) {
	postgres := testkit.PostgresServer(t)
	w := newWorld(t, settings{replicas: 2, database: postgres.URL})
	keys := teamKeys(w, "soak")
	for i := range 12 {
		if a := w.replicas[i%2].call(keys[i/2%3], question("chat")); !a.ok() {
			t.Fatalf("%v %d %s", a.err, a.status, a.body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), *soakAway+10*time.Second)
	defer cancel()
	l, behind := paced(ctx, *soakRate, func(i int) answered { return w.replicas[i%2].call(keys[i/2%3], mixed(i)) })
	l.wait(t, *soakRate)
	postgres.Stop()
	began := time.Now()
	<-time.After(*soakAway)
	pending := w.replicas[0].metric(t, "tollgate_ledger_rows_pending") + w.replicas[1].metric(t, "tollgate_ledger_rows_pending")
	postgres.Start()
	back := time.Now()
	l.callers.Wait()
	calls := len(l.all)
	t.Logf("%d calls in %s, %d not made in time, %.0f rows pending at the end", calls, time.Since(began).Round(time.Second), behind.Load(), pending)
	for i, r := range w.replicas {
		eventually(t, 5*time.Minute, func() string {
			if n := r.metric(t, "tollgate_ledger_rows_pending"); n > 0 {
				return fmt.Sprintf("%.0f rows are pending on replica %d", n, i)
			}
			return ""
		})
	}
	t.Logf("drained %s after the store was back", time.Since(back).Round(time.Millisecond))
	rows := callIDs(t, postgres.URL)
	lost, failed := 0, 0
	for _, a := range l.all {
		switch {
		case !a.ok():
			failed++
		case rows[a.callID] != 1:
			lost++
		}
	}
	if lost > 0 || failed > 0 {
		t.Errorf("of %d calls %d failed and %d have not exactly one row", calls, failed, lost)
	}
	if sum, billed := w.shown("GET", "/global/spend", nil, "spend"), w.sim.usage().cost(); sum.Cmp(billed) != 0 {
		t.Errorf("the ledger's sum is %s, the simulator's %s", sum.FloatString(12), billed.FloatString(12))
	}
	w.verify()
	w.stopped()
}

// callIDs counts the rows of each call.
func callIDs(t *testing.T, database string) map[string]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	rows, err := conn.Query(t.Context(), "SELECT call_id FROM spend_logs")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	var id string
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { all[id]++; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSoakReports asks the gateway what its pages and reports ask, over 90 days of traffic.
func TestSoakReports(t *testing.T) {
	database := testkit.Postgres(t)
	w := newWorld(t, settings{database: database})
	s, err := store.Open(t.Context(), store.Options{URL: database, Replica: "soak", Timeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	end := time.Now().UTC().Truncate(24 * time.Hour)
	traffic := storetest.Traffic{Seed: 1, From: end.AddDate(0, 0, -90), Span: 90 * 24 * time.Hour}
	began := time.Now()
	if err := traffic.GenerateRows(t.Context(), s, *soakRows, 5000); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %s", *soakRows, time.Since(began).Round(time.Second))
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE"); err != nil {
		t.Fatal(err)
	}
	one := traffic.Call(*soakRows/2, *soakRows)
	month := "start_date=" + end.AddDate(0, 0, -30).Format(time.DateOnly) + "&end_date=" + end.Format(time.DateOnly)
	page := "start_date=" + url.QueryEscape(end.AddDate(0, 0, -30).Format(time.DateTime)) + "&end_date=" + url.QueryEscape(end.Format(time.DateTime)) + "&page_size=50"
	for _, path := range []string{
		"/spend/logs?request_id=" + one.RequestID, "/spend/logs?" + month, "/spend/logs?" + month + "&api_key=" + one.KeyHash,
		"/spend/logs/v2?" + page, "/spend/logs/v2?page=100&" + page, "/spend/logs/v2?" + page + "&api_key=" + one.KeyHash, "/spend/logs/v2?" + page + "&team_id=" + one.TeamID,
		"/spend/logs/v2?" + page + "&status_filter=failure", "/global/spend", "/global/spend/logs", "/global/spend/keys", "/global/spend/models", "/global/spend/teams",
		"/global/spend/provider?" + month, "/global/spend/tags?" + month, "/global/activity?" + month, "/global/activity/model?" + month,
		"/user/daily/activity?" + month, "/team/daily/activity?" + month + "&team_ids=" + one.TeamID, "/tag/daily/activity?" + month, "/key/daily/activity?" + month + "&api_key=" + one.KeyHash,
	} {
		var times []time.Duration
		size := 0
		for range 5 {
			began := time.Now()
			a, err := w.replicas[0].try(masterKey, "GET", path, nil)
			if err != nil || a.status != http.StatusOK {
				t.Fatalf("%s: %v %d %.300s", path, err, a.status, a.body)
			}
			times, size = append(times, time.Since(began)), len(a.body)
		}
		slices.Sort(times)
		t.Logf("%7.1f ms %8d bytes  %s", float64(times[2].Microseconds())/1000, size, path)
		if times[2] > 100*time.Millisecond {
			t.Errorf("%s takes %s", path, times[2])
		}
	}
	if total := w.shown("GET", "/global/spend", nil, "spend"); total.Cmp(new(big.Rat)) <= 0 {
		t.Error("nothing was spent")
	}
	w.verify()
}
