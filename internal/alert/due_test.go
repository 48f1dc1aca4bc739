package alert_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/alert"
	"tollgate/internal/record"
	"tollgate/internal/secret"
)

// TestHanging: a call under way is told of once, when it is as old as the threshold; one that ends before is not.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) { s.Types, s.Threshold = []alert.Type{alert.Hanging}, 20*time.Second })
		w.Started("quick", "chat", time.Now())
		w.Started("slow", "chat", time.Now())
		time.Sleep(19 * time.Second)
		w.Ended("quick")
		if got := w.slack.Texts(); len(got) > 0 {
			t.Errorf("too soon: %q", got)
		}
		time.Sleep(time.Minute)
		got := w.slack.Texts()
		if len(got) != 1 || !strings.HasSuffix(got[0], "Message: `Requests are hanging - 20s+ request time`\nRequest Model: `chat`") || !strings.HasPrefix(got[0], "Level: `Medium`") {
			t.Errorf("Slack has %q", got)
		}
		w.end(t)
	})
}

// TestOutages: 5 failures within a minute are a minor outage, 10 a major one; of a region they must come from two deployments.
func TestOutages(t *testing.T) {
	for _, c := range []struct {
		name        string
		kind        alert.Type
		failures    int
		deployments int
		status      int
		pause       time.Duration
		want        []string
	}{
		{"four", alert.Outage, 4, 1, 503, 0, nil},
		{"five", alert.Outage, 5, 1, 503, 0, []string{"Minor"}},
		{"ten", alert.Outage, 10, 1, 503, 0, []string{"Minor", "Major"}},
		{"many", alert.Outage, 30, 1, 503, 0, []string{"Minor", "Major"}},
		{"the caller's own fault", alert.Outage, 30, 1, 400, 0, nil},
		{"timeouts", alert.Outage, 5, 1, 408, 0, []string{"Minor"}},
		{"slowly", alert.Outage, 30, 1, 503, 20 * time.Second, nil},
		{"one deployment of a region", alert.RegionOutage, 30, 1, 503, 0, nil},
		{"two deployments of a region", alert.RegionOutage, 10, 2, 503, 0, []string{"Minor", "Major"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, only(c.kind))
				for i := range c.failures {
					w.Observe(failing(func(call *record.Call) {
						call.Status, call.Deployment = c.status, fmt.Sprintf("id-%d", i%c.deployments)
					}))
					time.Sleep(c.pause)
				}
				w.end(t)
				got := w.slack.Texts()
				if len(got) != len(c.want) {
					t.Fatalf("Slack has %q, want %v", got, c.want)
				}
				for i, word := range c.want {
					if !strings.Contains(got[i], "*⚠️ "+word+" Service Outage*") || !strings.Contains(got[i], "API Base: `https://upstream`") {
						t.Errorf("%q is no %s outage", got[i], word)
					}
				}
			})
		})
	}
}

// TestBudgets: each threshold is told once within the TTL, the highest of those passed at once alone.
func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) {
			s.Types, s.Webhook = []alert.Type{alert.Budget}, secret.New("https://webhook/x")
		})
		scope := account.KeyScope("hash")
		call := func(spent string) {
			w.standing[scope] = alert.Standing{Spent: dollars(t, spent), Limit: dollars(t, "100")}
			now := time.Now()
			w.Observe(&record.Call{Started: now, Ended: now, Outcome: record.Success, Cost: dollars(t, "0.5"), KeyHash: "hash", KeyAlias: "ci", UserID: "u", UserEmail: "u@example.com", Charges: []account.Scope{scope, scope.Window("1d")}})
		}
		for _, spent := range []string{"10", "84.9", "85", "86", "94", "95", "99", "100", "101"} {
			call(spent)
		}
		time.Sleep(time.Minute)
		var events []string
		for _, e := range w.webhook.Events() {
			events = append(events, fmt.Sprint(e["event"], " ", e["spend"], " ", e["event_message"]))
		}
		want := "threshold_crossed 85 Key Budget: 15% Threshold Crossed, threshold_crossed 95 Key Budget: 5% Threshold Crossed, budget_crossed 100 Key Budget: Budget Crossed"
		if got := strings.Join(events, ", "); got != want {
			t.Errorf("the webhook has %s, want %s", got, want)
		}
		const text = "Message: Key Budget: 15% Threshold Crossed\n\n*spend:* `$85`\n*max_budget:* `$100`\n*token:* `hash`\n*key_alias:* `ci`\n*user_id:* `u`\n*user_email:* `u@example.com`\n*event:* `threshold_crossed`\n*event_group:* `key`"
		if got := w.slack.Texts(); len(got) != 3 || !strings.HasSuffix(got[0], text) {
			t.Errorf("Slack has %q, want %q", got, text)
		}
		time.Sleep(25 * time.Hour)
		call("101")
		time.Sleep(time.Minute)
		if got := w.webhook.Events(); len(got) != 4 {
			t.Errorf("a day later there are %d events", len(got))
		}
		w.end(t)
	})
}

// TestWebhookBody holds an event against LiteLLM's form, member by member.
func TestWebhookBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) { s.Slack, s.Webhook = nil, secret.New("https://webhook/x") })
		scope := account.TeamScope("team-1")
		w.standing[scope] = alert.Standing{Spent: dollars(t, "3"), Limit: dollars(t, "2")}
		now := time.Now()
		w.Observe(&record.Call{Started: now, Ended: now, Cost: 1, Outcome: record.Success, TeamID: "team-1", TeamAlias: "Team", KeyHash: "hash", Charges: []account.Scope{scope}})
		w.SoftBudget(account.UserScope("u"), dollars(t, "5"), dollars(t, "4"), 0)
		w.Observe(&record.Call{Started: now, Ended: now, Cost: dollars(t, "0.25"), Outcome: record.Success, EndUser: "cust"})
		w.Changed(alert.Change{Type: alert.KeyCreated, ID: "hash", Alias: "ci", UserID: "u"})
		w.end(t)
		want := []string{
			`{"customer_id":null,"event":"budget_crossed","event_group":"team","event_message":"Team Budget: Budget Crossed","key_alias":null,"max_budget":2,"organization_id":null,"projected_exceeded_date":null,"projected_spend":null,"soft_budget":null,"spend":3,"team_alias":"Team","team_id":"team-1","token":"hash","user_email":null,"user_id":null}`,
			`{"customer_id":null,"event":"soft_budget_crossed","event_group":"internal_user","event_message":"User Budget: Soft Budget Crossed","key_alias":null,"max_budget":null,"organization_id":null,"projected_exceeded_date":null,"projected_spend":null,"soft_budget":4,"spend":5,"team_alias":null,"team_id":null,"token":null,"user_email":null,"user_id":"u"}`,
			`{"customer_id":"cust","event":"spend_tracked","event_group":"customer","event_message":"Customer spend tracked. Customer=cust","key_alias":null,"max_budget":null,"organization_id":null,"projected_exceeded_date":null,"projected_spend":null,"soft_budget":null,"spend":0.25,"team_alias":null,"team_id":null,"token":null,"user_email":null,"user_id":null}`,
			`{"customer_id":null,"event":"key_created","event_group":"key","event_message":"Virtual Key Created","key_alias":"ci","max_budget":null,"organization_id":null,"projected_exceeded_date":null,"projected_spend":null,"soft_budget":null,"spend":0,"team_alias":null,"team_id":null,"token":"hash","user_email":null,"user_id":"u"}`,
		}
		got := w.webhook.Events()
		if len(got) != len(want) {
			t.Fatalf("the webhook has %v", got)
		}
		for i := range got {
			text, err := json.Marshal(got[i])
			if err != nil || string(text) != want[i] {
				t.Errorf("event %d is %s, want %s", i, text, want[i])
			}
		}
	})
}

// TestRefusedByBudget: a budget that pays for no further call has crossed, though something is left of it.
func TestRefusedByBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, only(alert.Budget))
		key, team := account.KeyScope("hash"), account.TeamScope("t")
		w.standing[key] = alert.Standing{Spent: dollars(t, "1"), Limit: dollars(t, "100")}
		w.standing[team] = alert.Standing{Spent: dollars(t, "99.9"), Limit: dollars(t, "100")}
		now := time.Now()
		w.Observe(&record.Call{Started: now, Ended: now, Outcome: record.Refused, Status: 429, ErrorType: "budget_exceeded", Charges: []account.Scope{key, team}})
		w.end(t)
		if got := strings.Join(w.slack.Texts(), "\n"); !strings.Contains(got, "Team Budget: Budget Crossed") || strings.Contains(got, "Key Budget") {
			t.Errorf("Slack has %q", got)
		}
	})
}

// TestDigest: alerts of one type, model and address are told in one message at the end of the interval.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) {
			s.Types, s.Digests = []alert.Type{alert.Exceptions}, map[alert.Type]time.Duration{alert.Exceptions: time.Hour}
		})
		for i := range 5 {
			w.Observe(failing(func(c *record.Call) { c.Error = fmt.Sprint("error ", i) }))
			time.Sleep(time.Minute)
		}
		w.Observe(failing(func(c *record.Call) { c.Alias = "other" }))
		if got := w.slack.Texts(); len(got) > 0 {
			t.Errorf("too soon: %q", got)
		}
		time.Sleep(56 * time.Minute)
		const want = "Alert type: `llm_exceptions` (Digest)\nLevel: `High`\nStart: `2000-01-01 00:00:00`\nEnd: `2000-01-01 01:00:00`\nCount: `5`\n\nMessage: LLM API call failed: `error 0`\nRequest Model: `chat`\nAPI Base: `https://upstream`\nStatus: `503`"
		if got := w.slack.Texts(); len(got) != 1 || got[0] != want {
			t.Errorf("Slack has %q, want %q", got, want)
		}
		w.end(t) // tells the other one
		if got := w.slack.Texts(); len(got) != 2 {
			t.Errorf("at the end Slack has %q", got)
		}
	})
}

func TestDailyReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, only(alert.DailyReport, alert.FallbackReport))
		ok := func(c *record.Call) { c.Outcome, c.Status, c.CompletionTokens = record.Success, 200, 20 }
		w.Observe(failing(nil))
		w.Observe(failing(ok))
		w.Observe(failing(func(c *record.Call) {
			ok(c)
			c.Deployment, c.Group, c.Upstream, c.Fallbacks = "id-2", "second", "meta.llama", 1
		}))
		time.Sleep(12*time.Hour + 10*time.Second)
		want := []string{
			"*Report of the last 12h0m0s*\n\n*Top Deployments with Most Failed Requests:*\n\t1. Deployment: `chat (cohere.command)`, Failed Requests: `1`\n\n*Top Slowest Deployments:*\n" +
				"\t1. Deployment: `chat (cohere.command)`, Latency per output token: `0.100s/token`\n\t2. Deployment: `second (meta.llama)`, Latency per output token: `0.100s/token`",
			"Level: `Low`\nTimestamp: `12:00:00`\n\nMessage: *Fallbacks of the last 12h0m0s*\n\n`chat` -> `second`: 1 answered, 0 failed",
		}
		got := w.slack.Texts()
		if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("Slack has %q, want %q", got, want)
		}
		time.Sleep(13 * time.Hour)
		if got := w.slack.Texts(); len(got) != 2 {
			t.Errorf("nothing has happened, and Slack has %q", got[2:])
		}
		w.end(t)
	})
}

// TestSpendReport: once a period, soon after its end, and not when the process begins later.
func TestSpendReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at Saturday, 1 January 2000
		w := open(t, func(w *world, s *alert.Settings) {
			s.Types = []alert.Type{alert.SpendReport}
			w.teams = []alert.Spent{{Name: "Team", USD: dollars(t, "12.5")}}
		})
		ask := func() {
			if err := w.ReportSpend(t.Context(), time.Now()); err != nil {
				t.Error(err)
			}
		}
		ask()
		if len(w.periods) != 0 {
			t.Errorf("in the middle of a week: %v", w.periods)
		}
		for range 48 * 6 {
			time.Sleep(10 * time.Minute)
			ask()
		}
		for range 3 { // the next Monday
			time.Sleep(10 * time.Minute)
			ask()
		}
		if got := fmt.Sprint(w.periods); got != "[1999-12-27 2000-01-03]" {
			t.Errorf("reported on %s", got)
		}
		w.end(t)
		const want = "Level: `Low`\nTimestamp: `00:00:00`\n\nMessage: *Spend Report for `1999-12-27 - 2000-01-02`*\n\n*Team Spend Report:*\nTeam: `Team` | Spend: `$12.5`\n\n*Tag Spend Report:*\nNone"
		if got := w.slack.Texts(); len(got) != 1 || got[0] != want {
			t.Errorf("Slack has %q, want %q", got, want)
		}
	})
}
