package alert

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/record"
)

// Observe looks at a finished call, which does not change any more. It does not wait for anything.
func (a *Alerter) Observe(c *record.Call) {
	if a == nil {
		return
	}
	s := a.settings.Load()
	if s.sends(DailyReport) || s.sends(FallbackReport) {
		a.stats.add(c)
	}
	if c.Outcome == record.Failure {
		a.noteFailure(s, c)
	}
	if took := c.Duration(); took > s.threshold() && s.sends(TooSlow) {
		a.raise(&note{
			kind: TooSlow, level: Low, model: c.Alias, base: c.APIBase, metadata: alertingMetadata(c.RequestMetadata),
			message: fmt.Sprintf("`Responses are slow - %ss response time > Alerting threshold: %ss`%s", seconds(took), seconds(s.threshold()), about(c.Alias, c.APIBase)),
		})
	}
	if s.sends(Budget) {
		a.lookAtBudgets(s, c)
	}
}

// about names the model and the upstream of a call, as LiteLLM does. It leaves the messages out.
func about(model, base string) string {
	text := "\nRequest Model: `" + or(model, "None") + "`"
	if base != "" {
		text += "\nAPI Base: `" + base + "`"
	}
	return text
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Milliseconds()/10)/100, 'f', -1, 64)
}

// noteFailure tells of a call that failed upstream, and counts it as a sign of an outage.
func (a *Alerter) noteFailure(s *Settings, c *record.Call) {
	if s.sends(Exceptions) {
		a.raise(&note{
			kind: Exceptions, level: High, model: c.Alias, base: c.APIBase, metadata: alertingMetadata(c.RequestMetadata),
			message: "LLM API call failed: `" + clip(c.Error, 1000) + "`" + about(c.Alias, c.APIBase) + "\nStatus: `" + strconv.Itoa(c.Status) + "`",
		})
	}
	for _, t := range [...]Type{Outage, RegionOutage} {
		if s.sends(t) && (c.Status == 408 || c.Status >= 500) && c.Deployment != "" {
			a.noteOutage(s, c, t)
		}
	}
}

// CooledDown says that a deployment is left out for a while.
func (a *Alerter) CooledDown(model, upstream, id, base string, status int, cool time.Duration) {
	if a == nil {
		return
	}
	a.raise(&note{
		kind: Cooldown, level: Low, model: model, base: base,
		message: fmt.Sprintf("Router: Cooling down Deployment:\nModel Name: `%s`\nUpstream: `%s`\nModel ID: `%s`\nAPI Base: `%s`\nCooldown Time: `%s seconds`\nException Status Code: `%d`",
			model, upstream, id, base, seconds(cool), status),
	})
}

// DatabaseFailed says that the database has not taken something.
func (a *Alerter) DatabaseFailed(what string) {
	if a == nil || !a.once.first("database", time.Minute, time.Now()) {
		return
	}
	a.raise(&note{kind: DatabaseException, level: High, message: "DB read/write call failed: " + what})
}

// TrackingFailed says that what calls have cost is not in the ledger.
func (a *Alerter) TrackingFailed(what string) {
	if a == nil {
		return
	}
	a.raise(&note{kind: FailedTracking, level: High, message: "Failed Tracking Cost: " + what})
}

// ModelsAdded says which models are new.
func (a *Alerter) ModelsAdded(names []string) {
	if a == nil {
		return
	}
	for _, name := range names {
		a.raise(&note{kind: NewModel, level: Low, alone: true, model: name, message: "*New Model Added*\nModel Name: `" + name + "`"})
	}
}

// mostWatched bounds how many calls under way are watched.
const mostWatched = 10_000

// watch knows the calls under way. The zero value is ready, and off.
type watch struct {
	on    atomic.Bool
	mu    sync.Mutex
	calls map[string]underWay // by id; guarded by mu
}

type underWay struct {
	model string
	began time.Time
	told  bool
}

// turn switches the watch. Calls that began before it is switched on are not watched.
func (w *watch) turn(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on.Store(on)
	if !on {
		clear(w.calls)
	}
}

// Started has a call watched until Ended, so that one that hangs is told of.
func (a *Alerter) Started(id, model string, began time.Time) {
	if a == nil || !a.hanging.on.Load() {
		return
	}
	w := &a.hanging
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[string]underWay{}
	}
	if len(w.calls) < mostWatched {
		w.calls[id] = underWay{model: model, began: began}
	}
}

// Ended ends the watch of a call.
func (a *Alerter) Ended(id string) {
	if a == nil || !a.hanging.on.Load() {
		return
	}
	w := &a.hanging
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, id)
}

// tellHanging tells of calls that hang, once of each.
func (a *Alerter) tellHanging(now time.Time) {
	limit, w := a.settings.Load().threshold(), &a.hanging
	var models []string
	w.mu.Lock()
	for id, c := range w.calls {
		if !c.told && now.Sub(c.began) >= limit {
			c.told = true
			w.calls[id] = c
			models = append(models, c.model)
		}
	}
	w.mu.Unlock()
	for _, model := range models {
		a.raise(&note{
			kind: Hanging, level: Medium, model: model,
			message: fmt.Sprintf("`Requests are hanging - %ss+ request time`%s", seconds(limit), about(model, "")),
		})
	}
}
