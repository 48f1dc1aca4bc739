package memoryvectors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/memoryvectors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suite of all caches by meaning, by a fake clock.
func TestVectors(t *testing.T) {
	var mu sync.Mutex
	named := map[string]*memoryvectors.Store{}
	cachetest.RunVectors(t, cachetest.VectorsWorld{
		Size: 8,
		In:   func(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) },
		Open: func(_ *testing.T, namespace string) cache.Vectors {
			mu.Lock()
			defer mu.Unlock()
			if named[namespace] == nil {
				named[namespace] = memoryvectors.New(memoryvectors.Options{})
			}
			return named[namespace]
		},
	})
}

func random(r *rand.Rand, size int) []float32 {
	v := make([]float32, size)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// What was not asked for longest goes when there is no room, and nothing is found of it any more.
func TestBound(t *testing.T) {
	const size, entries = 64, 100
	s := memoryvectors.New(memoryvectors.Options{MaxBytes: entries * (4*size + 1000 + 400)})
	defer s.Close()
	ctx, r := context.Background(), rand.New(rand.NewPCG(1, 1))
	vectors := make([][]float32, 10*entries)
	for i := range vectors {
		vectors[i] = random(r, size)
		if err := s.Put(ctx, fmt.Sprint(i%3), fmt.Sprint(i), vectors[i], make([]byte, 1000), 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Nearest(ctx, "0", vectors[0], 0.99); err != nil {
			t.Fatalf("after %d entries what is always asked for is gone: %v", i, err)
		}
	}
	kept := 0
	for i, v := range vectors {
		if _, _, err := s.Nearest(ctx, fmt.Sprint(i%3), v, 0.99); err == nil {
			kept++
		}
	}
	if kept < entries*8/10 || kept > entries*12/10 {
		t.Errorf("%d entries are kept, want about %d", kept, entries)
	}
	if s.Put(ctx, "0", "huge", vectors[0], make([]byte, 10<<20), 0) == nil {
		t.Error("a value that is larger than the cache was taken")
	}
}

// A search that several goroutines share finds what one finds, and ends with its caller.
func TestLargeShelf(t *testing.T) {
	const size, entries = 256, 5000 // more numbers than one goroutine searches
	s := memoryvectors.New(memoryvectors.Options{TTL: time.Hour})
	defer s.Close()
	ctx, r := context.Background(), rand.New(rand.NewPCG(2, 2))
	vectors := make([][]float32, entries)
	for i := range vectors {
		vectors[i] = random(r, size)
		if err := s.Put(ctx, "s", fmt.Sprint(i), vectors[i], fmt.Append(nil, i), 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < entries; i += 97 {
		got, similarity, err := s.Nearest(ctx, "s", vectors[i], 0.99)
		if err != nil || string(got) != fmt.Sprint(i) || similarity < 0.999 || similarity > 1 {
			t.Fatalf("%d: %s, %v, %v", i, got, similarity, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := s.Nearest(gone, "s", vectors[0], 0.99); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who has left: %v", err)
	}
}

// BenchmarkNearest searches as many entries as a large process keeps, of the size of OpenAI's small embeddings.
func BenchmarkNearest(b *testing.B) {
	const size = 1536
	for _, entries := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			s := memoryvectors.New(memoryvectors.Options{MaxBytes: 4 << 30, TTL: time.Hour})
			defer s.Close()
			r := rand.New(rand.NewPCG(3, 3))
			v := random(r, size)
			for i := range entries {
				v[i%size] = -v[i%size]
				if err := s.Put(b.Context(), "s", fmt.Sprint(i), v, nil, 0); err != nil {
					b.Fatal(err)
				}
			}
			asked := random(r, size)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Nearest(b.Context(), "s", asked, 0.9); !errors.Is(err, cache.ErrMiss) {
					b.Fatal(err)
				}
			}
		})
	}
}
