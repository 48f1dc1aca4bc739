package openai

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"tollgate/internal/jsonscan"
)

// parseBody parses a body as a provider does: all its members.
func parseBody(t testing.TB, body string) (*Chat, error) {
	t.Helper()
	members, err := jsonscan.Object([]byte(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	fields := make([]jsonscan.Field, 0, len(members))
	for _, m := range members {
		fields = append(fields, jsonscan.Field{Name: string(m.Name), Value: m.Value})
	}
	return ParseChat(fields)
}

func TestParseChat_Messages(t *testing.T) {
	chat, err := parseBody(t, `{"messages":[
		{"role":"system","content":"S\n","name":"n"},
		{"role":"user","content":[{"type":"text","text":"a"},"bare",{"type":"image_url","image_url":{"url":"data:x","detail":"low"}},{"type":"image_url","image_url":"https://e"},
			{"type":"input_audio","input_audio":{"data":"UklG","format":"mp3"}},{"type":"file","file":{"file_id":"f","filename":"n.pdf"}},{"type":"odd","x":1}]},
		{"role":"assistant","content":null,"refusal":"no","reasoning_content":"hm","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2","function":{"name":"g","arguments":{"a":1}}}]},
		{"role":"assistant","function_call":{"name":"h","arguments":"x"}},
		{"role":"tool","tool_call_id":"1","content":"r"}],
		"temperature":0.5,"stop":null,"user":"u"}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(chat.Messages); got != 5 {
		t.Fatalf("%d messages", got)
	}
	system, user, calls, function, tool := chat.Messages[0], chat.Messages[1], chat.Messages[2], chat.Messages[3], chat.Messages[4]
	if system.Role != RoleSystem || system.Name != "n" || len(system.Content) != 1 || system.Content[0].Text.String() != "S\n" {
		t.Errorf("system: %+v", system)
	}
	var kinds []string
	for _, p := range user.Content {
		kinds = append(kinds, string(p.Type))
	}
	if got := strings.Join(kinds, " "); got != "text text image_url image_url input_audio file odd" {
		t.Errorf("parts: %s", got)
	}
	if p := user.Content; p[1].Text.String() != "bare" || p[2].URL.String() != "data:x" || p[2].Detail != "low" || p[3].URL.String() != "https://e" ||
		p[4].Data.String() != "UklG" || p[4].Format != "mp3" || p[5].FileID != "f" || p[5].Name != "n.pdf" || string(p[6].Raw) != `{"type":"odd","x":1}` {
		t.Errorf("parts: %+v", p)
	}
	if calls.Content != nil || calls.Refusal.String() != "no" || calls.Reasoning.String() != "hm" || len(calls.ToolCalls) != 2 ||
		calls.ToolCalls[0].Arguments.String() != "{}" || calls.ToolCalls[1].Arguments.String() != `{"a":1}` || calls.ToolCalls[1].Name != "g" {
		t.Errorf("calls: %+v", calls)
	}
	if len(function.ToolCalls) != 1 || function.ToolCalls[0].ID != "" || function.ToolCalls[0].Name != "h" {
		t.Errorf("function: %+v", function)
	}
	if tool.ToolCallID != "1" {
		t.Errorf("tool: %+v", tool)
	}
	if len(chat.Params) != 2 || chat.Params[0].Name != "temperature" || chat.Params[1].Name != "user" {
		t.Errorf("params: %+v", chat.Params)
	}
}

func TestParseChat_Tools(t *testing.T) {
	chat, err := parseBody(t, `{"messages":[{"role":"user","content":"a"}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","name":"flat"},{"type":"web_search"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(chat.Tools) != 3 || chat.Functions {
		t.Fatalf("%+v", chat.Tools)
	}
	if f := chat.Tools[0]; f.Name != "f" || f.Description.String() != "d" || string(f.Parameters) != `{"type":"object"}` || !f.Strict {
		t.Errorf("%+v", f)
	}
	if chat.Tools[1].Name != "flat" || chat.Tools[2].Type != "web_search" {
		t.Errorf("%+v", chat.Tools)
	}
	old, err := parseBody(t, `{"messages":[{"role":"user","content":"a"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}}`)
	if err != nil || !old.Functions || old.Tools[0].Type != "function" || old.ToolChoice.Mode != ChoiceFunction || old.ToolChoice.Name != "f" {
		t.Errorf("%+v, %v", old, err)
	}
}

func TestParseChat_ToolChoice(t *testing.T) {
	tests := []struct {
		in   string
		want ToolChoice
	}{
		{`"auto"`, ToolChoice{Mode: ChoiceAuto}}, {`"none"`, ToolChoice{Mode: ChoiceNone}}, {`"required"`, ToolChoice{Mode: ChoiceRequired}}, {`"any"`, ToolChoice{Mode: ChoiceRequired}},
		{`{"type":"auto"}`, ToolChoice{Mode: ChoiceAuto}},
		{`{"type":"function","function":{"name":"f"}}`, ToolChoice{Mode: ChoiceFunction, Name: "f"}},
		{`{"type":"function","name":"f"}`, ToolChoice{Mode: ChoiceFunction, Name: "f"}},
		{`{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","name":"g"}]}}`, ToolChoice{Mode: ChoiceAuto, Allowed: []string{"f", "g"}}},
		{`null`, ToolChoice{}},
	}
	for _, tt := range tests {
		chat, err := parseBody(t, `{"messages":[{"role":"user","content":"a"}],"tool_choice":`+tt.in+`}`)
		if err != nil || !reflect.DeepEqual(chat.ToolChoice, tt.want) {
			t.Errorf("%s: %+v, %v", tt.in, chat, err)
		}
	}
}

func TestParseChat_ResponseFormat(t *testing.T) {
	tests := []struct {
		in   string
		want ResponseFormat
	}{
		{`{"type":"text"}`, ResponseFormat{Type: FormatText}}, {`{"type":"json_object"}`, ResponseFormat{Type: FormatJSONObject}},
		{`{"type":"json"}`, ResponseFormat{Type: FormatJSONObject}}, {`"json_object"`, ResponseFormat{Type: FormatJSONObject}},
		{`{"type":"json_object","schema":{"a":1}}`, ResponseFormat{Type: FormatJSONObject, Schema: []byte(`{"a":1}`)}},
		{`{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a":1},"strict":true}}`, ResponseFormat{Type: FormatJSONSchema, Name: "n", Description: Text(`"d"`), Schema: []byte(`{"a":1}`), Strict: true}},
	}
	for _, tt := range tests {
		chat, err := parseBody(t, `{"messages":[{"role":"user","content":"a"}],"response_format":`+tt.in+`}`)
		if err != nil || !reflect.DeepEqual(chat.ResponseFormat, tt.want) {
			t.Errorf("%s: %+v, %v", tt.in, chat, err)
		}
	}
}

func TestParseChat_Errors(t *testing.T) {
	message := func(m string) string { return `{"messages":[` + m + `]}` }
	with := func(member string) string { return `{"messages":[{"role":"user","content":"a"}],` + member + `}` }
	tests := []struct{ body, param, want string }{
		{`{}`, "messages", "Missing required parameter: 'messages'."},
		{`{"messages":null}`, "messages", "Missing required parameter: 'messages'."},
		{`{"messages":[]}`, "messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."},
		{`{"messages":"x"}`, "messages", "Invalid type for 'messages': expected an array, but got a string instead."},
		{message(`5`), "messages[0]", "Invalid type for 'messages[0]': expected an object, but got a number instead."},
		{message(`{"content":"a"}`), "messages[0].role", "Missing required parameter: 'messages[0].role'."},
		{message(`{"role":"bot","content":"a"}`), "messages[0].role", "Invalid value: 'bot'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."},
		{message(`{"role":"user","role":"system"}`), "messages[0]", "Invalid value for 'messages[0]': duplicate key 'role': line 1 column 16 (char 15)."},
		{message(`{"role":"user","content":5}`), "messages[0].content", "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got a number instead."},
		{message(`{"role":"user","content":[{"text":"a"}]}`), "messages[0].content[0].type", "Missing required parameter: 'messages[0].content[0].type'."},
		{message(`{"role":"user","content":[{"type":"text"}]}`), "messages[0].content[0].text", "Missing required parameter: 'messages[0].content[0].text'."},
		{message(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`), "messages[0].content[0].image_url.url", "Missing required parameter: 'messages[0].content[0].image_url.url'."},
		{message(`{"role":"user","content":[{"type":"input_audio"}]}`), "messages[0].content[0].input_audio", "Missing required parameter: 'messages[0].content[0].input_audio'."},
		{message(`{"role":"assistant","tool_calls":[{"id":"1"}]}`), "messages[0].tool_calls[0].function", "Missing required parameter: 'messages[0].tool_calls[0].function'."},
		{message(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":5}}]}`), "messages[0].tool_calls[0].function.arguments", "Invalid type for 'messages[0].tool_calls[0].function.arguments': expected a string, but got a number instead."},
		{message(`{"role":"user","name":5}`), "messages[0].name", "Invalid type for 'messages[0].name': expected a string, but got a number instead."},
		{with(`"tools":[{"type":"function"}]`), "tools[0].function", "Missing required parameter: 'tools[0].function'."},
		{with(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", "Missing required parameter: 'tools[0].function.name'."},
		{with(`"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`), "tools[0].function.parameters", "Invalid type for 'tools[0].function.parameters': expected an object, but got an array instead."},
		{with(`"tool_choice":"maybe"`), "tool_choice", "Invalid value: 'maybe'. Supported values are: 'none', 'auto', and 'required'."},
		{with(`"tool_choice":{"type":"function"}`), "tool_choice.function.name", "Missing required parameter: 'tool_choice.function.name'."},
		{with(`"response_format":{"type":"xml"}`), "response_format.type", "Invalid value: 'xml'. Supported values are: 'text', 'json_object', and 'json_schema'."},
		{with(`"response_format":{"type":"json_schema"}`), "response_format.json_schema", "Missing required parameter: 'response_format.json_schema'."},
		{with(`"response_format":{"type":"json_schema","json_schema":{}}`), "response_format.json_schema.name", "Missing required parameter: 'response_format.json_schema.name'."},
	}
	for _, tt := range tests {
		_, err := parseBody(t, tt.body)
		var bad *ParseError
		if !errors.As(err, &bad) || bad.Param != tt.param || bad.Message != tt.want {
			t.Errorf("%s:\n got %+v\nwant %s: %s", tt.body, err, tt.param, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	tests := []struct {
		in, want string
		blank    bool
	}{
		{``, "", true}, {`""`, "", true}, {`" "`, " ", true}, {`"\n\t "`, "\n\t ", true}, {`"a"`, "a", false}, {`" \u0061"`, " a", false}, {`"é"`, "é", false}, {"\"\u00a0\"", "\u00a0", true},
	}
	for _, tt := range tests {
		text := Text(tt.in)
		if text.String() != tt.want || text.Blank() != tt.blank {
			t.Errorf("%s: %q, blank %v", tt.in, text.String(), text.Blank())
		}
	}
	if got := Quote("a\"b\n").String(); got != "a\"b\n" {
		t.Errorf("got %q", got)
	}
}

// FuzzParseChat: no valid JSON object makes the parser panic, and what it accepts points into JSON strings.
func FuzzParseChat(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
		`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}},{"type":"file","file":{}}]}],"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}`,
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]}],"functions":[{"name":"f"}],"function_call":"auto"}`,
		`{"messages":[{"role":"user","content":[[]]}],"tool_choice":[],"tools":{},"response_format":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := jsonscan.Object(body, nil); err != nil {
			return
		}
		chat, err := parseBody(t, string(body))
		if err != nil {
			var bad *ParseError
			if !errors.As(err, &bad) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, m := range chat.Messages {
			for _, p := range m.Content {
				for _, text := range []Text{p.Text, p.URL, p.Data, m.Refusal} {
					if text != nil && !json.Valid(text) {
						t.Fatalf("text %q", text)
					}
				}
			}
			for _, c := range m.ToolCalls {
				if c.Arguments != nil && (!json.Valid(c.Arguments) || c.Arguments[0] != '"') {
					t.Fatalf("arguments %q", c.Arguments)
				}
			}
		}
	})
}

func BenchmarkParseChat32kB(b *testing.B) {
	body := `{"messages":[{"role":"user","content":"` + strings.Repeat(`All work and no play.\n`, 1450) + `"}]}`
	members, err := jsonscan.Object([]byte(body), nil)
	if err != nil {
		b.Fatal(err)
	}
	fields := []jsonscan.Field{{Name: "messages", Value: members[0].Value}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseChat(fields); err != nil {
			b.Fatal(err)
		}
	}
}
