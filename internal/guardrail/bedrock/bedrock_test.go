package bedrock_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/bedrock"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/recorder/guardrails"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "a-secret/with+signs=0123456789"
)

func options() guardrails.BedrockOptions {
	return guardrails.BedrockOptions{Region: "eu-central-1", Guardrail: "gr1", Version: "DRAFT", Keys: []guardrails.Keys{{AccessKey: accessKey, Secret: secretKey}}}
}

func open(t *testing.T, s *guardrails.Server, more string) guardrail.Guardrail {
	t.Helper()
	return openAs(t, s, `,"aws_access_key_id":"`+accessKey+`","aws_secret_access_key":"os.environ/AWS_SECRET"`+more, map[string]string{"AWS_SECRET": secretKey, "AWS_REGION": "eu-central-1"})
}

func openAs(t *testing.T, s *guardrails.Server, more string, env map[string]string) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, bedrock.Open, `{"guardrailIdentifier":"gr1","guardrailVersion":"DRAFT","aws_bedrock_runtime_endpoint":"`+s.URL+`"`+more+`}`, env)
}

func TestCheck(t *testing.T) {
	s := guardrails.Bedrock(t, options())
	g := open(t, s, "")
	chat := func(text string) string {
		return `[{"role":"system","content":"Be kind."},{"role":"user","content":"\n"},{"role":"user","content":"` + text + `"}]`
	}
	if v := remotetest.Pre(t, g, remotetest.Chat(t, chat("Hello"))); v.Action != "" {
		t.Errorf("got %+v", v)
	}
	if n := len(s.Calls()[0].Fields()["content"].([]any)); n != 2 {
		t.Errorf("%d texts, the blank one among them", n)
	}
	v := remotetest.Pre(t, g, remotetest.Chat(t, chat("👍 ada@example.org")))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"Be kind.", "\n", "👍 {EMAIL}"}) {
		t.Errorf("anonymized only: %+v", v)
	}
	remotetest.Secretless(t, []any{v.Reason, v.Detail, v.Log, v.Findings}, "ada@example.org")
	v = remotetest.Pre(t, g, remotetest.Chat(t, chat("a forbidden word, ada@example.org")))
	if v.Action != guardrail.Block || v.Reason != "Violated guardrail policy" || v.Detail["bedrock_guardrail_response"] != "Sorry, this cannot be answered." || v.Response != "" {
		t.Errorf("blocked: %+v", v)
	}
	remotetest.Secretless(t, []any{v.Reason, v.Detail, v.Log, v.Findings}, "ada@example.org", "forbidden")
	v = remotetest.Post(t, g, remotetest.User(t, "Who?"), remotetest.Answer(t, "nobody", "ada@example.org"))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"nobody", "{EMAIL}"}) {
		t.Errorf("the answer: %+v", v)
	}
	if source := s.Calls()[3].Fields()["source"]; source != "OUTPUT" {
		t.Errorf("the source is %v", source)
	}
}

func TestCheck_neverRaises(t *testing.T) {
	for _, flag := range []string{"disable_exception_on_block", "mask_request_content", "mask_response_content"} {
		g := open(t, guardrails.Bedrock(t, options()), `,"`+flag+`":true`)
		v := remotetest.Pre(t, g, remotetest.User(t, "a forbidden word"))
		if v.Action != guardrail.Block || v.Response != "Sorry, this cannot be answered." {
			t.Errorf("%s: %+v", flag, v)
		}
		if v := remotetest.Pre(t, g, remotetest.User(t, "ada@example.org")); v.Action != guardrail.Mask || v.Texts[0] != "{EMAIL}" {
			t.Errorf("%s: %+v", flag, v)
		}
	}
}

func TestCheck_latestMessage(t *testing.T) {
	s := guardrails.Bedrock(t, options())
	g := open(t, s, `,"experimental_use_latest_role_message_only":true`)
	v := remotetest.Pre(t, g, remotetest.Chat(t, `[{"role":"user","content":"forbidden"},{"role":"assistant","content":"No"},
		{"role":"user","content":[{"type":"text","text":"a@b.cd"},{"type":"text","text":"Hello"}]},{"role":"tool","tool_call_id":"c","content":"forbidden"}]`))
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, []string{"forbidden", "No", "{EMAIL}", "Hello", "forbidden"}) {
		t.Errorf("got %+v", v)
	}
}

func TestCheck_replies(t *testing.T) {
	assessed := func(policy string) string {
		return `{"action":"GUARDRAIL_INTERVENED","outputs":[{"text":"canned"}],"assessments":[` + policy + `]}`
	}
	tests := []struct {
		name, body string
		action     guardrail.Action
		kind       string
	}{
		{"a topic", assessed(`{"topicPolicy":{"topics":[{"name":"Money","type":"DENY","action":"BLOCKED","detected":true}]}}`), guardrail.Block, "Money"},
		{"a content filter", assessed(`{"contentPolicy":{"filters":[{"type":"PROMPT_ATTACK","confidence":"HIGH","filterStrength":"HIGH","action":"BLOCKED","detected":true}]}}`), guardrail.Block, "PROMPT_ATTACK"},
		{"a managed list", assessed(`{"wordPolicy":{"customWords":[],"managedWordLists":[{"match":"m","type":"PROFANITY","action":"BLOCKED"}]}}`), guardrail.Block, "PROFANITY"},
		{"a regular expression", assessed(`{"sensitiveInformationPolicy":{"piiEntities":[],"regexes":[{"name":"Ticket","match":"T-1","regex":"T-\\d","action":"BLOCKED"}]}}`), guardrail.Block, "Ticket"},
		{"grounding", assessed(`{"contextualGroundingPolicy":{"filters":[{"type":"GROUNDING","threshold":0.7,"score":0.2,"action":"BLOCKED"}]}}`), guardrail.Block, "GROUNDING"},
		{"a policy that nobody knows yet", assessed(`{"newPolicy":{"items":[{"type":"NEW","action":"BLOCKED"}]}}`), guardrail.Block, "NEW"},
		{"masked and blocked", assessed(`{"sensitiveInformationPolicy":{"piiEntities":[{"type":"EMAIL","match":"a","action":"ANONYMIZED"},{"type":"NAME","match":"b","action":"BLOCKED"}]}}`), guardrail.Block, "NAME"},
		{"the older name of outputs", `{"action":"GUARDRAIL_INTERVENED","output":[{"text":"canned"}],"assessments":[]}`, guardrail.Mask, ""},
		{"outputs that do not fit", `{"action":"GUARDRAIL_INTERVENED","outputs":[],"assessments":[{"sensitiveInformationPolicy":{"piiEntities":[{"type":"EMAIL","match":"a","action":"ANONYMIZED"}]}}]}`, guardrail.Block, "EMAIL"},
		{"detected and let pass", `{"action":"NONE","outputs":[],"assessments":[{"contentPolicy":{"filters":[{"type":"HATE","confidence":"LOW","action":"NONE","detected":true}]}}]}`, "", "HATE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := guardrails.Bedrock(t, options())
			s.Always(guardrails.Reply{Body: test.body})
			v := remotetest.Pre(t, open(t, s, ""), remotetest.User(t, "Hello"))
			if v.Action != test.action {
				t.Fatalf("got %+v", v)
			}
			found := slices.ContainsFunc(v.Findings, func(f guardrail.Finding) bool { return f.Kind == test.kind })
			if test.kind != "" && !found {
				t.Errorf("findings are %+v", v.Findings)
			}
			remotetest.Secretless(t, v.Log, "T-1", `"match":"a"`)
		})
	}
}

func TestCheck_failures(t *testing.T) {
	for _, r := range []guardrails.Reply{
		{Status: 429, Header: http.Header{"X-Amzn-Errortype": {"ThrottlingException"}}, Body: `{"message":"Rate exceeded"}`}, {Status: 500, Body: `{"message":"x"}`},
		{Type: "text/html", Body: "<html>"}, {Body: `{"action":"WHAT"}`}, {Body: `{}`},
	} {
		s := guardrails.Bedrock(t, options())
		s.Always(r)
		remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "Hello"))
	}
	wrong := options()
	wrong.Keys[0].Secret = "another secret"
	s := guardrails.Bedrock(t, wrong).Lenient()
	var e *remote.Error
	if err := remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "Hello")); !errors.As(err, &e) || e.Status != 403 || strings.Contains(err.Error(), secretKey) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_credentials(t *testing.T) {
	session := guardrails.Keys{AccessKey: "ASIASESSION", Secret: "session-secret-0123", Token: "session-token+/=="}
	base := guardrails.Keys{AccessKey: accessKey, Secret: secretKey}
	o := options()
	o.Keys, o.Bearer = append(o.Keys, session), "bearer-0123456789"
	s := guardrails.Bedrock(t, o)
	identity := filepath.Join(t.TempDir(), "token")
	profiles := filepath.Join(t.TempDir(), "credentials")
	write(t, identity, "header.payload.signature\n")
	write(t, profiles, "[other]\naws_access_key_id = X\n\n[work]\n# keys\naws_access_key_id = "+accessKey+"\naws_secret_access_key="+secretKey+"\nregion = eu-central-1\n")
	sts := guardrails.STS(t, guardrails.STSOptions{
		Region: "eu-central-1", Keys: []guardrails.Keys{base}, Role: "arn:aws:iam::123456789012:role/guard", External: "outside", Identity: "header.payload.signature",
		Issued: session, Expiration: time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	})
	region := `,"aws_region_name":"eu-central-1"`
	role := `,"aws_role_name":"arn:aws:iam::123456789012:role/guard","aws_session_name":"tollgate-test","aws_sts_endpoint":"` + sts.URL + `"`
	tests := []struct {
		name, more string
		env        map[string]string
	}{
		{"keys of the environment", "", map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION_NAME": "eu-central-1"}},
		{"a session token", region + `,"aws_access_key_id":"ASIASESSION","aws_secret_access_key":"session-secret-0123","aws_session_token":"session-token+/=="`, nil},
		{"a profile", region + `,"aws_profile_name":"work"`, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": profiles}},
		{"a role", region + role + `,"aws_external_id":"outside","aws_access_key_id":"` + accessKey + `","aws_secret_access_key":"` + secretKey + `"`, nil},
		{"a web identity in a file", region + role + `,"aws_web_identity_token":"` + identity + `"`, nil},
		{"a web identity", region + role + `,"aws_web_identity_token":"header.payload.signature"`, nil},
		{"EKS", region, map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": identity, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/guard", "AWS_ENDPOINT_URL_STS": sts.URL}},
		{"a bearer token", region, map[string]string{"AWS_BEARER_TOKEN_BEDROCK": "bearer-0123456789"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := openAs(t, s, test.more, test.env)
			if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := len(sts.Calls())
			if v := remotetest.Pre(t, g, remotetest.User(t, "Hello")); v.Action != "" {
				t.Errorf("got %+v", v)
			}
			if len(sts.Calls()) != before {
				t.Error("the role is taken on anew for each call")
			}
		})
	}
}

// An ARN in the path is one segment of it, escaped once on the wire and twice in what is signed.
func TestOpen_arn(t *testing.T) {
	o := options()
	o.Guardrail = "arn:aws:bedrock:eu-central-1:123456789012:guardrail/gr1"
	s := guardrails.Bedrock(t, o)
	g := remotetest.Open(t, bedrock.Open, `{"guardrailIdentifier":"`+o.Guardrail+`","guardrailVersion":"DRAFT","aws_bedrock_runtime_endpoint":"`+s.URL+`","aws_region_name":"eu-central-1"}`,
		map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey})
	if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if path := s.Calls()[0].Path; path != "/guardrail/arn:aws:bedrock:eu-central-1:123456789012:guardrail%2Fgr1/version/DRAFT/apply" {
		t.Errorf("the path is %s", path)
	}
}

func TestOpen_faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{"aws_access_key_id":"x"}`: "guardrailIdentifier: is missing",
		`{"guardrailIdentifier":"g","guardrailVersion":1,"aws_access_key_id":"x"}`:       "of the access key id and the secret access key only one is given",
		`{"guardrailIdentifier":"g","guardrailVersion":"1","aws_profile_name":"nobody"}`: `there is no profile "nobody"`,
		`{"guardrailIdentifier":"g","guardrailVersion":"1","checks":{}}`:                 "InvokeGuardrailChecks is not served",
	} {
		if _, err := bedrock.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzReplies(f *testing.F) {
	remotetest.FuzzReplies(f, bedrock.Open, `{"guardrailIdentifier":"g","guardrailVersion":"1","aws_access_key_id":"a","aws_secret_access_key":"b"}`,
		`{"action":"GUARDRAIL_INTERVENED","outputs":[{"text":"a"},{"text":"b"}],"assessments":[{"x":[{"action":"ANONYMIZED","type":"EMAIL","match":"m"}]}]}`, `{"action":"NONE"}`)
}
