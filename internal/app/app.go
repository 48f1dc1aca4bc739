// Package app builds everything out of a configuration and owns its life: Open, Reload, Close. It is the one room
// that knows the whole configuration; every other room takes options of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/admin"
	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/egress"
	"tollgate/internal/gateway"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/telemetry"
)

// Options are what an App is opened with; they do not change in its life.
type Options struct {
	ConfigPath string // "" = the empty configuration, or Config
	// Config is the text of a configuration in place of a file (a model given on the command line). It does not reload.
	Config []byte
	// Documents are merged in behind the file at each load (what the command line says of the configuration).
	Documents []config.Document
	// Model replaces the model of every chat (LiteLLM's --model).
	Model string
	Env   func(string) (string, bool) // as os.LookupEnv
	// Providers makes the openers by provider prefix, anew for each configuration.
	Providers    func(getenv func(string) string, prices *price.Table) map[string]provider.Opener
	Integrations Integrations
	Version      string
	RootPath     string
	// NewLog makes the log from what the configuration says about it (json_logs, set_verbose).
	NewLog  func(asJSON, verbose bool) (*slog.Logger, slog.Level)
	Metrics *telemetry.Metrics
	// DataDir is the folder for what must outlive the process; "" keeps nothing on disk.
	DataDir string
	// NoDatabase serves without a store, as LiteLLM does without a DATABASE_URL: one key, no ledger.
	NoDatabase bool
}

// App is a running gateway without its listeners. Its methods are safe for concurrent use.
type App struct {
	opts   Options
	log    *slog.Logger
	level  slog.Level
	prices *price.Table
	state  *dispatch.State // cooldowns and counters; outlives reloads
	// environ holds the environment_variables of the configuration in force, while a reload lasts those of the next.
	environ *environ
	// checking asks providers to look at their settings (provider.Checker).
	checking bool
	gw       *gateway.Gateway
	rooms    rooms
	// credentials are what signs for deployments; they outlive reloads.
	credentials provider.Credentials
	replica     string                         // names this process among those that share a store
	settings    atomic.Pointer[admin.Settings] // of the management API
	inForce     atomic.Pointer[built]
	// reloading is true while a reload is about to begin that somebody has asked for.
	reloading atomic.Bool

	mu sync.Mutex // one reload at a time; guards what follows
	// lastStored is what is in force of what was stored, readStored what load has read of it; nil = nothing.
	lastStored, readStored *config.Document
	config                 *config.Config
	egress                 *egress.Egress
	way                    way             // what egress was made with
	lease                  *provider.Lease // what of credentials config uses
}

// ErrConfig says that a configuration has errors; the diagnostics that come with it say which.
var ErrConfig = errors.New("the configuration has errors")

// Open reads the configuration and builds the gateway. The diagnostics hold warnings and notices even when it
// succeeds. A deployment that cannot be opened is left out and reported, as LiteLLM does, unless none is left.
func Open(ctx context.Context, o Options) (*App, config.Diagnostics, error) {
	prices, _, err := price.Load(o.DataDir)
	if err != nil {
		return nil, nil, fmt.Errorf("app: the price table: %w", err)
	}
	a := &App{opts: o, prices: prices, state: dispatch.NewState(), environ: newEnviron(o.Env), replica: telemetry.NewID()}
	cfg, found := a.load()
	if found.HasErrors() {
		return nil, found, ErrConfig
	}
	a.log, a.level = o.NewLog(cfg.Litellm.JSONLogs, cfg.Litellm.SetVerbose)
	more, err := a.start(ctx, cfg)
	found = append(found, more...)
	if err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, found, errors.Join(err, a.rooms.close(closing))
	}
	a.rooms.begin(a)
	return a, found, nil
}

// databaseSilence is after what time without an answer a database is called unreachable. It is asked several times a second.
const databaseSilence = 5 * time.Second

// closeTimeout bounds how long a start that has failed takes to end.
const closeTimeout = 10 * time.Second

// start opens the rooms and puts the configuration in force, with what is stored of it.
func (a *App) start(ctx context.Context, cfg *config.Config) (config.Diagnostics, error) {
	if err := a.environ.apply(cfg.Environment); err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	if err := a.openRooms(ctx, cfg); err != nil {
		return nil, err
	}
	var found config.Diagnostics
	if a.rooms.store != nil {
		cfg, found = a.load()
		if found.HasErrors() {
			return found, ErrConfig
		}
		if err := a.environ.apply(cfg.Environment); err != nil {
			return found, fmt.Errorf("app: %w", err)
		}
		found = nil // said already, but for what is stored
	}
	b, err := a.build(cfg)
	if err != nil {
		return found, err
	}
	found = append(found, b.found...)
	if b.refused || len(cfg.Models) > 0 && len(b.deployments) == 0 {
		b.lease.Release()
		return found, ErrConfig
	}
	return found, a.take(b)
}

// take puts what was built in force, all of it or nothing.
func (a *App) take(b *built) error {
	snapshot, err := a.snapshot(b)
	if err != nil {
		b.lease.Release()
		return err
	}
	settings, err := adminSettings(b)
	if err != nil {
		b.lease.Release()
		return err
	}
	if err := a.tellCallbacks(b); err != nil {
		b.lease.Release()
		return err
	}
	if err := a.opts.Metrics.LiteLLM(b.litellmMetrics); err != nil {
		b.lease.Release()
		return err
	}
	a.tellAlerts(b)
	a.keep(b)
	a.settings.Store(settings)
	a.rooms.budgets.Configure(a.budgetOptions(b.config))
	before := a.egress
	a.config, a.egress, a.way, a.lastStored = b.config, b.egress, b.way, a.readStored
	if old := a.inForce.Swap(b); old != nil && old.cache != b.cache {
		old.cache.retire()
	}
	if a.gw == nil {
		o := gateway.Options{
			Version: a.opts.Version, RootPath: a.opts.RootPath, Log: a.log, Metrics: a.opts.Metrics,
			Budgets: a.rooms.budgets, Limits: a.rooms.limits, Replica: a.replica, Pages: a.rooms.pages(), Decline: admin.Decline,
			Credentials: a.credentials.Status, Callbacks: a.rooms.callbacks, Services: a.services, Alerts: a.rooms.alerts,
		}
		a.opts.Metrics.Credentials(a.credentialSeries)
		a.opts.Metrics.LiteLLMFigures(a.figures)
		a.opts.Metrics.CallbackQueues(a.callbackQueues)
		if a.rooms.ledger != nil {
			o.Ledger, o.Counters = a.rooms.ledger, a.rooms.store
			o.DatabaseAnswers = func() bool { return time.Since(a.rooms.store.LastSync()) < databaseSilence }
		}
		a.gw = gateway.New(o, snapshot)
		return nil
	}
	a.gw.Swap(snapshot)
	if before != b.egress {
		before.CloseIdleConnections() // calls under way keep theirs
	}
	return nil
}

// load reads the configuration, with what is stored of it; nothing is put in force. What is stored may restrict callers, so
// where it cannot be read, or is wrong, what was last read goes on; the findings say so. At a start that has nothing of
// that kind the file alone is served, and what is stored follows as soon as it can be read.
func (a *App) load() (*config.Config, config.Diagnostics) {
	stored, err := a.stored()
	if err != nil {
		a.readStored = a.lastStored
		cfg, found := a.loadStored(a.lastStored)
		return cfg, append(found, config.Diagnostic{Severity: config.Warning, File: database, Code: config.CodeFile, Message: err.Error()})
	}
	cfg, found := a.loadStored(stored)
	bad := slices.DeleteFunc(slices.Clone(found), func(d config.Diagnostic) bool { return d.File != database || d.Severity != config.Error })
	if len(bad) == 0 {
		a.readStored = stored
		return cfg, found
	}
	a.readStored = a.lastStored
	cfg, found = a.loadStored(a.lastStored)
	for _, d := range bad {
		d.Severity = config.Warning
		found = append(found, d)
	}
	return cfg, found
}

func (a *App) loadStored(stored *config.Document) (*config.Config, config.Diagnostics) {
	if stored == nil {
		return a.loadWith()
	}
	return a.loadWith(*stored)
}

func (a *App) loadWith(stored ...config.Document) (*config.Config, config.Diagnostics) {
	added := slices.Concat(a.opts.Documents, stored)
	var cfg *config.Config
	var found config.Diagnostics
	if a.opts.Config != nil {
		cfg, found = config.Parse("command line", a.opts.Config, a.environ.outside, added...)
	} else {
		cfg, found = config.Load(a.opts.ConfigPath, a.environ.outside, added...)
	}
	if found.HasErrors() {
		return cfg, found
	}
	// What does not fit together is an error to validate, but LiteLLM starts with it, and so do we.
	for _, d := range config.Check(cfg) {
		d.Severity = max(d.Severity, config.Warning)
		found = append(found, d)
	}
	return cfg, found
}

// Handler serves everything.
func (a *App) Handler() http.Handler { return a.gw }

// Log is where the gateway logs.
func (a *App) Log() *slog.Logger { return a.log }

// Config is the configuration in force.
func (a *App) Config() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.config
}

// Reload reads the configuration anew and puts it in force as a whole. When it has errors, or a deployment cannot be
// opened, the one in force stays, and the error says why. Calls under way keep the configuration that they began with.
func (a *App) Reload() (config.Diagnostics, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, err := a.reload()
	a.opts.Metrics.Reloaded(err == nil)
	return found, err
}

func (a *App) reload() (config.Diagnostics, error) {
	cfg, found := a.load()
	if found.HasErrors() {
		return found, ErrConfig
	}
	more, err := a.replace(cfg)
	if err != nil {
		err = errors.Join(err, a.environ.apply(a.config.Environment))
	}
	return append(found, more...), err
}

// replace builds cfg and takes it. Where it fails, the environment is cfg's all the same.
func (a *App) replace(cfg *config.Config) (config.Diagnostics, error) {
	if err := a.environ.apply(cfg.Environment); err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	b, err := a.build(cfg)
	if err != nil {
		return nil, err
	}
	if b.found.HasErrors() {
		b.lease.Release()
		a.abandonCache(b)
		return b.found, ErrConfig
	}
	if err := a.take(b); err != nil {
		a.abandonCache(b)
		return b.found, err
	}
	return b.found, nil
}

// Close writes what is not written yet and releases everything, within ctx. Call it when the listeners have drained.
func (a *App) Close(ctx context.Context) error {
	err := errors.Join(a.gw.Drain(ctx), a.rooms.close(ctx)) // without the lock: a reload may be under way
	a.mu.Lock()
	defer a.mu.Unlock()
	if b := a.inForce.Load(); b != nil && b.cache != nil {
		err = errors.Join(err, b.cache.cache.Close())
	}
	if a.lease != nil {
		a.lease.Release()
	}
	if a.egress != nil {
		a.egress.CloseIdleConnections()
	}
	return err
}
