package main

import (
	"slices"
	"time"
)

// samples are durations of one kind, in any order.
type samples []time.Duration

// percentile returns the smallest sample that p percent of all are not above (nearest rank); 0 when there is none.
// It sorts the samples.
func (s samples) percentile(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	rank := int(p/100*float64(len(s))+0.999999) - 1
	return s[min(max(rank, 0), len(s)-1)]
}

// median returns the middle value, or the mean of the two middle ones; 0 when there is none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
