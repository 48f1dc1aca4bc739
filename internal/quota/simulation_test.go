package quota

import (
	"container/heap"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The simulation runs replicas, callers, a truth and a ledger in one goroutine under a clock of its own. Messages are
// delayed, lost on the way there or on the way back, or arrive after everybody has given them up; replicas stop for a
// while, die and come back under a new name; clocks differ. After every step it is checked that no account has passed its
// cap by more than the rule allows, and at the end that nothing was left behind. A failing seed replays.

var simSteps = flag.Int("sim.steps", 10_000, "steps of each simulation")

// simTTL is how long leases live in the simulation.
const simTTL = 10 * time.Second

type simEvent struct {
	at  time.Time
	seq int
	of  *simReplica // nil = the world's
	run func()
}

type simEvents []*simEvent

func (e simEvents) Len() int { return len(e) }
func (e simEvents) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e simEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)   { *e = append(*e, x.(*simEvent)) }
func (e *simEvents) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// simAccount is what really happens on an account.
type simAccount struct {
	line    Line
	spent   int64 // Money: settled on all replicas
	held    int64 // Money, Slots: in calls under way on replicas that live
	slack   int64 // what leases that lapsed were worth, and costs beyond holds
	counted int64 // Rate: in the window under way
	window  time.Time
}

type simReplica struct {
	sim         *sim
	id          string
	book        *Book
	skew        time.Duration
	set         time.Time // when its clock was set
	pausedUntil time.Time
	dead        bool
	calls       map[*simCall]bool
	waiting     []*simCall
	spool       []simRecord
}

// simRecord is a call on its way to the ledger.
type simRecord struct {
	replica  string
	accounts []Key
	cost     int64
}

type simCall struct {
	hold   Hold
	lines  []Line
	waiter *waiter
	gone   bool
}

type sim struct {
	t        *rapid.T
	rand     *rand.Rand
	now      time.Time
	seq      int
	events   simEvents
	memory   *Memory
	replicas []*simReplica
	accounts map[Key]*simAccount
	money    []Key
	teams    []Key
	rates    []Key
	names    int
	faults   bool
	open     bool      // replicas go on without the truth, and may pass caps
	storeOff time.Time // the ledger is away until then

	voided  map[string]time.Time // the ends of leases that were counted
	stopped bool                 // nobody calls any more

	served, refused, unavailable, crashes, lapses, lost int
}

func (s *sim) after(d time.Duration, of *simReplica, run func()) {
	s.seq++
	heap.Push(&s.events, &simEvent{at: s.now.Add(d), seq: s.seq, of: of, run: run})
}

func (s *sim) chance(percent int) bool { return s.rand.IntN(100) < percent }

func (s *sim) spread(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rand.Int64N(int64(most-least)))
}

// boot starts a replica under a new name.
func (s *sim) boot(at int) {
	s.names++
	r := &simReplica{sim: s, id: fmt.Sprint("r", s.names), skew: s.spread(-time.Hour, time.Hour), calls: make(map[*simCall]bool)}
	r.book = NewBook(&simTruth{r.sim.memory.Replica(r.id), r}, Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now.Add(r.skew) }})
	r.book.FailClosed(!s.open)
	r.book.run = r.exchange
	r.book.soon = func(d time.Duration, f func()) { s.after(d, r, f) }
	s.replicas[at] = r
	var tick, call, write func()
	tick = func() { r.book.tick(); s.after(tickEvery, r, tick) }
	call = func() {
		if s.stopped {
			return
		}
		r.call()
		s.after(s.spread(time.Millisecond, 60*time.Millisecond), r, call)
	}
	write = func() { r.write(); s.after(s.spread(100*time.Millisecond, 300*time.Millisecond), r, write) }
	s.after(0, r, tick)
	s.after(0, r, call)
	s.after(0, r, write)
}

// simTruth tells window ends by the clock of its replica.
type simTruth struct {
	Truth
	of *simReplica
}

func (t *simTruth) Take(ctx context.Context, asks []Ask) ([]Grant, error) {
	grants, err := t.Truth.Take(ctx, asks)
	for i := range grants {
		if !grants[i].ResetAt.IsZero() {
			grants[i].ResetAt = grants[i].ResetAt.Add(t.of.skew)
		}
	}
	return grants, err
}

func (t *simTruth) Give(ctx context.Context, gives []Give) error {
	for i := range gives {
		if !gives[i].ResetAt.IsZero() {
			gives[i].ResetAt = gives[i].ResetAt.Add(-t.of.skew)
		}
	}
	return t.Truth.Give(ctx, gives)
}

var errLost = errors.New("no answer")

// exchange carries a message to the truth and its answer back.
func (r *simReplica) exchange(x *exchange) {
	s := r.sim
	there, back := s.spread(100*time.Microsecond, 5*time.Millisecond), s.spread(100*time.Microsecond, 5*time.Millisecond)
	fails := func() { s.after(r.book.timeout, r, func() { r.book.answer(x, nil, errLost) }) }
	does := func(answer bool) func() {
		return func() {
			grants, err := x.perform(context.Background(), r.book.truth)
			if answer {
				s.after(back, r, func() { r.book.answer(x, grants, err) })
			}
		}
	}
	fate := 100
	if s.faults {
		fate = s.rand.IntN(1000)
	}
	switch {
	case fate < 3:
		s.lost++
		fails()
	case fate < 6:
		s.lost++
		s.after(there, nil, does(false))
		fails()
	case fate < 9:
		s.lost++
		s.after(s.spread(0, mayArrive/2), nil, does(false))
		fails()
	default:
		s.after(there, nil, does(true))
	}
}

// call lets a caller come.
func (r *simReplica) call() {
	s, b := r.sim, r.book
	c := &simCall{}
	k := s.rand.IntN(len(s.money))
	least := int64(1 + s.rand.IntN(100))
	most := least
	if s.chance(30) {
		most = least * int64(1+s.rand.IntN(20))
	}
	add := func(key Key, least, most int64) {
		l := s.accounts[key].line
		l.Least, l.Most = least, most
		c.lines = append(c.lines, l)
	}
	add(s.money[k], least, most)
	add(s.teams[k%len(s.teams)], least, most)
	if s.chance(50) {
		add(Key{"par", "", "p"}, 1, 1)
		add(s.rates[s.rand.IntN(len(s.rates))], 1, 1)
	}
	b.mu.Lock()
	now := b.now()
	c.hold.book = b
	c.hold.lines = c.hold.few[:0]
	b.checkLease(now)
	for i := range c.lines {
		c.hold.lines = append(c.hold.lines, part{account: b.account(&c.lines[i], now)})
	}
	if b.try(&c.hold, c.lines, asItComes, false, now) < 0 {
		b.unlock()
		r.begin(c)
		return
	}
	c.waiter = &waiter{hold: &c.hold, lines: c.lines, done: make(chan struct{})}
	r.waiting = append(r.waiting, c)
	b.submit(c.waiter, now)
	b.unlock()
	if s.chance(3) {
		s.after(s.spread(0, time.Second), r, func() { r.withdraw(c) })
	}
	s.after(2*time.Second, r, func() {
		b.mu.Lock()
		b.hurry(c.waiter, b.now())
		b.unlock()
	})
}

// withdraw has a caller leave while it waits.
func (r *simReplica) withdraw(c *simCall) {
	if c.waiter.ended {
		return
	}
	c.gone = true
	r.book.mu.Lock()
	r.book.withdraw(c.waiter, r.book.now())
	r.book.unlock()
}

// settle looks which of those who wait have been served.
func (r *simReplica) settle() {
	rest := r.waiting[:0]
	for _, c := range r.waiting {
		var short *Short
		switch {
		case !c.waiter.ended:
			rest = append(rest, c)
		case c.gone:
		case c.waiter.err == nil:
			r.begin(c)
		case errors.As(c.waiter.err, &short):
			r.sim.refused++
		default:
			r.sim.unavailable++
		}
	}
	r.waiting = rest
}

// begin starts a call that was admitted.
func (r *simReplica) begin(c *simCall) {
	s := r.sim
	s.served++
	r.calls[c] = true
	for i := range c.lines {
		a := s.accounts[c.lines[i].Key]
		if a.line.Kind == Rate {
			t := s.memory.total(c.lines[i].Key.String(), Rate)
			if t.resetAt != a.window {
				a.window, a.counted = t.resetAt, 0
			}
			// What was taken before the end of the window may be used when the answer arrives, and a paused replica gets it late.
			if a.counted++; s.now.Sub(t.resetAt) > 20*time.Millisecond && s.now.Sub(r.pausedUntil) > 20*time.Millisecond && !s.open {
				s.t.Fatalf("%v: %v used after its window's end at %v", s.now, c.lines[i].Key, t.resetAt)
			}
			continue
		}
		a.held += c.hold.lines[i].amount
	}
	s.after(s.spread(time.Millisecond, 3*time.Second), r, func() { r.end(c) })
}

// end ends a call: mostly it has cost less than was held, sometimes nothing, seldom more.
func (r *simReplica) end(c *simCall) {
	s := r.sim
	amount := c.hold.lines[0].amount
	cost := s.rand.Int64N(amount + 1)
	switch n := s.rand.IntN(100); {
	case n < 20:
		cost = amount
	case n < 30:
		cost = 0
	case n < 32:
		cost = amount + s.rand.Int64N(50)
	}
	r.gone(c)
	c.hold.End(cost)
	c.hold.End(cost)
	if cost == 0 {
		return
	}
	rec := simRecord{replica: r.id, cost: cost}
	for i := range c.lines {
		if c.lines[i].Kind == Money {
			a := s.accounts[c.lines[i].Key]
			a.spent += cost
			a.slack += max(0, cost-amount)
			rec.accounts = append(rec.accounts, c.lines[i].Key)
		}
	}
	r.spool = append(r.spool, rec)
}

// gone takes a call off what is held.
func (r *simReplica) gone(c *simCall) {
	delete(r.calls, c)
	for i := range c.lines {
		if c.lines[i].Kind != Rate {
			r.sim.accounts[c.lines[i].Key].held -= c.hold.lines[i].amount
		}
	}
}

// write drains the spool into the ledger.
func (r *simReplica) write() {
	s := r.sim
	if s.now.Before(s.storeOff) {
		return
	}
	for _, rec := range r.spool {
		for _, k := range rec.accounts {
			s.memory.Spend(rec.replica, k.String(), rec.cost)
			if rec.replica == r.id {
				r.book.Booked(k, rec.cost)
			}
		}
	}
	r.spool = nil
}

// crash kills a replica; another one, with its disk, takes its place.
func (s *sim) crash(at int) {
	old := s.replicas[at]
	old.dead = true
	for c := range old.calls {
		old.gone(c)
	}
	s.crashes++
	s.boot(at)
	s.replicas[at].spool = old.spool
}

// lapse counts leases that are void from now on: what calls under way hold of them, and what is on its way to the ledger,
// may be granted to others meanwhile. What lay idle in them may not be used any more.
func (s *sim) lapse() {
	for id, until := range s.memory.replicas {
		if until.After(s.now) || s.voided[id].Equal(until) {
			continue
		}
		s.voided[id] = until
		s.lapses++
		for _, r := range s.replicas {
			if r.id == id {
				for c := range r.calls {
					s.excuse(c.lines, &c.hold)
				}
			}
			for _, rec := range r.spool {
				if rec.replica != id {
					continue
				}
				for _, k := range rec.accounts {
					s.accounts[k].slack += rec.cost
				}
			}
		}
	}
}

// excuse counts what a call holds while its lease is void.
func (s *sim) excuse(lines []Line, h *Hold) {
	for i := range lines {
		if lines[i].Kind != Rate {
			s.accounts[lines[i].Key].slack += h.lines[i].amount
		}
	}
}

// check finds an account that has passed its cap.
func (s *sim) check() {
	if s.open {
		return
	}
	for k, a := range s.accounts {
		switch {
		case a.line.Kind == Rate && a.counted > a.line.Cap:
			s.t.Fatalf("%v: %v counted %d of %d", s.now, k, a.counted, a.line.Cap)
		case a.line.Kind != Rate && a.spent+a.held > a.line.Cap+a.slack:
			s.t.Fatalf("%v: %v spent %d and holds %d of %d, with a slack of %d", s.now, k, a.spent, a.held, a.line.Cap, a.slack)
		}
	}
}

// step runs the next event.
func (s *sim) step() {
	e := heap.Pop(&s.events).(*simEvent)
	if e.of != nil && e.of.dead {
		return
	}
	if e.of != nil && e.of.pausedUntil.After(e.at) {
		e.at = e.of.pausedUntil
		heap.Push(&s.events, e)
		return
	}
	if e.at.After(s.now) {
		s.now = e.at
	}
	s.lapse()
	e.run()
	for _, r := range s.replicas {
		r.settle()
	}
	s.check()
}

// trouble makes something happen.
func (s *sim) trouble() {
	if !s.faults {
		return
	}
	switch n := s.rand.IntN(100); {
	case n < 10:
		s.crash(s.rand.IntN(len(s.replicas)))
	case n < 40:
		r := s.replicas[s.rand.IntN(len(s.replicas))]
		r.pausedUntil = s.now.Add(s.spread(time.Second, 2*simTTL))
	case n < 50:
		s.storeOff = s.now.Add(s.spread(time.Second, simTTL))
	case n < 60:
		// A clock is set forward. A real Book times its messages by the monotonic clock, which this one lacks, so it is not
		// set again before what is under way has arrived.
		if r := s.replicas[s.rand.IntN(len(s.replicas))]; s.now.Sub(r.set) > 2*mayArrive {
			r.set = s.now
			r.skew += s.spread(0, simTTL)
		}
	}
	s.after(s.spread(time.Second, 10*time.Second), nil, s.trouble)
}

// simulate runs the world of a seed.
func simulate(t *rapid.T, seed uint64, replicas, keys int, faults, open bool, steps int) *sim {
	s := &sim{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), accounts: make(map[Key]*simAccount), faults: faults, open: open,
		voided: make(map[string]time.Time), replicas: make([]*simReplica, replicas)}
	s.memory = NewMemory(MemoryOptions{TTL: simTTL, Now: func() time.Time { return s.now }})
	account := func(l Line) Key {
		s.accounts[l.Key] = &simAccount{line: l}
		return l.Key
	}
	for i := range keys {
		s.money = append(s.money, account(Line{Key: Key{"budget", "", fmt.Sprint("key", i)}, Kind: Money, Cap: s.rand.Int64N(1 << (8 + s.rand.IntN(11)))}))
	}
	for i := range max(1, keys/4) {
		s.teams = append(s.teams, account(Line{Key: Key{"budget", "", fmt.Sprint("team", i)}, Kind: Money, Cap: s.rand.Int64N(1 << (10 + s.rand.IntN(11)))}))
	}
	account(Line{Key: Key{"par", "", "p"}, Kind: Slots, Cap: 1 + s.rand.Int64N(40)})
	for i := range 3 {
		s.rates = append(s.rates, account(Line{Key: Key{"rpm", "", fmt.Sprint(i)}, Kind: Rate, Cap: 1 + s.rand.Int64N(1000), Window: s.spread(time.Second, time.Minute)}))
	}
	for i := range replicas {
		s.boot(i)
	}
	s.after(time.Second, nil, s.trouble)
	for range steps {
		s.step()
	}
	s.calm()
	return s
}

// calm lets everything end, and checks that nothing was left behind: the ledger has every cost once, no hold is open, and
// the rest of each budget can be had by one call.
func (s *sim) calm() {
	s.faults = false
	for _, r := range s.replicas {
		r.pausedUntil = s.now
	}
	deadline := s.now.Add(mayArrive + time.Minute)
	s.stopped = true
	for s.now.Before(deadline) {
		s.step()
	}
	for _, r := range s.replicas {
		if st := r.book.Stats(); st.Holds != 0 || st.Waiting != 0 {
			s.t.Fatalf("%s is left with %+v", r.id, st)
		}
	}
	for k, a := range s.accounts {
		if a.line.Kind != Money {
			continue
		}
		if used := s.memory.Used(k.String()); used != a.spent {
			s.t.Fatalf("%v: booked %d, spent %d", k, used, a.spent)
		}
		left := a.line.Cap - a.spent
		if left <= 0 {
			continue
		}
		for _, r := range s.replicas {
			r.book.Doubt(k)
		}
		for range 200 {
			s.step()
		}
		if leased := s.memory.leased(s.memory.total(k.String(), Money), "", s.now); leased != 0 {
			for _, r := range s.replicas {
				s.t.Logf("%s: %+v", r.id, r.book.accounts[k])
			}
			s.t.Fatalf("%v: leases of %d are left: %v", k, leased, s.memory.accounts[k.String()].leases)
		}
	}
}

func TestSimulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		replicas, keys := rapid.IntRange(1, 6).Draw(t, "replicas"), rapid.IntRange(1, 12).Draw(t, "keys")
		faults := rapid.IntRange(0, 3).Draw(t, "faults") > 0
		open := rapid.IntRange(0, 3).Draw(t, "goes on without the truth") == 0
		s := simulate(t, seed, replicas, keys, faults, open, *simSteps)
		t.Logf("served %d, refused %d, unavailable %d, crashes %d, lapses %d, lost messages %d", s.served, s.refused, s.unavailable, s.crashes, s.lapses, s.lost)
	})
}
