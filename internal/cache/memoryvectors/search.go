package memoryvectors

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// sideBySide is from how many numbers on a shelf is searched by several goroutines: less takes a millisecond.
const sideBySide = 1 << 20

// nearest is the entry of a shelf that is most similar to v, nil where none is as similar as threshold.
func (sh *shelf) nearest(ctx context.Context, v []float32, threshold float64, now time.Time) (*entry, float64) {
	if sh == nil || sh.size != len(v) {
		return nil, 0
	}
	workers := 1
	if len(sh.vectors) >= sideBySide {
		workers = runtime.GOMAXPROCS(0)
	}
	stretch := (len(sh.entries) + workers - 1) / workers
	bests := make([]best, workers)
	var all sync.WaitGroup
	for w := 1; w < workers; w++ {
		all.Go(func() {
			bests[w] = sh.search(ctx, v, threshold, now, min(w*stretch, len(sh.entries)), min((w+1)*stretch, len(sh.entries)))
		})
	}
	most := sh.search(ctx, v, threshold, now, 0, min(stretch, len(sh.entries)))
	all.Wait()
	for _, b := range bests {
		if b.entry != nil && (most.entry == nil || b.similarity > most.similarity) {
			most = b
		}
	}
	return most.entry, min(float64(most.similarity), 1)
}

type best struct {
	entry      *entry
	similarity float32
}

// rounding is by how much the product of two equal vectors may be less than 1.
const rounding = 1e-6

// search looks at the entries from one place to another.
func (sh *shelf) search(ctx context.Context, v []float32, threshold float64, now time.Time, from, to int) best {
	const look = 4096 // entries between two looks at whether anybody still waits
	b := best{similarity: float32(threshold - rounding)}
	for i := from; i < to; i++ {
		if i%look == 0 && ctx.Err() != nil {
			return best{}
		}
		product := dot(v, sh.vectors[i*sh.size:(i+1)*sh.size])
		if product >= b.similarity && now.Before(sh.entries[i].until) && (b.entry == nil || product > b.similarity) {
			b = best{sh.entries[i], product}
		}
	}
	return b
}

// dot is the product of two vectors of one size: of length 1, their cosine. Eight sums beside each other keep the processor's
// units busy, and are more exact than one.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		x, y := (*[8]float32)(a), (*[8]float32)(b)
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
		a, b = a[8:], b[8:]
	}
	for i := range min(len(a), len(b)) {
		s0 += a[i] * b[i]
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}
