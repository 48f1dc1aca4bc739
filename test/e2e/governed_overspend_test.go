package e2e_test

import (
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// callCost is what a call of question costs at least: its output.
var callCost = new(big.Rat).Mul(outputPrice, big.NewRat(outputTokens, 1))

// callers is how many call at once in the tests of budgets.
const callers = 256

// affordable is what calls cost that a cap lets through, and a bit: n and a half.
func affordable(n int64) float64 {
	f, _ := new(big.Rat).Mul(callCost, big.NewRat(2*n+1, 2)).Float64()
	return f
}

// capped is a budget that a crowd runs against: the keys that it calls with, and what else each call brings.
type capped struct {
	name string
	make func(w *world, cap float64) (keys []string, header []string, body obj)
	// shown is where the management API tells what was spent of it; "" where it does not.
	shown string
	at    string
}

// threeKeys makes keys with the same fields, so that the budget is one of many keys.
func threeKeys(w *world, fields obj) []string {
	return []string{w.key(fields), w.key(fields), w.key(fields)}
}

var entities = []capped{
	{name: "key", make: func(w *world, cap float64) ([]string, []string, obj) {
		return []string{w.key(obj{"max_budget": cap})}, nil, nil
	}},
	{name: "team", shown: "/team/info?team_id=t1", at: "team_info.spend", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/team/new", obj{"team_id": "t1", "max_budget": cap})
		return threeKeys(w, obj{"team_id": "t1"}), nil, nil
	}},
	{name: "user", shown: "/user/info?user_id=u1", at: "user_info.spend", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/user/new", obj{"user_id": "u1", "max_budget": cap, "auto_create_key": false, "user_role": "internal_user"})
		return threeKeys(w, obj{"user_id": "u1"}), nil, nil
	}},
	{name: "member", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/user/new", obj{"user_id": "u2", "auto_create_key": false, "user_role": "internal_user"})
		w.manage("POST", "/team/new", obj{"team_id": "t2"})
		w.manage("POST", "/team/member_add", obj{"team_id": "t2", "member": obj{"role": "user", "user_id": "u2"}, "max_budget_in_team": cap})
		return threeKeys(w, obj{"team_id": "t2", "user_id": "u2"}), nil, nil
	}},
	{name: "organization", shown: "/organization/info?organization_id=o1", at: "spend", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/organization/new", obj{"organization_id": "o1", "organization_alias": "o1", "max_budget": cap})
		w.manage("POST", "/team/new", obj{"team_id": "t3", "organization_id": "o1"})
		return append(threeKeys(w, obj{"team_id": "t3"}), w.key(obj{"organization_id": "o1"})), nil, nil
	}},
	{name: "customer", shown: "/customer/info?end_user_id=c1", at: "spend", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/customer/new", obj{"user_id": "c1", "max_budget": cap})
		return threeKeys(w, obj{}), nil, obj{"user": "c1"}
	}},
	{name: "tag", make: func(w *world, cap float64) ([]string, []string, obj) {
		w.manage("POST", "/tag/new", obj{"name": "costly", "max_budget": cap})
		return threeKeys(w, obj{}), []string{"x-litellm-tags", "costly"}, nil
	}},
}

// TestOverspend lets 256 callers run against each kind of budget at once, half of them streamed, on one and on three
// gateways: none is passed, the ledger's sum is the simulator's own, and nothing stays held.
func TestOverspend(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			database := testkit.Postgres(t)
			w := newWorld(t, settings{replicas: replicas, database: database})
			for _, c := range entities {
				t.Run(c.name, func(t *testing.T) { overspend(t, w, c, "chat") })
			}
			w.verify()
		})
	}
}

// TestOverspend_Configured is TestOverspend for the budgets that stand in the configuration.
func TestOverspend_Configured(t *testing.T) {
	t.Parallel()
	key := func(w *world, _ float64) ([]string, []string, obj) { return threeKeys(w, obj{}), nil, nil }
	cap := strconv.FormatFloat(affordable(8), 'f', -1, 64)
	for _, c := range []struct {
		name string
		made settings
	}{
		{"deployment", settings{models: "  - {model_name: tight, litellm_params: {model: oci/meta.llama-4-maverick-17b-128e-instruct-fp8, max_budget: " + cap + ", budget_duration: 1d, " + ourPrice + "}}\n"}},
		{"provider", settings{config: "router_settings: {provider_budget_config: {oci: {budget_limit: " + cap + ", time_period: 1d}}}\n"}},
		{"global", settings{config: "litellm_settings: {max_budget: " + cap + ", budget_duration: 1d}\n"}},
	} {
		for _, replicas := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d replicas", c.name, replicas), func(t *testing.T) {
				t.Parallel()
				made := c.made
				made.replicas, made.database = replicas, testkit.Postgres(t)
				w := newWorld(t, made)
				model := "chat"
				if c.name == "deployment" {
					model = "tight"
				}
				overspend(t, w, capped{name: c.name, make: key}, model)
				w.verify()
			})
		}
	}
}

func TestOverspend_SQLite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	for _, c := range entities {
		t.Run(c.name, func(t *testing.T) { overspend(t, w, c, "chat") })
	}
	w.verify()
}

// overspend is one crowd against one budget of eight calls.
func overspend(t *testing.T, w *world, c capped, model string) {
	cap := affordable(8)
	keys, header, body := c.make(w, cap)
	before := w.sim.usage()
	all := crowd(callers, func(i int) answered {
		stream := obj{}
		if i%2 == 1 {
			stream = asStream
		}
		return w.replicas[i%len(w.replicas)].call(keys[i%len(keys)], question(model, body, stream), header...)
	})
	billed := w.sim.usage().minus(before)

	var rows []row
	for i, key := range keys {
		calls := callers / len(keys)
		if i < callers%len(keys) {
			calls++
		}
		mine := w.rows(key, calls)
		if len(mine) != calls {
			t.Errorf("%d rows of %d calls with one key", len(mine), calls)
		}
		rows = append(rows, mine...)
	}
	sum := spent(t, rows)
	if limit := dollars(t, cap); sum.Cmp(limit) > 0 {
		t.Errorf("spent %s of %s dollars", sum.FloatString(12), limit.FloatString(12))
	}
	if sum.Cmp(billed.cost()) != 0 {
		t.Errorf("the ledger's sum is %s, the simulator's %s", sum.FloatString(12), billed.cost().FloatString(12))
	}
	n := served(all)
	if int64(n) != billed.Calls || n < 6 {
		t.Errorf("%d calls were served of 8 that the budget affords; the simulator counts %d: %s", n, billed.Calls, outcomes(all))
	}
	for _, a := range all {
		if a.err != nil || !a.ok() && (a.status != http.StatusTooManyRequests || !strings.Contains(strings.ToLower(a.body), "budget")) {
			t.Fatalf("a call over the budget: %v %d %s", a.err, a.status, a.body)
		}
	}
	once(t, all, rows)
	if w.database != "" {
		w.released()
	}
	if c.shown != "" {
		if shown := w.shown("GET", c.shown, nil, c.at); shown.Cmp(sum) != 0 {
			t.Errorf("%s shows %s, the rows say %s", c.shown, shown.FloatString(12), sum.FloatString(12))
		}
	}
}

// once checks that each call that got an answer, refusals too, has exactly one row.
func once(t *testing.T, all []answered, rows []row) {
	t.Helper()
	of := map[string]int{}
	for _, r := range rows {
		of[r.Metadata.CallID]++
	}
	for _, a := range all {
		if a.status != 0 && of[a.callID] != 1 {
			t.Errorf("%d rows of the call %s (%d)", of[a.callID], a.callID, a.status)
		}
	}
}

// TestTheLastAffordableCallsAreServed: of 24 calls that a budget affords, among 128 at once on two replicas, nearly all
// are served, and soon. What the one replica holds idle must not be refused on the other.
func TestTheLastAffordableCallsAreServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{replicas: 2, database: testkit.Postgres(t)})
	w.sim.fault(`{"latency": "50ms"}`)
	for _, kind := range []struct {
		name string
		body obj
	}{{"unary", nil}, {"streamed", asStream}} {
		t.Run(kind.name, func(t *testing.T) {
			key := w.key(obj{"max_budget": affordable(24)})
			began := time.Now()
			all := crowd(128, func(i int) answered { return w.replicas[i%2].call(key, question("chat", kind.body)) })
			took := time.Since(began)
			t.Logf("%d of 24 affordable calls served among 128 in %s", served(all), took.Round(time.Millisecond))
			if n := served(all); n < 20 || n > 24 {
				t.Errorf("%d calls served: %s", n, outcomes(all))
			}
			if took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			w.released()
		})
	}
}

// TestDeadReplicasHoldsExpire: what a gateway holds that is killed in the middle of its calls is free again once its
// lease has ended, and not before.
func TestDeadReplicasHoldsExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{replicas: 2, database: testkit.Postgres(t)})
	w.sim.fault(`{"latency": "60s", "id": "hang"}`)
	key := w.key(obj{"max_budget": affordable(8)})
	dead, alive := w.replicas[0], w.replicas[1]
	hanging := make(chan []answered, 1)
	go func() { hanging <- crowd(8, func(int) answered { return dead.call(key, question("chat")) }) }()
	eventually(t, 10*time.Second, func() string {
		if n := dead.metric(t, "tollgate_requests_in_flight"); n < 8 || w.held() == "" {
			return fmt.Sprintf("%v calls hang, %q", n, w.held())
		}
		return ""
	})
	w.sim.heal()
	dead.kill()
	began := time.Now()
	<-hanging
	if a := alive.call(key, question("chat")); a.status != http.StatusTooManyRequests {
		t.Errorf("what a replica held is free before its lease has ended: %d %s", a.status, a.body)
	}
	eventually(t, 45*time.Second, func() string {
		a := alive.call(key, question("chat"))
		if !a.ok() {
			return fmt.Sprintf("%d %s", a.status, a.body)
		}
		return ""
	})
	t.Logf("free again %s after the replica was killed", time.Since(began).Round(time.Second))
	dead.start()
	w.released()
}
