package callback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/callback"
	"tollgate/internal/record"
)

var errAway = errors.New("away")

func TestHub_DeliversInOrderAndInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		h := open(t, callback.Options{Dir: t.TempDir()}, one("a", s))
		begun := time.Now()
		h.Emit(call("first"))
		synctest.Wait()
		if got := s.got(); !slices.Equal(got, []string{"first"}) || time.Since(begun) != 0 {
			t.Fatalf("the first event waits for nobody: %v after %v", got, time.Since(begun))
		}
		for _, id := range names(0, 100) {
			h.Emit(call(id))
		}
		synctest.Wait()
		if n := len(s.got()); n != 1 {
			t.Fatalf("%d events were delivered before their batch was due", n)
		}
		time.Sleep(callback.StandardEvery)
		synctest.Wait()
		want := append([]string{"first"}, names(0, 100)...)
		if d := cmp.Diff(want, s.got()); d != "" {
			t.Error(d)
		}
		for _, id := range names(100, 100+2*callback.StandardBatch) { // a full batch does not wait
			h.Emit(call(id))
		}
		synctest.Wait()
		if n := len(s.got()); n < 101+callback.StandardBatch {
			t.Errorf("%d events were delivered: a full batch waits", n)
		}
		closeHub(t, h)
		if d := cmp.Diff(append(want, names(100, 100+2*callback.StandardBatch)...), s.got()); d != "" {
			t.Error("after the end:", d)
		}
	})
}

func TestHub_BackendAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		total := 100_000
		if raceDetector {
			total = 10_000
		}
		back := time.Now().Add(time.Hour)
		s := &sink{batch: callback.Batch{Events: 5000}, answer: func(int, []*callback.Event) error {
			if time.Now().Before(back) {
				return errAway
			}
			return nil
		}}
		seen := &counts{}
		h := open(t, callback.Options{Dir: t.TempDir(), MaxBytes: 256 << 20, Observer: seen}, one("a", s))
		for i, id := range names(0, total) {
			h.Emit(call(id))
			if i%(total/100) == 0 {
				synctest.Wait()
				time.Sleep(30 * time.Second) // all of them in 50 minutes
			}
		}
		if n := len(s.got()); n != 0 {
			t.Fatalf("%d events were delivered to who is away", n)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if d := cmp.Diff(names(0, total), s.got()); d != "" {
			t.Fatalf("%d came, want %d", len(s.got()), total)
		}
		if len(seen.dropped) != 0 {
			t.Errorf("dropped: %v", seen.dropped)
		}
		// In an hour there are at most a few tries a minute: at first more, then one every half to whole minute.
		if n := seen.failed["a"]; n < 50 || n > 140 {
			t.Errorf("%d tries in an hour", n)
		}
		closeHub(t, h)
	})
}

func TestHub_BeyondItsBoundTheQueueDropsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		s := &sink{answer: func(int, []*callback.Event) error {
			if !back.Load() {
				return errAway
			}
			return nil
		}}
		seen := &counts{}
		h := open(t, callback.Options{Dir: t.TempDir(), MaxBytes: 200_000, Observer: seen}, one("a", s))
		for _, id := range names(0, 1000) {
			h.Emit(call(id))
		}
		synctest.Wait()
		lost := seen.lost("a full")
		if lost == 0 || lost == 1000 {
			t.Fatalf("%d of 1000 events were dropped", lost)
		}
		back.Store(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if d := cmp.Diff(names(0, 1000-lost), s.got()); d != "" {
			t.Error(d)
		}
		for _, st := range h.Stats() {
			if st.Dropped != int64(lost) || st.Delivered != int64(1000-lost) || st.Pending != 0 {
				t.Errorf("%+v", st)
			}
		}
		closeHub(t, h)
	})
}

func TestHub_WhatABackendSays(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(n int, batch []*callback.Event) error
		calls  []int
		want   []string
		waited time.Duration // at least, from the first to the last call
		lost   int
	}{
		"refused for good": {
			answer: func(_ int, _ []*callback.Event) error {
				return &callback.Rejected{Events: []int{1, 3}, Reason: errors.New("no")}
			},
			calls: []int{5}, want: []string{"call-000000", "call-000002", "call-000004"}, lost: 2,
		},
		"a part": {
			answer: func(n int, _ []*callback.Event) error {
				if n == 1 {
					return &callback.Partial{Done: 3, Rejected: &callback.Rejected{Events: []int{0}, Reason: errors.New("no")}, Err: errAway}
				}
				return nil
			},
			calls: []int{5, 2}, want: []string{"call-000001", "call-000002", "call-000003", "call-000004"}, waited: 500 * time.Millisecond, lost: 1,
		},
		"asks for time": {
			answer: func(n int, _ []*callback.Event) error {
				if n == 1 {
					return &callback.RetryAfter{After: 90 * time.Second, Err: errAway}
				}
				return nil
			},
			calls: []int{5, 5}, want: names(0, 5), waited: 90 * time.Second,
		},
		"panics": {
			answer: func(n int, _ []*callback.Event) error {
				if n < 3 {
					panic("oh")
				}
				return nil
			},
			calls: []int{5, 5, 5}, want: names(0, 5), waited: 1500 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{answer: c.answer}
				seen := &counts{}
				gate := make(chan struct{})
				s.answer = func(n int, batch []*callback.Event) error {
					if batch[0].Payload.CallID == "zero" { // holds the others until they are all there
						<-gate
						s.mu.Lock()
						s.calls, s.times = nil, nil
						s.mu.Unlock()
						return nil
					}
					return c.answer(n, batch)
				}
				h := open(t, callback.Options{Observer: seen}, one("a", s))
				h.Emit(call("zero"))
				synctest.Wait()
				for _, id := range names(0, 5) {
					h.Emit(call(id))
				}
				synctest.Wait()
				close(gate)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if got := s.got()[1:]; !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if !slices.Equal(s.calls, c.calls) {
					t.Errorf("batches of %v, want %v", s.calls, c.calls)
				}
				if waited := s.times[len(s.times)-1].Sub(s.times[0]); waited < c.waited || waited > 2*c.waited {
					t.Errorf("the last try came %v after the first, want about %v", waited, c.waited)
				}
				if lost := seen.lost("a rejected"); lost != c.lost {
					t.Errorf("%d dropped, want %d", lost, c.lost)
				}
				closeHub(t, h)
			})
		})
	}
}

func TestHub_OneThatHangsDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hangs := &sink{answer: func(int, []*callback.Event) error { <-release; return nil }}
		good := &sink{}
		h := open(t, callback.Options{Dir: t.TempDir()}, callback.Settings{Callbacks: []callback.Configured{
			{Name: "hangs", Events: callback.Both, Callback: hangs}, {Name: "good", Events: callback.Both, Callback: good},
		}})
		for _, id := range names(0, 50) {
			h.Emit(call(id))
		}
		time.Sleep(2 * callback.StandardEvery)
		synctest.Wait()
		if n := len(good.got()); n != 50 {
			t.Errorf("the other one got %d of 50", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		if err := h.Close(ctx); err == nil {
			t.Error("nothing is said of a callback that hangs")
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the end took %v", took)
		}
		close(release)
		synctest.Wait()
	})
}

func TestHub_WhoHears(t *testing.T) {
	failed := func(c *record.Call) { c.Outcome, c.Status = record.Failure, 500 }
	for name, c := range map[string]struct {
		change func(*record.Call)
		want   string
	}{
		"success":  {func(*record.Call) {}, "both success"},
		"failure":  {failed, "both failure"},
		"gone":     {func(c *record.Call) { c.Outcome = record.Gone }, "both failure"},
		"no-log":   {func(c *record.Call) { c.Logging.Off = true }, ""},
		"disabled": {func(c *record.Call) { c.Logging.Disabled = []string{"BOTH", "other"} }, "success"},
		"own":      {func(c *record.Call) { c.Logging.Own = []record.OwnCallback{{Ref: "key:1", Name: "lf"}} }, "own:lf"},
		"own, of another outcome": {func(c *record.Call) {
			c.Logging.Own = []record.OwnCallback{{Ref: "key:1", Name: "lf", On: "failure"}}
		}, ""},
		"own failure": {func(c *record.Call) {
			failed(c)
			c.Logging.Own = []record.OwnCallback{{Ref: "key:1", Name: "lf", On: "failure"}, {Ref: "key:1", Name: "dd", On: "success"}}
		}, "own:lf"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sinks := map[string]*sink{"both": {}, "success": {}, "failure": {}}
				o := callback.Options{Open: func(name string, _ map[string]string) (callback.Callback, error) {
					s := &sink{}
					sinks["own:"+name] = s
					return s, nil
				}}
				h := open(t, o, callback.Settings{Callbacks: []callback.Configured{
					{Name: "both", Events: callback.Both, Callback: sinks["both"]},
					{Name: "success", Events: callback.Success, Callback: sinks["success"]},
					{Name: "failure", Events: callback.Failure, Callback: sinks["failure"]},
				}})
				one := call("x")
				c.change(one)
				h.Emit(one)
				synctest.Wait()
				closeHub(t, h)
				var heard []string
				for name, s := range sinks {
					if len(s.got()) > 0 {
						heard = append(heard, name)
					}
				}
				slices.Sort(heard)
				if got := strings.Join(heard, " "); got != c.want {
					t.Errorf("%q heard, want %q", got, c.want)
				}
			})
		})
	}
}

func TestHub_RedactsWhereSomebodySaysSo(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		global  bool
		own     *bool // the callback's message_logging
		caller  *bool
		redacts bool
	}{
		"nobody":                             {},
		"the operator":                       {global: true, redacts: true},
		"the callback":                       {own: &no, redacts: true},
		"the caller":                         {caller: &yes, redacts: true},
		"the caller says no to the operator": {global: true, caller: &no},
		"the caller cannot say no to the callback":      {own: &no, caller: &no, redacts: true},
		"the callback's yes does not beat the operator": {global: true, own: &yes, redacts: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sink{}
				set := one("a", s)
				set.Redact, set.Callbacks[0].MessageLogging = c.global, c.own
				h := open(t, callback.Options{}, set)
				x := call("x")
				x.Request = []byte(`{"messages":[{"role":"user","content":"attack at dawn"}]}`)
				x.Logging.Redact = c.caller
				h.Emit(x)
				synctest.Wait()
				closeHub(t, h)
				if redacted := !strings.Contains(string(s.events[0].Payload.Messages), "dawn"); redacted != c.redacts || s.events[0].Redacted != c.redacts {
					t.Errorf("messages: %s", s.events[0].Payload.Messages)
				}
			})
		})
	}
}
