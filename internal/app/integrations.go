package app

import (
	"fmt"
	"strings"

	"tollgate/internal/cache"
	"tollgate/internal/callback"
	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/provider"
)

// Integrations are the kinds of guardrails, callbacks and caches that are built in.
type Integrations struct {
	// Guardrails makes the openers by litellm_params.guardrail; getenv is the environment as the configuration sees it.
	Guardrails func(getenv func(string) string, out *egress.Egress, lease *provider.Lease) map[string]guardrail.Opener
	// DeclinedGuardrails and DeclinedCallbacks are LiteLLM's kinds that are not served.
	DeclinedGuardrails []Declined
	Callbacks          map[string]callback.Opener
	DeclinedCallbacks  []Declined
	Caches             map[string]cache.Opener // by cache_params.type
	DeclinedCaches     []Declined
}

// Declined is a kind that LiteLLM has and this gateway has not; Why ends a sentence that begins with Name.
type Declined struct{ Name, Why string }

// refuseSetting adds an error about a setting of an integration: the configuration is not served with it.
func (b *built) refuseSetting(path string, err error) {
	b.refused = true
	if path != "" {
		b.sayAt(b.config.Pos(path), path, config.Error, config.CodeBadValue, err.Error())
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") { // the faults of a setting.Map, each with its path
		path, message, found := strings.Cut(line, ": ")
		if !found {
			path, message = "", line
		}
		b.sayAt(b.config.Pos(path), path, config.Error, config.CodeBadValue, message)
	}
}

// warnSetting adds a warning about a setting of an integration.
func (b *built) warnSetting(path, message string) {
	b.sayAt(b.config.Pos(path), path, config.Warning, config.CodeUnknownKey, message)
}

// leaveOut adds warnings for an integration that is not served, and that calls do not need.
func (b *built) leaveOut(path string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		b.sayAt(b.config.Pos(path), path, config.Warning, config.CodeBadValue, fmt.Sprintf("it is left out: %s", line))
	}
}
