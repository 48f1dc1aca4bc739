package access_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

// crowd is a store of as many keys as are asked for, which are made up when they are read: the memory that is measured is
// the directory's alone. The keys have a team of a thousand, a user of ten thousand, a budget, limits and metadata.
type crowd struct{ memory }

func (c *crowd) Get(_ context.Context, id string, o account.Object) error {
	switch o := o.(type) {
	case *account.Key:
		n := 0
		for _, r := range id[:6] {
			n = n*16 + int(r)%16
		}
		*o = account.Key{
			Token: id, KeyID: id[:32], KeyName: "sk-..." + id[:4], KeyAlias: "service-" + id[:8], Models: []string{"oci-grok", "oci-cohere-command"},
			TeamID: fmt.Sprint("team-", n%1000), UserID: fmt.Sprint("user-", n%10_000),
			Limits:   account.Limits{RPMLimit: ptr(int64(100)), TPMLimit: ptr(int64(100_000))},
			Spending: account.Spending{MaxBudget: "25", BudgetDuration: "30d"},
			Metadata: map[string]any{"owner": "team-" + id[:4], "tags": []any{"prod"}},
		}
	case *account.Team:
		*o = account.Team{TeamID: id, TeamAlias: id, Spending: account.Spending{MaxBudget: "1000"}}
	case *account.User:
		*o = account.User{UserID: id, UserEmail: id + "@example.com", UserRole: account.InternalUser}
	default:
		return account.ErrNotFound
	}
	return nil
}

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// BenchmarkIdentify is the first step of a call with a key in memory: from the request to the identity.
func BenchmarkIdentify(b *testing.B) {
	for _, keys := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			g, raws, perKey := filled(b, keys)
			r := request("192.0.2.1:1", "Authorization", "")
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				r.Header["Authorization"][0] = raws[n%len(raws)]
				n += 7919
				if _, err := g.Identify(chatRoute, r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(perKey, "B/key")
		})
	}
}

// BenchmarkIdentify_Hot is the same with one key, which the processor's caches hold.
func BenchmarkIdentify_Hot(b *testing.B) {
	g, raws, _ := filled(b, 50_000)
	r := request("192.0.2.1:1", "Authorization", raws[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Identify(chatRoute, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdmitModel is the second step.
func BenchmarkAdmitModel(b *testing.B) {
	g, raws, _ := filled(b, 100_000)
	who, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", raws[0]))
	if err != nil {
		b.Fatal(err)
	}
	c := &access.ModelCall{Route: chatRoute, Model: "oci-grok"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.AdmitModel(context.Background(), &who, c); err != nil {
			b.Fatal(err)
		}
	}
}

// filled is a gate that knows as many keys, some of them as header values, and the bytes of memory that one key takes.
func filled(b *testing.B, keys int) (g *access.Gate, raws []string, perKey float64) {
	b.Helper()
	d := access.NewDirectory(&crowd{}, access.DirectoryOptions{MaxKeys: 2 * keys, LastSync: time.Now})
	g = access.NewGate(access.Options{MasterKey: key, Directory: d})
	before := heap()
	for i := range keys {
		raw := fmt.Sprintf("sk-%022d", i)
		if _, err := d.Lookup(context.Background(), account.HashKey(raw)); err != nil {
			b.Fatal(err)
		}
		if i%(keys/50_000) == 0 {
			raws = append(raws, "Bearer "+raw)
		}
	}
	perKey = float64(heap()-before) / float64(keys)
	if s := d.Stats(); s.Keys != keys {
		b.Fatalf("%+v", s)
	}
	return g, raws, perKey
}
