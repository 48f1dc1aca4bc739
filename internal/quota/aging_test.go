package quota

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Accounts that nobody uses leave the memory, one in constant use takes one place in each line, and what was leased of
// all of them has gone back.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{TTL: time.Minute})
		b := NewBook(m.Replica("a"), Options{})
		b.Start()
		defer b.Close(context.Background())
		call := func(name string, limit int64) {
			line := Line{Key: Key{"budget", "", name}, Kind: Money, Cap: limit, Least: 10, Most: 10}
			var h Hold
			if err := b.Acquire(t.Context(), &h, []Line{line}, 0); err != nil {
				t.Fatal(err)
			}
			h.End(1)
			m.Spend("a", line.Key.String(), 1)
			b.Booked(line.Key, 1)
		}
		for i := range 2000 {
			call(fmt.Sprint("key", i), 1_000_000)
		}
		for range 5000 {
			call("tight", 10_000)
			call("plenty", 1_000_000_000)
			time.Sleep(150 * time.Millisecond)
		}
		b.mu.Lock()
		for c := range classes {
			if n := len(b.aging[c]); n > 2002 {
				t.Errorf("%d accounts are lined up in class %d", n, c)
			}
		}
		b.mu.Unlock()
		time.Sleep(25 * time.Minute)
		if n := b.Stats().Accounts; n != 0 {
			t.Errorf("%d accounts are in memory", n)
		}
		for name, account := range m.accounts {
			if len(account.leases) != 0 {
				t.Fatalf("%s: %v is leased", name, account.leases)
			}
		}
	})
}

func TestKey(t *testing.T) {
	for want, k := range map[string]Key{"budget:key:ab": {Unit: "budget", Name: "key:ab"}, "rpm:api_key:ab": {Unit: "rpm", Group: "api_key", Name: "ab"}} {
		if k.String() != want {
			t.Errorf("%#v is %s", k, k)
		}
	}
}
