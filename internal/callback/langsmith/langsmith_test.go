package langsmith_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/langsmith"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func world(t *testing.T, settings map[string]any) (callback.Callback, *recorder.LangSmith) {
	t.Helper()
	l := &recorder.LangSmith{Key: "lsv2", Tenant: "tenant"}
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	cb, err := langsmith.Open(callbacktest.Spec(t, settings, map[string]string{
		"LANGSMITH_API_KEY": "lsv2", "LANGSMITH_BASE_URL": s.URL, "LANGSMITH_TENANT_ID": "tenant", "LANGSMITH_PROJECT": "prod",
	}))
	if err != nil {
		t.Fatal(err)
	}
	return cb, l
}

func TestDeliver(t *testing.T) {
	const parent, root = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	const own = "33333333-3333-4333-8333-333333333333"
	cb, l := world(t, nil)
	events := callbacktest.Events(t, 4, func(i int, c *record.Call) {
		switch i {
		case 1:
			c.Outcome, c.Status, c.Error, c.Response = record.Failure, 502, "away", nil
		case 2:
			c.CallType, c.Request, c.Response = "aembedding", []byte(`{"input":"x"}`), []byte(`{"data":[{"embedding":[0.25]}]}`)
		case 3:
			c.RequestMetadata = []byte(`{"run_id":"` + own + `","parent_run_id":"` + parent + `","trace_id":"` + root + `","run_name":"step","project_name":"other",` +
				`"dotted_order":"20261126T123015123456Z` + root + `.20261126T123015123457Z` + parent + `.20261126T123015123458Z` + own + `"}`)
		}
	})
	for range 2 { // what comes twice is one run
		if err := cb.Deliver(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range l.Faults() {
		t.Error("LangSmith would have refused:", f)
	}
	runs := l.Runs()
	if len(runs) != 4 || l.Requests() != 2 {
		t.Fatalf("%d runs in %d requests", len(runs), l.Requests())
	}
	byCall := map[string]recorder.LangSmithRun{}
	for _, r := range runs {
		byCall[r.Extra["metadata"].(map[string]any)["litellm_call_id"].(string)] = r
	}
	r := byCall["call-0"]
	usage := r.Extra["metadata"].(map[string]any)["usage_metadata"].(map[string]any)
	if r.Name != "LLMRun" || r.Project != "prod" || r.Type != "llm" || r.Error != "" || len(r.Tags) != 2 || usage["input_tokens"] != 12.0 ||
		r.Inputs["messages"].([]any)[0].(map[string]any)["content"] != "When do we attack?" || r.Outputs["choices"] == nil {
		t.Errorf("%+v", r)
	}
	if r := byCall["call-1"]; r.Error != "away" || len(r.Outputs) != 0 {
		t.Errorf("%+v", r)
	}
	if r := byCall["call-2"]; r.Type != "embedding" || len(r.Outputs) != 0 {
		t.Errorf("%+v", r)
	}
	if r := byCall["call-3"]; r.ID != own || r.Parent != parent || r.Trace != root || r.Name != "step" || r.Project != "other" {
		t.Errorf("%+v", r)
	}
}

func TestDeliver_Samples(t *testing.T) {
	cb, l := world(t, map[string]any{"langsmith_sampling_rate": "0.25"})
	if err := cb.Deliver(t.Context(), callbacktest.Events(t, 400, nil)); err != nil {
		t.Fatal(err)
	}
	if n := len(l.Runs()); n < 60 || n > 140 {
		t.Errorf("%d of 400 calls were sent, want about 100", n)
	}
}

func TestPing(t *testing.T) {
	cb, l := world(t, nil)
	if err := cb.Ping(t.Context()); err != nil || len(l.Faults()) > 0 {
		t.Error(err, l.Faults())
	}
	l.Key = "another"
	if err := cb.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "lsv2") {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		own      bool
		want     string
	}{
		"no key":   {nil, false, "LANGSMITH_API_KEY"},
		"own":      {map[string]any{"langsmith_project": "p"}, true, "langsmith_api_key"},
		"no URL":   {map[string]any{"langsmith_api_key": "k", "langsmith_base_url": "x"}, false, "http or https"},
		"too many": {map[string]any{"langsmith_api_key": "k", "langsmith_sampling_rate": "2"}, false, "from 0 to 1"},
	} {
		env := map[string]string{}
		if c.own {
			env["LANGSMITH_API_KEY"] = "the gateway's"
		}
		spec := callbacktest.Spec(t, c.settings, env)
		spec.Own = c.own
		if _, err := langsmith.Open(spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
