package alert

import (
	"net/http"
	"slices"
	"time"

	"tollgate/internal/secret"
)

// Settings are what the configuration says of alerts.
type Settings struct {
	// Client sends; redirects are not followed, whatever it says. nil only where nothing has an address.
	Client  *http.Client
	Slack   []secret.String // SLACK_WEBHOOK_URL; none = Slack is not among general_settings.alerting
	Webhook secret.String   // WEBHOOK_URL; empty = no webhook
	// ByType are the addresses of types that do not go to Slack's (alert_to_webhook_url).
	ByType map[Type][]secret.String
	Types  []Type // alert_types; nil = Defaults
	// Threshold is after what time a call is slow, or hangs (alerting_threshold); 0 = 300 s.
	Threshold time.Duration
	Digests   map[Type]time.Duration // alert_type_config: how long alerts of a type are collected
	ProxyURL  string                 // PROXY_BASE_URL; shown in messages
	Args      Args
	// SpendDays is the length of the periods that spend is reported for (spend_report_frequency); 0 = 7.
	SpendDays int
	Zone      *time.Location // in which days begin; nil = UTC
}

// Args are alerting_args; a zero value means LiteLLM's.
type Args struct {
	DailyReport  time.Duration // daily_report_frequency: 12 h
	BudgetTTL    time.Duration // budget_alert_ttl: 24 h
	OutageTTL    time.Duration // outage_alert_ttl: 1 min
	RegionTTL    time.Duration // region_outage_alert_ttl: 1 min
	MinorOutage  int           // minor_outage_alert_threshold: 5 failures
	MajorOutage  int           // major_outage_alert_threshold: 10 failures
	MaxOutages   int           // max_outage_alert_list_size: 1000 deployments
	LogToConsole bool          // log_to_console: the log has every message, too
}

// or is v, else the default.
func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (s *Settings) threshold() time.Duration { return or(s.Threshold, 300*time.Second) }
func (a *Args) dailyReport() time.Duration   { return or(a.DailyReport, 12*time.Hour) }
func (a *Args) budgetTTL() time.Duration     { return or(a.BudgetTTL, 24*time.Hour) }
func (a *Args) outageTTL(region bool) time.Duration {
	if region {
		return or(a.RegionTTL, time.Minute)
	}
	return or(a.OutageTTL, time.Minute)
}
func (a *Args) minor() int { return or(a.MinorOutage, 5) }
func (a *Args) major() int { return or(a.MajorOutage, 10) }

// sends reports whether alerts of a type are sent anywhere.
func (s *Settings) sends(t Type) bool {
	if len(s.Slack) == 0 && len(s.ByType[t]) == 0 && (t != Budget || s.Webhook.Empty()) {
		return false
	}
	types := s.Types
	if types == nil {
		types = Defaults
	}
	return slices.Contains(types, t)
}

// to are the addresses that messages of a type go to.
func (s *Settings) to(t Type) []secret.String {
	if list := s.ByType[t]; len(list) > 0 {
		return list
	}
	return s.Slack
}

// addresses are all that something may be sent to.
func (s *Settings) addresses() map[string]bool {
	all := map[string]bool{}
	for _, u := range s.Slack {
		all[u.Reveal()] = true
	}
	for _, list := range s.ByType {
		for _, u := range list {
			all[u.Reveal()] = true
		}
	}
	if !s.Webhook.Empty() {
		all[s.Webhook.Reveal()] = true
	}
	return all
}
