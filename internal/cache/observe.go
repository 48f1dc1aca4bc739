package cache

import "time"

// EventKind is what has happened to a cache.
type EventKind string

// The kinds of events.
const (
	Hit      EventKind = "hit"      // a call was answered out of the cache
	Partial  EventKind = "partial"  // some of the inputs of a call for embeddings were
	Miss     EventKind = "miss"     // a call looked in vain
	Answered EventKind = "answered" // a backend has answered, be it with a miss
	Failed   EventKind = "failed"   // a backend has failed, or was too late
	Skipped  EventKind = "skipped"  // a backend was not asked, since it has failed again and again
	Dropped  EventKind = "dropped"  // an answer was not kept, since too many wait for the store
)

// Event is something that has happened to a cache. What calls gain by it is in their records: CacheHit, CacheKey, SavedCost.
type Event struct {
	Kind EventKind
	// Operation is what a backend was asked for: get, set, nearest, embed. Of hits and misses it is how the answer was
	// found: exact, semantic, shared (an equal call under way had it), items.
	Operation string
	Took      time.Duration // of Answered and Failed
	Err       error         // of Failed
}

// Observer hears what happens to a cache, for metrics. It must not block. Safe for concurrent use.
type Observer interface{ CacheEvent(e Event) }

func (c *Cache) note(e Event) {
	if c.o.Observer != nil {
		c.o.Observer.CacheEvent(e)
	}
}
