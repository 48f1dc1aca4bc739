package telemetry

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/record"
)

// sink is a log file that counts its writes.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(b)
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// messages are the call ids, or else the messages, of the lines so far.
func (s *sink) messages() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for line := range strings.Lines(s.text.String()) {
		_, rest, _ := strings.Cut(line, "msg=")
		message, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if id, ok := strings.CutPrefix(rest, "call_id="); ok {
			message, _, _ = strings.Cut(id, " ")
		}
		out = append(out, message)
	}
	return strings.Join(out, " ")
}

func call(id string, outcome record.Outcome) *record.Call {
	return &record.Call{SentID: id, Outcome: outcome}
}

func TestAccessLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		log := NewLogger(s, slog.LevelInfo, false)
		for i := range 3 {
			LogCall(log, call(fmt.Sprint("c", i), record.Success))
		}
		if got := s.messages(); got != "" {
			t.Errorf("written at once: %s", got)
		}
		time.Sleep(lateBy)
		synctest.Wait()
		if got := s.messages(); got != "c0 c1 c2" || s.count() != 1 {
			t.Errorf("%q in %d writes, want all three in one", got, s.count())
		}
		LogCall(log, call("c3", record.Success)) // the timer is set anew
		time.Sleep(lateBy)
		synctest.Wait()
		if got := s.messages(); got != "c0 c1 c2 c3" {
			t.Errorf("later: %q", got)
		}
	})
}

func TestOtherRecordsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		log := NewLogger(s, slog.LevelInfo, false)
		LogCall(log, call("ok", record.Success))
		LogCall(log.With("a", 1), call("failed", record.Failure))
		if got := s.messages(); got != "ok call" { // the attribute stands before the id
			t.Errorf("a failed call: %q", got)
		}
		LogCall(log, call("ok2", record.Success))
		log.WithGroup("g").Info("stopping")
		if got := s.messages(); got != "ok call ok2 stopping" {
			t.Errorf("a notice: %q", got)
		}
		time.Sleep(lateBy)
		synctest.Wait()
		if s.count() != 2 {
			t.Errorf("%d writes, want 2", s.count())
		}
	})
}

func TestWaitingLinesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		log := NewLogger(s, slog.LevelInfo, true)
		long := strings.Repeat("x", 1<<10)
		for range 2 * maxWaiting / len(long) {
			LogCall(log, call(long, record.Success))
		}
		if s.count() != 2 { // each line is a little longer than its id
			t.Errorf("%d writes, want 2", s.count())
		}
		time.Sleep(lateBy)
		synctest.Wait()
	})
}
