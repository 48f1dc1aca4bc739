package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// setups are the set-up scripts under way, by their path.
type setups map[string]chan setupResult

type setupResult struct {
	log  []byte
	err  error
	took time.Duration
}

// startSetups starts the scripts that the groups need, each once.
func startSetups(ctx context.Context, chosen []group) setups {
	all := setups{}
	for _, g := range chosen {
		for _, script := range g.setups {
			if all[script] != nil {
				continue
			}
			done := make(chan setupResult, 1)
			all[script] = done
			go func() {
				begun := time.Now()
				log, err := exec.CommandContext(ctx, script).CombinedOutput()
				done <- setupResult{log, err, time.Since(begun)}
			}()
		}
	}
	return all
}

// await waits for the set-up of a group and shows what it said.
func (s setups) await(g group, out io.Writer) error {
	for _, script := range g.setups {
		r := <-s[script]
		s[script] <- r // for the next who waits
		_, _ = out.Write(r.log)
		if r.err != nil {
			return fmt.Errorf("%s: %w", script, r.err)
		}
		_, _ = fmt.Fprintf(out, "%s: done in %.0f s\n", script, r.took.Seconds())
	}
	return nil
}
