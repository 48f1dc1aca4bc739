package otel

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/setting"
)

// sampler decides which traces are sent (OTEL_TRACES_SAMPLER).
type sampler struct {
	byParent bool   // a caller's traceparent decides where there is one
	below    uint64 // traces whose id's last 63 bits are below it are taken
}

// readSampler reads the sampler; parentbased_always_on without one.
func readSampler(m *setting.Map) sampler {
	word := m.Getenv("OTEL_TRACES_SAMPLER")
	root, byParent := strings.CutPrefix(word, "parentbased_")
	switch root {
	case "":
		return sampler{byParent: true, below: math.MaxUint64}
	case "always_on":
		return sampler{byParent: byParent, below: math.MaxUint64}
	case "always_off":
		return sampler{byParent: byParent}
	case "traceidratio":
		ratio, err := strconv.ParseFloat(m.Getenv("OTEL_TRACES_SAMPLER_ARG"), 64)
		if err != nil || ratio < 0 || ratio > 1 {
			m.Fault("", "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1")
		}
		if ratio >= 1 {
			return sampler{byParent: byParent, below: math.MaxUint64}
		}
		return sampler{byParent: byParent, below: uint64(ratio * (1 << 63))}
	}
	m.Fault("", "OTEL_TRACES_SAMPLER knows always_on, always_off, traceidratio, and each of them behind parentbased_")
	return sampler{}
}

// takes reports whether a trace is sent.
func (s sampler) takes(ids otlp.IDs, e *callback.Event) bool {
	if s.byParent && ids.Parent != nil {
		return e.Trace.Sampled
	}
	return binary.BigEndian.Uint64(ids.Trace[8:])>>1 < s.below
}
