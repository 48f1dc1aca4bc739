package ledger

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/record"
	"tollgate/internal/spool"
)

// victim serves calls from several goroutines: each is appended, then answered, which is a line on standard output. The
// store is in the parent, behind a socket.
func victim() {
	dir, round := os.Getenv("LEDGER_VICTIM"), os.Getenv("LEDGER_ROUND")
	s, err := spool.Open(dir, spool.Options{SegmentBytes: 50_000})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	store, err := net.Dial("unix", filepath.Join(dir, "store"))
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	l, err := Open(Options{Spool: s, Sink: remoteSink{store}, BatchRows: 50, Interval: 5 * time.Millisecond})
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	var serving sync.WaitGroup
	for w := range 4 {
		serving.Go(func() {
			for i := 0; ; i++ {
				c := typical(fmt.Sprintf("%s-%d-%d", round, w, i))
				if err := l.Append(&c); err != nil {
					fmt.Println("failed", err)
					return
				}
				fmt.Println("answered", c.ID)
			}
		})
	}
	serving.Wait()
}

// remoteSink writes to a remoteStore: a message each way, with its length.
type remoteSink struct{ conn net.Conn }

func (s remoteSink) Write(_ context.Context, calls []record.Call) (int, error) {
	var text []byte
	for i := range calls {
		text = append(append(text, calls[i].ID...), '\n')
	}
	if _, err := s.conn.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))); err != nil {
		return 0, err
	}
	if _, err := s.conn.Write(text); err != nil {
		return 0, err
	}
	var booked uint32
	err := binary.Read(s.conn, binary.LittleEndian, &booked)
	return int(booked), err
}

// serveStore is the other end of remoteSink: a message that has come whole is booked, as a transaction.
func serveStore(conn net.Conn, sink *fakeSink) error {
	defer conn.Close()
	for {
		var length uint32
		if err := binary.Read(conn, binary.LittleEndian, &length); err != nil {
			return err
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(conn, text); err != nil {
			return err
		}
		var calls []record.Call
		for id := range strings.Lines(string(text)) {
			calls = append(calls, record.Call{ID: strings.TrimSpace(id)})
		}
		booked, err := sink.Write(context.Background(), calls)
		if err != nil {
			return err
		}
		if err := binary.Write(conn, binary.LittleEndian, uint32(booked)); err != nil {
			return err
		}
	}
}

// TestKilledProcess kills a process under load, again and again: each answered call is booked once, by that process or
// by the one after it.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	store, err := net.Listen("unix", filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	sink := &fakeSink{}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := store.Accept()
			if err != nil {
				return
			}
			if err := serveStore(conn, sink); err == nil || errors.Is(err, os.ErrInvalid) {
				t.Error(err)
			}
		}
	})
	answered := map[string]bool{}
	for round := range 10 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LEDGER_VICTIM="+dir, "LEDGER_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 400+round*53 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			id, ok := strings.CutPrefix(lines.Text(), "answered ")
			if !ok {
				t.Fatalf("the victim wrote %q", lines.Text())
			}
			answered[id] = true
		}
		_ = cmd.Wait()
	}
	byVictims := sink.count()
	_ = store.Close()
	accepting.Wait()

	w := newWorld(t, dir, spool.Options{Damaged: func(records, bytes int64) { t.Errorf("%d records, %d bytes damaged", records, bytes) }}, Options{Sink: sink})
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id := range answered {
		if sink.booked[id] != 1 {
			t.Errorf("%s was answered and is booked %d times", id, sink.booked[id])
		}
	}
	if byVictims < len(answered)/20 || len(answered) < 4000 {
		t.Errorf("%d calls answered, %d of them booked before the last start: the test does not test", len(answered), byVictims)
	}
	t.Logf("%d calls answered, %d booked, %d of them before the last start", len(answered), sink.count(), byVictims)
}
