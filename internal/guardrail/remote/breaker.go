package remote

import (
	"errors"
	"sync"
	"time"
)

const (
	// trips is how many failures in a row open a breaker.
	trips = 5
	// pause is how long an open one keeps calls away, where the vendor asks for no longer one; then one call is let through.
	pause = 10 * time.Second
	// longestPause bounds what a vendor can ask for.
	longestPause = time.Minute
)

// breaker keeps calls away from a vendor that has failed several times in a row: each would otherwise wait for the timeout. The
// zero value is closed. It is safe for concurrent use.
type breaker struct {
	mu      sync.Mutex
	failed  int       // in a row
	opens   time.Time // when a call may be tried; zero = now
	probing bool      // one is under way
}

// wait is how long calls are to be kept away; 0 lets the call through.
func (b *breaker) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed < trips:
		return 0
	case now.Before(b.opens):
		return b.opens.Sub(now)
	case b.probing:
		return time.Second
	}
	b.probing = true
	return 0
}

// left says that the caller of a call went away before its outcome.
func (b *breaker) left() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

// note counts the outcome of a call; against says that err speaks against the vendor.
func (b *breaker) note(now time.Time, err error, against bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if !against {
		b.failed = 0
		return
	}
	b.failed++
	away := pause
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > away {
		away = min(e.RetryAfter, longestPause)
	}
	b.opens = now.Add(away)
}
