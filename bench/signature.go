package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// signatureCost measures the CPU of one RSA-2048 signature in pure Go, which is what the gateway pays per OCI call, by
// signing for length. It is taken beside each round, since the clock of a machine changes with its load.
func signatureCost(key *rsa.PrivateKey, length time.Duration) (time.Duration, error) {
	runtime.LockOSThread() // RUSAGE_THREAD counts this thread
	defer runtime.UnlockOSThread()
	digest := sha256.Sum256([]byte("date: Tue, 24 Nov 2026 12:00:00 GMT"))
	before, start, n := threadTime(), time.Now(), 0
	for time.Since(start) < length {
		if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]); err != nil {
			return 0, err
		}
		n++
	}
	return (threadTime() - before) / time.Duration(n), nil
}

func threadTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil { // fails for a wrong argument only
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
