package gateway_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/internal/gateway"
	"tollgate/internal/record"
)

const (
	trace = "0af7651916cd43dd8448eb211c80319c"
	span  = "b7ad6b7169203331"
)

// W3C Trace Context, section 3.2: what is not exactly as it must be is ignored.
func TestTraceparent(t *testing.T) {
	good := "00-" + trace + "-" + span
	for value, want := range map[string]record.Trace{
		good + "-01":                            {ID: trace, Span: span, Sampled: true},
		good + "-00":                            {ID: trace, Span: span},
		good + "-03":                            {ID: trace, Span: span, Sampled: true}, // flags of later levels are not looked at
		"cc-" + trace + "-" + span + "-01-what": {ID: trace, Span: span, Sampled: true},
	} {
		if got, ok := gateway.Traceparent(http.Header{"Traceparent": {value}}); !ok || got != want {
			t.Errorf("%s: %+v, %v", value, got, ok)
		}
	}
	for _, bad := range []string{
		"", good, good + "-1", good + "-01-", good + "-01x", good + "-0G", "ff-" + trace + "-" + span + "-01", "0-" + trace + "-" + span + "-01",
		"00-" + strings.ToUpper(trace) + "-" + span + "-01", "00-" + strings.Repeat("0", 32) + "-" + span + "-01", "00-" + trace + "-" + strings.Repeat("0", 16) + "-01",
		"00_" + trace + "-" + span + "-01", " " + good + "-01", "cc-" + trace + "-" + span + "-01x",
	} {
		if got, ok := gateway.Traceparent(http.Header{"Traceparent": {bad}}); ok {
			t.Errorf("%q is taken as %+v", bad, got)
		}
	}
	if _, ok := gateway.Traceparent(http.Header{"Traceparent": {good + "-01", good + "-01"}}); ok {
		t.Error("two parents are one")
	}
}

func TestTracestate(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"a=1"}, "a=1"},
		{[]string{"a=1,b@c=x y", "d_e-f*/g=z"}, "a=1,b@c=x y,d_e-f*/g=z"},
		{[]string{"a=1, ,b=2"}, "a=1, ,b=2"},
		{[]string{"A=1"}, ""},
		{[]string{"a"}, ""},
		{[]string{"a="}, ""},
		{[]string{"a=b=c"}, ""},
		{[]string{"a=\x01"}, ""},
		{[]string{"@a=1"}, ""},
		{[]string{"1a@b=1"}, "1a@b=1"},
		{[]string{"1a=1"}, ""},
		{[]string{"a@1b=1"}, ""},
		{[]string{"a@_b=1"}, ""},
		{[]string{"a@abcdefghijklmno=1"}, ""},
		{[]string{strings.TrimSuffix(strings.Repeat("a=1,", 33), ",")}, ""},
		{[]string{"a=" + strings.Repeat("x", 600)}, ""},
	} {
		if got := gateway.Tracestate(http.Header{"Tracestate": c.headers}); got != c.want {
			t.Errorf("%q: %q", c.headers, got)
		}
	}
}

var wellFormed = regexp.MustCompile(`^[0-9a-e][0-9a-f]-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$|^f[0-9a-e]-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$`)

func FuzzTraceparent(f *testing.F) {
	f.Add("00-"+trace+"-"+span+"-01", "a=1")
	f.Add("00-"+trace+"-"+span+"-01-", "a=1,,")
	f.Fuzz(func(t *testing.T, parent, state string) {
		got, ok := gateway.Traceparent(http.Header{"Traceparent": {parent}})
		if ok && (!wellFormed.MatchString(strings.ReplaceAll(parent, "\n", " ")) || len(got.ID) != 32 || len(got.Span) != 16) {
			t.Errorf("%q is taken as %+v", parent, got)
		}
		if kept := gateway.Tracestate(http.Header{"Tracestate": {state}}); kept != "" && strings.ContainsAny(kept, "\r\n\x00") {
			t.Errorf("%q is kept as %q", state, kept)
		}
	})
}

// A call that is traced tells of its parts, below the caller's span; the upstream is told where the operator wants that.
func TestTrace(t *testing.T) {
	g, events := tell(t, "  callbacks: [otel]\n  forward_traceparent_to_llm_provider: true\n")
	var parents []string
	g.upstream(func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		parents = append(parents, r.Header.Get("Traceparent")+" "+r.Header.Get("Tracestate"))
		if len(parents) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		greedy(w, r, nil)
	})
	key := g.key(t, `{"key_alias":"ci"}`)
	if got := g.chat(t, key, hello+`,"num_retries":1}`, "Traceparent", "00-"+trace+"-"+span+"-01", "Tracestate", "a=1"); got.status != http.StatusOK {
		t.Fatalf("%+v", got)
	}
	e := next(t, events).event
	if e.Trace.ID != trace || e.Trace.Parent != span || e.Trace.State != "a=1" || !e.Trace.Sampled || len(e.Trace.Span) != 16 {
		t.Errorf("%+v", e.Trace)
	}
	var kinds []string
	var attempts []record.Step
	for _, s := range e.Steps {
		kinds = append(kinds, string(s.Kind))
		if s.Start.IsZero() || s.End.Before(s.Start) || len(s.Span) != 16 {
			t.Errorf("%+v", s)
		}
		if s.Kind == record.StepAttempt {
			attempts = append(attempts, s)
		}
	}
	if strings.Join(kinds, " ") != "admission attempt attempt" {
		t.Fatalf("steps %v", kinds)
	}
	if attempts[0].Error == "" || attempts[1].Error != "" || attempts[1].Attrs["deployment"] != "plain-1" || attempts[1].Name != "chat plain-up" {
		t.Errorf("%+v", attempts)
	}
	for i, s := range attempts {
		if want := "00-" + trace + "-" + s.Span + "-01 a=1"; parents[i] != want {
			t.Errorf("the upstream is told %q, not %q", parents[i], want)
		}
	}
	g.chat(t, key, hello+`}`, "Traceparent", "broken")
	if e = next(t, events).event; e.Trace.ID == trace || len(e.Trace.ID) != 32 || e.Trace.Parent != "" || len(e.Steps) != 2 {
		t.Errorf("%+v %+v", e.Trace, e.Steps)
	}
	g.chat(t, key, `{`)
	if e = next(t, events).event; len(e.Steps) != 1 || e.Steps[0].Error == "" {
		t.Errorf("a call that was not admitted: %+v", e.Steps)
	}
}

// Nothing is made where nobody shows traces.
func TestTrace_Off(t *testing.T) {
	g, events := tell(t, "  callbacks: [capture]\n")
	g.chat(t, g.key(t, `{}`), hello+`}`, "Traceparent", "00-"+trace+"-"+span+"-01")
	if e := next(t, events).event; e.Trace != (record.Trace{}) || e.Steps != nil {
		t.Errorf("%+v %+v", e.Trace, e.Steps)
	}
	select {
	case h := <-events:
		t.Errorf("one more event: %+v", h)
	case <-time.After(time.Millisecond):
	}
}
