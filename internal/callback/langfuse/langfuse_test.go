package langfuse_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/langfuse"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a callback that sends to a recorder.
func world(t *testing.T, settings map[string]any, env map[string]string) (callback.Callback, *recorder.Langfuse) {
	t.Helper()
	l := &recorder.Langfuse{Public: "pk-lf-1", Secret: "sk-lf-1"}
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	all := map[string]string{"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1", "LANGFUSE_HOST": s.URL, "LANGFUSE_RELEASE": "r7", "LANGFUSE_TRACING_ENVIRONMENT": "prod"}
	for name, value := range env {
		all[name] = value
	}
	cb, err := langfuse.Open(callbacktest.Spec(t, settings, all))
	if err != nil {
		t.Fatal(err)
	}
	return cb, l
}

func noFaults(t *testing.T, l *recorder.Langfuse) {
	t.Helper()
	for _, f := range l.Faults() {
		t.Error("Langfuse would have refused:", f)
	}
}

// one delivers a call and returns its spans' attributes, the call's own first.
func one(t *testing.T, cb callback.Callback, l *recorder.Langfuse, change func(c *record.Call)) []recorder.Span {
	t.Helper()
	before := len(l.Spans())
	if err := cb.Deliver(t.Context(), callbacktest.Events(t, 1, func(_ int, c *record.Call) { change(c) })); err != nil {
		t.Fatal(err)
	}
	noFaults(t, l)
	return l.Spans()[before:]
}

func holds(t *testing.T, got map[string]any, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is\n%v, not\n%v", name, got[name], value)
		}
	}
}

func TestDefaults(t *testing.T) {
	cb, l := world(t, map[string]any{"langfuse_default_tags": []any{"cache_hit", "user_api_key_alias"}}, nil)
	spans := one(t, cb, l, func(c *record.Call) {
		c.Stream = true
		c.Guardrails = []record.Guardrail{{Name: "pii", Status: "guardrail_intervened", Start: float64(c.Started.Unix()), End: float64(c.Started.Unix()) + 0.1}}
		c.Steps = []record.Step{{Name: "chat gpt-5-mini", Kind: record.StepAttempt, Span: "1000000000000004", Start: c.Started, End: c.Ended, Error: "busy"}}
	})
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	a := spans[0].Attrs()
	holds(t, a, map[string]any{
		"langfuse.observation.type": "generation", "langfuse.observation.model.name": "gpt-5-mini", "langfuse.trace.name": "litellm-acompletion", "langfuse.user.id": "customer-7",
		"langfuse.session.id": "session-9", "langfuse.environment": "prod", "langfuse.release": "r7", "langfuse.observation.level": "DEFAULT",
		"langfuse.observation.input":         `{"messages":[{"role":"user","content":"When do we attack?"}]}`,
		"langfuse.observation.output":        `{"role":"assistant","content":"At dawn."}`,
		"langfuse.observation.usage_details": `{"cache_read_input_tokens":4,"input":8,"output":5,"total":17}`,
		"langfuse.observation.cost_details":  `{"total":0.00034}`,
	})
	if spans[0].GetName() != "litellm:ci" || len(spans[0].GetParentSpanId()) != 0 {
		t.Errorf("%s below %x", spans[0].GetName(), spans[0].GetParentSpanId())
	}
	if at, _ := a["langfuse.observation.completion_start_time"].(string); at == "" {
		t.Error("the first token has no time")
	}
	for i, kind := range map[int]string{1: "guardrail", 2: "span"} {
		s := spans[i]
		holds(t, s.Attrs(), map[string]any{"langfuse.observation.type": kind, "langfuse.observation.level": "WARNING", "langfuse.user.id": "customer-7", "langfuse.session.id": "session-9", "langfuse.trace.name": "litellm-acompletion"})
		if string(s.GetParentSpanId()) != string(spans[0].GetSpanId()) {
			t.Errorf("%s hangs below %x", s.GetName(), s.GetParentSpanId())
		}
	}
	tags, _ := json.Marshal(a["langfuse.trace.tags"])
	if string(tags) != `["nightly","a,b","cache_hit:False","user_api_key_alias:ci"]` {
		t.Errorf("tags %s", tags)
	}
}

func TestWhatCallersSay(t *testing.T) {
	cb, l := world(t, nil, nil)
	spans := one(t, cb, l, func(c *record.Call) {
		c.RequestMetadata = []byte(`{"generation_name":"step 1","trace_id":"run-1","trace_name":"from the body","trace_user_id":"u9","trace_metadata":{"a":1},"trace_region":"eu","tags":["x","nightly"],"session_id":"s2","prompt":{"name":"greet","version":3},"parent_observation_id":"00f067aa0ba902b7","own":"mine"}`)
		c.RequesterHeaders = map[string]string{"langfuse_trace_name": "from the header"}
	})
	a := spans[0].Attrs()
	holds(t, a, map[string]any{
		"langfuse.trace.name": "from the header", "langfuse.user.id": "u9", "langfuse.session.id": "s2", "langfuse.observation.prompt.name": "greet",
		"langfuse.observation.prompt.version": int64(3), "langfuse.trace.metadata": `{"a":1,"region":"eu","trace_id":"run-1"}`,
		"langfuse.observation.metadata.requester_metadata": `{"own":"mine"}`,
	})
	if spans[0].GetName() != "step 1" || hex.EncodeToString(spans[0].GetParentSpanId()) != "00f067aa0ba902b7" {
		t.Errorf("%s below %x", spans[0].GetName(), spans[0].GetParentSpanId())
	}
	again := one(t, cb, l, func(c *record.Call) {
		c.ID, c.SentID, c.Trace.Span = "other", "other", "00000000000000aa"
		c.RequestMetadata = []byte(`{"existing_trace_id":"run-1","update_trace_keys":["output"],"trace_name":"not this"}`)
	})
	if string(again[0].GetTraceId()) != string(spans[0].GetTraceId()) {
		t.Error("two calls of one trace have two")
	}
	b := again[0].Attrs()
	if b["langfuse.trace.name"] != nil || b["langfuse.trace.tags"] != nil || b["langfuse.trace.input"] != nil || b["langfuse.trace.output"] == nil {
		t.Errorf("an existing trace is overwritten: %v", b)
	}
	uuid := one(t, cb, l, func(c *record.Call) {
		c.ID, c.SentID, c.Trace.Span = "third", "third", "00000000000000ab"
		c.RequestMetadata = []byte(`{"trace_id":"0AF76519-16cd-43dd-8448-eb211c80319c"}`)
	})
	if id := hex.EncodeToString(uuid[0].GetTraceId()); id != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("a UUID became %s", id)
	}
}

func TestKinds(t *testing.T) {
	cb, l := world(t, nil, nil)
	for i, c := range []struct {
		call, kind, output string
		status             record.Outcome
	}{
		{"aembedding", "embedding", "", record.Success},
		{"arerank", "retriever", "", record.Success},
		{"acompletion", "generation", "", record.Failure},
	} {
		spans := one(t, cb, l, func(call *record.Call) {
			call.CallType, call.Outcome, call.Error, call.Trace = c.call, c.status, "it broke", record.Trace{}
			call.ID, call.SentID, call.Response = c.call+string(c.status), c.call+string(c.status), []byte(`{"data":[{"embedding":[0.1]}]}`)
		})
		a := spans[0].Attrs()
		holds(t, a, map[string]any{"langfuse.observation.type": c.kind})
		if a["langfuse.observation.output"] != nil {
			t.Errorf("%d: vectors are told", i)
		}
		if c.status == record.Failure {
			holds(t, a, map[string]any{"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "it broke"})
		}
	}
}

// A key's own project gets nothing of the gateway's: neither keys nor host.
func TestOwn(t *testing.T) {
	spec := callbacktest.Spec(t, map[string]any{"langfuse_host": "https://elsewhere.example.com"}, nil)
	spec.Own = true
	if _, err := langfuse.Open(spec); err == nil || !strings.Contains(err.Error(), "langfuse_public_key") {
		t.Errorf("%v", err)
	}
	l := &recorder.Langfuse{Public: "pk-lf-2", Secret: "sk-lf-2"}
	s := httptest.NewServer(l)
	defer s.Close()
	spec = callbacktest.Spec(t, map[string]any{"langfuse_public_key": "pk-lf-2", "langfuse_secret": "sk-lf-2", "langfuse_host": s.URL + "/api/public/otel"}, nil)
	spec.Own = true
	cb, err := langfuse.OpenOTel(spec)
	if err != nil {
		t.Fatal(err)
	}
	one(t, cb, l, func(*record.Call) {})
	if err := cb.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		trouble recorder.Trouble
		check   func(err error) bool
	}{
		"in a while": {recorder.Trouble{Status: 429, RetryAfter: 7}, func(err error) bool {
			var later *callback.RetryAfter
			return errors.As(err, &later) && later.After == 7*time.Second
		}},
		"away":      {recorder.Trouble{Status: 503}, func(err error) bool { return err != nil && !rejected(err) }},
		"suspended": {recorder.Trouble{Status: 403}, func(err error) bool { return err != nil && !rejected(err) }},
		"too large": {recorder.Trouble{Status: 413}, func(err error) bool { return err == nil }},
	} {
		for _, ingestion := range []string{"otel", "legacy"} {
			t.Run(name+" "+ingestion, func(t *testing.T) {
				cb, l := world(t, map[string]any{"langfuse_ingestion": ingestion}, nil)
				l.Fail(c.trouble)
				if err := cb.Deliver(t.Context(), callbacktest.Events(t, 4, nil)); !c.check(err) {
					t.Errorf("%v", err)
				}
				noFaults(t, l)
			})
		}
	}
}

func rejected(err error) bool {
	var r *callback.Rejected
	return errors.As(err, &r)
}

func TestLegacy(t *testing.T) {
	cb, l := world(t, nil, map[string]string{"LANGFUSE_INGESTION": "legacy"})
	events := callbacktest.Events(t, 2, func(i int, c *record.Call) {
		c.Request = []byte(`{"messages":[{"role":"user","content":"When do we attack?"}],"temperature":0.2,"stop":["a"]}`)
		c.Guardrails = []record.Guardrail{{Name: "pii", Status: "success", Start: float64(c.Started.Unix()), End: float64(c.Started.Unix()) + 0.1}}
		if i == 1 {
			c.RequestMetadata = []byte(`{"trace_id":"run-1","generation_id":"gen-1","prompt":{"name":"greet"}}`)
			c.Outcome, c.Error = record.Failure, "it broke"
		}
	})
	for range 2 { // what comes twice is known by its id
		if err := cb.Deliver(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	noFaults(t, l)
	got := l.Events()
	if len(got) != 6 {
		t.Fatalf("%d events", len(got))
	}
	if b := got[0].Body; got[0].Type != "trace-create" || b["name"] != "litellm-acompletion" || b["userId"] != "customer-7" || b["sessionId"] != "session-9" || b["input"] == nil {
		t.Errorf("%+v", got[0])
	}
	if b := got[1].Body; got[1].Type != "generation-create" || b["model"] != "gpt-5-mini" || b["usageDetails"].(map[string]any)["input"] != 8.0 || b["modelParameters"].(map[string]any)["temperature"] != 0.2 {
		t.Errorf("%+v", got[1])
	}
	if b := got[2].Body; b["parentObservationId"] != got[1].Body["id"] || b["name"] != "pii" {
		t.Errorf("%+v", got[2])
	}
	if b := got[4].Body; b["id"] != "gen-1" || b["traceId"] != "run-1" || b["level"] != "ERROR" || b["statusMessage"] != "it broke" {
		t.Errorf("%+v", got[4])
	}
}

// A Langfuse that has ended the older ingestion refuses every event: the batch waits until an operator has chosen the other one.
func TestLegacy_HasEnded(t *testing.T) {
	cb, l := world(t, map[string]any{"langfuse_ingestion": "legacy"}, nil)
	l.EventsOnly = true
	err := cb.Deliver(t.Context(), callbacktest.Events(t, 20, nil))
	if err == nil || rejected(err) || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("%v", err)
	}
}

func TestOpen_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"no keys":     {nil, "LANGFUSE_PUBLIC_KEY"},
		"no secret":   {map[string]any{"langfuse_public_key": "pk"}, "LANGFUSE_SECRET_KEY"},
		"host":        {map[string]any{"langfuse_host": "ftp://x"}, "http or https"},
		"environment": {map[string]any{"environment": "Langfuse!"}, "must not begin with langfuse"},
		"ingestion":   {map[string]any{"langfuse_ingestion": "soap"}, "otel or legacy"},
		"tags":        {map[string]any{"langfuse_default_tags": []any{"moon"}}, "cache_hit"},
	} {
		_, err := langfuse.Open(callbacktest.Spec(t, c.settings, nil))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cb, l := world(t, map[string]any{"langfuse_secret_key": "wrong"}, nil)
	if err := cb.Ping(t.Context()); err == nil || strings.Contains(err.Error(), "wrong") || len(l.Faults()) != 1 {
		t.Errorf("%v", err)
	}
}

// FuzzMetadata: whatever callers say, Langfuse is told what it takes.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"trace_id":"a","tags":"x,y","prompt":{"name":"n","version":1}}`, "h")
	f.Add(`{"tags":[1,null],"trace_metadata":"{}","existing_trace_id":7,"update_trace_keys":"[\"name\"]"}`, "\xff")
	l := &recorder.Langfuse{Public: "pk", Secret: "sk"}
	s := httptest.NewServer(l)
	f.Cleanup(s.Close)
	cb, err := langfuse.Open(callbacktest.Spec(f, map[string]any{"langfuse_public_key": "pk", "langfuse_secret_key": "sk", "langfuse_host": s.URL}, nil))
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	f.Fuzz(func(t *testing.T, metadata, header string) {
		if !json.Valid([]byte(metadata)) || !strings.HasPrefix(metadata, "{") {
			return // the gateway keeps objects alone
		}
		n++
		err := cb.Deliver(t.Context(), callbacktest.Events(t, 1, func(_ int, c *record.Call) {
			c.SentID, c.Trace = c.SentID+time.Now().String()+string(rune(n)), record.Trace{}
			c.RequestMetadata, c.RequesterHeaders = []byte(metadata), map[string]string{"langfuse_trace_name": header, "langfuse_tags": header}
		}))
		if err != nil {
			t.Error(err)
		}
		for _, fault := range l.Faults() {
			if !strings.Contains(fault, "twice") { // a generation_id that comes again
				t.Error(fault)
			}
		}
	})
}
