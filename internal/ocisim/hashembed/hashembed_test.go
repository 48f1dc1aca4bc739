package hashembed_test

import (
	"math"
	"testing"

	"tollgate/internal/ocisim/hashembed"
)

func near(a, b string) float64 {
	return hashembed.Cosine(hashembed.Vector("m", a, 1024), hashembed.Vector("m", b, 1024))
}

func TestVector_Nearness(t *testing.T) {
	for _, tt := range []struct {
		a, b      string
		low, high float64
	}{
		{"the cat sat on the mat", "the cat sat on the mat", 0.9999, 1.0001},
		{"The CAT sat, on the mat!", "the cat sat on the mat", 0.9999, 1.0001},
		{"where do cats sleep", "a cat sleeps on the sofa", 0.3, 0.99},
		{"running shoes", "shoes for a runner", 0.3, 0.99},
		{"the price of bonds", "a recipe for bread", -0.15, 0.25},
		{"", "", 0.9999, 1.0001},
	} {
		if got := near(tt.a, tt.b); got < tt.low || got > tt.high {
			t.Errorf("%q and %q: %g, want %g to %g", tt.a, tt.b, got, tt.low, tt.high)
		}
	}
}

func TestVector_LengthAndSpaces(t *testing.T) {
	for _, dims := range []int{1, 256, 1536} {
		for _, text := range []string{"", "a", "some longer text about nothing"} {
			v := hashembed.Vector("m", text, dims)
			if length := hashembed.Cosine(v, v); len(v) != dims || math.Abs(length-1) > 1e-5 {
				t.Errorf("%q in %d dimensions: %d numbers of length %g", text, dims, len(v), length)
			}
		}
	}
	a, b := hashembed.Vector("one", "the same text", 1024), hashembed.Vector("two", "the same text", 1024)
	if got := hashembed.Cosine(a, b); math.Abs(got) > 0.3 {
		t.Errorf("two models give vectors %g apart for the same text", got)
	}
	if hashembed.Cosine(a, a[:10]) != 0 {
		t.Error("vectors of two lengths are near")
	}
}
