package budget_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/quota"
)

// A call with a key's, a team's and an organisation's budget, of 100,000 keys.
func BenchmarkReserve(b *testing.B) {
	const keys = 100_000
	book := budget.New(quota.NewMemory(quota.MemoryOptions{}).Replica("a"), budget.Options{})
	book.Start()
	defer book.Close(context.Background())
	scopes := make([][]budget.Scope, keys)
	for i := range scopes {
		scopes[i] = []budget.Scope{
			{Counter: account.KeyScope(fmt.Sprintf("%064x", i)), Cap: 1_000_000 * dollar},
			{Counter: account.TeamScope(fmt.Sprint("team-", i%1000)), Cap: 1_000_000 * dollar},
			{Counter: account.OrgScope(fmt.Sprint("org-", i%10)), Cap: 1_000_000 * dollar},
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	call := func(i int) {
		h, err := book.Reserve(context.Background(), scopes[i], budget.Ask{Worst: dollar / 100})
		if err != nil {
			b.Fatal(err)
		}
		h.Settle(dollar / 1e6)
	}
	for i := range scopes {
		call(i)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i = (i + 7919) % keys
		call(i)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "B/key")
}

func BenchmarkReserveOneKey(b *testing.B) {
	book := budget.New(quota.NewMemory(quota.MemoryOptions{}).Replica("a"), budget.Options{})
	book.Start()
	defer book.Close(context.Background())
	scopes := one(key, 1_000_000*dollar)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h, err := book.Reserve(context.Background(), scopes, budget.Ask{Worst: dollar / 1e6})
			if err != nil {
				b.Fatal(err)
			}
			h.Settle(dollar / 1e7)
		}
	})
}
