package telemetry_test

import (
	"testing"

	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

func TestIntegrationSeries(t *testing.T) {
	m := telemetry.NewMetrics()
	end(m, finished(func(c *record.Call) {
		c.CacheHit, c.SavedCost = true, money.USD(2_500_000)
		c.Guardrails = []record.Guardrail{{Name: "pii", Mode: "pre_call", Status: "success", Duration: .02}, {Name: "pii", Mode: "post_call", Status: "not_run"}}
	}))
	m.CacheLookup("hit")
	m.CacheBackend("get", "failed")
	m.CallbackDelivered("langfuse", 3)
	m.CallbackFailed("langfuse")
	m.CallbackDropped("langfuse", "full", 2)
	m.Alert("budget_alerts", "sent")
	m.CallbackQueues(func() []telemetry.Queue {
		return []telemetry.Queue{{Name: "langfuse", Events: 4, Bytes: 100, Age: 3}, {Name: "langfuse/own", Events: 1, Bytes: 10}, {Name: "langfuse/own", Events: 2, Bytes: 5, Age: 1}}
	})
	all := scrape(t, m)
	for sample, want := range map[string]float64{
		`tollgate_cache_lookups_total{result="hit"}`: 1, `tollgate_cache_backend_requests_total{operation="get",result="failed"}`: 1,
		`tollgate_cache_saved_usd_total`: money.USD(2_500_000).Float64(),
		`tollgate_guardrail_checks_total{guardrail="pii",phase="pre_call",status="success"}`:  1,
		`tollgate_guardrail_checks_total{guardrail="pii",phase="post_call",status="not_run"}`: 1,
		`tollgate_guardrail_duration_seconds_count{guardrail="pii",phase="pre_call"}`:         1,
		`tollgate_callback_events_total{callback="langfuse",result="delivered"}`:              3,
		`tollgate_callback_events_total{callback="langfuse",result="retried"}`:                1,
		`tollgate_callback_events_total{callback="langfuse",result="dropped"}`:                2,
		`tollgate_callback_drops_total{callback="langfuse",reason="full"}`:                    2,
		`tollgate_callback_queue_events{callback="langfuse"}`:                                 4,
		`tollgate_callback_queue_events{callback="langfuse/own"}`:                             3,
		`tollgate_callback_queue_bytes{callback="langfuse/own"}`:                              15,
		`tollgate_callback_oldest_event_seconds{callback="langfuse/own"}`:                     1,
		`tollgate_alerts_total{result="sent",type="budget_alerts"}`:                           1,
	} {
		if got, ok := all[sample]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", sample, got, ok, want)
		}
	}
}

// TestReasons: refusals are told apart.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		call record.Call
		want string
	}{
		{record.Call{Outcome: record.Success, Status: 200}, ""},
		{record.Call{Outcome: record.Failure, Status: 429}, ""},
		{record.Call{Outcome: record.Refused, Status: 429, ErrorType: "budget_exceeded"}, "budget"},
		{record.Call{Outcome: record.Refused, Status: 429, ErrorType: "throttling_error"}, "rate_limit"},
		{record.Call{Outcome: record.Refused, Status: 400, Guardrails: []record.Guardrail{{Status: "guardrail_intervened"}}}, "guardrail"},
		{record.Call{Outcome: record.Refused, Status: 401}, "other"},
	} {
		m := telemetry.NewMetrics()
		m.CallEnded("a", &c.call)
		sample := `tollgate_requests_total{model="a",outcome="` + string(c.call.Outcome) + `",reason="` + c.want + `",status="` + map[int]string{200: "200", 429: "429", 400: "400", 401: "401"}[c.call.Status] + `"}`
		if all := scrape(t, m); all[sample] != 1 {
			t.Errorf("%+v: no %s", c.call, sample)
		}
	}
}
