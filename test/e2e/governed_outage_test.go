package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// recovery is how soon everything must work again once a server is back.
const recovery = 5 * time.Second

// outage is two gateways on a PostgreSQL of their own under load, with keys that they know.
type outage struct {
	*world
	postgres *testkit.Server
	keys     []string
	load     *load
}

func newOutage(t *testing.T, s settings) *outage {
	o := &outage{postgres: testkit.PostgresServer(t)}
	s.replicas, s.database, s.witness = 2, o.postgres.URL, true
	o.world = newWorld(t, s)
	o.keys = teamKeys(o.world, "outage")
	for _, r := range o.replicas {
		for _, key := range o.keys {
			if a := r.call(key, question("chat")); !a.ok() {
				t.Fatalf("%v %d %s", a.err, a.status, a.body)
			}
		}
	}
	o.load = startLoad(8, func(caller, i int) answered {
		return o.replicas[caller%2].call(o.keys[caller%len(o.keys)], mixed(i))
	})
	o.load.wait(t, 30)
	return o
}

// back waits until the management API, and so the store, answers on both replicas.
func (o *outage) back(t *testing.T) {
	t.Helper()
	began := time.Now()
	for _, r := range o.replicas {
		eventually(t, recovery, func() string {
			a, err := r.try(masterKey, "GET", "/key/info?key="+o.keys[0], nil)
			if err != nil || a.status != http.StatusOK {
				return fmt.Sprintf("%v %d %s", err, a.status, a.body)
			}
			return ""
		})
	}
	t.Logf("recovered after %s", time.Since(began).Round(time.Millisecond))
}

// ended stops the load and compares all that it did, but for the calls that newOutage made itself.
func (o *outage) ended(t *testing.T) {
	t.Helper()
	o.load.wait(t, 20)
	all := o.load.stop()
	slowest := time.Duration(0)
	for _, a := range all {
		if !a.ok() {
			t.Fatalf("a call of a known key failed: %v %d %s", a.err, a.status, a.body)
		}
		slowest = max(slowest, a.took)
	}
	t.Logf("%d calls were answered, the slowest in %s", len(all), slowest.Round(time.Millisecond))
	o.reconcile("outage", o.keys, all)
	o.stopped()
}

// TestPostgresGoesAway stops, crashes and pauses PostgreSQL under load. Keys that are known go on working, nothing is
// lost, and all works again within seconds.
func TestPostgresGoesAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		away, end func(*testkit.Server)
	}{
		{"restart", (*testkit.Server).Stop, (*testkit.Server).Start},
		{"crash", (*testkit.Server).Crash, (*testkit.Server).Start},
		{"pause", (*testkit.Server).Pause, (*testkit.Server).Resume},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutage(t, settings{})
			tt.away(o.postgres)
			o.load.wait(t, 200)
			tt.end(o.postgres)
			o.back(t)
			o.ended(t)
		})
	}
}

// TestPostgresIsAwayForLong: what is called meanwhile waits in the spool, over a kill of the gateway too.
func TestPostgresIsAwayForLong(t *testing.T) {
	t.Parallel()
	o := newOutage(t, settings{})
	o.postgres.Stop()
	o.load.wait(t, 1000)
	for _, r := range o.replicas {
		if pending := r.metric(t, "tollgate_ledger_rows_pending"); pending == 0 {
			t.Error("no rows are pending while the store is away")
		}
	}
	o.postgres.Start()
	o.back(t)
	for _, r := range o.replicas {
		eventually(t, 30*time.Second, func() string {
			if pending := r.metric(t, "tollgate_ledger_rows_pending"); pending > 100 {
				return fmt.Sprintf("%v rows are still pending", pending)
			}
			return ""
		})
	}
	o.ended(t)
}

// TestKilledWhilePostgresIsAway: a gateway that is killed with rows in its spool replays them when it is started again,
// after the store is back.
func TestKilledWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	o := newOutage(t, settings{})
	o.postgres.Stop()
	o.load.wait(t, 200)
	all := o.load.stop()
	for _, r := range o.replicas {
		r.kill()
	}
	o.postgres.Start()
	for _, r := range o.replicas {
		r.start()
	}
	for _, a := range all {
		if !a.ok() {
			t.Fatalf("a call of a known key failed: %v %d %s", a.err, a.status, a.body)
		}
	}
	o.reconcile("outage", o.keys, all)
}

// TestRedisGoesAway: limits that are shared through Redis are counted by each replica alone while it is away, and
// together again afterwards; calls go on.
func TestRedisGoesAway(t *testing.T) {
	t.Parallel()
	redis := testkit.RedisServer(t)
	w := newWorld(t, settings{replicas: 2, database: testkit.Postgres(t), env: redisEnv(redis.Addr)})
	both := func(key string, n int) int {
		return served(crowd(n, func(i int) answered { return w.replicas[i%2].call(key, question("chat")) }))
	}
	if n := both(w.key(obj{"rpm_limit": 10}), 40); n != 10 {
		t.Errorf("with Redis %d calls pass a limit of 10 on two replicas", n)
	}
	for _, tt := range []struct {
		name      string
		away, end func(*testkit.Server)
	}{
		{"stopped", (*testkit.Server).Stop, (*testkit.Server).Start},
		{"paused", (*testkit.Server).Pause, (*testkit.Server).Resume},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.away(redis)
			if n := both(w.key(obj{"rpm_limit": 10}), 60); n < 10 || n > 20 {
				t.Errorf("without Redis %d calls pass a limit of 10 on two replicas, want 10 to 20", n)
			}
			tt.end(redis)
			eventually(t, recovery, func() string {
				if n := both(w.key(obj{"rpm_limit": 4}), 16); n != 4 {
					return fmt.Sprintf("with Redis again %d calls pass a limit of 4", n)
				}
				return ""
			})
		})
	}
}
