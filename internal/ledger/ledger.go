package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/record"
	"tollgate/internal/spool"
)

// ErrFull says that new calls are refused, since the spool has no room for their rows and the policy is Refuse.
var ErrFull = errors.New("ledger: the spool is full")

// Policy says what happens when the spool takes no more rows: the store has been away for too long, or the disk is full.
type Policy string

// The policies. With both, rows for which the spool has no room are kept in memory, and when that is full too they are
// dropped, counted and logged.
const (
	// Serve lets calls go on.
	Serve Policy = "serve"
	// Refuse lets Ready refuse new calls until there is room again.
	Refuse Policy = "refuse"
)

// Options of a ledger.
type Options struct {
	Spool *spool.Spool // not nil; the ledger closes it
	Sink  Sink         // not nil
	// BatchRows is the most calls written at once; 0 = 1000.
	BatchRows int
	// Interval is the pause between two batches, unless the first was full; 0 = 200 ms.
	Interval time.Duration
	Policy   Policy // Serve when empty
	// OverflowBytes bounds the rows in memory for which the spool has no room; 0 = 64 MiB.
	OverflowBytes int64
	// Quarantine is the file that rows go to which the store refuses; empty = the log.
	Quarantine string
	// Dropped is told of a call that went to the quarantine: what it cost is in no counter. It must not block. May be nil.
	Dropped  func(*record.Call)
	Log      *slog.Logger // nil = slog.Default
	Observer Observer     // may be nil
}

// Observer counts what becomes of rows. Its methods are called from several goroutines.
type Observer interface {
	// LedgerBooked counts rows that are in the store now.
	LedgerBooked(rows int)
	// LedgerFailed counts a write that the store did not take.
	LedgerFailed()
	// LedgerLost counts rows that had no room.
	LedgerLost(rows int)
	// LedgerQuarantined counts rows that the store refuses.
	LedgerQuarantined(rows int)
	// LedgerBacklog is told once whom to ask for what waits: rows, the bytes of the spool in use, how long the oldest
	// row has waited, and whether the spool is full.
	LedgerBacklog(ask func() (rows, bytes int64, oldest time.Duration, full bool))
}

// Ledger takes calls to the store. Its methods are safe for concurrent use.
type Ledger struct {
	o         Options
	writers   [2]*writer // of the spool, and of what it has no room for
	stop      context.CancelFunc
	running   sync.WaitGroup
	fullUntil atomic.Int64 // Unix nanoseconds: the spool was full a moment before
	buffers   sync.Pool    // of *[]byte, to encode calls in
}

// fullFor is how long after a failed append the spool counts as full: then a call is let in to try.
const fullFor = time.Second

// Open starts to write what is in the spool, and what Append adds to it, to the sink.
func Open(o Options) (*Ledger, error) {
	if o.Spool == nil || o.Sink == nil {
		return nil, errors.New("ledger: a spool and a sink are needed")
	}
	switch o.Policy {
	case "":
		o.Policy = Serve
	case Serve, Refuse:
	default:
		return nil, errors.New("ledger: the policy is serve or refuse, not " + string(o.Policy))
	}
	if o.BatchRows <= 0 {
		o.BatchRows = 1000
	}
	if o.Interval <= 0 {
		o.Interval = 200 * time.Millisecond
	}
	if o.OverflowBytes <= 0 {
		o.OverflowBytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	overflow, err := spool.Open("", spool.Options{MaxBytes: o.OverflowBytes, Log: o.Log})
	if err != nil {
		return nil, err
	}
	l := &Ledger{o: o, buffers: sync.Pool{New: func() any { return new([]byte) }}}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	for i, s := range []*spool.Spool{o.Spool, overflow} {
		w := newWriter(s, &l.o)
		l.writers[i] = w
		l.running.Go(func() { w.run(ctx) })
	}
	o.Observer.LedgerBacklog(l.backlog)
	return l, nil
}

// longestKept is the largest buffer that is used again.
const longestKept = 64 << 10

// Append puts a call into the spool and returns when the death of the process cannot take it away any more. Without room
// there the call waits in memory, which the log and a metric tell. An error means that the call is lost. The call must
// not change meanwhile and may afterwards.
func (l *Ledger) Append(c *record.Call) error {
	buffer := l.buffers.Get().(*[]byte)
	*buffer = appendCall((*buffer)[:0], c)
	if len(*buffer) > spool.MaxRecord {
		bare := *c
		bare.Prompt, bare.Reply = nil, nil
		*buffer = appendCall((*buffer)[:0], &bare)
	}
	err := l.append(*buffer)
	if cap(*buffer) <= longestKept {
		l.buffers.Put(buffer)
	}
	return err
}

func (l *Ledger) append(b []byte) error {
	err := l.o.Spool.Append(b)
	if err == nil {
		return nil
	}
	now := time.Now()
	if before := l.fullUntil.Swap(now.Add(fullFor).UnixNano()); before < now.UnixNano() { // once a second
		l.o.Log.Error("the spool takes no more calls; their rows wait in memory, where the death of this process loses them",
			"error", err, "policy", string(l.o.Policy))
	}
	if err := l.writers[1].spool.Append(b); err != nil {
		l.o.Observer.LedgerLost(1)
		return err
	}
	return nil
}

// Ready says whether a new call may begin: ErrFull when the policy is Refuse and its row would have no room.
func (l *Ledger) Ready() error {
	if l.o.Policy == Refuse && l.full() {
		return ErrFull
	}
	return nil
}

func (l *Ledger) full() bool { return time.Now().UnixNano() < l.fullUntil.Load() }

// Sync returns when every call that was appended before is in the store, so that what is read there includes them. It
// returns the store's error when the store does not take them.
func (l *Ledger) Sync(ctx context.Context) error {
	for _, w := range l.writers {
		if err := w.sync(ctx, w.spool.Seq()); err != nil {
			return err
		}
	}
	return nil
}

// lastWords is how long Close tries at least where rows are in memory alone.
const lastWords = 5 * time.Second

// Close writes what waits to the store until ctx ends, or until the store fails and the disk keeps the rest, which is
// written after the next start. Rows that nothing but the store can keep have some seconds even when ctx is over. No other
// call may follow.
func (l *Ledger) Close(ctx context.Context) error {
	least, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	err := l.Sync(ctx)
	for err != nil && l.inMemory() > 0 {
		within := ctx
		if ctx.Err() != nil {
			within = least
		}
		if within.Err() != nil {
			break
		}
		l.writers[0].pause(within, longestPause/4)
		err = l.Sync(within)
	}
	l.stop()
	l.running.Wait()
	if lost := l.inMemory(); lost > 0 {
		l.o.Observer.LedgerLost(int(lost))
		l.o.Log.Error("calls are lost: they were in memory, and the store did not take them", "rows", lost, "error", err)
	}
	if left := l.o.Spool.Stats().Pending; left > 0 && l.o.Spool.Durable() {
		l.o.Log.Warn("calls stay in the spool until the next start", "rows", left, "error", err)
	}
	return errors.Join(err, l.writers[1].spool.Close(), l.o.Spool.Close())
}

// inMemory is how many rows the death of the process loses.
func (l *Ledger) inMemory() int64 {
	var n int64
	for _, w := range l.writers {
		if !w.spool.Durable() {
			n += w.spool.Stats().Pending
		}
	}
	return n
}

func (l *Ledger) backlog() (rows, bytes int64, oldest time.Duration, full bool) {
	for _, w := range l.writers {
		s := w.spool.Stats()
		rows += s.Pending
		bytes += s.Bytes
		oldest = max(oldest, w.age())
	}
	return rows, bytes, oldest, l.full()
}

// nobody observes nothing.
type nobody struct{}

func (nobody) LedgerBooked(int)                                                          {}
func (nobody) LedgerFailed()                                                             {}
func (nobody) LedgerLost(int)                                                            {}
func (nobody) LedgerQuarantined(int)                                                     {}
func (nobody) LedgerBacklog(func() (rows, bytes int64, oldest time.Duration, full bool)) {}
