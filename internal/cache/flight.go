package cache

import (
	"context"
	"sync"
	"time"
)

// flights are the equal calls that are under way: the first one of a key leads, the others wait for what it finds. Each of
// them was admitted by itself before it comes here.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight // guarded by mu
}

// flight is a call that others wait for. It stays until its answer is in the store, so that who comes in between gets it too.
type flight struct {
	done  chan struct{}
	entry *Answer // once done is closed; nil = the leader has none
	// left is true where the leader's caller has gone, which says nothing of the upstream.
	left bool
	once sync.Once
}

// join returns the flight of a key; leads is true for who has begun it, and must land it.
func (f *flights) join(key string) (fl *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.running[key]; fl != nil {
		return fl, false
	}
	fl = &flight{done: make(chan struct{})}
	f.running[key] = fl
	return fl, true
}

// forget takes a flight out: who comes later begins another.
func (f *flights) forget(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[key] == fl {
		delete(f.running, key)
	}
}

// land tells those who wait. The first word counts.
func (fl *flight) land(e *Answer, left bool) {
	fl.once.Do(func() {
		fl.entry, fl.left = e, left
		close(fl.done)
	})
}

// landed reports whether the flight is over.
func (fl *flight) landed() bool {
	select {
	case <-fl.done:
		return true
	default:
		return false
	}
}

// wait waits for the leader, no longer than most. It reports whether the flight has landed.
func (fl *flight) wait(ctx context.Context, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-fl.done:
		return true
	case <-ctx.Done():
		return false
	case <-timer.C:
		return fl.landed()
	}
}
