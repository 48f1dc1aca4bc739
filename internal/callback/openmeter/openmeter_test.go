package openmeter_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/openmeter"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDeliver(t *testing.T) {
	o := &recorder.OpenMeter{Key: "om"}
	s := httptest.NewServer(o)
	defer s.Close()
	cb, err := openmeter.Open(callbacktest.Spec(t, nil, map[string]string{"OPENMETER_API_KEY": "om", "OPENMETER_API_ENDPOINT": s.URL}))
	if err != nil {
		t.Fatal(err)
	}
	events := callbacktest.Events(t, 250, func(i int, c *record.Call) {
		switch i {
		case 1:
			c.Outcome = record.Failure
		case 2:
			c.EndUser = ""
		case 3:
			c.EndUser, c.UserID, c.TeamID, c.KeyAlias, c.KeyHash = "", "", "", "", ""
		}
	})
	for range 2 { // what comes twice is counted once
		if err := cb.Deliver(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range o.Faults() {
		t.Error("OpenMeter would have refused:", f)
	}
	got := o.Events()
	if len(got) != 249 || o.Requests() != 6 {
		t.Errorf("%d events in %d requests", len(got), o.Requests())
	}
	if e := got["litellm-proxy call-0"]; e.Type != "litellm_tokens" || e.Subject != "customer-7" || e.Data["total_tokens"] != 17.0 || e.Data["cost"] != 0.00034 || e.Data["model"] != "gpt-5-mini" {
		t.Errorf("%+v", e)
	}
	if a, b := got["litellm-proxy call-2"].Subject, got["litellm-proxy call-3"].Subject; a != "u1" || b != "unknown" {
		t.Errorf("subjects %q and %q", a, b)
	}
	text, _ := json.Marshal(got)
	if strings.Contains(string(text), "attack") || strings.Contains(string(text), "dawn") {
		t.Error("a meter is told texts")
	}
	if err := cb.Ping(t.Context()); err != nil || len(o.Faults()) > 0 {
		t.Error(err, o.Faults())
	}
	o.Key = "another"
	if cb.Ping(t.Context()) == nil {
		t.Error("a ping with a wrong key finds nothing")
	}
}

func TestOpen(t *testing.T) {
	if _, err := openmeter.Open(callbacktest.Spec(t, nil, nil)); err == nil || !strings.Contains(err.Error(), "OPENMETER_API_KEY") {
		t.Error(err)
	}
	if _, err := openmeter.Open(callbacktest.Spec(t, map[string]any{"openmeter_api_key": "k", "openmeter_api_endpoint": "x"}, nil)); err == nil {
		t.Error("any text is an address")
	}
	own := callbacktest.Spec(t, map[string]any{"openmeter_api_key": "k"}, nil)
	own.Own = true
	if _, err := openmeter.Open(own); err == nil {
		t.Error("a tenant meters itself")
	}
}
