package ocisim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/ocisim"
)

// weather is a GENERIC tool.
const weather = `{"type":"FUNCTION","name":"get_weather","description":"weather at a place","parameters":{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}}`

// history is a GENERIC conversation with one tool turn; the assistant's content and the calls are given.
func history(content, calls, results string) string {
	return `{"apiFormat":"GENERIC","maxTokens":200,"messages":[{"role":"USER","content":[{"type":"TEXT","text":"weather?"}]},` +
		`{"role":"ASSISTANT","content":` + content + `,"toolCalls":` + calls + `},` + results + `]}`
}

const (
	oneCall   = `[{"type":"FUNCTION","id":"c1","name":"get_weather","arguments":"{}"}]`
	twoCalls  = `[{"type":"FUNCTION","id":"c1","name":"get_weather","arguments":"{}"},{"type":"FUNCTION","id":"c2","name":"get_weather","arguments":"{}"}]`
	oneResult = `{"role":"TOOL","toolCallId":"c1","content":[{"type":"TEXT","text":"17"}]}`
	twoResult = oneResult + `,{"role":"TOOL","toolCallId":"c2","content":[{"type":"TEXT","text":"18"}]}`
	dot       = `[{"type":"TEXT","text":"."}]`
	empty     = `[{"type":"TEXT","text":""}]`
)

const (
	cohereHistory = `,"chatHistory":[{"role":"USER","message":"weather?"},{"role":"CHATBOT","message":"I look.","toolCalls":[{"name":"w","parameters":{}}]}`
	cohereResults = `"toolResults":[{"call":{"name":"w","parameters":{}},"outputs":[{"output":"17"}]}]`
)

// TestRefusals holds what the vendors refuse; the rows are those of the table of vendor quirks, and a want of 200 shows
// where the refusal ends.
func TestRefusals(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for _, tt := range []struct {
		row, model, request string
		status              int
		code, message       string // message is a part of it
	}{
		{"1", "openai.gpt-5-mini", ask("hi", `,"maxTokens":20`), 400, "400", `maxCompletionTokens`},
		{"1", "openai.gpt-5-mini", ask("hi", `,"maxCompletionTokens":200`), 200, "", ""},
		{"1", "openai.o3-mini", ask("hi", `,"maxTokens":20`), 400, "400", `unsupported_parameter`},
		{"1", "openai.gpt-oss-120b", ask("hi", `,"maxTokens":20`), 200, "", ""},
		{"2", "openai.gpt-5", ask("hi", `,"temperature":0.2`), 400, "400", `"param":"temperature","code":"unsupported_value"`},
		{"2", "openai.gpt-5", ask("hi", `,"topP":0.5`), 400, "400", `"param":"topP"`},
		{"2", "openai.o4-mini", ask("hi", `,"presencePenalty":1`), 400, "400", `"param":"presencePenalty"`},
		{"2", "openai.gpt-5", ask("hi", `,"temperature":1,"topP":1`), 200, "", ""},
		{"3", "openai.gpt-4.1", `{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"AUDIO","audioUrl":{"url":"data:audio/wav;base64,AA=="}}]}]}`, 400, "400", "AUDIO"},
		{"5", "meta.llama-3.3-70b-instruct", ask("hi", `,"maxCompletionTokens":20`), 400, "400", "maxTokens"},
		{"9", "xai.grok-4", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","description":"d"}]`), 400, "400", "Invalid function schema"},
		{"9", "xai.grok-3", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","parameters":{}}]`), 400, "400", "Invalid function schema"},
		{"9", "xai.grok-4", ask("hi", `,"tools":[`+weather+`]`), 200, "", ""},
		{"10", "xai.grok-4", ask("hi", `,"stop":["x"]`), 400, "400", "stop"},
		{"10", "xai.grok-4.20", ask("hi", `,"presencePenalty":0.5`), 400, "400", "presencePenalty"},
		{"10", "xai.grok-4", ask("hi", `,"reasoningEffort":"LOW"`), 400, "400", "reasoningEffort"},
		{"10", "xai.grok-3-mini", ask("hi", `,"reasoningEffort":"MEDIUM"`), 400, "400", "reasoningEffort"},
		{"10", "xai.grok-3-mini", ask("hi", `,"reasoningEffort":"HIGH"`), 200, "", ""},
		{"10", "xai.grok-4.3", ask("hi", `,"reasoningEffort":"NONE"`), 200, "", ""},
		{"12", "google.gemini-2.5-flash", history(empty, oneCall, oneResult), 500, "InternalServerError", ""},
		{"12", "google.gemini-2.5-flash", history(dot, oneCall, oneResult), 200, "", ""},
		{"14", "google.gemini-2.5-flash", history(dot, twoCalls, twoResult), 400, "400", "INVALID_ARGUMENT"},
		{"14", "xai.grok-4", history(dot, twoCalls, twoResult), 200, "", ""},
		{"16", "google.gemini-2.5-pro", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","parameters":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}}}}]`), 400, "400", "$ref"},
		{"16", "google.gemini-2.5-pro", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","parameters":{"type":"object","properties":{"a":{"type":"array"}}}}]`), 400, "400", "items"},
		{"16", "google.gemini-2.5-pro", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","parameters":{"type":"object","properties":{"a":{"type":"number","exclusiveMinimum":0}}}}]`), 400, "400", "exclusiveMinimum"},
		{"16", "google.gemini-2.5-pro", ask("hi", `,"tools":[{"type":"FUNCTION","name":"f","parameters":{"type":"object","properties":{"anyOf":{"type":"string"}}}}]`), 200, "", ""},
		{"19", "xai.grok-4", ask("hi", `,"toolChoice":"AUTO"`), 400, "CannotParseRequest", "toolChoice"},
		{"19", "xai.grok-4", ask("hi", `,"toolChoice":{"type":"FUNCTION","function":{"name":"f"}}`), 400, "CannotParseRequest", "function"},
		{"20", "xai.grok-4", ask("hi", `,"responseFormat":{"type":"JSON_SCHEMA","jsonSchema":{"name":"n","schema":{},"strict":true}}`), 400, "CannotParseRequest", "strict"},
		{"22", "cohere.command-latest", askCohere("hi", `,"tools":[{"name":"f","description":"d","parameterDefinitions":{"a":{"type":"List"}}}]`), 500, "InternalServerError", ""},
		{"22", "cohere.command-latest", askCohere("hi", `,"tools":[{"name":"f","description":"d","parameterDefinitions":{"a":{"type":"List[str]"}}}]`), 200, "", ""},
		{"23", "cohere.command-latest", askCohere("and now?", cohereHistory+`],`+cohereResults), 400, "400", "cannot specify message if the last entry in chat history contains tool results"},
		{"23", "cohere.command-latest", askCohere("", cohereHistory+`],`+cohereResults), 200, "", ""},
		{"24", "cohere.command-a-03-2025", askCohere("and now?", cohereHistory+`]`), 400, "400", "no matching tool result"},
		{"24", "cohere.command-r-08-2024", askCohere("and now?", cohereHistory+`]`), 200, "", ""},
		{"26", "cohere.command-latest", ask("hi", ""), 400, "400", "Chat request type does not match serving model"},
		{"26", "xai.grok-4", askCohere("hi", ""), 400, "400", "Chat request type does not match serving model"},
		{"26", "cohere.command-a-vision-07-2025", ask("hi", ""), 400, "400", "Chat request type does not match serving model"},
		{"27", "cohere.command-latest", askCohere("", ""), 400, "400", "message must be at least 1 token long"},
		{"empty history", "cohere.command-latest", askCohere("hi", `,"chatHistory":[{"role":"USER","message":""}]`), 400, "400", "history"},
		{"responses only", "xai.grok-4.20-multi-agent-0309", ask("hi", ""), 400, "400", "Multi Agent requests are not allowed on chat completions"},
		{"lost call", "xai.grok-4", history(dot, oneCall, strings.Replace(oneResult, "c1", "c9", 1)), 400, "400", "toolCallId of c9 not found in toolCalls of previous message"},
		{"context", "meta.llama-3.3-70b-instruct", ask(strings.Repeat("word ", 130_000), ""), 400, "400", "maximum context length"},
	} {
		t.Run(tt.row+" "+tt.model, func(t *testing.T) {
			got := c.chat(tt.model, tt.request)
			status, code, message := got.failure(t)
			if status != tt.status || code != tt.code || !strings.Contains(message, tt.message) {
				t.Errorf("got %d %q %q, want %d %q with %q", status, code, message, tt.status, tt.code, tt.message)
			}
		})
	}
}

// The message of a model-side refusal is the vendor's own JSON, encoded a second time.
func TestRefusals_DoubleEncoded(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for name, tt := range map[string]struct {
		model, request string
		path           []any
	}{
		"OpenAI": {"openai.gpt-5", ask("hi", `,"temperature":0`), []any{"error", "param"}},
		"xAI":    {"xai.grok-4", ask("hi", `,"stop":["x"]`), []any{"error"}},
		"Cohere": {"cohere.command-latest", askCohere("", ""), []any{"message"}},
		"Google": {"google.gemini-2.5-flash", history(dot, twoCalls, twoResult), []any{"error", "status"}},
	} {
		_, _, message := c.chat(tt.model, tt.request).failure(t)
		var inner map[string]any
		if err := json.Unmarshal([]byte(message), &inner); err != nil {
			t.Errorf("%s: the message %q is no JSON: %v", name, message, err)
		}
		if text, _ := at(inner, tt.path...).(string); text == "" {
			t.Errorf("%s: nothing at %v in %s", name, tt.path, message)
		}
	}
}

func TestRefusals_SnakeVariant(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("PATCH", "/_sim/variants", `{"snake_params":true}`)
	_, _, message := c.chat("openai.gpt-5", ask("hi", `,"topP":0.5`)).failure(t)
	if !strings.Contains(message, `"param":"top_p"`) {
		t.Errorf("got %s", message)
	}
}

func TestShapes(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for _, tt := range []struct {
		name, body string
		code       string
	}{
		{"empty", ``, "CannotParseRequest"},
		{"not JSON", `{"compartmentId":`, "CannotParseRequest"},
		{"not UTF-8", "{\"compartmentId\":\"\xff\"}", "CannotParseRequest"},
		{"more than one value", chatBody("xai.grok-4", ask("hi", "")) + "{}", "CannotParseRequest"},
		{"no compartment", `{"servingMode":{"servingType":"ON_DEMAND","modelId":"m"},"chatRequest":` + ask("hi", "") + `}`, "MissingParameter"},
		{"unknown serving type", `{"compartmentId":"c","servingMode":{"servingType":"X"},"chatRequest":` + ask("hi", "") + `}`, "InvalidParameter"},
		{"unknown format", chatBody("xai.grok-4", `{"apiFormat":"OPENAI"}`), "InvalidParameter"},
		{"unknown field", chatBody("xai.grok-4", ask("hi", `,"max_tokens":5`)), "CannotParseRequest"},
		{"field of another case", chatBody("xai.grok-4", ask("hi", `,"maxtokens":5`)), "CannotParseRequest"},
		{"field of another role", chatBody("xai.grok-4", `{"apiFormat":"GENERIC","messages":[{"role":"USER","toolCalls":[]}]}`), "CannotParseRequest"},
		{"wrong type", chatBody("xai.grok-4", ask("hi", `,"maxTokens":"5"`)), "CannotParseRequest"},
		{"fraction for a whole number", chatBody("xai.grok-4", ask("hi", `,"maxTokens":5.5`)), "CannotParseRequest"},
		{"out of range", chatBody("xai.grok-4", ask("hi", `,"temperature":2.5`)), "InvalidParameter"},
		{"lower-case enum", chatBody("xai.grok-4", ask("hi", `,"reasoningEffort":"low"`)), "InvalidParameter"},
		{"too many generations", chatBody("xai.grok-4", ask("hi", `,"numGenerations":6`)), "InvalidParameter"},
		{"no messages", chatBody("xai.grok-4", `{"apiFormat":"GENERIC"}`), "InvalidParameter"},
		{"JSON_SCHEMA for Cohere", chatBody("cohere.command-latest", askCohere("hi", `,"responseFormat":{"type":"JSON_SCHEMA"}`)), "InvalidParameter"},
		{"toolChoice for Cohere", chatBody("cohere.command-latest", askCohere("hi", `,"toolChoice":{"type":"AUTO"}`)), "CannotParseRequest"},
		{"flat tool in V2", chatBody("cohere.command-a-vision-07-2025", `{"apiFormat":"COHEREV2","messages":[],"tools":[{"type":"FUNCTION","name":"f"}]}`), "CannotParseRequest"},
		{"V2 message without content", chatBody("cohere.command-a-vision-07-2025", `{"apiFormat":"COHEREV2","messages":[{"role":"ASSISTANT"}]}`), "MissingParameter"},
		{"deep", chatBody("xai.grok-4", ask("hi", `,"logitBias":`+strings.Repeat(`{"a":`, 20_000)+`1`+strings.Repeat(`}`, 20_000))), "CannotParseRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, code, message := c.post(chatPath, tt.body).failure(t)
			if status != 400 || code != tt.code {
				t.Errorf("got %d %s %s, want 400 %s", status, code, message, tt.code)
			}
		})
	}
	// Null stands for absence.
	if got := c.chat("xai.grok-4", ask("hi", `,"maxTokens":null,"tools":null,"stop":null`)); got.status != 200 {
		t.Errorf("nulls get %d %s", got.status, got.body)
	}
}

func TestBodyLimit(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("PATCH", "/_sim/variants", `{"max_body_bytes":1000}`)
	status, code, _ := c.chat("xai.grok-4", ask(strings.Repeat("x", 1000), "")).failure(t)
	if status != 413 || code != "RequestEntityTooLarge" {
		t.Errorf("got %d %s", status, code)
	}
}

func TestNotFoundAndNotAllowed(t *testing.T) {
	c := newCaller(t, ocisim.Options{Compartments: []string{compartment}})
	foreign := strings.Replace(chatBody("xai.grok-4", ask("hi", "")), compartment, "ocid1.compartment.oc1..foreign", 1)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"unknown model", "POST", chatPath, chatBody("xai.grok-NONEXISTENT-9999", ask("hi", "")), 404, "NotAuthorizedOrNotFound"},
		{"embedding model on chat", "POST", chatPath, chatBody("cohere.embed-v4.0", ask("hi", "")), 404, "NotAuthorizedOrNotFound"},
		{"dedicated only", "POST", chatPath, chatBody("cohere.command-a-reasoning-08-2025", ask("hi", "")), 404, "NotAuthorizedOrNotFound"},
		{"foreign compartment", "POST", chatPath, foreign, 404, "NotAuthorizedOrNotFound"},
		{"retired operation", "POST", "/20231130/actions/generateText", `{}`, 404, "NotAuthorizedOrNotFound"},
		{"no operation", "POST", "/20231130/actions/dance", `{}`, 404, "NotFound"},
		{"wrong method", "PUT", chatPath, `{}`, 405, "MethodNotAllowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := c.do(c.request(tt.method, tt.path, []byte(tt.body)))
			if status, code, _ := got.failure(t); status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s", status, code, tt.status, tt.code)
			}
			checkStandardHeaders(t, got)
		})
	}
}

func TestDedicatedEndpoints(t *testing.T) {
	const id = "ocid1.generativeaiendpoint.oc1.us-chicago-1.one"
	c := newCaller(t, ocisim.Options{Scenario: &ocisim.Scenario{
		Endpoints: []ocisim.Endpoint{{ID: id, Model: "cohere.command-a-reasoning-08-2025", NoStream: true}},
	}})
	request := func(endpoint, stream string) reply {
		return c.post(chatPath, `{"compartmentId":"`+compartment+`","servingMode":{"servingType":"DEDICATED","endpointId":"`+endpoint+`"},`+
			`"chatRequest":{"apiFormat":"COHEREV2","maxTokens":200,"isStream":`+stream+`,"messages":[{"role":"USER","content":[{"type":"TEXT","text":"capital of Peru?"}]}]}}`)
	}
	got := request(id, "false").object(t)
	if text := at(got, "chatResponse", "message", "content", 1, "text"); text != "Lima." {
		t.Errorf("the reasoning model answers %v", got)
	}
	if thought := at(got, "chatResponse", "message", "content", 0, "thinking"); thought == nil {
		t.Errorf("it shows no thinking: %v", got)
	}
	if status, code, _ := request("ocid1.generativeaiendpoint.oc1.us-chicago-1.two", "false").failure(t); status != 404 || code != "NotAuthorizedOrNotFound" {
		t.Errorf("an unknown endpoint gets %d %s", status, code)
	}
	if status, _, _ := request(id, "true").failure(t); status != 400 {
		t.Errorf("the endpoint without streams answers a stream with %d", status)
	}
}
