// Package memoryvectors finds cached answers by meaning in the memory of the process. It compares with every entry of a scope,
// which is exact and, for the tens of thousands of entries that a process keeps, faster than a question to another machine.
package memoryvectors

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/setting"
)

const (
	// DefaultTTL is how long an entry stays whose life nothing names: LiteLLM's 600 s for caches in memory.
	DefaultTTL = 600 * time.Second
	// DefaultMB is how much is kept, in MB.
	DefaultMB = 256
	// overhead is what an entry takes beside its vector, value and id, in bytes.
	overhead = 300
)

// Options is what a store is made of.
type Options struct {
	MaxBytes int64         // of vectors, values and ids; 0 = DefaultMB
	TTL      time.Duration // of entries that name none; 0 = DefaultTTL
}

// Store is a cache in memory. What was not asked for longest goes first. Safe for concurrent use.
type Store struct {
	most int64
	ttl  time.Duration

	mu      sync.RWMutex
	shelves map[string]*shelf        // by scope
	entries map[string]*list.Element // of *entry, by id
	order   *list.List               // the one asked for last is in front
	bytes   int64
}

// shelf is the entries of a scope: their vectors, one behind the other, each of length 1.
type shelf struct {
	size    int // numbers in a vector
	vectors []float32
	entries []*entry
}

type entry struct {
	id, scope string
	at        int // in the shelf
	value     []byte
	until     time.Time
	bytes     int64
}

var _ cache.Vectors = (*Store)(nil)

// Open reads the settings max_size_mb and default_in_memory_ttl.
func Open(settings *setting.Map) (*Store, error) {
	mb := settings.Int("max_size_mb", DefaultMB)
	if mb == 0 {
		settings.Fault("max_size_mb", "must be at least 1")
	}
	o := Options{MaxBytes: int64(mb) << 20, TTL: settings.Seconds("default_in_memory_ttl", DefaultTTL)}
	if err := settings.Err(); err != nil {
		return nil, err
	}
	return New(o), nil
}

// New makes an empty store.
func New(o Options) *Store {
	s := &Store{most: o.MaxBytes, ttl: o.TTL}
	if s.most == 0 {
		s.most = DefaultMB << 20
	}
	if s.ttl == 0 {
		s.ttl = DefaultTTL
	}
	s.clear()
	return s
}

func (s *Store) clear() {
	s.shelves, s.entries, s.order, s.bytes = map[string]*shelf{}, map[string]*list.Element{}, list.New(), 0
}

var (
	errDirection = errors.New("memoryvectors: the vector has no direction")
	errTooLarge  = errors.New("memoryvectors: the entry is larger than the cache")
)

// unit appends v at the length of 1.
func unit(dst, v []float32) ([]float32, error) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	length := math.Sqrt(sum)
	if length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
		return nil, errDirection
	}
	for _, x := range v {
		dst = append(dst, float32(float64(x)/length))
	}
	return dst, nil
}

// Nearest implements cache.Vectors. The value is shared by all who ask for it.
func (s *Store) Nearest(ctx context.Context, scope string, v []float32, threshold float64) ([]byte, float64, error) {
	v, err := unit(make([]float32, 0, len(v)), v)
	if err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	found, similarity := s.shelves[scope].nearest(ctx, v, threshold, time.Now())
	s.mu.RUnlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if found == nil {
		return nil, 0, cache.ErrMiss
	}
	s.touch(found)
	return found.value, similarity, nil
}

// touch notes that an entry was asked for.
func (s *Store) touch(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.entries[e.id]; at != nil && at.Value == e {
		s.order.MoveToFront(at)
	}
}

// Put implements cache.Vectors. Vectors of one scope have one size.
func (s *Store) Put(_ context.Context, scope, id string, v []float32, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		ttl = s.ttl
	}
	e := &entry{id: id, scope: scope, value: bytes.Clone(value), until: time.Now().Add(ttl)}
	if e.value == nil {
		e.value = []byte{}
	}
	e.bytes = int64(4*len(v) + len(value) + len(id) + len(scope) + overhead)
	if e.bytes > s.most {
		return errTooLarge
	}
	v, err := unit(make([]float32, 0, len(v)), v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.shelves[scope]; sh != nil && sh.size != len(v) {
		return fmt.Errorf("memoryvectors: the vector has %d numbers, those before it have %d", len(v), sh.size)
	}
	s.remove(id)
	s.makeRoom(e.bytes)
	sh := s.shelves[scope]
	if sh == nil {
		sh = &shelf{size: len(v)}
		s.shelves[scope] = sh
	}
	e.at = len(sh.entries)
	sh.entries, sh.vectors = append(sh.entries, e), append(sh.vectors, v...)
	s.entries[id] = s.order.PushFront(e)
	s.bytes += e.bytes
	return nil
}

// makeRoom removes what was not asked for longest until there is room, and of those what is over. It is called with mu held.
func (s *Store) makeRoom(bytes int64) {
	now := time.Now()
	for at := s.order.Back(); at != nil; at = s.order.Back() {
		e := at.Value.(*entry) // every element is an entry
		if s.bytes+bytes <= s.most && now.Before(e.until) {
			return
		}
		s.remove(e.id)
	}
}

// remove is called with mu held.
func (s *Store) remove(id string) {
	at := s.entries[id]
	if at == nil {
		return
	}
	e := s.order.Remove(at).(*entry) // every element is an entry
	delete(s.entries, id)
	s.bytes -= e.bytes
	sh := s.shelves[e.scope]
	if sh.take(e.at); len(sh.entries) == 0 {
		delete(s.shelves, e.scope)
	}
}

// take removes the entry at a place, which the last one takes.
func (sh *shelf) take(at int) {
	last := len(sh.entries) - 1
	moved := sh.entries[last]
	copy(sh.vectors[at*sh.size:(at+1)*sh.size], sh.vectors[last*sh.size:])
	sh.entries[at], moved.at = moved, at
	sh.entries[last] = nil
	sh.entries, sh.vectors = sh.entries[:last], sh.vectors[:last*sh.size]
}

// Delete implements cache.Vectors.
func (s *Store) Delete(_ context.Context, ids ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.remove(id)
	}
	return nil
}

// Flush implements cache.Vectors.
func (s *Store) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return nil
}

// Ping implements cache.Vectors: memory is always there.
func (s *Store) Ping(context.Context) error { return nil }

// Close implements cache.Vectors.
func (s *Store) Close() error { return s.Flush(context.Background()) }
