package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// machine is the processor, its cores and the toolchain.
func machine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", model, runtime.NumCPU(), runtime.Version())
}

// print writes the tables.
func (r *result) print(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "\n%s on %s\n", r.Date.Format(time.DateOnly), r.Machine)
	if len(r.Cells) > 0 {
		r.printCells(w)
	}
	if len(r.Live) > 0 {
		r.printLive(w)
	}
	r.printTargets(w)
	return w.Flush()
}

func (r *result) printCells(out io.Writer) {
	fmt.Fprint(out, "\nCPU is that of the target's process per call, in µs; \"/floor\" compares it with the reverse proxy's. Latencies are at the\n"+
		"constant rate, in µs from when a call was due; \"added\" is over the direct call.\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\t\tsaturation\t\t\tconst. rate\t\tadded\t\tfirst byte\t\tjitter\t\t\t\t")
	fmt.Fprintln(w, "\t\tCPU\t/floor\tcalls/s\tCPU\t/floor\tp50\tp99\tp50\tp99\tp50\tp99\terrors\tcut\t")
	for i := range r.Cells {
		c := &r.Cells[i]
		name := c.Cell
		if i > 0 && r.Cells[i-1].Cell == name {
			name = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t", name, c.Target, whole(c.FullCPU), ratio(c.FullRatio))
		if c.Target == withoutRSA {
			fmt.Fprintf(w, "\t%.0f\t%.2f\t\t\t\t\t\t\t\t\t\n", c.OpenCPU, c.OpenRatio)
			continue
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%d\t%d\t\n", whole(c.CallsPerSecond), c.OpenCPU, c.OpenRatio, c.AddedP50, c.AddedP99,
			whole(c.FirstP50), whole(c.FirstP99), whole(c.JitterP50), whole(c.JitterP99), c.Errors, c.Cut)
	}
	_ = w.Flush() // the buffer below keeps an error
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Failure != "" {
			fmt.Fprintf(out, "  %s, %s: %s\n", c.Cell, c.Target, strings.TrimSpace(c.Failure))
		}
	}
}

func (r *result) printLive(out io.Writer) {
	fmt.Fprintf(out, "\n%d live streams with slow chunks; memory is resident MB, times are µs\n\n", r.Live[0].Streams)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tidle\topen\tpeak\tkB/stream\tCPU/chunk\tfirst byte p50\tp99\tjitter p50\tp99\terrors\tcut\t")
	for i := range r.Live {
		l := &r.Live[i]
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.0f\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t%d\t\n", l.Target, l.IdleMB, l.HeldMB, l.PeakMB, l.PerStreamKB, l.ChunkCPU,
			l.FirstP50, l.FirstP99, l.JitterP50, l.JitterP99, l.Errors, l.Cut)
	}
	_ = w.Flush() // the buffer below keeps an error
	for i := range r.Live {
		if l := &r.Live[i]; l.Failure != "" {
			fmt.Fprintf(out, "  %s: %s\n", l.Target, strings.TrimSpace(l.Failure))
		}
	}
}

func (r *result) printTargets(out io.Writer) {
	fmt.Fprint(out, "\nTargets (ratios at saturation)\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range r.Targets {
		t := &r.Targets[i]
		aim := ""
		if t.Aim != 0 {
			aim = fmt.Sprintf(", aim %g", t.Aim)
		}
		fmt.Fprintf(w, "%s\t%.2f %s\tat most %g%s\t%s\n", t.Name, t.Value, t.Unit, t.Most, aim, t.met())
	}
	_ = w.Flush() // the buffer below keeps an error
	fmt.Fprintf(out, "\n%s run of %.0f s\n", cmp.Or(map[bool]string{true: "quick"}[r.Quick], "full"), r.Seconds)
}

// whole prints a figure that only some cells have.
func whole(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", v)
}

func ratio(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}
