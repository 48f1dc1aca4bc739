// Package cachetest is what every cache must do: one suite for those that keep values by key, one for those that keep them
// by meaning. Both run against real servers, which they stop and start.
package cachetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tollgate/internal/cache"
)

// Server is a server behind a cache, as testkit has them.
type Server interface {
	Stop()
	Start()
	Pause()
	Resume()
}

const (
	// patience bounds what must happen some time, on a machine that is busy with other tests.
	patience = 30 * time.Second
	// lookup is what a call waits for a cache, and late is when an answer that was to come within it comes too late.
	lookup = time.Second
	late   = 4 * time.Second
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) { // between two questions
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// miss fails the test unless err is ErrMiss.
func miss(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, cache.ErrMiss) {
		t.Fatalf("got %v, want a miss", err)
	}
}

// failsInTime fails the test unless f fails, and not with a miss, soon after the context that it is given has ended.
func failsInTime(t *testing.T, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lookup)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	if err == nil || errors.Is(err, cache.ErrMiss) {
		t.Errorf("%s: got %v, want a failure", what, err)
	}
	if took := time.Since(begun); took > late {
		t.Errorf("%s: took %v for a call of %v", what, took, lookup)
	}
}

// comesAndGoes checks that a cache whose server is stopped or hangs says so in time, and works again afterwards. get and
// set are one entry's.
func comesAndGoes(t *testing.T, s Server, get, set, ping func(ctx context.Context) error) {
	t.Helper()
	down := func(how string) {
		t.Helper()
		failsInTime(t, how+": get", get)
		failsInTime(t, how+": set", set)
		failsInTime(t, how+": ping", ping)
	}
	up := func(how string) {
		t.Helper()
		var last error
		defer func() {
			if t.Failed() && last != nil {
				t.Log(last)
			}
		}()
		eventually(t, fmt.Sprintf("it works after %s", how), func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), lookup)
			defer cancel()
			last = errors.Join(set(ctx), get(ctx), ping(ctx))
			return last == nil
		})
	}
	up("its start")
	s.Pause()
	eventually(t, "the pause is noticed", func() bool { // a server's threads stop a moment after they are told to
		ctx, cancel := context.WithTimeout(t.Context(), lookup)
		defer cancel()
		return get(ctx) != nil
	})
	down("paused")
	s.Resume()
	up("a pause")
	s.Stop()
	down("stopped")
	s.Start()
	up("a restart")
}
