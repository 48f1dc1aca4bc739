package quota

// Hold is what a call has taken. End it once. Safe for concurrent use.
type Hold struct {
	book  *Book
	lines []part
	few   [6]part // keeps most holds at no allocation of their own
	// The mutex of book guards these and what lines point to.
	open, ended bool
}

// part is a hold's part of one account.
type part struct {
	account *account
	amount  int64
	window  uint64 // of a Rate: the window that it was taken in
}

// Amount is how much of line i is held.
func (h *Hold) Amount(i int) int64 {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	return h.lines[i].amount
}

// Standing tells how the account of line i stands.
func (h *Hold) Standing(i int) Standing {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	h.lines[i].account.roll(h.book.now())
	return h.lines[i].account.standing()
}

// Correct says that the call has used so much of line i, which is a Rate. What was taken too much comes back within the
// same window; what was taken too little is counted in the window that is open now.
func (h *Hold) Correct(i int, used int64) {
	b := h.book
	b.mu.Lock()
	defer b.unlock()
	p := &h.lines[i]
	if h.ended || !h.open || p.account.kind != Rate {
		return
	}
	now := b.now()
	p.account.roll(now)
	back := p.amount - used
	p.amount = used
	if back > 0 && p.window != p.account.windows {
		return
	}
	b.credit(p.account, back, now)
}

// End gives the hold up: Slots are free, and of Money the cost is used up and the rest is free. It reports whether the
// hold was open; only then it had an effect.
func (h *Hold) End(cost int64) bool {
	b := h.book
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.unlock()
	if !h.open || h.ended {
		return false
	}
	h.ended = true
	b.stats.Holds--
	now := b.now()
	for i := range h.lines {
		p := &h.lines[i]
		a := p.account
		a.roll(now)
		a.holds--
		switch a.kind {
		case Money:
			a.held -= p.amount
			a.used += cost
			a.pending += cost
			b.credit(a, p.amount-cost, now)
		case Slots:
			a.held -= p.amount
			b.credit(a, p.amount, now)
		case Rate:
		}
	}
	return true
}

// Passed tells how line i stands, and whether that is at or over the level for the first time in its period, as far as
// this replica has seen.
func (h *Hold) Passed(i int, level int64) (s Standing, first bool) {
	h.book.mu.Lock()
	defer h.book.mu.Unlock()
	a := h.lines[i].account
	s = a.standing()
	over := s.Used >= level
	first = over && !a.passed
	a.passed = over
	return s, first
}
