package oci

import (
	"strings"
	"testing"
)

// answers asks in both ways and wants the same text, one end and a usage of both.
func (c *cloud) answers(t *testing.T, d *Deployment, body string) completion {
	t.Helper()
	whole := c.chat(t, d, body)
	got := ask(t, d, parseRequest(t, body), true)
	if got.err != "" {
		t.Fatalf("streamed: %s\n%s", got.err, strings.Join(got.lines, "\n"))
	}
	streamed, finishes := gathered(t, got.lines)
	a, b := whole.Choices[0], streamed.Choices[0]
	if finishes != 1 || a.Message.Content != b.Message.Content || a.Finish != b.Finish || whole.Usage != streamed.Usage || whole.Usage.Completion == 0 {
		t.Errorf("%d finishes\nwhole    %+v\nstreamed %+v", finishes, whole, streamed)
	}
	return whole
}

// oci-wire 4.5: a stop sequence that fires ends COHERE's answer with a finishReason of null and a stray end of text.
func TestEndToEnd_StopSequence(t *testing.T) {
	c := newCloud(t)
	for _, model := range []string{"cohere.command-latest", "cohere.command-a-vision-07-2025", "meta.llama-3.3-70b-instruct"} {
		out := c.answers(t, c.open(t, model), `{"model":"a","max_tokens":50,"stop":[", 4"],"messages":[{"role":"user","content":"Count to 9"}]}`)
		if got := out.Choices[0]; got.Message.Content != "1, 2, 3" || got.Finish != "stop" {
			t.Errorf("%s: %+v", model, got)
		}
	}
}

// oracle/langchain-oracle#8: a user who goes on directly behind a tool's result is answered.
func TestEndToEnd_UserBehindResult(t *testing.T) {
	c := newCloud(t)
	const body = `{"model":"a","max_tokens":200,"messages":[{"role":"user","content":"What is the weather in Tokyo?"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"get_weather","arguments":"{\"location\":\"Tokyo\"}"}}]},
		{"role":"tool","tool_call_id":"1","content":"sunny"},{"role":"user","content":"What is the capital of Italy?"}]}`
	for _, model := range simModels {
		if out := c.answers(t, c.open(t, model), body); !strings.Contains(out.Choices[0].Message.Content, "Rome") {
			t.Errorf("%s: %+v", model, out)
		}
	}
}

// oci-wire 6 row 27: a conversation of instructions alone is answered.
func TestEndToEnd_SystemOnly(t *testing.T) {
	c := newCloud(t)
	for _, model := range []string{"cohere.command-latest", "cohere.command-a-vision-07-2025"} {
		out := c.answers(t, c.open(t, model), `{"model":"a","max_tokens":200,"messages":[{"role":"system","content":"What is the capital of Italy?"}]}`)
		if !strings.Contains(out.Choices[0].Message.Content, "Rome") {
			t.Errorf("%s: %+v", model, out)
		}
	}
}

// oci-wire 6 row 29: an endpoint that refuses streams answers in one piece, which the caller gets as a stream.
func TestEndToEnd_EndpointWithoutStreams(t *testing.T) {
	c := newCloud(t)
	d := c.open(t, simEndpoint)
	for range 2 {
		out := c.answers(t, d, `{"model":"a","max_tokens":200,"messages":[{"role":"user","content":"What is the capital of Italy?"}]}`)
		if !strings.Contains(out.Choices[0].Message.Content, "Rome") {
			t.Errorf("%+v", out)
		}
	}
	out := c.answers(t, c.open(t, simCohereEndpoint, "oci_api_format: COHERE"), `{"model":"a","max_tokens":50,"stop":", 4","messages":[{"role":"user","content":"Count to 9"}]}`)
	if got := out.Choices[0]; got.Message.Content != "1, 2, 3" || got.Finish != "stop" {
		t.Errorf("%+v", got)
	}
}

// oci-wire 6 row 21: without a cap the answer ends at 20 tokens, on either surface.
func TestEndToEnd_NoCap(t *testing.T) {
	c := newCloud(t)
	for _, model := range []string{"xai.grok-4", "openai.gpt-5-mini", "openai.gpt-oss-120b", "meta.llama-3.3-70b-instruct"} {
		for _, surface := range []string{"actions", "openai"} {
			out := c.answers(t, c.open(t, model, "oci_surface: "+surface), `{"model":"a","messages":[{"role":"user","content":"Count to 40"}]}`)
			if got := out.Choices[0]; !strings.Contains(got.Message.Content, "40") || got.Finish != "stop" {
				t.Errorf("%s on %s: %+v", model, surface, got)
			}
		}
	}
}
