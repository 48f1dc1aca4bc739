package guardrail_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
)

func TestParseMode(t *testing.T) {
	pre, post := guardrail.PreCall, guardrail.PostCall
	tests := []struct {
		in      string
		want    guardrail.Mode
		ignored []string
		err     string
	}{
		{`"pre_call"`, guardrail.On(pre), nil, ""},
		{`["pre_call","post_call","pre_call"]`, guardrail.On(pre, post), nil, ""},
		{`["pre_call","pre_mcp_call"]`, guardrail.On(pre), []string{"pre_mcp_call"}, ""},
		{`{"tags":{"User-Agent: claude-cli":"pre_call","x":["post_call"]},"default":"logging_only"}`,
			guardrail.Mode{Default: []guardrail.Phase{guardrail.LoggingOnly}, Tags: map[string][]guardrail.Phase{"User-Agent: claude-cli": {pre}, "x": {post}}}, nil, ""},
		{`"before"`, guardrail.Mode{}, nil, `"before" is no mode`},
		{`["pre_mcp_call"]`, guardrail.Mode{}, nil, "it never runs"},
		{`null`, guardrail.Mode{}, nil, "it never runs"},
		{`5`, guardrail.Mode{}, nil, "a mode is a text"},
		{`{"tag":{}}`, guardrail.Mode{}, nil, `"tag" is not known`},
	}
	for _, tt := range tests {
		var v any
		if err := json.Unmarshal([]byte(tt.in), &v); err != nil {
			t.Fatal(err)
		}
		got, ignored, err := guardrail.ParseMode(v)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v", tt.in, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) || !slices.Equal(ignored, tt.ignored) {
			t.Errorf("%s: %+v, %v, %v", tt.in, got, ignored, err)
		}
	}
}

// selected are the names that a request selects, or the refusal.
func selected(t *testing.T, s *guardrail.Set, body string, sel guardrail.Selection) (string, *apierr.Error) {
	t.Helper()
	sel.Request = parse(t, openai.OpChat, body)
	run, err := s.Select(sel)
	var e *apierr.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%T %v", err, err)
	}
	return strings.Join(run.Applied(), ","), e
}

func TestSelect(t *testing.T) {
	named := func(name string) guardrail.Config {
		return guardrail.Config{Name: name, Guardrail: &fake{}, Mode: guardrail.On(guardrail.PreCall)}
	}
	tagged := guardrail.Config{Name: "tagged", Guardrail: &fake{}, DefaultOn: true, Mode: guardrail.Mode{Tags: map[string][]guardrail.Phase{"User-Agent: claude-cli": {guardrail.PreCall}, "t": {guardrail.PostCall}}}}
	s := newSet(t, named("a"), on("always", &fake{}, guardrail.PostCall), named("b"), on("log", &fake{}, guardrail.LoggingOnly), tagged)
	list := func(names ...any) map[string]any { return map[string]any{"guardrails": names} }
	closed := map[string]any{"guardrails": map[string]any{"modify_guardrails": false}}
	tests := []struct {
		name, body string
		sel        guardrail.Selection
		want       string
		status     int
		message    string
	}{
		{"nothing", `{}`, guardrail.Selection{}, "always", 0, ""},
		{"a list", `{"guardrails":["b","a"]}`, guardrail.Selection{}, "a,always,b", 0, ""},
		{"a name", `{"guardrails":"a"}`, guardrail.Selection{}, "a,always", 0, ""},
		{"an object", `{"guardrails":{"a":{"extra_body":{"x":1}}}}`, guardrail.Selection{}, "a,always", 0, ""},
		{"a list of objects", `{"guardrails":[{"a":{"extra_body":{}}},"b"]}`, guardrail.Selection{}, "a,always,b", 0, ""},
		{"the older switch", `{"metadata":{"guardrails":{"a":true,"b":false,"always":false}}}`, guardrail.Selection{}, "a,always", 0, ""},
		{"in metadata", `{"metadata":{"guardrails":["a"]},"litellm_metadata":{"guardrails":["b"]}}`, guardrail.Selection{}, "a,always,b", 0, ""},
		{"in metadata as a text", `{"metadata":"{\"guardrails\":[\"a\"]}"}`, guardrail.Selection{}, "a,always", 0, ""},
		{"null", `{"guardrails":null}`, guardrail.Selection{}, "always", 0, ""},
		{"key", `{}`, guardrail.Selection{Key: list("a")}, "a,always", 0, ""},
		{"team", `{}`, guardrail.Selection{Team: list("b")}, "always,b", 0, ""},
		{"model", `{}`, guardrail.Selection{Model: []string{"b"}}, "always,b", 0, ""},
		{"tag", `{}`, guardrail.Selection{Tags: []string{"t"}}, "always,tagged", 0, ""},
		{"user agent", `{}`, guardrail.Selection{Call: &guardrail.Call{Header: map[string][]string{"User-Agent": {"claude-cli/1.0 (x)"}}}}, "always,tagged", 0, ""},
		{"unknown", `{"guardrails":["a","ghost"]}`, guardrail.Selection{}, "", 400, "Unknown guardrail 'ghost' (there are: a, always, b, log, tagged). GET /guardrails/list shows them."},
		{"a key's is gone", `{}`, guardrail.Selection{Key: list("ghost")}, "", 500, "The key of this call names the guardrail 'ghost'"},
		{"wrong form", `{"guardrails":5}`, guardrail.Selection{}, "", 400, "Invalid type for 'guardrails'"},
		{"may not choose", `{"guardrails":["a"]}`, guardrail.Selection{Team: closed}, "", 403, "{'error': 'Your team does not have permission to modify guardrails.'}"},
		{"may not choose by the key", `{"guardrails":["a"]}`, guardrail.Selection{Key: closed}, "", 403, "permission"},
		// BerriAI/litellm#26821: that it is there decides, whatever it says.
		{"may not choose none", `{"metadata":{"guardrails":{}}}`, guardrail.Selection{Team: closed}, "", 403, "permission"},
		{"may not opt out", `{"metadata":{"disable_global_guardrails":true}}`, guardrail.Selection{Team: closed}, "", 403, "permission"},
		{"says nothing", `{"metadata":{"x":"guardrails"}}`, guardrail.Selection{Team: closed}, "always", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, e := selected(t, s, tt.body, tt.sel)
			if tt.status == 0 {
				if e != nil || got != tt.want {
					t.Errorf("%q, %v; want %q", got, e, tt.want)
				}
				return
			}
			if e == nil || e.Status != tt.status || !strings.Contains(e.Message, tt.message) {
				t.Errorf("%+v", e)
			}
		})
	}
	if _, e := selected(t, nil, `{"guardrails":["a"]}`, guardrail.Selection{}); e == nil || !strings.Contains(e.Message, "none are configured") {
		t.Errorf("without guardrails: %v", e)
	}
	if got, e := selected(t, nil, `{}`, guardrail.Selection{}); got != "" || e != nil {
		t.Errorf("without guardrails: %v %v", got, e)
	}
}

// Guardrails with one name share the calls; what a request says to them reaches the one that is asked.
func TestSelect_Pool(t *testing.T) {
	one, two := &fake{}, &fake{}
	s := newSet(t, guardrail.Config{Name: "g", Guardrail: one, Mode: guardrail.On(guardrail.PreCall)}, guardrail.Config{Name: "g", Guardrail: two, Mode: guardrail.On(guardrail.PreCall)})
	for range 4 {
		start(t, s, `{"messages":[],"guardrails":{"g":{"extra_body":{"x":"y"}}},"guardrail_config":{"language":"de"}}`)
	}
	if one.times() != 2 || two.times() != 2 {
		t.Errorf("%d and %d calls", one.times(), two.times())
	}
	if in := one.asked[0]; in.Extra["x"] != "y" || in.Language != "de" || in.Phase != guardrail.PreCall || in.Content == nil {
		t.Errorf("%+v", in)
	}
}

func TestPre_Masks(t *testing.T) {
	second := &fake{}
	run, req := start(t, newSet(t, on("mask", masking(), guardrail.PreCall), on("look", second, guardrail.PreCall)), hello)
	if want := strings.Replace(hello, "s-12345", "[SECRET]", 1); string(req.Body) != want {
		t.Errorf("%s", req.Body)
	}
	if got := second.asked[0].Content.Texts[1].Value; got != "hello [SECRET] there" {
		t.Errorf("the second one sees %q", got)
	}
	r := run.Records()
	if len(r) != 2 || r[0].Name != "mask" || r[0].Mode != "pre_call" || r[0].Status != "success" || r[0].Action != "mask" || r[0].MaskedEntities["SECRET"] != 1 || r[1].Action != "allow" || r[0].Start == 0 || r[0].End < r[0].Start {
		t.Errorf("%+v", r)
	}
	if s := run.Steps(func() string { return "span" }); len(s) != 2 || s[0].Name != "guardrail mask" || s[0].Span != "span" || s[0].End.Before(s[0].Start) {
		t.Errorf("%+v", s)
	}
}

func preError(t *testing.T, s *guardrail.Set, body string) (*guardrail.Run, error) {
	t.Helper()
	req := parse(t, openai.OpChat, body)
	run, err := s.Select(guardrail.Selection{Request: req})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run.Pre(t.Context(), req)
	return run, err
}

// What is blocked is told as LiteLLM tells it, without what was found.
func TestPre_Blocks(t *testing.T) {
	verdict := guardrail.Verdict{Action: guardrail.Block, Reason: "Blocked.", Detail: map[string]any{"lakera_guardrail_response": map[string]any{"flagged": true}}, Findings: []guardrail.Finding{{Kind: "x", Action: guardrail.Block, Score: 0.9}}}
	later := &fake{}
	s := newSet(t, on("g", &fake{verdict: func(*guardrail.Input) (guardrail.Verdict, error) { return verdict, nil }}, guardrail.PreCall), on("later", later, guardrail.PreCall))
	run, err := preError(t, s, hello)
	var e *apierr.Error
	if !errors.As(err, &e) || e.Status != 400 {
		t.Fatalf("%v", err)
	}
	want := `{"error":{"message":"Blocked.","type":"invalid_request_error","param":null,"code":"400","provider_specific_fields":{"error":"Violated guardrail policy","guardrail_name":"g","lakera_guardrail_response":{"flagged":true}}}}`
	if got := string(e.Envelope()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if later.times() != 0 || !slices.Equal(run.Applied(), []string{"g"}) {
		t.Errorf("asked %d times, applied %v", later.times(), run.Applied())
	}
	if r := run.Records(); r[0].Status != "guardrail_intervened" || r[0].Action != "block" || !slices.Equal(r[0].Violations, []string{"x"}) || r[0].ConfidenceScore != 0.9 {
		t.Errorf("%+v", r)
	}
	verdict = guardrail.Verdict{Action: guardrail.Block, Detail: map[string]any{"bad": func() {}}}
	if _, err := preError(t, s, hello); !errors.As(err, &e) || !strings.Contains(string(e.Envelope()), `"message":"Violated guardrail policy"`) {
		t.Errorf("without a reason: %v", err)
	}
	verdict = guardrail.Verdict{Action: guardrail.Block, Response: "I may not."}
	var instead *guardrail.Answered
	if _, err := preError(t, s, hello); !errors.As(err, &instead) || instead.Text != "I may not." {
		t.Errorf("an answer instead: %v", err)
	}
}

// A guardrail that cannot judge ends the call, unless it is configured otherwise.
func TestPre_Failures(t *testing.T) {
	fails := func(err error) func(*guardrail.Input) (guardrail.Verdict, error) {
		return func(*guardrail.Input) (guardrail.Verdict, error) { return guardrail.Verdict{}, err }
	}
	says := func(v guardrail.Verdict) func(*guardrail.Input) (guardrail.Verdict, error) {
		return func(*guardrail.Input) (guardrail.Verdict, error) { return v, nil }
	}
	tests := map[string]struct {
		verdict func(in *guardrail.Input) (guardrail.Verdict, error)
		class   string
		away    bool
	}{
		"error":          {fails(errors.New("the vendor says no")), "failure", false},
		"panic":          {func(*guardrail.Input) (guardrail.Verdict, error) { panic("s-12345") }, "failure", false},
		"too few texts":  {says(guardrail.Verdict{Action: guardrail.Mask, Texts: []string{"x"}}), "failure", false},
		"unknown action": {says(guardrail.Verdict{Action: "shrug"}), "failure", false},
		"timeout":        {fails(context.DeadlineExceeded), "timeout", true},
		"away":           {fails(away{}), "unreachable", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := on("g", &fake{verdict: tt.verdict}, guardrail.PreCall)
			run, err := preError(t, newSet(t, c), hello)
			remedy := map[bool]string{true: "unreachable_fallback: fail_open", false: "fail_on_error: false"}[tt.away]
			var e *apierr.Error
			if !errors.As(err, &e) || e.Status != 500 || !strings.Contains(e.Message, `Guardrail "g" (fake) could not judge the call (`+tt.class) || !strings.Contains(e.Message, remedy) || strings.Contains(e.Message, "12345") {
				t.Errorf("%v", err)
			}
			if r := run.Records(); r[0].Status != "guardrail_failed_to_respond" || r[0].ErrorType != tt.class || strings.Contains(r[0].Error, "12345") {
				t.Errorf("%+v", r)
			}
			c.FailOpen = true
			if _, err := preError(t, newSet(t, c), hello); (err == nil) != tt.away {
				t.Errorf("fail open: %v", err)
			}
			c.FailOpenAlways = true
			if _, err := preError(t, newSet(t, c), hello); err != nil {
				t.Errorf("fail open whatever happens: %v", err)
			}
		})
	}
}

func TestPre_Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := checkFunc(func(ctx context.Context, _ *guardrail.Input) (guardrail.Verdict, error) {
			<-ctx.Done()
			return guardrail.Verdict{}, ctx.Err()
		})
		c := on("g", slow, guardrail.PreCall)
		began := time.Now()
		_, err := preError(t, newSet(t, c), hello)
		if err == nil || !strings.Contains(err.Error(), "(timeout)") || time.Since(began) != guardrail.Timeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		c.Timeout = time.Second
		began = time.Now()
		if _, err := preError(t, newSet(t, c), hello); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

type checkFunc func(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error)

func (f checkFunc) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	return f(ctx, in)
}

// A guardrail that has failed five times is left alone for half a minute; then one call tries it.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		f := &fake{verdict: func(*guardrail.Input) (guardrail.Verdict, error) {
			if broken {
				return guardrail.Verdict{}, away{}
			}
			return guardrail.Verdict{}, nil
		}}
		s := newSet(t, on("g", f, guardrail.PreCall))
		for range 8 {
			if _, err := preError(t, s, hello); err == nil {
				t.Fatal("no error")
			}
		}
		if f.times() != 5 {
			t.Errorf("asked %d times", f.times())
		}
		time.Sleep(30 * time.Second)
		for range 3 {
			_, _ = preError(t, s, hello)
		}
		if f.times() != 6 {
			t.Errorf("asked %d times after the pause", f.times())
		}
		broken = false
		time.Sleep(30 * time.Second)
		for range 3 {
			if _, err := preError(t, s, hello); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What a guardrail refuses of one request does not keep it from the next one.
func TestBreaker_OneRequest(t *testing.T) {
	f := &fake{verdict: func(*guardrail.Input) (guardrail.Verdict, error) { return guardrail.Verdict{}, errors.New("too long") }}
	s := newSet(t, on("g", f, guardrail.PreCall))
	for range 10 {
		_, _ = preError(t, s, hello)
	}
	if f.times() != 10 {
		t.Errorf("asked %d times", f.times())
	}
}

// What a caller's leaving ends is not the guardrail's failure.
func TestBreaker_CallerLeaves(t *testing.T) {
	f := checkFunc(func(ctx context.Context, _ *guardrail.Input) (guardrail.Verdict, error) {
		return guardrail.Verdict{}, ctx.Err()
	})
	s := newSet(t, on("g", f, guardrail.PreCall))
	req := parse(t, openai.OpChat, hello)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		run, err := s.Select(guardrail.Selection{Request: req})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Pre(gone, req); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	start(t, s, hello)
}

func TestDuring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(d time.Duration, v guardrail.Verdict) guardrail.Guardrail {
			return checkFunc(func(ctx context.Context, _ *guardrail.Input) (guardrail.Verdict, error) {
				select {
				case <-ctx.Done():
					return guardrail.Verdict{}, ctx.Err()
				case <-time.After(d):
					return v, nil
				}
			})
		}
		block := guardrail.Verdict{Action: guardrail.Block}
		run, req := start(t, newSet(t, on("slow", wait(5*time.Second, guardrail.Verdict{}), guardrail.DuringCall), on("quick", wait(time.Second, block), guardrail.DuringCall)), hello)
		began := time.Now()
		err := run.During(t.Context(), req)
		var b *guardrail.Blocked
		if !errors.As(err, &b) || b.Name != "quick" || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if r := run.Records(); len(r) != 2 {
			t.Errorf("%+v", r)
		} else {
			for _, one := range r {
				if want := map[string]string{"slow": "not_run", "quick": "guardrail_intervened"}[one.Name]; one.Status != want {
					t.Errorf("%s: %s, want %s", one.Name, one.Status, want)
				}
			}
		}
		run, req = start(t, newSet(t, on("a", wait(2*time.Second, guardrail.Verdict{}), guardrail.DuringCall), on("b", wait(2*time.Second, guardrail.Verdict{}), guardrail.DuringCall)), hello)
		began = time.Now()
		if err := run.During(t.Context(), req); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestPost(t *testing.T) {
	const reply = `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"s-12345"},"logprobs":{"content":[{"token":"s-12345"}]},"finish_reason":"stop"},{"index":1,"message":{"content":"ok","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"s-77777\"}"}}]}}],"usage":{"total_tokens":3}}`
	run, _ := start(t, newSet(t, on("g", masking(), guardrail.PostCall)), hello)
	got, err := run.Post(t.Context(), []byte(reply))
	want := `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"[SECRET]"},"logprobs":null,"finish_reason":"stop"},{"index":1,"message":{"content":"ok","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"[SECRET]\"}"}}]}}],"usage":{"total_tokens":3}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	look := &fake{}
	run, _ = start(t, newSet(t, on("g", look, guardrail.PostCall)), hello)
	if got, err := run.Post(t.Context(), []byte(reply)); err != nil || string(got) != reply {
		t.Errorf("%s, %v", got, err)
	}
	if in := look.asked[0]; in.Phase != guardrail.PostCall || in.Request == nil || in.Request.Texts[1].Value != "hello s-12345 there" {
		t.Errorf("%+v", in)
	}
	run, _ = start(t, newSet(t, on("g", blocking(), guardrail.PostCall)), hello)
	if _, err := run.Post(t.Context(), []byte(strings.Replace(reply, `"s-12345"`, `"fine"`, 1))); err == nil {
		t.Error("the second choice's call was not blocked")
	}
	if _, err := run.Post(t.Context(), []byte(`no json`)); err == nil {
		t.Error("an answer that nobody can read passed")
	}
	instead := &fake{verdict: func(*guardrail.Input) (guardrail.Verdict, error) {
		return guardrail.Verdict{Action: guardrail.Block, Response: "no"}, nil
	}}
	run, _ = start(t, newSet(t, on("g", instead, guardrail.PostCall)), hello)
	got, err = run.Post(t.Context(), []byte(reply))
	want = `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"no"},"logprobs":null,"finish_reason":"content_filter"}],"usage":{"total_tokens":3}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

// What system messages and definitions of tools say is shown to those who want it.
func TestSees(t *testing.T) {
	const body = `{"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"}],"tools":[{"type":"function","function":{"name":"f","description":"D"}}]}`
	yes, no := true, false
	tests := []struct {
		name    string
		g       guardrail.Guardrail
		change  func(*guardrail.Config)
		options guardrail.Options
		want    string
	}{
		{"a vendor's", nil, func(*guardrail.Config) {}, guardrail.Options{}, "S U"},
		{"an offline one", masking(), func(*guardrail.Config) {}, guardrail.Options{}, "S U D"},
		{"with definitions", nil, func(c *guardrail.Config) { c.Definitions = &yes }, guardrail.Options{}, "S U D"},
		{"without system", nil, func(c *guardrail.Config) { c.SkipSystem, c.Definitions = &yes, &yes }, guardrail.Options{}, "U"},
		{"without system for all", nil, func(*guardrail.Config) {}, guardrail.Options{SkipSystem: true}, "U"},
		{"its own word counts", nil, func(c *guardrail.Config) { c.SkipSystem = &no }, guardrail.Options{SkipSystem: true}, "S U"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen []string
			look := checkFunc(func(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
				v := guardrail.Verdict{Action: guardrail.Mask}
				for _, text := range in.Content.Texts {
					seen = append(seen, text.Value)
					v.Texts = append(v.Texts, strings.ToLower(text.Value))
				}
				return v, nil
			})
			var g guardrail.Guardrail = look
			if tt.g != nil {
				g = offline{look}
			}
			c := on("g", g, guardrail.PreCall)
			c.Kind = "fake"
			tt.change(&c)
			s, err := guardrail.New([]guardrail.Config{c}, tt.options)
			if err != nil {
				t.Fatal(err)
			}
			_, req := start(t, s, body)
			if got := strings.Join(seen, " "); got != tt.want {
				t.Errorf("it sees %q, want %q", got, tt.want)
			}
			want := body
			for _, text := range seen {
				want = strings.Replace(want, `"`+text+`"`, `"`+strings.ToLower(text)+`"`, 1)
			}
			if string(req.Body) != want {
				t.Errorf("%s", req.Body)
			}
		})
	}
}

type offline struct{ guardrail.Guardrail }

func (offline) Overlap() int { return 1 }

// Nothing goes around the guardrails that look at a request.
func TestPre_NoWayAround(t *testing.T) {
	s := newSet(t, on("g", &fake{}, guardrail.PreCall))
	for name, body := range map[string]string{
		"extra_body":      `{"messages":[{"role":"user","content":"x"}],"extra_body":{"messages":[{"role":"user","content":"bad"}]}}`,
		"extra_body case": `{"messages":[{"role":"user","content":"x"}],"extra_body":{"Messages":[]}}`,
		"twice":           `{"messages":[{"role":"user","content":"x","content":"bad"}]}`,
	} {
		if _, err := preError(t, s, body); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
	embed := parse(t, openai.OpEmbedding, `{"input":[[1,2,3]]}`)
	run, err := s.Select(guardrail.Selection{Request: embed})
	if err != nil {
		t.Fatal(err)
	}
	var e *apierr.Error
	if _, err := run.Pre(t.Context(), embed); !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("token numbers: %v", err)
	}
	refused := func(name, value string) bool { return run.CheckOverride(name, []byte(value)) != nil }
	if !refused("messages", "[]") || !refused("preamble", `"bad"`) || !refused("extra_body", "{}") || refused("temperature", "1") || refused("reasoning_effort", `"low"`) {
		t.Error("overrides")
	}
	odd := parse(t, "/images", `{"prompt":"a cat"}`)
	if run, err = s.Select(guardrail.Selection{Request: odd}); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Pre(t.Context(), odd); !errors.As(err, &e) || e.Status != 500 {
		t.Errorf("an unknown surface: %v", err)
	}
}

func TestRestore_Unary(t *testing.T) {
	pii := &fake{verdict: func(in *guardrail.Input) (guardrail.Verdict, error) {
		v := guardrail.Verdict{Action: guardrail.Mask, Restore: map[string]string{"<PERSON_1>": `Ann "A"`}}
		for _, t := range in.Content.Texts {
			v.Texts = append(v.Texts, strings.ReplaceAll(t.Value, `Ann "A"`, "<PERSON_1>"))
		}
		return v, nil
	}}
	judge := &fake{}
	s := newSet(t, on("pii", pii, guardrail.PreCall), on("judge", judge, guardrail.PostCall))
	run, req := start(t, s, `{"messages":[{"role":"user","content":"I am Ann \"A\""}]}`)
	if strings.Contains(string(req.Body), "Ann") {
		t.Fatalf("%s", req.Body)
	}
	const reply = `{"choices":[{"index":0,"message":{"content":"Hello <PERSON_1>","tool_calls":[{"function":{"name":"f","arguments":"{\"n\":\"<PERSON_1>\"}"}}]}}]}`
	got, err := run.Post(t.Context(), []byte(reply))
	want := `{"choices":[{"index":0,"message":{"content":"Hello Ann \"A\"","tool_calls":[{"function":{"name":"f","arguments":"{\"n\":\"Ann \\\"A\\\"\"}"}}]}}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if judge.asked[0].Content.Texts[0].Value != "Hello <PERSON_1>" {
		t.Error("a guardrail of the answer sees what was put back")
	}
	if kept := run.Conceal(got); string(kept) != reply {
		t.Errorf("kept: %s", kept)
	}
}

func TestLogCopy(t *testing.T) {
	const reply = `{"choices":[{"index":0,"message":{"content":"s-77777"}}]}`
	s := newSet(t, guardrail.Config{Name: "g", Guardrail: masking(), Mode: guardrail.On(guardrail.LoggingOnly)})
	run, req := start(t, s, hello)
	if run == nil || run.Guards() || len(run.Applied()) != 0 || !run.Offline() || string(req.Body) != hello {
		t.Fatalf("%+v", run)
	}
	in, out := run.LogCopy(t.Context(), req, []byte(reply))
	if strings.Contains(string(in), "12345") || strings.Contains(string(out), "77777") || !strings.Contains(string(in), "hello [SECRET] there") {
		t.Errorf("%s, %s", in, out)
	}
	if got, err := run.Post(t.Context(), []byte(reply)); err != nil || string(got) != reply {
		t.Errorf("the answer changed: %s", got)
	}
	if r := run.Records(); len(r) != 1 || r[0].Mode != "logging_only" || r[0].MaskedEntities["SECRET"] != 2 {
		t.Errorf("%+v", r)
	}
	for name, g := range map[string]guardrail.Guardrail{
		"blocked": blocking(),
		"failed":  &fake{verdict: func(*guardrail.Input) (guardrail.Verdict, error) { return guardrail.Verdict{}, errors.New("away") }},
	} {
		run, req := start(t, newSet(t, on("g", g, guardrail.LoggingOnly)), hello)
		if in, out := run.LogCopy(t.Context(), req, []byte(reply)); in != nil || out != nil {
			t.Errorf("%s: %s, %s", name, in, out)
		}
	}
	var none *guardrail.Run
	if in, out := none.LogCopy(t.Context(), req, []byte(reply)); string(in) != hello || string(out) != reply {
		t.Errorf("%s, %s", in, out)
	}
}

func TestApply(t *testing.T) {
	s := newSet(t, on("mask", masking(), guardrail.PostCall), on("block", blocking(), guardrail.PreCall))
	if got, err := s.Apply(t.Context(), "mask", "a s-12345", "en", nil, &guardrail.Call{}); err != nil || got != "a [SECRET]" {
		t.Errorf("%q, %v", got, err)
	}
	var b *guardrail.Blocked
	if _, err := s.Apply(t.Context(), "block", "a s-12345", "", nil, &guardrail.Call{}); !errors.As(err, &b) {
		t.Errorf("%v", err)
	}
	if _, err := s.Apply(t.Context(), "ghost", "a", "", nil, &guardrail.Call{}); err == nil || !strings.Contains(err.Error(), "mask, block") {
		t.Errorf("%v", err)
	}
}

func TestNew_Refuses(t *testing.T) {
	good := on("g", &fake{}, guardrail.PreCall)
	for name, change := range map[string]func(c *guardrail.Config){
		"no name":   func(c *guardrail.Config) { c.Name = "" },
		"not there": func(c *guardrail.Config) { c.Guardrail = nil },
		"no mode":   func(c *guardrail.Config) { c.Mode = guardrail.Mode{} },
	} {
		c := good
		change(&c)
		if _, err := guardrail.New([]guardrail.Config{c}, guardrail.Options{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A nil run has nothing to do.
func TestNilRun(t *testing.T) {
	var run *guardrail.Run
	req := parse(t, openai.OpChat, hello)
	if got, err := run.Pre(t.Context(), req); err != nil || got != req {
		t.Error("Pre")
	}
	if run.During(t.Context(), req) != nil || run.Records() != nil || run.Applied() != nil || run.ChangesAnswer() {
		t.Error("a nil run does something")
	}
	s := streamOf("x")
	if run.Stream(t.Context(), s) != openai.Stream(s) {
		t.Error("Stream")
	}
}

// A call without guardrails pays nothing for them.
func TestSelect_Free(t *testing.T) {
	req := parse(t, openai.OpChat, hello)
	var s *guardrail.Set
	if n := testing.AllocsPerRun(100, func() {
		if run, err := s.Select(guardrail.Selection{Request: req}); run != nil || err != nil {
			t.Error(run, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
