package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// arrivals is when the calls of an open loop are due, counted from its start: evenly spaced, whatever becomes of the
// calls before.
func arrivals(rate float64, length time.Duration) []time.Duration {
	n := int(rate*length.Seconds() + 0.5)
	due := make([]time.Duration, n)
	for i := range due {
		due[i] = time.Duration(float64(i) / rate * float64(time.Second))
	}
	return due
}

// openLoop makes a call at each arrival, without waiting for those under way, and returns when all have ended. call
// gets the time at which it was due: whoever measures from there counts what a caller would have waited, also when the
// machine is late (no coordinated omission). It returns how late calls were begun.
func openLoop(ctx context.Context, due []time.Duration, call func(due time.Time)) samples {
	// A timer of Go wakes an idle process with the millisecond resolution of epoll; nanosleep needs a thread of its own.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	late := make(samples, 0, len(due))
	var calls sync.WaitGroup
	start := time.Now()
	for _, d := range due {
		at := start.Add(d)
		if wait := time.Until(at); wait > 0 {
			t := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&t, nil) // a signal ends it early; then this call comes early by less than an interval
		}
		if ctx.Err() != nil {
			break
		}
		late = append(late, time.Since(at))
		calls.Go(func() { call(at) })
	}
	calls.Wait()
	return late
}

// closedLoop keeps clients calls under way for length and returns how long that took in all, the ends included.
func closedLoop(ctx context.Context, clients int, length time.Duration, call func(begun time.Time)) time.Duration {
	start := time.Now()
	var workers sync.WaitGroup
	for range clients {
		workers.Go(func() {
			for now := time.Now(); now.Sub(start) < length && ctx.Err() == nil; now = time.Now() {
				call(now)
			}
		})
	}
	workers.Wait()
	return time.Since(start)
}
