//go:build openssl

package auth_test

import (
	"crypto/sha256"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestOpenSSL_KeysAreFreed rotates through keys as a session principal does over
// years: what OpenSSL holds for them is not the garbage collector's to see.
func TestOpenSSL_KeysAreFreed(t *testing.T) {
	private := testKey()
	rotate := func(n int) int {
		for i := range n {
			if _, err := mustKey(t, private).SignDigest([sha256.Size]byte{}); err != nil {
				t.Fatal(err)
			}
			if i%100 == 0 {
				runtime.GC()
			}
		}
		return residentKB(t)
	}
	before := rotate(500)
	after := rotate(2000)
	// A key and its context take 5 to 6 kB: leaking them shows as 11 MB.
	if grown := after - before; grown > 6<<10 {
		t.Errorf("2000 keys later %d kB more are resident", grown)
	}
}

func residentKB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kB, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kB
}
