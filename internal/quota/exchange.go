package quota

import (
	"context"
	"fmt"
	"math"
	"time"
)

const (
	// mayArrive is how long after it was sent, without an answer, a Take or Give may still have its effect.
	mayArrive = 30 * time.Second
	// probeEvery is how often a truth that does not answer is tried again.
	probeEvery = time.Second
	// atOnce is how many Takes are under way at most; what comes meanwhile goes together in the next one, up to perTake.
	atOnce  = 4
	perTake = 128
)

// exchange is one conversation with the truth: a Beat, a Take or a Give, or a Beat before the other.
type exchange struct {
	beat     bool
	asks     []Ask
	gives    []Give
	accounts []*account // of the asks or gives
	sums     []int64    // of the asks: the lease that the account accounts for, as of sentAt
	sentAt   time.Time
	epoch    uint64
}

// want has an account asked for with the next Take.
func (b *Book) want(a *account) {
	if !a.wants {
		a.wants = true
		b.wanted = append(b.wanted, a)
	}
}

// dispatch puts the Takes that are due into the outbox.
func (b *Book) dispatch() {
	for len(b.wanted) > 0 && b.inFlight < atOnce && !b.down && !b.closed {
		x := &exchange{sentAt: b.now(), epoch: b.epoch}
		rest := b.wanted[:0]
		for _, a := range b.wanted {
			if a.busy || len(x.asks) == perTake {
				rest = append(rest, a)
				continue
			}
			q := a.ask()
			a.grow(q.Need, x.sentAt)
			a.wants, a.least, a.most = false, 0, 0
			x.add(a, q)
		}
		clear(b.wanted[len(rest):])
		b.wanted = rest
		if len(x.asks) == 0 {
			return
		}
		b.send(x)
	}
}

func (x *exchange) add(a *account, q Ask) {
	a.busy = true
	a.sent++
	x.accounts = append(x.accounts, a)
	x.asks = append(x.asks, q)
	x.sums = append(x.sums, a.free+a.held+a.pending)
}

// send puts an exchange into the outbox.
func (b *Book) send(x *exchange) {
	if len(x.asks) > 0 {
		b.inFlight++
	}
	b.checkLease(x.sentAt)
	x.epoch = b.epoch
	x.beat = x.beat || b.lapsedAt.Equal(b.beatAt) && b.ttl > 0
	if x.beat {
		b.beating = true
	}
	b.stats.Takes += uint64(len(x.asks))
	b.stats.Gives += uint64(len(x.gives))
	b.outbox = append(b.outbox, x)
}

// checkLease notices that the truth has not heard of this replica for so long that its leases are free again.
func (b *Book) checkLease(now time.Time) {
	if b.ttl == 0 || b.lapsedAt.Equal(b.beatAt) && b.epoch > 1 {
		return
	}
	if silence(b.beatAt, now) >= b.ttl {
		b.lapsedAt = b.beatAt
		b.epoch++
	}
}

// silence is the time since from: by the wall clock where that has seen more, since the monotonic one stands still while
// a machine is suspended.
func silence(from, now time.Time) time.Duration {
	return max(now.Sub(from), now.Round(0).Sub(from.Round(0)))
}

// runInBackground is Book.run of a real Book.
func (b *Book) runInBackground(x *exchange) {
	b.running.Go(func() {
		ctx, cancel := context.WithTimeout(b.life, b.timeout)
		defer cancel()
		grants, err := x.perform(ctx, b.truth)
		b.answer(x, grants, err)
	})
}

// perform talks to the truth.
func (x *exchange) perform(ctx context.Context, truth Truth) ([]Grant, error) {
	if x.beat {
		if err := truth.Beat(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case len(x.asks) > 0:
		return truth.Take(ctx, x.asks)
	case len(x.gives) > 0:
		return nil, truth.Give(ctx, x.gives)
	}
	return nil, nil
}

// answer takes in what the truth has said.
func (b *Book) answer(x *exchange, grants []Grant, err error) {
	b.mu.Lock()
	defer b.unlock()
	now := b.now()
	if len(x.asks) > 0 {
		b.inFlight--
	}
	if x.beat {
		b.beating = false
	}
	if err != nil {
		b.unanswered(x, err, now)
		return
	}
	if x.beat && x.sentAt.After(b.beatAt) {
		b.beatAt = x.sentAt
	}
	if b.down {
		b.down = false
		b.log.Info(b.name + " are shared again: the store answers")
	}
	for i, a := range x.accounts {
		a.busy = false
		if len(x.asks) > 0 {
			a.seen = a.sent
			if err := grants[i].Err; err != nil {
				b.unkept(a, err)
				continue
			}
			a.granted(&grants[i], x.sums[i], x, now)
			if len(a.queue) == 0 || grants[i].Amount > 0 {
				a.pause = 0
			}
			if a.free != 0 || !a.unsure.IsZero() {
				b.hasten(a, now)
			}
		}
		if a.recheck {
			b.giveAll(a)
		}
		b.serve(a, now)
	}
}

// unkept refuses those who wait for an account that the truth cannot keep: without it there is no saying what is left.
func (b *Book) unkept(a *account, err error) {
	if !a.told {
		a.told = true
		b.log.Error(b.name+": the store cannot keep an account, and calls that need it are refused", "account", a.name[:min(len(a.name), 200)], "error", err)
	}
	queue := a.queue
	a.queue = nil
	for _, w := range queue {
		b.finish(w, fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
}

// unanswered goes on without the truth.
func (b *Book) unanswered(x *exchange, err error, now time.Time) {
	b.stats.Errors++
	b.probeAt = now.Add(probeEvery)
	if !b.down && !b.closed {
		b.down = true
		b.log.Warn(b.name+" are counted alone: the store does not answer", "error", err)
	}
	for _, a := range b.wanted {
		b.serve(a, now)
	}
	for _, a := range x.accounts {
		a.busy = false
		a.unsure = now.Add(mayArrive)
		if len(x.gives) > 0 {
			a.doubt = a.unsure
		} else {
			a.seen = a.sent
		}
		b.hasten(a, now)
		b.serve(a, now)
	}
}

// granted takes in the answer to a Take that was sent when the account accounted for sum.
func (a *account) granted(g *Grant, sum int64, x *exchange, now time.Time) {
	a.roll(now)
	a.asOf, a.heard = now, true
	a.left = max(0, a.cap-g.Used-g.Leased)
	if a.kind == Rate {
		a.grantedRate(g, now)
		return
	}
	if a.kind == Money && !a.resetAt.IsZero() && !g.ResetAt.Equal(a.resetAt) {
		a.passed = false
	}
	before, mine := g.Own-g.Amount, a.free+a.held
	unbooked := int64(0)
	if before < mine {
		// The leases were void for a time, or a cost came that no call here has held.
		a.free -= mine - before
	} else {
		unbooked = before - mine
		if left := before - sum; left > 0 && !x.sentAt.Before(a.doubt) {
			// An earlier Take was done, but its answer was lost. It may have been a debt's, above the cap, so it goes back.
			a.free += left
			a.recheck = true
			unbooked -= left
		}
	}
	if unbooked > a.pending && a.unsure.IsZero() {
		// Either the ledger has booked something while the answer was on its way, or the lease was void when it booked, and
		// nothing will ever take this off it. A second look tells.
		a.unsure = now.Add(fresh)
	}
	a.free += g.Amount
	a.epoch = x.epoch
	a.used, a.leased, a.resetAt = g.Used+max(0, unbooked), g.Leased, g.ResetAt
}

func (a *account) grantedRate(g *Grant, now time.Time) {
	switch {
	case !g.ResetAt.After(now):
		// The window ended on the way: what was taken of it is for those who asked, at once.
		a.free, a.low = min(a.free, 0), 0
		a.windows++
		a.resetAt = now.Add(time.Millisecond)
	case a.resetAt.IsZero() || g.ResetAt.Sub(a.resetAt) > a.window/2:
		a.free, a.low = min(a.free, 0), 0 // a debt of calls that were admitted without the truth stays
		a.windows++
		a.resetAt = g.ResetAt
	case g.ResetAt.Before(a.resetAt):
		a.resetAt = g.ResetAt
	}
	a.free += g.Amount
	a.used = g.Used
}

// giveAll gives back what is free.
func (b *Book) giveAll(a *account) {
	if a.busy || b.closed || b.down {
		return
	}
	if a.epoch != b.epoch && a.kind != Rate {
		b.want(a) // first see what is left of it
		return
	}
	a.recheck = false
	if a.free > 0 {
		x := &exchange{sentAt: b.now()}
		x.giveBack(a, a.free)
		b.send(x)
	}
}

// giveBack adds an amount of an account to a Give.
func (x *exchange) giveBack(a *account, amount int64) {
	a.busy = true
	a.free -= amount
	a.low = min(a.low, a.free)
	x.accounts = append(x.accounts, a)
	x.gives = append(x.gives, Give{Account: a.name, Kind: a.kind, Amount: amount, ResetAt: a.resetAt})
	switch a.kind {
	case Rate:
		a.used -= amount
	case Slots, Money:
		a.leased -= amount
	}
}

// payBack adds a debt to a Give (Rate) or asks for it above the cap: it was used up already.
func (x *exchange) payBack(a *account) {
	if a.kind == Rate {
		x.giveBack(a, a.free)
		return
	}
	q := a.ask()
	q.Cap, q.Need = math.MaxInt64, -a.free
	q.Want = q.Need
	x.add(a, q)
}
