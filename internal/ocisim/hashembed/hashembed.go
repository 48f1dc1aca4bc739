// Package hashembed turns text into vectors by feature hashing: words and letter trigrams vote for dimensions, and the
// vector is normalised. Texts that share words or parts of words are near, others are close to orthogonal; the same
// text always gives the same vector. It stands in for an embedding model where no model can be had.
package hashembed

import (
	"hash/fnv"
	"math"
	"regexp"
	"strings"
)

var wordPattern = regexp.MustCompile(`[\p{L}\p{N}]+`)

// light words say little about what a text is about, so they weigh little.
const light = " a an and are as at be by for from has have how i in is it its of on or that the this to was what when where which who with you "

const (
	wordWeight    = 1.0
	lightWeight   = 0.1
	trigramWeight = 0.35
)

// Vector embeds a text in dims dimensions. The salt keeps the spaces of different models apart. The vector has length
// one; a text without words gives a fixed unit vector. dims must be positive.
func Vector(salt, text string, dims int) []float32 {
	sum := make([]float64, dims)
	for _, word := range wordPattern.FindAllString(strings.ToLower(text), -1) {
		word = stem(word)
		if strings.Contains(light, " "+word+" ") {
			vote(sum, salt, "w"+word, lightWeight)
			continue
		}
		vote(sum, salt, "w"+word, wordWeight)
		padded := []rune("^" + word + "$")
		for i := 0; i+3 <= len(padded); i++ {
			vote(sum, salt, "t"+string(padded[i:i+3]), trigramWeight)
		}
	}
	return normalise(sum)
}

// stem cuts a plural s, so that "cat" and "cats" share their word.
func stem(word string) string {
	if len(word) > 3 && strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") {
		return word[:len(word)-1]
	}
	return word
}

// vote adds a feature to four dimensions with signs of its own, which keeps accidental neighbours rare.
func vote(sum []float64, salt, feature string, weight float64) {
	h := fnv.New64a()
	h.Write([]byte(salt))
	h.Write([]byte{0})
	h.Write([]byte(feature))
	bits := h.Sum64()
	for range 4 {
		bits = bits*6364136223846793005 + 1442695040888963407
		at := int((bits >> 33) % uint64(len(sum)))
		if bits>>32&1 == 0 {
			sum[at] += weight
		} else {
			sum[at] -= weight
		}
	}
}

func normalise(sum []float64) []float32 {
	var square float64
	for _, v := range sum {
		square += v * v
	}
	out := make([]float32, len(sum))
	if square == 0 {
		out[0] = 1
		return out
	}
	length := math.Sqrt(square)
	for i, v := range sum {
		out[i] = float32(v / length)
	}
	return out
}

// Cosine returns the cosine of the angle between two vectors of length one; vectors of different dimension give 0.
func Cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var dot float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
	}
	return dot
}
