package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/record"
	"tollgate/internal/spool"
)

// fakeSink is a store in memory: it books a call once, whatever fails.
type fakeSink struct {
	mu     sync.Mutex
	booked map[string]int // how often; more than once would be a double row
	writes int
	// fail says what becomes of a write: nil lets it be. after means that the write is done and its answer is lost.
	fail func(n int, calls []record.Call) (err error, after bool)
}

func (s *fakeSink) Write(ctx context.Context, calls []record.Call) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.writes++
	var err error
	var after bool
	if s.fail != nil {
		err, after = s.fail(s.writes, calls)
	}
	if err != nil && !after {
		return 0, err
	}
	if s.booked == nil {
		s.booked = map[string]int{}
	}
	n := 0
	for _, c := range calls {
		if s.booked[c.ID] == 0 {
			s.booked[c.ID]++
			n++
		}
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *fakeSink) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.booked[id] == 1
}

func (s *fakeSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.booked)
}

// tally is an Observer.
type tally struct {
	booked, failed, lost, quarantined atomic.Int64
	backlog                           func() (rows, bytes int64, oldest time.Duration, full bool)
}

func (t *tally) LedgerBooked(n int)      { t.booked.Add(int64(n)) }
func (t *tally) LedgerFailed()           { t.failed.Add(1) }
func (t *tally) LedgerLost(n int)        { t.lost.Add(int64(n)) }
func (t *tally) LedgerQuarantined(n int) { t.quarantined.Add(int64(n)) }
func (t *tally) LedgerBacklog(ask func() (rows, bytes int64, oldest time.Duration, full bool)) {
	t.backlog = ask
}

func (t *tally) pending() int64 {
	rows, _, _, _ := t.backlog()
	return rows
}

// world is a ledger with a fake store.
type world struct {
	*Ledger
	sink   *fakeSink
	tally  *tally
	log    *safeBuffer
	nextID int
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t testing.TB, dir string, so spool.Options, o Options) *world {
	t.Helper()
	w := &world{sink: &fakeSink{}, tally: &tally{}, log: &safeBuffer{}}
	o.Log = slog.New(slog.NewTextHandler(w.log, nil))
	so.Log, so.Sync = o.Log, spool.SyncNone
	s, err := spool.Open(dir, so)
	if err != nil {
		t.Fatal(err)
	}
	o.Spool, o.Observer = s, w.tally
	if o.Sink == nil {
		o.Sink = w.sink
	}
	if w.Ledger, err = Open(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) append(t testing.TB, n int) {
	t.Helper()
	for range n {
		c := typical(fmt.Sprint("call-", w.nextID))
		w.nextID++
		if err := w.Append(&c); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	errAway   = fmt.Errorf("%w: connection refused", account.ErrUnavailable)
	errPoison = errors.New("value out of range")
)
