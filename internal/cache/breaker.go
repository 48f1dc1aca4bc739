package cache

import (
	"sync"
	"time"
)

const (
	// breakerFailures is after how many failures in a row a backend is not asked for a while.
	breakerFailures = 5
	// breakerPause is how long that is. One call after it tries again.
	breakerPause = 10 * time.Second
)

// breaker keeps calls from waiting for a backend that has failed again and again. The zero value lets calls pass.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row; guarded by mu
	until    time.Time // when one call may try; guarded by mu
}

// allows reports whether the backend is to be asked. Of those that come after a pause one alone is told so.
func (b *breaker) allows(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerFailures {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(breakerPause)
	return true
}

// closed reports whether calls pass, without a try.
func (b *breaker) closed(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures < breakerFailures || !now.Before(b.until)
}

// note tells how it went. A zero now says that nobody knows: the caller has left before the backend could answer.
func (b *breaker) note(err error, now time.Time) {
	if now.IsZero() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.failures = 0
		return
	}
	b.failures++
	b.until = now.Add(breakerPause)
}

// quietFor is how long the log is spared after a line about a failure.
const quietFor = 30 * time.Second

// quiet spares the log. The zero value lets the first line pass.
type quiet struct {
	mu   sync.Mutex
	last time.Time // guarded by mu
}

func (q *quiet) may(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.last.IsZero() && now.Sub(q.last) < quietFor {
		return false
	}
	q.last = now
	return true
}
