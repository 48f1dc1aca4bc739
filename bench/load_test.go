package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestArrivalsAreEvenlySpaced(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		rate   float64
		length time.Duration
		want   []time.Duration
	}{
		{4, time.Second, []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{1000, 3 * ms, []time.Duration{0, ms, 2 * ms}},
		{1, 100 * ms, nil},
	} {
		if got := arrivals(c.rate, c.length); !slices.Equal(got, c.want) {
			t.Errorf("arrivals(%v, %v) = %v, want %v", c.rate, c.length, got, c.want)
		}
	}
	// Rounding must not add up over a long run.
	if due := arrivals(3, time.Hour); len(due) != 10800 || due[10797] != 3599*time.Second {
		t.Errorf("arrivals(3, 1h): %d calls, the last but two at %v", len(due), due[10797])
	}
}

// A slow answer must neither hold back the calls behind it nor hide what they waited.
func TestOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	due := arrivals(1000, 20*time.Millisecond)
	var mu sync.Mutex
	var got []time.Time
	var all sync.WaitGroup
	all.Add(len(due))
	start := time.Now()
	late := openLoop(t.Context(), due, func(at time.Time) {
		mu.Lock()
		got = append(got, at)
		mu.Unlock()
		all.Done()
		all.Wait() // no call ends before the last has begun
	})
	if len(got) != len(due) || len(late) != len(due) {
		t.Fatalf("%d calls, %d lateness samples; want %d", len(got), len(late), len(due))
	}
	slices.SortFunc(got, time.Time.Compare)
	for i := range got {
		if gap := got[i].Sub(got[0]); gap != due[i] {
			t.Errorf("call %d was due %v after the first, want %v", i, gap, due[i])
		}
	}
	if first := got[0].Sub(start); first < 0 {
		t.Errorf("the first call was due %v before the start", -first)
	}
}

func TestOpenLoopStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	late := openLoop(ctx, arrivals(1, time.Hour)[:2:2], func(time.Time) { calls++; cancel() })
	// The second call is due in a second; by then the context has ended.
	if calls != 1 || len(late) != 1 {
		t.Errorf("%d calls after the end of the context, want 1", calls)
	}
}

func TestClosedLoopKeepsClientsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		underWay, most, calls := 0, 0, 0
		took := closedLoop(t.Context(), 3, time.Second, func(time.Time) {
			mu.Lock()
			underWay, calls = underWay+1, calls+1
			most = max(most, underWay)
			mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			mu.Lock()
			underWay--
			mu.Unlock()
		})
		// Each client begins calls at 0, 0.3, 0.6 and 0.9 s; the last ends at 1.2 s.
		if most != 3 || calls != 12 || took != 1200*time.Millisecond {
			t.Errorf("%d at once, %d calls in %v; want 3, 12 in 1.2s", most, calls, took)
		}
	})
}
