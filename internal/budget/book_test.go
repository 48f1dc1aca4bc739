package budget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/money"
	"tollgate/internal/quota"
	"tollgate/internal/record"
)

// world is a truth with a ledger that books what was settled a while later.
type world struct {
	t     *testing.T
	truth *quota.Memory
}

func newWorld(t *testing.T) *world {
	return &world{t: t, truth: quota.NewMemory(quota.MemoryOptions{TTL: 10 * time.Second, Next: func(period string, from time.Time) time.Time {
		next, _ := budget.Next(period, from, time.UTC)
		return next
	}})}
}

// replica starts the book of a replica.
func (w *world) replica(id string, o budget.Options) *budget.Book {
	o.Replica = id
	b := budget.New(w.truth.Replica(id), o)
	b.Start()
	w.t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return b
}

// write books a call, as the ledger does some time after it has ended.
func (w *world) write(b *budget.Book, replica string, cost money.USD, scopes ...account.Scope) {
	for _, s := range scopes {
		w.truth.Spend(replica, "budget:"+string(s), int64(cost))
	}
	b.Booked([]record.Call{{Replica: replica, Cost: cost, Charges: scopes}})
}

func (w *world) spent(s account.Scope) money.USD {
	return money.USD(w.truth.Used("budget:" + string(s)))
}

const dollar = money.Dollar

func one(s account.Scope, limit money.USD) []budget.Scope {
	return []budget.Scope{{Counter: s, Cap: limit}}
}

var key = account.KeyScope("ab12")

// bubble runs f under a fake clock, with the world's books closed before it ends.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func mustReserve(t *testing.T, b *budget.Book, scopes []budget.Scope, ask budget.Ask) *budget.Hold {
	t.Helper()
	h, err := b.Reserve(t.Context(), scopes, ask)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestReserve(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("r1", budget.Options{Wait: -1})
		team := account.TeamScope("t1")
		scopes := []budget.Scope{
			{Counter: key, Cap: dollar, Header: true},
			{Counter: team, Cap: 3 * dollar / 2, Refusal: "Budget has been exceeded! Team=t1 Current cost: {spent}, Max budget: {cap}"},
		}
		h := mustReserve(t, b, scopes, budget.Ask{Worst: dollar})
		if h.Amount() != dollar {
			t.Errorf("held %v, want 1", h.Amount())
		}
		_, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: 1})
		var over *budget.Exceeded
		if !errors.As(err, &over) || over.Scope.Counter != key || over.Message != "Budget has been exceeded! Current cost: 0.0, Max budget: 1.0" {
			t.Fatalf("a second call: %v", err)
		}
		h.Settle(dollar / 4)
		h.Settle(dollar / 4) // has no effect
		h.Release()          // nor has this
		if spent, limit, ok := h.KeySpend(); spent != dollar/4 || limit != dollar || !ok {
			t.Errorf("KeySpend = %v, %v, %v", spent, limit, ok)
		}
		mustReserve(t, b, scopes, budget.Ask{Worst: 3 * dollar / 4}).Settle(3 * dollar / 4)
		_, err = b.Reserve(t.Context(), one(team, 3*dollar/2), budget.Ask{Worst: 6 * dollar / 10})
		if !errors.As(err, &over) || over.Spent != dollar {
			t.Errorf("the team's rest: %v", err)
		}
		if spent, _, known := b.Spent(key); spent != dollar || !known {
			t.Errorf("Spent = %v, %v", spent, known)
		}
		if b.Held() != 0 {
			t.Errorf("%d holds are open", b.Held())
		}
	})
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name  string
		scope budget.Scope
		spent money.USD
		ask   budget.Ask
		want  string // "" = admitted
	}{
		{"cap 0 allows nothing", budget.Scope{Cap: 0}, 0, budget.Ask{Worst: 1}, "Budget has been exceeded! Current cost: 0.0, Max budget: 0.0"},
		{"not even a call without a price", budget.Scope{Cap: 0}, 0, budget.Ask{}, "Budget has been exceeded! Current cost: 0.0, Max budget: 0.0"},
		{"a call without a price", budget.Scope{Cap: dollar}, dollar - 1, budget.Ask{}, ""},
		{"a call without a price on a spent budget", budget.Scope{Cap: dollar}, dollar, budget.Ask{}, "Budget has been exceeded! Current cost: 1.0, Max budget: 1.0"},
		{"the whole rest", budget.Scope{Cap: dollar}, dollar / 2, budget.Ask{Worst: dollar / 2}, ""},
		{"a picodollar more", budget.Scope{Cap: dollar}, dollar / 2, budget.Ask{Worst: dollar/2 + 1}, "Budget has been exceeded! Current cost: 0.5, Max budget: 1.0"},
		{"the least of what may be cut", budget.Scope{Cap: dollar}, dollar / 2, budget.Ask{Worst: 10 * dollar, Least: dollar / 2}, ""},
		{"1e-9", budget.Scope{Cap: 1000}, 0, budget.Ask{Worst: 1500, Least: 1200}, "Budget has been exceeded! Current cost: 0.0, Max budget: 1e-09"},
		{"more was spent than the cap", budget.Scope{Cap: dollar}, 2 * dollar, budget.Ask{Worst: 1}, "Budget has been exceeded! Current cost: 2.0, Max budget: 1.0"},
		{"a cap above all money", budget.Scope{Cap: money.Max}, dollar, budget.Ask{Worst: 100 * dollar}, ""},
		{"decimals", budget.Scope{Cap: dollar, Refusal: "ExceededBudget: Key over 1d budget. Spend=${spent4}, Limit=${cap2}"}, dollar, budget.Ask{Worst: 1},
			"ExceededBudget: Key over 1d budget. Spend=$1.0000, Limit=$1.00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := w.replica("r1", budget.Options{})
				tt.scope.Counter = key
				w.truth.SetUsed("budget:"+string(key), int64(tt.spent))
				began := time.Now()
				h, err := b.Reserve(t.Context(), []budget.Scope{tt.scope}, tt.ask)
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if waited := time.Since(began); waited != 0 {
					t.Errorf("waited %v for nothing", waited)
				}
				h.Settle(0)
			})
		})
	}
}

// 256 calls at once never overspend, on one replica or on three, whether they cost less than was held or all of it.
func TestNeverOverspends(t *testing.T) {
	for name, replicas := range map[string]int{"one replica": 1, "three replicas": 3} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				const limit, worst = 10 * dollar, dollar / 4
				var books []*budget.Book
				for i := range replicas {
					books = append(books, w.replica(string(rune('a'+i)), budget.Options{}))
				}
				var served atomic.Int64
				var calls sync.WaitGroup
				for i := range 256 {
					calls.Go(func() {
						r := i % replicas
						h, err := books[r].Reserve(t.Context(), one(key, limit), budget.Ask{Worst: worst})
						if err != nil {
							return
						}
						served.Add(1)
						time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
						cost := worst
						if i%3 == 0 {
							cost = worst / 2
						}
						h.Settle(cost)
						time.Sleep(200 * time.Millisecond)
						w.write(books[r], string(rune('a'+r)), cost, key)
					})
				}
				calls.Wait()
				if got := w.spent(key); got > limit || got < limit-2*worst {
					t.Errorf("spent %v of %v", got, limit)
				}
				for _, b := range books {
					if b.Held() != 0 {
						t.Errorf("%d holds are open", b.Held())
					}
				}
			})
		})
	}
}

// Of 24 calls that a budget affords, among 128 at once on two replicas, all are served: what one replica holds idle comes
// back for the other.
func TestAffordableCallsAreServed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const worst = dollar / 10
		books := []*budget.Book{w.replica("a", budget.Options{}), w.replica("b", budget.Options{})}
		var served atomic.Int64
		var calls sync.WaitGroup
		began := time.Now()
		for i := range 128 {
			calls.Go(func() {
				r := i % 2
				h, err := books[r].Reserve(t.Context(), one(key, 24*worst), budget.Ask{Worst: worst})
				if err != nil {
					return
				}
				served.Add(1)
				time.Sleep(500 * time.Millisecond)
				h.Settle(worst)
				w.write(books[r], []string{"a", "b"}[r], worst, key)
			})
		}
		calls.Wait()
		if served.Load() != 24 {
			t.Errorf("served %d of 24", served.Load())
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A call waits for holds, and is served in the order of arrival; it does not wait longer than it should.
func TestWaits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{Wait: time.Second})
		h := mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar})
		served, refused := make(chan int, 3), make(chan int, 3)
		for i := range 3 {
			go func() {
				h, err := b.Reserve(t.Context(), one(key, dollar), budget.Ask{Worst: dollar / 2})
				if err != nil {
					refused <- i
					return
				}
				served <- i
				time.Sleep(3 * time.Second)
				h.Settle(dollar / 2)
			}()
			synctest.Wait()
		}
		time.Sleep(500 * time.Millisecond)
		h.Release()
		synctest.Wait()
		if len(served) != 2 || <-served+<-served != 1 || len(refused) != 0 {
			t.Error("the first two were not served when there was room")
		}
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if len(refused) != 1 || <-refused != 2 {
			t.Error("the third was not refused after its time")
		}
		time.Sleep(3 * time.Second)
	})
}

// What waits for one budget does not hold up calls of another that shares a team with it.
func TestNobodyWaitsForAStranger(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{})
		team := budget.Scope{Counter: account.TeamScope("t"), Cap: 100 * dollar}
		mine := []budget.Scope{{Counter: key, Cap: dollar}, team}
		other := []budget.Scope{{Counter: account.KeyScope("cd34"), Cap: dollar}, team}
		h := mustReserve(t, b, mine, budget.Ask{Worst: dollar})
		go b.Reserve(t.Context(), mine, budget.Ask{Worst: dollar})
		synctest.Wait()
		began := time.Now()
		mustReserve(t, b, other, budget.Ask{Worst: dollar}).Release()
		if time.Since(began) != 0 {
			t.Errorf("waited %v", time.Since(began))
		}
		h.Release()
	})
}

func TestCallerLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{})
		h := mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Reserve(ctx, one(key, dollar), budget.Ask{Worst: dollar}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		h.Release()
		if s := b.Stats(); s.Holds != 0 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar}).Release()
	})
}

func TestExtend(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{})
		h := mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar / 4})
		if !h.Extend(t.Context(), dollar/2) || h.Amount() != 3*dollar/4 {
			t.Fatalf("holds %v", h.Amount())
		}
		began := time.Now()
		if h.Extend(t.Context(), dollar/2) || h.Amount() != 3*dollar/4 {
			t.Errorf("holds %v", h.Amount())
		}
		if waited := time.Since(began); waited > 150*time.Millisecond {
			t.Errorf("waited %v", waited)
		}
		h.Settle(dollar)
		if h.Extend(t.Context(), 1) || b.Held() != 0 {
			t.Error("a hold that has ended was extended")
		}
		var none *budget.Hold
		none.Settle(1)
		if !none.Extend(t.Context(), 1) || none.Amount() != money.Max {
			t.Error("a hold of nothing")
		}
	})
}

// A call that costs more than was held leaves a debt, which other replicas see before the ledger has booked it.
func TestCostsMoreThanHeld(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.replica("a", budget.Options{Wait: -1}), w.replica("b", budget.Options{Wait: -1})
		mustReserve(t, a, one(key, dollar), budget.Ask{Worst: dollar / 10}).Settle(95 * dollar / 100)
		time.Sleep(300 * time.Millisecond)
		if _, err := b.Reserve(t.Context(), one(key, dollar), budget.Ask{Worst: dollar / 10}); err == nil {
			t.Error("admitted over a debt")
		}
		w.write(a, "a", 95*dollar/100, key)
		mustReserve(t, b, one(key, dollar), budget.Ask{Worst: dollar / 20}).Settle(dollar / 20)
		w.write(b, "b", dollar/20, key)
		time.Sleep(time.Second)
		if _, err := a.Reserve(t.Context(), one(key, dollar), budget.Ask{Worst: 1}); err == nil || !strings.Contains(err.Error(), "Current cost: 1.0") {
			t.Errorf("over the cap: %v", err)
		}
	})
}

func TestEstimate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{Estimate: true})
		h := mustReserve(t, b, one(key, dollar), budget.Ask{Worst: 5 * dollar, Expected: dollar / 10})
		if h.Amount() != dollar/10 {
			t.Errorf("held %v", h.Amount())
		}
		h.Settle(dollar / 20)
	})
}

func TestSoftBudget(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var alerts []budget.Alert
		b := w.replica("a", budget.Options{Alert: func(a budget.Alert) { alerts = append(alerts, a) }})
		scopes := []budget.Scope{{Counter: key, Cap: 10 * dollar, Soft: dollar, Duration: "1m"}}
		call := func(cost money.USD) {
			mustReserve(t, b, scopes, budget.Ask{Worst: dollar}).Settle(cost)
			w.write(b, "a", cost, key)
		}
		call(dollar / 2)
		if len(alerts) != 0 {
			t.Fatal("an alert too early")
		}
		call(dollar / 2)
		call(dollar / 2)
		if len(alerts) != 1 || alerts[0].Spent != dollar || alerts[0].Counter != key {
			t.Fatalf("alerts %+v", alerts)
		}
		time.Sleep(time.Minute) // the next period
		call(dollar)
		call(dollar)
		if len(alerts) != 2 {
			t.Errorf("alerts %+v", alerts)
		}
	})
}

// A budget starts anew when its period ends.
func TestPeriods(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{})
		scopes := []budget.Scope{{Counter: key, Cap: dollar, Duration: "5m"}}
		for range 3 {
			mustReserve(t, b, scopes, budget.Ask{Worst: dollar}).Settle(dollar)
			w.write(b, "a", dollar, key)
			if _, err := b.Reserve(t.Context(), scopes, budget.Ask{Worst: 1}); err == nil {
				t.Fatal("admitted over the cap")
			}
			time.Sleep(5 * time.Minute)
		}
	})
}

// A counter that was set by hand is seen at once, and so is a cap that was lowered.
func TestChanged(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := w.replica("a", budget.Options{Wait: -1})
		call := func(limit money.USD) error {
			h, err := b.Reserve(t.Context(), one(key, limit), budget.Ask{Worst: dollar})
			h.Release()
			return err
		}
		for range 20 { // until the replica has a slice of it
			if err := call(1000 * dollar); err != nil {
				t.Fatal(err)
			}
		}
		w.truth.SetUsed("budget:"+string(key), int64(1000*dollar))
		b.Changed([]account.Change{{Kind: account.Keys, ID: "ab12"}, {ID: string(key)}})
		if call(1000*dollar) == nil {
			t.Error("admitted after the counter was set to the cap")
		}
		w.truth.SetUsed("budget:"+string(key), 0)
		b.Changed([]account.Change{{ID: string(key)}})
		for range 20 {
			if err := call(1000 * dollar); err != nil {
				t.Fatal(err)
			}
		}
		w.truth.SetUsed("budget:"+string(key), int64(1000*dollar))
		b.Changed([]account.Change{{Kind: account.Everything}})
		if call(1000*dollar) == nil {
			t.Error("admitted after nobody knows what was set")
		}
		w.truth.SetUsed("budget:"+string(key), 0)
		b.Changed([]account.Change{{Kind: account.Everything}})
		if err := call(1000 * dollar); err != nil {
			t.Error(err)
		}
		if call(dollar/2) == nil {
			t.Error("admitted over a lowered cap")
		}
	})
}
