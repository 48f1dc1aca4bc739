package gateway

import (
	"errors"
	"net/http"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// refuseBudget is LiteLLM's answer for a budget that does not bear the call.
func (q *request) refuseBudget(err error) error {
	var over *budget.Exceeded
	if !errors.As(err, &over) {
		if q.ctx.Err() != nil {
			return err
		}
		return &apierr.Error{Status: http.StatusServiceUnavailable, Type: "no_db_connection", Cause: err,
			Message: "Service Unavailable, the budgets cannot be checked because the database is temporarily unreachable. Please retry shortly."}
	}
	status := http.StatusTooManyRequests
	if q.snap.LegacyStatus {
		status = http.StatusBadRequest
	}
	e := &apierr.Error{Status: status, Type: "budget_exceeded", Message: over.Message + mayCost(over)}
	e = e.WithHeader("X-Tollgate-Budget-Scope", string(over.Scope.Counter)).WithHeader("X-Tollgate-Budget-Needed", over.Needed.String())
	if !over.ResetAt.IsZero() {
		e = e.WithHeader("X-Tollgate-Budget-Reset", over.ResetAt.UTC().Format(time.RFC3339))
	}
	return e.NoRetry()
}

// mayCost says behind LiteLLM's sentence why a call is refused though its budget is not spent.
func mayCost(over *budget.Exceeded) string {
	if over.Spent >= over.Cap {
		return ""
	}
	text := ". This call may cost up to " + over.Needed.PythonFloat()
	if over.Held > 0 {
		text += ", and calls under way hold " + over.Held.PythonFloat()
	}
	return text + "; ask for less with max_tokens, or raise the budget"
}

// refuseLimit is LiteLLM's answer for a limit on requests, tokens or calls at once.
func (q *request) refuseLimit(err error) error {
	var over *limit.Exceeded
	if !errors.As(err, &over) {
		return err
	}
	e := (&apierr.Error{Status: http.StatusTooManyRequests, Type: "throttling_error", Message: over.Error()}).WithRetryAfter(over.RetryAfter)
	e = e.WithHeader("Rate_limit_type", string(over.Type)).WithHeader("Reset_at", over.ResetAt.UTC().Format(time.DateTime))
	q.g.limitHeaders(e.Header, []limit.Remaining{{Descriptor: over.Descriptor, Type: over.Type, Limit: over.Limit, Remaining: over.Remaining, ResetAt: over.ResetAt}})
	return e
}
