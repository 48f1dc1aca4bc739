package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestRowsCompareRoundByRound(t *testing.T) {
	f := &figures{
		cell: cell{name: "OCI generic 1 kB", upstream: "generic"},
		// The machine was slow in the second round; the ratios are not to show it.
		full: map[string]*loadFigures{
			floor:      {cpu: []float64{100, 200, 100}, seconds: 3},
			gateway:    {cpu: []float64{1050, 2100, 1050}, seconds: 3, observed: observed{calls: 600, errors: 2, cut: 1}},
			shortKeyed: {cpu: []float64{300, 600, 300}},
		},
		open: map[string]*loadFigures{
			direct:     {cpu: []float64{30}, observed: observed{total: samples{100 * time.Microsecond}}},
			floor:      {cpu: []float64{120}},
			gateway:    {cpu: []float64{1180}, observed: observed{calls: 10, total: samples{350 * time.Microsecond}}},
			shortKeyed: {cpu: []float64{430}},
		},
		keyRatio: 0.25, // so a signature is 750/0.75 = 1000 in the first round and twice that in the second
	}
	rows := f.rows()
	if len(rows) != 4 {
		t.Fatalf("%d rows, want direct, floor, gateway and the gateway without RSA", len(rows))
	}
	g, bare := rows[2], rows[3]
	if g.Target != gateway || g.FullCPU != 1050 || g.FullRatio != 10.5 || g.CallsPerSecond != 200 {
		t.Errorf("gateway: %+v", g)
	}
	if g.AddedP50 != 250 || g.Calls != 610 || g.Errors != 2 || g.Cut != 1 {
		t.Errorf("gateway: %+v", g)
	}
	if bare.Target != withoutRSA || bare.FullCPU != 50 || bare.FullRatio != 0.5 || bare.FullSignature != 1000 {
		t.Errorf("without RSA: %+v", bare)
	}
	if math.Abs(bare.OpenRatio-1.5) > 1e-9 { // (1180 - 1000) / 120
		t.Errorf("without RSA at the constant rate: %v, want 1.5", bare.OpenRatio)
	}
}

func TestJudge(t *testing.T) {
	r := &result{
		Start: &startRow{BinaryMB: 41, First200Ms: 50, IdleMB: 25},
		Cells: []cellRow{
			{Cell: "plain 1 kB", Target: floor, FullRatio: 1, Cut: 9},
			{Cell: "plain 1 kB", Target: gateway, FullRatio: 0.7},
			{Cell: "stream 1 kB", Target: gateway, FullRatio: 0.8, Cut: 1},
			{Cell: "plain 400 kB", Target: gateway, FullRatio: 2.1},
			{Cell: "OCI generic 1 kB", Target: gateway, FullRatio: 12},
			{Cell: "OCI generic 1 kB", Target: withoutRSA, FullRatio: 1.5},
		},
	}
	r.judge()
	var got []string
	for i := range r.Targets {
		got = append(got, r.Targets[i].Name+": "+r.Targets[i].met())
	}
	want := []string{
		"resident when idle: met", "start to the first 200: met", "size of the binary: MISSED",
		"plain 1 kB: met, not the aim", "stream 1 kB: met, and the aim", "plain 400 kB: MISSED",
		"OCI generic 1 kB, without RSA: met, not the aim", "calls failed and streams cut by the gateway: MISSED",
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}
