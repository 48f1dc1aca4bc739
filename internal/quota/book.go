package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrUnavailable says that the truth does not answer and that the Book was told to refuse then.
var ErrUnavailable = errors.New("quota: the store of budgets and limits is not available")

// Key names an account in parts, so that a call builds no text.
type Key struct{ Unit, Group, Name string }

// String is the account's name in the truth: the parts joined by colons, without an empty group.
func (k Key) String() string {
	if k.Group == "" {
		return k.Unit + ":" + k.Name
	}
	return strings.Join([]string{k.Unit, k.Group, k.Name}, ":")
}

// Line is what a call wants of one account.
type Line struct {
	Key  Key
	Kind Kind
	Cap  int64
	// Least is what the call cannot begin without. Where Most is more, it gets as much up to that as leaves room for others;
	// all lines of a call whose Most is more than their Least get the same amount. Least 0 is admitted while less than Cap is
	// used.
	Least, Most int64
	Window      time.Duration // of a Rate
	Period      string        // of Money
	ResetAt     time.Time     // of Money
}

// Short is the error of Acquire when an account has not enough left.
type Short struct {
	Line    int   // the index of the line
	Used    int64 // Money: spent; Rate: counted in this window; Slots: in use by all replicas
	Leased  int64 // Money, Slots: leased to all replicas, as last heard
	Cap     int64
	Need    int64
	ResetAt time.Time
}

// Error says what was short.
func (s *Short) Error() string {
	return fmt.Sprintf("quota: %d needed, %d of %d used", s.Need, s.Used, s.Cap)
}

// Standing is how an account stands, as far as this replica knows.
type Standing struct {
	Used, Cap int64 // as in Short
	ResetAt   time.Time
}

// Stats are figures of a Book.
type Stats struct {
	Accounts int    // in memory
	Holds    int    // open
	Waiting  int    // calls that wait
	Takes    uint64 // asks sent to the truth
	Gives    uint64 // gives sent to the truth
	Errors   uint64 // times that the truth did not answer
	Down     bool   // the truth did not answer when it was asked last
}

// Options of a Book.
type Options struct {
	Name    string           // what it keeps, for the log
	Timeout time.Duration    // how long the truth may take until it counts as away; 0 = 2 s
	Log     *slog.Logger     // nil = slog.Default
	Now     func() time.Time // nil = time.Now
}

// Book keeps a replica's slices of accounts, so that most calls are admitted without asking the truth. Safe for
// concurrent use.
//
// It is a state machine behind one mutex: what happens (a call arrives, waits no longer, ends; an answer of the truth; a
// tick) changes the accounts and leaves exchanges with the truth in outbox, which are run after the mutex is let go.
type Book struct {
	truth   Truth
	name    string
	timeout time.Duration
	log     *slog.Logger
	now     func() time.Time
	// run runs an exchange with the truth, later, and hands its answer to b.answer. The simulation puts its own here.
	run func(*exchange)
	// soon calls f after d.
	soon func(d time.Duration, f func())

	life    context.Context // of the background work
	stop    context.CancelFunc
	running sync.WaitGroup // exchanges and the ticker

	mu       sync.Mutex
	accounts map[Key]*account
	aging    [classes][]aged
	wanted   []*account // a Take of these is due
	inFlight int        // Takes under way
	outbox   []*exchange
	seq      uint64 // of waiters
	closed   bool   // the background work has ended: nothing is asked any more

	failClosed bool
	down       bool
	probeAt    time.Time // while down: when the truth is tried again

	ttl      time.Duration // of the leases; 0 = for ever
	beatAt   time.Time     // when the last Beat that was answered was sent
	lapsedAt time.Time     // the beatAt that is known to be too long ago
	beating  bool
	epoch    uint64 // counts the times that the leases have lapsed

	stats Stats
}

// NewBook returns a Book over the truth.
func NewBook(truth Truth, o Options) *Book {
	b := &Book{truth: truth, name: o.Name, timeout: o.Timeout, log: o.Log, now: o.Now, accounts: make(map[Key]*account), ttl: truth.TTL(), epoch: 1}
	if b.timeout == 0 {
		b.timeout = 2 * time.Second
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	b.life, b.stop = context.WithCancel(context.Background())
	b.run = b.runInBackground
	b.soon = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	return b
}

// FailClosed says whether calls are refused with ErrUnavailable while the truth does not answer. Otherwise they are
// admitted by what this replica knows, and what they use is made good when the truth is back.
func (b *Book) FailClosed(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failClosed = yes
}

// Acquire takes what the lines want into h, which is new, of all accounts or of none. It waits up to wait where what is
// in the way may go away; calls are served in the order in which they came. The error is *Short, ErrUnavailable or the
// context's.
func (b *Book) Acquire(ctx context.Context, h *Hold, lines []Line, wait time.Duration) error {
	h.book = b
	h.lines = h.few[:0]
	b.mu.Lock()
	now := b.now()
	for i := range lines {
		h.lines = append(h.lines, part{account: b.account(&lines[i], now)})
	}
	if b.try(h, lines, asItComes, false, now) < 0 {
		b.unlock()
		return nil
	}
	return b.wait(ctx, &waiter{hold: h, lines: slices.Clone(lines), final: wait <= 0}, wait)
}

// Extend takes more into an open hold, of all its accounts or of none. It comes before calls that wait to begin.
func (b *Book) Extend(ctx context.Context, h *Hold, lines []Line, wait time.Duration) error {
	b.mu.Lock()
	if h.ended {
		b.unlock()
		return ErrUnavailable
	}
	if b.try(h, lines, 0, false, b.now()) < 0 {
		b.unlock()
		return nil
	}
	return b.wait(ctx, &waiter{hold: h, lines: slices.Clone(lines), extends: true, final: wait <= 0}, wait)
}

// wait queues w and waits until it is served, refused, or its time is over. It is called with the mutex held.
func (b *Book) wait(ctx context.Context, w *waiter, wait time.Duration) error {
	w.done = make(chan struct{})
	b.submit(w, b.now())
	b.unlock()
	var late <-chan time.Time
	if !w.final {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-w.done:
			return w.err
		case <-late:
			late = nil
			b.mu.Lock()
			b.hurry(w, b.now())
			b.unlock()
		case <-ctx.Done():
			b.mu.Lock()
			b.withdraw(w, b.now())
			b.unlock()
			return ctx.Err()
		}
	}
}

// Standing tells how an account stands; known is false for one that is not in memory.
func (b *Book) Standing(k Key) (s Standing, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.accounts[k]
	if a == nil {
		return Standing{}, false
	}
	a.roll(b.now())
	return a.standing(), !a.asOf.IsZero()
}

// Booked says that the ledger has booked an amount of a Money account, so that it is no longer on its way there.
func (b *Book) Booked(k Key, amount int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.accounts[k]; a != nil {
		a.pending = max(0, a.pending-amount)
	}
}

// Doubt says that what is known of an account may no longer be true: it is asked for before the next call is admitted.
func (b *Book) Doubt(k Key) {
	b.mu.Lock()
	defer b.unlock()
	if a := b.accounts[k]; a != nil {
		a.asOf = time.Time{}
		a.recheck = true
		b.giveAll(a)
	}
}

// DoubtAll is Doubt of all accounts. What is free goes back account by account, when a call comes or it has lain idle.
func (b *Book) DoubtAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.accounts {
		a.asOf = time.Time{}
		a.recheck = a.recheck || a.free > 0
	}
}

// Stats returns figures.
func (b *Book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Accounts, s.Down = len(b.accounts), b.down
	return s
}

// unlock lets the mutex go and starts the exchanges that have become due.
func (b *Book) unlock() {
	b.dispatch()
	out := b.outbox
	b.outbox = nil
	b.mu.Unlock()
	for _, x := range out {
		b.run(x)
	}
}

// account finds or makes the account of a line.
func (b *Book) account(l *Line, now time.Time) *account {
	a := b.accounts[l.Key]
	if a == nil {
		a = &account{key: l.Key, name: l.Key.String(), kind: l.Kind, cap: l.Cap, epoch: b.epoch}
		b.accounts[l.Key] = a
		b.age(a, settling, now)
	}
	if l.Cap < a.cap && a.free > 0 {
		a.recheck = true // what is leased may be more than the cap allows now
		b.giveAll(a)
	}
	a.cap, a.window, a.period, a.periodEnd = l.Cap, l.Window, l.Period, l.ResetAt
	a.usedAt = now
	return a
}
