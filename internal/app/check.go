package app

import (
	"cmp"
	"log/slog"
	"slices"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/price"
	"tollgate/internal/telemetry"
)

// Check finds everything about a configuration that can be found without a network: what config finds, what does
// not fit together, deployments that cannot be opened, prices that are not known.
func Check(o Options) config.Diagnostics {
	o.Metrics = telemetry.NewMetrics()
	cfg, found := config.Load(o.ConfigPath, o.Env)
	if found.HasErrors() {
		return found
	}
	found = append(found, config.Check(cfg)...)
	prices, _, err := price.Load(o.DataDir)
	if err != nil {
		return append(found, failure(err))
	}
	a := &App{opts: o, log: slog.New(slog.DiscardHandler), prices: prices, state: dispatch.NewState(), environ: newEnviron(o.Env), checking: true}
	b, err := a.build(cfg)
	if err != nil {
		return append(found, failure(err))
	}
	defer b.lease.Release()
	found = append(found, b.found...)
	if _, err := a.snapshot(b); err != nil {
		found = append(found, failure(err))
	}
	slices.SortStableFunc(found, func(x, y config.Diagnostic) int {
		return cmp.Or(cmp.Compare(slices.Index(cfg.Files, x.File), slices.Index(cfg.Files, y.File)), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	return found
}

func failure(err error) config.Diagnostic {
	return config.Diagnostic{Severity: config.Error, Code: config.CodeBadValue, Message: err.Error()}
}
