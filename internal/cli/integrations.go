package cli

import (
	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/callback"
)

// integrations are the kinds of guardrails, callbacks and caches that this program has.
func integrations() app.Integrations {
	i := app.Integrations{Guardrails: builtin.Guardrails, Callbacks: builtin.Callbacks()}
	for _, d := range callback.DeclinedCallbacks() {
		i.DeclinedCallbacks = append(i.DeclinedCallbacks, app.Declined(d))
	}
	return i
}
