package guardrail

import (
	"sync"
	"time"
)

const (
	// breakerFailures is how often in a row a guardrail must have been away until it is not asked for a while.
	breakerFailures = 5
	// breakerPause is how long that is. The first call after it tries again.
	breakerPause = 30 * time.Second
)

// breaker keeps calls from waiting for a guardrail that is away. The zero value is closed: calls pass.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row; guarded by mu
	until    time.Time // when the next call may try; guarded by mu
}

// open reports whether the guardrail is not to be asked now.
func (b *breaker) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakerFailures && now.Before(b.until)
}

// try is open for who is about to ask: of those that come after a pause one alone gets false.
func (b *breaker) try(now time.Time) (refused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerFailures {
		return false
	}
	if now.Before(b.until) {
		return true
	}
	b.until = now.Add(breakerPause)
	return false
}

// note tells how a check went.
func (b *breaker) note(failed bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !failed {
		b.failures = 0
		return
	}
	b.failures++
	if b.failures >= breakerFailures {
		b.until = now.Add(breakerPause)
	}
}
