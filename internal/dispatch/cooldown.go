package dispatch

import (
	"net/http"
	"strings"
	"time"

	"tollgate/internal/provider"
)

// The thresholds of the default rule (LiteLLM's DEFAULT_FAILURE_THRESHOLD_PERCENT, _MINIMUM_REQUESTS,
// SINGLE_DEPLOYMENT_TRAFFIC_FAILURE_THRESHOLD and DEFAULT_ALLOWED_FAILS).
const (
	failureShare       = 0.5
	failureMinimum     = 5
	allFailedMinimum   = 1000
	defaultAllowedFail = 3
	// longestRetryAfter bounds the cooldown that an upstream can ask for, so that a wrong header does not take a
	// deployment away until the next restart.
	longestRetryAfter = time.Hour
)

// countsForCooldown reports whether a failure says something about the deployment: 401, 404, 408, 429 and 5xx do,
// other refusals are the request's, and a connection that failed is the network's.
func countsForCooldown(f *failure) bool {
	if f.kind == gone || f.own != nil && f.kind == callersOwn {
		return false
	}
	switch f.status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests:
	default:
		if f.status < http.StatusInternalServerError {
			return false
		}
	}
	return f.reason != provider.Connection && !strings.Contains(f.text, "APIConnectionError")
}

// coolLocked decides whether a failure, which the window has counted already, cools the deployment, and does so. It
// returns the time of the cooldown, 0 for none. The caller holds t.health.mu.
func (r *Router) coolLocked(g *group, t *target, f *failure, now tick) time.Duration {
	if r.o.DisableCooldowns {
		return 0
	}
	duration := r.cooldownTime(t, f)
	if duration <= 0 {
		return 0
	}
	h := t.health
	if r.o.AllowedFails != nil || r.o.AllowedFailsPolicy != nil {
		if !h.exceeds(r.allowedFails(f.reason), r.o.CooldownTime, now) {
			return 0
		}
	} else if !failsByDefault(h.window.at(now), f.status, len(g.targets) == 1) {
		return 0
	}
	h.cooledBy = f.status
	h.fails = 0
	h.cooledUntil.Store(int64(now) + int64(duration))
	return duration
}

// cooldownTime is the deployment's own, else what the upstream asked for, else the router's.
func (r *Router) cooldownTime(t *target, f *failure) time.Duration {
	switch {
	case t.CooldownTime != nil:
		return *t.CooldownTime
	case f.wait > 0 && r.o.CooldownTime > 0:
		return min(f.wait, longestRetryAfter)
	}
	return r.o.CooldownTime
}

// failsByDefault is the rule where no allowed_fails is set. c holds this failure too.
func failsByDefault(c counts, status int, single bool) bool {
	total := c.successes + c.failures
	switch {
	case status == http.StatusTooManyRequests && !single:
		return true
	case c.successes == 0 && total >= allFailedMinimum:
		return true
	case !single && total >= failureMinimum && float64(c.failures) > failureShare*float64(total):
		return true
	}
	return !retryableStatus(status)
}

// retryableStatus is LiteLLM's _should_retry: what may pass by itself.
func retryableStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// exceeds counts a failure and reports whether there are now more than allowed. The count is forgotten when ttl has
// passed without one. h.mu is held.
func (h *health) exceeds(allowed int, ttl time.Duration, now tick) bool {
	if now >= h.failsUntil {
		h.fails = 0
	}
	h.fails++
	h.failsUntil = now + tick(ttl)
	return h.fails > allowed
}

func (r *Router) allowedFails(reason provider.Reason) int {
	if n := r.o.AllowedFailsPolicy.of(reason); n != nil {
		return *n
	}
	if r.o.AllowedFails != nil {
		return *r.o.AllowedFails
	}
	return defaultAllowedFail
}

func (p *AllowedFailsPolicy) of(reason provider.Reason) *int {
	if p == nil {
		return nil
	}
	switch reason {
	case provider.BadRequest, provider.ContextWindow:
		return p.BadRequest
	case provider.ContentPolicy:
		return p.ContentPolicy
	case provider.Authentication:
		return p.Authentication
	case provider.Timeout:
		return p.Timeout
	case provider.RateLimit:
		return p.RateLimit
	case provider.InternalServer:
		return p.InternalServer
	case provider.ServiceUnavailable:
		return p.ServiceUnavailable
	case provider.BadGateway:
		return p.BadGateway
	case provider.NotFound:
		return p.NotFound
	}
	return nil
}
