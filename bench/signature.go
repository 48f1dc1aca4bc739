package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// What the gateway spends on the RSA signature of an OCI call is the most of that call, so that what it spends on all
// else is a small difference of large numbers; and a signature costs more inside a busy gateway than in a loop, since
// its code and tables have left the caches. So the OCI cells are driven with two keys, of 2048 and of 1024 bits. The
// calls differ in the signature alone, and a loop tells how much less the short one costs:
//
//	cpu(2048) = rest + signature
//	cpu(1024) = rest + signature * ratio

// OCI's usual key, and one that is as short as Go allows.
const longKey, shortKey = 2048, 1024

// signatureOf is the signature's share of a call that took long µs with the long key and short with the short one.
func signatureOf(long, short, ratio float64) float64 { return (long - short) / (1 - ratio) }

// signatureRatio measures what a signature with the short key costs of one with the long key.
func signatureRatio(long, short *rsa.PrivateKey) (float64, error) {
	const turns, length = 5, 40 * time.Millisecond
	var ratios []float64
	for range turns {
		l, err := signatureCost(long, length)
		if err != nil {
			return 0, err
		}
		s, err := signatureCost(short, length)
		if err != nil {
			return 0, err
		}
		ratios = append(ratios, float64(s)/float64(l))
	}
	return median(ratios), nil
}

// signatureCost is the CPU of one signature in pure Go, made again and again for length.
func signatureCost(key *rsa.PrivateKey, length time.Duration) (time.Duration, error) {
	runtime.LockOSThread() // threadTime counts this one
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

// threadTime is the CPU that the calling thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil { // fails for a wrong argument only
		panic(err)
	}
	return time.Duration(t.Nano())
}

// writeKey writes a key as OCI's key files are.
func writeKey(file string, key *rsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
