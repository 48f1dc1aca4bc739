package guardrails_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/recorder/guardrails"
)

// Each of these calls would be refused by the real one: by a recorder that let it pass nothing would be proved.
func TestRefuses(t *testing.T) {
	lakera, aporia, moderation := guardrails.NewLakera("k"), guardrails.NewAporia("p", "k"), guardrails.NewModeration("k")
	presidio, generic, azure := guardrails.NewPresidio(), guardrails.NewGeneric("k"), guardrails.NewAzure("k")
	bedrock := guardrails.NewBedrock(guardrails.BedrockOptions{Region: "r", Guardrail: "g", Version: "1", Keys: []guardrails.Keys{{AccessKey: "a", Secret: "s"}}, Bearer: "k"})
	sts := guardrails.NewSTS(guardrails.STSOptions{Region: "r", Role: "arn:aws:iam::1:role/r"})
	bearer := http.Header{"Authorization": {"Bearer k"}}
	aporiaKey, azureKey := http.Header{"X-Aporia-Api-Key": {"k"}}, http.Header{"Ocp-Apim-Subscription-Key": {"k"}}
	tests := []struct {
		name         string
		server       *guardrails.Server
		method, path string
		header       http.Header
		body         string
		status       int
	}{
		{"Lakera: no key", lakera, "POST", "/v2/guard", nil, `{"messages":[{"role":"user","content":"x"}]}`, 401},
		{"Lakera: wrong verb", lakera, "GET", "/v2/guard", bearer, "", 405},
		{"Lakera: unknown member", lakera, "POST", "/v2/guard", bearer, `{"messages":[{"role":"user","content":"x"}],"typo":1}`, 400},
		{"Lakera: unknown role", lakera, "POST", "/v2/guard", bearer, `{"messages":[{"role":"function","content":"x"}]}`, 400},
		{"Lakera: no messages", lakera, "POST", "/v2/guard", bearer, `{"messages":[]}`, 400},
		{"Lakera v1: no input", lakera, "POST", "/v1/prompt_injection", bearer, `{"input":""}`, 400},
		{"Aporia: bearer in place of its header", aporia, "POST", "/p/validate", bearer, `{}`, 401},
		{"Aporia: a tool's role", aporia, "POST", "/p/validate", aporiaKey, `{"messages":[{"role":"tool","content":"x"}],"validation_target":"prompt"}`, 422},
		{"Aporia: no response", aporia, "POST", "/p/validate", aporiaKey, `{"messages":[],"validation_target":"response"}`, 422},
		{"Aporia: another project", aporia, "POST", "/q/validate", aporiaKey, `{}`, 404},
		{"OpenAI: no key", moderation, "POST", "/v1/moderations", nil, `{"input":"x"}`, 401},
		{"OpenAI: no input", moderation, "POST", "/v1/moderations", bearer, `{"input":[]}`, 400},
		{"OpenAI: two images", moderation, "POST", "/v1/moderations", bearer, `{"input":[{"type":"image_url","image_url":{"url":"a"}},{"type":"image_url","image_url":{"url":"b"}}]}`, 400},
		{"Presidio: no language", presidio, "POST", "/analyze", nil, `{"text":"x"}`, 500},
		{"Presidio: unknown member", presidio, "POST", "/analyze", nil, `{"text":"x","language":"en","typo":1}`, 400},
		{"Presidio: a position behind the end", presidio, "POST", "/anonymize", nil, `{"text":"👍","analyzer_results":[{"start":0,"end":2,"score":1,"entity_type":"X"}]}`, 422},
		{"Bedrock: not signed", bedrock, "POST", "/guardrail/g/version/1/apply", nil, `{"source":"INPUT","content":[{"text":{"text":"x"}}]}`, 403},
		{"Bedrock: another guardrail", bedrock, "POST", "/guardrail/h/version/1/apply", bearer, `{}`, 404},
		{"Bedrock: no text", bedrock, "POST", "/guardrail/g/version/1/apply", bearer, `{"source":"INPUT","content":[{"text":{"text":""}}]}`, 400},
		{"STS: not signed", sts, "POST", "/", nil, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/r&RoleSessionName=xx", 403},
		{"STS: no session", sts, "POST", "/", nil, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/r", 400},
		{"generic: neither request nor response", generic, "POST", "/beta/litellm_basic_guardrail_api", bearer, `{"texts":[],"input_type":"x"}`, 422},
		{"generic: the caller's key", generic, "POST", "/beta/litellm_basic_guardrail_api", bearer, `{"texts":[],"input_type":"request","request_headers":{"a":"Bearer sk-1"}}`, 422},
		{"Azure: no key", azure, "POST", "/contentsafety/text:analyze?api-version=2024-09-01", nil, `{"text":"x"}`, 401},
		{"Azure: no version", azure, "POST", "/contentsafety/text:analyze", azureKey, `{"text":"x"}`, 400},
		{"Azure: too long", azure, "POST", "/contentsafety/text:analyze?api-version=2024-09-01", azureKey, `{"text":"` + strings.Repeat("x", 10001) + `"}`, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(test.server.Problems())
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			for name, values := range test.header {
				r.Header[name] = values
			}
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			test.server.ServeHTTP(w, r)
			if w.Code != test.status || len(test.server.Problems()) != before+1 {
				t.Errorf("answered %d %s; problems: %v", w.Code, w.Body, test.server.Problems()[before:])
			}
		})
	}
}

// A test that sends what the real one would refuse fails, unless that is what it is about.
func TestFailsTheTest(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		inner := &observed{TB: t}
		s := guardrails.Lakera(inner, "k")
		if lenient {
			s.Lenient()
		}
		resp, err := http.Post(s.URL+"/v2/guard", "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		inner.cleanup()
		if (inner.errors > 0) == lenient {
			t.Errorf("lenient %v: %d errors", lenient, inner.errors)
		}
	}
}

// observed is a test that is watched.
type observed struct {
	testing.TB
	cleanup func()
	errors  int
}

func (o *observed) Cleanup(f func())      { o.cleanup = f }
func (o *observed) Errorf(string, ...any) { o.errors++ }

func TestScripts(t *testing.T) {
	s := guardrails.Presidio(t)
	s.Next(guardrails.Reply{Status: 429, Header: http.Header{"Retry-After": {"3"}}, Body: `{}`})
	s.Always(guardrails.Reply{Type: "text/html", Body: "<p>", Delay: time.Millisecond})
	for _, want := range []string{"429 3 application/json {}", "200  text/html <p>", "200  text/html <p>"} {
		resp, err := http.Get(s.URL + "/health")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join([]string{resp.Status[:3], resp.Header.Get("Retry-After"), resp.Header.Get("Content-Type"), string(text)}, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := len(s.Calls()); n != 3 {
		t.Errorf("%d calls", n)
	}
}
