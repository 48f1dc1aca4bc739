package access

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
)

// cell holds what the store says of one id, and is the place where those who want to read it anew meet. Reading it takes
// no lock.
type cell struct {
	state atomic.Pointer[version] // nil = never read
	// record is what was compiled from a key and all that it refers to. Only the cells of keys have one.
	record atomic.Pointer[Record]
	used   atomic.Bool // since the last sweep

	mu      sync.Mutex
	changes uint64  // how often a change was told; guarded by mu
	dead    bool    // swept out: no change is told any more, so nothing is kept; guarded by mu
	flight  *flight // the reading under way; guarded by mu
}

// version is one state of a cell. Immutable; that two are the same pointer says that nothing was told in between.
type version struct {
	object account.Object // nil = there is no such object
	read   time.Time      // when the reading began
	epoch  uint64         // of the directory at that time
	// dirty says that a change was told since. A named change of what can revoke is also hard: while it cannot be read,
	// nobody is let in on the old state.
	dirty, hard bool
	// memo is what the object means for those it pays for, together with its budget.
	memo atomic.Pointer[memo]
}

type memo struct {
	budget *version // nil = the object refers to none
	payer  *payer
}

// flight is one reading that others wait for.
type flight struct {
	done    chan struct{}
	version *version
	err     error
}

// touch keeps the cell from the next sweep. Mostly it only reads, so that processors do not take a hot cell from each other.
func (c *cell) touch() {
	if !c.used.Load() {
		c.used.Store(true)
	}
}

// tell marks the state as changed.
func (c *cell) tell(hard bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if v := c.state.Load(); v != nil {
		c.state.Store(&version{object: v.object, read: v.read, epoch: v.epoch, dirty: true, hard: v.hard || hard})
	}
}

// bury ends a cell that is not in the cache any more. Whoever holds its version sees that it is not the last one.
func (c *cell) bury() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	if v := c.state.Load(); v != nil {
		c.state.Store(&version{object: v.object, read: v.read, epoch: v.epoch, dirty: true})
	}
}

// shards is how many parts a cache has, each with a lock of its own.
const shards = 256

// cache is a bounded map of cells.
type cache[K comparable] struct {
	hash  func(K) uint8
	limit int // cells per shard
	parts [shards]shard[K]
}

type shard[K comparable] struct {
	mu    sync.RWMutex
	cells map[K]*cell
	_     [32]byte // locks of neighbours stand in cache lines of their own
}

func newCache[K comparable](limit int, hash func(K) uint8) *cache[K] {
	c := &cache[K]{hash: hash, limit: max(limit/shards, 4)}
	for i := range c.parts {
		c.parts[i].cells = map[K]*cell{}
	}
	return c
}

// find returns the cell, nil when there is none.
func (c *cache[K]) find(k K) *cell {
	s := &c.parts[c.hash(k)]
	s.mu.RLock()
	found := s.cells[k]
	s.mu.RUnlock()
	if found != nil {
		found.touch()
	}
	return found
}

// cell returns the cell, made when there is none.
func (c *cache[K]) cell(k K) *cell {
	if found := c.find(k); found != nil {
		return found
	}
	s := &c.parts[c.hash(k)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.cells[k]; found != nil {
		return found
	}
	if len(s.cells) >= c.limit {
		s.sweep()
	}
	made := new(cell)
	made.used.Store(true)
	s.cells[k] = made
	return made
}

// sweep makes room: what was not used since the last sweep goes, and if that is too little, whatever comes first.
func (s *shard[K]) sweep() {
	keep := len(s.cells) * 7 / 8
	for range 2 {
		for k, c := range s.cells {
			if len(s.cells) <= keep {
				return
			}
			if !c.used.Swap(false) {
				delete(s.cells, k)
				c.bury()
			}
		}
	}
}

// remove takes a cell out, if it is the one that the cache holds.
func (c *cache[K]) remove(k K, old *cell) {
	s := &c.parts[c.hash(k)]
	s.mu.Lock()
	if s.cells[k] == old {
		delete(s.cells, k)
	}
	s.mu.Unlock()
	old.bury()
}

func (c *cache[K]) each(do func(K, *cell)) {
	for i := range c.parts {
		s := &c.parts[i]
		s.mu.RLock()
		for k, found := range s.cells {
			do(k, found)
		}
		s.mu.RUnlock()
	}
}

func (c *cache[K]) len() int {
	n := 0
	for i := range c.parts {
		s := &c.parts[i]
		s.mu.RLock()
		n += len(s.cells)
		s.mu.RUnlock()
	}
	return n
}

// absent remembers for a while what the store does not have, so that a wrong key is looked up once. It is bounded.
type absent struct {
	mu    sync.Mutex
	limit int
	until map[keyHash]time.Time
}

func (a *absent) holds(h keyHash, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.until[h]
	return ok && now.Before(t)
}

func (a *absent) add(h keyHash, now, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.until) >= a.limit { // half of them go, and whatever is over
		maps.DeleteFunc(a.until, func(_ keyHash, t time.Time) bool { return !now.Before(t) || len(a.until) > a.limit/2 })
	}
	a.until[h] = until
}

func (a *absent) forget(h keyHash) {
	a.mu.Lock()
	delete(a.until, h)
	a.mu.Unlock()
}

func (a *absent) clear() {
	a.mu.Lock()
	clear(a.until)
	a.mu.Unlock()
}

func (a *absent) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.until)
}
