package ocisim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/ocisim"
)

// rule installs a fault rule through the control API.
func (c *caller) rule(rule string) {
	c.t.Helper()
	c.mustControl("DELETE", "/_sim/faults", "")
	c.mustControl("POST", "/_sim/faults", rule)
}

var (
	unary  = ask("Count to 9", `,"maxTokens":100`)
	stream = ask("Count to 9", `,"maxTokens":100,"isStream":true`)
)

const grok = "xai.grok-3"

func TestFaults_Errors(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for _, tt := range []struct {
		rule       string
		status     int
		code       string
		retryAfter string
	}{
		{`{"status":429}`, 429, "TooManyRequests", ""},
		{`{"status":429,"retry_after":7}`, 429, "TooManyRequests", "7"},
		{`{"status":500}`, 500, "InternalServerError", ""},
		{`{"status":503}`, 503, "ServiceUnavailable", ""},
		{`{"status":401}`, 401, "NotAuthenticated", ""},
		{`{"status":404}`, 404, "NotAuthorizedOrNotFound", ""},
		{`{"status":409,"code":"IncorrectState","message":"busy"}`, 409, "IncorrectState", ""},
	} {
		c.rule(tt.rule)
		got := c.chat(grok, unary)
		if status, code, _ := got.failure(t); status != tt.status || code != tt.code || got.header.Get("Retry-After") != tt.retryAfter {
			t.Errorf("%s: %d %s, Retry-After %q", tt.rule, status, code, got.header.Get("Retry-After"))
		}
		checkStandardHeaders(t, got)
	}
	c.mustControl("PATCH", "/_sim/variants", `{"throttle_code":"429"}`)
	c.rule(`{"status":429}`)
	if _, code, _ := c.chat(grok, unary).failure(t); code != "429" {
		t.Errorf("the variant's code is %q", code)
	}
}

func TestFaults_Matching(t *testing.T) {
	c := newCaller(t, ocisim.Options{Seed: 3})
	statuses := func(n int, model, request string) (got []int) {
		for range n {
			got = append(got, c.chat(model, request).status)
		}
		return got
	}
	for _, tt := range []struct {
		rule string
		want []int
	}{
		{`{"status":500,"times":2}`, []int{500, 500, 200, 200}},
		{`{"status":500,"nth":3}`, []int{200, 200, 500, 200}},
		{`{"status":500,"after":2}`, []int{200, 200, 500, 500}},
		{`{"status":500,"model":"xai.*"}`, []int{500, 500, 500, 500}},
		{`{"status":500,"model":"xai.grok-4"}`, []int{200, 200, 200, 200}},
		{`{"status":500,"op":"embed"}`, []int{200, 200, 200, 200}},
		{`{"status":500,"stream":true}`, []int{200, 200, 200, 200}},
		{`{"status":500,"stream":false,"op":"chat","key":"` + keyID + `"}`, []int{500, 500, 500, 500}},
	} {
		c.rule(tt.rule)
		if got := statuses(4, grok, unary); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.rule, got, tt.want)
		}
	}
	c.rule(`{"status":500,"probability":0.5}`)
	failed := 0
	for _, s := range statuses(60, grok, unary) {
		if s == 500 {
			failed++
		}
	}
	if failed < 15 || failed > 45 {
		t.Errorf("half of 60 calls should fail, %d did", failed)
	}
}

func TestFaults_Replies(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.rule(`{"drop":true}`)
	if got := c.chat(grok, unary); got.err == nil {
		t.Errorf("a dropped call gets %d", got.status)
	}
	c.rule(`{"garbage_after":0}`)
	if got := c.chat(grok, unary); got.status != 200 || json.Valid(got.body) {
		t.Errorf("garbage is %d %s", got.status, got.body)
	}
	c.rule(`{"empty":"body"}`)
	if got := c.chat(grok, unary); got.status != 200 || len(got.body) != 0 {
		t.Errorf("an empty body is %d %s", got.status, got.body)
	}
	c.rule(`{"empty":"text"}`)
	if got := c.chat(grok, unary).object(t); at(got, "chatResponse", "choices", 0, "message", "content", 0, "text") != "" {
		t.Errorf("an empty text is %v", got)
	}
	c.rule(`{"content_type":"text/html"}`)
	if got := c.chat(grok, unary); got.header.Get("Content-Type") != "text/html" {
		t.Errorf("the content type is %s", got.header.Get("Content-Type"))
	}
	c.rule(`{"cut_after":0}`)
	if got := c.chat(grok, unary); got.err == nil || json.Valid(got.body) {
		t.Errorf("a cut body is %q, %v", got.body, got.err)
	}
	c.rule(`{"finish":"content_filter"}`)
	if got := c.chat(grok, unary).object(t); at(got, "chatResponse", "choices", 0, "finishReason") != "content_filter" {
		t.Errorf("the finish reason is %v", got)
	}
	c.rule(`{"finish":"ERROR_TOXIC"}`)
	if got := c.chat("cohere.command-latest", askCohere("hi", "")).object(t); at(got, "chatResponse", "finishReason") != "ERROR_TOXIC" {
		t.Errorf("the finish reason is %v", got)
	}
}

func TestFaults_Streams(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("PATCH", "/_sim/variants", `{"split_writes":0}`)

	c.rule(`{"cut_after":3}`)
	got := c.chat(grok, stream)
	if events, done := got.events(t); len(events) != 3 || done || got.err != nil {
		t.Errorf("cut: %d events, done %t, %v", len(events), done, got.err)
	}
	c.rule(`{"cut_after":3,"abrupt":true}`)
	if got := c.chat(grok, stream); got.err == nil {
		t.Error("an abrupt cut ends like a complete stream")
	}
	for variant, want := range map[string]string{"code": "code", "error": "error", "errorMessage": "errorMessage"} {
		c.mustControl("PATCH", "/_sim/variants", `{"mid_stream_error":"`+variant+`"}`)
		c.rule(`{"error_after":2,"message":"out of memory"}`)
		events, done := c.chat(grok, stream).events(t)
		if last := events[len(events)-1]; len(events) != 3 || done || last[want] == nil || !strings.Contains(string(c.chat(grok, stream).body), "out of memory") {
			t.Errorf("error event %s: %v", variant, last)
		}
	}
	c.rule(`{"garbage_after":2}`)
	if body := string(c.chat(grok, stream).body); !strings.Contains(body, "data: {\"message\":{\"content\n\n") || !strings.HasSuffix(body, "data: [DONE]\n\n") {
		t.Errorf("garbage event: %s", body)
	}
	c.rule(`{"no_done":true}`)
	if events, done := c.chat(grok, stream).events(t); done || events[len(events)-1]["finishReason"] == nil {
		t.Errorf("no [DONE]: done %t, last %v", done, events[len(events)-1])
	}
	c.rule(`{"no_finish":true}`)
	for model, request := range map[string]string{grok: stream, "cohere.command-latest": askCohere("hi", `,"isStream":true`)} {
		if events, done := c.chat(model, request).events(t); done || len(events) < 2 || events[len(events)-1]["finishReason"] != nil {
			t.Errorf("%s without finish: done %t, last %v", model, done, events[len(events)-1])
		}
	}
	c.rule(`{"empty":"body"}`)
	if got := c.chat(grok, stream); got.status != 200 || len(got.body) != 0 {
		t.Errorf("empty: %d %s", got.status, got.body)
	}
}

// timed runs one request against the handler in a bubble, so that waits cost nothing, and returns how long it took.
func timed(t *testing.T, o ocisim.Options, ctx context.Context, request string) (time.Duration, reply) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := ocisim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	sim.AddKey(keyID, &key.PublicKey)
	c := &caller{t: t, sim: sim, url: "http://sim.test", key: key}
	r := c.request("POST", chatPath, []byte(chatBody(grok, request))).WithContext(ctx)
	r.RequestURI, r.Host = chatPath, "sim.test"
	w := httptest.NewRecorder()
	start := time.Now()
	sim.Handler().ServeHTTP(w, r)
	return time.Since(start), reply{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

func TestFaults_Delays(t *testing.T) {
	rule := func(r ocisim.Rule) ocisim.Options {
		return ocisim.Options{Scenario: &ocisim.Scenario{Rules: []ocisim.Rule{r}}}
	}
	second := ocisim.Duration(time.Second)
	for name, tt := range map[string]struct {
		options ocisim.Options
		request string
		want    time.Duration
	}{
		"none":             {ocisim.Options{}, unary, 0},
		"healthy latency":  {ocisim.Options{Latency: ocisim.Latency{First: time.Second}}, unary, time.Second},
		"latency":          {rule(ocisim.Rule{Latency: second}), unary, time.Second},
		"first token":      {rule(ocisim.Rule{FirstToken: second}), stream, time.Second},
		"no first token":   {rule(ocisim.Rule{FirstToken: second}), unary, 0},
		"between chunks":   {rule(ocisim.Rule{Chunk: second}), ask("Count to 2", `,"maxTokens":9,"isStream":true`), 5 * time.Second},
		"late, then error": {rule(ocisim.Rule{Latency: second, Status: 500}), unary, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took, got := timed(t, tt.options, t.Context(), tt.request)
				if took != tt.want {
					t.Errorf("took %s, want %s: %s", took, tt.want, got.body)
				}
			})
		})
	}
	t.Run("slow body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			took, got := timed(t, rule(ocisim.Rule{SlowBody: second}), t.Context(), unary)
			if pieces := (len(got.body) + 63) / 64; took != time.Duration(pieces-1)*time.Second {
				t.Errorf("%d bytes took %s", len(got.body), took)
			}
		})
	})
	t.Run("the caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			took, _ := timed(t, rule(ocisim.Rule{Latency: ocisim.Duration(time.Hour)}), ctx, unary)
			if took != 3*time.Second {
				t.Errorf("took %s, want 3s", took)
			}
		})
	})
}

// writes remembers each write of a stream by itself.
type writes struct {
	*httptest.ResponseRecorder
	pieces []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.pieces = append(w.pieces, string(b))
	return w.ResponseRecorder.Write(b)
}

func TestStream_EventsStraddleWrites(t *testing.T) {
	for share, whole := range map[float64]bool{0: true, 1: false} {
		variants := ocisim.DefaultVariants()
		variants.SplitWrites = share
		c := newCaller(t, ocisim.Options{Scenario: &ocisim.Scenario{Variants: &variants}})
		r := c.request("POST", chatPath, []byte(chatBody(grok, stream)))
		r.RequestURI, r.Host = chatPath, r.URL.Host
		w := &writes{ResponseRecorder: httptest.NewRecorder()}
		c.sim.Handler().ServeHTTP(w, r)
		for i, piece := range w.pieces {
			complete := strings.HasPrefix(piece, "data: ") && strings.HasSuffix(piece, "\n\n")
			if complete != whole {
				t.Errorf("share %g: write %d is %q", share, i, piece)
			}
		}
		if _, done := (reply{body: w.Body.Bytes()}).events(t); !done {
			t.Errorf("share %g: the pieces do not join to a stream", share)
		}
	}
}

func TestFaults_RuleChecks(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for _, bad := range []string{
		`{"status":200}`, `{"probability":2}`, `{"nth":-1}`, `{"empty":"all"}`, `{"latency":5}`, `{"latency":"soon"}`,
		`{"unknown":1}`, `{"retry_after":-1}`, `{`, `{} {}`,
	} {
		if got := c.control("POST", "/_sim/faults", bad); got.status != http.StatusBadRequest {
			t.Errorf("%s gets %d %s", bad, got.status, got.body)
		}
	}
	c.mustControl("POST", "/_sim/faults", `{"id":"one","status":500,"times":1}`)
	c.chat(grok, unary)
	c.chat(grok, unary)
	rules := at(c.control("GET", "/_sim/faults", "").object(t), "rules")
	if at(rules, 0, "id") != "one" || at(rules, 0, "seen") != 2.0 || at(rules, 0, "fired") != 1.0 {
		t.Errorf("the rules are %v", rules)
	}
	c.mustControl("DELETE", "/_sim/faults/one", "")
	if got := c.control("DELETE", "/_sim/faults/one", ""); got.status != http.StatusNotFound {
		t.Errorf("the second removal gets %d", got.status)
	}
}
