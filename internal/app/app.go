// Package app builds everything out of a configuration and owns its life: Open, Reload, Close. It is the one room
// that knows the whole configuration; every other room takes options of its own.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

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
	// Model replaces the model of every chat (LiteLLM's --model).
	Model string
	Env   func(string) (string, bool) // as os.LookupEnv
	// Providers makes the openers by provider prefix, anew for each configuration.
	Providers func(getenv func(string) string, prices *price.Table) map[string]provider.Opener
	Version   string
	RootPath  string
	// NewLog makes the log from what the configuration says about it (json_logs, set_verbose).
	NewLog  func(asJSON, verbose bool) (*slog.Logger, slog.Level)
	Metrics *telemetry.Metrics
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

	mu     sync.Mutex // one reload at a time; guards what follows
	config *config.Config
	egress *egress.Egress
	way    way // what egress was made with
}

// ErrConfig says that a configuration has errors; the diagnostics that come with it say which.
var ErrConfig = errors.New("the configuration has errors")

// Open reads the configuration and builds the gateway. The diagnostics hold warnings and notices even when it
// succeeds. A deployment that cannot be opened is left out and reported, as LiteLLM does, unless none is left.
func Open(o Options) (*App, config.Diagnostics, error) {
	prices, err := price.Builtin()
	if err != nil {
		return nil, nil, fmt.Errorf("app: the built-in price table: %w", err)
	}
	a := &App{opts: o, prices: prices, state: dispatch.NewState(), environ: newEnviron(o.Env)}
	cfg, found := a.load()
	if found.HasErrors() {
		return nil, found, ErrConfig
	}
	a.log, a.level = o.NewLog(cfg.Litellm.JSONLogs, cfg.Litellm.SetVerbose)
	if err := a.environ.apply(cfg.Environment); err != nil {
		return nil, found, fmt.Errorf("app: %w", err)
	}
	b, err := a.build(cfg)
	if err != nil {
		return nil, found, err
	}
	found = append(found, b.found...)
	if len(cfg.Models) > 0 && len(b.deployments) == 0 {
		return nil, found, ErrConfig
	}
	if err := a.take(b); err != nil {
		return nil, found, err
	}
	return a, found, nil
}

// take puts what was built in force, all of it or nothing.
func (a *App) take(b *built) error {
	snapshot, err := a.snapshot(b)
	if err != nil {
		return err
	}
	before := a.egress
	a.config, a.egress, a.way = b.config, b.egress, b.way
	if a.gw == nil {
		a.gw = gateway.New(gateway.Options{Version: a.opts.Version, RootPath: a.opts.RootPath, Log: a.log, Metrics: a.opts.Metrics}, snapshot)
		return nil
	}
	a.gw.Swap(snapshot)
	if before != b.egress {
		before.CloseIdleConnections() // calls under way keep theirs
	}
	return nil
}

// load reads the configuration; nothing is put in force.
func (a *App) load() (*config.Config, config.Diagnostics) {
	var cfg *config.Config
	var found config.Diagnostics
	if a.opts.Config != nil {
		cfg, found = config.Parse("command line", a.opts.Config, a.environ.outside)
	} else {
		cfg, found = config.Load(a.opts.ConfigPath, a.environ.outside)
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
		return b.found, ErrConfig
	}
	return b.found, a.take(b)
}

// Close releases idle connections. Call it when the listeners have drained.
func (a *App) Close(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.egress != nil {
		a.egress.CloseIdleConnections()
	}
	return nil
}
