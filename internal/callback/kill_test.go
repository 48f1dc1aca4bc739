package callback_test

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

	"tollgate/internal/callback"
)

// printing is a backend that prints what it gets.
type printing struct{ say func(word, id string) }

func (p printing) Batch() callback.Batch { return callback.Batch{Events: 20, Every: time.Millisecond} }

func (p printing) Deliver(_ context.Context, batch []*callback.Event) error {
	for _, e := range batch {
		p.say("read", e.Payload.CallID)
	}
	return nil
}

func (p printing) Ping(context.Context) error { return nil }

// victim emits calls as fast as they are written to the disk, and delivers them to its parent.
func victim() {
	var mu sync.Mutex
	say := func(word, id string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(word, id)
	}
	h, err := callback.New(callback.Options{Dir: os.Getenv("CALLBACK_VICTIM"), Log: quietLog()}, callback.Settings{Callbacks: []callback.Configured{
		{Name: "a", Events: callback.Both, Callback: printing{say}},
	}})
	if err != nil {
		say("failed", err.Error())
		return
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%06d", os.Getenv("CALLBACK_ROUND"), i)
		h.Emit(call(id))
		for _, st := range h.Stats() {
			if st.Pending > 2000 { // else the bound is reached, and what is dropped looks lost
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// TestKilledProcessLosesNothingOnTheDisk kills a process that emits and delivers, again and again. Delivery goes in order,
// so every event before the last one that was ever delivered must have been delivered too, by that process or a later one.
func TestKilledProcessLosesNothingOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	read := map[string]int{}
	const rounds = 8
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "CALLBACK_VICTIM="+dir, "CALLBACK_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 300+round*91 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			word, id, _ := strings.Cut(lines.Text(), " ")
			if word != "read" {
				t.Fatalf("the victim wrote %q", lines.Text())
			}
			read[id]++
		}
		_ = cmd.Wait()
	}
	s := &sink{}
	h := open(t, callback.Options{Dir: dir}, one("a", s))
	closeHub(t, h)
	for _, id := range s.got() {
		read[id]++
	}
	twice := 0
	for round := range rounds {
		last := -1
		for id, n := range read {
			prefix, number, _ := strings.Cut(id, "-")
			if prefix == strconv.Itoa(round) {
				i, _ := strconv.Atoi(number)
				last = max(last, i)
				if n > 1 {
					twice++
				}
			}
		}
		if last < 0 {
			t.Errorf("round %d delivered nothing", round)
		}
		for i := range last {
			if id := fmt.Sprintf("%d-%06d", round, i); read[id] == 0 {
				t.Errorf("%s is lost, while %d-%06d came", id, round, last)
			}
		}
	}
	if twice > rounds*20 {
		t.Errorf("%d events came twice: more than one batch a death", twice)
	}
	t.Logf("%d events, %d twice", len(read), twice)
}
