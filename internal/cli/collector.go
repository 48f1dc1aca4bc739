package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// spareGarbage is how many bytes of garbage may lie about before they are collected, on top of Go's default of as many
// as are alive. A call leaves 20 kB behind and next to nothing stays alive, so the default collects every few hundred
// calls and spends a seventh of the gateway's CPU on that; more than this gains nothing (see bench/README.md).
const spareGarbage = 16 << 20

// collector sets how often garbage is collected, anew after each collection.
type collector struct {
	percent int // GOGC as it is set now
}

// spareCollections has garbage collected less often while little is alive, unless the operator has set GOGC.
func spareCollections(env *Environment) {
	if _, set := env.LookupEnv("GOGC"); !set {
		(&collector{percent: 100}).follow()
	}
}

// follow adjusts to what the last collection found alive, and has itself called after the next one.
func (c *collector) follow() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	// Setting the percentage stops all goroutines for a moment, so small changes are left alone.
	if want := gcPercent(live[0].Value.Uint64()); want < c.percent*3/4 || want > c.percent*5/4 {
		c.percent = want
		debug.SetGCPercent(want)
	}
	// The marker is garbage at once, and so is found by the next collection.
	runtime.AddCleanup(new([64]byte), (*collector).follow, c)
}

// gcPercent is the GOGC that collects when the garbage is as much as is alive and spareGarbage more.
func gcPercent(live uint64) int {
	const least = 2 << 20 // what the runtime itself keeps alive, in bytes
	return int(100 + 100*spareGarbage/max(live, least))
}
