package callback_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/record"
)

func TestMain(m *testing.M) {
	if os.Getenv("CALLBACK_VICTIM") != "" {
		victim()
		return
	}
	goleak.VerifyTestMain(m)
}

// sink is a backend whose answers a test sets.
type sink struct {
	mu     sync.Mutex
	ids    []string
	events []*callback.Event
	calls  []int // sizes of the batches, refused ones included
	times  []time.Time
	answer func(n int, batch []*callback.Event) error // n counts from 1; nil = it takes all
	batch  callback.Batch
}

func (s *sink) Batch() callback.Batch { return s.batch }

func (s *sink) Deliver(ctx context.Context, batch []*callback.Event) error {
	s.mu.Lock()
	s.calls, s.times = append(s.calls, len(batch)), append(s.times, time.Now())
	n, answer := len(s.calls), s.answer
	s.mu.Unlock()
	var err error
	if answer != nil {
		err = answer(n, batch)
	}
	refused := map[int]bool{}
	done := len(batch)
	var partial *callback.Partial
	var rejected *callback.Rejected
	switch {
	case errors.As(err, &partial):
		done, rejected = partial.Done, partial.Rejected
	case errors.As(err, &rejected):
	case err != nil:
		return err
	}
	if rejected != nil {
		for _, i := range rejected.Events {
			refused[i] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range batch[:done] {
		if !refused[i] {
			s.ids, s.events = append(s.ids, e.Payload.CallID), append(s.events, e)
		}
	}
	return err
}

func (s *sink) Ping(context.Context) error { return nil }

func (s *sink) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.ids...)
}

// counts is an observer.
type counts struct {
	mu        sync.Mutex
	delivered map[string]int
	failed    map[string]int
	dropped   map[string]int // by name and reason
}

func (c *counts) add(m *map[string]int, key string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key] += n
}

func (c *counts) CallbackDelivered(name string, events int) { c.add(&c.delivered, name, events) }
func (c *counts) CallbackFailed(name string)                { c.add(&c.failed, name, 1) }
func (c *counts) CallbackDropped(name, reason string, events int) {
	c.add(&c.dropped, name+" "+reason, events)
}

func (c *counts) lost(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped[key]
}

// call is a small call that went well.
func call(id string) *record.Call {
	now := time.Now()
	return &record.Call{
		ID: id, SentID: id, Route: "/chat/completions", CallType: "acompletion", Started: now.Add(-time.Second), Ended: now, Caller: "hash", KeyHash: "hash",
		Alias: "gpt", Outcome: record.Success, Status: 200,
	}
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// open starts a hub.
func open(t testing.TB, o callback.Options, s callback.Settings) *callback.Hub {
	t.Helper()
	if o.Log == nil {
		o.Log = quietLog()
	}
	h, err := callback.New(o, s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func closeHub(t testing.TB, h *callback.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
}

// one is settings with one callback that hears of everything.
func one(name string, cb callback.Callback) callback.Settings {
	return callback.Settings{Callbacks: []callback.Configured{{Name: name, Events: callback.Both, Callback: cb}}}
}

func names(from, to int) []string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("call-%06d", i))
	}
	return list
}
