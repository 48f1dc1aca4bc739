package store_test

import (
	"fmt"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

// benchKeys is how many keys there are while the benchmarks run.
const benchKeys = 20_000

// BenchmarkObjects measures a read, a page of a list, a search by an index and a change, among many keys.
func BenchmarkObjects(b *testing.B) {
	for _, e := range []struct {
		name string
		o    func(b *testing.B) store.Options
	}{
		{"sqlite", func(b *testing.B) store.Options { return store.Options{Dir: b.TempDir()} }},
		{"postgres", func(b *testing.B) store.Options { return store.Options{URL: testkit.Postgres(b)} }},
	} {
		b.Run(e.name, func(b *testing.B) {
			s := open(b, e.o(b))
			fill(b, s)
			find := func(f account.Filter) func(b *testing.B, n int) error {
				return func(b *testing.B, _ int) error {
					_, err := s.Find(b.Context(), account.Keys, f, func([]byte) error { return nil })
					return err
				}
			}
			for name, step := range map[string]func(b *testing.B, n int) error{
				"get": func(b *testing.B, n int) error {
					_, err := account.Get[account.Key](b.Context(), s, account.HashKey(fmt.Sprint(n%benchKeys)))
					return err
				},
				"page":     find(account.Filter{Limit: 25, Offset: 1000, Desc: true}),
				"by_team":  find(account.Filter{Equal: map[string]any{"team_id": "team7"}, Limit: 25}),
				"by_spend": find(account.Filter{Sort: "spend", Desc: true, Limit: 25}),
				"spend": func(b *testing.B, n int) error {
					_, err := s.Spend(b.Context(), account.KeyScope(account.HashKey(fmt.Sprint(n%benchKeys))), account.TeamScope("team7"))
					return err
				},
				"update": func(b *testing.B, n int) error {
					return s.Update(b.Context(), func(tx account.Tx) error {
						k, err := account.Get[account.Key](b.Context(), tx, account.HashKey(fmt.Sprint(n%benchKeys)))
						if err != nil {
							return err
						}
						k.RotationCount++
						return tx.Replace(b.Context(), k)
					})
				},
			} {
				b.Run(name, func(b *testing.B) {
					for n := 0; b.Loop(); n++ {
						if err := step(b, n); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func fill(b *testing.B, s *store.Store) {
	b.Helper()
	const each = 1000
	for from := 0; from < benchKeys; from += each {
		err := s.Update(b.Context(), func(tx account.Tx) error {
			for n := from; n < from+each; n++ {
				hash := account.HashKey(fmt.Sprint(n))
				k := &account.Key{Token: hash, KeyAlias: fmt.Sprint("key", n), TeamID: fmt.Sprint("team", n%100), UserID: fmt.Sprint("user", n%1000)}
				if err := tx.Insert(b.Context(), k); err != nil {
					return err
				}
				if err := tx.SetSpent(b.Context(), account.KeyScope(hash), 5); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
