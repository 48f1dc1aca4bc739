package quota

import (
	"context"
	"time"
)

// class says how long an account rests before it is looked at again.
type class int

// The classes.
const (
	settling   class = iota // it has something free that others may need, or a debt
	keeping                 // it has something free of an account that has plenty
	forgetting              // it has nothing to settle
	classes
)

// rests are how long the classes rest.
var rests = [classes]time.Duration{settling: 100 * time.Millisecond, keeping: 30 * time.Second, forgetting: 10 * time.Minute}

const (
	// rememberSpent is how long a budget is remembered that is used up.
	rememberSpent = 24 * time.Hour

	tickEvery = 50 * time.Millisecond
	perGive   = 256
)

// aged is an account in the line of a class.
type aged struct {
	account *account
	due     time.Time
}

// age puts an account into a class, to be looked at when that has rested. It is in the line of each class once at most: one
// that it has left looks again whether it has come back.
func (b *Book) age(a *account, c class, now time.Time) {
	a.class, a.due = c, now.Add(rests[c])
	if !a.lined[c] {
		a.lined[c] = true
		b.aging[c] = append(b.aging[c], aged{a, a.due})
	}
}

// hasten has an account looked at soon, since it has something to settle now.
func (b *Book) hasten(a *account, now time.Time) {
	if a.class == forgetting || a.class == keeping && (a.free < 0 || a.tight() || !a.unsure.IsZero()) {
		b.age(a, settling, now)
	}
}

// Start begins the background work.
func (b *Book) Start() {
	b.running.Go(func() {
		ticker := time.NewTicker(tickEvery)
		defer ticker.Stop()
		for {
			select {
			case <-b.life.Done():
				return
			case <-ticker.C:
				b.tick()
			}
		}
	})
}

// tick does what is due: the Beat, the look at a truth that was away, gives and debts, and forgetting.
func (b *Book) tick() {
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return
	}
	now := b.now()
	b.checkLease(now)
	due := b.ttl > 0 && silence(b.beatAt, now) >= b.ttl/3
	if b.down {
		due = !now.Before(b.probeAt)
	}
	if due && !b.beating {
		b.send(&exchange{beat: true, sentAt: now})
	}
	b.settle(now)
}

// settle looks at the accounts whose rest is over.
func (b *Book) settle(now time.Time) {
	give, debts := &exchange{sentAt: now}, &exchange{sentAt: now}
	for c := range classes {
		for range len(b.aging[c]) {
			e := b.aging[c][0]
			if e.due.After(now) || len(give.gives) >= perGive || len(debts.asks) >= perTake {
				break
			}
			b.aging[c][0] = aged{}
			b.aging[c] = b.aging[c][1:]
			a := e.account
			a.lined[c] = false
			switch {
			case a.class != c:
			case a.due.After(now):
				a.lined[c] = true
				b.aging[c] = append(b.aging[c], aged{a, a.due})
			default:
				b.review(a, give, debts, now)
			}
		}
	}
	if len(give.gives) > 0 {
		b.send(give)
	}
	if len(debts.asks) > 0 {
		b.send(debts)
	}
}

// review settles what is free or owed of one account, or forgets it.
func (b *Book) review(a *account, give, debts *exchange, now time.Time) {
	a.roll(now)
	surplus := min(a.low, a.free)
	a.low = a.free
	switch {
	case a.busy || b.down || len(a.queue) > 0:
	case a.epoch != b.epoch && a.kind != Rate && a.free+a.held != 0:
		b.want(a) // what is left of it?
	case !a.unsure.IsZero() && !now.Before(a.unsure):
		a.unsure = time.Time{}
		b.want(a) // what did it leave behind?
	case a.free < 0 && a.kind == Rate:
		if a.resetAt.IsZero() {
			a.free = 0 // the window is over
		} else {
			give.payBack(a)
		}
	case a.free < 0:
		debts.payBack(a)
	case surplus > 0 && (a.class == keeping || a.tight()):
		give.giveBack(a, surplus)
	}
	switch {
	case a.class == forgetting && b.forgets(a, now):
		delete(b.accounts, a.key)
		a.class = classes // in no line any more
	case a.free == 0 && !a.busy && !a.wants && a.unsure.IsZero() && (a.epoch == b.epoch || a.held == 0):
		b.age(a, forgetting, now)
	case a.free > 0 && !a.tight():
		b.age(a, keeping, now)
	default:
		b.age(a, settling, now)
	}
}

// forgets reports whether nothing would be lost with the account. That a budget is used up is worth knowing when the truth
// does not answer.
func (b *Book) forgets(a *account, now time.Time) bool {
	idle := rests[forgetting]
	if a.kind == Money && a.used > a.cap-a.cap/unheardShare {
		idle = rememberSpent
	}
	return a.free == 0 && a.holds == 0 && a.pending == 0 && !a.busy && !a.wants && len(a.queue) == 0 && !b.down &&
		now.Sub(a.usedAt) >= idle
}

// Close gives back what is free, and ends the background work. Calls that wait are refused.
func (b *Book) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	give := &exchange{}
	for _, a := range b.accounts {
		for len(a.queue) > 0 {
			w := a.queue[0]
			a.queue = a.queue[1:]
			b.finish(w, ErrUnavailable)
		}
		if a.free > 0 && !a.busy && a.epoch == b.epoch {
			give.giveBack(a, a.free)
		}
	}
	b.mu.Unlock()
	b.stop()
	b.running.Wait()
	if len(give.gives) == 0 {
		return nil
	}
	return b.truth.Give(ctx, give.gives)
}
