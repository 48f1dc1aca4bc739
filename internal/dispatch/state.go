package dispatch

import (
	"sync"
	"sync/atomic"
	"time"
)

// State is what the router knows of its deployments: cooldowns, counters, latencies, calls in flight. It outlives a
// reload: the old Router and the new one share it by deployment id. Safe for concurrent use.
type State struct {
	epoch time.Time

	mu   sync.Mutex
	byID map[string]*health // guarded by mu; the values have their own locks
}

// NewState gives an empty State.
func NewState() *State {
	return &State{epoch: time.Now(), byID: map[string]*health{}}
}

// tick is a time as the monotonic duration since State's epoch, so that a step of the wall clock neither frees nor
// holds a deployment. Zero means never.
type tick int64

func (s *State) now() tick { return tick(time.Since(s.epoch)) + 1 }

// adopt returns the health of each id and forgets the ids that are not listed. A Router that is still in use keeps
// its own pointers, so forgetting takes nothing from it.
func (s *State) adopt(ids []string) []*health {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[string]*health, len(ids))
	list := make([]*health, len(ids))
	for i, id := range ids {
		h := s.byID[id]
		if h == nil {
			h = newHealth()
		}
		kept[id], list[i] = h, h
	}
	s.byID = kept
	return list
}

// health is what is known of one deployment.
type health struct {
	cooledUntil atomic.Int64 // a tick; read on every pick, so not behind mu
	inFlight    atomic.Int64

	mu         sync.Mutex // guards what follows; never held across I/O
	cooledBy   int        // the status that cooled it last
	fails      int        // failures that allowed_fails counts
	failsUntil tick       // when fails is forgotten
	window     window     // the last minute
	latency    samples    // seconds, of unary calls per token of the answer where that is known
	firstChunk samples    // seconds, of streams
}

func newHealth() *health { return &health{} }

func (h *health) cooled(now tick) bool { return tick(h.cooledUntil.Load()) > now }

// window counts the last 60 seconds in buckets of one. What is counted leaves it 60 seconds later at the latest, and a
// limit that is counted here lets through exactly its number per window (BerriAI/litellm#24677: a window that restarts
// on every hit blocks for minutes).
type window struct {
	buckets [60]counts
	total   counts
	second  int64 // the bucket in use, in seconds since the epoch
}

// counts are the calls of one bucket. A call is counted when it starts (requests, its reserved tokens), and once more
// when it ends.
type counts struct {
	requests, tokens    int64
	successes, failures int64
}

func (c *counts) add(d counts) {
	c.requests += d.requests
	c.tokens += d.tokens
	c.successes += d.successes
	c.failures += d.failures
}

func (c *counts) sub(d counts) {
	c.requests -= d.requests
	c.tokens -= d.tokens
	c.successes -= d.successes
	c.failures -= d.failures
}

// at drops what has left the window and returns the totals.
func (w *window) at(now tick) counts {
	second := int64(now) / int64(time.Second)
	if second-w.second >= int64(len(w.buckets)) {
		*w = window{second: second}
	}
	for w.second < second {
		w.second++
		b := &w.buckets[w.second%int64(len(w.buckets))]
		w.total.sub(*b)
		*b = counts{}
	}
	return w.total
}

// add counts d now and returns the second it was counted in, for undo.
func (w *window) add(now tick, d counts) (second int64) {
	w.at(now)
	w.buckets[w.second%int64(len(w.buckets))].add(d)
	w.total.add(d)
	return w.second
}

// amend changes what was counted in an earlier second; what has left the window stays gone.
func (w *window) amend(now tick, second int64, d counts) {
	w.at(now)
	if w.second-second >= int64(len(w.buckets)) {
		return
	}
	w.buckets[second%int64(len(w.buckets))].add(d)
	w.total.add(d)
}

// free is how long it takes until the window has room for one more request and tokens under the limits (0: none).
func (w *window) free(now tick, rpm, tpm, tokens int64) time.Duration {
	left := w.at(now)
	for age := int64(len(w.buckets)) - 1; age >= 0; age-- {
		if !over(left, rpm, tpm, tokens) {
			break
		}
		if oldest := w.second - age; oldest >= 0 {
			left.sub(w.buckets[oldest%int64(len(w.buckets))])
		}
		if !over(left, rpm, tpm, tokens) {
			leaves := tick(w.second-age+int64(len(w.buckets))) * tick(time.Second)
			return time.Duration(leaves - now)
		}
	}
	return 0
}

// over reports whether one more request with its tokens would pass a limit. A request that is larger than the whole
// tpm limit is let through an empty window: refusing it for ever would be no rate limit.
func over(c counts, rpm, tpm, tokens int64) bool {
	if rpm > 0 && c.requests+1 > rpm {
		return true
	}
	return tpm > 0 && c.tokens > 0 && c.tokens+tokens > tpm
}

// samples are the newest latencies.
type samples struct {
	list []sample
	next uint64 // the number of the next sample
}

type sample struct {
	number uint64
	at     tick
	value  float64
}

// push adds a value, keeps the newest of them (at least one) and returns the sample's number.
func (s *samples) push(now tick, value float64, kept int) uint64 {
	if drop := min(len(s.list), len(s.list)+1-kept); drop > 0 {
		s.list = append(s.list[:0], s.list[drop:]...)
	}
	s.list = append(s.list, sample{number: s.next, at: now, value: value})
	s.next++
	return s.next - 1
}

// amend changes a sample that is still kept.
func (s *samples) amend(number uint64, value float64) {
	for i := range s.list {
		if s.list[i].number == number {
			s.list[i].value = value
		}
	}
}

// average is the mean of the samples younger than ttl; ok is false when there are none.
func (s *samples) average(now tick, ttl time.Duration) (mean float64, ok bool) {
	var sum float64
	var n int
	for _, v := range s.list {
		if time.Duration(now-v.at) <= ttl {
			sum += v.value
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}
