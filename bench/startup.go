package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// startFigures is what the gateway shows before it has work.
type startFigures struct {
	binary   int64           // bytes on disk
	first200 []time.Duration // from the start of the process to its first answered chat, one per try
	idle     []int64         // bytes resident a second later, one per try
}

// runStart starts the gateway several times.
func (b *bench) runStart(ctx context.Context) (*startFigures, error) {
	info, err := os.Stat(b.binary)
	if err != nil {
		return nil, err
	}
	f := &startFigures{binary: info.Size()}
	const tries = 5
	for range tries {
		if err := b.startOnce(ctx, f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (b *bench) startOnce(ctx context.Context, f *startFigures) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	address, err := freeAddress()
	if err != nil {
		return err
	}
	p, err := startProcess(b.dir, "start", address, b.gatewayArgs(address)...)
	if err != nil {
		return err
	}
	defer p.stop()
	s := script{shape: "openai"}
	c := &caller{client: b.client, url: p.url() + "/v1/chat/completions", body: chatBody(s.alias(), 1<<10, false)}
	for {
		var marks []time.Time
		err := c.exchange(ctx, &marks)
		if err == nil {
			break
		}
		select {
		case <-time.After(time.Millisecond): // nobody listens yet
		case <-ctx.Done():
			return p.broken(fmt.Errorf("no answer: %w", err))
		}
	}
	f.first200 = append(f.first200, time.Since(p.started))
	time.Sleep(time.Second) // for what a start leaves behind
	m, err := memoryOf(p.pid())
	f.idle = append(f.idle, m.Resident)
	return err
}
