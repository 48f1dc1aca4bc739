package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"tollgate/internal/ledger"
	"tollgate/internal/spool"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// BenchmarkEndToEnd takes calls through the spool into a real store; rows/s is what counts. append/s is how fast they
// went into the spool meanwhile.
func BenchmarkEndToEnd(b *testing.B) {
	const rows = 50_000
	for engine, o := range map[string]func() store.Options{
		"SQLite":   func() store.Options { return store.Options{Dir: b.TempDir()} },
		"Postgres": func() store.Options { return store.Options{URL: testkit.Postgres(b)} },
	} {
		for _, size := range []int{1000, 5000} {
			b.Run(fmt.Sprintf("%s/%d", engine, size), func(b *testing.B) {
				o := o()
				o.Replica = "bench"
				keeper, err := store.Open(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				defer keeper.Close()
				if err := keeper.Migrate(b.Context()); err != nil {
					b.Fatal(err)
				}
				s, err := spool.Open(b.TempDir(), spool.Options{})
				if err != nil {
					b.Fatal(err)
				}
				l, err := ledger.Open(ledger.Options{Spool: s, Sink: keeper, BatchRows: size})
				if err != nil {
					b.Fatal(err)
				}
				traffic := storetest.Traffic{Seed: 1, From: time.Now().Add(-time.Minute), Span: time.Minute}
				calls := traffic.Calls(0, rows, rows)
				n := 0
				var appending time.Duration
				b.ResetTimer()
				for b.Loop() {
					begun := time.Now()
					for i := range calls {
						calls[i].ID = fmt.Sprintf("%032x", n)
						calls[i].RequestID = fmt.Sprintf("chatcmpl-%d", n)
						n++
						if err := l.Append(&calls[i]); err != nil {
							b.Fatal(err)
						}
					}
					appending += time.Since(begun)
					if err := l.Sync(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(float64(n)/appending.Seconds(), "append/s")
				if err := l.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
