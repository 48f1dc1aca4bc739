package helicone_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/helicone"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func world(t *testing.T) (callback.Callback, *recorder.Helicone) {
	t.Helper()
	h := &recorder.Helicone{Key: "sk-helicone"}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	cb, err := helicone.Open(callbacktest.Spec(t, nil, map[string]string{"HELICONE_API_KEY": "sk-helicone", "HELICONE_API_BASE": s.URL + "/"}))
	if err != nil {
		t.Fatal(err)
	}
	return cb, h
}

func TestDeliver(t *testing.T) {
	cb, h := world(t)
	events := callbacktest.Events(t, 30, func(i int, c *record.Call) {
		switch i {
		case 1:
			c.Provider, c.Upstream, c.APIBase = "oci", "cohere.command-a", "https://inference.example.com"
		case 2:
			c.Outcome, c.Status, c.Error, c.Response = record.Failure, 502, "away", nil
		case 3:
			c.Stream = true
			c.RequesterHeaders = map[string]string{"helicone-property-app": "x", "helicone_session_path": "/a", "x-other": "y"}
			c.RequestMetadata = []byte(`{"helicone_property_app":"loses","Helicone-Prompt-Id":"p","n":3}`)
		}
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, f := range h.Faults() {
		t.Error("Helicone would have refused:", f)
	}
	logs := map[string]recorder.HeliconeLog{}
	for _, l := range h.Logs() {
		logs[l.Request.Meta["Helicone-Request-Id"]] = l
	}
	if len(logs) != 30 {
		t.Fatalf("%d of 30 logs came", len(logs))
	}
	l := logs["call-0"]
	if l.Path != "/oai/v1/log" || l.Request.URL != "https://api.openai.com/v1" || l.Request.JSON["model"] != "gpt-5-mini" || l.Request.JSON["temperature"] != 0.2 || l.Response.Status != 200 ||
		!strings.Contains(string(l.Response.JSON), "At dawn.") || l.Request.Meta["Helicone-Auth"] != "Bearer sk-helicone" || l.Request.Meta["Helicone-User-Id"] != "customer-7" || l.Request.Meta["Helicone-Session-Id"] != "session-9" {
		t.Errorf("%+v", l)
	}
	took := (l.Timing.End.Seconds-l.Timing.Start.Seconds)*1000 + l.Timing.End.Milliseconds - l.Timing.Start.Milliseconds
	if took < 1499 || took > 1501 || l.Timing.FirstToken != nil {
		t.Errorf("timing: %d ms, %+v", took, l.Timing)
	}
	if l := logs["call-1"]; l.Path != "/custom/v1/log" || l.Request.JSON["model"] != "cohere.command-a" {
		t.Errorf("a model that Helicone does not know: %+v", l)
	}
	if l := logs["call-2"]; l.Response.Status != 502 || !strings.Contains(string(l.Response.JSON), "away") {
		t.Errorf("a failure: %+v", l)
	}
	meta := logs["call-3"].Request.Meta
	if meta["Helicone-Property-App"] != "x" || meta["Helicone-Session-Path"] != "/a" || meta["Helicone-Prompt-Id"] != "p" || len(meta) != 10 {
		t.Errorf("meta: %v", meta)
	}
	if f := logs["call-3"].Timing.FirstToken; f == nil || *f != 400 {
		t.Errorf("the first token of a stream: %v", f)
	}
}

func TestDeliver_InTheMiddle(t *testing.T) {
	cb, h := world(t)
	h.Fail(recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200},
		recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200}, recorder.Trouble{Status: 200}, recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500},
		recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500}, recorder.Trouble{Status: 500})
	err := cb.Deliver(t.Context(), callbacktest.Events(t, 20, nil))
	var partial *callback.Partial
	if !errors.As(err, &partial) || partial.Done != 8 || partial.Rejected != nil {
		t.Errorf("%#v", err)
	}
	if n := h.Requests(); n != 16 {
		t.Errorf("%d requests: it goes on when the backend is away", n)
	}
}

func TestPing(t *testing.T) {
	cb, h := world(t)
	if err := cb.Ping(t.Context()); err != nil || len(h.Faults()) > 0 {
		t.Error(err, h.Faults())
	}
	h.Key = "sk-another"
	if err := cb.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "sk-helicone") {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	if _, err := helicone.Open(callbacktest.Spec(t, nil, nil)); err == nil || !strings.Contains(err.Error(), "HELICONE_API_KEY") {
		t.Error(err)
	}
	own := callbacktest.Spec(t, nil, map[string]string{"HELICONE_API_KEY": "k"})
	own.Own = true
	if _, err := helicone.Open(own); err == nil {
		t.Error("the gateway's key serves another account")
	}
	if _, err := helicone.Open(callbacktest.Spec(t, map[string]any{"helicone_api_key": "k", "helicone_api_base": "nowhere"}, nil)); err == nil {
		t.Error("any text is an address")
	}
}
