package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/local"
	"tollgate/internal/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suite of all caches, by a fake clock. Caches of one name share their entries.
func TestStore(t *testing.T) {
	var mu sync.Mutex
	named := map[string]*local.Store{}
	cachetest.RunStore(t, cachetest.StoreWorld{
		In: func(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) },
		Open: func(t *testing.T, namespace string) cache.Store {
			mu.Lock()
			defer mu.Unlock()
			if named[namespace] == nil {
				s, err := local.New(local.Options{})
				if err != nil {
					t.Fatal(err)
				}
				named[namespace] = s
			}
			return named[namespace]
		},
	})
}

func TestOpen(t *testing.T) {
	s, err := local.Open(setting.New("cache_params", map[string]any{"max_size_mb": json.Number("1"), "default_in_memory_ttl": json.Number("2")}, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, bad := range map[string]map[string]any{"nothing": {"max_size_mb": json.Number("0")}, "a text": {"max_size_mb": "much"}, "before now": {"default_in_memory_ttl": json.Number("-1")}} {
		if _, err := local.Open(setting.New("cache_params", bad, nil)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// An entry that names no life has the store's.
func TestStandardLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := local.New(local.Options{TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_ = s.Set(t.Context(), "k", []byte("v"), 0)
		time.Sleep(time.Minute - time.Nanosecond)
		if _, err := s.Get(t.Context(), "k"); err != nil {
			t.Errorf("before a minute is over: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := s.Get(t.Context(), "k"); err == nil {
			t.Error("after a minute it is still there")
		}
	})
}

// However much is stored, no more than the bound is kept, and what is asked for often survives a scan.
func TestBound(t *testing.T) {
	const most = 1 << 20
	s, err := local.New(local.Options{MaxBytes: most})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	value := make([]byte, 4<<10)
	_ = s.Set(ctx, "often", value, 0)
	for i := range 20_000 {
		if i%10 == 0 {
			_, _ = s.Get(ctx, "often")
		}
		if err := s.Set(ctx, fmt.Sprint(i), value, 0); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for i := range 20_000 {
		if _, err := s.Get(ctx, fmt.Sprint(i)); err == nil {
			kept++
		}
	}
	if got := kept * len(value); got > most*5/4 || kept < 64 {
		t.Errorf("%d entries of 4 kB are kept in 1 MB", kept)
	}
	if _, err := s.Get(ctx, "often"); err != nil {
		t.Error("a scan has pushed out what is asked for often")
	}
	if s.Set(ctx, "huge", make([]byte, most), 0) == nil {
		t.Error("a value as large as the cache was taken")
	}
}

func BenchmarkStore(b *testing.B) {
	s, err := local.New(local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cachetest.BenchStore(b, s)
}
