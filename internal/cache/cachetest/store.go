package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/cache"
)

// StoreWorld is a cache.Store under test.
type StoreWorld struct {
	// Open opens a cache of a namespace. Caches of one namespace share their entries, others never. The test closes it.
	Open func(t *testing.T, namespace string) cache.Store
	// Server is stopped and started; nil = the cache has none.
	Server Server
	// Largest is the largest value that the cache must take, in bytes; 0 = 8 MiB.
	Largest int
	// Entries is how many entries Flush is tried with; 0 = 2500, more than a page of any backend.
	Entries int
	// In runs a test, in a bubble with a fake clock where the cache runs by that clock; nil = in real time.
	In func(t *testing.T, f func(t *testing.T))
}

// RunStore runs the suite.
func RunStore(t *testing.T, w StoreWorld) {
	if w.In == nil {
		w.In = func(t *testing.T, f func(*testing.T)) { f(t) }
	}
	if w.Largest == 0 {
		w.Largest = 8 << 20
	}
	if w.Entries == 0 {
		w.Entries = 2500
	}
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, w StoreWorld)
	}{
		{"Absent", storeAbsent},
		{"Values", storeValues},
		{"Keys", storeKeys},
		{"Replaced", storeReplaced},
		{"Expiry", storeExpiry},
		{"Delete", storeDelete},
		{"Namespaces", storeNamespaces},
		{"Flush", storeFlush},
		{"Many", storeMany},
		{"AtOnce", storeAtOnce},
		{"Closed", storeClosed},
		{"ComesAndGoes", storeComesAndGoes},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.In(t, func(t *testing.T) { tt.run(t, w) })
		})
	}
}

// open opens a namespace of the test's own.
func (w *StoreWorld) open(t *testing.T) cache.Store { return w.named(t, "ns-"+rand.Text()) }

func (w *StoreWorld) named(t *testing.T, namespace string) cache.Store {
	t.Helper()
	s := w.Open(t, namespace)
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

// has fails the test unless the cache has the value.
func has(t *testing.T, s cache.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%q: got %d bytes, want %d, or others", key, len(got), len(want))
	}
}

func storeAbsent(t *testing.T, w StoreWorld) {
	s := w.open(t)
	must(t, s.Ping(t.Context()))
	_, err := s.Get(t.Context(), "absent")
	miss(t, err)
	must(t, s.Delete(t.Context(), "absent"))
	must(t, s.Delete(t.Context()))
	must(t, s.Flush(t.Context()))
}

func storeValues(t *testing.T, w StoreWorld) {
	s := w.open(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, w.Largest)
	_, _ = rand.Read(large) // never fails
	for name, v := range map[string][]byte{
		"empty": {}, "text": []byte(`{"timestamp": 1.5, "response": "{\"a\":\"ä €\"}"}`), "every byte": every,
		"lines": []byte("a\r\nb\n\n"), "large": large,
	} {
		given := bytes.Clone(v)
		must(t, s.Set(t.Context(), name, given, time.Hour))
		clear(given) // the caller's again
		has(t, s, name, v)
		got, err := s.Get(t.Context(), name)
		must(t, err)
		if got == nil {
			t.Errorf("%s: nil", name)
		}
	}
}

func storeKeys(t *testing.T, w StoreWorld) {
	s := w.open(t)
	keys := []string{
		"a", "A", "a:b", "a/b", "a//b", "a/", "/a", "./a", "../a", "a/../b", "a b", "a+b", "a%20b", "a%2Fb", "ä", "a*", "a?", "[a]", `a\b`, "a'b", `a"b`,
		"a&b=c#d", "~a", "a;b", "a\nb", "c2f1ca0a4a4d1b2f8c7f7d5d8c0f1b4f3a52f4e3a2b1c0d9e8f7a6b5c4d3e2f1", strings.Repeat("k", 400),
	}
	for i, k := range keys {
		must(t, s.Set(t.Context(), k, []byte(fmt.Sprint(i)), time.Hour))
	}
	for i, k := range keys {
		has(t, s, k, []byte(fmt.Sprint(i)))
	}
	must(t, s.Delete(t.Context(), "a*", "a/"))
	for i, k := range keys {
		if k != "a*" && k != "a/" {
			has(t, s, k, []byte(fmt.Sprint(i)))
		}
	}
}

func storeReplaced(t *testing.T, w StoreWorld) {
	s := w.open(t)
	must(t, s.Set(t.Context(), "k", []byte("the first, longer value"), time.Hour))
	must(t, s.Set(t.Context(), "k", []byte("second"), time.Hour))
	has(t, s, "k", []byte("second"))
	must(t, s.Set(t.Context(), "k", []byte("short-lived"), 50*time.Millisecond))
	gone(t, s, "k", 50*time.Millisecond)
	must(t, s.Set(t.Context(), "k", []byte("short-lived"), 50*time.Millisecond))
	must(t, s.Set(t.Context(), "k", []byte("long-lived"), time.Hour))
	must(t, s.Set(t.Context(), "clock", nil, 60*time.Millisecond))
	gone(t, s, "clock", 60*time.Millisecond)
	has(t, s, "k", []byte("long-lived"))
}

// gone waits until an entry's time is over, and fails the test when it goes earlier than ttl after now.
func gone(t *testing.T, s cache.Store, key string, ttl time.Duration) {
	t.Helper()
	const clocks = 5 * time.Millisecond // what two clocks' steps may differ by
	begun := time.Now()
	eventually(t, "the entry is gone", func() bool {
		_, err := s.Get(t.Context(), key)
		if err != nil {
			miss(t, err)
		}
		return err != nil
	})
	if ttl > time.Second && time.Since(begun) < ttl-time.Second-clocks {
		t.Errorf("an entry with %v went after %v", ttl, time.Since(begun))
	}
}

func storeExpiry(t *testing.T, w StoreWorld) {
	s := w.open(t)
	must(t, s.Set(t.Context(), "short", []byte("v"), 300*time.Millisecond))
	must(t, s.Set(t.Context(), "middle", []byte("v"), 1500*time.Millisecond))
	must(t, s.Set(t.Context(), "shortest", []byte("v"), time.Nanosecond))
	must(t, s.Set(t.Context(), "long", []byte("v"), time.Hour))
	must(t, s.Set(t.Context(), "longest", []byte("v"), 30*365*24*time.Hour))
	must(t, s.Set(t.Context(), "standard", []byte("v"), 0))
	begun := time.Now()
	gone(t, s, "shortest", 0)
	gone(t, s, "short", 300*time.Millisecond)
	if time.Since(begun) < time.Second {
		has(t, s, "middle", []byte("v"))
	}
	gone(t, s, "middle", 1500*time.Millisecond)
	for _, k := range []string{"long", "longest", "standard"} {
		has(t, s, k, []byte("v"))
	}
}

func storeDelete(t *testing.T, w StoreWorld) {
	s := w.open(t)
	for _, k := range []string{"a", "b", "c"} {
		must(t, s.Set(t.Context(), k, []byte(k), time.Hour))
	}
	must(t, s.Delete(t.Context(), "a", "absent", "c", "c"))
	for _, k := range []string{"a", "c"} {
		_, err := s.Get(t.Context(), k)
		miss(t, err)
	}
	has(t, s, "b", []byte("b"))
}

func storeNamespaces(t *testing.T, w StoreWorld) {
	base := "ns-" + rand.Text()
	names := []string{base, base + ":b", base + "b", base + "*", strings.ToLower(base)}
	stores := make([]cache.Store, len(names))
	for i, n := range names {
		stores[i] = w.named(t, n)
		must(t, stores[i].Set(t.Context(), "k", []byte(n), time.Hour))
	}
	again := w.named(t, names[1])
	has(t, again, "k", []byte(names[1]))
	for i, n := range names {
		has(t, stores[i], "k", []byte(n))
	}
	must(t, stores[3].Flush(t.Context()))
	must(t, stores[0].Flush(t.Context()))
	for i, n := range names {
		if i == 0 || i == 3 {
			_, err := stores[i].Get(t.Context(), "k")
			miss(t, err)
			continue
		}
		has(t, stores[i], "k", []byte(n))
	}
}

func storeFlush(t *testing.T, w StoreWorld) {
	s := w.open(t)
	key := func(i int) string { return fmt.Sprint("key:", i) }
	fill(t, s, w.Entries, key)
	has(t, s, key(w.Entries-1), []byte("v"))
	must(t, s.Flush(t.Context()))
	for i := 0; i < w.Entries; i += 1 + w.Entries/100 {
		_, err := s.Get(t.Context(), key(i))
		miss(t, err)
	}
	must(t, s.Set(t.Context(), "after", []byte("v"), time.Hour))
	has(t, s, "after", []byte("v"))
}

// fill stores n entries, in one go where the cache can.
func fill(t *testing.T, s cache.Store, n int, key func(i int) string) {
	t.Helper()
	entries := make([]cache.KeyValue, n)
	for i := range entries {
		entries[i] = cache.KeyValue{Key: key(i), Value: []byte("v")}
	}
	if m, is := s.(cache.Many); is {
		must(t, m.SetMany(t.Context(), entries, time.Hour))
		return
	}
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := w; i < n; i += 8 {
				if err := s.Set(t.Context(), entries[i].Key, entries[i].Value, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func storeMany(t *testing.T, w StoreWorld) {
	s, is := w.open(t).(cache.Many)
	if !is {
		return // the engine asks one by one
	}
	const n = 250
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprint("key:", i))
		if i%3 > 0 {
			must(t, s.Set(t.Context(), keys[i], []byte(keys[i]), time.Hour))
		}
	}
	must(t, s.SetMany(t.Context(), []cache.KeyValue{{Key: keys[0], Value: []byte{}}, {Key: keys[3], Value: []byte("three")}}, time.Hour))
	got, err := s.GetMany(t.Context(), keys)
	must(t, err)
	if len(got) != n {
		t.Fatalf("%d values for %d keys", len(got), n)
	}
	for i, v := range got {
		want := []byte(keys[i])
		switch {
		case i == 0:
			want = []byte{}
		case i == 3:
			want = []byte("three")
		case i%3 == 0:
			want = nil
		}
		if !bytes.Equal(v, want) || (v == nil) != (want == nil) {
			t.Errorf("%s: got %q, want %q", keys[i], v, want)
		}
	}
	must(t, s.SetMany(t.Context(), []cache.KeyValue{{Key: "short", Value: []byte("v")}}, 50*time.Millisecond))
	gone(t, s, "short", 50*time.Millisecond)
	for name, f := range map[string]func() error{
		"none": func() error { _, err := s.GetMany(t.Context(), nil); return err },
		"no":   func() error { return s.SetMany(t.Context(), nil, time.Hour) },
	} {
		if err := f(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// storeAtOnce checks that whoever reads gets a whole value that somebody has written under this key.
func storeAtOnce(t *testing.T, w StoreWorld) {
	s := w.open(t)
	const workers, rounds, keys = 8, 25, 3
	value := func(key, writer int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%d-%d;", key, writer), 5000) }
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for round := range rounds {
				k := (worker + round) % keys
				if err := s.Set(t.Context(), fmt.Sprint(k), value(k, worker), time.Hour); err != nil {
					t.Error(err)
				}
				if worker == 0 && round%10 == 5 {
					if err := s.Delete(t.Context(), fmt.Sprint(k)); err != nil {
						t.Error(err)
					}
				}
				got, err := s.Get(t.Context(), fmt.Sprint(k))
				if errors.Is(err, cache.ErrMiss) {
					continue
				}
				head, _, _ := bytes.Cut(got, []byte("-"))
				if err != nil || string(head) != fmt.Sprint(k) || !bytes.Equal(got, bytes.Repeat(got[:len(value(k, 0))/5000], 5000)) {
					t.Errorf("key %d: %v, or a value in pieces", k, err)
				}
			}
		})
	}
	all.Wait()
}

func storeClosed(t *testing.T, w StoreWorld) {
	s := w.open(t)
	must(t, s.Set(t.Context(), "k", []byte("v"), time.Hour))
	must(t, s.Close())
	if v, err := s.Get(t.Context(), "k"); err == nil && string(v) != "v" { // whether it answers or fails is its own affair
		t.Errorf("a closed cache answers %q", v)
	}
}

func storeComesAndGoes(t *testing.T, w StoreWorld) {
	if w.Server == nil {
		return
	}
	s := w.open(t)
	comesAndGoes(t, w.Server,
		func(ctx context.Context) error { _, err := s.Get(ctx, "k"); return err },
		func(ctx context.Context) error { return s.Set(ctx, "k", []byte("v"), time.Hour) },
		s.Ping)
	if m, is := s.(cache.Many); is {
		w.Server.Stop()
		failsInTime(t, "GetMany", func(ctx context.Context) error { _, err := m.GetMany(ctx, []string{"k", "l"}); return err })
		failsInTime(t, "SetMany", func(ctx context.Context) error {
			return m.SetMany(ctx, []cache.KeyValue{{Key: "k"}}, time.Hour)
		})
		w.Server.Start()
	}
}
