package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/record"
	"tollgate/internal/spool"
)

func TestCallsAreVisibleSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), spool.Options{}, Options{})
		for range 20 {
			w.append(t, 3)
			time.Sleep(70 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond)
		if n := w.sink.count(); n != 60 {
			t.Errorf("%d calls are in the store after 200 ms; want 60", n)
		}
		if w.sink.writes > 10 {
			t.Errorf("%d writes: calls are not gathered", w.sink.writes)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSyncReadsYourWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), spool.Options{}, Options{BatchRows: 10})
		begun := time.Now()
		for range 30 {
			w.append(t, 25)
			if err := w.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := w.sink.count(); n != w.nextID {
				t.Fatalf("%d of %d calls are in the store after Sync", n, w.nextID)
			}
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("Sync waited for the interval: %v", took)
		}
		w.sink.fail = func(int, []record.Call) (error, bool) { return errAway, false }
		w.append(t, 1)
		if err := w.Sync(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("Sync with the store away: %v", err)
		}
		w.sink.mu.Lock()
		w.sink.fail = nil
		w.sink.mu.Unlock()
		if err := w.Sync(t.Context()); err != nil || w.sink.count() != w.nextID {
			t.Errorf("Sync after its return: %v, %d calls", err, w.sink.count())
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStoreAwayForTenMinutes is 500 calls per second with the store away: nothing is lost, and the store has all of them
// within seconds of its return.
func TestStoreAwayForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), spool.Options{}, Options{})
		away := time.Now().Add(10 * time.Minute)
		w.sink.fail = func(int, []record.Call) (error, bool) {
			if time.Now().Before(away) {
				return errAway, false
			}
			return nil, false
		}
		for time.Now().Before(away) {
			w.append(t, 250)
			time.Sleep(500 * time.Millisecond)
		}
		if rows, bytes, oldest, full := w.tally.backlog(); rows != 300_000 || bytes < 100<<20 || oldest < 599*time.Second || full {
			t.Errorf("waiting: %d rows, %d bytes, the oldest for %v, full %v", rows, bytes, oldest, full)
		}
		time.Sleep(2 * time.Second)
		if n := w.sink.count(); n != 300_000 || w.tally.pending() != 0 {
			t.Errorf("%d calls are in the store 2 s after its return, %d wait", n, w.tally.pending())
		}
		if n := strings.Count(w.log.String(), "level=ERROR"); n < 2 || n > 25 {
			t.Errorf("%d errors in the log; want one every half minute", n)
		}
		if !strings.Contains(w.log.String(), "takes calls again") {
			t.Error("the log does not tell the store's return")
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAnswerOfAWriteThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), spool.Options{}, Options{BatchRows: 100})
		w.sink.fail = func(n int, _ []record.Call) (error, bool) {
			if n%3 != 0 {
				return errAway, n%2 == 0 // some of them after the commit
			}
			return nil, false
		}
		w.append(t, 1000)
		for w.Sync(t.Context()) != nil {
			time.Sleep(time.Millisecond)
		}
		for id, n := range w.sink.booked {
			if n != 1 {
				t.Errorf("%s is booked %d times", id, n)
			}
		}
		if w.sink.count() != 1000 {
			t.Errorf("%d calls are booked", w.sink.count())
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStoreThatHangsIsGivenUp: whenever in the course of a write or a pause the store comes back, it has everything once
// the write that hangs has been given up, the pause behind it is over, and an interval has gathered the last batch, which
// is not full.
func TestStoreThatHangsIsGivenUp(t *testing.T) {
	for hung := time.Minute; hung < time.Minute+writeWithin+longestPause; hung += 250 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			hangs := &hangingSink{until: time.Now().Add(hung)}
			w := newWorld(t, t.TempDir(), spool.Options{}, Options{Sink: hangs})
			w.append(t, 1200)
			time.Sleep(hung)
			if n := hangs.fakeSink.count(); n != 0 {
				t.Errorf("%d calls are in the store while it hangs", n)
			}
			time.Sleep(writeWithin + longestPause + w.o.Interval + time.Millisecond)
			if n := hangs.fakeSink.count(); n != 1200 {
				t.Errorf("%d calls are in the store after it hung for %s", n, hung)
			}
			if err := w.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// hangingSink answers nothing until a time.
type hangingSink struct {
	fakeSink
	until time.Time
}

func (s *hangingSink) Write(ctx context.Context, calls []record.Call) (int, error) {
	if time.Now().Before(s.until) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.fakeSink.Write(ctx, calls)
}

// Rows in memory are written though the time to close in is over already.
func TestClose_DrainsMemoryWhenItIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", spool.Options{}, Options{})
		back := time.Now().Add(2 * time.Second)
		w.sink.fail = func(int, []record.Call) (error, bool) {
			if time.Now().Before(back) {
				return errAway, false
			}
			return nil, false
		}
		w.append(t, 500)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Close(ctx); err != nil || w.sink.count() != 500 {
			t.Errorf("%v; %d calls in the store", err, w.sink.count())
		}

		w = newWorld(t, "", spool.Options{}, Options{})
		w.sink.fail = func(int, []record.Call) (error, bool) { return errAway, false }
		w.append(t, 10)
		begun := time.Now()
		if err := w.Close(ctx); err == nil || time.Since(begun) > lastWords+time.Second || w.tally.lost.Load() != 10 {
			t.Errorf("without a store: %v after %v, %d lost", err, time.Since(begun), w.tally.lost.Load())
		}
	})
}

// poisonous refuses writes that hold one of the calls, as a database refuses a transaction.
func poisonous(ids ...string) func(int, []record.Call) (error, bool) {
	return func(_ int, calls []record.Call) (error, bool) {
		for _, c := range calls {
			for _, id := range ids {
				if c.ID == id {
					return errPoison, false
				}
			}
		}
		return nil, false
	}
}

func TestPoisonousRowsStopNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var dropped []string
		w := newWorld(t, filepath.Join(dir, "spool"), spool.Options{}, Options{
			BatchRows: 100, Quarantine: filepath.Join(dir, "quarantine.jsonl"), Dropped: func(c *record.Call) { dropped = append(dropped, c.ID) },
		})
		w.sink.fail = poisonous("call-0", "call-57", "call-58")
		w.append(t, 1) // the first of all, alone
		time.Sleep(time.Minute)
		if w.tally.quarantined.Load() != 0 {
			t.Error("a call is condemned though nothing else was ever taken: it may be the store's fault")
		}
		w.append(t, 199)
		if err := w.Sync(t.Context()); err != nil {
			t.Errorf("Sync waits for poisonous rows: %v", err)
		}
		if n := w.sink.count(); n != 197 {
			t.Errorf("%d calls are in the store; want 197", n)
		}
		for range 5 {
			w.append(t, 1)
			time.Sleep(3 * time.Second)
		}
		if n := w.tally.quarantined.Load(); n != 3 || w.sink.count() != 202 || w.tally.pending() != 0 {
			t.Errorf("%d calls in quarantine, %d in the store, %d waiting", n, w.sink.count(), w.tally.pending())
		}
		slices.Sort(dropped)
		if !slices.Equal(dropped, []string{"call-0", "call-57", "call-58"}) {
			t.Errorf("told of %v", dropped)
		}
		b, err := os.ReadFile(filepath.Join(dir, "quarantine.jsonl"))
		if err != nil || strings.Count(string(b), "\n") != 3 || !strings.Contains(string(b), `"ID":"call-57"`) || !strings.Contains(string(b), errPoison.Error()) {
			t.Errorf("the quarantine file, %v:\n%s", err, b)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStoreThatRefusesEverything is a store with a fault of its own, such as a missing table: nothing goes to the
// quarantine, and all is booked once it is repaired.
func TestStoreThatRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, t.TempDir(), spool.Options{}, Options{BatchRows: 100})
		repaired := time.Now().Add(5 * time.Minute)
		w.sink.fail = func(int, []record.Call) (error, bool) {
			if time.Now().Before(repaired) {
				return errors.New("no such table"), false
			}
			return nil, false
		}
		for time.Now().Before(repaired) {
			w.append(t, 20)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Second)
		if n := w.sink.count(); n != 6000 || w.tally.quarantined.Load() != 0 || w.tally.pending() != 0 {
			t.Errorf("%d calls in the store, %d in quarantine, %d waiting", n, w.tally.quarantined.Load(), w.tally.pending())
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordOfTheSpoolThatIsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, filepath.Join(dir, "spool"), spool.Options{}, Options{Quarantine: filepath.Join(dir, "q")})
		if err := w.o.Spool.Append([]byte("\x09 of a later version")); err != nil {
			t.Fatal(err)
		}
		w.append(t, 1)
		if err := w.Sync(t.Context()); err != nil || !w.sink.has("call-0") || w.tally.quarantined.Load() != 1 {
			t.Errorf("%v, %d in quarantine", err, w.tally.quarantined.Load())
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFullSpool(t *testing.T) {
	for _, policy := range []Policy{Serve, Refuse} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, t.TempDir(), spool.Options{MaxBytes: 40_000}, Options{Policy: policy, OverflowBytes: 20_000})
				w.sink.fail = func(int, []record.Call) (error, bool) { return errAway, false }
				lost := 0
				for range 200 {
					c := typical("lost?")
					c.ID = "call-" + time.Now().Format(time.RFC3339Nano) // a time of its own each
					if err := w.Append(&c); errors.Is(err, spool.ErrFull) {
						lost++
					} else if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond)
				}
				if lost == 0 || w.tally.lost.Load() != int64(lost) || w.tally.pending() != int64(200-lost) {
					t.Errorf("%d calls are lost, %d told, %d wait", lost, w.tally.lost.Load(), w.tally.pending())
				}
				if _, _, _, full := w.tally.backlog(); !full || !strings.Contains(w.log.String(), "takes no more calls") {
					t.Errorf("nobody tells that the spool is full: %s", w.log.String())
				}
				if err := w.Ready(); (policy == Refuse) != errors.Is(err, ErrFull) {
					t.Errorf("Ready says %v", err)
				}
				w.sink.mu.Lock()
				w.sink.fail = nil
				w.sink.mu.Unlock()
				time.Sleep(5 * time.Second)
				if n := w.sink.count(); n != 200-lost || w.Ready() != nil {
					t.Errorf("%d calls in the store; Ready says %v", n, w.Ready())
				}
				if err := w.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestClose_KeepsOnTheDiskWhatTheStoreDoesNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, dir, spool.Options{}, Options{})
		w.sink.fail = func(int, []record.Call) (error, bool) { return errAway, false }
		w.append(t, 50)
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Close(ctx); !errors.Is(err, errAway) || time.Since(begun) > 10*time.Second {
			t.Errorf("Close took %v and says %v", time.Since(begun), err)
		}
		if w.tally.lost.Load() != 0 {
			t.Error("rows are told as lost that are on the disk")
		}
		again := newWorld(t, dir, spool.Options{}, Options{})
		time.Sleep(time.Second)
		if n := again.sink.count(); n != 50 {
			t.Errorf("%d calls came after the restart", n)
		}
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClose_DrainsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", spool.Options{}, Options{})
		back := time.Now().Add(7 * time.Second)
		w.sink.fail = func(int, []record.Call) (error, bool) {
			if time.Now().Before(back) {
				return errAway, false
			}
			return nil, false
		}
		w.append(t, 50)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil || w.sink.count() != 50 {
			t.Errorf("%v; %d calls in the store", err, w.sink.count())
		}
	})
}
