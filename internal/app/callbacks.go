package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/callback"
	"tollgate/internal/record"
	"tollgate/internal/seal"
	"tollgate/internal/setting"
)

// openCallbacks opens the callbacks that the configuration names. One that cannot be opened is left out and reported, as
// LiteLLM does: calls do not depend on it.
func (a *App) openCallbacks(b *built) {
	l := &b.config.Litellm
	events := map[string]callback.Events{}
	var order []string
	note := func(list []string, on callback.Events) {
		for _, name := range list {
			switch before, known := events[name]; {
			case !known:
				events[name] = on
				order = append(order, name)
			case before != on:
				events[name] = callback.Both
			}
		}
	}
	note(l.SuccessCallback, callback.Success)
	note(l.FailureCallback, callback.Failure)
	note(l.Callbacks, callback.Both)
	for _, name := range order {
		if elsewhere(name) {
			continue
		}
		cb, logging, err := a.openCallback(b, name, nil)
		if err != nil {
			b.leaveOut("litellm_settings.callbacks", fmt.Errorf("callback %s: %w", name, err))
			continue
		}
		b.callbacks = append(b.callbacks, callback.Configured{Name: name, Events: events[name], Callback: cb, MessageLogging: logging})
		b.probes = append(b.probes, Probe{Kind: "callback", Name: name, Service: name, Ping: cb.Ping})
	}
	teams, err := callback.TeamDefaults(l.DefaultTeamLogging, b.getenv)
	if err != nil {
		b.leaveOut("litellm_settings.default_team_settings", err)
	}
	b.teamCallbacks = teams
}

// elsewhere reports whether a name among the callbacks is served by another room: metrics are always there, hooks are guardrails,
// alerts are general_settings.alerting.
func elsewhere(name string) bool {
	switch name {
	case "prometheus", "prometheus_system", "slack", "detect_prompt_injection", "hide_secrets", "banned_keywords", "blocked_user_check",
		"dynamic_rate_limiter_v3", "dynamic_rate_limiter", "parallel_request_limiter":
		return true
	}
	return false
}

// showsTraces reports whether a callback shows the parts of a call as spans.
func showsTraces(name string) bool {
	return name == "otel" || name == "langfuse" || name == "langfuse_otel"
}

// openCallback opens one callback. vars, of a key or a team, replace the gateway's settings and environment.
func (a *App) openCallback(b *built, name string, vars map[string]string) (callback.Callback, *bool, error) {
	kind, path, values := name, "callback_settings."+name, map[string]any{}
	maps.Copy(values, b.callbackSettings(name))
	if t, ok := values["callback_type"].(string); ok && t != "" {
		kind = t
	}
	delete(values, "callback_type")
	open, ok := a.opts.Integrations.Callbacks[kind]
	if !ok {
		return nil, nil, errors.New(a.noCallback(kind))
	}
	getenv := b.getenv
	if vars != nil {
		values, path = map[string]any{}, "callback_vars"
		for k, v := range vars {
			values[k] = v
		}
		getenv = func(string) string { return "" }
	}
	settings := setting.New(path, values, getenv)
	logging := callback.MessageLogging(settings)
	client := b.egress.HTTPClient()
	if b.choosesAddress(vars) {
		client = b.egress.Guarded().HTTPClient()
	}
	cb, err := open(callback.Spec{Name: name, Settings: settings, Own: vars != nil, Client: client, Log: a.log, Version: a.opts.Version})
	if err == nil {
		err = settings.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	if w, ok := cb.(interface{ WantsTexts() bool }); ok && logging == nil && !w.WantsTexts() {
		logging = new(false) // what it does not send does not lie in its queue
	}
	if vars == nil {
		for _, unknown := range settings.Unknown() {
			b.warnSetting(path+"."+unknown, fmt.Sprintf("the callback %s has no such setting", kind))
		}
	}
	return cb, logging, nil
}

// choosesAddress reports whether a tenant's variables say where to send to, other than where the gateway sends itself: such an
// address must be public.
func (b *built) choosesAddress(vars map[string]string) bool {
	for name, value := range vars {
		if name == "langfuse_host" && value == b.getenv("LANGFUSE_HOST") {
			continue
		}
		if callback.NamesAddress(name) {
			return true
		}
	}
	return false
}

// callbackSettings are what the configuration says of a callback, in LiteLLM's places.
func (b *built) callbackSettings(name string) map[string]any {
	l := &b.config.Litellm
	out := map[string]any{}
	switch name {
	case "s3", "s3_v2":
		maps.Copy(out, l.S3Params.JSON())
	case "datadog":
		maps.Copy(out, l.DatadogParams.JSON())
	case "datadog_llm_observability":
		maps.Copy(out, l.DatadogLLMParams.JSON())
	case "otel":
		if b.config.Tollgate.LogOTel {
			out["log_lines"] = true
		}
	case "langfuse", "langfuse_otel":
		if len(l.LangfuseTags) > 0 {
			out["langfuse_default_tags"] = textList(l.LangfuseTags)
		}
	}
	maps.Copy(out, b.config.CallbackSettings[name].JSON())
	return out
}

// noCallback says why a callback is not served and what serves instead.
func (a *App) noCallback(kind string) string {
	for _, d := range a.opts.Integrations.DeclinedCallbacks {
		if d.Name == kind {
			return d.Why
		}
	}
	return "is not known; there are " + names(slices.Sorted(maps.Keys(a.opts.Integrations.Callbacks)))
}

// tellCallbacks puts the callbacks of a configuration in force. The hub lives as long as the process: what waits for a backend
// outlives reloads.
func (a *App) tellCallbacks(b *built) error {
	l := &b.config.Litellm
	settings := callback.Settings{Callbacks: b.callbacks, Redact: l.TurnOffMessageLogs, HideCaller: l.RedactKeyInfo}
	if a.rooms.callbacks != nil {
		return a.rooms.callbacks.Swap(settings)
	}
	hub, err := callback.New(callback.Options{
		Dir: a.opts.DataDir, MaxBytes: int64(b.config.Tollgate.CallbackQueueMB) << 20, Log: a.log, Open: a.openOwn, Resolve: a.resolveOwn, Observer: a.opts.Metrics,
	}, settings)
	if err != nil {
		return fmt.Errorf("app: callbacks: %w", err)
	}
	a.rooms.callbacks = hub
	return nil
}

// errStarting says that no configuration is in force yet.
var errStarting = errors.New("app: the gateway is starting")

// openOwn opens a callback with an account of a key's or a team's own.
func (a *App) openOwn(name string, vars map[string]string) (callback.Callback, error) {
	b := a.inForce.Load()
	if b == nil {
		return nil, errStarting
	}
	cb, _, err := a.openCallback(b, name, vars)
	return cb, err
}

// resolveOwn looks up the account that a key or a team has with a callback, for events that were found after a restart.
func (a *App) resolveOwn(ctx context.Context, ref, name string) (map[string]string, bool, error) {
	kind, id, _ := strings.Cut(ref, ":")
	b := a.inForce.Load()
	if b == nil {
		return nil, false, errStarting
	}
	var own []record.OwnCallback
	if a.rooms.store != nil {
		metadata, err := a.metadataOf(ctx, kind, id)
		if err != nil && !errors.Is(err, account.ErrNotFound) {
			return nil, false, err
		}
		own = callback.Owned(metadata, ref, a.callbackVars(b))
	}
	if kind == "team" && len(own) == 0 {
		own = b.teamCallbacks[id]
	}
	for _, one := range own {
		if one.Name == name {
			return one.Vars, true, nil
		}
	}
	return nil, false, nil
}

// callbackVars is how the variables are read that keys and teams have with callbacks.
func (a *App) callbackVars(b *built) callback.Vars {
	vars := callback.Vars{Getenv: b.getenv}
	if sealer := a.rooms.sealer; sealer != nil {
		vars.Open = func(destination, text string) (string, error) {
			plain, err := sealer.Open(seal.CallbackVars(destination), text)
			if errors.Is(err, seal.ErrFormat) {
				return text, nil
			}
			return plain, err
		}
	}
	return vars
}

// metadataOf is what a key or a team says of itself.
func (a *App) metadataOf(ctx context.Context, kind, id string) (map[string]any, error) {
	if kind == "key" {
		k := &account.Key{}
		err := a.rooms.store.Get(ctx, id, k)
		return k.Metadata, err
	}
	t := &account.Team{}
	err := a.rooms.store.Get(ctx, id, t)
	return t.Metadata, err
}

// traces reports whether a callback shows traces, so that calls note what they are made of.
func (b *built) traces() bool {
	for i := range b.callbacks {
		kind, _ := b.callbackSettings(b.callbacks[i].Name)["callback_type"].(string)
		switch cmp.Or(kind, b.callbacks[i].Name) {
		case "otel", "langfuse", "langfuse_otel":
			return true
		}
	}
	return false
}
