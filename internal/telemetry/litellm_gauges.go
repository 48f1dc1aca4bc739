package telemetry

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate/internal/record"
)

// Holder is somebody whose budget is shown: whose calls were counted since the series began.
type Holder struct {
	Kind  HolderKind
	ID    string // of a key, its hash
	Alias string
}

// HolderKind is what has a budget, as the names of LiteLLM's series have it.
type HolderKind string

// The kinds of holders.
const (
	HoldingKey  HolderKind = "api_key"
	HoldingTeam HolderKind = "team"
	HoldingOrg  HolderKind = "org"
	HoldingUser HolderKind = "user"
)

// Figures are what the gauges with LiteLLM's names show, at the time they are read.
type Figures struct {
	Deployments []DeploymentFigures
	Budgets     []BudgetFigures
	Providers   map[string]float64 // what is left of their budgets, in USD
	// Users and Teams count those that exist; nil = nobody knows.
	Users, Teams *int
}

// DeploymentFigures are those of one deployment.
type DeploymentFigures struct {
	Target
	State    int   // 0 healthy, 1 partial outage, 2 outage
	TPM, RPM int64 // limits; 0 = none
}

// BudgetFigures are those of one budget.
type BudgetFigures struct {
	Holder
	Remaining, Max float64  // in USD
	Hours          *float64 // until it starts anew; nil = never
}

// holdersLocked notes whose calls were counted. s.mu is held.
func (s *litellmSeries) holdersLocked(c *record.Call) {
	for _, h := range [...]Holder{{HoldingKey, c.KeyHash, c.KeyAlias}, {HoldingTeam, c.TeamID, c.TeamAlias}, {HoldingOrg, c.OrgID, c.OrgAlias}, {HoldingUser, c.UserID, ""}} {
		if h.ID != "" && len(s.holders) < maxSeries {
			s.holders[h] = struct{}{}
		}
	}
}

// seen are the holders that were noted.
func (s *litellmSeries) seen() []Holder {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Holder, 0, len(s.holders))
	for h := range s.holders {
		list = append(list, h)
	}
	return list
}

// holderLabels are the labels of the budgets of each kind of holder.
var holderLabels = map[HolderKind][]string{
	HoldingKey: keyLabels, HoldingTeam: teamLabels, HoldingOrg: {"org_id", "org_alias"}, HoldingUser: {"user"},
}

// litellmGauges are LiteLLM's names of values that are asked for when the series are read.
var litellmGauges = []struct {
	name, help string
	labels     []string
}{
	{"litellm_in_flight_requests", "Calls of model routes being served.", nil},
	{"litellm_total_users", "Users that exist.", nil},
	{"litellm_teams_count", "Teams that exist.", nil},
	{"litellm_deployment_state", "0 = the deployment is healthy, 1 = calls of the last minute failed, 2 = it is left out for a while.", targetLabels},
	{"litellm_deployment_tpm_limit", "Tokens a minute that the deployment may be asked for.", targetLabels},
	{"litellm_deployment_rpm_limit", "Calls a minute that the deployment may be asked.", targetLabels},
	{"litellm_provider_remaining_budget_metric", "What is left of a provider's budget, in USD.", []string{"api_provider"}},
	{"litellm_remaining_api_key_budget_metric", "What is left of a key's budget, in USD.", keyLabels},
	{"litellm_api_key_max_budget_metric", "A key's budget, in USD.", keyLabels},
	{"litellm_api_key_budget_remaining_hours_metric", "Hours until a key's budget starts anew.", keyLabels},
	{"litellm_remaining_team_budget_metric", "What is left of a team's budget, in USD.", teamLabels},
	{"litellm_team_max_budget_metric", "A team's budget, in USD.", teamLabels},
	{"litellm_team_budget_remaining_hours_metric", "Hours until a team's budget starts anew.", teamLabels},
	{"litellm_remaining_org_budget_metric", "What is left of an organisation's budget, in USD.", holderLabels[HoldingOrg]},
	{"litellm_org_max_budget_metric", "An organisation's budget, in USD.", holderLabels[HoldingOrg]},
	{"litellm_org_budget_remaining_hours_metric", "Hours until an organisation's budget starts anew.", holderLabels[HoldingOrg]},
	{"litellm_remaining_user_budget_metric", "What is left of a user's budget, in USD.", holderLabels[HoldingUser]},
	{"litellm_user_max_budget_metric", "A user's budget, in USD.", holderLabels[HoldingUser]},
	{"litellm_user_budget_remaining_hours_metric", "Hours until a user's budget starts anew.", holderLabels[HoldingUser]},
}

// gauges ask for the figures whenever the series are read.
type gauges struct {
	series   *litellmSeries
	figures  func(seen []Holder) Figures
	inFlight func() float64
	descs    map[string]*prometheus.Desc // those that are selected
}

func newGauges(s *litellmSeries, figures func(seen []Holder) Figures, inFlight func() float64) *gauges {
	g := &gauges{series: s, figures: figures, inFlight: inFlight, descs: map[string]*prometheus.Desc{}}
	for _, d := range litellmGauges {
		if labels, ok := s.choose(d.name, d.labels, nil, nil); ok {
			g.descs[d.name] = prometheus.NewDesc(d.name, d.help, labels, nil)
		}
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	once := map[string]bool{} // two series of the same labels would fail the whole scrape
	show := func(name string, value float64, text func(label string) string) {
		desc := g.descs[name]
		if desc == nil {
			return
		}
		values := g.series.pick(name, text)
		id := name
		for _, v := range values {
			id += between + v
		}
		if once[id] {
			return
		}
		once[id] = true
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, values...)
	}
	show("litellm_in_flight_requests", g.inFlight(), nil)
	f := g.figures(g.series.seen())
	for name, n := range map[string]*int{"litellm_total_users": f.Users, "litellm_teams_count": f.Teams} {
		if n != nil {
			show(name, float64(*n), nil)
		}
	}
	for i := range f.Deployments {
		d := &f.Deployments[i]
		show("litellm_deployment_state", float64(d.State), d.text)
		if d.TPM > 0 {
			show("litellm_deployment_tpm_limit", float64(d.TPM), d.text)
		}
		if d.RPM > 0 {
			show("litellm_deployment_rpm_limit", float64(d.RPM), d.text)
		}
	}
	for provider, left := range f.Providers {
		show("litellm_provider_remaining_budget_metric", left, func(string) string { return label(provider) })
	}
	for i := range f.Budgets {
		b := &f.Budgets[i]
		kind := string(b.Kind)
		show("litellm_remaining_"+kind+"_budget_metric", b.Remaining, b.text)
		show("litellm_"+kind+"_max_budget_metric", b.Max, b.text)
		if b.Hours != nil {
			show("litellm_"+kind+"_budget_remaining_hours_metric", *b.Hours, b.text)
		}
	}
}

// text is the value of a label: the first of a kind is the id, the second the alias.
func (h *Holder) text(name string) string {
	if slices.Index(holderLabels[h.Kind], name) == 0 {
		return label(h.ID)
	}
	return label(h.Alias)
}
