package alert

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tollgate/internal/record"
)

// lookEvery is how often calls that hang, digests and reports are looked at.
const lookEvery = time.Second

// tick looks at what becomes due.
func (a *Alerter) tick() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-a.ticks.Done():
			return
		case now := <-ticker.C:
			a.tellHanging(now)
			a.tellDigests(now)
			a.tellStats(now)
		}
	}
}

// tellDigests sends those that are due; a zero time sends all.
func (a *Alerter) tellDigests(now time.Time) {
	for _, d := range a.digests.take(now) {
		s := a.settings.Load()
		end := now
		if end.IsZero() {
			end = time.Now()
		}
		stamp := func(t time.Time) string { return t.In(s.zone()).Format("2006-01-02 15:04:05") }
		a.say(s, &note{
			kind: d.first.kind, level: d.first.level, model: d.first.model, base: d.first.base, alone: true, at: end,
			message: fmt.Sprintf("Alert type: `%s` (Digest)\nLevel: `%s`\nStart: `%s`\nEnd: `%s`\nCount: `%d`\n\nMessage: %s",
				d.first.kind, d.first.level, stamp(d.start), stamp(end), d.count, d.first.message),
		})
	}
}

// mostCounted bounds how many deployments, and fallbacks, are counted for reports.
const mostCounted = 1000

// stats are sums over the calls since the last report. The zero value is ready but for since.
type stats struct {
	mu          sync.Mutex
	since       time.Time
	deployments map[string]*counted  // guarded by mu, as are the others
	fallbacks   map[[2]string][2]int // from and to: those that were answered, and that were not
}

type counted struct {
	name     string // for people
	failures int
	tokens   int
	took     time.Duration // of calls with tokens
}

// add counts a call.
func (t *stats) add(c *record.Call) {
	if c.Deployment == "" && c.Fallbacks == 0 || c.CacheHit {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deployments == nil {
		t.deployments, t.fallbacks = map[string]*counted{}, map[[2]string][2]int{}
	}
	if c.Fallbacks > 0 && (len(t.fallbacks) < mostCounted) {
		pair := [2]string{c.Alias, c.Group}
		n := t.fallbacks[pair]
		if c.Outcome == record.Success {
			n[0]++
		} else {
			n[1]++
		}
		t.fallbacks[pair] = n
	}
	one := t.deployments[c.Deployment]
	if one == nil {
		if c.Deployment == "" || len(t.deployments) >= mostCounted {
			return
		}
		one = &counted{name: c.Group + " (" + c.Upstream + ")"}
		t.deployments[c.Deployment] = one
	}
	switch {
	case c.Outcome == record.Failure:
		one.failures++
	case c.Outcome == record.Success && c.CompletionTokens > 0:
		one.tokens += c.CompletionTokens
		one.took += c.Duration()
	}
}

// take are the sums when they are as old as every, and begins anew.
func (t *stats) take(now time.Time, every time.Duration) (deployments []*counted, fallbacks map[[2]string][2]int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) < every {
		return nil, nil, false
	}
	deployments, fallbacks = slices.Collect(maps.Values(t.deployments)), t.fallbacks
	t.since, t.deployments, t.fallbacks = now, nil, nil
	return deployments, fallbacks, true
}

// tellStats sends the reports on deployments and fallbacks when they are due.
func (a *Alerter) tellStats(now time.Time) {
	every := a.settings.Load().Args.dailyReport()
	deployments, fallbacks, due := a.stats.take(now, every)
	if !due {
		return
	}
	if len(deployments) > 0 {
		a.raise(&note{kind: DailyReport, level: Low, alone: true, at: now, message: dailyText(deployments, every)})
	}
	if len(fallbacks) > 0 {
		var b strings.Builder
		fmt.Fprintf(&b, "*Fallbacks of the last %s*\n", every)
		for _, pair := range slices.SortedFunc(maps.Keys(fallbacks), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) }) {
			n := fallbacks[pair]
			fmt.Fprintf(&b, "\n`%s` -> `%s`: %d answered, %d failed", pair[0], pair[1], n[0], n[1])
		}
		a.raise(&note{kind: FallbackReport, level: Low, at: now, message: b.String()})
	}
}

// mostListed is how many deployments a report names.
const mostListed = 5

// dailyText is the report on the deployments: which have failed most, and which are slowest.
func dailyText(list []*counted, every time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*Report of the last %s*\n\n*Top Deployments with Most Failed Requests:*\n", every)
	slices.SortFunc(list, func(x, y *counted) int { return cmp.Or(y.failures-x.failures, strings.Compare(x.name, y.name)) })
	none := true
	for i, d := range list[:min(len(list), mostListed)] {
		if d.failures > 0 {
			none = false
			fmt.Fprintf(&b, "\t%d. Deployment: `%s`, Failed Requests: `%d`\n", i+1, d.name, d.failures)
		}
	}
	if none {
		b.WriteString("\tNone\n")
	}
	b.WriteString("\n*Top Slowest Deployments:*\n")
	slow := func(d *counted) float64 { return d.took.Seconds() / float64(d.tokens) }
	list = slices.DeleteFunc(list, func(d *counted) bool { return d.tokens == 0 })
	slices.SortFunc(list, func(x, y *counted) int { return cmp.Or(cmp.Compare(slow(y), slow(x)), strings.Compare(x.name, y.name)) })
	if len(list) == 0 {
		b.WriteString("\tNone\n")
	}
	for i, d := range list[:min(len(list), mostListed)] {
		fmt.Fprintf(&b, "\t%d. Deployment: `%s`, Latency per output token: `%.3fs/token`\n", i+1, d.name, slow(d))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// reportWindow is how long after the end of a period its report is sent. A replica that begins later leaves it out: another
// one has sent it.
const reportWindow = 90 * time.Minute

// ReportSpend sends the report of spend when a period has ended lately. One replica calls it, every now and then.
func (a *Alerter) ReportSpend(ctx context.Context, now time.Time) error {
	if a == nil || a.o.Spend == nil {
		return nil
	}
	s := a.settings.Load()
	if !s.sends(SpendReport) {
		return nil
	}
	from, to := period(now.In(s.zone()), or(s.SpendDays, 7))
	a.mu.Lock()
	due := now.Sub(to) < reportWindow && to.After(a.reported)
	a.mu.Unlock()
	if !due {
		return nil
	}
	teams, tags, err := a.o.Spend(ctx, from, to)
	if err != nil {
		return fmt.Errorf("alert: the report of spend: %w", err)
	}
	a.mu.Lock()
	a.reported = to
	a.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "*Spend Report for `%s - %s`*\n", from.Format(time.DateOnly), to.AddDate(0, 0, -1).Format(time.DateOnly))
	list(&b, "Team", teams)
	list(&b, "Tag", tags)
	a.raise(&note{kind: SpendReport, level: Low, at: now, message: strings.TrimSuffix(b.String(), "\n")})
	return nil
}

func list(b *strings.Builder, what string, lines []Spent) {
	fmt.Fprintf(b, "\n*%s Spend Report:*\n", what)
	if len(lines) == 0 {
		b.WriteString("None\n")
	}
	for _, l := range lines {
		fmt.Fprintf(b, "%s: `%s` | Spend: `$%s`\n", what, l.Name, l.USD)
	}
}

// period is the last period of so many days that has ended. Periods begin at midnight, counted from the first Monday of 1970.
func period(now time.Time, days int) (from, to time.Time) {
	const firstMonday = 4 // 5 January 1970, in days
	y, m, d := now.Date()
	today := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()/(24*60*60)) - firstMonday
	to = time.Date(y, m, d-today%days, 0, 0, 0, 0, now.Location())
	return to.AddDate(0, 0, -days), to
}
