package callback

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/spool"
)

// Batch says how much a callback likes to get at once, and how often. Zero fields mean the standard.
type Batch struct {
	Events int           // at most; 0 = StandardBatch
	Every  time.Duration // the pause after a batch that was not full; 0 = StandardEvery
}

// Batcher is a callback that wants other batches than the standard ones.
type Batcher interface{ Batch() Batch }

// LiteLLM's batches of callbacks that do not say otherwise (DEFAULT_BATCH_SIZE, DEFAULT_FLUSH_INTERVAL_SECONDS). A batch
// holds about 1 MiB at most.
const (
	StandardBatch = 512
	StandardEvery = 5 * time.Second
)

const (
	// deliverWithin bounds one delivery, so that a callback that hangs is tried again.
	deliverWithin = time.Minute
	// firstPause and longestPause bound the pause before a batch is sent again.
	firstPause   = time.Second
	longestPause = time.Minute
	// longestLeave bounds what a backend may ask for with RetryAfter.
	longestLeave = 10 * time.Minute
	// quiet is how long the log stays silent of what goes on going wrong.
	quiet = 30 * time.Second
)

// The reasons why events are dropped, as the Observer hears them.
const (
	DroppedBusy     = "busy"      // the encoder could not keep up, or calls came after the end
	DroppedFull     = "full"      // the queue has reached its bound, or the disk is full
	DroppedRejected = "rejected"  // the backend refuses the event for good
	DroppedGone     = "gone"      // of a key or team that has no account any more
	DroppedLimit    = "limit"     // too many accounts at once
	DroppedOpen     = "unusable"  // an account's settings do not make a callback
	DroppedDamaged  = "damaged"   // the event could not be read back from the disk
	DroppedStranger = "strangers" // refusals of unknown callers beyond so many in a second
	DroppedEnd      = "end"       // still in memory when the process ended
)

// errGone is what opening an account fails with whose key or team is no more.
var errGone = errors.New("callback: the account is gone")

// queue takes events to one callback, in order, from a spool that only its own goroutine reads.
type queue struct {
	name   string // of the callback
	label  string // the name for the observer, which sets accounts of tenants apart
	spool  *spool.Spool
	o      *Options
	kick   chan struct{} // holds a token when a full batch waits
	last   log
	ending context.Context // done: no pauses any more, and the end when nothing waits or a delivery fails
	finish context.CancelFunc
	cut    context.CancelFunc // cuts a delivery under way off
	done   chan struct{}      // closed when the folder is free again

	open      func() (Callback, error) // of an account that is opened when it is needed: sets target; nil for others
	target    atomic.Pointer[Callback] // nil until open has succeeded
	delivered atomic.Int64
	dropped   atomic.Int64
	retries   atomic.Int64
	head      atomic.Int64 // when the oldest event in hand began, Unix microseconds; 0 = none is in hand
	mu        sync.Mutex
	failing   error // why the last delivery failed; nil when it did not; guarded by mu
}

// newQueue opens the queue in a folder, in memory when dir is "".
func newQueue(o *Options, name, label, dir string, bytes int64) (*queue, error) {
	q := &queue{name: name, label: label, o: o, kick: make(chan struct{}, 1), done: make(chan struct{}), last: log{to: o.Log, now: o.Now}}
	s, err := spool.Open(dir, spool.Options{
		MaxBytes: bytes, SegmentBytes: 4 << 20, Sync: spool.SyncNone, Log: o.Log,
		Damaged: func(records, _ int64) { q.drop(DroppedDamaged, int(records), nil) },
	})
	if err != nil {
		return nil, fmt.Errorf("callback %s: %w", name, err)
	}
	q.spool = s
	q.ending, q.finish = context.WithCancel(context.Background())
	return q, nil
}

// add puts an encoded event into the queue.
func (q *queue) add(event []byte) {
	switch err := q.spool.Append(event); {
	case err == nil:
	case errors.Is(err, spool.ErrClosed):
		q.drop(DroppedEnd, 1, nil)
		return
	default:
		q.drop(DroppedFull, 1, err)
		return
	}
	if q.spool.Stats().Pending >= int64(q.batch().Events) {
		select {
		case q.kick <- struct{}{}:
		default:
		}
	}
}

// batch is how the callback likes its batches.
func (q *queue) batch() Batch {
	var b Batch
	if cb := q.target.Load(); cb != nil {
		if own, ok := (*cb).(Batcher); ok {
			b = own.Batch()
		}
	}
	if b.Events <= 0 {
		b.Events = StandardBatch
	}
	if b.Every <= 0 {
		b.Every = StandardEvery
	}
	return b
}

// drop counts events that nobody will get.
func (q *queue) drop(reason string, events int, err error) {
	if events == 0 {
		return
	}
	q.dropped.Add(int64(events))
	q.o.Observer.CallbackDropped(q.label, reason, events)
	q.last.warn("events of a callback are lost", events, "callback", q.label, "reason", reason, "error", err)
}

// run delivers until the queue is ended. ctx cuts a delivery under way off.
func (q *queue) run(ctx context.Context) {
	for ctx.Err() == nil {
		batch, err := q.next(ctx)
		switch {
		case errors.Is(err, errEnded):
			return
		case err != nil:
			q.last.warn("the queue of a callback cannot be read", 1, "callback", q.label, "error", err)
			q.pause(ctx, firstPause)
			continue
		}
		events := q.decode(batch.Records)
		if len(events) > 0 {
			q.head.Store(int64(events[0].Payload.StartTime * 1e6))
		}
		if !q.deliver(ctx, events) {
			return
		}
		q.head.Store(0)
		if err := q.spool.Ack(batch); err != nil {
			q.last.warn("the place in a callback's queue cannot be kept; its events will come twice after a restart", len(events), "callback", q.label, "error", err)
		}
		if q.spool.Stats().Pending < int64(q.batch().Events) {
			q.rest(ctx)
		}
	}
}

// errEnded says that the queue was ended and holds nothing more.
var errEnded = errors.New("callback: ended")

// next waits for events.
func (q *queue) next(ctx context.Context) (spool.Batch, error) {
	limit := q.batch().Events
	if q.ending.Err() == nil {
		batch, err := q.spool.Next(q.ending, limit)
		if err == nil || q.ending.Err() == nil {
			return batch, err
		}
	}
	if q.spool.Stats().Pending == 0 {
		return spool.Batch{}, errEnded
	}
	batch, err := q.spool.Next(ctx, limit)
	if err != nil {
		return batch, errEnded
	}
	return batch, nil
}

// decode reads the events of a batch.
func (q *queue) decode(records [][]byte) []*Event {
	events := make([]*Event, 0, len(records))
	for _, r := range records {
		e, err := decodeEvent(r)
		if err != nil {
			q.drop(DroppedDamaged, 1, err)
			continue
		}
		events = append(events, e)
	}
	return events
}

// deliver sends a batch, again and again while the backend does not take it. It is false when the queue ends before.
func (q *queue) deliver(ctx context.Context, events []*Event) bool {
	if len(events) == 0 {
		return true
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := q.try(ctx, events)
		var partial *Partial
		if errors.As(err, &partial) && partial.Done > 0 {
			q.dealt(min(partial.Done, len(events)), partial.Rejected)
			events, pause = events[min(partial.Done, len(events)):], firstPause
			if err = partial.Err; len(events) == 0 {
				return true
			}
		}
		var rejected *Rejected
		switch {
		case err == nil:
			q.dealt(len(events), nil)
			return true
		case errors.As(err, &rejected):
			q.dealt(len(events), rejected)
			return true
		case errors.Is(err, errGone):
			q.drop(DroppedGone, len(events), nil)
			return true
		}
		q.fail(err)
		if q.ending.Err() != nil || ctx.Err() != nil {
			return false
		}
		q.last.warn("a callback cannot deliver; its events wait", 1, "callback", q.label, "waiting", q.spool.Stats().Pending, "error", err)
		q.pause(ctx, wait(pause, err))
	}
}

// wait is how long to wait before a batch is sent again: what the backend asks for, else the pause, each with a part left
// to chance, so that replicas do not come back all at once.
func wait(pause time.Duration, err error) time.Duration {
	var later *RetryAfter
	if errors.As(err, &later) && later.After > 0 {
		asked := min(later.After, longestLeave)
		return asked + rand.N(asked/4+1) //nolint:gosec // no secret
	}
	return pause - rand.N(pause/2) //nolint:gosec // no secret
}

// dealt notes that events need not be sent any more: they are taken, but for those refused.
func (q *queue) dealt(events int, rejected *Rejected) {
	lost := 0
	if rejected != nil {
		lost = min(len(rejected.Events), events)
		q.drop(DroppedRejected, lost, rejected.Reason)
	}
	if events > lost {
		q.delivered.Add(int64(events - lost))
		q.o.Observer.CallbackDelivered(q.label, events-lost)
	}
	q.mu.Lock()
	was := q.failing
	q.failing = nil
	q.mu.Unlock()
	if was != nil {
		q.o.Log.Info("a callback delivers again", "callback", q.label, "waiting", q.spool.Stats().Pending)
	}
}

// try delivers once. A panic of a callback is its failure.
func (q *queue) try(ctx context.Context, events []*Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			q.o.Log.Error("panic in a callback", "callback", q.label, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("callback %s: panic", q.name)
		}
	}()
	cb, err := q.callback()
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	return cb.Deliver(within, events)
}

// callback is whom to deliver to.
func (q *queue) callback() (Callback, error) {
	if cb := q.target.Load(); cb != nil {
		return *cb, nil
	}
	return q.open()
}

// fail notes a delivery that failed.
func (q *queue) fail(err error) {
	q.retries.Add(1)
	q.o.Observer.CallbackFailed(q.label)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing = err
}

// pause waits before a batch is sent again.
func (q *queue) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.ending.Done():
	case <-ctx.Done():
	}
}

// rest lets events collect until a batch is full or they have waited long enough.
func (q *queue) rest(ctx context.Context) {
	select {
	case <-q.kick: // of a batch that was read since
	default:
	}
	if q.spool.Stats().Pending >= int64(q.batch().Events) {
		return
	}
	t := time.NewTimer(q.batch().Every)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.kick:
	case <-q.ending.Done():
	case <-ctx.Done():
	}
}

// close lets the folder go. What is still in memory is lost.
func (q *queue) close() {
	if !q.spool.Durable() {
		q.drop(DroppedEnd, int(q.spool.Stats().Pending), nil)
	}
	if err := q.spool.Close(); err != nil {
		q.o.Log.Error("the queue of a callback could not be closed", "callback", q.label, "error", err)
	}
}

// Stat is how one callback fares.
type Stat struct {
	Name      string // of the callback; accounts of keys and teams have "/own" behind it
	Ref       string // whose account it is; "" = the gateway's
	Pending   int64  // events that wait
	Bytes     int64  // that they take
	Delivered int64
	Dropped   int64
	Retries   int64
	Oldest    time.Time // when the call of the oldest event in hand began; zero = nothing is in hand
	Err       error     // why the last delivery failed; nil when it did not
}

func (q *queue) stat() Stat {
	s := q.spool.Stats()
	q.mu.Lock()
	err := q.failing
	q.mu.Unlock()
	st := Stat{Name: q.label, Pending: s.Pending, Bytes: s.Bytes, Delivered: q.delivered.Load(), Dropped: q.dropped.Load(), Retries: q.retries.Load(), Err: err}
	if at := q.head.Load(); at != 0 {
		st.Oldest = time.UnixMicro(at)
	}
	return st
}
