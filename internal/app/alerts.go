package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/alert"
	"tollgate/internal/budget"
	"tollgate/internal/dispatch"
	"tollgate/internal/ledger"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
	"tollgate/internal/telemetry"
)

// openAlerts reads what the configuration says of alerts.
func (a *App) openAlerts(b *built) {
	g, l := &b.config.General, &b.config.Litellm
	s := &alert.Settings{Client: b.egress.HTTPClient(), ByType: map[alert.Type][]secret.String{}, Digests: map[alert.Type]time.Duration{}, ProxyURL: b.getenv("PROXY_BASE_URL")}
	b.alerts = s
	wanted := slices.Clone(g.Alerting)
	for _, callbacks := range [][]string{l.Callbacks, l.SuccessCallback, l.FailureCallback} {
		if slices.Contains(callbacks, "slack") {
			wanted = append(wanted, "slack")
		}
	}
	const path = "general_settings.alerting"
	for _, name := range wanted {
		switch name {
		case "slack":
			if url := b.getenv("SLACK_WEBHOOK_URL"); url != "" && len(s.Slack) == 0 {
				for one := range strings.SplitSeq(url, ",") {
					s.Slack = append(s.Slack, secret.New(strings.TrimSpace(one)))
				}
			}
			if len(s.Slack) == 0 && len(g.AlertWebhooks) == 0 {
				b.leaveOut(path, errors.New("slack needs an address: set the variable SLACK_WEBHOOK_URL, or general_settings.alert_to_webhook_url"))
			}
		case "webhook":
			if url := b.getenv("WEBHOOK_URL"); url != "" {
				s.Webhook = secret.New(url)
			} else {
				b.leaveOut(path, errors.New("webhook needs an address: set the variable WEBHOOK_URL"))
			}
		case "email":
			b.refuseSetting(path, errors.New("email is not served: Tollgate sends no mail; use webhook, and have its receiver send it"))
		default:
			b.refuseSetting(path, fmt.Errorf("%q is not known; there are slack and webhook", name))
		}
	}
	if len(wanted) == 0 {
		return
	}
	for name, urls := range g.AlertWebhooks {
		if t, ok := b.alertType("general_settings.alert_to_webhook_url", name); ok {
			s.ByType[t] = urls
		}
	}
	for _, name := range g.AlertTypes {
		if t, ok := b.alertType("general_settings.alert_types", name); ok {
			s.Types = append(s.Types, t)
		}
	}
	s.Threshold = deref(g.AlertingThreshold)
	if zone, err := time.LoadLocation(l.Timezone); err == nil { // its errors are told where rooms are opened
		s.Zone = zone
	}
	b.alertArgs(s)
	b.alertDigests(s)
	b.spendReports(s)
	if len(s.Slack)+len(s.ByType) > 0 {
		b.probes = append(b.probes, Probe{Kind: "alerts", Name: "slack", Service: "slack", Ping: s.Ping})
	}
	if !s.Webhook.Empty() {
		b.probes = append(b.probes, Probe{Kind: "alerts", Name: "webhook", Service: "webhook", Ping: s.PingWebhook})
	}
}

// alertType finds a type of alerts by its name.
func (b *built) alertType(path, name string) (alert.Type, bool) {
	t := alert.Type(name)
	if slices.Contains(alert.Defaults, t) || slices.Contains(alert.Others, t) {
		return t, true
	}
	b.refuseSetting(path, fmt.Errorf("%q is no type of alerts; docs/reference/alerts.md lists them", name))
	return "", false
}

// alertArgs reads alerting_args.
func (b *built) alertArgs(s *alert.Settings) {
	const path = "general_settings.alerting_args"
	m := setting.New(path, b.config.General.AlertingArgs.JSON(), b.getenv)
	s.Args = alert.Args{
		DailyReport: m.Seconds("daily_report_frequency", 0), BudgetTTL: m.Seconds("budget_alert_ttl", 0),
		OutageTTL: m.Seconds("outage_alert_ttl", 0), RegionTTL: m.Seconds("region_outage_alert_ttl", 0),
		MinorOutage: m.Int("minor_outage_alert_threshold", 0), MajorOutage: m.Int("major_outage_alert_threshold", 0), MaxOutages: m.Int("max_outage_alert_list_size", 0),
		LogToConsole: m.Flag("log_to_console", false),
	}
	m.Any("report_check_interval") // reports are looked at every second
	if err := m.Err(); err != nil {
		b.refuseSetting("", err)
	}
	for _, name := range m.Unknown() {
		b.warnSetting(path+"."+name, "alerts have no such setting")
	}
}

// alertDigests reads alert_type_config.
func (b *built) alertDigests(s *alert.Settings) {
	const path = "general_settings.alert_type_config"
	all := b.config.General.AlertTypeConfig.JSON()
	for name, value := range all {
		t, ok := b.alertType(path, name)
		values, isMap := value.(map[string]any)
		if !ok || !isMap {
			continue
		}
		m := setting.New(path+"."+name, values, b.getenv)
		interval := m.Seconds("digest_interval", 24*time.Hour)
		if m.Flag("digest", false) {
			s.Digests[t] = interval
		}
		if err := m.Err(); err != nil {
			b.refuseSetting("", err)
		}
	}
}

// spendReports reads spend_report_frequency: a number of days such as 7d.
func (b *built) spendReports(s *alert.Settings) {
	text := b.config.General.SpendReports
	if text == "" {
		return
	}
	days, err := strconv.Atoi(strings.TrimSuffix(text, "d"))
	if err != nil || days < 1 || days > 366 || !strings.HasSuffix(text, "d") {
		b.refuseSetting("general_settings.spend_report_frequency", fmt.Errorf("%q is no number of days such as 7d", text))
		return
	}
	s.SpendDays = days
}

// startAlerts makes what sends alerts. It has no address before a configuration is in force.
func (a *App) startAlerts() {
	o := alert.Options{Log: a.log, Observer: a.opts.Metrics, Standing: func(s account.Scope) (alert.Standing, bool) {
		spent, limit, known := a.rooms.budgets.Spent(s)
		return alert.Standing{Spent: spent, Limit: limit}, known
	}}
	if a.rooms.store != nil {
		o.Spend = a.spentBetween
	}
	a.rooms.alerts = alert.New(o, &alert.Settings{})
}

// tellAlerts puts what a configuration says of alerts in force, and tells which models are new in it.
func (a *App) tellAlerts(b *built) {
	a.rooms.alerts.Swap(b.alerts)
	old := a.inForce.Load()
	if old == nil {
		return
	}
	var added []string
	for _, m := range b.models {
		known := slices.ContainsFunc(old.deployments, func(d dispatch.Deployment) bool { return d.Alias == m.Alias })
		if !known && !slices.Contains(added, m.Alias) {
			added = append(added, m.Alias)
		}
	}
	a.rooms.alerts.ModelsAdded(added)
}

// mostReported bounds how many teams and tags a report of spend names.
const mostReported = 50

// spentBetween sums up what teams and tags have spent.
func (a *App) spentBetween(ctx context.Context, from, to time.Time) (teams, tags []alert.Spent, err error) {
	for _, part := range []struct {
		by ledger.Dimension
		to *[]alert.Spent
	}{{ledger.ByTeam, &teams}, {ledger.ByTag, &tags}} {
		q := ledger.UsageQuery{From: from, To: to, Zone: from.Location(), By: []ledger.Dimension{part.by}, Sort: "spend", Desc: true, Limit: mostReported}
		err := a.rooms.store.Usage(ctx, q, func(u ledger.Usage) error {
			if u.Values[0] != "" && u.Metrics.Spend > 0 {
				*part.to = append(*part.to, alert.Spent{Name: u.Values[0], USD: u.Metrics.Spend})
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for i := range teams {
		t := &account.Team{}
		if err := a.rooms.store.Get(ctx, teams[i].Name, t); err == nil && t.TeamAlias != "" {
			teams[i].Name = t.TeamAlias
		}
	}
	return teams, tags, nil
}

// ledgerWatch counts what becomes of rows, and tells of what people must look at.
type ledgerWatch struct {
	*telemetry.Metrics
	alerts *alert.Alerter
}

// LedgerFailed implements ledger.Observer.
func (w ledgerWatch) LedgerFailed() {
	w.Metrics.LedgerFailed()
	w.alerts.DatabaseFailed("the database does not take the rows of calls; they wait and are tried again")
}

// LedgerLost implements ledger.Observer.
func (w ledgerWatch) LedgerLost(rows int) {
	w.Metrics.LedgerLost(rows)
	w.alerts.TrackingFailed(fmt.Sprintf("%d rows of calls are lost: spool and memory are full", rows))
}

// LedgerQuarantined implements ledger.Observer.
func (w ledgerWatch) LedgerQuarantined(rows int) {
	w.Metrics.LedgerQuarantined(rows)
	w.alerts.TrackingFailed(fmt.Sprintf("the database refuses %d rows of calls; they are in the quarantine file", rows))
}

// alertingStore tells of keys, teams and users that the management API of this replica makes, changes or removes.
type alertingStore struct {
	appliedStore
	alerts *alert.Alerter
}

// Update implements account.Store.
func (s alertingStore) Update(ctx context.Context, change func(tx account.Tx) error) error {
	var noted []alert.Change
	err := s.appliedStore.Update(ctx, func(tx account.Tx) error {
		noted = nil // the store may run it again
		return change(alertingTx{tx, &noted})
	})
	if err == nil {
		for _, c := range noted {
			s.alerts.Changed(c)
		}
	}
	return err
}

// alertingTx notes whom a transaction makes, changes or removes.
type alertingTx struct {
	account.Tx
	noted *[]alert.Change
}

func (t alertingTx) note(o account.Object, key, team, user alert.Type) {
	switch o := o.(type) {
	case *account.Key:
		*t.noted = append(*t.noted, alert.Change{Type: key, ID: o.Token, Alias: o.KeyAlias, UserID: o.UserID, TeamID: o.TeamID})
	case *account.Team:
		*t.noted = append(*t.noted, alert.Change{Type: team, ID: o.TeamID, Alias: o.TeamAlias})
	case *account.User:
		*t.noted = append(*t.noted, alert.Change{Type: user, ID: o.UserID, Alias: o.UserAlias, Email: o.UserEmail})
	}
}

// Insert implements account.Tx.
func (t alertingTx) Insert(ctx context.Context, o account.Object) error {
	t.note(o, alert.KeyCreated, alert.TeamCreated, alert.UserCreated)
	return t.Tx.Insert(ctx, o)
}

// Replace implements account.Tx.
func (t alertingTx) Replace(ctx context.Context, o account.Object) error {
	t.note(o, alert.KeyUpdated, alert.TeamUpdated, alert.UserUpdated)
	return t.Tx.Replace(ctx, o)
}

// Delete implements account.Tx.
func (t alertingTx) Delete(ctx context.Context, kind account.Kind, id string) error {
	deleted := map[account.Kind]alert.Type{account.Keys: alert.KeyDeleted, account.Teams: alert.TeamDeleted, account.Users: alert.UserDeleted}
	if what, ok := deleted[kind]; ok {
		*t.noted = append(*t.noted, alert.Change{Type: what, ID: id})
	}
	return t.Tx.Delete(ctx, kind, id)
}

// softBudget tells of a soft budget that was passed.
func (a *App) softBudget(p budget.Alert) {
	a.rooms.alerts.SoftBudget(p.Counter, p.Spent, p.Soft, p.Cap)
}
