package ocisim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

const italy = "What is the capital of Italy?"

// keys lists the members of a JSON object in order of the alphabet.
func keys(v any) string {
	m, _ := v.(map[string]any)
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}

func TestGeneric_ReplyShapes(t *testing.T) {
	now := time.Date(2026, time.November, 24, 12, 0, 1, 204_000_000, time.UTC)
	for _, tt := range []struct {
		model, limit string
		message      string // keys of the message
		response     string // keys of the chat response
	}{
		{"meta.llama-3.3-70b-instruct", "maxTokens", `content role toolCalls`, `apiFormat choices timeCreated usage`},
		{"openai.gpt-5.4", "maxCompletionTokens", `annotations content role`, `apiFormat choices serviceTier timeCreated usage`},
		{"xai.grok-4.20", "maxTokens", `content reasoningContent role`, `apiFormat choices timeCreated usage`},
		{"google.gemini-2.5-flash", "maxTokens", `content role`, `apiFormat choices timeCreated usage`},
	} {
		t.Run(tt.model, func(t *testing.T) {
			c := newCaller(t, ocisim.Options{Now: func() time.Time { return now }})
			body := []byte(chatBody(tt.model, ask(italy, `,"`+tt.limit+`":300`)))
			r := c.request("POST", chatPath, body)
			c.sign(r, body, now)
			got := c.do(r).object(t)
			if got["modelId"] != tt.model || got["modelVersion"] == nil {
				t.Errorf("the model is %v %v", got["modelId"], got["modelVersion"])
			}
			response := at(got, "chatResponse")
			if s := keys(response); s != tt.response {
				t.Errorf("the response has %s, want %s", s, tt.response)
			}
			if s := keys(at(response, "choices", 0, "message")); s != tt.message {
				t.Errorf("the message has %s, want %s", s, tt.message)
			}
			if when := at(response, "timeCreated"); when != "2026-11-24T12:00:01.204Z" {
				t.Errorf("timeCreated is %v", when)
			}
			if text := at(response, "choices", 0, "message", "content", 0, "text"); text != "Rome." {
				t.Errorf("it says %v", text)
			}
			if logprobs := at(response, "choices", 0, "logprobs"); !reflect.DeepEqual(logprobs, map[string]any{}) {
				t.Errorf("logprobs are %v, want an empty object", logprobs)
			}
			if finish := at(response, "choices", 0, "finishReason"); finish != "stop" {
				t.Errorf("finishReason is %v", finish)
			}
		})
	}
}

func TestGeneric_CapsStopsAndChoices(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	first := func(r reply) (text, finish string, usage map[string]any) {
		v := r.object(t)
		text, _ = at(v, "chatResponse", "choices", 0, "message", "content", 0, "text").(string)
		finish, _ = at(v, "chatResponse", "choices", 0, "finishReason").(string)
		usage, _ = at(v, "chatResponse", "usage").(map[string]any)
		return text, finish, usage
	}

	// Without a cap the service gives about 20 tokens.
	_, finish, usage := first(c.chat("meta.llama-3.3-70b-instruct", ask("Write a long story", "")))
	if finish != "length" || usage["completionTokens"] != 20.0 {
		t.Errorf("without maxTokens: finish %s, usage %v", finish, usage)
	}
	_, finish, usage = first(c.chat("meta.llama-3.3-70b-instruct", ask("Write a story of 6000 words", `,"maxTokens":100000`)))
	if finish != "length" || usage["completionTokens"] != 4000.0 {
		t.Errorf("over the model's cap: finish %s, usage %v", finish, usage)
	}
	text, finish, _ := first(c.chat("meta.llama-3.3-70b-instruct", ask("Count to 9", `,"maxTokens":100,"stop":[", 4"]`)))
	if text != "1, 2, 3" || finish != "stop" {
		t.Errorf("with a stop: %q, finish %s", text, finish)
	}
	// The reasoning of gpt-5 eats a small cap, and nothing is left to say.
	text, finish, usage = first(c.chat("openai.gpt-5", ask(italy, `,"maxCompletionTokens":60`)))
	if text != "" || finish != "length" || at(usage, "completionTokensDetails", "reasoningTokens") != 60.0 {
		t.Errorf("gpt-5 with a small cap: %q, finish %s, usage %v", text, finish, usage)
	}
	got := c.chat("xai.grok-3", ask(italy, `,"maxTokens":100,"numGenerations":3`)).object(t)
	for i := range 3 {
		if at(got, "chatResponse", "choices", i, "index") != float64(i) {
			t.Errorf("choice %d: %v", i, at(got, "chatResponse", "choices", i))
		}
	}
	got = c.chat("xai.grok-3", ask(italy, `,"maxTokens":100,"logProbs":2`)).object(t)
	top, _ := at(got, "chatResponse", "choices", 0, "logprobs", "topLogprobs", 0).(map[string]any)
	for token, p := range top {
		if _, isText := p.(string); !isText {
			t.Errorf("the log probability of %q is a %T, want a string", token, p)
		}
	}
	if len(top) != 2 {
		t.Errorf("topLogprobs are %v, want two alternatives", top)
	}
}

// toolTurn is a request that any model answers with calls of get_weather for Paris and Tokyo.
var toolTurn = ask("Compare the weather in Paris and Tokyo", `,"isStream":true,"streamOptions":{"isIncludeUsage":true},"tools":[`+weather+`]`)

// TestGeneric_ToolStreams holds each vendor's pattern of tool-call events.
func TestGeneric_ToolStreams(t *testing.T) {
	for _, tt := range []struct {
		name, model, limit, variants string
		calls                        []string // "id name arguments" of each event, ids shortened to their order of appearance
		finish                       string   // the finish event without its pad
	}{
		{
			name: "grok sends whole calls", model: "xai.grok-4.20", limit: "maxTokens",
			calls:  []string{`#1 get_weather {"location":"Paris"}`, `#2 get_weather {"location":"Tokyo"}`},
			finish: `{"finishReason":"tool_calls"}`,
		},
		{
			name: "gemini has no ids", model: "google.gemini-2.5-flash", limit: "maxTokens",
			calls:  []string{`- get_weather {"location":"Paris"}`, `- get_weather {"location":"Tokyo"}`},
			finish: `{"finishReason":"stop","message":{"content":[{"text":"","type":"TEXT"}],"role":"ASSISTANT"}}`,
		},
		{
			name: "gpt sends fragments", model: "openai.gpt-5.4", limit: "maxCompletionTokens",
			calls: []string{
				`#1 get_weather `, `- - {`, `- - "`, `- - locati`, `- - on`, `- - "`, `- - :`, `- - "`, `- - Paris`, `- - "`, `- - }`,
				`#2 get_weather `, `- - {`, `- - "`, `- - locati`, `- - on`, `- - "`, `- - :`, `- - "`, `- - Tokyo`, `- - "`, `- - }`,
			},
			finish: `{"finishReason":"tool_calls","message":{"content":[{"text":"","type":"TEXT"}],"role":"ASSISTANT"}}`,
		},
		{
			name: "llama with a new id each", model: "meta.llama-4-maverick-17b-128e-instruct-fp8", limit: "maxTokens",
			variants: `{"llama_fresh_ids":true,"llama_tool_finish":"stop","bare_tool_finish":true}`,
			calls: []string{
				`#1 get_weather `, `#2 - {`, `#3 - "`, `#4 - locati`, `#5 - on`, `#6 - "`, `#7 - :`, `#8 - "`, `#9 - Paris`, `#10 - "`, `#11 - }`,
				`#12 get_weather `, `#13 - {`, `#14 - "`, `#15 - locati`, `#16 - on`, `#17 - "`, `#18 - :`, `#19 - "`, `#20 - Tokyo`, `#21 - "`, `#22 - }`,
			},
			finish: `{"finishReason":"stop"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCaller(t, ocisim.Options{})
			if tt.variants != "" {
				c.mustControl("PATCH", "/_sim/variants", tt.variants)
			}
			request := strings.Replace(toolTurn, `"isStream"`, `"`+tt.limit+`":500,"isStream"`, 1)
			events, done := c.chat(tt.model, request).events(t)
			if !done {
				t.Error("the stream has no [DONE]")
			}
			calls, finish, usage := toolEvents(t, events)
			if !reflect.DeepEqual(calls, tt.calls) {
				t.Errorf("the calls come as\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(tt.calls, "\n"))
			}
			if finish != tt.finish {
				t.Errorf("the finish event is %s, want %s", finish, tt.finish)
			}
			if usage["totalTokens"] == nil {
				t.Errorf("the last event has the usage %v", usage)
			}
		})
	}
}

// toolEvents reads a tool turn: the call events in short form, the finish event without pad, the usage of the last event.
func toolEvents(t *testing.T, events []map[string]any) (calls []string, finish string, usage map[string]any) {
	t.Helper()
	order := map[string]int{}
	dash := func(v any) string {
		if s, _ := v.(string); s != "" {
			return s
		}
		return "-"
	}
	for _, e := range events {
		pad, _ := e["pad"].(string)
		if pad == "" || strings.Trim(pad, "a") != "" {
			t.Errorf("the pad of %v is %q", e, pad)
		}
		delete(e, "pad")
		if e["finishReason"] != nil {
			b, _ := json.Marshal(e)
			finish = string(b)
			continue
		}
		list, _ := at(e, "message", "toolCalls").([]any)
		if len(list) > 1 {
			t.Errorf("an event has %d calls", len(list))
		}
		if len(list) == 1 {
			id, _ := at(list[0], "id").(string)
			if id != "" {
				if order[id] == 0 {
					order[id] = len(order) + 1
				}
				id = fmt.Sprintf("#%d", order[id])
			}
			arguments, _ := at(list[0], "arguments").(string)
			calls = append(calls, dash(id)+" "+dash(at(list[0], "name"))+" "+arguments)
		}
	}
	usage, _ = events[len(events)-1]["usage"].(map[string]any)
	return calls, finish, usage
}

func TestGeneric_GeminiLeavesTextOut(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	got := c.chat("google.gemini-2.5-flash", ask("weather in Tokyo", `,"maxTokens":300,"tools":[`+weather+`]`)).object(t)
	message := at(got, "chatResponse", "choices", 0, "message")
	if part := at(message, "content", 0); !reflect.DeepEqual(part, map[string]any{"type": "TEXT"}) {
		t.Errorf("the content part is %v, want no text key", part)
	}
	if call, _ := at(message, "toolCalls", 0).(map[string]any); call["id"] != nil || call["name"] != "get_weather" {
		t.Errorf("the call is %v, want no id", call)
	}
}

func TestGeneric_TextStream(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	got := c.chat("xai.grok-3-mini", ask(italy, `,"maxTokens":900,"isStream":true`))
	if ct := got.header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("Content-Type is %q", ct)
	}
	events, done := got.events(t)
	if !done {
		t.Error("no [DONE]")
	}
	// One word of grok-3-mini is hundreds of events: it thinks in the open, before it speaks.
	if len(events) < 300 {
		t.Errorf("%d events", len(events))
	}
	text, thought, spoke := "", "", false
	for i, e := range events[:len(events)-1] {
		if e["index"] != 0.0 || e["apiFormat"] != nil || e["modelId"] != nil {
			t.Errorf("event %d is %v", i, e)
		}
		if s, ok := at(e, "message", "reasoningContent").(string); ok {
			thought += s
			if spoke {
				t.Error("it thinks after it spoke")
			}
		}
		if s, ok := at(e, "message", "content", 0, "text").(string); ok {
			text, spoke = text+s, true
		}
	}
	if text != "Rome." || !strings.Contains(thought, "capital of Italy") {
		t.Errorf("it says %q after thinking %.60q", text, thought)
	}
	// Without isIncludeUsage the finish event is the last.
	last := events[len(events)-1]
	if _, has := last["index"]; has || last["finishReason"] != "stop" || last["usage"] != nil {
		t.Errorf("the last event is %v", last)
	}
}

func TestStream_SingleLineFeeds(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("PATCH", "/_sim/variants", `{"single_lf":1}`)
	got := c.chat("meta.llama-3.3-70b-instruct", ask("Count to 5", `,"maxTokens":99,"isStream":true`))
	if strings.Contains(string(got.body), "\n\n") {
		t.Errorf("there is a blank line in %q", got.body)
	}
	if events, done := got.events(t); !done || len(events) < 10 {
		t.Errorf("%d events, done %t", len(events), done)
	}
}

func TestCohere_ReplyAndStream(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	got := at(c.chat("cohere.command-latest", askCohere(italy, `,"maxTokens":50`)).object(t), "chatResponse")
	if at(got, "apiFormat") != "COHERE" || at(got, "text") != "Rome." || at(got, "finishReason") != "COMPLETE" {
		t.Errorf("the reply is %v", got)
	}
	want := []any{
		map[string]any{"role": "USER", "message": italy},
		map[string]any{"role": "CHATBOT", "message": "Rome."},
	}
	if !reflect.DeepEqual(at(got, "chatHistory"), want) {
		t.Errorf("the history is %v", at(got, "chatHistory"))
	}

	events, done := c.chat("cohere.command-latest", askCohere(italy, `,"maxTokens":50,"isStream":true,"streamOptions":{"isIncludeUsage":true}`)).events(t)
	if done {
		t.Error("a COHERE stream must not end in [DONE]")
	}
	text := ""
	for _, e := range events[:len(events)-1] {
		if e["apiFormat"] != "COHERE" || e["finishReason"] != nil {
			t.Errorf("the delta is %v", e)
		}
		text += e["text"].(string)
	}
	last := events[len(events)-1]
	if text != "Rome." || last["text"] != "Rome." || last["finishReason"] != "COMPLETE" || at(last, "usage", "totalTokens") == nil || !reflect.DeepEqual(last["chatHistory"], want) {
		t.Errorf("after %q the terminal event is %v", text, last)
	}
}

func TestCohere_ToolStreamRepeatsThePlan(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	tools := `,"maxTokens":200,"isStream":true,"tools":[{"name":"get_weather","description":"weather","parameterDefinitions":{"location":{"type":"str","isRequired":true}}}]`
	events, _ := c.chat("cohere.command-latest", askCohere("What is the weather in Tokyo?", tools)).events(t)
	plan := ""
	for _, e := range events[:len(events)-2] {
		plan += e["text"].(string)
	}
	call := []any{map[string]any{"name": "get_weather", "parameters": map[string]any{"location": "Tokyo"}}}
	turn, last := events[len(events)-2], events[len(events)-1]
	if plan == "" || turn["text"] != plan || !reflect.DeepEqual(turn["toolCalls"], call) || turn["finishReason"] != nil {
		t.Errorf("after %q the tool event is %v", plan, turn)
	}
	if last["finishReason"] != "COMPLETE" || last["text"] != plan || last["chatHistory"] == nil {
		t.Errorf("the terminal event is %v", last)
	}
}

func TestCohere_StopSequenceEndsInNull(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	request := askCohere("Count to 9", `,"maxTokens":50,"stopSequences":[", 4"]`)
	got, _ := at(c.chat("cohere.command-latest", request).object(t), "chatResponse").(map[string]any)
	if reason, there := got["finishReason"]; !there || reason != nil || got["text"] != "1, 2, 3<|" {
		t.Errorf("got %v, want a finishReason that is null and a stray end", got)
	}
	c.mustControl("PATCH", "/_sim/variants", `{"cohere_null_finish":false}`)
	got, _ = at(c.chat("cohere.command-latest", request).object(t), "chatResponse").(map[string]any)
	if got["finishReason"] != "COMPLETE" || got["text"] != "1, 2, 3" {
		t.Errorf("without the variant: %v", got)
	}
}

func TestCohere_CitesDocuments(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	docs := `,"maxTokens":100,"documents":[{"id":"bread","snippet":"Bread needs yeast."},{"id":"tide","snippet":"High water at Brest is at noon."}]`
	got := at(c.chat("cohere.command-a-03-2025", askCohere("When is high water at Brest?", docs)).object(t), "chatResponse")
	text, _ := at(got, "text").(string)
	start, end := at(got, "citations", 0, "start").(float64), at(got, "citations", 0, "end").(float64)
	if cited := string([]rune(text)[int(start):int(end)]); cited != "High water at Brest is at noon." {
		t.Errorf("the citation covers %q of %q", cited, text)
	}
	if ids := at(got, "citations", 0, "documentIds"); !reflect.DeepEqual(ids, []any{"tide"}) {
		t.Errorf("it cites %v", ids)
	}
}

func TestCohereV2_ReplyToolsAndStream(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	const model = "cohere.command-a-vision-07-2025"
	tool := `,"tools":[{"type":"FUNCTION","function":{"name":"get_weather","description":"weather","parameters":{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}}}]`
	v2 := func(text, more string) string {
		return fmt.Sprintf(`{"apiFormat":"COHEREV2","maxTokens":100,"messages":[{"role":"USER","content":[{"type":"TEXT","text":%q}]}]%s}`, text, more)
	}
	got := at(c.chat(model, v2("weather in Tokyo", tool)).object(t), "chatResponse")
	call := at(got, "message", "toolCalls", 0)
	if at(call, "type") != "FUNCTION" || at(call, "function", "arguments") != `{"location":"Tokyo"}` || at(call, "id") == "" || at(got, "finishReason") != "TOOL_CALL" {
		t.Errorf("the tool turn is %v", got)
	}
	if at(got, "message", "toolPlan") == nil || at(got, "id") == nil {
		t.Errorf("plan or id is missing in %v", got)
	}
	got = at(c.chat(model, v2("Count to 9", `,"stopSequences":[", 4"]`)).object(t), "chatResponse")
	if at(got, "finishReason") != "STOP_SEQUENCE" || at(got, "message", "content", 0, "text") != "1, 2, 3" {
		t.Errorf("with a stop sequence: %v", got)
	}
	if got := c.chat(model, v2("hi", `,"toolsChoice":"REQUIRED"`)); got.status != 400 {
		t.Errorf("REQUIRED without tools gets %d", got.status)
	}

	for repeats, wantMessage := range map[string]bool{"false": false, "true": true} {
		c.mustControl("PATCH", "/_sim/variants", `{"cohere_v2_repeats":`+repeats+`}`)
		events, _ := c.chat(model, v2(italy, `,"isStream":true`)).events(t)
		text := ""
		for _, e := range events[:len(events)-1] {
			text += at(e, "message", "content", 0, "text").(string)
		}
		last := events[len(events)-1]
		if text != "Rome." || last["finishReason"] != "COMPLETE" || (last["message"] != nil) != wantMessage {
			t.Errorf("repeats %s: after %q the last event is %v", repeats, text, last)
		}
	}
}

func TestAnswers_AreTheSameForTheSameSeed(t *testing.T) {
	say := func(seed int64) string {
		c := newCaller(t, ocisim.Options{Seed: seed})
		return string(c.chat("xai.grok-3", ask("Tell me of tides", `,"maxTokens":200`)).body)
	}
	strip := func(s string) string { return s[strings.Index(s, `"choices"`):] }
	if a, b := strip(say(7)), strip(say(7)); a != b {
		t.Errorf("seed 7 says\n%s\nand\n%s", a, b)
	}
	if a, b := strip(say(7)), strip(say(8)); a == b {
		t.Error("seeds 7 and 8 say the same")
	}
}

func TestDeprecatedModelsSaySo(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	got := c.chat("meta.llama-3.1-405b-instruct", ask(italy, ""))
	if got.status != 200 || got.header.Get("model-deprecation-info") == "" {
		t.Errorf("status %d, model-deprecation-info %q", got.status, got.header.Get("model-deprecation-info"))
	}
}

func TestGeneric_LlamaHabits(t *testing.T) {
	const model = "meta.llama-3.3-70b-instruct"
	c := newCaller(t, ocisim.Options{})
	after := strings.TrimSuffix(history(dot, oneCall, oneResult), "}") + `,"tools":[` + weather + `]`
	calls := func(more string) any {
		return at(c.chat(model, after+more+"}").object(t), "chatResponse", "choices", 0, "message", "toolCalls", 0)
	}
	if got := calls(""); got != nil {
		t.Errorf("after a result it calls %v", got)
	}
	c.mustControl("PATCH", "/_sim/variants", `{"llama_loops":true,"llama_double_encoded":true}`)
	if got := calls(""); at(got, "arguments") != `"{\"location\":\"weather?\"}"` {
		t.Errorf("the looping model calls %v", got)
	}
	if got := calls(`,"toolChoice":{"type":"NONE"}`); got != nil {
		t.Errorf("with NONE it calls %v", got)
	}
}

func TestGeneric_WebSearchIsCited(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	request := ask(italy, `,"maxTokens":300,"webSearchOptions":{"searchContextSize":"LOW"}`)
	got := at(c.chat("xai.grok-4.3", request).object(t), "chatResponse", "choices", 0)
	if at(got, "message", "annotations", 0, "type") != "url_citation" || at(got, "message", "annotations", 0, "urlCitation", "endIndex") != 5.0 {
		t.Errorf("grok cites %v", got)
	}
	got = at(c.chat("google.gemini-2.5-flash", request).object(t), "chatResponse", "choices", 0)
	if at(got, "groundingMetadata", "groundingChunks", 0, "web", "uri") == nil || at(got, "message", "annotations") != nil {
		t.Errorf("gemini cites %v", got)
	}
}

func TestRegions(t *testing.T) {
	for region, want := range map[string][2]int{"us-ashburn-1": {200, 200}, "uk-london-1": {404, 200}, "sa-saopaulo-1": {404, 404}} {
		c := newCaller(t, ocisim.Options{Region: region})
		got := [2]int{c.chat("xai.grok-4", ask("hi", "")).status, c.chat("google.gemini-2.5-pro", ask("hi", "")).status}
		if got != want {
			t.Errorf("%s: xAI and Google answer %v, want %v", region, got, want)
		}
	}
}
