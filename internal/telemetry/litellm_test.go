package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// scrape is what Prometheus reads: the samples by their text up to the value.
func scrape(t *testing.T, m *telemetry.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("the series cannot be read: %d %s", w.Code, w.Body)
	}
	all := map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSpace(line)
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(line[at+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			all[line[:at]] = v
		}
	}
	return all
}

// labelsOf are the labels of a series, sorted, as one of its samples has them.
func labelsOf(all map[string]float64, name string) string {
	for sample := range all {
		series, rest, found := strings.Cut(sample, "{")
		if series != name && series != name+"_sum" {
			continue
		}
		if !found {
			return ""
		}
		var labels []string
		for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), "\",") {
			label, _, _ := strings.Cut(pair, "=")
			labels = append(labels, label)
		}
		slices.Sort(labels)
		return strings.Join(labels, " ")
	}
	return "no such series"
}

func finished(change func(c *record.Call)) *record.Call {
	began := time.Unix(1_800_000_000, 0)
	c := &record.Call{
		Route: "/v1/chat/completions", Started: began, Ended: began.Add(2 * time.Second), KeyHash: "hash", KeyAlias: "alias", TeamID: "team-1", TeamAlias: "The team",
		UserID: "user-1", UserEmail: "u@example.com", EndUser: "customer", Alias: "asked", Group: "asked", Deployment: "id-1", Upstream: "cohere.command", Provider: "oci",
		APIBase: "https://upstream", Outcome: record.Success, Status: 200, PromptTokens: 30, CompletionTokens: 12, UsageKnown: true, CostKnown: true,
		Cost: money.USD(2_500_000), Upstreams: 1500 * time.Millisecond, FirstByte: 300 * time.Millisecond, Stream: true, ClientIP: "192.0.2.1", UserAgent: "agent",
	}
	if change != nil {
		change(c)
	}
	return c
}

func on(t testing.TB, o telemetry.LiteLLMOptions) *telemetry.Metrics {
	t.Helper()
	m := telemetry.NewMetrics()
	if err := m.LiteLLM(&o); err != nil {
		t.Fatal(err)
	}
	return m
}

func end(m *telemetry.Metrics, c *record.Call) {
	m.CallStarted()
	m.CallEnded(c.Alias, c)
}

// TestLiteLLMLabels holds the labels of every series against LiteLLM's label lists
// (BerriAI/litellm, litellm/types/integrations/prometheus.py), client_ip and user_agent left out where they are optional.
func TestLiteLLMLabels(t *testing.T) {
	const (
		key    = "hashed_api_key api_key_alias "
		team   = "team team_alias "
		target = "litellm_model_name model_id api_base api_provider "
	)
	want := map[string]string{
		"litellm_proxy_total_requests_metric_total":      "end_user user user_email requested_model status_code route model_id " + key + team,
		"litellm_proxy_failed_requests_metric_total":     "end_user user user_email requested_model exception_status exception_class route model_id " + key + team,
		"litellm_requests_metric_total":                  "end_user user user_email model model_id " + key + team,
		"litellm_spend_metric_total":                     "end_user user user_email model model_id " + key + team,
		"litellm_total_tokens_metric_total":              "end_user user user_email model requested_model model_id " + key + team,
		"litellm_input_tokens_metric_total":              "end_user user user_email model requested_model model_id " + key + team,
		"litellm_output_tokens_metric_total":             "end_user user user_email model requested_model model_id " + key + team,
		"litellm_request_total_latency_metric":           "end_user user requested_model model model_id " + key + team,
		"litellm_llm_api_latency_metric":                 "end_user user requested_model model model_id " + key + team,
		"litellm_llm_api_time_to_first_token_metric":     "end_user user requested_model model model_id " + key + team,
		"litellm_overhead_latency_metric":                "model_group " + target + key,
		"litellm_deployment_success_responses_total":     "requested_model " + target + key + team,
		"litellm_deployment_total_requests_total":        "requested_model " + target + key + team,
		"litellm_deployment_failure_responses_total":     "requested_model exception_status exception_class " + target + key + team,
		"litellm_deployment_latency_per_output_token":    target + key + team,
		"litellm_deployment_state":                       target,
		"litellm_deployment_tpm_limit":                   target,
		"litellm_deployment_rpm_limit":                   target,
		"litellm_deployment_cooled_down_total":           "exception_status " + target,
		"litellm_deployment_successful_fallbacks_total":  "requested_model fallback_model exception_status exception_class model_id " + key + team,
		"litellm_deployment_failed_fallbacks_total":      "requested_model fallback_model exception_status exception_class model_id " + key + team,
		"litellm_remaining_team_budget_metric":           team,
		"litellm_team_max_budget_metric":                 team,
		"litellm_team_budget_remaining_hours_metric":     team,
		"litellm_remaining_org_budget_metric":            "org_id org_alias",
		"litellm_org_max_budget_metric":                  "org_id org_alias",
		"litellm_org_budget_remaining_hours_metric":      "org_id org_alias",
		"litellm_remaining_api_key_budget_metric":        key,
		"litellm_api_key_max_budget_metric":              key,
		"litellm_api_key_budget_remaining_hours_metric":  key,
		"litellm_remaining_user_budget_metric":           "user",
		"litellm_user_max_budget_metric":                 "user",
		"litellm_user_budget_remaining_hours_metric":     "user",
		"litellm_provider_remaining_budget_metric":       "api_provider",
		"litellm_cache_hits_metric_total":                "model end_user user model_id " + key + team,
		"litellm_cache_misses_metric_total":              "model end_user user model_id " + key + team,
		"litellm_cached_tokens_metric_total":             "model end_user user model_id " + key + team,
		"litellm_guardrail_latency_seconds":              "guardrail_name status error_type hook_type",
		"litellm_guardrail_requests_total":               "guardrail_name status hook_type",
		"litellm_guardrail_errors_total":                 "guardrail_name error_type hook_type",
		"litellm_callback_logging_failures_metric_total": "callback_name",
		"litellm_llm_api_failed_requests_metric_total":   "end_user model user model_id " + key + team,
		"litellm_in_flight_requests":                     "",
		"litellm_total_users":                            "",
		"litellm_teams_count":                            "",
	}
	m := on(t, telemetry.LiteLLMOptions{})
	everything(m)
	all := scrape(t, m)
	for name, labels := range want {
		list := strings.Fields(labels)
		slices.Sort(list)
		if got := labelsOf(all, name); got != strings.Join(list, " ") {
			t.Errorf("%s has the labels\n%s, want\n%s", name, got, strings.Join(list, " "))
		}
	}
	for sample := range all {
		name, _, _ := strings.Cut(sample, "{")
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, end)
		}
		if _, known := want[name]; !known && strings.HasPrefix(name, "litellm_") && !strings.HasSuffix(name, "teams") {
			t.Errorf("nobody expects %s", name)
		}
	}
}

// everything has something happen to every series.
func everything(m *telemetry.Metrics) {
	users, teams, hours := 3, 2, 1.5
	m.LiteLLMFigures(func(seen []telemetry.Holder) telemetry.Figures {
		f := telemetry.Figures{Users: &users, Teams: &teams, Providers: map[string]float64{"oci": 4}, Deployments: []telemetry.DeploymentFigures{
			{Target: telemetry.Target{Model: "cohere.command", ID: "id-1", APIBase: "https://upstream", Provider: "oci"}, State: 2, TPM: 1000, RPM: 10},
		}}
		for _, h := range seen {
			f.Budgets = append(f.Budgets, telemetry.BudgetFigures{Holder: h, Remaining: 7.5, Max: 10, Hours: &hours})
		}
		return f
	})
	end(m, finished(func(c *record.Call) {
		c.OrgID = "org-1"
		c.Guardrails = []record.Guardrail{{Name: "pii", Mode: "pre_call", Status: "guardrail_failed_to_respond", Duration: .2, ErrorType: "timeout"}}
	}))
	end(m, finished(func(c *record.Call) { c.Stream = false }))
	end(m, finished(func(c *record.Call) { c.CacheHit, c.CacheKey = true, "key" }))
	end(m, finished(func(c *record.Call) { c.CacheKey = "key" }))
	end(m, finished(func(c *record.Call) { c.Outcome, c.Status = record.Failure, 503 }))
	for _, o := range []record.Outcome{record.Success, record.Failure} {
		end(m, finished(func(c *record.Call) {
			c.Outcome, c.Fallbacks, c.Group, c.Attempts = o, 1, "second", []record.Attempt{{Status: 429, Error: "busy"}, {Status: 200}}
		}))
	}
	m.CooledDown("asked", &telemetry.Target{Model: "cohere.command", ID: "id-1", APIBase: "https://upstream", Provider: "oci"}, 503)
	m.CallbackFailed("langfuse")
}

func TestLiteLLMValues(t *testing.T) {
	m := on(t, telemetry.LiteLLMOptions{})
	everything(m)
	all := scrape(t, m)
	const who = `api_key_alias="alias",end_user="None",hashed_api_key="hash",`
	for sample, want := range map[string]float64{
		`litellm_spend_metric_total{` + who + `model="cohere.command",model_id="id-1",team="team-1",team_alias="The team",user="user-1",user_email="u@example.com"}`:                                                                                             7 * money.USD(2_500_000).Float64(),
		`litellm_input_tokens_metric_total{` + who + `model="cohere.command",model_id="id-1",requested_model="asked",team="team-1",team_alias="The team",user="user-1",user_email="u@example.com"}`:                                                              7 * 30,
		`litellm_cached_tokens_metric_total{` + who + `model="cohere.command",model_id="id-1",team="team-1",team_alias="The team",user="user-1"}`:                                                                                                                42,
		`litellm_deployment_successful_fallbacks_total{api_key_alias="alias",exception_class="RateLimitError",exception_status="429",fallback_model="second",hashed_api_key="hash",model_id="id-1",requested_model="asked",team="team-1",team_alias="The team"}`: 1,
		`litellm_deployment_cooled_down_total{api_base="https://upstream",api_provider="oci",exception_status="503",litellm_model_name="cohere.command",model_id="id-1"}`:                                                                                        1,
		`litellm_guardrail_errors_total{error_type="timeout",guardrail_name="pii",hook_type="pre_call"}`:                                                                                                                                                         1,
		`litellm_remaining_api_key_budget_metric{api_key_alias="alias",hashed_api_key="hash"}`:                                                                                                                                                                   7.5,
		`litellm_deployment_state{api_base="https://upstream",api_provider="oci",litellm_model_name="cohere.command",model_id="id-1"}`:                                                                                                                           2,
		`litellm_callback_logging_failures_metric_total{callback_name="langfuse"}`:                                                                                                                                                                               1,
		`litellm_in_flight_requests`: 0, `litellm_teams_count`: 2,
	} {
		if got, ok := all[sample]; !ok || got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%s is %v (%v), want %v", sample, got, ok, want)
		}
	}
}

// TestLiteLLMBuckets: the buckets are LiteLLM's unless the configuration has others.
func TestLiteLLMBuckets(t *testing.T) {
	const usual = "0.005 0.00625 0.0125 0.025 0.05 0.1 0.5 1 1.5 2 2.5 3 3.5 4 4.5 5 5.5 6 6.5 7 7.5 8 8.5 9 9.5 10 15 20 25 30 60 120 180 240 300 +Inf"
	for _, c := range []struct {
		buckets []float64
		series  string
		want    string
	}{
		{nil, "litellm_request_total_latency_metric", usual},
		{[]float64{1, 2}, "litellm_request_total_latency_metric", "1 2 +Inf"},
		{[]float64{1, 2}, "litellm_deployment_latency_per_output_token", "0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf"},
	} {
		m := on(t, telemetry.LiteLLMOptions{Buckets: c.buckets})
		end(m, finished(nil))
		found := map[string]bool{}
		for sample := range scrape(t, m) {
			if _, rest, ok := strings.Cut(sample, "le=\""); ok && strings.HasPrefix(sample, c.series+"_bucket") {
				bound, _, _ := strings.Cut(rest, "\"")
				found[bound] = true
			}
		}
		for _, bound := range strings.Fields(c.want) {
			if !found[bound] {
				t.Errorf("%v: %s has no bucket %s", c.buckets, c.series, bound)
			}
			delete(found, bound)
		}
		if len(found) > 0 {
			t.Errorf("%v: %s has the buckets %v besides", c.buckets, c.series, found)
		}
	}
}

func TestLiteLLMOptionalLabels(t *testing.T) {
	m := on(t, telemetry.LiteLLMOptions{
		Stream: true, EndUsers: true, Metadata: []string{"metadata.dept"}, Tags: []string{"prod", "User-Agent: curl/*"},
		Metrics: []telemetry.MetricsGroup{{Group: "few", Metrics: []string{"litellm_proxy_total_requests_metric", "litellm_cache_hits_metric"},
			Labels: []string{"end_user", "stream", "client_ip", "metadata_dept", "tag_prod", "tag_User_Agent__curl__"}}},
	})
	end(m, finished(func(c *record.Call) {
		c.KeyMetadata, c.Tags, c.UserAgent, c.EndUser = []byte(`{"dept":"r\n&d"}`), []string{"prod"}, "curl/8", "line\r\nend\u2028"
	}))
	all := scrape(t, m)
	const want = `litellm_proxy_total_requests_metric_total{client_ip="192.0.2.1",end_user="line end",metadata_dept="r &d",stream="True",tag_User_Agent__curl__="true",tag_prod="true"}`
	if all[want] != 1 {
		t.Errorf("no %s among %v", want, litellmOnly(all))
	}
	if got := labelsOf(all, "litellm_spend_metric_total"); got != "no such series" {
		t.Errorf("a series that is not selected has %s", got)
	}
}

func litellmOnly(all map[string]float64) (names []string) {
	for name := range all {
		if strings.HasPrefix(name, "litellm_") {
			names = append(names, name)
		}
	}
	return names
}

func TestLiteLLMOptionsCheck(t *testing.T) {
	group := func(metric string, labels ...string) telemetry.LiteLLMOptions {
		return telemetry.LiteLLMOptions{Metrics: []telemetry.MetricsGroup{{Group: "g", Metrics: []string{metric}, Labels: labels}}}
	}
	for _, c := range []struct {
		o       telemetry.LiteLLMOptions
		fault   string
		missing string
	}{
		{group("litellm_spend_metric"), "", ""},
		{group("litellm_spend_metric_total", "team"), "", ""},
		{group("litellm_deployment_state", "model_id"), "", ""},
		{group("litellm_guardrail_requests_total", "guardrail_name"), "", ""},
		{group("litellm_managed_file_size_bytes", "purpose"), "", "litellm_managed_file_size_bytes"},
		{group("litellm_pod_lock_manager_size"), "", "litellm_pod_lock_manager_size"},
		{group("litellm_unheard_of"), `no metric "litellm_unheard_of"`, ""},
		{group("litellm_spend_metric", "color"), `label "color"`, ""},
		{telemetry.LiteLLMOptions{Metadata: []string{"metadata.a-b", "metadata.a_b"}}, "metadata_a_b twice", ""},
		{telemetry.LiteLLMOptions{Buckets: []float64{2, 1}}, "must rise", ""},
	} {
		err := c.o.Check()
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.fault)
		}
		if got := strings.Join(c.o.Missing(), " "); got != c.missing {
			t.Errorf("%+v misses %q, want %q", c.o, got, c.missing)
		}
		if err != nil {
			if telemetry.NewMetrics().LiteLLM(&c.o) == nil {
				t.Errorf("%+v can be put in force", c.o)
			}
		}
	}
}

// TestLiteLLMSwap: the same options keep what was counted, others begin anew, none takes the series away.
func TestLiteLLMSwap(t *testing.T) {
	m := on(t, telemetry.LiteLLMOptions{Tags: []string{"a"}})
	end(m, finished(nil))
	count := func() (n float64) {
		for sample, v := range scrape(t, m) {
			if strings.HasPrefix(sample, "litellm_proxy_total_requests_metric_total") {
				n += v
			}
		}
		return n
	}
	for _, c := range []struct {
		o    *telemetry.LiteLLMOptions
		want float64
	}{{&telemetry.LiteLLMOptions{Tags: []string{"a"}}, 1}, {&telemetry.LiteLLMOptions{Tags: []string{"b"}}, 0}, {nil, 0}} {
		if err := m.LiteLLM(c.o); err != nil {
			t.Fatal(err)
		}
		if got := count(); got != c.want {
			t.Errorf("after %+v there are %v calls, want %v", c.o, got, c.want)
		}
	}
	end(m, finished(nil)) // off: nothing to count in
	if got := scrape(t, m); len(litellmOnly(got)) > 0 {
		t.Errorf("off, there is %v", litellmOnly(got))
	}
}

// TestLiteLLMForgedLabels: what a caller writes into one label stays in it.
func TestLiteLLMForgedLabels(t *testing.T) {
	m := on(t, telemetry.LiteLLMOptions{Metadata: []string{"metadata.one", "metadata.two"}, Metrics: []telemetry.MetricsGroup{{
		Metrics: []string{"litellm_proxy_total_requests_metric"}, Labels: []string{"metadata_one", "metadata_two"}}}})
	end(m, finished(func(c *record.Call) {
		c.KeyMetadata, c.RequestMetadata = []byte(`{"two":"true"}`), []byte(`{"one":"a\u0000forged"}`)
	}))
	if got := scrape(t, m); got[`litellm_proxy_total_requests_metric_total{metadata_one="aforged",metadata_two="true"}`] != 1 {
		t.Errorf("%v", litellmOnly(got))
	}
}

// TestLiteLLMBound: callers beyond 10,000 combinations share one, and nothing is lost.
func TestLiteLLMBound(t *testing.T) {
	m := on(t, telemetry.LiteLLMOptions{Metrics: []telemetry.MetricsGroup{{Metrics: []string{"litellm_proxy_total_requests_metric"}, Labels: []string{"hashed_api_key"}}}})
	const calls = 10_500
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < calls; i += 4 {
				end(m, finished(func(c *record.Call) { c.KeyHash = strconv.Itoa(i) }))
			}
		})
	}
	all.Wait()
	samples, sum := 0, 0.0
	got := scrape(t, m)
	for sample, v := range got {
		if strings.HasPrefix(sample, "litellm_proxy_total_requests_metric_total") {
			samples++
			sum += v
		}
	}
	if sum != calls || samples > 10_010 || got[`litellm_proxy_total_requests_metric_total{hashed_api_key="other"}`] < calls-10_010 {
		t.Errorf("%v calls in %d series, %v of them of others", sum, samples, got[`litellm_proxy_total_requests_metric_total{hashed_api_key="other"}`])
	}
}

func BenchmarkCallEnded(b *testing.B) {
	c := finished(nil)
	for _, with := range []string{"off", "on"} {
		b.Run(with, func(b *testing.B) {
			m := telemetry.NewMetrics()
			if with == "on" {
				m = on(b, telemetry.LiteLLMOptions{})
			}
			b.ReportAllocs()
			for b.Loop() {
				end(m, c)
			}
		})
	}
}
