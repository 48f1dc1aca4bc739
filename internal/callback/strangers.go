package callback

import (
	"sync"
	"time"
)

// Refusals of callers whom nobody knows are told so many times a second, so that who has no key cannot fill the queues.
const (
	strangersPerSecond = 20
	strangersAtOnce    = 100
)

// bucket lets so many through.
type bucket struct {
	now func() time.Time

	mu    sync.Mutex
	spent float64   // guarded by mu
	at    time.Time // guarded by mu
}

// take reports whether one more may pass.
func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*strangersPerSecond)
	b.at = now
	if b.spent+1 > strangersAtOnce {
		return false
	}
	b.spent++
	return true
}
