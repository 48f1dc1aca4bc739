package e2e_test

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// seeded is a source of random numbers whose seed a failing test tells.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// teamKeys makes a team and keys of it, one of them with a budget that it does not reach.
func teamKeys(w *world, team string) []string {
	w.manage("POST", "/team/new", obj{"team_id": team, "max_budget": 1000})
	return []string{w.key(obj{"team_id": team, "max_budget": 100}), w.key(obj{"team_id": team}), w.key(obj{"team_id": team, "rpm_limit": 1000000})}
}

// TestKillLoop kills gateways under load, again and again, and starts them on what they have left. Afterwards each call
// that was answered is in the ledger exactly once, nothing is in it that the simulator has not answered, and all sums
// fit. (A call under way when its gateway is killed has no answer, and mostly no row.)
func TestKillLoop(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { killLoop(t, newWorld(t, settings{witness: true})) })
	t.Run("PostgreSQL, 2 replicas", func(t *testing.T) {
		killLoop(t, newWorld(t, settings{replicas: 2, database: testkit.Postgres(t), witness: true}))
	})
}

// kills is how often a gateway is killed in TestKillLoop.
const kills = 6

func killLoop(t *testing.T, w *world) {
	random := seeded(t)
	keys := teamKeys(w, "killed")
	l := startLoad(12, func(caller, i int) answered {
		return w.replicas[caller%len(w.replicas)].call(keys[caller%len(keys)], mixed(i))
	})
	for i := range kills {
		l.wait(t, 20+random.IntN(80))
		r := w.replicas[i%len(w.replicas)]
		r.kill()
		r.start()
	}
	l.wait(t, 20)
	all := l.stop()
	t.Logf("%d calls were answered over %d kills", served(all), kills)
	for _, a := range all {
		if a.status != 0 && a.status != http.StatusOK {
			t.Fatalf("a call was refused: %d %s", a.status, a.body)
		}
	}
	w.reconcile("killed", keys, all)
}

// TestRollingRestart restarts three gateways one after the other under load, as a deployment does. No call fails but
// those that meet a listener which is gone, and no row is lost.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{replicas: 3, database: testkit.Postgres(t), witness: true})
	keys := teamKeys(w, "rolling")
	// Each caller goes to the next replica when its own is gone, as a load balancer does.
	var at [12]atomic.Int64
	l := startLoad(len(at), func(caller, i int) answered {
		a := w.replicas[(int64(caller)+at[caller].Load())%3].call(keys[caller%len(keys)], mixed(i))
		if a.status == 0 {
			at[caller].Add(1)
		}
		return a
	})
	for _, r := range w.replicas {
		l.wait(t, 30)
		r.stop()
		r.start()
	}
	l.wait(t, 30)
	all := l.stop()
	refused := 0
	for _, a := range all {
		switch {
		case a.ok():
		case a.status == 0: // connection refused or reset: the caller knows that it was not served
			refused++
		default:
			t.Errorf("a call failed: %v %d %s", a.err, a.status, a.body)
		}
	}
	t.Logf("%d calls were answered, %d found no listener", served(all), refused)
	w.reconcile("rolling", keys, all)
}

// TestIdleAfterRestart: a gateway that starts again with nothing left to book answers reports before its first call, and
// ends in order.
func TestIdleAfterRestart(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, database string) {
		w := newWorld(t, settings{database: database})
		r := w.replicas[0]
		key := w.key(nil)
		for range 3 {
			if a := r.call(key, question("chat")); !a.ok() {
				t.Fatalf("%v %d %s", a.err, a.status, a.body)
			}
		}
		w.settled([]string{key})
		r.stop()
		r.start()
		began := time.Now()
		if n := len(w.settled([]string{key})[key]); n != 3 {
			t.Errorf("%d rows after a restart", n)
		}
		r.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a report and the end took %s", took)
		}
		r.start()
	})
}
