package ocisim_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

const (
	openAIPath = "/openai/v1/chat/completions"
	shimPath   = "/20231130/actions/v1/chat/completions"
)

func openAIBody(model, text, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, model, text, more)
}

// bearer calls with a GenAI API key.
func (c *caller) bearer(path, body string, headers ...string) reply {
	c.t.Helper()
	r, err := http.NewRequest(http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.do(r)
}

func TestOpenAI_Authentication(t *testing.T) {
	now := time.Now()
	c := newCaller(t, ocisim.Options{Now: func() time.Time { return now }, Compartments: []string{compartment}})
	body := openAIBody("xai.grok-4.20", italy, `,"max_tokens":100`)
	signed := func(path, header, value string) reply {
		r := c.request("POST", path, []byte(body))
		if header != "" {
			r.Header.Set(header, value)
		}
		return c.do(r)
	}
	for name, tt := range map[string]struct {
		got    reply
		status int
		code   string
	}{
		"bearer key":                    {c.bearer(openAIPath, body), 200, ""},
		"bearer key on the shim":        {c.bearer(shimPath, body), 200, ""},
		"unknown bearer key":            {c.bearer(openAIPath, body, "Authorization", "Bearer sk-nobody"), 401, "NotAuthenticated"},
		"signed with a compartment":     {signed(openAIPath, "opc-compartment-id", compartment), 200, ""},
		"signed without":                {signed(openAIPath, "", ""), 400, "MissingParameter"},
		"signed for a foreign one":      {signed(openAIPath, "opc-compartment-id", "ocid1.compartment.oc1..foreign"), 404, "NotAuthorizedOrNotFound"},
		"old header on the new surface": {signed(openAIPath, "CompartmentId", compartment), 400, "MissingParameter"},
	} {
		if status, code, _ := tt.got.failure(t); status != tt.status || code != tt.code {
			t.Errorf("%s: %d %q, want %d %q", name, status, code, tt.status, tt.code)
		}
	}
	c.mustControl("PATCH", "/_sim/variants", `{"compat_compartment_header":"CompartmentId"}`)
	if got := signed(shimPath, "CompartmentId", compartment); got.status != 200 {
		t.Errorf("the oldest header on the shim gets %d", got.status)
	}
	c.sim.AddAPIKey("sk-short-lived", now.Add(time.Minute))
	now = now.Add(2 * time.Minute)
	if got := c.bearer(openAIPath, body, "Authorization", "Bearer sk-short-lived"); got.status != 401 {
		t.Errorf("an expired key gets %d", got.status)
	}
}

func TestOpenAI_Refusals(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"Cohere", openAIBody("cohere.command-r-08-2024", "hi", ""), 400, "Unsupported OpenAI operation"},
		{"Responses only", openAIBody("openai.gpt-5.5-pro", "hi", ""), 400, "Multi Agent requests are not allowed"},
		{"max_tokens on gpt-5", openAIBody("openai.gpt-5-mini", "hi", `,"max_tokens":9`), 400, `"param":"max_tokens","code":"unsupported_parameter"`},
		{"temperature on gpt-5", openAIBody("openai.gpt-5", "hi", `,"temperature":0.1`), 400, `"param":"temperature","code":"unsupported_value"`},
		{"Llama with tools after a system message", `{"model":"meta.llama-3.3-70b-instruct","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}`, 400, "system message"},
		{"unknown model", openAIBody("xai.none", "hi", ""), 404, "NotAuthorizedOrNotFound"},
		{"broken body", `{"model":`, 400, "invalid_request_error"},
	} {
		got := c.bearer(openAIPath, tt.body)
		if got.status != tt.status || !strings.Contains(string(got.body), tt.text) {
			t.Errorf("%s: %d %s, want %d with %q", tt.name, got.status, got.body, tt.status, tt.text)
		}
	}
	for _, path := range []string{"/openai/v1/embeddings", "/openai/v1/models"} {
		if status, code, _ := c.bearer(path, `{}`).failure(t); status != 404 || code != "NotFound" {
			t.Errorf("%s: %d %s, want 404 NotFound", path, status, code)
		}
	}
}

func TestOpenAI_ReplyAndStream(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	got := c.bearer(openAIPath, openAIBody("xai.grok-4.20", italy, `,"max_tokens":100,"unknown_field":1`)).object(t)
	if at(got, "object") != "chat.completion" || at(got, "model") != "xai.grok-4.20" || at(got, "choices", 0, "message", "content") != "Rome." ||
		at(got, "choices", 0, "finish_reason") != "stop" || at(got, "usage", "total_tokens") == nil {
		t.Errorf("the reply is %v", got)
	}

	tools := `,"stream":true,"stream_options":{"include_usage":true},"max_tokens":300,"tools":[{"type":"function","function":{"name":"get_weather","description":"weather","parameters":{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}}}]`
	events, done := c.bearer(openAIPath, openAIBody("xai.grok-4.20", "weather in Tokyo", tools)).events(t)
	id, arguments := "", ""
	for _, e := range events {
		if e["object"] != "chat.completion.chunk" || e["pad"] != nil {
			t.Errorf("the chunk is %v", e)
		}
		call := at(e, "choices", 0, "delta", "tool_calls", 0)
		if s, ok := at(call, "id").(string); ok {
			id += s
		}
		if s, ok := at(call, "function", "arguments").(string); ok {
			arguments += s
		}
	}
	if !done || !strings.HasPrefix(id, "call_") || arguments != `{"location":"Tokyo"}` {
		t.Errorf("done %t, id %q, arguments %q", done, id, arguments)
	}
	last := events[len(events)-1]
	if choices, _ := last["choices"].([]any); choices == nil || len(choices) != 0 || last["usage"] == nil {
		t.Errorf("the usage chunk is %v", last)
	}
}

// unzstd reads frames of raw blocks and returns their contents one by one.
func unzstd(t *testing.T, b []byte) (frames []string) {
	t.Helper()
	for len(b) > 0 {
		if !bytes.HasPrefix(b, []byte{0x28, 0xB5, 0x2F, 0xFD, 0xA0}) {
			t.Fatalf("no frame begins at %q", b)
		}
		size := binary.LittleEndian.Uint32(b[5:])
		b = b[9:]
		content := ""
		for last := false; !last; {
			header := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
			last = header&1 == 1
			if kind := header >> 1 & 3; kind != 0 {
				t.Fatalf("a block of type %d", kind)
			}
			n := header >> 3
			content, b = content+string(b[3:3+n]), b[3+n:]
		}
		if int(size) != len(content) {
			t.Fatalf("the frame says %d bytes and has %d", size, len(content))
		}
		frames = append(frames, content)
	}
	return frames
}

func TestOpenAI_ZstdForWhoeverOffersIt(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	body := openAIBody("xai.grok-3", italy, `,"max_tokens":100,"stream":true`)
	got := c.bearer(openAIPath, body, "Accept-Encoding", "gzip, zstd;q=0.9")
	if got.header.Get("Content-Encoding") != "zstd" {
		t.Fatalf("Content-Encoding is %q", got.header.Get("Content-Encoding"))
	}
	frames := unzstd(t, got.body)
	if len(frames) < 3 || frames[len(frames)-1] != "data: [DONE]\n\n" {
		t.Errorf("the frames are %q", frames)
	}
	for _, f := range frames {
		if strings.Count(f, "data: ") != 1 {
			t.Errorf("the frame %q is not one event", f)
		}
	}

	unary := c.bearer(openAIPath, openAIBody("xai.grok-3", "Write a story of 3000 words", `,"max_tokens":9000`), "Accept-Encoding", "zstd")
	var v map[string]any
	if err := json.Unmarshal([]byte(strings.Join(unzstd(t, unary.body), "")), &v); err != nil || v["object"] != "chat.completion" {
		t.Errorf("the unary reply is %v, %v", v["object"], err)
	}

	if got := c.bearer(openAIPath, body, "Accept-Encoding", "gzip, identity"); got.header.Get("Content-Encoding") != "" {
		t.Errorf("without the offer it sends %q", got.header.Get("Content-Encoding"))
	}
	r := c.request("POST", chatPath, []byte(chatBody("xai.grok-3", ask("hi", ""))))
	r.Header.Set("Accept-Encoding", "zstd")
	if got := c.do(r); got.header.Get("Content-Encoding") != "" {
		t.Errorf("the native API sends %q", got.header.Get("Content-Encoding"))
	}
}
