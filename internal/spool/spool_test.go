package spool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"tollgate/internal/spool"
)

func TestMain(m *testing.M) {
	if os.Getenv("SPOOL_VICTIM") != "" {
		victim()
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := spool.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func appendAll(t testing.TB, s *spool.Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

// drain reads everything that is there and acknowledges it.
func drain(t testing.TB, s *spool.Spool) []string {
	t.Helper()
	var out []string
	for s.Stats().Pending > 0 {
		b, err := s.Next(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			out = append(out, string(r))
		}
		if err := s.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func numbered(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%50)))
	}
	return out
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records; want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("record %d is %.40q; want %.40q", i, got[i], want[i])
		}
	}
}

// media are the two kinds of spools, with options that make segments small.
func media(t *testing.T) map[string]string {
	return map[string]string{"disk": t.TempDir(), "memory": ""}
}

func TestRecordsComeInOrder(t *testing.T) {
	for name, dir := range media(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, dir, spool.Options{SegmentBytes: 500})
			defer s.Close()
			want := numbered(0, 300)
			appendAll(t, s, want...)
			equal(t, drain(t, s), want)
			appendAll(t, s, "", "one more")
			equal(t, drain(t, s), []string{"", "one more"})
			if left := s.Stats(); left.Pending != 0 || left.Bytes > 500+100 {
				t.Errorf("acknowledged records keep their room: %+v", left)
			}
		})
	}
}

func TestLongRecords(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	defer s.Close()
	want := []string{"a", strings.Repeat("long", 1<<20), "b", strings.Repeat("longer", 1<<20)}
	appendAll(t, s, want...)
	equal(t, drain(t, s), want)
	if err := s.Append(make([]byte, spool.MaxRecord+1)); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNotAcknowledgedComesAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{SegmentBytes: 500})
	all := numbered(0, 100)
	appendAll(t, s, all...)
	for i := range 5 {
		b, err := s.Next(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			if err := s.Ack(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, spool.Options{SegmentBytes: 500})
	defer s.Close()
	left := s.Stats().Pending
	rest := drain(t, s)
	if int64(len(rest)) != left || len(rest) < 70 || len(rest) > 97 {
		t.Fatalf("%d records came again, %d were pending", len(rest), left)
	}
	equal(t, rest, all[100-len(rest):])
	if s.Seq() != 100 {
		t.Errorf("the last record has the number %d", s.Seq())
	}
}

func TestNextWaits(t *testing.T) {
	for name, dir := range media(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, dir, spool.Options{Sync: spool.SyncNone})
				got := make(chan string, 1)
				go func() {
					b, err := s.Next(t.Context(), 10)
					if err != nil {
						got <- err.Error()
						return
					}
					got <- string(b.Records[0])
				}()
				synctest.Wait()
				appendAll(t, s, "hello")
				if r := <-got; r != "hello" {
					t.Errorf("got %s", r)
				}
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					_, err := s.Next(ctx, 1)
					got <- err.Error()
				}()
				synctest.Wait()
				cancel()
				if r := <-got; r != context.Canceled.Error() {
					t.Errorf("got %s", r)
				}
				go func() {
					_, err := s.Next(t.Context(), 1)
					got <- err.Error()
				}()
				synctest.Wait()
				s.Close()
				if r := <-got; r != spool.ErrClosed.Error() {
					t.Errorf("got %s", r)
				}
				if err := s.Append([]byte("late")); !errors.Is(err, spool.ErrClosed) {
					t.Errorf("append to a closed spool: %v", err)
				}
			})
		})
	}
}

func TestFullSpoolTakesAgainWhatIsFreed(t *testing.T) {
	for name, dir := range media(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, dir, spool.Options{SegmentBytes: 1000, MaxBytes: 8000})
			defer s.Close()
			var want []string
			for i := 0; ; i++ {
				r := fmt.Sprintf("%0100d", i)
				err := s.Append([]byte(r))
				if errors.Is(err, spool.ErrFull) {
					break
				}
				if err != nil || i > 100 {
					t.Fatal(i, err)
				}
				want = append(want, r)
			}
			if used := s.Stats().Bytes; used > 8000 || used < 7000 {
				t.Errorf("%d bytes are in use", used)
			}
			equal(t, drain(t, s), want)
			appendAll(t, s, "again")
			equal(t, drain(t, s), []string{"again"})
		})
	}
}

func TestOneProcessPerFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{})
	if _, err := spool.Open(dir, spool.Options{}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("a second opening: %v", err)
	}
	s.Close()
	open(t, dir, spool.Options{}).Close()
}

func TestConcurrentAppends(t *testing.T) {
	for _, mode := range []spool.Sync{spool.SyncNone, spool.SyncInterval, spool.SyncAlways} {
		t.Run(string(mode), func(t *testing.T) {
			s := open(t, t.TempDir(), spool.Options{SegmentBytes: 4000, Sync: mode})
			defer s.Close()
			const writers, each = 8, 50
			var writing sync.WaitGroup
			for w := range writers {
				writing.Go(func() {
					for i := range each {
						if err := s.Append(fmt.Appendf(nil, "%d-%d", w, i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			seen, next := map[string]bool{}, [writers]int{}
			for len(seen) < writers*each {
				b, err := s.Next(t.Context(), 9)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range b.Records {
					var w, i int
					if _, err := fmt.Sscanf(string(r), "%d-%d", &w, &i); err != nil || i != next[w] {
						t.Fatalf("got %q behind %v", r, next)
					}
					next[w]++
					seen[string(r)] = true
				}
				if err := s.Ack(b); err != nil {
					t.Fatal(err)
				}
			}
			writing.Wait()
		})
	}
}

// segments returns the paths of a folder's segments in order.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// damage says what happens to a spool of 100 records in several segments.
var damages = []struct {
	name         string
	do           func(t *testing.T, paths []string)
	lost         int64 // records
	skips        bool  // bytes are skipped while reading
	mayRepeatAll bool
}{
	{name: "none", do: func(*testing.T, []string) {}},
	{name: "torn tail", do: func(t *testing.T, paths []string) { grow(t, paths[len(paths)-1], "\xf3re\xc5 torn") }},
	{name: "last record cut", lost: 0, do: func(t *testing.T, paths []string) { cut(t, paths[len(paths)-1], 3) }},
	{name: "a byte of a record", lost: 1, skips: true, do: func(t *testing.T, paths []string) { flip(t, paths[1], 32+20+3) }},
	{name: "a length", lost: 1, skips: true, do: func(t *testing.T, paths []string) { flip(t, paths[1], 32+8) }},
	{name: "a large length", lost: 1, skips: true, do: func(t *testing.T, paths []string) { flip(t, paths[1], 32+11) }},
	{name: "a marker", lost: 1, skips: true, do: func(t *testing.T, paths []string) { flip(t, paths[1], 32) }},
	{name: "a header", skips: true, do: func(t *testing.T, paths []string) { flip(t, paths[1], 20) }},
	{name: "cut in the middle", lost: 1, skips: false, do: func(t *testing.T, paths []string) { cut(t, paths[1], 5) }},
	{name: "the cursor", do: func(t *testing.T, paths []string) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(paths[0]), "cursor"), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}},
	{name: "an empty segment", do: func(t *testing.T, paths []string) {
		path := filepath.Join(filepath.Dir(paths[0]), "00000000000000009999.seg")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}},
}

func grow(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-n); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, offset int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[offset] ^= 0x5a
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageCostsOnlyWhatItHits(t *testing.T) {
	for _, damage := range damages {
		t.Run(damage.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, spool.Options{SegmentBytes: 1000})
			all := numbered(0, 100)
			appendAll(t, s, all...)
			s.Close()
			damage.do(t, segments(t, dir))

			var lost, skipped int64
			var log strings.Builder
			s = open(t, dir, spool.Options{SegmentBytes: 1000, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Damaged: func(records, bytes int64) { lost += records; skipped += bytes }})
			appendAll(t, s, "after")
			got := drain(t, s)
			s.Close()

			if got[len(got)-1] != "after" {
				t.Errorf("the last record is %q", got[len(got)-1])
			}
			want := map[string]bool{"after": true}
			for _, r := range all {
				want[r] = true
			}
			for _, r := range got {
				if !want[r] {
					t.Errorf("a record was invented or came twice: %q", r)
				}
				delete(want, r)
			}
			unwritten := int64(0)
			if damage.name == "last record cut" {
				unwritten = 1 // as if its Append had never returned
			}
			if lost != damage.lost || int64(len(want)) != lost+unwritten {
				t.Errorf("%d records were told as lost, %d did not come; want %d", lost, len(want), damage.lost)
			}
			if (skipped > 0) != (damage.skips || damage.name == "cut in the middle") {
				t.Errorf("%d bytes were told as skipped", skipped)
			}
			if lost > 0 && !strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("the log says nothing loud: %s", log.String())
			}
		})
	}
}

// TestDamageWhileRunning damages the segment that is written to: the reader goes on and every record counts as dealt with.
func TestDamageWhileRunning(t *testing.T) {
	dir := t.TempDir()
	var lost int64
	s := open(t, dir, spool.Options{Damaged: func(records, _ int64) { lost += records }})
	defer s.Close()
	appendAll(t, s, "first", "second")
	path := segments(t, dir)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	equal(t, drain(t, s), []string{"first"})
	if lost != 1 {
		t.Errorf("%d records were told as lost", lost)
	}
	appendAll(t, s, "third")
	equal(t, drain(t, s), []string{"third"})
}
