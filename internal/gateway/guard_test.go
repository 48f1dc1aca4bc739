package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/egress"
	"tollgate/internal/guardrail"
	"tollgate/internal/provider"
)

// secretive finds s-NUMBERS: kind "mask" puts [SECRET] in their place, "block" blocks, "instead" answers in the model's place.
type secretive struct{ kind string }

var secretPattern = regexp.MustCompile(`s-[0-9]+`)

func (s secretive) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if s.kind == "fail" {
		return guardrail.Verdict{}, away{}
	}
	if s.kind == "wrong" {
		return guardrail.Verdict{Action: guardrail.Mask, Texts: []string{"", "", ""}}, nil
	}
	v := guardrail.Verdict{}
	for _, t := range in.Content.Texts {
		masked := secretPattern.ReplaceAllString(t.Value, "[SECRET]")
		v.Texts = append(v.Texts, masked)
		if masked == t.Value {
			continue
		}
		switch s.kind {
		case "mask":
			v.Action = guardrail.Mask
			v.Findings = append(v.Findings, guardrail.Finding{Kind: "SECRET", Action: guardrail.Mask, Count: 1})
		case "restore":
			v.Action, v.Restore = guardrail.Mask, map[string]string{"[SECRET]": secretPattern.FindString(t.Value)}
		case "block":
			v.Action, v.Reason = guardrail.Block, "There is a secret in it."
		case "instead":
			v.Action, v.Response = guardrail.Block, "I may not say that."
		}
	}
	return v, ctx.Err()
}

// away is a vendor that cannot be reached.
type away struct{}

func (away) Error() string     { return "the vendor is away" }
func (away) Unreachable() bool { return true }

// windows is the same for pieces.
type windows struct{ secretive }

func (windows) Overlap() int { return 16 }

// gated is a guardrail that waits until a test lets it go on.
type gated struct {
	secretive
	gate chan struct{}
}

func (g gated) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return guardrail.Verdict{}, ctx.Err()
	}
	return g.secretive.Check(ctx, in)
}

// guarded is a gateway with guardrails, each an entry "KIND MODE" of its own name, always on.
func guarded(t *testing.T, more string, gate chan struct{}, list ...string) *governed {
	t.Helper()
	yaml := "guardrails:\n"
	for _, entry := range list {
		f := strings.Fields(entry)
		yaml += fmt.Sprintf("  - {guardrail_name: %s-%s, litellm_params: {guardrail: %s, mode: %s, default_on: true}}\n", f[0], f[1], f[0], f[1])
	}
	return guardedBy(t, more+yaml, gate)
}

func guardedBy(t *testing.T, more string, gate chan struct{}, replaced ...string) *governed {
	t.Helper()
	return governWith(t, more, func(o *app.Options) { o.Integrations.Guardrails = guardrailKinds(gate) }, replaced...)
}

// guardrailKinds are the kinds of guardrails of these tests.
func guardrailKinds(gate chan struct{}) func(func(string) string, *egress.Egress, *provider.Lease) map[string]guardrail.Opener {
	kinds := map[string]guardrail.Opener{}
	for name, g := range map[string]guardrail.Guardrail{
		"mask": secretive{"mask"}, "block": secretive{"block"}, "instead": secretive{"instead"}, "fail": secretive{"fail"}, "wrong": secretive{"wrong"}, "restore": secretive{"restore"},
		"wmask": windows{secretive{"mask"}}, "wblock": windows{secretive{"block"}}, "winstead": windows{secretive{"instead"}}, "gated": gated{secretive{"block"}, gate},
	} {
		kinds[name] = func(guardrail.Spec) (guardrail.Guardrail, error) { return g, nil }
	}
	return func(func(string) string, *egress.Egress, *provider.Lease) map[string]guardrail.Opener { return kinds }
}

// says is an upstream that says a text, as a stream one character at a time, and counts how often it was asked. asked has what
// it was asked last.
func (g *governed) says(text string) (times *atomic.Int64, asked *sync.Map) {
	times, asked = &atomic.Int64{}, &sync.Map{}
	g.upstream(func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		times.Add(1)
		asked.Store("body", body)
		if body["stream"] != true {
			billed(w, text, 100)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, r := range text {
			quoted, _ := json.Marshal(string(r))
			if !chunk(w, `{"content":`+string(quoted)+`}`) {
				return
			}
		}
		endStream(w, 100)
	})
	return times, asked
}

func ask(text, more string) string {
	quoted, _ := json.Marshal(text)
	return `{"model":"plain","max_tokens":200,"messages":[{"role":"user","content":` + string(quoted) + `}]` + more + `}`
}

// streamed is what the chunks of a stream say, and the error in it, "" for none.
func streamed(t *testing.T, text string) (said, failed string) {
	t.Helper()
	for event := range strings.SplitSeq(text, "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var c struct {
			Choices []struct{ Delta struct{ Content string } }
			Error   struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%v: %s", err, event)
		}
		for _, ch := range c.Choices {
			said += ch.Delta.Content
		}
		failed += c.Error.Message
	}
	return said, failed
}

func TestGuard_PreMasks(t *testing.T) {
	g := guarded(t, "  store_prompts_in_spend_logs: true\n", nil, "mask pre_call")
	_, asked := g.says("Rome.")
	key := g.key(t, `{}`)
	r := g.chat(t, key, ask("it is s-123", `,"guardrail_config":{"language":"en"}`))
	body, _ := asked.Load("body")
	text, _ := json.Marshal(body)
	if r.status != 200 || strings.Contains(string(text), "s-123") || !strings.Contains(string(text), "it is [SECRET]") || strings.Contains(string(text), "guardrail") {
		t.Errorf("%d, the upstream got %s", r.status, text)
	}
	if got := r.header.Get("X-Litellm-Applied-Guardrails"); got != "mask-pre_call" {
		t.Errorf("applied: %q", got)
	}
	row, _ := json.Marshal(g.row(t, key))
	if strings.Contains(string(row), "s-123") || !strings.Contains(string(row), "[SECRET]") {
		t.Errorf("the row has %s", row)
	}
}

func TestGuard_PreBlocks(t *testing.T) {
	for _, stream := range []string{"", `,"stream":true`} {
		g := guarded(t, "  store_prompts_in_spend_logs: true\n", nil, "block pre_call", "mask post_call")
		times, _ := g.says("Rome.")
		key := g.key(t, `{"max_budget":1}`)
		r := g.chat(t, key, ask("it is s-123", stream))
		if r.status != 400 || r.errorField(t, "message") != "There is a secret in it." || r.errorField(t, "code") != "400" || r.errorField(t, "type") != "invalid_request_error" {
			t.Errorf("%d %s", r.status, r.text)
		}
		fields, _ := r.errorField(t, "provider_specific_fields").(map[string]any)
		if fields["error"] != "Violated guardrail policy" || fields["guardrail_name"] != "block-pre_call" {
			t.Errorf("%v", fields)
		}
		if r.header.Get("X-Litellm-Applied-Guardrails") != "block-pre_call" || r.header.Get("X-Litellm-Response-Cost") != "0" || times.Load() != 0 {
			t.Errorf("%v, asked %d times", r.header, times.Load())
		}
		row := g.row(t, key)
		text, _ := json.Marshal(row)
		if row["spend"] != 0.0 || strings.Contains(string(text), "s-123") {
			t.Errorf("row %s", text)
		}
		if spend := g.spend(t, key); spend != 0 {
			t.Errorf("spend %v", spend)
		}
	}
}

// A guardrail's text takes the place of an answer, with status 200.
func TestGuard_Instead(t *testing.T) {
	g := guarded(t, "", nil, "instead pre_call")
	times, _ := g.says("Rome.")
	r := g.chat(t, masterKey, ask("it is s-123", ""))
	if r.status != 200 || !strings.Contains(r.text, `"content":"I may not say that."`) || !strings.Contains(r.text, `"finish_reason":"content_filter"`) || !strings.Contains(r.text, `"model":"plain"`) {
		t.Errorf("%d %s", r.status, r.text)
	}
	r = g.chat(t, masterKey, ask("it is s-123", `,"stream":true`))
	if said, failed := streamed(t, r.text); r.status != 200 || said != "I may not say that." || failed != "" || !strings.HasSuffix(r.text, "data: [DONE]\n\n") {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r = g.post(t, "/v1/embeddings", `{"model":"plain","input":"s-123"}`, masterKey); r.status != 400 {
		t.Errorf("%d %s", r.status, r.text)
	}
	if times.Load() != 0 {
		t.Errorf("asked %d times", times.Load())
	}
	for _, kind := range []string{"instead", "winstead"} {
		g = guarded(t, "", nil, kind+" post_call")
		g.says("it is s-123")
		r = g.chat(t, masterKey, ask("hello", ""))
		if r.status != 200 || !strings.Contains(r.text, `"content":"I may not say that."`) || !strings.Contains(r.text, `"completion_tokens":100`) || strings.Contains(r.text, "s-123") {
			t.Errorf("%s: %d %s", kind, r.status, r.text)
		}
		key := g.key(t, `{}`)
		r = g.chat(t, key, ask("hello", `,"stream":true,"stream_options":{"include_usage":true}`))
		if said, _ := streamed(t, r.text); r.status != 200 || said != "I may not say that." || strings.Contains(r.text, "s-123") {
			t.Errorf("%s: %d %s", kind, r.status, r.text)
		}
		if row := g.row(t, key); row["spend"] == 0.0 {
			t.Errorf("%s: the model's answer costs nothing: %v", kind, row)
		}
	}
}

// A guardrail beside the call that blocks cuts the upstream off, and the call is billed what the upstream may have used.
func TestGuard_DuringBlocks(t *testing.T) {
	for _, stream := range []string{"", `,"stream":true`} {
		gate := make(chan struct{})
		g := guarded(t, "", gate, "gated during_call")
		left := make(chan struct{})
		g.upstream(func(w http.ResponseWriter, r *http.Request, body map[string]any) {
			defer close(left)
			if body["stream"] == true {
				w.Header().Set("Content-Type", "text/event-stream")
				chunk(w, `{"content":"s"}`)
			}
			close(gate)
			<-r.Context().Done() // it goes on until it is cut off
		})
		key := g.key(t, `{"max_budget":1}`)
		r := g.chat(t, key, ask("it is s-123", stream))
		<-left
		if r.status != 400 || r.errorField(t, "message") != "There is a secret in it." {
			t.Errorf("%d %s", r.status, r.text)
		}
		if row := g.row(t, key); row["spend"] == 0.0 || row["status"] != "failure" {
			t.Errorf("%v", row)
		}
	}
}

func TestGuard_DuringPasses(t *testing.T) {
	gate := make(chan struct{})
	g := guarded(t, "", gate, "gated during_call")
	g.says("Rome.")
	answered := make(chan reply)
	go func() { answered <- g.chat(t, masterKey, ask("hello", "")) }()
	select {
	case r := <-answered:
		t.Errorf("answered before the guardrail has judged: %s", r.text)
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	if r := <-answered; r.status != 200 || r.header.Get("X-Litellm-Applied-Guardrails") != "gated-during_call" {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// An upstream's failure does not wait for a guardrail beside it.
func TestGuard_DuringUpstreamFails(t *testing.T) {
	g := guarded(t, "", make(chan struct{}), "gated during_call")
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { failWith(w, 500) })
	if r := g.chat(t, masterKey, ask("hello", "")); r.status < 500 {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestGuard_PostMasks(t *testing.T) {
	for _, kind := range []string{"mask", "wmask"} {
		g := guarded(t, "  store_prompts_in_spend_logs: true\n", nil, kind+" post_call")
		text := "it is s-123, and there is more to be said about it than that"
		want := "it is [SECRET], and there is more to be said about it than that"
		g.says(text)
		key := g.key(t, `{}`)
		r := g.chat(t, key, ask("hello", ""))
		if r.status != 200 || !strings.Contains(r.text, want) || !strings.Contains(r.text, `"completion_tokens":100`) || r.header.Get("Content-Length") != fmt.Sprint(len(r.text)) {
			t.Errorf("%d %s", r.status, r.text)
		}
		r = g.chat(t, key, ask("hello", `,"stream":true,"stream_options":{"include_usage":true}`))
		said, failed := streamed(t, r.text)
		if said != want || failed != "" || strings.Count(r.text, `"usage":{`) != 1 || !strings.HasSuffix(r.text, "data: [DONE]\n\n") {
			t.Errorf("%q: %s", said, r.text)
		}
		for _, row := range g.rows(t, key) {
			kept, _ := json.Marshal(row)
			if strings.Contains(string(kept), "s-123") || row["spend"].(float64) < 0.0002 {
				t.Errorf("row %s", kept)
			}
		}
	}
}

// An answer that is withheld has cost what it has cost: in the header, the row, the key's spend.
func TestGuard_PostBlocks(t *testing.T) {
	const cost = 10*0.000001 + 100*0.000002
	for _, kind := range []string{"block", "wblock"} {
		for _, stream := range []string{"", `,"stream":true`} {
			g := guarded(t, "  store_prompts_in_spend_logs: true\n", nil, kind+" post_call")
			g.says("s-123 is it")
			key := g.key(t, `{"max_budget":1}`)
			r := g.chat(t, key, ask("hello", stream))
			if r.status != 400 || r.errorField(t, "message") != "There is a secret in it." || strings.Contains(r.text, "s-123") {
				t.Errorf("%s%s: %d %s", kind, stream, r.status, r.text)
			}
			row := g.row(t, key)
			text, _ := json.Marshal(row)
			spend := g.spend(t, key)
			if row["spend"] != spend || spend == 0 || strings.Contains(string(text), "s-123") || r.header.Get("X-Litellm-Response-Cost") == "0" {
				t.Errorf("%s%s: spend %v, header %s, row %s", kind, stream, spend, r.header.Get("X-Litellm-Response-Cost"), text)
			}
			if stream == "" && spend != cost {
				t.Errorf("%s: spend %v, want %v", kind, spend, cost)
			}
			if kind == "block" && spend != cost { // it has read the stream to its end, usage included
				t.Errorf("%s%s: spend %v, want %v", kind, stream, spend, cost)
			}
		}
	}
}

// A block in the middle of a stream ends it with an error, and the upstream is not asked any further.
func TestGuard_BlocksInTheMiddle(t *testing.T) {
	g := guarded(t, "", nil, "wblock post_call")
	clean := strings.Repeat("all work and no play. ", 20)
	g.says(clean + "s-123 is it. " + clean)
	key := g.key(t, `{}`)
	r := g.chat(t, key, ask("hello", `,"stream":true`))
	said, failed := streamed(t, r.text)
	if r.status != 200 || !strings.HasPrefix(clean, said) || len(said) < len(clean)-64 || failed != "There is a secret in it." || !strings.HasSuffix(r.text, "data: [DONE]\n\n") {
		t.Errorf("%d %q %q", r.status, said, failed)
	}
	if row := g.row(t, key); row["spend"] == 0.0 || row["status"] != "failure" {
		t.Errorf("%v", row)
	}
}

// What is withheld is written on the caller's account as it is pulled: a stream that is held back cannot outspend a budget.
func TestGuard_WithheldStreamKeepsItsBudget(t *testing.T) {
	g := guarded(t, "", nil, "mask post_call")
	var written atomic.Int64
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 200_000 { // more than the budget pays for, whatever it is told
			if !chunk(w, `{"content":"word "}`) {
				return
			}
			written.Add(1)
		}
		endStream(w, written.Load())
	})
	key := g.key(t, `{"max_budget":0.01}`)
	r := g.chat(t, key, `{"model":"plain","stream":true,"messages":[{"role":"user","content":"hello"}]}`)
	said, _ := streamed(t, r.text)
	if r.status != 200 || !strings.Contains(r.text, `"ended_by":"budget_exceeded"`) || len(said) == 0 {
		t.Errorf("%d %.300s", r.status, r.text)
	}
	if spend := g.spend(t, key); spend > 0.0105 || spend < 0.002 {
		t.Errorf("spend %v", spend)
	}
}

// Who leaves while his answer is withheld pays for what was written.
func TestGuard_CallerLeaves(t *testing.T) {
	g := guarded(t, "", nil, "mask post_call")
	ctx, leave := context.WithCancel(t.Context())
	g.upstream(func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 500 {
			chunk(w, `{"content":"word "}`)
		}
		leave()
		<-r.Context().Done()
	})
	key := g.key(t, `{}`)
	g.serve(ctx, httptest.NewRecorder(), "POST", "/v1/chat/completions", ask("hello", `,"stream":true`), key)
	if row := g.row(t, key); row["spend"].(float64) < 0.00001 {
		t.Errorf("%v", row)
	}
}

func TestGuard_Failures(t *testing.T) {
	for _, mode := range []string{"pre_call", "during_call", "post_call"} {
		for _, stream := range []string{"", `,"stream":true`} {
			g := guarded(t, "", nil, "fail "+mode)
			g.says("Rome.")
			r := g.chat(t, masterKey, ask("hello", stream))
			if r.status != 500 || !strings.Contains(r.text, `Guardrail \"fail-`+mode+`\" (fail) could not judge the call`) || strings.Contains(r.text, "the vendor is away") {
				t.Errorf("%s%s: %d %s", mode, stream, r.status, r.text)
			}
			g = guardedBy(t, "guardrails: [{guardrail_name: f, litellm_params: {guardrail: fail, mode: "+mode+", default_on: true, unreachable_fallback: fail_open}}]\n", nil)
			g.says("Rome.")
			if r := g.chat(t, masterKey, ask("hello", stream)); r.status != 200 || !strings.Contains(r.text, "R") {
				t.Errorf("%s%s, open: %d %s", mode, stream, r.status, r.text)
			}
		}
	}
}

const chosenYAML = `
guardrails:
  - {guardrail_name: chosen, litellm_params: {guardrail: block, mode: pre_call, api_key: sk-vendor-secret, headers: {X-Service: vendor-secret-2}}, guardrail_info: {params: [{name: x, type: float}]}}
  - {guardrail_name: other, litellm_params: {guardrail: mask, mode: [pre_call, post_call]}}
`

func TestGuard_Chosen(t *testing.T) {
	g := guardedBy(t, chosenYAML, nil)
	g.says("Rome.")
	if r := g.post(t, "/team/new", `{"team_id":"closed","metadata":{"guardrails":{"modify_guardrails":false}}}`, masterKey); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	for name, tt := range map[string]struct {
		key, body string
		status    int
	}{
		"nobody":   {masterKey, ask("s-123", ""), 200},
		"request":  {masterKey, ask("s-123", `,"guardrails":["chosen"]`), 400},
		"metadata": {masterKey, ask("s-123", `,"metadata":{"guardrails":["chosen"]}`), 400},
		"unknown":  {masterKey, ask("hello", `,"guardrails":["ghost"]`), 400},
		"key":      {g.key(t, `{"guardrails":["chosen"]}`), ask("s-123", ""), 400},
		"may not":  {g.key(t, `{"team_id":"closed"}`), ask("hello", `,"guardrails":["chosen"]`), 403},
	} {
		if r := g.chat(t, tt.key, tt.body); r.status != tt.status {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
	if r := g.chat(t, masterKey, ask("hello", `,"guardrails":["ghost"]`)); r.errorField(t, "message") != "Unknown guardrail 'ghost' (there are: chosen, other). GET /guardrails/list shows them." {
		t.Errorf("%s", r.text)
	}
	r := g.chat(t, masterKey, ask("s-123", `,"guardrails":["other"],"fallbacks":[{"model":"plain","messages":[{"role":"user","content":"s-123"}]}]`))
	if r.status != 400 {
		t.Errorf("a fallback goes around: %d %s", r.status, r.text)
	}
}

// A model's own guardrails are those of every call that may reach it.
func TestGuard_OfAModel(t *testing.T) {
	g := guardedBy(t, chosenYAML, nil, "model: openai/free-up", "guardrails: [chosen], model: openai/free-up")
	g.says("Rome.")
	if r := g.post(t, "/v1/chat/completions", strings.Replace(ask("s-123", ""), "plain", "free", 1), masterKey); r.status != 400 {
		t.Errorf("%d %s", r.status, r.text)
	}
	if r := g.chat(t, masterKey, ask("s-123", `,"fallbacks":["free"]`)); r.status != 400 {
		t.Errorf("a fallback: %d %s", r.status, r.text)
	}
	if r := g.chat(t, masterKey, ask("s-123", "")); r.status != 200 {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestGuard_OtherSurfaces(t *testing.T) {
	g := guarded(t, "", nil, "mask pre_call", "block post_call")
	_, asked := g.says("Rome.")
	for _, tt := range []struct{ path, body, want string }{
		{"/v1/completions", `{"model":"plain","prompt":["s-1","b"]}`, `"prompt":["[SECRET]","b"]`},
		{"/v1/embeddings", `{"model":"plain","input":"s-1"}`, `"input":"[SECRET]"`},
		{"/v1/rerank", `{"model":"ranks","query":"s-1","documents":["s-2",{"text":"s-3"}]}`, `"query":"[SECRET]"`},
	} {
		r := g.post(t, tt.path, tt.body, masterKey)
		body, _ := asked.Load("body")
		if text, _ := json.Marshal(body); !strings.Contains(string(text), tt.want) || secretPattern.Match(text) {
			t.Errorf("%s: %d %s; the upstream got %s", tt.path, r.status, r.text, text)
		}
	}
	if r := g.post(t, "/v1/embeddings", `{"model":"plain","input":[[1,2,3]]}`, masterKey); r.status != 400 || !strings.Contains(r.text, "cannot be checked") {
		t.Errorf("%d %s", r.status, r.text)
	}
}

func TestGuard_Pages(t *testing.T) {
	g := guardedBy(t, chosenYAML, nil)
	key := g.key(t, `{}`)
	w := httptest.NewRecorder()
	g.serve(t.Context(), w, "GET", "/guardrails/list", "", key)
	want := `{"guardrails":[{"guardrail_name":"chosen","litellm_params":{"guardrail":"block","mode":"pre_call"},"guardrail_info":{"params":[{"name":"x","type":"float"}]}},` +
		`{"guardrail_name":"other","litellm_params":{"guardrail":"mask","mode":["pre_call","post_call"]},"guardrail_info":null}]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("%d\n got %s\nwant %s", w.Code, got, want)
	}
	whole := g.get(t, "/v2/guardrails/list")
	if strings.Contains(whole.text, "vendor-secret") || !strings.Contains(whole.text, `"guardrail_definition_location":"config"`) || !strings.Contains(whole.text, `"api_key"`) {
		t.Errorf("%s", whole.text)
	}
	if w = httptest.NewRecorder(); true {
		g.serve(t.Context(), w, "GET", "/v2/guardrails/list", "", key)
		if w.Code == 200 {
			t.Errorf("any key sees the settings: %s", w.Body)
		}
	}
	if r := g.post(t, "/guardrails/apply_guardrail", `{"guardrail_name":"other","text":"a s-123","language":"en","entities":["X"]}`, key); r.status != 200 || strings.TrimSpace(r.text) != `{"response_text":"a [SECRET]"}` {
		t.Errorf("%d %s", r.status, r.text)
	}
	for body, status := range map[string]int{
		`{"guardrail_name":"chosen","text":"a s-123"}`: 400, `{"guardrail_name":"ghost","text":"a"}`: 400, `{"text":"a"}`: 400, `no`: 400,
	} {
		if r := g.post(t, "/guardrails/apply_guardrail", body, key); r.status != status {
			t.Errorf("%s: %d %s", body, r.status, r.text)
		}
	}
	for _, path := range []string{"/guardrails", "/guardrails/register"} {
		if r := g.post(t, path, `{}`, masterKey); r.status != 501 || !strings.Contains(r.text, "they come from the configuration") {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
}

// No route goes around the guardrails, as LiteLLM's streamed Messages and Responses did (BerriAI/litellm#35257, #14152, #15718):
// what is not checked is not served.
func TestGuard_NoSurfaceGoesUnguarded(t *testing.T) {
	g := guarded(t, "", nil, "block pre_call", "block post_call")
	times, _ := g.says("s-123")
	for _, path := range []string{"/v1/messages", "/v1/responses", "/responses", "/v1/images/generations", "/v1/moderations", "/v1/audio/speech"} {
		for _, stream := range []string{"", `,"stream":true`} {
			if r := g.post(t, path, `{"model":"plain","input":"s-123","messages":[{"role":"user","content":"s-123"}]`+stream+`}`, masterKey); r.status < 400 {
				t.Errorf("%s: %d %s", path, r.status, r.text)
			}
		}
	}
	for _, path := range []string{"/v1/chat/completions", "/chat/completions", "/engines/plain/chat/completions", "/openai/deployments/plain/chat/completions", "/cursor/chat/completions"} {
		if r := g.post(t, path, ask("s-123", ""), masterKey); r.status != 400 {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
	for _, path := range []string{"/v1/completions", "/completions", "/engines/plain/completions", "/openai/deployments/plain/completions"} {
		for _, prompt := range []string{`"s-123"`, `["a","s-123"]`, `[[1,2]]`} {
			if r := g.post(t, path, `{"model":"plain","prompt":`+prompt+`}`, masterKey); r.status != 400 {
				t.Errorf("%s: %d %s", path, r.status, r.text)
			}
		}
	}
	if times.Load() != 0 {
		t.Errorf("the upstream was asked %d times", times.Load())
	}
}

// What a guardrail gets wrong is no absence: only fail_on_error: false lets such calls pass.
func TestGuard_FailOnError(t *testing.T) {
	for setting, status := range map[string]int{"unreachable_fallback: fail_open": 500, "fail_on_error: false": 200} {
		g := guardedBy(t, "guardrails: [{guardrail_name: w, litellm_params: {guardrail: wrong, mode: pre_call, default_on: true, "+setting+"}}]\n", nil)
		g.says("Rome.")
		if r := g.chat(t, masterKey, ask("hello", "")); r.status != status {
			t.Errorf("%s: %d %s", setting, r.status, r.text)
		}
	}
}
