package main

import (
	"strings"
	"time"
)

// result is what a run showed, computed and ready to print; it is what -json writes. Times are in the unit that a
// field's name says.
type result struct {
	Date    time.Time   `json:"date"`
	Machine string      `json:"machine"`
	Quick   bool        `json:"quick"`
	Seconds float64     `json:"seconds"`
	Start   *startRow   `json:"start,omitempty"`
	Cells   []cellRow   `json:"cells"`
	Live    []liveRow   `json:"live,omitempty"`
	Targets []targetRow `json:"targets"`
}

// startRow is the gateway before it has work.
type startRow struct {
	BinaryMB   float64 `json:"binary_mb"`
	First200Ms float64 `json:"first_200_ms"` // from the start of the process; median
	IdleMB     float64 `json:"idle_mb"`      // resident a second after that; median
}

// cellRow is one cell by one target.
type cellRow struct {
	Cell   string `json:"cell"`
	Target string `json:"target"`
	// CPU of the target's process per call and over the floor's, at saturation and at the constant rate: medians over
	// the rounds. Where calls are signed, "gateway without RSA" has them less the signature.
	FullCPU        float64 `json:"saturation_cpu_us"`
	FullRatio      float64 `json:"saturation_cpu_of_floor"`
	CallsPerSecond float64 `json:"saturation_calls_per_second"`
	OpenCPU        float64 `json:"rate_cpu_us"`
	OpenRatio      float64 `json:"rate_cpu_of_floor"`
	// Latency at the constant rate, from when a call was due. Added is over the direct call's same percentile.
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	AddedP50   float64 `json:"added_p50_us"`
	AddedP99   float64 `json:"added_p99_us"`
	FirstP50   float64 `json:"first_byte_p50_us,omitempty"`
	FirstP99   float64 `json:"first_byte_p99_us,omitempty"`
	JitterP50  float64 `json:"jitter_p50_us,omitempty"`
	JitterP99  float64 `json:"jitter_p99_us,omitempty"`
	DriverLate float64 `json:"driver_late_p99_us"` // how late the driver began calls
	Calls      int     `json:"calls"`              // both ways of driving together, as are the next
	Errors     int     `json:"errors"`
	Cut        int     `json:"streams_cut"`
	Failure    string  `json:"failure,omitempty"` // the first error
	// CPU of one RSA signature in either way of driving, in rows without it.
	FullSignature float64 `json:"saturation_signature_us,omitempty"`
	OpenSignature float64 `json:"rate_signature_us,omitempty"`
}

// withoutRSA is the target of the rows that leave the signature out.
const withoutRSA = gateway + " without RSA"

// liveRow is one target with many streams at once.
type liveRow struct {
	Target      string  `json:"target"`
	Streams     int     `json:"streams"`
	IdleMB      float64 `json:"idle_mb"`
	HeldMB      float64 `json:"held_mb"` // with all streams open
	PeakMB      float64 `json:"peak_mb"`
	PerStreamKB float64 `json:"per_stream_kb"` // what a stream adds
	ChunkCPU    float64 `json:"cpu_per_chunk_us"`
	FirstP50    float64 `json:"first_byte_p50_us"`
	FirstP99    float64 `json:"first_byte_p99_us"`
	JitterP50   float64 `json:"jitter_p50_us"`
	JitterP99   float64 `json:"jitter_p99_us"`
	Errors      int     `json:"errors"`
	Cut         int     `json:"streams_cut"`
	Failure     string  `json:"failure,omitempty"`
}

// targetRow is a figure beside what it shall be.
type targetRow struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Most  float64 `json:"at_most"`
	Aim   float64 `json:"aim,omitempty"`
}

// met says how the figure stands.
func (t *targetRow) met() string {
	switch {
	case t.Value > t.Most:
		return "MISSED"
	case t.Aim == 0:
		return "met"
	case t.Value <= t.Aim:
		return "met, and the aim"
	}
	return "met, not the aim"
}

// rows computes the rows of a cell.
func (f *figures) rows() []cellRow {
	var rows []cellRow
	for _, target := range []string{direct, floor, gateway} {
		full := f.full[target]
		if full == nil {
			full = &loadFigures{seconds: 1}
		}
		rows = append(rows, f.row(target, f.open[target], full))
	}
	if f.full[shortKeyed] != nil {
		rows = append(rows, f.unsigned())
	}
	return rows
}

func (f *figures) row(target string, open, full *loadFigures) cellRow {
	r := cellRow{
		Cell: f.cell.name, Target: target, CallsPerSecond: float64(full.calls) / full.seconds, DriverLate: micros(open.late.percentile(99)),
		Calls: open.calls + full.calls, Errors: open.errors + full.errors, Cut: open.cut + full.cut, Failure: failureOf(&open.observed, &full.observed),
		P50: micros(open.total.percentile(50)), P99: micros(open.total.percentile(99)),
		FirstP50: micros(open.firstByte.percentile(50)), FirstP99: micros(open.firstByte.percentile(99)),
		JitterP50: micros(open.jitter.percentile(50)), JitterP99: micros(open.jitter.percentile(99)),
	}
	r.FullCPU, r.FullRatio = f.against(full.cpu, f.full[floor].cpu)
	r.OpenCPU, r.OpenRatio = f.against(open.cpu, f.open[floor].cpu)
	r.AddedP50 = r.P50 - micros(f.open[direct].total.percentile(50))
	r.AddedP99 = r.P99 - micros(f.open[direct].total.percentile(99))
	return r
}

// against returns the median of cpu and of its ratios to the floor's, round by round.
func (f *figures) against(cpu, floor []float64) (value, ratio float64) {
	var ratios []float64
	for i := range min(len(cpu), len(floor)) {
		ratios = append(ratios, cpu[i]/floor[i])
	}
	return median(cpu), median(ratios)
}

// unsigned is the row of the gateway without its signatures.
func (f *figures) unsigned() cellRow {
	r := cellRow{Cell: f.cell.name, Target: withoutRSA}
	var rest []float64
	rest, r.FullSignature = f.split(f.full[gateway].cpu, f.full[shortKeyed].cpu)
	r.FullCPU, r.FullRatio = f.against(rest, f.full[floor].cpu)
	rest, r.OpenSignature = f.split(f.open[gateway].cpu, f.open[shortKeyed].cpu)
	r.OpenCPU, r.OpenRatio = f.against(rest, f.open[floor].cpu)
	return r
}

// split takes the signature off each round. long and short are the CPU of the rounds with either key.
func (f *figures) split(long, short []float64) (rest []float64, signature float64) {
	var signatures []float64
	for i := range min(len(long), len(short)) {
		s := signatureOf(long[i], short[i], f.keyRatio)
		signatures, rest = append(signatures, s), append(rest, long[i]-s)
	}
	return rest, median(signatures)
}

func failureOf(all ...*observed) string {
	for _, o := range all {
		if o.failure != nil {
			return o.failure.Error()
		}
	}
	return ""
}

func (f *liveFigures) row(target string, streams int) liveRow {
	return liveRow{
		Target: target, Streams: streams, IdleMB: megabytes(f.idle.Resident), HeldMB: megabytes(f.held.Resident), PeakMB: megabytes(f.held.Peak),
		PerStreamKB: float64(f.held.Resident-f.idle.Resident) / 1024 / float64(streams), ChunkCPU: f.cpuPerChunk,
		FirstP50: micros(f.firstByte.percentile(50)), FirstP99: micros(f.firstByte.percentile(99)),
		JitterP50: micros(f.jitter.percentile(50)), JitterP99: micros(f.jitter.percentile(99)),
		Errors: f.errors, Cut: f.cut, Failure: failureOf(&f.observed),
	}
}

func (f *startFigures) row() *startRow {
	var first, idle []float64
	for i := range f.first200 {
		first = append(first, micros(f.first200[i])/1000)
		idle = append(idle, megabytes(f.idle[i]))
	}
	return &startRow{BinaryMB: megabytes(f.binary), First200Ms: median(first), IdleMB: median(idle)}
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

// judge compares the figures with the project's targets.
func (r *result) judge() {
	add := func(name, unit string, value, most, aim float64) {
		r.Targets = append(r.Targets, targetRow{Name: name, Unit: unit, Value: value, Most: most, Aim: aim})
	}
	if r.Start != nil {
		add("resident when idle", "MB", r.Start.IdleMB, 25, 0)
		add("start to the first 200", "ms", r.Start.First200Ms, 100, 0)
		add("size of the binary", "MB", r.Start.BinaryMB, 40, 0)
	}
	cut := 0
	for i := range r.Cells {
		c := &r.Cells[i]
		switch {
		case c.Target == withoutRSA:
			add(c.Cell+", without RSA", "of the floor's CPU", c.FullRatio, 1.5, 0.8)
		case c.Target != gateway || strings.HasPrefix(c.Cell, "OCI"):
		case strings.Contains(c.Cell, "400 kB"):
			add(c.Cell, "of the floor's CPU", c.FullRatio, 2, 0)
		case strings.HasPrefix(c.Cell, "stream"):
			add(c.Cell, "of the floor's CPU", c.FullRatio, 1.3, 0.85)
		default:
			add(c.Cell, "of the floor's CPU", c.FullRatio, 1, 0.6)
		}
		if c.Target == gateway {
			cut += c.Cut + c.Errors
		}
	}
	for i := range r.Live {
		if l := &r.Live[i]; l.Target == gateway {
			cut += l.Cut + l.Errors
		}
	}
	add("calls failed and streams cut by the gateway", "", float64(cut), 0, 0)
}
