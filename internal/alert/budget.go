package alert

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// Event is the webhook's body, in LiteLLM's form (its WebhookEvent). What has no value is null.
type Event struct {
	Spend             float64  `json:"spend"`
	MaxBudget         *float64 `json:"max_budget"`
	SoftBudget        *float64 `json:"soft_budget"`
	Token             *string  `json:"token"`
	CustomerID        *string  `json:"customer_id"`
	UserID            *string  `json:"user_id"`
	TeamID            *string  `json:"team_id"`
	TeamAlias         *string  `json:"team_alias"`
	OrganizationID    *string  `json:"organization_id"`
	UserEmail         *string  `json:"user_email"`
	KeyAlias          *string  `json:"key_alias"`
	ProjectedExceeded *string  `json:"projected_exceeded_date"`
	ProjectedSpend    *float64 `json:"projected_spend"`
	Event             string   `json:"event"`       // spend_tracked, budget_crossed, threshold_crossed, soft_budget_crossed, key_created, internal_user_created
	EventGroup        string   `json:"event_group"` // customer, internal_user, key, team, organization, proxy
	EventMessage      string   `json:"event_message"`
}

// groups are LiteLLM's names of who has a budget, and ours for messages, by the kind of the counter.
var groups = map[string]struct{ event, title string }{
	"key": {"key", "Key"}, "team": {"team", "Team"}, "user": {"internal_user", "User"}, "customer": {"customer", "Customer"},
	"org": {"organization", "Organization"}, "global": {"proxy", "Proxy"},
}

// thresholds are the parts of a budget whose passing is told, the highest first.
var thresholds = []struct {
	part    float64
	event   string
	message string
}{
	{1, "budget_crossed", "Budget Crossed"},
	{.95, "threshold_crossed", "5% Threshold Crossed"}, // of what is left
	{.85, "threshold_crossed", "15% Threshold Crossed"},
}

// hardlyUsed is the part of a budget below which a refused call alone is no news of it.
const hardlyUsed = .5

// lookAtBudgets tells of budgets that a call has brought near their end, once a TTL for each threshold.
func (a *Alerter) lookAtBudgets(s *Settings, c *record.Call) {
	if c.EndUser != "" && c.Cost > 0 && !s.Webhook.Empty() {
		e := eventOf(account.CustomerScope(c.EndUser), c)
		e.Spend, e.Event, e.EventMessage = c.Cost.Float64(), "spend_tracked", "Customer spend tracked. Customer="+c.EndUser
		a.postEvent(s, e)
	}
	if a.o.Standing == nil {
		return
	}
	refused := c.Outcome == record.Refused && c.ErrorType == "budget_exceeded" && c.Status == http.StatusTooManyRequests
	if c.Cost <= 0 && !refused {
		return
	}
	var worst account.Scope
	var most Standing
	for _, scope := range c.Charges {
		kind, _, window, model := scope.Parts()
		if _, ok := groups[kind]; !ok || window != "" || model != "" {
			continue
		}
		b, known := a.o.Standing(scope)
		if !known || b.Limit <= 0 {
			continue
		}
		if most.Limit == 0 || ratio(b) > ratio(most) {
			worst, most = scope, b
		}
		a.passed(s, scope, b, ratio(b), c)
	}
	// What is left does not pay for a call. Of a budget that is hardly used that says nothing: the call was too dear.
	if refused && most.Limit > 0 && ratio(most) >= hardlyUsed {
		a.passed(s, worst, most, 1, c)
	}
}

func ratio(b Standing) float64 { return float64(b.Spent) / float64(b.Limit) }

// passed tells of the highest threshold that was passed. Those below it are told no more.
func (a *Alerter) passed(s *Settings, scope account.Scope, b Standing, part float64, c *record.Call) {
	said := false
	for _, t := range thresholds {
		if part < t.part {
			continue
		}
		first := a.once.first(string(scope)+"\x00"+t.message, s.Args.budgetTTL(), c.Ended)
		if first && !said {
			e := eventOf(scope, c)
			limit := b.Limit.Float64()
			e.Spend, e.MaxBudget, e.Event = b.Spent.Float64(), &limit, t.event
			e.EventMessage = e.title() + " Budget: " + t.message
			a.tellBudget(s, e, b)
		}
		said = true
	}
}

// SoftBudget says that a scope has spent more than its soft budget.
func (a *Alerter) SoftBudget(scope account.Scope, spent, soft, limit money.USD) {
	if a == nil {
		return
	}
	s := a.settings.Load()
	if !s.sends(Budget) || !a.once.first(string(scope)+"\x00soft", s.Args.budgetTTL(), time.Now()) {
		return
	}
	e := eventOf(scope, &record.Call{})
	value := soft.Float64()
	e.Spend, e.SoftBudget, e.Event = spent.Float64(), &value, "soft_budget_crossed"
	if limit > 0 {
		whole := limit.Float64()
		e.MaxBudget = &whole
	}
	e.EventMessage = e.title() + " Budget: Soft Budget Crossed"
	a.tellBudget(s, e, Standing{Spent: spent, Limit: limit})
}

// eventOf names who has a budget, as far as the call knows it.
func eventOf(scope account.Scope, c *record.Call) *Event {
	kind, ids, _, _ := scope.Parts()
	e := &Event{
		EventGroup: groups[kind].event, Token: text(c.KeyHash), KeyAlias: text(c.KeyAlias), UserID: text(c.UserID), UserEmail: text(c.UserEmail),
		TeamID: text(c.TeamID), TeamAlias: text(c.TeamAlias), OrganizationID: text(c.OrgID), CustomerID: text(c.EndUser),
	}
	if len(ids) == 0 {
		return e
	}
	switch kind {
	case "key":
		e.Token = text(ids[0])
	case "team":
		e.TeamID = text(ids[0])
	case "user":
		e.UserID = text(ids[0])
	case "org":
		e.OrganizationID = text(ids[0])
	case "customer":
		e.CustomerID = text(ids[0])
	}
	return e
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (e *Event) title() string {
	for _, g := range groups {
		if g.event == e.EventGroup {
			return g.title
		}
	}
	return "Budget"
}

// tellBudget tells Slack and the webhook.
func (a *Alerter) tellBudget(s *Settings, e *Event, b Standing) {
	var lines strings.Builder
	lines.WriteString(e.EventMessage + "\n\n")
	line := func(name string, value *string) {
		if value != nil {
			fmt.Fprintf(&lines, "*%s:* `%s`\n", name, *value)
		}
	}
	spent := "$" + b.Spent.String()
	line("spend", &spent)
	if b.Limit > 0 {
		limit := "$" + b.Limit.String()
		line("max_budget", &limit)
	}
	if e.SoftBudget != nil {
		soft := fmt.Sprintf("$%g", *e.SoftBudget)
		line("soft_budget", &soft)
	}
	line("token", e.Token)
	line("key_alias", e.KeyAlias)
	line("user_id", e.UserID)
	line("user_email", e.UserEmail)
	line("team_id", e.TeamID)
	line("team_alias", e.TeamAlias)
	line("organization_id", e.OrganizationID)
	line("customer_id", e.CustomerID)
	line("event", &e.Event)
	line("event_group", &e.EventGroup)
	if len(s.to(Budget)) > 0 {
		a.raise(&note{kind: Budget, level: High, message: strings.TrimSuffix(lines.String(), "\n")})
	}
	a.postEvent(s, e)
}

// postEvent sends an event to the webhook, where there is one.
func (a *Alerter) postEvent(s *Settings, e *Event) {
	if s.Webhook.Empty() {
		return
	}
	a.post(s.Webhook.Reveal(), &letter{kind: Budget, body: encode(e)})
}

func encode(e *Event) []byte {
	body, _ := json.Marshal(e) // sums of money are finite
	return body
}
