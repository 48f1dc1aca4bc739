package spool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/spool"
)

// victim appends records from several goroutines and prints each one's name once Append has returned. It reads and
// acknowledges as well, printing what it acknowledges before it does.
func victim() {
	s, err := spool.Open(os.Getenv("SPOOL_VICTIM"), spool.Options{SegmentBytes: 20_000})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	round := os.Getenv("SPOOL_ROUND")
	var printing sync.Mutex
	say := func(word, name string) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Println(word, name)
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", round, w, i)
				if err := s.Append([]byte(name + " " + strings.Repeat("x", i%3000))); err != nil {
					say("failed", err.Error())
					return
				}
				say("appended", name)
			}
		}()
	}
	for {
		b, err := s.Next(context.Background(), 20)
		if err != nil {
			say("failed", err.Error())
			return
		}
		for _, r := range b.Records {
			name, _, _ := strings.Cut(string(r), " ")
			say("read", name)
		}
		if err := s.Ack(b); err != nil {
			say("failed", err.Error())
			return
		}
	}
}

// TestKilledProcessLosesNothing kills a process that appends and reads, again and again: every record whose Append had
// returned is read, by that process or a later one.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	appended, read := map[string]bool{}, map[string]int{}
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_VICTIM="+dir, "SPOOL_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 300+round*37 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			word, name, _ := strings.Cut(lines.Text(), " ")
			switch word {
			case "appended":
				appended[name] = true
			case "read":
				read[name]++
			default:
				t.Fatalf("the victim wrote %q", lines.Text())
			}
		}
		_ = cmd.Wait()
	}
	s := open(t, dir, spool.Options{Damaged: func(records, bytes int64) { t.Errorf("%d records, %d bytes damaged", records, bytes) }})
	defer s.Close()
	for _, r := range drain(t, s) {
		name, _, _ := strings.Cut(r, " ")
		read[name]++
	}
	twice := 0
	for name := range appended {
		switch read[name] {
		case 0:
			t.Errorf("%s was appended and never read", name)
		case 1:
		default:
			twice++
		}
	}
	if len(appended) < 1000 {
		t.Errorf("only %d records were appended", len(appended))
	}
	if twice > 12*20 {
		t.Errorf("%d records were read twice: more than what was not acknowledged", twice)
	}
	t.Logf("%d appended, %d read twice", len(appended), twice)
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{300, 1000, 10_000} {
		for _, mode := range []spool.Sync{spool.SyncNone, spool.SyncInterval, spool.SyncAlways} {
			b.Run(fmt.Sprintf("%d/%s", size, mode), func(b *testing.B) {
				s := open(b, b.TempDir(), spool.Options{Sync: mode, MaxBytes: 1 << 40})
				defer s.Close()
				record := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := s.Append(record); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

func BenchmarkNext(b *testing.B) {
	s := open(b, b.TempDir(), spool.Options{Sync: spool.SyncNone, MaxBytes: 1 << 40})
	defer s.Close()
	record := make([]byte, 1000)
	for range b.N {
		if err := s.Append(record); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(1000)
	b.ReportAllocs()
	b.ResetTimer()
	begun := time.Now()
	for n := 0; n < b.N; {
		batch, err := s.Next(b.Context(), 1000)
		if err != nil {
			b.Fatal(err)
		}
		n += len(batch.Records)
		if err := s.Ack(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "records/s")
}
