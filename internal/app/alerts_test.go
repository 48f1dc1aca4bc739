package app_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/recorder"
)

// TestAlertsAndMetricsOfAConfiguration: a call that fails is told to Slack and counted by LiteLLM's names, a reload that
// brings a model is told, and one that takes prometheus away takes the series away.
func TestAlertsAndMetricsOfAConfiguration(t *testing.T) {
	slack := &recorder.Slack{}
	server := httptest.NewServer(slack)
	defer server.Close()
	t.Setenv("SLACK_WEBHOOK_URL", server.URL)
	const models = "model_list:\n  - {model_name: m, litellm_params: {model: oci/up}, model_info: {id: the-id}}\n"
	const general = "general_settings: {master_key: " + masterKey + ", alerting: [slack]}\nrouter_settings: {num_retries: 0}\n"
	w := &world{t: t, upstreams: &upstreams{down: map[string]bool{"up": true}}, file: filepath.Join(t.TempDir(), "config.yaml"), log: &bytes.Buffer{}}
	w.write(models + general + "litellm_settings: {callbacks: [prometheus]}\n")
	a, found, err := app.Open(t.Context(), options(w.upstreams, w.file, w.log))
	if err != nil {
		t.Fatal(err, found)
	}
	w.App = a
	w.chat("m")
	page := w.do("GET", "/metrics/", "").Body.String()
	for _, want := range []string{
		`litellm_proxy_failed_requests_metric_total{api_key_alias="None",`, `requested_model="m"`, `litellm_deployment_failure_responses_total{`,
		`litellm_deployment_state{api_base="None",api_provider="oci",litellm_model_name="up",model_id="the-id"}`, "litellm_in_flight_requests 0",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics/ lacks %s", want)
		}
	}
	if reply := w.do("GET", "/health/services?service=slack", ""); reply.Code != 200 {
		t.Errorf("/health/services: %d %s", reply.Code, reply.Body)
	}
	w.mustReload(models + "  - {model_name: fresh, litellm_params: {model: oci/other}}\n" + general)
	if page := w.do("GET", "/metrics", "").Body.String(); strings.Contains(page, "\nlitellm_") {
		t.Error("the series are there without prometheus")
	}
	if err := a.Close(context.Background()); err != nil { // sends what waits
		t.Error(err)
	}
	said := strings.Join(slack.Texts(), "\n---\n")
	for _, want := range []string{"This is a test of Tollgate's alerts", "LLM API call failed: ", "*New Model Added*\nModel Name: `fresh`"} {
		if !strings.Contains(said, want) {
			t.Errorf("Slack has no %q but %s", want, said)
		}
	}
	if len(slack.Faults()) > 0 {
		t.Error(slack.Faults())
	}
}

func TestAlertAndMetricSettingsThatAreRefused(t *testing.T) {
	for _, tt := range []struct{ yaml, want string }{
		{"general_settings: {alerting: [email]}", "email is not served"},
		{"general_settings: {alerting: [pager]}", `"pager" is not known`},
		{"general_settings: {alerting: [webhook], alert_types: [llm_sad]}", `"llm_sad" is no type of alerts`},
		{"general_settings: {alerting: [webhook], spend_report_frequency: weekly}", `"weekly" is no number of days`},
		{"general_settings: {alerting: [webhook], alerting_args: {budget_alert_ttl: soon}}", "budget_alert_ttl"},
		{"litellm_settings: {prometheus_metrics_config: [{group: g, metrics: [litellm_unheard_of]}]}", `no metric "litellm_unheard_of"`},
	} {
		w := &world{t: t, upstreams: &upstreams{down: map[string]bool{}}, file: filepath.Join(t.TempDir(), "config.yaml"), log: &bytes.Buffer{}}
		w.write("model_list: [{model_name: m, litellm_params: {model: oci/up}}]\n" + tt.yaml)
		a, found, err := app.Open(t.Context(), options(w.upstreams, w.file, w.log))
		if err == nil {
			t.Errorf("%s is served", tt.yaml)
			_ = a.Close(context.Background())
		}
		if !strings.Contains(found.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.yaml, found, tt.want)
		}
	}
}
