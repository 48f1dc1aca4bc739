package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/gateway"
	"tollgate/internal/price"
	"tollgate/internal/redis"
	"tollgate/internal/store"
	"tollgate/internal/telemetry"
)

// Probe tries one integration with a harmless call.
type Probe struct {
	Kind    string // guardrail, callback, cache, alerts, database, redis
	Name    string // as the configuration has it
	Service string // the vendor's kind
	Ping    func(ctx context.Context) error
}

// Tried is how a Probe went.
type Tried struct {
	Probe
	Err  error
	Took time.Duration
}

// probeTimeout bounds one Probe.
const probeTimeout = 15 * time.Second

// Try opens the integrations that a configuration names and tries each, side by side, without serving anything and without
// touching what is stored. The diagnostics are those of Check.
func Try(ctx context.Context, o Options) ([]Tried, config.Diagnostics) {
	found := Check(o)
	if slices.ContainsFunc(found, func(d config.Diagnostic) bool { return d.Severity == config.Error }) {
		return nil, found
	}
	o.Metrics = telemetry.NewMetrics()
	cfg, _ := config.Load(o.ConfigPath, o.Env)
	prices, _, err := price.Load(o.DataDir)
	if err != nil {
		return nil, append(found, failure(err))
	}
	a := &App{opts: o, log: slog.New(slog.DiscardHandler), prices: prices, state: dispatch.NewState(), environ: newEnviron(o.Env)}
	b, err := a.build(cfg)
	if err != nil {
		return nil, append(found, failure(err))
	}
	defer b.lease.Release()
	b.lease.Start()
	probes := slices.Concat(a.serverProbes(cfg), b.probes)
	return tryAll(ctx, probes), found
}

// serverProbes are the database and Redis, as far as the configuration names them.
func (a *App) serverProbes(cfg *config.Config) []Probe {
	var list []Probe
	if url := cfg.General.DatabaseURL; !url.Empty() {
		list = append(list, Probe{Kind: "database", Name: "database_url", Service: "postgres", Ping: func(ctx context.Context) error {
			s, err := store.Open(ctx, store.Options{URL: url.Reveal(), Log: a.log, Location: time.UTC, Replica: "check"})
			if err != nil {
				return err
			}
			_, err = s.Now(ctx)
			return errors.Join(err, s.Close())
		}})
	}
	if o, configured, err := a.redisOptions(cfg); err != nil || configured {
		list = append(list, Probe{Kind: "redis", Name: "redis", Service: "redis", Ping: func(ctx context.Context) error {
			if err != nil {
				return err
			}
			c, err := redis.Open(o)
			if err != nil {
				return err
			}
			return errors.Join(c.Ping(ctx), c.Close())
		}})
	}
	return list
}

// tryAll tries probes side by side; the results have their order.
func tryAll(ctx context.Context, probes []Probe) []Tried {
	out := make([]Tried, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			began := time.Now()
			out[i] = Tried{Probe: p, Err: ping(ctx, p)}
			out[i].Took = time.Since(began)
		})
	}
	all.Wait()
	return out
}

func ping(ctx context.Context, p Probe) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("app: the %s %s panicked", p.Kind, p.Name)
		}
	}()
	err = p.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s; check its address and the way there (proxy, firewall, DNS)", probeTimeout)
	}
	return err
}

// services are the integrations of the configuration in force, for GET /health/services.
func (a *App) services() []gateway.Service {
	b := a.inForce.Load()
	if b == nil {
		return nil
	}
	list := make([]gateway.Service, len(b.probes))
	for i, p := range b.probes {
		list[i] = gateway.Service{Kind: p.Kind, Name: p.Name, Service: p.Service, Ping: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			return ping(ctx, p)
		}}
	}
	return list
}
