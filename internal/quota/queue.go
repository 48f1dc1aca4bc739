package quota

import (
	"math"
	"slices"
	"time"
)

// waiter is a call that waits in the queue of one account that has not enough for it.
type waiter struct {
	hold    *Hold
	lines   []Line
	at      int    // the line of the account in whose queue it stands
	seq     uint64 // the order of arrival
	after   uint64 // an answer to a later Take of the account tells what there is for it
	extends bool   // more for an open hold
	final   bool   // it is refused by the next answer that has not enough
	ended   bool
	err     error // set before done is closed
	done    chan struct{}
}

// asItComes is the place of a call that has just come: behind all who wait.
const asItComes uint64 = math.MaxUint64

// try gives the lines to the hold, if all accounts have enough and nobody with a smaller seq waits for them. Where a line
// has a span, less than its share will do if that is all there is. It returns -1, or the index of the first line that is short.
func (b *Book) try(h *Hold, lines []Line, seq uint64, lessWillDo bool, now time.Time) int {
	b.checkLease(now)
	same := int64(math.MaxInt64)
	for i := range lines {
		l, a := &lines[i], h.lines[i].account
		free := b.usable(a, l, now)
		if !b.down && len(a.queue) > 0 && a.queue[0].seq < seq || free < l.Least || l.Least == 0 && !b.under(a, l, now) {
			return i
		}
		if l.Most > l.Least {
			share := a.share(l, 0)
			if free < share && !lessWillDo && !b.down {
				return i
			}
			same = min(same, share, free)
		}
	}
	for i := range lines {
		amount := lines[i].Least
		if lines[i].Most > amount {
			amount = max(amount, same)
		}
		b.commit(h, &h.lines[i], amount, now)
	}
	if !h.open {
		h.open = true
		b.stats.Holds++
	}
	return -1
}

// commit moves an amount from the account's free part into the hold.
func (b *Book) commit(h *Hold, p *part, amount int64, now time.Time) {
	a := p.account
	a.free -= amount
	a.low = min(a.low, a.free)
	if a.kind == Rate {
		if a.resetAt.IsZero() {
			a.resetAt = now.Add(a.window) // only while the truth is away: the window opens here
		}
		p.window = a.windows
	} else {
		a.held += amount
	}
	p.amount += amount
	if !h.open {
		a.holds++
	}
	if a.free < 0 {
		b.hasten(a, now)
	}
}

// usable is how much of an account calls may take now.
func (b *Book) usable(a *account, l *Line, now time.Time) int64 {
	a.roll(now)
	free := a.free
	if a.recheck || a.kind != Rate && a.epoch != b.epoch {
		free = min(free, 0)
	}
	if b.down && !b.failClosed {
		free = max(free, a.allowance(l.Cap))
	}
	return free
}

// under reports whether an account is known to have less used than its cap.
func (b *Book) under(a *account, l *Line, now time.Time) bool {
	return (a.known(now) || b.down && !b.failClosed) && a.spent() < l.Cap
}

// submit queues a call that was not served at once.
func (b *Book) submit(w *waiter, now time.Time) {
	b.stats.Waiting++
	if b.closed {
		b.finish(w, ErrUnavailable)
		return
	}
	for i := range w.lines {
		if l := &w.lines[i]; (l.Cap <= 0 || l.Least > l.Cap) && !w.hold.lines[i].account.asOf.IsZero() {
			b.finish(w, b.short(w, i)) // never, whatever others do
			return
		}
	}
	if !w.extends {
		b.seq++
		w.seq = b.seq
	}
	b.advance(w, now)
	if w.ended {
		return
	}
	for i := range w.lines { // the other accounts that are short are asked for at once, not one after the other
		l, a := &w.lines[i], w.hold.lines[i].account
		share := a.share(l, 0)
		if free := b.usable(a, l, now); i != w.at && (free < max(l.Least, share) || l.Least == 0 && !b.under(a, l, now)) {
			a.least, a.most = max(a.least, l.Least), a.most+share
			b.want(a)
		}
	}
}

// advance serves w or queues it where it is short.
func (b *Book) advance(w *waiter, now time.Time) {
	if w.extends && w.hold.ended {
		b.finish(w, ErrUnavailable)
		return
	}
	i := b.try(w.hold, w.lines, w.seq, false, now)
	if i < 0 {
		b.finish(w, nil)
		return
	}
	w.at = i
	if b.down {
		b.refuse(w)
		return
	}
	a := w.hold.lines[i].account
	w.after = a.sent
	at := len(a.queue)
	for at > 0 && a.queue[at-1].seq > w.seq {
		at--
	}
	a.queue = slices.Insert(a.queue, at, w)
	if len(a.queue) == 1 || w.final || w.extends || a.asOf.IsZero() {
		b.want(a) // else it is asked for again before long, for those who were there before
	}
}

// serve looks at those who wait for an account, after it got more or an answer came.
func (b *Book) serve(a *account, now time.Time) {
	blocked := false
	for k := 0; k < len(a.queue); {
		w := a.queue[k]
		answered := a.seen > w.after
		if !blocked && !(w.extends && w.hold.ended) {
			if i := b.try(w.hold, w.lines, w.seq, answered, now); i != w.at {
				a.queue = slices.Delete(a.queue, k, k+1)
				if i < 0 {
					b.finish(w, nil)
				} else {
					b.advance(w, now)
				}
				continue
			}
		}
		switch {
		case w.extends && w.hold.ended:
			a.queue = slices.Delete(a.queue, k, k+1)
			b.finish(w, ErrUnavailable)
		case b.down || answered && (a.hopeless(&w.lines[w.at]) || w.final && !a.mayGrant(&w.lines[w.at])):
			a.queue = slices.Delete(a.queue, k, k+1)
			b.refuse(w)
		default:
			if answered && w.final {
				w.after = a.sent // the Take was for somebody before it, who needed more than there is
			}
			blocked = true
			k++
		}
	}
	if len(a.queue) == 0 || a.busy || a.wants {
		return
	}
	if slices.ContainsFunc(a.queue, func(w *waiter) bool { return a.seen <= w.after }) {
		b.want(a)
		return
	}
	b.askLater(a)
}

// hopeless reports whether what has been used up leaves no room for the line, whatever happens to what is held.
func (a *account) hopeless(l *Line) bool {
	if a.kind != Money {
		return false
	}
	return a.used > l.Cap-l.Least || a.used >= l.Cap
}

// mayGrant reports whether the truth had enough for the line when it answered last: that it has not granted it may be
// since somebody else stood first.
func (a *account) mayGrant(l *Line) bool {
	return l.Least > 0 && a.left >= l.Least-a.free
}

// askLater asks the truth anew for those who wait, after a pause that grows. What is free here is too little for the first
// of them, but together with such a rest of another replica it may be enough for somebody, so it goes back meanwhile.
func (b *Book) askLater(a *account) {
	if a.free > 0 {
		b.giveAll(a)
	}
	if a.later {
		return
	}
	const shortest, longest = 20 * time.Millisecond, 160 * time.Millisecond
	a.later, a.pause = true, min(max(2*a.pause, shortest), longest)
	b.soon(a.pause, func() {
		b.mu.Lock()
		defer b.unlock()
		a.later = false
		switch {
		case len(a.queue) == 0:
		case b.down:
			b.serve(a, b.now())
		default:
			b.want(a)
		}
	})
}

// hurry says that w has waited long enough: the next answer decides.
func (b *Book) hurry(w *waiter, now time.Time) {
	if w.ended {
		return
	}
	a := w.hold.lines[w.at].account
	w.final, w.after = true, a.sent
	b.want(a)
	b.serve(a, now)
}

// withdraw takes w back: its caller has gone.
func (b *Book) withdraw(w *waiter, now time.Time) {
	if !w.ended {
		a := w.hold.lines[w.at].account
		if k := slices.Index(a.queue, w); k >= 0 {
			a.queue = slices.Delete(a.queue, k, k+1)
		}
		b.finish(w, ErrUnavailable)
		b.serve(a, now)
		return
	}
	if w.err == nil && !w.extends {
		b.release(w.hold, now)
	}
}

// release undoes a hold that nobody has seen.
func (b *Book) release(h *Hold, now time.Time) {
	h.ended = true
	b.stats.Holds--
	for i := range h.lines {
		p := &h.lines[i]
		p.account.holds--
		if p.account.kind != Rate {
			p.account.held -= p.amount
		} else if p.window != p.account.windows {
			continue
		}
		b.credit(p.account, p.amount, now)
	}
}

// refuse ends the wait of w, since the account that it stands at has not enough.
func (b *Book) refuse(w *waiter) {
	if b.down && b.failClosed {
		b.finish(w, ErrUnavailable)
		return
	}
	b.finish(w, b.short(w, w.at))
}

func (b *Book) short(w *waiter, i int) *Short {
	l, a := &w.lines[i], w.hold.lines[i].account
	return &Short{Line: i, Used: a.spent(), Leased: a.leased, Cap: l.Cap, Need: l.Least, ResetAt: a.resetAt}
}

// finish ends the wait of w.
func (b *Book) finish(w *waiter, err error) {
	b.stats.Waiting--
	w.ended, w.err = true, err
	close(w.done)
}

// credit gives an amount back to an account's free part, or takes it from there when it is negative, and serves those who
// wait for it.
func (b *Book) credit(a *account, amount int64, now time.Time) {
	a.free += amount
	a.low = min(a.low, a.free)
	if len(a.queue) > 0 {
		b.serve(a, now)
	}
	if a.free != 0 {
		b.hasten(a, now)
	}
}
