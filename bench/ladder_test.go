package main

import (
	"regexp"
	"testing"
	"time"
)

func TestPlanOf(t *testing.T) {
	full, quick := planOf(options{}), planOf(options{quick: true})
	if len(full.cells) != len(ladder) || len(quick.cells) != len(ladder) || !full.live || !full.start {
		t.Error("a run without -only must have every cell")
	}
	// What the flags promise: a full run in six minutes, a quick one in about one. Rounds of an open loop last longer
	// by their last stream.
	for _, c := range []struct {
		name string
		plan plan
		most time.Duration
	}{{"full", full, 330 * time.Second}, {"quick", quick, 75 * time.Second}} {
		var sum time.Duration
		for _, cell := range c.plan.cells {
			tail, targets := time.Duration(cell.chunks)*streamInterval, len(cell.targets())
			phases := 2*targets - 1 // the direct calls are not driven at saturation
			sum += time.Duration(c.plan.rounds) * (time.Duration(phases)*(c.plan.length+c.plan.pause) + time.Duration(targets)*tail)
		}
		const targets = 3
		sum += targets * (time.Second + time.Duration(c.plan.liveChunks)*c.plan.liveInterval)
		if sum > c.most {
			t.Errorf("the %s run takes %v, want at most %v", c.name, sum, c.most)
		}
	}
	only := planOf(options{only: regexp.MustCompile("^stream 1 kB$")})
	if len(only.cells) != 1 || only.live || only.start {
		t.Errorf("-only: %d cells, live %v, start %v", len(only.cells), only.live, only.start)
	}
}

func TestScriptsCoverEveryCell(t *testing.T) {
	p := planOf(options{})
	have := map[string]int{}
	for _, s := range p.scripts() {
		have[s.alias()]++
	}
	for alias, n := range have {
		if n != 1 {
			t.Errorf("%d deployments called %s", n, alias)
		}
	}
	for i := range p.cells {
		for _, target := range p.cells[i].targets()[2:] {
			for _, s := range []script{p.cells[i].eager(target), p.cells[i].paced(target)} {
				if have[s.alias()] != 1 {
					t.Errorf("%s: no deployment %s", p.cells[i].name, s.alias())
				}
			}
		}
	}
}
