package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// drive runs the plan and reports.
func drive(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "tollgate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{plan: planOf(o), dir: dir, profile: o.profile, ungoverned: o.ungoverned, client: newHTTPClient()}
	begun := time.Now()
	if b.profile == "" {
		if b.binary, err = buildGateway(ctx, dir); err != nil {
			return err
		}
	}
	defer b.close()
	if err := b.open(ctx); err != nil {
		return err
	}
	if b.profile != "" {
		return b.runProfile(ctx, out)
	}
	r := &result{Date: begun, Machine: machine(), Quick: o.quick}
	if err := b.measure(ctx, r); err != nil {
		return err
	}
	r.Seconds = time.Since(begun).Seconds()
	r.judge()
	if err := r.print(out); err != nil || o.json == "" {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}

// measure runs the plan into r.
func (b *bench) measure(ctx context.Context, r *result) error {
	if b.plan.start {
		f, err := b.runStart(ctx)
		if err != nil {
			return err
		}
		r.Start = f.row()
	}
	for _, c := range b.plan.cells {
		progress(c.name)
		f, err := b.runCell(ctx, c)
		if err != nil {
			return err
		}
		r.Cells = append(r.Cells, f.rows()...)
	}
	if err := b.audit(ctx); err != nil {
		return err
	}
	if !b.plan.live {
		return nil
	}
	progress(liveName)
	live, err := b.runLive(ctx)
	if err != nil {
		return err
	}
	for _, target := range []string{direct, floor, gateway} {
		r.Live = append(r.Live, live[target].row(target, b.plan.streams))
	}
	return nil
}

// progress says what is being measured; the tables come at the end.
func progress(name string) { fmt.Fprintln(os.Stderr, "measuring:", name) }
