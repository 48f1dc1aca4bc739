// Package importer brings a LiteLLM database into the store: who may call and who pays, what is stored of the
// configuration, what was spent, and the ledger. LiteLLM's database is only read. Callers' keys go on working, since both
// keep the same hash of them.
//
// An import may be ended at any moment and run again: what is there already stays as it is, a row is booked once, and what
// was spent on an object is taken over with it, once.
package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/seal"
)

// Target is where everything goes: the store.
type Target interface {
	account.Store
	// ImportRows books rows without charging anybody. A row that is there is left out.
	ImportRows(ctx context.Context, rows []ledger.Row) (booked int, err error)
	// ImportCounters takes over what was spent on scopes. Called again, it raises totals and changes nothing else.
	ImportCounters(ctx context.Context, counters map[account.Scope]account.Counter) error
	// ImportUsage sets the usage of a day that has no rows; done is false where it has some.
	ImportUsage(ctx context.Context, day time.Time, by []ledger.Dimension, lines []ledger.Usage) (done bool, err error)
	// KeptSince is the time before which rows have left the ledger; zero when none has.
	KeptSince(ctx context.Context) (time.Time, error)
	Rows(ctx context.Context, q ledger.RowQuery, each func(*ledger.Row) error) error
	Prune(ctx context.Context, before time.Time, progress func(removed int64)) (int64, error)
}

// Options say what is brought, and where.
type Options struct {
	Source *pgx.Conn // a connection to LiteLLM's database
	Target Target    // nil = everything is read, and nothing written
	// Opener opens LiteLLM's secrets: it is made of LITELLM_SALT_KEY, or of the master key where LiteLLM had none. Sealer
	// seals them anew. Without one of them what holds secrets is left behind.
	Opener, Sealer *seal.Sealer
	// MasterKey is the hash of LiteLLM's master key, under which older versions booked its calls; "" = not known.
	MasterKey string
	Since     time.Time // spend rows from this time on; zero = all
	// Progress is told how far a step is; all is 0 where nobody knows. nil = nobody is told.
	Progress func(step string, done, all int64)
}

// ErrNotLiteLLM says that the database has none of LiteLLM's tables.
var ErrNotLiteLLM = errors.New("importer: the database has no table LiteLLM_VerificationToken: it is none of LiteLLM's, or the URL names another schema")

// Import brings everything. The report is not nil even when there is an error: it says how far it came.
func Import(ctx context.Context, o Options) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	r := &run{
		o: o, report: newReport(), periods: map[string]account.Spending{}, memberBudgets: map[string]string{},
		totals: map[account.Scope]money.USD{}, scopes: map[account.Scope]bool{}, underWay: map[account.Scope][]window{},
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"reading the schema", r.probe}, {"objects", r.objects}, {"audit log", r.audit}, {"spend rows", r.rows},
		{"usage of days without rows", r.usage}, {"totals", r.raiseTotals}, {"what is left behind", r.leftBehind},
	}
	for _, step := range steps {
		if err := step.do(ctx); err != nil {
			return r.report, fmt.Errorf("importer: %s: %w", step.what, err)
		}
	}
	return r.report, nil
}

// run is one import. It is used by one goroutine, but for the reading of rows.
type run struct {
	o      Options
	source schema
	report *Report

	periods       map[string]account.Spending // of budgets, by their ids
	memberBudgets map[string]string           // the budget that a team gives to each member, by the team
	// totals are the sums of what was booked, by who paid; scopes are the counters of objects that were brought, and
	// underWay the windows of keys and teams that count rows of now.
	totals   map[account.Scope]money.USD
	scopes   map[account.Scope]bool
	underWay map[account.Scope][]window
}

// window is a further budget of an object, under way.
type window struct {
	scope    account.Scope
	from, to time.Time
}

func (r *run) dry() bool { return r.o.Target == nil }

// together is how many objects are written in one transaction.
const together = 500

// brought is an object on its way, with what was spent on it. Object may be nil.
type brought struct {
	account.Object
	counters map[account.Scope]account.Counter
}

// put writes objects that are not there yet. Counters go first: an object whose spend is not there yet could spend anew.
func (r *run) put(ctx context.Context, line *Line, batch []brought) error {
	counters := map[account.Scope]account.Counter{}
	for _, b := range batch {
		for scope, c := range b.counters {
			counters[scope] = c
			r.scopes[scope] = true
		}
	}
	batch = slices.DeleteFunc(batch, func(b brought) bool { return b.Object == nil })
	if r.dry() {
		line.Brought += int64(len(batch))
		return nil
	}
	if len(counters) > 0 {
		if err := r.o.Target.ImportCounters(ctx, counters); err != nil {
			return err
		}
	}
	var done outcome
	err := r.o.Target.Update(ctx, func(tx account.Tx) error {
		done = outcome{} // the change may run again
		for _, b := range batch {
			if err := done.insert(ctx, tx, b.Object); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	line.Brought += done.brought
	line.There += done.there
	for _, l := range done.left {
		r.report.leave(l.what, l.why, l.name)
		if l.whole {
			line.Left++
		}
	}
	return nil
}

// outcome is what became of the objects of a transaction.
type outcome struct {
	brought, there int64
	left           []leaving
}

// leaving is something that stays behind: an object, or a part of one.
type leaving struct {
	what, why, name string
	whole           bool
}

// insert writes an object, unless its id is there. What else must be unique here and need not be in LiteLLM's database
// gives way.
func (d *outcome) insert(ctx context.Context, tx account.Tx, o account.Object) error {
	err := tx.Insert(ctx, o)
	if !errors.Is(err, account.ErrExists) {
		if err == nil {
			d.brought++
		}
		return err
	}
	there, err := exists(ctx, tx, o)
	if err != nil {
		return err
	}
	if there {
		d.there++
		return nil
	}
	const taken = "another one has the same, and here it must be unique"
	switch o := o.(type) {
	case *account.Key:
		d.left = append(d.left, leaving{"the alias of a key, which gets its hash behind it", taken, o.KeyAlias, false})
		o.KeyAlias += "-" + o.Token[:min(len(o.Token), 8)]
	case *account.User:
		d.left = append(d.left, leaving{"sso_user_id of a user", taken, o.UserID, false})
		o.SSOUserID = ""
	default:
		d.left = append(d.left, leaving{string(o.Kind()), taken, o.ObjectID(), true})
		return nil
	}
	if err := tx.Insert(ctx, o); err != nil {
		return err
	}
	d.brought++
	return nil
}

// exists reports whether an object of the kind has the id.
func exists(ctx context.Context, tx account.Tx, o account.Object) (bool, error) {
	err := tx.Get(ctx, o.ObjectID(), blank(o))
	if errors.Is(err, account.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// raiseTotals gives every object that was brought what its rows and days add up to, where LiteLLM's own number is less: it
// starts anew with each period.
func (r *run) raiseTotals(ctx context.Context) error {
	if r.dry() {
		return nil
	}
	counters := map[account.Scope]account.Counter{}
	done := 0
	flush := func() error {
		err := r.o.Target.ImportCounters(ctx, counters)
		clear(counters)
		if done > 0 {
			r.o.Progress("totals", int64(done), int64(len(r.totals)))
		}
		return err
	}
	for scope, total := range r.totals {
		done++
		if !r.scopes[scope] && scope != account.GlobalScope {
			continue
		}
		c := account.Counter{Total: total}
		if _, _, window, _ := scope.Parts(); window != "" {
			c.Spent = total
		}
		if counters[scope] = c; len(counters) == together {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// add counts money under all who paid it.
func (r *run) add(spend money.USD, scopes ...account.Scope) {
	for _, scope := range scopes {
		sum, err := r.totals[scope].Add(spend)
		if err != nil {
			sum = money.Max
		}
		r.totals[scope] = sum
	}
}
