package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// signer measures the CPU of one RSA-2048 signature in pure Go, which is what the gateway pays for each OCI call. The
// same signature costs more where it is made now and then, since its code and tables have left the caches, and where the
// other cores are busy, which may be one core's second thread; so it is made here as the gateway makes it in a round.
type signer struct {
	key *rsa.PrivateKey

	mu   sync.Mutex
	n    int           // signatures made; guarded by mu
	used time.Duration // CPU of their threads; guarded by mu
	err  error         // the first; guarded by mu
}

// paced signs at each arrival.
func (s *signer) paced(ctx context.Context, due []time.Duration) (time.Duration, error) {
	openLoop(ctx, due, func(time.Time) { s.sign() })
	return s.cost()
}

// saturated signs on all cores for length.
func (s *signer) saturated(ctx context.Context, length time.Duration) (time.Duration, error) {
	closedLoop(ctx, runtime.NumCPU(), length, func(time.Time) { s.sign() })
	return s.cost()
}

func (s *signer) sign() {
	runtime.LockOSThread() // threadTime counts this one
	defer runtime.UnlockOSThread()
	digest := sha256.Sum256([]byte("date: Tue, 24 Nov 2026 12:00:00 GMT"))
	before := threadTime()
	_, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	used := threadTime() - before
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.used, s.err = s.n+1, s.used+used, errors.Join(s.err, err)
}

func (s *signer) cost() (time.Duration, error) {
	if s.n == 0 {
		return 0, errors.New("no signature was made")
	}
	return s.used / time.Duration(s.n), s.err
}

// threadTime is the CPU that the calling thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil { // fails for a wrong argument only
		panic(err)
	}
	return time.Duration(t.Nano())
}
