package store_test

import (
	"fmt"
	"testing"
	"time"

	"tollgate/internal/quota"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// BenchmarkWrite books batches of different size; rows/s is what counts.
func BenchmarkWrite(b *testing.B) {
	for engine, o := range map[string]func() store.Options{
		"SQLite":   func() store.Options { return store.Options{Dir: b.TempDir()} },
		"Postgres": func() store.Options { return store.Options{URL: testkit.Postgres(b)} },
	} {
		for _, size := range []int{100, 2000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", engine, size), func(b *testing.B) {
				s := open(b, o())
				n := 0
				f := storetest.Traffic{Seed: 1, From: time.Now().AddDate(0, 0, -1), Span: 24 * time.Hour}
				calls := f.Calls(0, size, size)
				b.ResetTimer()
				for b.Loop() {
					for i := range calls { // a real second of traffic has many calls in few slots
						calls[i].ID = fmt.Sprintf("%032x", n)
						calls[i].RequestID = fmt.Sprintf("chatcmpl-%d-%d", n*7919%1_000_003, n)
						calls[i].Started = f.From.Add(time.Duration(n) * 200 * time.Microsecond)
						n++
					}
					if booked, err := s.Write(b.Context(), calls); err != nil || booked != size {
						b.Fatalf("booked %d, %v", booked, err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkTake asks for three accounts of a call at once.
func BenchmarkTake(b *testing.B) {
	for engine, o := range map[string]func() store.Options{
		"SQLite":   func() store.Options { return store.Options{Dir: b.TempDir()} },
		"Postgres": func() store.Options { return store.Options{URL: testkit.Postgres(b)} },
	} {
		b.Run(engine, func(b *testing.B) {
			truth := open(b, o()).Truth("a", time.Minute)
			asks := []quota.Ask{
				{Account: "budget:key:a", Kind: quota.Money, Cap: 1 << 60, Need: 1, Want: 1, Period: "30d"},
				{Account: "budget:team:a", Kind: quota.Money, Cap: 1 << 60, Need: 1, Want: 1},
				{Account: "rpm:a", Kind: quota.Rate, Cap: 1 << 60, Need: 1, Want: 1, Window: time.Minute},
			}
			for b.Loop() {
				if _, err := truth.Take(b.Context(), asks); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
