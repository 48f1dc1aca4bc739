package cachetest

import (
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"tollgate/internal/cache"
)

// BenchStore measures one caller's Get and Set of values of several sizes.
func BenchStore(b *testing.B, s cache.Store) {
	warm := errors.Join(s.Set(b.Context(), "warm", nil, time.Hour), s.Delete(b.Context(), "warm")) // the first calls find a server still starting
	if warm != nil {
		b.Fatal(warm)
	}
	for _, size := range []int{2 << 10, 64 << 10, 1 << 20} {
		value := make([]byte, size)
		_, _ = rand.Read(value) // never fails
		key := fmt.Sprint("bench:", size)
		b.Run(fmt.Sprintf("set/%dKiB", size>>10), func(b *testing.B) {
			for b.Loop() {
				if err := s.Set(b.Context(), key, value, time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("get/%dKiB", size>>10), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Get(b.Context(), key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("miss", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), "absent"); err == nil {
				b.Fatal("not absent")
			}
		}
	})
}

// BenchVectors measures one caller's Put and Nearest of vectors of 1536 numbers, with a thousand entries in the scope and
// values of 2 KiB.
func BenchVectors(b *testing.B, c cache.Vectors) {
	const size, entries = 1536, 1000
	r := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // any vectors
	value := make([]byte, 2<<10)
	vectors := make([][]float32, entries)
	for i := range vectors {
		vectors[i] = make([]float32, size)
		for j := range vectors[i] {
			vectors[i][j] = float32(r.NormFloat64())
		}
	}
	i := 0
	put := func() {
		if err := c.Put(b.Context(), "scope", fmt.Sprint(i%entries), vectors[i%entries], value, time.Hour); err != nil {
			b.Fatal(err)
		}
		i++
	}
	for range entries {
		put()
	}
	b.Run("put", func(b *testing.B) {
		for b.Loop() {
			put()
		}
	})
	b.Run("nearest", func(b *testing.B) {
		for b.Loop() {
			i++
			if _, _, err := c.Nearest(b.Context(), "scope", vectors[i%entries], 0.9); err != nil {
				b.Fatal(err)
			}
		}
	})
}
