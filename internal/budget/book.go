package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/quota"
	"tollgate/internal/record"
)

// ErrUnavailable says that nobody knows what is left of a budget, since the store does not answer, and that the operator
// would rather refuse than guess (FailClosed).
var ErrUnavailable = quota.ErrUnavailable

// patience is how long the truth may take. It is long, since what comes after it is guessing.
const patience = 5 * time.Second

// DefaultWait is how long a call waits for what other calls hold.
const DefaultWait = 2 * time.Second

// Options say how a Book decides.
type Options struct {
	// Replica is the id that the truth is bound to: Booked counts that replica's calls alone. "" counts all.
	Replica string
	// Wait is how long a call waits where nothing but other calls' holds stands in its way. 0 = DefaultWait, below 0 = not at all.
	Wait time.Duration
	// FailClosed refuses with ErrUnavailable while the truth does not answer. Otherwise calls are admitted by what was
	// last known: spent, held here and settled here.
	FailClosed bool
	// Estimate holds the expected cost of a call in place of its worst case, where the Ask has one.
	Estimate bool
	// Alert hears of a soft budget that was passed: once a period and replica. It must not block. nil = logged alone.
	Alert func(Alert)
	// Spend books a settled cost at the truth, where no ledger does: a gateway without a database. The account is the
	// truth's, "budget:" and the scope. It must not block. nil = the ledger books, and Booked says so.
	Spend func(account string, cost money.USD)
	Log   *slog.Logger // nil = slog.Default
}

// Alert says that a scope has spent more than its soft budget.
type Alert struct {
	Counter   account.Scope
	Spent     money.USD
	Soft, Cap money.USD
	ResetAt   time.Time // when the period ends; zero = never
}

// Ask is what a call may cost.
type Ask struct {
	Worst money.USD // the most it can cost; 0 = no price is known
	// Least is an amount with which the call can begin, and which its output is then cut to. 0 = Worst: all or nothing.
	Least money.USD
	// Expected is what such a call costs as a rule, for Options.Estimate. 0 = not known.
	Expected money.USD
}

// Exceeded refuses a call: 429 budget_exceeded.
type Exceeded struct {
	Scope   Scope
	Spent   money.USD // what the ledger has, and what has been settled and is on its way there
	Cap     money.USD
	Held    money.USD // leased by all replicas for calls under way, as far as known
	Needed  money.USD // what the call had to have
	ResetAt time.Time // when the period ends; zero = never
	Message string    // for the caller: the scope's Refusal
}

// Error returns the message.
func (e *Exceeded) Error() string { return e.Message }

// Book keeps the budgets of one replica. Safe for concurrent use.
type Book struct {
	quota   *quota.Book
	options atomic.Pointer[Options]
}

// New returns a Book over the truth. Call Start before the first Reserve, and Close at the end.
func New(truth quota.Truth, o Options) *Book {
	b := &Book{quota: quota.NewBook(truth, quota.Options{Name: "budgets", Timeout: patience, Log: o.Log})}
	b.Configure(o)
	return b
}

// Configure changes the options, for the calls that come after it. Replica, Spend and Log stay as they were.
func (b *Book) Configure(o Options) {
	switch {
	case o.Wait == 0:
		o.Wait = DefaultWait
	case o.Wait < 0:
		o.Wait = 0
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if old := b.options.Load(); old != nil {
		o.Replica, o.Spend, o.Log = old.Replica, old.Spend, old.Log
	}
	b.options.Store(&o)
	b.quota.FailClosed(o.FailClosed)
}

// Start begins the background work: it tells the truth that the replica lives and gives back what lies idle.
func (b *Book) Start() { b.quota.Start() }

// Close gives back what is not held and ends the background work. Calls should have settled before.
func (b *Book) Close(ctx context.Context) error { return b.quota.Close(ctx) }

// Reserve holds what the call may cost on all scopes, or on none. It waits for other calls to settle where nothing but
// their holds stands in the way. The error is *Exceeded, ErrUnavailable or the context's.
func (b *Book) Reserve(ctx context.Context, scopes []Scope, ask Ask) (*Hold, error) {
	o := b.options.Load()
	least, most := ask.bounds(o.Estimate)
	h := &Hold{book: b, scopes: scopes}
	var few [4]quota.Line // on the stack
	lines := few[:0]
	for i := range scopes {
		lines = append(lines, line(&scopes[i], least, most))
	}
	err := b.quota.Acquire(ctx, &h.hold, lines, o.Wait)
	if err == nil {
		return h, nil
	}
	var short *quota.Short
	if errors.As(err, &short) {
		return nil, exceeded(scopes[short.Line], short)
	}
	return nil, err
}

// bounds are the least and the most to hold.
func (a Ask) bounds(estimate bool) (least, most money.USD) {
	if estimate && a.Expected > 0 {
		amount := min(a.Expected, a.Worst)
		return amount, amount
	}
	if a.Least <= 0 || a.Least > a.Worst {
		return a.Worst, a.Worst
	}
	return a.Least, a.Worst
}

// line is the account of a scope in the truth.
func line(s *Scope, least, most money.USD) quota.Line {
	l := quota.Line{Key: key(s.Counter), Kind: quota.Money, Cap: int64(s.Cap), Least: int64(least), Most: int64(most), Period: s.Duration}
	if s.ResetAt != nil {
		l.ResetAt = *s.ResetAt
	}
	return l
}

func key(s account.Scope) quota.Key { return quota.Key{Unit: "budget", Name: string(s)} }

func exceeded(s Scope, short *quota.Short) *Exceeded {
	e := &Exceeded{Scope: s, Spent: money.USD(short.Used), Cap: s.Cap, Held: money.USD(short.Leased), Needed: money.USD(short.Need), ResetAt: short.ResetAt}
	e.Message = refusal(s.Refusal, e.Spent, e.Cap)
	return e
}

// DefaultRefusal is LiteLLM's text for a budget that has no text of its own.
const DefaultRefusal = "Budget has been exceeded! Current cost: {spent}, Max budget: {cap}"

// refusal fills a scope's text in.
func refusal(text string, spent, limit money.USD) string {
	if text == "" {
		text = DefaultRefusal
	}
	return strings.NewReplacer(
		"{spent}", spent.PythonFloat(), "{cap}", limit.PythonFloat(),
		"{spent4}", decimals(spent, 4), "{cap2}", decimals(limit, 2),
		"{spent6}", decimals(spent, 6), "{cap6}", decimals(limit, 6),
	).Replace(text)
}

func decimals(u money.USD, n int) string { return strconv.FormatFloat(u.Float64(), 'f', n, 64) }

// Spent is what is known here of a scope: what the ledger has, what has been settled and is on its way there, and the cap.
// known is false for a scope that no call has been counted on lately.
func (b *Book) Spent(s account.Scope) (spent, limit money.USD, known bool) {
	standing, known := b.quota.Standing(key(s))
	return money.USD(standing.Used), money.USD(standing.Cap), known
}

// Booked says that the ledger has written the calls, or found them written, or dropped them.
func (b *Book) Booked(calls []record.Call) {
	replica := b.options.Load().Replica
	for i := range calls {
		c := &calls[i]
		if c.Cost == 0 || replica != "" && c.Replica != replica {
			continue
		}
		for _, s := range c.Charges {
			b.quota.Booked(key(s), int64(c.Cost))
		}
	}
}

// Changed says what was changed in the store: of counters that were set by hand, the spend is asked for anew; where it is not
// known which were, of all.
func (b *Book) Changed(changes []account.Change) {
	for _, c := range changes {
		switch c.Kind {
		case "":
			b.quota.Doubt(key(account.Scope(c.ID)))
		case account.Everything:
			b.quota.DoubtAll()
		}
	}
}

// Stats are figures for metrics and tests.
func (b *Book) Stats() quota.Stats { return b.quota.Stats() }

// Held is how many holds are open: 0 when no call is under way, whatever happened to the calls before.
func (b *Book) Held() int { return b.quota.Stats().Holds }

// settled books what no ledger will, and looks at the soft budgets.
func (b *Book) settled(h *Hold, cost money.USD) {
	if spend := b.options.Load().Spend; spend != nil {
		for i := range h.scopes {
			k := key(h.scopes[i].Counter)
			spend(k.String(), cost)
			b.quota.Booked(k, int64(cost))
		}
	}
	b.raise(h)
}

// raise tells of soft budgets that this settlement has passed.
func (b *Book) raise(h *Hold) {
	o := b.options.Load()
	for i := range h.scopes {
		s := &h.scopes[i]
		if s.Soft <= 0 {
			continue
		}
		standing, first := h.hold.Passed(i, int64(s.Soft))
		if !first {
			continue
		}
		alert := Alert{Counter: s.Counter, Spent: money.USD(standing.Used), Soft: s.Soft, Cap: s.Cap, ResetAt: standing.ResetAt}
		o.Log.Warn("soft budget passed", "scope", string(s.Counter), "spent", alert.Spent.String(), "soft_budget", s.Soft.String())
		if o.Alert != nil {
			o.Alert(alert)
		}
	}
}

// String names the scope and the sum, for logs.
func (e *Exceeded) String() string {
	return fmt.Sprintf("%s: spent %s of %s, held %s, needed %s", e.Scope.Counter, e.Spent, e.Cap, e.Held, e.Needed)
}
