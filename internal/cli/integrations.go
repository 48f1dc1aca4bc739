package cli

import (
	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/cache/s3store"
	"tollgate/internal/callback"
	"tollgate/internal/guardrail"
)

// integrations are the kinds of guardrails, callbacks and caches that this program has.
func integrations() app.Integrations {
	i := app.Integrations{Guardrails: builtin.Guardrails, Callbacks: builtin.Callbacks(), Caches: builtin.Caches()}
	for _, d := range s3store.Declined {
		i.DeclinedCaches = append(i.DeclinedCaches, app.Declined{Name: d.Type, Why: d.Why})
	}
	for _, d := range guardrail.DeclinedGuardrails() {
		i.DeclinedGuardrails = append(i.DeclinedGuardrails, app.Declined(d))
	}
	for _, d := range callback.DeclinedCallbacks() {
		i.DeclinedCallbacks = append(i.DeclinedCallbacks, app.Declined(d))
	}
	return i
}
