package main

import (
	"context"
	"time"
)

// liveFigures is what one target showed with many streams at once.
type liveFigures struct {
	observed
	idle        memory  // before the first stream
	held        memory  // with all streams under way, and the peak
	cpuPerChunk float64 // µs
}

// runLive opens all streams within one second on targets that have just been started, so that their memory is their
// own, and lets slow chunks come.
func (b *bench) runLive(ctx context.Context) (map[string]*liveFigures, error) {
	found := map[string]*liveFigures{}
	for _, target := range []string{direct, floor, gateway} {
		b.closeTargets()
		if err := b.openTargets(ctx); err != nil {
			return nil, err
		}
		f, err := b.liveRound(ctx, target)
		if err != nil {
			return nil, err
		}
		found[target] = f
	}
	return found, ctx.Err()
}

func (b *bench) liveRound(ctx context.Context, target string) (*liveFigures, error) {
	pid, f := b.targets[target].pid(), &liveFigures{}
	var err error
	if f.idle, err = memoryOf(pid); err != nil {
		return nil, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return nil, err
	}
	c := b.newCaller(target, b.plan.liveScript(), 1<<10)
	const spread = time.Second
	// Half way through the last stream every stream is open.
	halfway := spread + time.Duration(b.plan.liveChunks)*b.plan.liveInterval/2
	held := make(chan error, 1)
	time.AfterFunc(halfway, func() {
		var err error
		f.held, err = memoryOf(pid)
		held <- err
	})
	openLoop(ctx, arrivals(float64(b.plan.streams)/spread.Seconds(), spread), func(due time.Time) { c.call(ctx, due) })
	if err := <-held; err != nil {
		return nil, err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return nil, err
	}
	last, err := memoryOf(pid)
	if err != nil {
		return nil, err
	}
	f.held.Peak = last.Peak
	f.add(&c.got)
	b.note(target, &c.got)
	f.cpuPerChunk = micros(after-before) / float64(b.plan.streams*b.plan.liveChunks)
	return f, nil
}
