package otel_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/otel"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

// The connections of gRPC that callbacks have are closed when they are collected, which the tests do not wait for.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/transport.(*http2Client).reader"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/transport.newHTTP2Client.func6"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc/internal/transport.(*controlBuffer).get"))
}

// world is a callback that sends to a recorder by a protocol.
func world(t *testing.T, protocol string, settings map[string]any, env map[string]string) (callback.Callback, *recorder.OTLP) {
	t.Helper()
	o := &recorder.OTLP{Header: http.Header{"X-Tenant": {"a b"}}}
	all := map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
	if protocol == "grpc" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		o.Register(s)
		go func() { _ = s.Serve(l) }() // ends with Stop
		t.Cleanup(s.Stop)
		all["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://" + l.Addr().String()
	} else {
		s := httptest.NewServer(o)
		t.Cleanup(s.Close)
		all["OTEL_EXPORTER_OTLP_ENDPOINT"] = s.URL
	}
	for name, value := range env {
		all[name] = value
	}
	cb, err := otel.Open(callbacktest.Spec(t, settings, all))
	if err != nil {
		t.Fatal(err)
	}
	return cb, o
}

func noFaults(t *testing.T, o *recorder.OTLP) {
	t.Helper()
	for _, f := range o.Faults() {
		t.Error("a backend would have refused:", f)
	}
}

// traced gives a call the parts that a gateway notes: an attempt that failed, and one that answered.
func traced(c *record.Call) {
	at := func(ms int) time.Time { return c.Started.Add(time.Duration(ms) * time.Millisecond) }
	c.Trace = record.Trace{ID: "0af7651916cd43dd8448eb211c80319c", Span: "00f067aa0ba902b7", Parent: "b7ad6b7169203331", State: "a=b", Sampled: true}
	attrs := func(deployment string, status int) map[string]any {
		return map[string]any{"deployment": deployment, "group": "gpt", "model": "cohere.command-a", "provider": "oci", "status": status, "api_base": "https://inference.example.com"}
	}
	c.Steps = []record.Step{
		{Name: "admission", Kind: record.StepAdmission, Span: "1000000000000001", Start: c.Started, End: at(1)},
		{Name: "cache lookup", Kind: record.StepCache, Span: "1000000000000002", Start: at(1), End: at(2), Attrs: map[string]any{"hit": false}},
		{Name: "guardrail pii", Kind: record.StepGuardrail, Span: "1000000000000003", Start: at(2), End: at(3)},
		{Name: "chat cohere.command-a", Kind: record.StepAttempt, Span: "1000000000000004", Start: at(10), End: at(90), Error: "busy", Attrs: attrs("d0", 429)},
		{Name: "chat cohere.command-a", Kind: record.StepAttempt, Span: "1000000000000005", Start: at(100), End: at(1500), Attrs: attrs("d1", 200)},
	}
	c.Guardrails = []record.Guardrail{{Name: "pii", Provider: "presidio", Mode: "pre_call", Status: "success", Start: float64(at(2).UnixMicro()) / 1e6, End: float64(at(3).UnixMicro()) / 1e6, MaskedEntities: map[string]int{"EMAIL": 2}}}
	c.Attempts, c.Stream, c.Provider, c.Upstream = []record.Attempt{{}, {}}, true, "oci", "cohere.command-a"
}

func TestTrace(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			cb, o := world(t, protocol, nil, map[string]string{"OTEL_SERVICE_NAME": "gateway", "OTEL_RESOURCE_ATTRIBUTES": "team=a%2Cb,service.version=9", "OTEL_ENVIRONMENT_NAME": "test", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
			if err := cb.Deliver(t.Context(), callbacktest.Events(t, 1, func(_ int, c *record.Call) { traced(c) })); err != nil {
				t.Fatal(err)
			}
			noFaults(t, o)
			spans := o.Spans()
			var names []string
			for _, s := range spans {
				names = append(names, s.GetName())
				if hex.EncodeToString(s.GetTraceId()) != "0af7651916cd43dd8448eb211c80319c" {
					t.Errorf("%s is of the trace %x", s.GetName(), s.GetTraceId())
				}
			}
			want := []string{"POST /chat/completions", "admission", "cache lookup", "chat cohere.command-a", "chat cohere.command-a", "execute_guardrail pii"}
			if !slices.Equal(names, want) {
				t.Fatalf("spans %q", names)
			}
			root := spans[0]
			if hex.EncodeToString(root.GetParentSpanId()) != "b7ad6b7169203331" || root.GetTraceState() != "a=b" || root.GetKind().String() != "SPAN_KIND_SERVER" || root.GetStatus().GetCode() != 0 {
				t.Errorf("%+v", root)
			}
			for name, value := range map[string]any{"service.name": "gateway", "team": "a,b", "service.version": "9", "deployment.environment": "test", "model_id": "gateway"} {
				if root.Resource[name] != value {
					t.Errorf("the resource's %s is %v", name, root.Resource[name])
				}
			}
			for _, s := range spans[1:] {
				if !slices.Equal(s.GetParentSpanId(), root.GetSpanId()) {
					t.Errorf("%s hangs below %x", s.GetName(), s.GetParentSpanId())
				}
			}
			first, second := spans[3], spans[4]
			if first.GetStatus().GetCode().String() != "STATUS_CODE_ERROR" || first.Attrs()["error.type"] != "429" || first.Attrs()["gen_ai.usage.input_tokens"] != nil {
				t.Errorf("the attempt that failed: %v %v", first.GetStatus(), first.Attrs())
			}
			a := second.Attrs()
			for name, value := range map[string]any{
				"gen_ai.operation.name": "chat", "gen_ai.provider.name": "oci.generative_ai", "gen_ai.request.model": "cohere.command-a", "gen_ai.usage.input_tokens": int64(12),
				"gen_ai.usage.output_tokens": int64(5), "gen_ai.usage.cache_read.input_tokens": int64(4), "gen_ai.usage.reasoning.output_tokens": int64(2),
				"gen_ai.request.temperature": 0.2, "gen_ai.request.stream": true, "gen_ai.response.id": "chatcmpl-0", "server.address": "inference.example.com",
				"server.port": int64(443), "gen_ai.response.time_to_first_chunk": 0.3, "gen_ai.conversation.id": "session-9",
			} {
				got := a[name]
				if f, is := got.(float64); is && name == "gen_ai.response.time_to_first_chunk" {
					got = float64(int(f*1000+0.5)) / 1000
				}
				if got != value {
					t.Errorf("%s is %v (%T), not %v", name, got, got, value)
				}
			}
			if reasons, _ := a["gen_ai.response.finish_reasons"].([]any); len(reasons) != 1 || reasons[0] != "stop" {
				t.Errorf("finish reasons %v", a["gen_ai.response.finish_reasons"])
			}
			if g := spans[5].Attrs(); g["litellm.guardrail.provider"] != "presidio" || g["litellm.guardrail.masked_entity_count"] != `{"EMAIL":2}` {
				t.Errorf("%v", g)
			}
			text, _ := json.Marshal(spans)
			if strings.Contains(string(text), "attack") || strings.Contains(string(text), "dawn") {
				t.Error("texts go along although nobody has asked for them")
			}
			if err := cb.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTrace_Content(t *testing.T) {
	cb, o := world(t, "http/protobuf", map[string]any{"message_logging": true}, nil)
	events := callbacktest.Events(t, 1, func(_ int, c *record.Call) {
		traced(c)
		c.Request = []byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}],"tools":[{"type":"function"}]}`)
		c.Response = []byte(`{"choices":[{"message":{"role":"assistant","content":"At dawn.","reasoning_content":"hm"},"finish_reason":"tool_calls"}]}`)
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	noFaults(t, o)
	a := o.Spans()[4].Attrs()
	for name, want := range map[string]string{
		"gen_ai.input.messages":   `[{"role":"user","parts":[{"type":"text","content":"look"},{"type":"blob","modality":"image","mime_type":"image/png"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{"a":1}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"c1","response":"42"}]}]`,
		"gen_ai.output.messages":  `[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"At dawn."}],"finish_reason":"tool_call"}]`,
		"gen_ai.tool.definitions": `[{"type":"function"}]`,
	} {
		if a[name] != want {
			t.Errorf("%s is\n%v, not\n%v", name, a[name], want)
		}
	}
}

// A text that is longer than a request may be is left out, and the trace is sent all the same.
func TestTrace_TooLong(t *testing.T) {
	cb, o := world(t, "grpc", map[string]any{"message_logging": true}, nil)
	events := callbacktest.Events(t, 3, func(i int, c *record.Call) {
		traced(c)
		c.Trace.ID, c.Trace.Span = "", "" // made of the call's id
		if i == 1 {
			c.Request = []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("x", 5<<20) + `"}]}`)
		}
		for n := range c.Steps {
			c.Steps[n].Span = ""
		}
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	noFaults(t, o)
	if n := len(o.Spans()); n != 18 {
		t.Errorf("%d spans", n)
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
		"wrong key": {recorder.Trouble{Status: 401}, func(err error) bool { return err != nil && !rejected(err) }},
		"refused":   {recorder.Trouble{Status: 400}, func(err error) bool { return err == nil }}, // halved, and both halves are taken
	} {
		for _, protocol := range []string{"http/protobuf", "grpc"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				cb, o := world(t, protocol, nil, nil)
				o.Fail(c.trouble)
				if err := cb.Deliver(t.Context(), callbacktest.Events(t, 4, nil)); !c.check(err) {
					t.Errorf("%v", err)
				}
				noFaults(t, o)
			})
		}
	}
}

func rejected(err error) bool {
	var r *callback.Rejected
	return errors.As(err, &r)
}

// What a backend has not taken of a batch that it has taken must not be sent again: the rest would be there twice.
func TestPartialSuccess(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		cb, o := world(t, protocol, nil, nil)
		o.Reject = 2
		if err := cb.Deliver(t.Context(), callbacktest.Events(t, 4, nil)); err != nil {
			t.Error(err)
		}
		if o.Requests() != 1 {
			t.Errorf("%s: %d requests", protocol, o.Requests())
		}
	}
}

func TestMetrics(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			cb, o := world(t, protocol, map[string]any{"metrics": true, "attributes": map[string]any{"exclude_list": []any{"server.port"}}}, nil)
			for range 2 {
				events := callbacktest.Events(t, 3, func(i int, c *record.Call) {
					traced(c)
					c.Trace, c.Steps = record.Trace{}, c.Steps[4:]
					c.Steps[0].Span, c.ID, c.SentID = "", c.ID+time.Now().String(), c.ID+time.Now().String()
					if i == 2 { // refused: no upstream was asked, and the model is the caller's invention
						c.Attempts, c.Outcome, c.Upstream, c.Alias, c.Steps = nil, record.Refused, "", "invented", nil
					}
				})
				if err := cb.Deliver(t.Context(), events); err != nil {
					t.Fatal(err)
				}
			}
			noFaults(t, o)
			sums := map[string]float64{}
			counts := map[string]uint64{}
			for _, m := range o.Metrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					a := recorder.Plain(p.GetAttributes())
					if a["gen_ai.request.model"] != "cohere.command-a" || a["gen_ai.provider.name"] != "oci.generative_ai" || a["server.port"] != nil || a["server.address"] == nil {
						t.Errorf("%s has %v", m.GetName(), a)
					}
					name := m.GetName()
					if kind, is := a["gen_ai.token.type"].(string); is {
						name += " " + kind
					}
					sums[name], counts[name] = p.GetSum(), p.GetCount() // the last one that came: of all time
				}
			}
			for name, want := range map[string]float64{
				"gen_ai.client.operation.duration": 4 * 1.4, "gen_ai.client.token.usage input": 48, "gen_ai.client.token.usage output": 20,
				"gen_ai.client.operation.time_to_first_chunk": 4 * 0.3, "gen_ai.usage.cost": 4 * 0.00034,
			} {
				if got := sums[name]; got < want*0.99 || got > want*1.01 || counts[name] != 4 {
					t.Errorf("%s: %v of %d calls, not %v", name, got, counts[name], want)
				}
			}
		})
	}
}

func TestLogs(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			cb, o := world(t, protocol, map[string]any{"log_lines": true}, map[string]string{"LITELLM_OTEL_INTEGRATION_ENABLE_EVENTS": "true"})
			if err := cb.Deliver(t.Context(), callbacktest.Events(t, 1, func(_ int, c *record.Call) { traced(c) })); err != nil {
				t.Fatal(err)
			}
			noFaults(t, o)
			logs := o.Logs()
			if len(logs) != 2 {
				t.Fatalf("%d records", len(logs))
			}
			if a := recorder.Plain(logs[0].GetAttributes()); logs[0].GetBody().GetStringValue() != "call" || a["status"] != int64(200) || a["litellm.call_id"] != "call-0" || a["trace_id"] != "0af7651916cd43dd8448eb211c80319c" {
				t.Errorf("%v", logs[0])
			}
			if logs[1].GetEventName() != "gen_ai.client.inference.operation.details" || hex.EncodeToString(logs[1].GetSpanId()) != "1000000000000005" {
				t.Errorf("%v", logs[1])
			}
		})
	}
}

func TestSampler(t *testing.T) {
	for _, c := range []struct {
		word, arg string
		sampled   bool
		parent    string
		want      int
	}{
		{"", "", false, "b7ad6b7169203331", 0},
		{"", "", true, "b7ad6b7169203331", 1},
		{"", "", false, "", 1},
		{"always_on", "", false, "b7ad6b7169203331", 1},
		{"always_off", "", true, "", 0},
		{"traceidratio", "0", true, "", 0},
		{"traceidratio", "1", true, "", 1},
		{"parentbased_traceidratio", "0", true, "b7ad6b7169203331", 1},
	} {
		cb, o := world(t, "http/protobuf", nil, map[string]string{"OTEL_TRACES_SAMPLER": c.word, "OTEL_TRACES_SAMPLER_ARG": c.arg})
		err := cb.Deliver(t.Context(), callbacktest.Events(t, 1, func(_ int, call *record.Call) {
			call.Trace = record.Trace{ID: "0af7651916cd43dd8448eb211c80319c", Span: "00f067aa0ba902b7", Parent: c.parent, Sampled: c.sampled}
		}))
		if err != nil || len(o.Spans()) != c.want {
			t.Errorf("%+v: %d spans, %v", c, len(o.Spans()), err)
		}
	}
}

func TestOpen_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		env      map[string]string
		want     string
	}{
		"nothing":     {nil, nil, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"json":        {nil, map[string]string{"OTEL_ENDPOINT": "http://c:4318", "OTEL_EXPORTER": "http/json"}, "use that"},
		"console":     {map[string]any{"exporter": "console"}, nil, "debug exporter"},
		"unknown":     {map[string]any{"exporter": "pigeon", "endpoint": "http://c"}, nil, "http/protobuf or grpc"},
		"no address":  {map[string]any{"endpoint": "ftp://c"}, nil, "http or https"},
		"certificate": {map[string]any{"endpoint": "https://c"}, map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere"}, "no file"},
		"sampler":     {map[string]any{"endpoint": "https://c"}, map[string]string{"OTEL_TRACES_SAMPLER": "sometimes"}, "always_on"},
	} {
		_, err := otel.Open(callbacktest.Spec(t, c.settings, c.env))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// LiteLLM takes the address of the traces for all signals, and OpenTelemetry each signal's own as it is.
func TestAddresses(t *testing.T) {
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.URL.Path) }))
	defer s.Close()
	for want, env := range map[string]map[string]string{
		"/v1/traces":           {"OTEL_ENDPOINT": s.URL},
		"/base/v1/traces":      {"OTEL_EXPORTER_OTLP_ENDPOINT": s.URL + "/base/v1/traces"},
		"/exactly/this":        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": s.URL + "/exactly/this", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"},
		"/no/scheme/v1/traces": {"OTEL_EXPORTER_OTLP_ENDPOINT": strings.TrimPrefix(s.URL, "http://") + "/no/scheme/"},
	} {
		paths = nil
		cb, err := otel.Open(callbacktest.Spec(t, nil, env))
		if err != nil {
			t.Fatal(err)
		}
		if err := cb.Ping(t.Context()); err != nil || len(paths) != 1 || paths[0] != want {
			t.Errorf("%v: %v %v", env, paths, err)
		}
	}
}

func BenchmarkDeliver(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	cb, err := otel.Open(callbacktest.Spec(b, map[string]any{"endpoint": s.URL}, nil))
	if err != nil {
		b.Fatal(err)
	}
	events := callbacktest.Events(b, 512, func(_ int, c *record.Call) { traced(c) })
	for b.Loop() {
		if err := cb.Deliver(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/512, "µs/event")
}
