package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 900},         // before the first collection
		{4 << 20, 500},   // an idle gateway: collected at 24 MB
		{16 << 20, 200},  // ... at 48 MB
		{256 << 20, 106}, // large prompts under way: as Go's default
	} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("gcPercent(%d MB) = %d, want %d", c.live>>20, got, c.want)
		}
	}
}

func TestCollectionsAreSparedWhileLittleIsAlive(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	c := &collector{percent: 100}
	c.follow()
	kept := make([]byte, 64<<20)
	deadline := time.Now().Add(10 * time.Second)
	for percent := 0; ; time.Sleep(time.Millisecond) { // the cleanup runs some time after the collection
		runtime.GC()
		percent = debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		if percent > 100 && percent <= 125 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("GOGC is %d with 64 MB alive, want about 125", percent)
		}
	}
	runtime.KeepAlive(kept)
}

func TestOperatorsGOGCStands(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	spareCollections(&Environment{LookupEnv: func(name string) (string, bool) { return "77", name == "GOGC" }})
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC became %d", got)
	}
}
