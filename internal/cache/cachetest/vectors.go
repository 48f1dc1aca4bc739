package cachetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/cache"
)

// VectorsWorld is a cache.Vectors under test.
type VectorsWorld struct {
	// Open opens a cache of a namespace. Caches of one namespace share their entries, others never. The test closes it.
	Open func(t *testing.T, namespace string) cache.Vectors
	// Server is stopped and started; nil = the cache has none.
	Server Server
	// Size is how many numbers a vector has; at least 4.
	Size int
	// Fixed says that the cache refuses vectors of another size.
	Fixed bool
	// In runs a test, in a bubble with a fake clock where the cache runs by that clock; nil = in real time.
	In func(t *testing.T, f func(t *testing.T))
}

// RunVectors runs the suite.
func RunVectors(t *testing.T, w VectorsWorld) {
	if w.In == nil {
		w.In = func(t *testing.T, f func(*testing.T)) { f(t) }
	}
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, w VectorsWorld)
	}{
		{"Empty", vectorsEmpty},
		{"Values", vectorsValues},
		{"Similarity", vectorsSimilarity},
		{"Scopes", vectorsScopes},
		{"Replaced", vectorsReplaced},
		{"Expiry", vectorsExpiry},
		{"Delete", vectorsDelete},
		{"Namespaces", vectorsNamespaces},
		{"Many", vectorsMany},
		{"Strange", vectorsStrange},
		{"AtOnce", vectorsAtOnce},
		{"Closed", vectorsClosed},
		{"ComesAndGoes", vectorsComeAndGo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.In(t, func(t *testing.T) { tt.run(t, w) })
		})
	}
}

func (w *VectorsWorld) open(t *testing.T) cache.Vectors { return w.named(t, "ns-"+rand.Text()) }

func (w *VectorsWorld) named(t *testing.T, namespace string) cache.Vectors {
	t.Helper()
	v := w.Open(t, namespace)
	t.Cleanup(func() { _ = v.Close() }) // a test may have closed it
	return v
}

// at is a vector at an angle, in degrees, to axis(0), in the plane of two axes.
func (w *VectorsWorld) at(degrees float64) []float32 {
	v := make([]float32, w.Size)
	v[0], v[1] = float32(math.Cos(degrees*math.Pi/180)), float32(math.Sin(degrees*math.Pi/180))
	return v
}

// random is a vector in any direction.
func (w *VectorsWorld) random(r *mathrand.Rand) []float32 {
	v := make([]float32, w.Size)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

const scope = "key:1 team:2"

// finds fails the test unless the nearest value is want, as similar as it is to be.
func finds(t *testing.T, c cache.Vectors, scope string, v []float32, threshold float64, want string, similarity float64) {
	t.Helper()
	got, similar, err := c.Nearest(t.Context(), scope, v, threshold)
	if err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if string(got) != want || math.Abs(similar-similarity) > 1e-3 {
		t.Fatalf("got %.50q, similar by %v; want %.50q by %v", got, similar, want, similarity)
	}
}

func misses(t *testing.T, c cache.Vectors, scope string, v []float32, threshold float64) {
	t.Helper()
	got, similar, err := c.Nearest(t.Context(), scope, v, threshold)
	if !errors.Is(err, cache.ErrMiss) {
		t.Fatalf("got %.50q, similar by %v, %v; want a miss", got, similar, err)
	}
}

func cosine(degrees float64) float64 { return math.Cos(degrees * math.Pi / 180) }

func vectorsEmpty(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	must(t, c.Ping(t.Context()))
	misses(t, c, scope, w.at(0), 0.5)
	must(t, c.Delete(t.Context(), "absent"))
	must(t, c.Delete(t.Context()))
	must(t, c.Flush(t.Context()))
	misses(t, c, scope, w.at(0), 0.5)
}

func vectorsValues(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"empty": {}, "text": []byte(`{"timestamp": 1.5, "response": "{\"a\":\"ä €\u2028\"}"}`), "every byte": every, "a megabyte": bytes.Repeat([]byte("0123456789abcdef"), 64<<10),
	} {
		vector, given := w.at(0), bytes.Clone(value)
		must(t, c.Put(t.Context(), name, name, vector, given, time.Hour))
		clear(given) // the caller's again
		clear(vector)
		finds(t, c, name, w.at(0), 0.999, string(value), 1)
	}
}

func vectorsSimilarity(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	for _, degrees := range []float64{0, 20, 60, 180} {
		must(t, c.Put(t.Context(), scope, fmt.Sprint(degrees), w.at(degrees), fmt.Append(nil, degrees), time.Hour))
	}
	finds(t, c, scope, w.at(0), 0.99, "0", 1)
	finds(t, c, scope, w.at(15), 0.99, "20", cosine(5))
	finds(t, c, scope, w.at(45), 0.9, "60", cosine(15))
	finds(t, c, scope, w.at(45), cosine(15.5), "60", cosine(15))
	misses(t, c, scope, w.at(45), cosine(14.5))
	misses(t, c, scope, w.at(-30), 0.9)
	finds(t, c, scope, w.at(-60), 0.4, "0", cosine(60))
	long := w.at(17)
	for i := range long {
		long[i] *= 1000 // the length does not matter
	}
	finds(t, c, scope, long, 0.99, "20", cosine(3))
}

// vectorsScopes checks that what is outside of a scope is never seen, however similar it is.
func vectorsScopes(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	scopes := []string{scope, scope + "3", "", "KEY:1 TEAM:2", "key:1", "' OR 1=1 --", `"}]}`, "a\x01b", "ä €", "{*|-@}", `\`, strings.Repeat("long ", 100)}
	for i, s := range scopes {
		must(t, c.Put(t.Context(), s, "id:"+s, w.at(float64(3*i)), fmt.Append(nil, i), time.Hour))
	}
	for i, s := range scopes {
		finds(t, c, s, w.at(float64(3*i)), 0.999, fmt.Sprint(i), 1)
		finds(t, c, s, w.at(40), 0.1, fmt.Sprint(i), cosine(40-float64(3*i)))
	}
	misses(t, c, "another", w.at(0), 0)
	misses(t, c, "key:1 team:", w.at(0), 0)
	misses(t, c, "*", w.at(0), 0)
}

func vectorsReplaced(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	must(t, c.Put(t.Context(), scope, "id", w.at(0), []byte("first"), time.Hour))
	must(t, c.Put(t.Context(), scope, "id", w.at(90), []byte("second"), time.Hour))
	finds(t, c, scope, w.at(90), 0.99, "second", 1)
	misses(t, c, scope, w.at(0), 0.9)
	must(t, c.Put(t.Context(), "other scope", "id", w.at(90), []byte("third"), time.Hour))
	misses(t, c, scope, w.at(90), 0.9)
	finds(t, c, "other scope", w.at(90), 0.99, "third", 1)
}

func vectorsExpiry(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	must(t, c.Put(t.Context(), scope, "best", w.at(0), []byte("best"), 400*time.Millisecond))
	must(t, c.Put(t.Context(), scope, "second", w.at(10), []byte("second"), time.Hour))
	must(t, c.Put(t.Context(), scope, "shortest", w.at(0), []byte("shortest"), time.Nanosecond))
	must(t, c.Put(t.Context(), "standard", "standard", w.at(0), []byte("standard"), 0))
	eventually(t, "the time of the best is over, and the second takes its place", func() bool {
		got, _, err := c.Nearest(t.Context(), scope, w.at(0), 0.9)
		must(t, err)
		return string(got) == "second"
	})
	finds(t, c, "standard", w.at(0), 0.9, "standard", 1)
	must(t, c.Put(t.Context(), scope, "second", w.at(10), []byte("renewed"), 50*time.Millisecond))
	eventually(t, "a new time replaces the old one", func() bool {
		_, _, err := c.Nearest(t.Context(), scope, w.at(0), 0.9)
		return errors.Is(err, cache.ErrMiss)
	})
}

func vectorsDelete(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	for i, id := range []string{"a", "b", "c"} {
		must(t, c.Put(t.Context(), scope, id, w.at(float64(30*i)), []byte(id), time.Hour))
	}
	must(t, c.Delete(t.Context(), "a", "absent", "c"))
	finds(t, c, scope, w.at(0), 0.5, "b", cosine(30))
	must(t, c.Flush(t.Context()))
	misses(t, c, scope, w.at(0), 0)
	must(t, c.Put(t.Context(), scope, "a", w.at(0), []byte("again"), time.Hour))
	finds(t, c, scope, w.at(0), 0.9, "again", 1)
}

func vectorsNamespaces(t *testing.T, w VectorsWorld) {
	base := "ns-" + rand.Text()
	names := []string{base, base + ":b", base + "b", base + "*", strings.ToLower(base)}
	all := make([]cache.Vectors, len(names))
	for i, n := range names {
		all[i] = w.named(t, n)
		must(t, all[i].Put(t.Context(), scope, "id", w.at(0), []byte(n), time.Hour))
	}
	finds(t, w.named(t, names[1]), scope, w.at(0), 0.9, names[1], 1)
	must(t, all[3].Flush(t.Context()))
	must(t, all[0].Delete(t.Context(), "id"))
	for i, n := range names {
		if i == 0 || i == 3 {
			misses(t, all[i], scope, w.at(0), 0)
			continue
		}
		finds(t, all[i], scope, w.at(0), 0.9, n, 1)
	}
}

// vectorsMany checks that among many entries an equal one is found, whatever index the cache has.
func vectorsMany(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	r := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // any vectors
	const n, scopes = 120, 3
	vectors := make([][]float32, n)
	name := func(i int) string { return fmt.Sprintf("scope %d", i%scopes) }
	for i := range vectors {
		vectors[i] = w.random(r)
		must(t, c.Put(t.Context(), name(i), fmt.Sprint(i), vectors[i], fmt.Append(nil, i), time.Hour))
	}
	for i := 0; i < n; i += 7 {
		finds(t, c, name(i), vectors[i], 0.999, fmt.Sprint(i), 1)
		misses(t, c, name(i+1), vectors[i], 0.999)
	}
}

// vectorsStrange checks that vectors that are none are refused or found nowhere.
func vectorsStrange(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	must(t, c.Put(t.Context(), scope, "good", w.at(0), []byte("good"), time.Hour))
	nan := w.at(0)
	nan[1] = float32(math.NaN())
	infinite := w.at(0)
	infinite[0] = float32(math.Inf(1))
	for name, v := range map[string][]float32{
		"zero": make([]float32, w.Size), "not a number": nan, "infinite": infinite, "nothing": nil, "too short": w.at(0)[:w.Size-1], "too long": append(w.at(0), 1),
	} {
		err := c.Put(t.Context(), scope, name, v, []byte(name), time.Hour)
		if err == nil && w.Fixed && len(v) != w.Size {
			t.Errorf("%s: it was stored", name)
		}
		if len(v) == w.Size {
			if got, similar, err := c.Nearest(t.Context(), scope, v, 0.5); err == nil && string(got) != name {
				t.Errorf("%s: finds %q, similar by %v", name, got, similar)
			}
		} else if got, _, err := c.Nearest(t.Context(), scope, v, 0.5); err == nil && (w.Fixed || string(got) != name) {
			t.Errorf("%s: finds %q", name, got)
		}
		finds(t, c, scope, w.at(0), 0.5, "good", 1)
	}
}

func vectorsAtOnce(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	const workers, rounds = 6, 8
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			own := fmt.Sprint("scope ", worker)
			for round := range rounds {
				v := w.at(float64(round * 6))
				value := bytes.Repeat(fmt.Appendf(nil, "%d-%d;", worker, round), 1000)
				if err := c.Put(t.Context(), own, fmt.Sprint(worker, ":", round%3), v, value, time.Hour); err != nil {
					t.Error(err)
					return
				}
				got, _, err := c.Nearest(t.Context(), own, v, 0.9999)
				if err != nil || !bytes.Equal(got, value) {
					t.Errorf("worker %d: %v, or another value than its last", worker, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func vectorsClosed(t *testing.T, w VectorsWorld) {
	c := w.open(t)
	must(t, c.Put(t.Context(), scope, "id", w.at(0), []byte("v"), time.Hour))
	must(t, c.Close())
	if v, _, err := c.Nearest(t.Context(), scope, w.at(0), 0.9); err == nil && string(v) != "v" { // whether it answers or fails is its own affair
		t.Errorf("a closed cache answers %q", v)
	}
}

func vectorsComeAndGo(t *testing.T, w VectorsWorld) {
	if w.Server == nil {
		return
	}
	c := w.open(t)
	comesAndGoes(t, w.Server,
		func(ctx context.Context) error { _, _, err := c.Nearest(ctx, scope, w.at(0), 0.9); return err },
		func(ctx context.Context) error { return c.Put(ctx, scope, "id", w.at(0), []byte("v"), time.Hour) },
		c.Ping)
	w.Server.Pause()
	defer w.Server.Resume()
	fresh := w.open(t)     // opened while the server hangs
	var all sync.WaitGroup // nobody waits for the others who wait
	for range 10 {
		all.Go(func() {
			failsInTime(t, "nearest", func(ctx context.Context) error { _, _, err := fresh.Nearest(ctx, scope, w.at(0), 0.9); return err })
		})
		all.Go(func() {
			failsInTime(t, "put", func(ctx context.Context) error { return fresh.Put(ctx, scope, "id", w.at(0), nil, time.Hour) })
		})
	}
	all.Wait()
}
