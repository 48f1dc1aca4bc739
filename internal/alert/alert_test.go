package alert_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/account"
	"tollgate/internal/alert"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
	"tollgate/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an Alerter in front of Slack and a webhook, without a network.
type world struct {
	*alert.Alerter
	slack    recorder.Slack
	second   recorder.Slack // of one type
	webhook  recorder.BudgetWebhook
	settings alert.Settings
	mu       sync.Mutex
	standing map[account.Scope]alert.Standing
	counts   map[string]int
	teams    []alert.Spent
	periods  []string
	log      strings.Builder
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	reply := httptest.NewRecorder()
	switch r.URL.Host {
	case "slack":
		w.slack.ServeHTTP(reply, r)
	case "second":
		w.second.ServeHTTP(reply, r)
	case "webhook":
		w.webhook.ServeHTTP(reply, r)
	default:
		return nil, errors.New("no such host")
	}
	return reply.Result(), nil
}

// Alert implements alert.Observer.
func (w *world) Alert(kind, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[kind+" "+result]++
}

func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// open makes a world. change sets what differs from Slack with LiteLLM's defaults.
func open(t *testing.T, change func(w *world, s *alert.Settings)) *world {
	t.Helper()
	w := &world{counts: map[string]int{}, standing: map[account.Scope]alert.Standing{}}
	w.slack.Path = "/services/T0/B0/secret"
	w.settings = alert.Settings{Client: &http.Client{Transport: w}, Slack: []secret.String{secret.New("https://slack/services/T0/B0/secret")}}
	if change != nil {
		change(w, &w.settings)
	}
	w.Alerter = alert.New(alert.Options{
		Log: slog.New(slog.NewTextHandler(w, nil)), Observer: w,
		Standing: func(s account.Scope) (alert.Standing, bool) {
			b, ok := w.standing[s]
			return b, ok
		},
		Spend: func(_ context.Context, from, to time.Time) (teams, tags []alert.Spent, err error) {
			w.periods = append(w.periods, from.Format(time.DateOnly)+" "+to.Format(time.DateOnly))
			return w.teams, nil, nil
		},
	}, &w.settings)
	return w
}

// end closes the world: what waits is sent. Nothing may have been sent that the receivers would refuse.
func (w *world) end(t *testing.T) {
	t.Helper()
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if faults := slices.Concat(w.slack.Faults(), w.second.Faults(), w.webhook.Faults()); len(faults) > 0 {
		t.Errorf("the receivers refuse: %v", faults)
	}
}

// failing is a call that an upstream has failed.
func failing(change func(c *record.Call)) *record.Call {
	now := time.Now()
	c := &record.Call{
		Started: now.Add(-2 * time.Second), Ended: now, Alias: "chat", Group: "chat", Deployment: "id-1", Upstream: "cohere.command", Provider: "oci", APIBase: "https://upstream",
		Outcome: record.Failure, Status: 503, Error: "the upstream is away",
	}
	if change != nil {
		change(c)
	}
	return c
}

// dollars are millionths of money's unit, whatever it is.
func dollars(t *testing.T, text string) money.USD {
	t.Helper()
	u, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func only(types ...alert.Type) func(*world, *alert.Settings) {
	return func(_ *world, s *alert.Settings) { s.Types = types }
}

// TestTexts holds messages against LiteLLM's form: level, time, message, metadata, address of the proxy.
func TestTexts(t *testing.T) {
	for _, c := range []struct {
		name  string
		types alert.Type
		do    func(w *world)
		want  string
	}{
		{"exception", alert.Exceptions, func(w *world) {
			w.Observe(failing(func(c *record.Call) { c.RequestMetadata = []byte(`{"alerting_metadata":{"hello":"world","n":1}}`) }))
		}, "Level: `High`\nTimestamp: `00:00:00`\n\nMessage: LLM API call failed: `the upstream is away`\nRequest Model: `chat`\nAPI Base: `https://upstream`\nStatus: `503`" +
			"\n\n*Alerting Metadata*: \nhello: `world`\n\n\n*Alerting Metadata*: \nn: `1`\n\n\nProxy URL: `https://proxy`"},
		{"a caller's command to Slack", alert.Exceptions, func(w *world) {
			w.Observe(failing(func(c *record.Call) { c.RequestMetadata = []byte(`{"alerting_metadata":{"a":"<!channel>"}}`) }))
		}, "Level: `High`\nTimestamp: `00:00:00`\n\nMessage: LLM API call failed: `the upstream is away`\nRequest Model: `chat`\nAPI Base: `https://upstream`\nStatus: `503`" +
			"\n\n*Alerting Metadata*: \na: `&lt;!channel>`\n\n\nProxy URL: `https://proxy`"},
		{"slow", alert.TooSlow, func(w *world) {
			w.Observe(failing(func(c *record.Call) { c.Outcome, c.Started = record.Success, c.Ended.Add(-400500*time.Millisecond) }))
		}, "Level: `Low`\nTimestamp: `00:00:00`\n\nMessage: `Responses are slow - 400.5s response time > Alerting threshold: 300s`\nRequest Model: `chat`\nAPI Base: `https://upstream`\n\nProxy URL: `https://proxy`"},
		{"cooldown", alert.Cooldown, func(w *world) { w.CooledDown("chat", "cohere.command", "id-1", "https://upstream", 429, 5*time.Second) },
			"Level: `Low`\nTimestamp: `00:00:00`\n\nMessage: Router: Cooling down Deployment:\nModel Name: `chat`\nUpstream: `cohere.command`\nModel ID: `id-1`\nAPI Base: `https://upstream`\nCooldown Time: `5 seconds`\nException Status Code: `429`\n\nProxy URL: `https://proxy`"},
		{"new model", alert.NewModel, func(w *world) { w.ModelsAdded([]string{"chat"}) }, "*New Model Added*\nModel Name: `chat`"},
		{"database", alert.DatabaseException, func(w *world) { w.DatabaseFailed("it is away"); w.DatabaseFailed("it is away") },
			"Level: `High`\nTimestamp: `00:00:00`\n\nMessage: DB read/write call failed: it is away\n\nProxy URL: `https://proxy`"},
		{"tracking", alert.FailedTracking, func(w *world) { w.TrackingFailed("1 row is lost") },
			"Level: `High`\nTimestamp: `00:00:00`\n\nMessage: Failed Tracking Cost: 1 row is lost\n\nProxy URL: `https://proxy`"},
		{"key", alert.KeyCreated, func(w *world) {
			w.Changed(alert.Change{Type: alert.KeyCreated, ID: "hash", Alias: "ci", TeamID: "team-1"})
		},
			"Level: `Low`\nTimestamp: `00:00:00`\n\nMessage: *Virtual Key Created*\n\n*ID:* `hash`\n*Alias:* `ci`\n*Team ID:* `team-1`\n\nProxy URL: `https://proxy`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, func(_ *world, s *alert.Settings) { s.Types, s.ProxyURL = []alert.Type{c.types}, "https://proxy" })
				c.do(w)
				w.end(t)
				if got := w.slack.Texts(); len(got) != 1 || got[0] != c.want {
					t.Errorf("Slack has %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestDefaults: what nobody asks for is not sent, and a list replaces the defaults.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		types []alert.Type
		want  int
	}{{nil, 1}, {[]alert.Type{alert.KeyCreated}, 1}, {[]alert.Type{}, 0}, {[]alert.Type{alert.KeyCreated, alert.Exceptions}, 2}} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, only(c.types...))
			if c.types == nil {
				w.settings.Types = nil
			}
			w.Changed(alert.Change{Type: alert.KeyCreated, ID: "hash"})
			w.Observe(failing(nil))
			w.end(t)
			if got := w.slack.Texts(); len(got) != c.want {
				t.Errorf("%v: Slack has %q", c.types, got)
			}
		})
	}
}

// TestSquash: equal texts are sent once, with a count, though their times differ.
func TestSquash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, only(alert.Exceptions))
		for range 3 {
			w.Observe(failing(nil))
			time.Sleep(time.Second)
		}
		w.Observe(failing(func(c *record.Call) { c.Alias = "other" }))
		time.Sleep(10 * time.Second)
		got := w.slack.Texts()
		if len(got) != 2 || !strings.HasPrefix(got[0], "[Num Alerts: 3]\n\nLevel: `High`") || strings.Contains(got[1], "Num Alerts") {
			t.Errorf("Slack has %q", got)
		}
		w.end(t)
		if w.counts["llm_exceptions squashed"] != 2 || w.counts["llm_exceptions sent"] != 2 {
			t.Errorf("counted %v", w.counts)
		}
	})
}

// TestTrouble: a receiver that is busy is asked again, not before the time that it names; one that refuses is not.
func TestTrouble(t *testing.T) {
	for _, c := range []struct {
		troubles []recorder.Trouble
		after    time.Duration
		want     int // messages that have come
		tries    int
	}{
		{[]recorder.Trouble{{Status: 429, RetryAfter: 30}}, 34 * time.Second, 0, 1},
		{[]recorder.Trouble{{Status: 429, RetryAfter: 30}}, 36 * time.Second, 1, 2},
		{[]recorder.Trouble{{Status: 500}, {Status: 503}}, 9 * time.Second, 1, 3},
		{[]recorder.Trouble{{Status: 404}}, time.Hour, 0, 1},
		{slices.Repeat([]recorder.Trouble{{Status: 500}}, 20), time.Hour, 0, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, only(alert.Exceptions))
			w.slack.Fail(c.troubles...)
			w.Observe(failing(nil))
			time.Sleep(c.after)
			synctest.Wait()
			if got := len(w.slack.Texts()); got != c.want || w.slack.Requests() != c.tries {
				t.Errorf("%v: after %s %d messages in %d requests, want %d in %d", c.troubles, c.after, got, w.slack.Requests(), c.want, c.tries)
			}
			_ = w.Close(t.Context())
			if strings.Contains(w.log.String(), "B0/secret") {
				t.Errorf("the log has the address: %s", w.log.String())
			}
		})
	}
}

// TestFull: what has no room is dropped and counted, and nothing waits.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, only(alert.Exceptions))
		for i := range 600 {
			w.Observe(failing(func(c *record.Call) { c.Alias = strings.Repeat("x", i+1) }))
		}
		w.end(t)
		if len(w.slack.Texts()) != 500 || w.counts["llm_exceptions dropped"] != 100 {
			t.Errorf("%d messages, %v", len(w.slack.Texts()), w.counts)
		}
	})
}

// TestUnreachable: an address that does not answer holds nothing up at the end, and is not in the log.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) { s.Slack = []secret.String{secret.New("https://nowhere/B0/secret")} })
		w.Observe(failing(nil))
		began := time.Now()
		w.end(t)
		if took := time.Since(began); took > time.Second || w.counts["llm_exceptions failed"] != 1 {
			t.Errorf("it took %s, %v", took, w.counts)
		}
		if err := w.settings.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(w.log.String(), "B0/secret") {
			t.Errorf("Ping: %v; log: %s", err, w.log.String())
		}
	})
}

func TestByType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) {
			s.ByType = map[alert.Type][]secret.String{alert.Exceptions: {secret.New("https://second/a"), secret.New("https://second/b")}}
		})
		w.Observe(failing(nil))
		w.CooledDown("chat", "up", "id", "", 500, time.Second)
		w.end(t)
		if len(w.second.Texts()) != 2 || len(w.slack.Texts()) != 1 {
			t.Errorf("%q and %q", w.second.Texts(), w.slack.Texts())
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, func(_ *world, s *alert.Settings) {
			s.Webhook = secret.New("https://webhook/x")
			s.ByType = map[alert.Type][]secret.String{alert.Budget: {secret.New("https://second/a")}}
		})
		if err := errors.Join(w.settings.Ping(t.Context()), w.settings.PingWebhook(t.Context())); err != nil {
			t.Error(err)
		}
		if len(w.slack.Texts()) != 1 || len(w.second.Texts()) != 1 || len(w.webhook.Events()) != 1 {
			t.Errorf("%q, %q, %v", w.slack.Texts(), w.second.Texts(), w.webhook.Events())
		}
		w.slack.Path = "/elsewhere"
		if err := w.settings.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("a wrong address: %v", err)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNil(t *testing.T) {
	var a *alert.Alerter
	a.Observe(failing(nil))
	a.Started("id", "m", time.Now())
	a.Ended("id")
	a.CooledDown("", "", "", "", 0, 0)
	a.DatabaseFailed("")
	a.TrackingFailed("")
	a.ModelsAdded([]string{"m"})
	a.Changed(alert.Change{})
	a.SoftBudget("key:x", 1, 1, 1)
	if err := errors.Join(a.ReportSpend(t.Context(), time.Now()), a.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func BenchmarkObserve(b *testing.B) {
	a := alert.New(alert.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Standing: func(account.Scope) (alert.Standing, bool) { return alert.Standing{Spent: 1, Limit: 100}, true }},
		&alert.Settings{Client: http.DefaultClient, Slack: []secret.String{secret.New("http://127.0.0.1:1/")}})
	defer func() { _ = a.Close(b.Context()) }()
	now := time.Now()
	c := &record.Call{Started: now, Ended: now, Outcome: record.Success, Deployment: "d", Cost: 1, CompletionTokens: 3, Charges: []account.Scope{account.KeyScope("k"), account.TeamScope("t"), account.GlobalScope}}
	b.ReportAllocs()
	for b.Loop() {
		a.Started("id", "m", now)
		a.Ended("id")
		a.Observe(c)
	}
}
