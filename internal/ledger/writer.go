package ledger

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/record"
	"tollgate/internal/spool"
)

const (
	// writeWithin bounds one write, so that a connection that leads nowhere is given up soon.
	writeWithin = 4 * time.Second
	// firstPause and longestPause bound the pause before a write is tried again. The longest one and writeWithin are
	// what a store that has come back waits for.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
	// strikes is how often a row must be refused, with others taken in between, before it goes to the quarantine.
	strikes = 3
	// hopeless is how many rows the store refuses one by one, taking none, before the rest of a batch is left untried.
	hopeless = 16
)

// writer takes the calls of one spool to the sink.
type writer struct {
	spool *spool.Spool
	o     *Options
	kick  chan struct{} // holds a token when somebody waits: no pauses
	head  atomic.Int64  // when the oldest call read from the spool ended, Unix nanoseconds; 0 = none is on its way

	// Of the goroutine of run alone.
	batch    spool.Batch // the last one read
	suspects []suspect
	outage   outage

	mu      sync.Mutex
	done    uint64        // sequence number up to which all is booked, or set aside
	failed  int           // writes that the store did not take
	err     error         // the last one's
	changed chan struct{} // closed and replaced when one of these changes
}

// suspect is a call that the store has refused when it came alone. It waits until it is clear that the fault is the
// call's and not the store's: other calls are taken, this one is not.
type suspect struct {
	call    record.Call
	err     error
	strikes int
}

func newWriter(s *spool.Spool, o *Options) *writer {
	// A spool that was emptied before a restart goes on counting where it was: nobody need wait for what is booked.
	booked := s.Seq() - uint64(s.Stats().Pending) //nolint:gosec // never negative, never more than Seq
	return &writer{spool: s, o: o, kick: make(chan struct{}, 1), done: booked, changed: make(chan struct{}),
		outage: outage{log: o.Log, pending: func() int64 { return s.Stats().Pending }}}
}

// run writes batches until ctx ends.
func (w *writer) run(ctx context.Context) {
	for ctx.Err() == nil {
		records, err := w.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.o.Log.Error("the spool cannot be read", "error", err)
			w.pause(ctx, longestPause)
			continue
		}
		calls := w.decode(records)
		if len(calls) > 0 && len(w.suspects) == 0 {
			w.head.Store(calls[0].Ended.UnixNano())
		}
		s := &sifting{}
		if w.sift(ctx, s, calls) != nil || w.retry(ctx, s) != nil {
			return // with ctx; what was not acknowledged comes again
		}
		w.advance(s)
		if w.spool.Seq()-w.batch.Last < uint64(w.o.BatchRows) {
			w.pause(ctx, w.o.Interval)
		}
	}
}

// next waits for records. While there are suspects it does not wait long, and with many of them it brings nothing.
func (w *writer) next(ctx context.Context) ([][]byte, error) {
	within, cancel := ctx, context.CancelFunc(func() {})
	switch {
	case len(w.suspects) >= 4*w.o.BatchRows:
		w.pause(ctx, longestPause)
		return nil, nil
	case len(w.suspects) > 0:
		within, cancel = context.WithTimeout(ctx, longestPause)
	}
	defer cancel()
	batch, err := w.spool.Next(within, w.o.BatchRows)
	switch {
	case err == nil:
		w.batch = batch
		return batch.Records, nil
	case errors.Is(err, context.DeadlineExceeded):
		return nil, nil
	default:
		return nil, err
	}
}

// decode reads the calls of a batch. What cannot be read goes to the quarantine as it is.
func (w *writer) decode(records [][]byte) []record.Call {
	calls := make([]record.Call, 0, len(records))
	for _, b := range records {
		c, err := decodeCall(b)
		if err != nil {
			w.quarantine(quarantined{Error: err.Error(), Record: b})
			continue
		}
		calls = append(calls, c)
	}
	return calls
}

// sifting is what is known after some writes.
type sifting struct {
	taken   int // rows that the store has taken
	refused int // rows that it has refused one by one since it took one
}

// sift writes calls in as large batches as the store takes; those that it refuses alone become suspects. It fails only
// when ctx ends.
func (w *writer) sift(ctx context.Context, s *sifting, calls []record.Call) error {
	if len(calls) == 0 {
		return ctx.Err()
	}
	err := w.write(ctx, calls)
	switch {
	case err == nil:
		s.taken += len(calls)
		s.refused = 0
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case len(calls) > 1 && s.taken == 0 && s.refused >= hopeless:
		for _, c := range calls {
			w.suspects = append(w.suspects, suspect{call: c, err: err})
		}
		return nil
	case len(calls) > 1:
		half := len(calls) / 2
		if err := w.sift(ctx, s, calls[:half]); err != nil {
			return err
		}
		return w.sift(ctx, s, calls[half:])
	default:
		s.refused++
		w.suspects = append(w.suspects, suspect{call: calls[0], err: err})
		return nil
	}
}

// retry tries the suspects again that were there before this round, and condemns those that have been refused often
// enough while the store took others.
func (w *writer) retry(ctx context.Context, s *sifting) error {
	if len(w.suspects) == 0 {
		return nil
	}
	before := w.suspects
	w.suspects = nil
	calls := make([]record.Call, len(before))
	known := make(map[string]int, len(before))
	for i := range before {
		calls[i], known[before[i].call.ID] = before[i].call, before[i].strikes
	}
	taken := s.taken
	if err := w.sift(ctx, s, calls); err != nil {
		return err
	}
	kept := w.suspects[:0]
	for _, one := range w.suspects {
		one.strikes = known[one.call.ID]
		if taken > 0 {
			one.strikes++
		}
		if one.strikes < strikes {
			kept = append(kept, one)
			continue
		}
		w.quarantine(quarantined{Error: one.err.Error(), Call: &one.call})
	}
	w.suspects = kept
	return nil
}

// write writes calls, again and again while the store is away. An error means that it has refused them, or that a large
// batch took too long, or that ctx has ended.
func (w *writer) write(ctx context.Context, calls []record.Call) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		within, cancel := context.WithTimeout(ctx, writeWithin)
		booked, err := w.o.Sink.Write(within, calls)
		slow := within.Err() != nil
		cancel()
		if err == nil {
			w.outage.over()
			w.o.Observer.LedgerBooked(booked)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.o.Observer.LedgerFailed()
		away := slow || errors.Is(err, account.ErrUnavailable)
		if !away || slow && len(calls) > 1 {
			return err
		}
		w.fail(err)
		w.outage.goesOn(err)
		w.pause(ctx, pause-rand.N(pause/4)) //nolint:gosec // replicas shall not come back all at once; no secret
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// pause waits, less when somebody waits for this writer.
func (w *writer) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.kick:
	case <-ctx.Done():
	}
}

// fail notes that the store took nothing.
func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed++
	w.err = err
	w.tell()
}

// advance notes that the last batch is booked, but for the suspects: who waits for a Sync does not wait for them. The
// spool forgets it only when there are none, since they are kept nowhere else.
func (w *writer) advance(s *sifting) {
	if s.taken == 0 && len(w.suspects) > 0 {
		w.fail(w.suspects[0].err) // the store takes nothing at all, or nothing else came
		w.outage.goesOn(w.suspects[0].err)
		return
	}
	w.mu.Lock()
	w.done = w.batch.Last
	w.tell()
	w.mu.Unlock()
	if len(w.suspects) > 0 {
		w.o.Log.Warn("the store refuses calls; they are tried again while others are taken",
			"rows", len(w.suspects), "call_id", w.suspects[0].call.ID, "error", w.suspects[0].err)
		return
	}
	w.head.Store(0)
	if err := w.spool.Ack(w.batch); err != nil {
		w.o.Log.Error("the spool's cursor cannot be written; its calls come again after a restart and are recognised", "error", err)
	}
}

// tell wakes who waits. w.mu is held.
func (w *writer) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// sync waits until all up to a sequence number is done, or a write that began meanwhile fails.
func (w *writer) sync(ctx context.Context, seq uint64) error {
	w.mu.Lock()
	failed := w.failed
	for w.done < seq && w.failed == failed {
		changed := w.changed
		w.mu.Unlock()
		select {
		case w.kick <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if w.done < seq {
		return w.err
	}
	return nil
}

// age is how long the oldest call has waited that was read from the spool and is not booked.
func (w *writer) age() time.Duration {
	head := w.head.Load()
	if head == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(0, head)))
}

// outage tells the log that the store is away: when it begins, every half minute, and when it is over.
type outage struct {
	log     *slog.Logger
	pending func() int64
	since   time.Time // zero = the store takes calls
	told    time.Time
}

func (o *outage) goesOn(err error) {
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if now.Sub(o.told) < 30*time.Second {
		return
	}
	o.told = now
	o.log.Error("the store does not take calls; their rows wait", "since", o.since, "rows", o.pending(), "error", err)
}

func (o *outage) over() {
	if !o.since.IsZero() {
		o.log.Info("the store takes calls again", "after", time.Since(o.since).Round(time.Millisecond), "rows", o.pending())
	}
	o.since, o.told = time.Time{}, time.Time{}
}
