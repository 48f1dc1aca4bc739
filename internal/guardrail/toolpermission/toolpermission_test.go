package toolpermission_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/guardrail/toolpermission"
	"tollgate/internal/openai"
)

const rules = `{"rules":[
	{"id":"allow_bash","tool_name":"Bash","decision":"allow"},
	{"id":"allow_github","tool_name":"mcp__github_.*","decision":"Allow"},
	{"id":"deny_get","tool_name":".*_get","decision":"deny"},
	{"id":"mail","tool_name":"send_mail","decision":"allow","allowed_param_patterns":{"to[]":".+@example\\.com","options.urgent":"true|false"}},
	{"id":"no_search","tool_type":"web_search.*","decision":"deny"}
]%s}`

func settings(more string) string { return fmt.Sprintf(rules, more) }

// calling is an answer that calls a tool.
func calling(t *testing.T, name, arguments string) *content.Body {
	t.Helper()
	quoted, _ := json.Marshal(arguments)
	body := `{"choices":[{"index":0,"message":{"role":"assistant","content":"I call","tool_calls":[{"id":"1","type":"function","function":{"name":"` + name + `","arguments":` + string(quoted) + `}}]}}]}`
	c, err := content.Reply(openai.OpChat, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCalls(t *testing.T) {
	const gone = "The value for path 'to[]' does not match the pattern that rule 'mail' allows for tool 'send_mail'"
	tests := []struct {
		name, more, tool, arguments, reason string
	}{
		{"allowed", ``, "Bash", `{}`, ""},
		{"allowed by a pattern", ``, "mcp__github_issue", `{"a":1}`, ""},
		{"the first rule decides", ``, "mcp__github_get", `{}`, ""},
		{"denied by a rule", `,"default_action":"allow"`, "file_get", `{}`, "Tool 'file_get' denied by rule 'deny_get'"},
		{"a part of a name is not the name", ``, "Bash2", `{}`, "Tool 'Bash2' denied by default action"},
		{"denied by default", ``, "other", `{}`, "Tool 'other' denied by default action"},
		{"allowed by default", `,"default_action":"ALLOW"`, "other", `{}`, ""},
		{"arguments fit", ``, "send_mail", `{"to":["a@example.com","b@example.com"],"options":{"urgent":true}}`, ""},
		{"one does not", ``, "send_mail", `{"to":["a@example.com","eve@evil.test"],"options":{"urgent":true}}`, gone},
		{"a line behind it", ``, "send_mail", `{"to":["a@example.com\n"],"options":{"urgent":true}}`, gone},
		{"twice", ``, "send_mail", `{"to":["eve@evil.test"],"to":["a@example.com"],"options":{"urgent":true}}`, gone},
		{"not a list", ``, "send_mail", `{"to":"a@example.com","options":{"urgent":true}}`, "Missing value for path 'to[]' required by rule 'mail'"},
		{"missing", ``, "send_mail", `{"to":["a@example.com"]}`, "Missing value for path 'options.urgent' required by rule 'mail'"},
		{"no arguments", ``, "send_mail", `{}`, "Tool 'send_mail' is missing arguments required by rule 'mail'"},
		{"no JSON", ``, "send_mail", `{"to":["a@example.com"],"options":{"urgent":true}`, "Tool 'send_mail' is missing arguments required by rule 'mail'"},
		{"JSON twice", ``, "send_mail", `{"to":["a@example.com"],"options":{"urgent":true}}{"to":["eve@evil.test"]}`, "Tool 'send_mail' is missing arguments required by rule 'mail'"},
		{"does not fit, but all is allowed", `,"default_action":"allow"`, "send_mail", `{"to":["eve@evil.test"],"options":{"urgent":true}}`, ""},
		{"an own message", `,"violation_message_template":"No {tool_name} ({rule_id}): {default_message}"`, "x_get", `{}`, "No x_get (deny_get): Tool 'x_get' denied by rule 'deny_get'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := remotetest.Open(t, toolpermission.Open, settings(test.more), nil)
			v := remotetest.Post(t, g, remotetest.User(t, "x"), calling(t, test.tool, test.arguments))
			if v.Reason != test.reason || (v.Action == guardrail.Block) != (test.reason != "") {
				t.Errorf("%+v, want %q", v, test.reason)
			}
			if v.Action == guardrail.Block && (v.Detail["detection_message"] != v.Reason || v.Detail["error"] != "Violated guardrail policy") {
				t.Errorf("%+v", v)
			}
			remotetest.Secretless(t, v, "evil.test")
		})
	}
}

func TestOffers(t *testing.T) {
	tests := []struct {
		name, tools, reason string
	}{
		{"none", ``, ""},
		{"allowed", `[{"type":"function","function":{"name":"Bash"}}]`, ""},
		{"arguments do not matter yet", `[{"type":"function","function":{"name":"send_mail"}}]`, ""},
		{"one is not", `[{"type":"function","function":{"name":"Bash"}},{"type":"function","function":{"name":"rm"}}]`, "Tool 'rm' denied by default action"},
		{"a custom one", `[{"type":"custom","custom":{"name":"rm"}}]`, "Tool 'rm' denied by default action"},
		{"by type", `[{"type":"web_search_preview"}]`, "Tool 'web_search_preview' denied by rule 'no_search'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := remotetest.Open(t, toolpermission.Open, settings(``), nil)
			asked := remotetest.User(t, "x")
			if test.tools != "" {
				asked = remotetest.Chat(t, `[{"role":"user","content":"x"}]`, `"tools":`+test.tools)
			}
			if v := remotetest.Pre(t, g, asked); v.Reason != test.reason {
				t.Errorf("%+v, want %q", v, test.reason)
			}
		})
	}
}

func TestOpen_Faults(t *testing.T) {
	for text, want := range map[string]string{
		`{"rules":[{"id":"a","tool_name":"(?=x)","decision":"deny"}]}`:                                "rules[0].tool_name: is no expression of RE2",
		`{"rules":[{"id":"a","tool_name":"x","decision":"deny","allowed_param_patterns":{"p":"["}}]}`: "rules[0].allowed_param_patterns.p: is no expression",
		`{"rules":[{"id":"a","tool_name":"x","decision":"maybe"}]}`:                                   "rules[0].decision: must be one of",
		`{"rules":[{"id":"a","decision":"deny"}]}`:                                                    "rules[0]: has neither",
		`{"rules":[{"tool_name":"x","decision":"deny"}]}`:                                             "rules[0].id: is missing",
		`{"on_disallowed_action":"rewrite"}`:                                                          "on_disallowed_action: rewrite takes tools out",
		`{"default_action":"ask"}`:                                                                    "default_action: must be one of",
		`{"rules":[{"id":"a","tool":"x","decision":"deny"}]}`:                                         `unknown field "tool"`,
	} {
		if _, err := toolpermission.Open(remotetest.Spec(t, text, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzCalls(f *testing.F) {
	f.Add(`{"to":["a@example.com"],"options":{"urgent":true}}`)
	g := remotetest.Open(f, toolpermission.Open, settings(``), nil)
	f.Fuzz(func(t *testing.T, arguments string) {
		if arguments == "" {
			return
		}
		v := remotetest.Post(t, g, remotetest.User(t, "x"), calling(t, "send_mail", arguments))
		if v.Action != guardrail.Block && !json.Valid([]byte(strings.ToValidUTF8(arguments, "\ufffd"))) {
			t.Fatalf("%q is allowed", arguments)
		}
	})
}
