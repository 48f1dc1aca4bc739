// Package jobs does the work in the background that one replica does for all: budgets that start anew, old rows that
// leave, keys that are rotated. Each job runs at its own pace, at once when this replica becomes the leader; a job that
// fails or panics is logged and tried again at its next turn, and keeps none of the others from theirs.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Job is one kind of work. Run must end when its context does.
type Job struct {
	Name  string
	Every time.Duration
	Run   func(ctx context.Context) error
}

// Leader chooses one replica. Lead tries to become the leader: lost is closed when somebody else may have become it,
// resign gives it up. ok is false while another replica leads; the error says that nobody answered.
type Leader interface {
	Lead(ctx context.Context) (lost <-chan struct{}, resign func(), ok bool, err error)
}

// retry is how long a replica that does not lead waits before it tries again.
const retry = 10 * time.Second

// Group runs jobs while this replica leads. Safe for concurrent use.
type Group struct {
	leader Leader
	jobs   []Job
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
}

// Start runs the jobs until Close.
func Start(leader Leader, log *slog.Logger, jobs ...Job) *Group {
	ctx, cancel := context.WithCancel(context.Background())
	g := &Group{leader: leader, jobs: jobs, log: log, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(g.done)
		g.campaign(ctx)
	}()
	return g
}

// Close stops the jobs and waits until they have ended.
func (g *Group) Close() {
	g.cancel()
	<-g.done
}

// campaign tries to lead, leads for as long as it may, and tries again.
func (g *Group) campaign(ctx context.Context) {
	for ctx.Err() == nil {
		lost, resign, ok, err := g.leader.Lead(ctx)
		if err != nil && ctx.Err() == nil {
			g.log.Debug("background work waits for the database", "error", err)
		}
		if ok {
			g.lead(ctx, lost)
			resign()
		}
		wait(ctx, retry)
	}
}

// lead runs every job until the leadership is lost or ctx ends.
func (g *Group) lead(ctx context.Context, lost <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	for _, job := range g.jobs {
		running.Go(func() { g.repeat(ctx, job) })
	}
	select {
	case <-lost:
	case <-ctx.Done():
	}
	cancel()
	running.Wait()
}

func (g *Group) repeat(ctx context.Context, job Job) {
	for ctx.Err() == nil {
		if err := run(ctx, job); err != nil && ctx.Err() == nil {
			g.log.Error("background work failed and will be tried again", "job", job.Name, "again_in", job.Every.String(), "error", err)
		}
		wait(ctx, job.Every)
	}
}

// run turns a panic into an error.
func run(ctx context.Context, job Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return job.Run(ctx)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
