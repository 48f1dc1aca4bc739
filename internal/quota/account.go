package quota

import (
	"math"
	"time"
)

// account is this replica's view of one account. The mutex of its Book guards it.
//
// Of Money and Slots the truth's lease of this replica is free + held + what is settled but not yet booked.
type account struct {
	key       Key
	name      string
	kind      Kind
	cap       int64
	window    time.Duration
	period    string
	periodEnd time.Time // as the object has it

	free    int64 // taken and not in use; below zero: more was used than taken, a debt to the truth
	held    int64 // in open holds
	holds   int64 // open holds
	pending int64 // settled, and not known to be booked
	// used is Money: spent, the settled and not yet booked included; Rate: taken in the window by all, free included.
	used    int64
	leased  int64 // by all, as the truth said last
	left    int64 // what the truth had left when it answered last
	resetAt time.Time
	windows uint64    // counts the windows of a Rate
	asOf    time.Time // when the truth said what is known; zero = never
	heard   bool      // the truth has said at least once what is used
	told    bool      // the log knows that the truth cannot keep the account
	passed  bool      // the level of Passed was reached

	epoch   uint64    // the Book's, when the lease was confirmed last
	doubt   time.Time // until then an earlier Give may still arrive at the truth
	unsure  time.Time // when an exchange that was not answered has had its effect or never will; zero = none
	recheck bool      // free must go back before it is used: the cap is lower, or was changed by hand

	queue []*waiter // in order of arrival
	busy  bool      // an exchange about the account is under way
	sent  uint64    // Takes sent
	seen  uint64    // the last of them that was answered
	wants bool      // it is in Book.wanted
	least int64     // what the next Take needs for calls that wait in another account's queue
	most  int64
	later bool          // the truth will be asked again for those who wait
	pause time.Duration // before that

	low    int64 // the least that was free since it was last looked at
	slice  int64 // taken beyond need, while the account is in much use
	takeAt time.Time
	usedAt time.Time

	class class
	due   time.Time     // when it is looked at
	lined [classes]bool // it is in Book.aging
}

const (
	// fresh is how long what the truth said of an account decides about calls that need nothing of it.
	fresh = time.Second
	// plenty: while the room is so many times what is asked, calls get their most and replicas get slices.
	plenty = 256
	// sliceShare is the part of the room that the slice of an account in much use may be.
	sliceShare = 16
	// slowSlice is how many calls the slice of an account in little use is for.
	slowSlice = 8
	// unheardShare is the part of a budget that calls may take while the truth does not answer and nothing is known of it.
	unheardShare = 16
)

// roll ends a window or period that is over by the clock here.
func (a *account) roll(now time.Time) {
	if a.resetAt.IsZero() || now.Before(a.resetAt) {
		return
	}
	switch a.kind {
	case Rate:
		a.free, a.low = 0, 0
		a.windows++
	case Money:
		a.passed = false
	case Slots:
	}
	a.used, a.resetAt, a.asOf = 0, time.Time{}, time.Time{}
}

// standing tells how the account stands.
func (a *account) standing() Standing {
	return Standing{Used: a.spent(), Cap: a.cap, ResetAt: a.resetAt}
}

// spent is what counts against the cap and does not come back by itself.
func (a *account) spent() int64 {
	switch a.kind {
	case Rate:
		return a.used - a.free
	case Slots:
		return max(a.held, a.leased-max(0, a.free))
	}
	return a.used
}

// room is how much the truth has left to lease, as far as known.
func (a *account) room() int64 {
	switch {
	case a.asOf.IsZero():
		return 0
	case a.kind == Rate:
		return max(0, a.cap-a.used)
	case a.kind == Slots:
		return max(0, a.cap-a.leased)
	}
	return max(0, a.cap-a.used-a.leased)
}

// tight reports whether others may miss what lies idle here.
func (a *account) tight() bool {
	return a.free > a.room()/plenty
}

// share is how much of a line's span a call should get: its most while the room is ample or few calls are under way, else
// less, so that many that begin at once find room.
func (a *account) share(l *Line, ahead int64) int64 {
	if l.Most <= l.Least {
		return l.Least
	}
	most := l.Most
	if !a.asOf.IsZero() {
		room := a.room() + max(0, a.free)
		n := a.holds + ahead + 1
		most = min(max(l.Most/(n*n), room/plenty), room/2, l.Most)
	}
	return max(l.Least, most)
}

// allowance is how much calls may take when the truth does not answer: what is left by all that is known here. Of money of
// which nothing is known, since no call has asked for it here lately, it is a part of the cap: it may be spent already.
func (a *account) allowance(limit int64) int64 {
	switch {
	case a.kind == Slots:
		return limit - a.held
	case a.kind == Money && !a.heard:
		limit /= unheardShare
	}
	return limit - a.spent() - a.held
}

// known reports whether a call that needs nothing may be judged by what is known.
func (a *account) known(now time.Time) bool {
	return !a.asOf.IsZero() && now.Sub(a.asOf) < fresh
}

// ask is what the next Take asks for, for those who wait.
func (a *account) ask() Ask {
	q := Ask{Account: a.name, Kind: a.kind, Cap: a.cap, Window: a.window, Period: a.period, ResetAt: a.periodEnd}
	need, want := a.least, a.most
	if len(a.queue) > 0 {
		// The first must not be refused for what another one wants, who may have left meanwhile.
		need = a.queue[0].lines[a.queue[0].at].Least
	}
	for i, w := range a.queue {
		l := &w.lines[w.at]
		if want += a.share(l, int64(i)); want < 0 {
			want = math.MaxInt64
		}
	}
	slice := max(min(a.slice, a.room()/sliceShare), min(slowSlice*need, a.room()/plenty))
	if want > math.MaxInt64/2 {
		slice = 0
	}
	q.Need = max(0, need-a.free)
	q.Want = max(q.Need, want+slice-a.free)
	return q
}

// grow makes the slice larger while the account is asked for often, and lets it go when it is not.
func (a *account) grow(need int64, now time.Time) {
	if now.Sub(a.takeAt) < fresh {
		a.slice = min(max(2*a.slice, 4*need), math.MaxInt64/4)
	} else {
		a.slice /= 4
	}
	a.takeAt = now
}
