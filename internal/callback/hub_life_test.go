package callback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/callback"
	"tollgate/internal/record"
)

func TestHub_Reload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		away := &sink{answer: func(int, []*callback.Event) error { return errAway }}
		h := open(t, callback.Options{Dir: dir}, one("a", away))
		h.Emit(call("kept"))
		synctest.Wait()
		fresh := &sink{}
		if err := h.Swap(one("a", fresh)); err != nil { // the same queue, another account
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := fresh.got(); !slices.Equal(got, []string{"kept"}) {
			t.Fatalf("the new one got %v", got)
		}
		if err := h.Swap(one("a", away)); err != nil {
			t.Fatal(err)
		}
		h.Emit(call("left"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := h.Swap(one("b", &sink{})); err != nil { // "a" goes, and what waits for it stays on the disk
			t.Fatal(err)
		}
		synctest.Wait()
		again := &sink{}
		if err := h.Swap(one("a", again)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := again.got(); !slices.Equal(got, []string{"left"}) {
			t.Errorf("the one that came back got %v", got)
		}
		closeHub(t, h)
	})
}

func TestHub_RestartDeliversWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		h := open(t, callback.Options{Dir: dir}, one("a", &sink{answer: func(int, []*callback.Event) error { return errAway }}))
		for _, id := range names(0, 20) {
			h.Emit(call(id))
		}
		closeHub(t, h)
		s := &sink{}
		h = open(t, callback.Options{Dir: dir}, one("a", s))
		synctest.Wait()
		closeHub(t, h)
		if d := cmp.Diff(names(0, 20), s.got()); d != "" {
			t.Error(d)
		}
	})
}

func TestHub_InMemoryTheEndIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &counts{}
		h := open(t, callback.Options{Observer: seen}, one("a", &sink{answer: func(int, []*callback.Event) error { return errAway }}))
		for _, id := range names(0, 20) {
			h.Emit(call(id))
		}
		closeHub(t, h)
		if n := seen.lost("a end"); n != 20 {
			t.Errorf("%d of 20 were counted as lost", n)
		}
		h.Emit(call("late"))
		if n := seen.lost("all busy"); n != 1 {
			t.Errorf("a call after the end is counted %d times", n)
		}
	})
}

func TestHub_StrangersCannotFillTheQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, seen := &sink{}, &counts{}
		h := open(t, callback.Options{Observer: seen}, one("a", s))
		for i := range 1000 {
			c := call(fmt.Sprint(i))
			c.Caller, c.KeyHash, c.Outcome, c.Status = "", "", record.Refused, 401
			h.Emit(c)
		}
		h.Emit(call("known"))
		synctest.Wait()
		closeHub(t, h)
		if n := len(s.got()); n != 101 || s.got()[n-1] != "known" {
			t.Errorf("%d events came", n)
		}
		if n := seen.lost("all strangers"); n != 900 {
			t.Errorf("%d were counted", n)
		}
	})
}

func TestHub_WhatCannotBeEncodedIsToldWithoutTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		h := open(t, callback.Options{}, one("a", s))
		big := call("big")
		big.Request = []byte(`{"messages":"` + strings.Repeat("x", 17<<20) + `"}`)
		h.Emit(big)
		broken := call("broken")
		broken.Response = []byte(`{"choices":`)
		h.Emit(broken)
		synctest.Wait()
		closeHub(t, h)
		if got := s.got(); !slices.Equal(got, []string{"big", "broken"}) {
			t.Fatalf("got %v", got)
		}
		for _, e := range s.events {
			if !strings.Contains(string(e.Payload.Messages), "left out") || !e.Redacted {
				t.Errorf("%s: %.80s", e.Payload.CallID, e.Payload.Messages)
			}
		}
	})
}
