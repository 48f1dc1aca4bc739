package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/alert"
	"tollgate/internal/budget"
	"tollgate/internal/callback"
	"tollgate/internal/config"
	"tollgate/internal/gateway"
	"tollgate/internal/jobs"
	"tollgate/internal/ledger"
	"tollgate/internal/limit"
	"tollgate/internal/money"
	"tollgate/internal/quota"
	"tollgate/internal/record"
	"tollgate/internal/redis"
	"tollgate/internal/seal"
	"tollgate/internal/spool"
	"tollgate/internal/store"
)

// rooms live as long as the process, whatever is reloaded: what is stored, counted and booked.
type rooms struct {
	store     *store.Store   // nil = no database
	memory    *quota.Memory  // where budgets are counted without a database
	redis     *redis.Client  // nil = none
	ledger    *ledger.Ledger // nil exactly when store is
	callbacks *callback.Hub
	directory *access.Directory
	budgets   *budget.Book
	limits    *limit.Limiter
	sealer    *seal.Sealer // nil without a key to seal with
	admin     *admin.API
	jobs      *jobs.Group
	holders   holders
	alerts    *alert.Alerter

	stop     context.CancelFunc // ends the watch
	watching sync.WaitGroup
}

const (
	// leaseTTL is how long what a replica holds of budgets outlives its last sign of life.
	leaseTTL = 30 * time.Second
	// patience is how long a start waits for a database that does not answer.
	patience = time.Minute
)

// openRooms opens what outlives a configuration. What is opened is in a.rooms even when it fails.
func (a *App) openRooms(ctx context.Context, cfg *config.Config) error {
	zone, err := time.LoadLocation(cfg.Litellm.Timezone)
	if err != nil {
		return fmt.Errorf("app: litellm_settings.timezone: %w", err)
	}
	r := &a.rooms
	if err := a.openStore(ctx, cfg, zone); err != nil {
		return err
	}
	dollars, counts, err := a.truths(cfg, zone)
	if err != nil {
		return err
	}
	o := a.budgetOptions(cfg)
	if r.memory != nil { // no ledger books what was spent
		o.Spend = func(account string, cost money.USD) { r.memory.Spend(a.replica, account, int64(cost)) }
	}
	o.Replica, o.Log = a.replica, a.log
	r.budgets = budget.New(dollars, o)
	r.limits = limit.New(counts, limit.Options{Log: a.log})
	r.budgets.Start()
	r.limits.Start()
	a.startAlerts()
	if err := a.openLedger(cfg); err != nil {
		return err
	}
	return a.openAccounts(cfg)
}

// openStore opens the database that the configuration names, else the file in the data directory.
func (a *App) openStore(ctx context.Context, cfg *config.Config, zone *time.Location) error {
	g := &cfg.General
	if a.opts.NoDatabase || g.DatabaseURL.Empty() && a.opts.DataDir == "" {
		return nil
	}
	o := store.Options{URL: g.DatabaseURL.Reveal(), Dir: a.opts.DataDir, Log: a.log, Location: zone, Replica: a.replica}
	o.MaxConns = deref(g.DatabaseConnections)
	o.ConnectTimeout = deref(g.DatabaseTimeout)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		s, err := a.tryStore(ctx, o, !g.DisableSchemaUpdate)
		if err == nil {
			a.rooms.store = s
			return nil
		}
		if !errors.Is(err, account.ErrUnavailable) {
			return fmt.Errorf("app: the database: %w", err)
		}
		a.log.Warn("the database does not answer; trying again", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("app: the database did not answer for %s: %w", patience, err)
		}
	}
}

func (a *App) tryStore(ctx context.Context, o store.Options, migrate bool) (*store.Store, error) {
	s, err := store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if migrate {
		err = s.Migrate(ctx)
	} else {
		err = s.Check(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// truths are where replicas agree on money, and on requests, tokens and slots: Redis where it is configured, the database,
// or, with neither, this process alone.
func (a *App) truths(cfg *config.Config, zone *time.Location) (dollars, counts quota.Truth, err error) {
	r := &a.rooms
	if r.store != nil {
		dollars = r.store.Truth(a.replica, leaseTTL)
	} else {
		r.memory = quota.NewMemory(quota.MemoryOptions{Next: func(period string, from time.Time) time.Time {
			end, _ := budget.Next(period, from, zone) // checked when the configuration was read
			return end
		}})
		dollars = r.memory.Replica(a.replica)
	}
	counts = dollars
	o, configured, err := a.redisOptions(cfg)
	if err != nil {
		return nil, nil, err
	}
	if configured {
		if r.redis, err = redis.Open(o); err != nil {
			return nil, nil, fmt.Errorf("app: Redis: %w", err)
		}
		counts = r.redis.Truth(a.replica, leaseTTL)
	}
	if !configured && r.store == nil {
		a.log.Info("limits and budgets are counted in this process alone: neither a database nor Redis is connected")
	}
	return dollars, counts, nil
}

func (a *App) budgetOptions(cfg *config.Config) budget.Options {
	t := &cfg.Tollgate
	o := budget.Options{Alert: a.softBudget, Wait: t.BudgetWait, FailClosed: cfg.General.FailClosedBudget, Estimate: estimates(cfg)}
	if t.BudgetWait == 0 {
		o.Wait = -1
	}
	return o
}

// estimates reports whether budgets hold what calls are expected to cost.
func estimates(cfg *config.Config) bool {
	return cfg.Tollgate.BudgetMode == "estimate" || cfg.General.DisableReservation
}

// openLedger opens the spool and the writer that takes it to the store.
func (a *App) openLedger(cfg *config.Config) error {
	r := &a.rooms
	if r.store == nil {
		return nil
	}
	t := &cfg.Tollgate
	dir, quarantine := "", ""
	o := spool.Options{Sync: spool.Sync(t.SpoolSync), Log: a.log, Damaged: a.opts.Metrics.SpoolDamaged}
	if a.opts.DataDir != "" {
		dir, quarantine = filepath.Join(a.opts.DataDir, "spool"), filepath.Join(a.opts.DataDir, "quarantine.jsonl")
		o.MaxBytes = int64(t.SpoolMaxMB) << 20 // in memory the spool's own bound holds
	}
	s, err := spool.Open(dir, o)
	if err != nil {
		if errors.Is(err, spool.ErrLocked) {
			return fmt.Errorf("app: another gateway uses %s; give this one a folder of its own with --data-dir: %w", a.opts.DataDir, err)
		}
		return fmt.Errorf("app: %w", err)
	}
	l, err := ledger.Open(ledger.Options{
		Spool: s, Sink: bookkeeper{r.store, r.budgets}, Policy: ledger.Policy(t.SpoolFull), Quarantine: quarantine, Log: a.log,
		Dropped: func(c *record.Call) { r.budgets.Booked([]record.Call{*c}) }, Observer: ledgerWatch{a.opts.Metrics, r.alerts},
	})
	if err != nil {
		return fmt.Errorf("app: %w", errors.Join(err, s.Close()))
	}
	r.ledger = l
	return nil
}

// bookkeeper writes calls to the store and tells the budgets, whose spend has moved from here to there.
type bookkeeper struct {
	store   *store.Store
	budgets *budget.Book
}

// Write implements ledger.Sink.
func (b bookkeeper) Write(ctx context.Context, calls []record.Call) (int, error) {
	n, err := b.store.Write(ctx, calls)
	if err == nil {
		b.budgets.Booked(calls)
	}
	return n, err
}

// openAccounts opens what knows keys and manages them.
func (a *App) openAccounts(cfg *config.Config) error {
	r := &a.rooms
	if err := a.openSealer(cfg); err != nil {
		return err
	}
	var reader account.Reader
	o := access.DirectoryOptions{Log: a.log}
	if r.store != nil {
		reader, o.LastSync = r.store, r.store.LastSync
	}
	r.directory = access.NewDirectory(reader, o)
	r.admin = admin.New(a.adminOptions())
	return nil
}

// begin starts the work in the background, once the gateway is made that some of it asks.
func (r *rooms) begin(a *App) {
	if r.store == nil {
		return
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.watching.Go(func() { _ = r.store.Watch(ctx, a.changed) }) // it ends when ctx does
	if r.redis != nil {                                         // faster than the store where that can only be polled
		missed := func() { a.changed([]account.Change{{Kind: store.Everything}}) }
		r.watching.Go(func() { _ = r.redis.Subscribe(ctx, a.changed, missed) })
	}
	r.jobs = jobs.Start(r.store, a.log, a.jobs(a.getenv)...)
}

// openSealer makes what seals stored secrets: by LITELLM_SALT_KEY, else by the master key, as LiteLLM.
func (a *App) openSealer(cfg *config.Config) error {
	key := cfg.General.MasterKey.Reveal()
	if salt, ok := a.environ.with(cfg.Environment)("LITELLM_SALT_KEY"); ok && salt != "" {
		key = salt
	}
	if key == "" {
		return nil
	}
	s, err := seal.New(key)
	if err != nil {
		return fmt.Errorf("app: LITELLM_SALT_KEY: %w", err)
	}
	a.rooms.sealer = s
	return nil
}

// changed takes note of what somebody has changed in the store, on this replica or another.
func (a *App) changed(changes []account.Change) {
	a.rooms.directory.Apply(changes)
	a.rooms.budgets.Changed(changes)
	for _, c := range changes {
		switch c.Kind {
		case account.Models, account.Credentials, account.Settings, store.Everything:
			a.reloadSoon()
			return
		}
	}
}

// applied takes note of what this replica has changed: here at once, and elsewhere where Redis can tell. The store tells
// everybody in any case.
func (a *App) applied(ctx context.Context, changes []account.Change) {
	a.rooms.directory.Apply(changes)
	a.rooms.budgets.Changed(changes)
	if a.rooms.redis == nil {
		return
	}
	if err := a.rooms.redis.Publish(ctx, changes); err != nil {
		a.log.Debug("Redis does not tell other replicas of a change; the database does", "error", err)
	}
}

// pages are the routes of the management API.
func (r *rooms) pages() []gateway.Page {
	var pages []gateway.Page
	for _, route := range r.admin.Routes() {
		pages = append(pages, gateway.Page{Route: route.Route, Serve: route.Serve})
	}
	return pages
}

// close ends the rooms in the order in which they need each other: first the work in the background, then the calls that
// are not booked yet, then what they are booked in.
func (r *rooms) close(ctx context.Context) error {
	var errs []error
	if r.stop != nil {
		r.stop()
	}
	if r.jobs != nil {
		r.jobs.Close()
	}
	r.watching.Wait()
	if r.callbacks != nil {
		errs = append(errs, r.callbacks.Close(ctx))
	}
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close(ctx))
	}
	errs = append(errs, r.alerts.Close(ctx))
	if r.budgets != nil {
		errs = append(errs, r.budgets.Close(ctx))
	}
	if r.limits != nil {
		errs = append(errs, r.limits.Close(ctx))
	}
	if r.redis != nil {
		errs = append(errs, r.redis.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(errs...)
}
