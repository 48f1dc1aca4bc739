package jobs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/jobs"
)

// post is a leadership that one replica holds at a time.
type post struct {
	taken atomic.Bool
	down  atomic.Bool // nobody answers
	lost  chan struct{}
}

func (p *post) Lead(context.Context) (<-chan struct{}, func(), bool, error) {
	if p.down.Load() {
		return nil, nil, false, errors.New("away")
	}
	if !p.taken.CompareAndSwap(false, true) {
		return nil, nil, false, nil
	}
	p.lost = make(chan struct{})
	return p.lost, func() { p.taken.Store(false) }, true, nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestGroup_RunsAtItsPaceWhateverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good, bad, wild atomic.Int64
		g := jobs.Start(&post{}, quiet(),
			jobs.Job{Name: "good", Every: time.Minute, Run: func(context.Context) error { good.Add(1); return nil }},
			jobs.Job{Name: "bad", Every: time.Hour, Run: func(context.Context) error { bad.Add(1); return errors.New("no") }},
			jobs.Job{Name: "wild", Every: time.Hour, Run: func(context.Context) error { wild.Add(1); panic("oh") }})
		time.Sleep(2*time.Hour + time.Second)
		g.Close()
		if good.Load() != 121 || bad.Load() != 3 || wild.Load() != 3 {
			t.Errorf("ran %d, %d and %d times; want 121, 3 and 3", good.Load(), bad.Load(), wild.Load())
		}
	})
}

func TestGroup_OneLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{}
		var a, b atomic.Int64
		count := func(n *atomic.Int64) jobs.Job {
			return jobs.Job{Name: "count", Every: time.Second, Run: func(context.Context) error { n.Add(1); return nil }}
		}
		first := jobs.Start(p, quiet(), count(&a))
		synctest.Wait()
		second := jobs.Start(p, quiet(), count(&b))
		time.Sleep(100*time.Second + time.Millisecond)
		if b.Load() != 0 {
			t.Errorf("the second replica ran its job %d times beside the leader", b.Load())
		}
		first.Close()
		before := a.Load()
		time.Sleep(30 * time.Second)
		second.Close()
		if b.Load() == 0 || a.Load() != before {
			t.Errorf("after the leader left, the second ran %d times and the first %d more", b.Load(), a.Load()-before)
		}
	})
}

func TestGroup_LosesAndRegains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &post{}
		p.down.Store(true)
		var n atomic.Int64
		g := jobs.Start(p, quiet(), jobs.Job{Name: "count", Every: time.Second, Run: func(context.Context) error { n.Add(1); return nil }})
		time.Sleep(time.Minute)
		if n.Load() != 0 {
			t.Fatal("a job ran without a leader")
		}
		p.down.Store(false)
		time.Sleep(11 * time.Second)
		if n.Load() == 0 {
			t.Fatal("no job ran after the store came back")
		}
		p.down.Store(true)
		close(p.lost)
		synctest.Wait()
		before := n.Load()
		time.Sleep(time.Minute)
		if n.Load() != before {
			t.Error("a job ran after the leadership was lost")
		}
		g.Close()
	})
}
