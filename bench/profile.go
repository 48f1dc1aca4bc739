package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// runProfile drives the gateway alone, at saturation, so that its profile shows the cells and nothing else.
func (b *bench) runProfile(ctx context.Context, out io.Writer) error {
	const length = 10 * time.Second
	for _, c := range b.plan.cells {
		progress(c.name)
		f := &loadFigures{}
		caller := b.newCaller(gateway, c.eager(gateway), c.size)
		if err := b.round(gateway, f, &caller.got, func() float64 {
			return closedLoop(ctx, c.clients, length, func(begun time.Time) { caller.call(ctx, begun) }).Seconds()
		}); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d calls, %.0f µs of CPU each, under the profiler\n", c.name, f.calls, median(f.cpu))
		if f.failure != nil {
			return fmt.Errorf("%s: %w", c.name, f.failure)
		}
	}
	return ctx.Err()
}
