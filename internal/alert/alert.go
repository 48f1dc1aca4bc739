// Package alert tells people what they should know at once: failing and slow calls, outages, budgets that run out, a database
// that does not answer. Messages go to Slack (and what understands its webhooks), budget events to a webhook besides, both in
// LiteLLM's form. Nothing here blocks a call or fails it: queues are bounded, and what has no room is dropped and counted.
package alert

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// Type is a kind of alert, by LiteLLM's name.
type Type string

// The types of alerts.
const (
	Exceptions        Type = "llm_exceptions"
	TooSlow           Type = "llm_too_slow"
	Hanging           Type = "llm_requests_hanging"
	Cooldown          Type = "cooldown_deployment"
	NewModel          Type = "new_model_added"
	Outage            Type = "outage_alerts"
	RegionOutage      Type = "region_outage_alerts"
	Budget            Type = "budget_alerts"
	SpendReport       Type = "spend_reports"
	FailedTracking    Type = "failed_tracking_spend"
	DailyReport       Type = "daily_reports"
	FallbackReport    Type = "fallback_reports"
	DatabaseException Type = "db_exceptions"

	KeyCreated  Type = "new_virtual_key_created"
	KeyUpdated  Type = "virtual_key_updated"
	KeyDeleted  Type = "virtual_key_deleted"
	TeamCreated Type = "new_team_created"
	TeamUpdated Type = "team_updated"
	TeamDeleted Type = "team_deleted"
	UserCreated Type = "new_internal_user_created"
	UserUpdated Type = "internal_user_updated"
	UserDeleted Type = "internal_user_deleted"
)

// Defaults are the types that are sent where the configuration does not say which.
var Defaults = []Type{
	Exceptions, TooSlow, Hanging, Cooldown, NewModel, Outage, RegionOutage, Budget, SpendReport, FailedTracking, DailyReport, FallbackReport, DatabaseException,
}

// Others are the types that are sent only where the configuration names them.
var Others = []Type{KeyCreated, KeyUpdated, KeyDeleted, TeamCreated, TeamUpdated, TeamDeleted, UserCreated, UserUpdated, UserDeleted}

// Level says how urgent an alert is.
type Level string

// The levels.
const (
	Low    Level = "Low"
	Medium Level = "Medium"
	High   Level = "High"
)

// Standing is what is known of a budget.
type Standing struct {
	Spent, Limit money.USD // no limit: 0
}

// Spent is one line of a report of spend.
type Spent struct {
	Name string
	USD  money.USD
}

// Observer counts what becomes of alerts: sent, squashed (an equal one was waiting), dropped or failed. It must not block.
type Observer interface{ Alert(kind, result string) }

// Options are what lives longer than a configuration.
type Options struct {
	Log *slog.Logger // nil = slog.Default
	// Standing tells what is known of a budget; nil = there are none.
	Standing func(s account.Scope) (Standing, bool)
	// Spend sums up what teams and tags have spent; nil = nobody knows, and there are no reports.
	Spend    func(ctx context.Context, from, to time.Time) (teams, tags []Spent, err error)
	Observer Observer // nil = nobody counts
}

// Alerter sends alerts. A nil Alerter sends none. Its methods are safe for concurrent use; none but ReportSpend and Close
// wait for anything.
type Alerter struct {
	o        Options
	settings atomic.Pointer[Settings]
	once     onces   // what was said lately
	outages  outages // failures of the last minute
	stats    stats   // for reports
	hanging  watch   // calls under way
	digests  digests // alerts that are told in one

	mu       sync.Mutex
	reported time.Time           // the end of the last period that was reported on; guarded by mu
	channels map[string]*channel // by address; guarded by mu
	closed   bool                // guarded by mu
	running  sync.WaitGroup
	cut      context.Context // done: what is being sent is broken off
	stop     context.CancelFunc
	ticks    context.Context // done: nothing is looked at from time to time any more
	endTicks context.CancelFunc
}

// New makes an Alerter that follows settings, and starts it.
func New(o Options, first *Settings) *Alerter {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &Alerter{o: o, channels: map[string]*channel{}}
	a.stats.since = time.Now()
	a.cut, a.stop = context.WithCancel(context.Background())
	a.ticks, a.endTicks = context.WithCancel(a.cut)
	a.Swap(first)
	a.running.Go(a.tick)
	return a
}

// Swap puts other settings in force. What waits for an address that stays goes there.
func (a *Alerter) Swap(s *Settings) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.settings.Store(s)
	a.hanging.turn(s.sends(Hanging))
	kept := s.addresses()
	for url, c := range a.channels {
		if !kept[url] {
			c.finish()
			delete(a.channels, url)
		}
	}
}

// Close sends what waits, until ctx ends.
func (a *Alerter) Close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	a.endTicks()
	a.tellDigests(time.Time{})
	a.mu.Lock()
	a.closed = true
	for _, c := range a.channels {
		c.finish()
	}
	a.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.running.Wait()
	}()
	defer a.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		a.stop()
		<-done // every wait of a channel ends with cut
		return ctx.Err()
	}
}

func (a *Alerter) count(t Type, result string) {
	if a.o.Observer != nil {
		a.o.Observer.Alert(string(t), result)
	}
}
