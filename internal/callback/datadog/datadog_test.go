package datadog_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/datadog"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "0123456789abcdef0123456789abcdef"

// world is a callback that sends to a recorder.
func world(t *testing.T, open callback.Opener, settings map[string]any) (callback.Callback, *recorder.Datadog) {
	t.Helper()
	dd := &recorder.Datadog{Key: key}
	s := httptest.NewServer(dd)
	t.Cleanup(s.Close)
	cb, err := open(callbacktest.Spec(t, settings, map[string]string{
		"DD_API_KEY": key, "DD_SITE": "datadoghq.eu", "DD_BASE_URL": s.URL, "DD_ENV": "prod", "DD_SERVICE": "gateway", "DD_VERSION": "1", "HOSTNAME": "h1", "POD_NAME": "p1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	return cb, dd
}

func noFaults(t *testing.T, dd *recorder.Datadog) {
	t.Helper()
	for _, f := range dd.Faults() {
		t.Error("Datadog would have refused:", f)
	}
}

func TestLogs(t *testing.T) {
	cb, dd := world(t, datadog.OpenLogs, nil)
	events := callbacktest.Events(t, 3, func(i int, c *record.Call) {
		if i == 1 {
			c.Outcome, c.Status, c.Error = record.Failure, 502, "The upstream is away"
		}
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	noFaults(t, dd)
	logs := dd.Logs()
	if len(logs) != 3 || dd.Requests() != 1 {
		t.Fatalf("%d logs in %d requests", len(logs), dd.Requests())
	}
	const tags = "env:prod,service:gateway,version:1,HOSTNAME:h1,POD_NAME:p1,request_tag:nightly,request_tag:a_b,team:platform"
	if l := logs[0]; l.Source != "litellm" || l.Service != "gateway" || l.Host != "h1" || l.Status != "info" || l.Tags != tags {
		t.Errorf("%+v", l)
	}
	if logs[1].Status != "error" {
		t.Errorf("a failure's status is %s", logs[1].Status)
	}
	var p callback.Payload
	if err := json.Unmarshal([]byte(logs[2].Message), &p); err != nil || p.CallID != "call-2" || !strings.Contains(string(p.Response), "At dawn.") {
		t.Errorf("%v: %s", err, logs[2].Message)
	}
}

// Datadog takes 5 MB at once and 1 MB of one log.
func TestLogs_Limits(t *testing.T) {
	cb, dd := world(t, datadog.OpenLogs, nil)
	events := callbacktest.Events(t, 16, func(i int, c *record.Call) {
		size := 400_000
		if i == 7 {
			size = 3_000_000
		}
		c.Request = []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat(`\"`, size/2) + `"}]}`)
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	noFaults(t, dd)
	if n := len(dd.Logs()); n != 16 {
		t.Errorf("%d of 16 logs came", n)
	}
	for i, l := range dd.Logs() {
		var p callback.Payload
		if err := json.Unmarshal([]byte(l.Message), &p); err != nil {
			t.Errorf("log %d is no whole JSON: %v", i, err)
		}
		if left := strings.Contains(string(p.Messages), "left out"); left != (i == 7) {
			t.Errorf("log %d: texts left out: %v", i, left)
		}
	}
}

func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		trouble recorder.Trouble
		check   func(err error) bool
	}{
		"busy": {recorder.Trouble{Status: 429, RetryAfter: 7}, func(err error) bool {
			var later *callback.RetryAfter
			return errors.As(err, &later) && later.After == 7*time.Second
		}},
		"away":      {recorder.Trouble{Status: 503}, func(err error) bool { return err != nil && !isRejected(err) }},
		"timed out": {recorder.Trouble{Status: 408}, func(err error) bool { return err != nil && !isRejected(err) }},
		"wrong key": {recorder.Trouble{Status: 403}, func(err error) bool { return err != nil && !isRejected(err) }},
		"too large": {recorder.Trouble{Status: 413}, func(err error) bool { return err == nil }}, // halved, and both halves are taken
	} {
		t.Run(name, func(t *testing.T) {
			cb, dd := world(t, datadog.OpenLogs, nil)
			dd.Fail(c.trouble)
			if err := cb.Deliver(t.Context(), callbacktest.Events(t, 4, nil)); !c.check(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

func isRejected(err error) bool {
	var r *callback.Rejected
	return errors.As(err, &r)
}

func TestObservability(t *testing.T) {
	cb, dd := world(t, datadog.OpenObservability, map[string]any{"ml_app": "assistant"})
	events := callbacktest.Events(t, 5, func(i int, c *record.Call) {
		switch i {
		case 1:
			c.Outcome, c.Status, c.Error, c.Response = record.Failure, 429, "slow down", nil
		case 2:
			c.Request = []byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"look: "},{"type":"image_url","image_url":{"url":"x"}}]},{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}]}`)
			c.Response = []byte(`{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c2","type":"function","function":{"name":"f","arguments":"broken"}}]}}]}`)
		case 3:
			c.CallType, c.Request, c.Response = "aembedding", []byte(`{"input":["a","b"]}`), []byte(`{"data":[{"embedding":[0.1]}]}`)
		case 4:
			c.Stream, c.RequestMetadata = true, []byte(`{"parent_id":"p1","span_id":"s1","trace_id":"t1","name":"step"}`)
		}
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	noFaults(t, dd)
	spans := dd.Spans()
	if len(spans) != 5 {
		t.Fatalf("%d spans", len(spans))
	}
	if s := spans[0]; s.App != "assistant" || s.Parent != "undefined" || s.ID != "0000000000000001" || s.Name != "litellm_llm_call" || s.Status != "ok" || s.Session != "session-9" ||
		s.Metrics["input_tokens"] != 12 || s.Metrics["total_cost"] != 0.00034 || s.Metrics["non_cached_input_tokens"] != 8 || s.Duration != 1.5e9 {
		t.Errorf("%+v", s)
	}
	if s := spans[1]; s.Status != "error" || s.Meta["error"].(map[string]any)["message"] != "slow down" {
		t.Errorf("%+v", s)
	}
	text, _ := json.Marshal(spans[2].Meta)
	for _, want := range []string{`"look: [image_url]"`, `"tool_id":"c1"`, `"arguments":{"a":1}`, `"result":"42"`, `"arguments":{"value":"broken"}`, `"tool_definitions":[{"description":"d","name":"f","schema":{"type":"object"}}]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if s := spans[3]; s.Meta["kind"] != "embedding" || s.Meta["input"].(map[string]any)["value"] != `["a","b"]` {
		t.Errorf("%+v", s)
	}
	if s := spans[4]; s.Parent != "p1" || s.ID != "s1" || s.Trace != "t1" || s.Name != "step" || s.Metrics["time_to_first_token"] != 0.4 {
		t.Errorf("%+v", s)
	}
}

func TestObservability_OldSpansAreNotSent(t *testing.T) {
	cb, dd := world(t, datadog.OpenObservability, nil)
	events := callbacktest.Events(t, 6, func(i int, c *record.Call) {
		if i == 2 || i == 5 {
			c.Started = c.Started.Add(-25 * time.Hour)
			c.Ended = c.Ended.Add(-25 * time.Hour)
		}
	})
	err := cb.Deliver(t.Context(), events)
	var rejected *callback.Rejected
	if !errors.As(err, &rejected) || !slices.Equal(rejected.Events, []int{2, 5}) {
		t.Errorf("%v", err)
	}
	noFaults(t, dd)
	if n := len(dd.Spans()); n != 4 {
		t.Errorf("%d of 4 spans came", n)
	}
}

func TestMetrics(t *testing.T) {
	cb, dd := world(t, datadog.OpenMetrics, nil)
	if err := cb.Deliver(t.Context(), callbacktest.Events(t, 2, nil)); err != nil {
		t.Fatal(err)
	}
	noFaults(t, dd)
	got := map[string]float64{}
	for _, s := range dd.Series() {
		got[s.Metric] += s.Points[0].Value
		if !slices.Contains(s.Tags, "model_group:gpt") || !slices.Contains(s.Tags, "status_code:200") || !slices.Contains(s.Tags, "env:prod") {
			t.Errorf("tags: %v", s.Tags)
		}
	}
	if got["litellm.request.total_latency"] < 2.99 || got["litellm.llm_api.latency"] > 2.97 || got["litellm.llm_api.request_count"] != 2 {
		t.Errorf("%v", got)
	}
}

func TestPing(t *testing.T) {
	for name, open := range map[string]callback.Opener{"logs": datadog.OpenLogs, "spans": datadog.OpenObservability, "metrics": datadog.OpenMetrics} {
		cb, dd := world(t, open, nil)
		if err := cb.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		noFaults(t, dd)
		dd.Key = "another"
		if err := cb.Ping(t.Context()); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s with a wrong key: %v", name, err)
		}
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		open     callback.Opener
		settings map[string]any
		env      map[string]string
		own      bool
		want     string // of the error; "" = none
	}{
		"environment":       {datadog.OpenLogs, nil, map[string]string{"DD_API_KEY": "k", "DD_SITE": "datadoghq.com"}, false, ""},
		"settings":          {datadog.OpenLogs, map[string]any{"dd_api_key": "k", "dd_site": "us5.datadoghq.com"}, nil, false, ""},
		"agent":             {datadog.OpenLogs, nil, map[string]string{"LITELLM_DD_AGENT_HOST": "localhost"}, false, ""},
		"nothing":           {datadog.OpenLogs, nil, nil, false, "DD_API_KEY"},
		"no site":           {datadog.OpenLogs, nil, map[string]string{"DD_API_KEY": "k"}, false, "DD_SITE"},
		"a URL as a site":   {datadog.OpenLogs, nil, map[string]string{"DD_API_KEY": "k", "DD_SITE": "https://x/"}, false, "must be one of"},
		"too many at once":  {datadog.OpenLogs, nil, map[string]string{"DD_API_KEY": "k", "DD_SITE": "datadoghq.eu", "DD_BATCH_SIZE": "1001"}, false, "1 to 1000"},
		"own without a key": {datadog.OpenLogs, map[string]any{"dd_site": "datadoghq.eu"}, map[string]string{"DD_API_KEY": "k"}, true, "dd_api_key"},
		"gov":               {datadog.OpenObservability, nil, map[string]string{"DD_API_KEY": "k", "DD_SITE": "ddog-gov.com"}, false, "no LLM observability"},
		"metrics by agent":  {datadog.OpenMetrics, nil, map[string]string{"LITELLM_DD_AGENT_HOST": "localhost"}, false, "agent"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := callbacktest.Spec(t, c.settings, c.env)
			spec.Own = c.own
			_, err := c.open(spec)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// An account of a tenant's own gets nothing of the gateway's, not even where it is.
func TestOwn_IgnoresTheEnvironment(t *testing.T) {
	dd := &recorder.Datadog{Key: "own"}
	s := httptest.NewServer(dd)
	defer s.Close()
	spec := callbacktest.Spec(t, map[string]any{"dd_api_key": "own", "dd_site": "datadoghq.eu"}, map[string]string{"DD_BASE_URL": s.URL, "DD_API_KEY": key})
	spec.Own = true
	cb, err := datadog.OpenLogs(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it would go to the site itself
	if err := cb.Ping(ctx); err == nil || dd.Requests() != 0 {
		t.Errorf("%v, %d requests at the gateway's address", err, dd.Requests())
	}
}
