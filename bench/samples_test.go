package main

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[(i*37)%100] = time.Duration(i + 1) // 1 to 100, out of order
	}
	for _, c := range []struct {
		name string
		in   samples
		p    float64
		want time.Duration
	}{
		{"none", nil, 50, 0},
		{"one", samples{7}, 99, 7},
		{"lowest", hundred, 0, 1},
		{"middle", hundred, 50, 50},
		{"99th of 100", hundred, 99, 99},
		{"highest", hundred, 100, 100},
		{"99th of 10 is the highest", samples{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 99, 10},
		{"90th of 10", samples{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 90, 9},
	} {
		if got := c.in.percentile(c.p); got != c.want {
			t.Errorf("%s: percentile(%v) = %d, want %d", c.name, c.p, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}
