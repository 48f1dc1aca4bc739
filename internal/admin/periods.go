package admin

import (
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/money"
)

// expiry is when something that begins now and lasts for duration ends; nil when it never does. field is the request's.
func (c *call) expiry(field, duration string) (*time.Time, *apierr.Error) {
	span, err := budget.ParseDuration(duration)
	if err != nil {
		return nil, named(field, badRequest("%s: %q. Expected a number and a unit, such as 30s, 30m, 30h, 30d, 1w or 1mo.", err, duration))
	}
	if span.None() {
		return nil, nil
	}
	at := span.After(c.now).UTC()
	return &at, nil
}

// nextReset is when a budget of the duration that is set now starts anew; nil when it never does.
func (c *call) nextReset(field, duration string) (*time.Time, *apierr.Error) {
	if _, err := c.expiry(field, duration); err != nil {
		return nil, err
	}
	zone := c.settings.Zone
	if zone == nil {
		zone = time.UTC
	}
	at, err := budget.Next(duration, c.now, zone)
	if err != nil {
		return nil, named(field, badRequest("%s", err))
	}
	if at.IsZero() {
		return nil, nil
	}
	at = at.UTC()
	return &at, nil
}

// longerThan reports whether one duration is longer than another, both begun now. None is the longest.
func (c *call) longerThan(duration, other string) bool {
	a, errA := budget.ParseDuration(duration)
	b, errB := budget.ParseDuration(other)
	switch {
	case errA != nil || errB != nil || b.None():
		return false
	case a.None():
		return true
	}
	return a.After(c.now).After(b.After(c.now))
}

// checkSpend refuses a spend that is set by hand and that no counter can hold.
func checkSpend(in Opt[account.Amount]) *apierr.Error {
	switch {
	case !in.Given():
	case in.Value.Negative():
		return named("spend", badRequest("spend cannot be negative. Received: %s", pythonFloat(in.Value)))
	case in.Value.USD() == money.Max:
		return named("spend", badRequest("spend cannot be counted above %s dollars. Received: %s", money.Max, pythonFloat(in.Value)))
	}
	return nil
}

// noDuration reports whether a duration is given as none.
func noDuration(duration string) bool {
	span, err := budget.ParseDuration(duration)
	return err == nil && span.None()
}
