package oci

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/openai"
)

// bothSurfaces is a server that has both of OCI's APIs; it keeps what it last got.
type bothSurfaces struct {
	path, authorization, compartment, encoding string
	body                                       map[string]json.RawMessage
}

func (s *bothSurfaces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	s.path, s.authorization, s.compartment, s.encoding = r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Opc-Compartment-Id"), r.Header.Get("Accept-Encoding")
	s.body = nil
	if json.Unmarshal(text, &s.body) != nil {
		http.Error(w, "no JSON", 400)
		return
	}
	openAI := strings.HasSuffix(r.URL.Path, "/v1/chat/completions")
	switch {
	case openAI && string(s.body["stream"]) == "true":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	case openAI:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"i","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}`)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, genericDone)
	}
}

func TestChat_Surface(t *testing.T) {
	const (
		audio = `{"model":"a","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}}]}]}`
		llama = `{"model":"a","messages":[{"role":"system","content":"S"},{"role":"user","content":"Q"}],"tools":[{"type":"function","function":{"name":"f"}}]}`
		iam   = "\noci_user: u\noci_tenancy: t"
		key   = "\napi_key: sk-genai"
	)
	const actions, newer, shim = "/20231130/actions/chat", "/openai/v1/chat/completions", "/20231130/actions/v1/chat/completions"
	tests := []struct {
		name, params, body, path, auth string
	}{
		{"IAM takes the actions", "model: oci/xai.grok-4" + iam, hello, actions, "Signature "},
		{"a GenAI API key saves the signature", "model: oci/xai.grok-4" + key, hello, newer, "Bearer sk-genai"},
		{"also beside IAM", "model: oci/xai.grok-4" + key + iam, hello, newer, "Bearer sk-genai"},
		{"Google is served there to IAM alone", "model: oci/google.gemini-2.5-flash" + key + iam, hello, actions, "Signature "},
		{"configuration decides", "model: oci/xai.grok-4\noci_surface: actions" + key + iam, hello, actions, "Signature "},
		{"signed, with the compartment in a header", "model: oci/xai.grok-4\noci_surface: openai" + iam, hello, newer, "Signature "},
		{"oci-wire 6 row 3: OpenAI's audio goes there", "model: oci/openai.gpt-audio" + iam, audio, newer, "Signature "},
		{"vercel/ai#21153: Llama's tools behind a system message do not", "model: oci/meta.llama-3.3-70b-instruct" + key + iam, llama, actions, "Signature "},
		{"the older shim by its address", "model: oci/xai.grok-4\napi_base: BASE/20231130/actions/v1" + key, hello, shim, "Bearer sk-genai"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &bothSurfaces{}
			server := httptest.NewServer(s)
			defer server.Close()
			params := strings.ReplaceAll(tt.params, "BASE", server.URL)
			if !strings.Contains(params, "api_base") {
				params += "\napi_base: " + server.URL
			}
			c, err := New(testOptions(&fakePrincipal{})).Open(readSpec(t, params))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Chat(t.Context(), parseRequest(t, tt.body)); err != nil {
				t.Fatal(err)
			}
			if s.path != tt.path || !strings.HasPrefix(s.authorization, tt.auth) || s.encoding != "identity" {
				t.Errorf("called %s with %.20s, encoding %q", s.path, s.authorization, s.encoding)
			}
			if signed := tt.path == newer && tt.auth == "Signature "; signed != (s.compartment == testCompartment) {
				t.Errorf("opc-compartment-id %q", s.compartment)
			}
		})
	}
}

func TestChat_OpenAISurfaceBody(t *testing.T) {
	tests := []struct{ name, model, body, want, dropped string }{
		{"the cap under the name that gpt-5 knows, sampling left out", "openai.gpt-5-mini",
			`{"model":"alias","max_tokens":7,"temperature":0.2,"top_p":1,"messages":[{"role":"user","content":"Q"}],"metadata":{"a":"b"},"stream_options":{"include_usage":false}}`,
			`{"model":"openai.gpt-5-mini","max_completion_tokens":7,"messages":[{"role":"user","content":"Q"}]}`, "temperature"},
		{"max_tokens stays where it is known", "xai.grok-4", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"search":true}`,
			`{"model":"xai.grok-4","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"search":true}`, ""},
		{"vercel/ai#21153: the system message is folded where nothing else is left", "meta.llama-3.3-70b-instruct",
			`{"model":"alias","messages":[{"role":"system","content":"S"},{"role":"user","content":"Q"}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
			`{"model":"meta.llama-3.3-70b-instruct","max_tokens":4000,"messages":[{"role":"user","content":"S"},{"role":"user","content":"Q"}],"tools":[{"type":"function","function":{"name":"f"}}]}`, ""},
		{"oci-wire 6 row 21: a cap is always sent, under gpt-5's name", "openai.gpt-5-mini", hello, `{"model":"openai.gpt-5-mini","max_completion_tokens":4000,"messages":[{"role":"user","content":"Hi"}]}`, ""},
		{"under the older name to gpt-oss", "openai.gpt-oss-20b", hello, `{"model":"openai.gpt-oss-20b","max_tokens":4000,"messages":[{"role":"user","content":"Hi"}]}`, ""},
		{"oci-wire 6 row 5: Meta knows the older name alone", "meta.llama-4-scout", `{"model":"alias","max_completion_tokens":7,"messages":[{"role":"user","content":"Hi"}]}`, `{"model":"meta.llama-4-scout","max_tokens":7,"messages":[{"role":"user","content":"Hi"}]}`, ""},
		{"a cap in extra_body", "openai.gpt-5", `{"model":"alias","extra_body":{"max_tokens":7,"seed":1},"max_tokens":8,"seed":2,"messages":[{"role":"user","content":"Hi"}]}`, `{"model":"openai.gpt-5","max_completion_tokens":7,"seed":1,"messages":[{"role":"user","content":"Hi"}]}`, ""},
		{"only OpenAI's models know a developer", "meta.llama-3.3-70b-instruct", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"},{"role":"developer","content":"D"}]}`,
			`{"model":"meta.llama-3.3-70b-instruct","max_tokens":7,"messages":[{"role":"user","content":"Q"},{"role":"system","content":"D"}]}`, ""},
		{"and they keep it", "openai.gpt-5", `{"model":"alias","max_tokens":7,"messages":[{"role":"developer","content":"D"}]}`, `{"model":"openai.gpt-5","max_completion_tokens":7,"messages":[{"role":"developer","content":"D"}]}`, ""},
		{"LO#45: other tools are skipped and named", "xai.grok-4", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"tools":[{"type":"web_search"},{"type":"function","function":{"name":"f"}}],"tool_choice":"auto"}`,
			`{"model":"xai.grok-4","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto"}`, "tools.web_search"},
		{"with what speaks of them when nothing is left", "xai.grok-4", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"tools":[{"type":"web_search"}],"tool_choice":"auto"}`,
			`{"model":"xai.grok-4","max_tokens":7,"messages":[{"role":"user","content":"Q"}]}`, "tools.web_search"},
		{"what the caller drops is named", "xai.grok-4", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"seed":1,"additional_drop_params":["seed"]}`,
			`{"model":"xai.grok-4","max_tokens":7,"messages":[{"role":"user","content":"Q"}]}`, "seed"},
		{"the older form of tools passes", "meta.llama-4-scout", `{"model":"alias","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}}`,
			`{"model":"meta.llama-4-scout","max_tokens":7,"messages":[{"role":"user","content":"Q"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &bothSurfaces{}
			server := httptest.NewServer(s)
			defer server.Close()
			c, err := New(testOptions(nil)).Open(readSpec(t, "model: oci/"+tt.model+"\napi_key: sk-x\ndrop_params: true\napi_base: "+server.URL))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Chat(t.Context(), parseRequest(t, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			compareJSON(t, "body", string(mustJSON(s.body)), tt.want)
			if got := strings.Join(resp.Dropped, " "); got != tt.dropped {
				t.Errorf("dropped %q, want %q", got, tt.dropped)
			}
		})
	}
}

func TestChat_OpenAISurfaceRefusals(t *testing.T) {
	d := openDeployment(t, "model: oci/xai.grok-4\napi_key: sk-x\noci_surface: openai\ndrop_params: true", nil)
	for body, want := range map[string]string{
		`{"messages":[{"role":"user","content":"Q"}],"n":0}`:            "400 n: Invalid 'n': expected a value of at least 1.",
		`{"messages":[{"role":"user","content":"Q"}],"max_tokens":"x"}`: "400 max_tokens: Invalid type for 'max_tokens': expected an integer.",
		`{"messages":[{"role":"user","content":"Q"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}`: "400 tool_choice: Invalid value for 'tool_choice': no function named 'g' was specified in the 'tools' parameter.",
	} {
		if got := ask(t, d, parseRequest(t, body), false); got.err != want {
			t.Errorf("%s: %s, want %s", body, got.err, want)
		}
		if got := ask(t, d, parseRequest(t, body), true); got.err != want {
			t.Errorf("%s streamed: %s, want %s", body, got.err, want)
		}
	}
}

func TestChatStream_OpenAISurface(t *testing.T) {
	s := &bothSurfaces{}
	server := httptest.NewServer(s)
	defer server.Close()
	c, err := New(testOptions(nil)).Open(readSpec(t, "model: oci/xai.grok-4\napi_key: sk-x\ndrop_params: true\napi_base: "+server.URL))
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, c.(*Deployment), parseRequest(t, `{"model":"alias","stream":true,"stop":"x","messages":[{"role":"user","content":"Q"}]}`), true)
	if len(got.lines) != 1 || got.err != "" || strings.Join(got.dropped, " ") != "stop" {
		t.Errorf("%+v", got)
	}
	waits := 0
	again, err := c.ChatStream(t.Context(), parseRequest(t, `{"model":"alias","stream":true,"stop":"x","messages":[{"role":"user","content":"Q"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if w, ok := again.(openai.Waiter); !ok || !w.OnWait(func() { waits++ }) {
		t.Error("the stream cannot tell that it waits")
	}
	if _, err := again.Next(); err != nil || waits == 0 {
		t.Errorf("%v after %d waits", err, waits)
	}
	if string(s.body["stream_options"]) != `{"include_usage":true}` {
		t.Errorf("stream_options %s", s.body["stream_options"])
	}
}

// A GenAI API key alone serves neither Cohere's models nor embeddings: the first is said when the deployment is opened,
// the second when it is asked.
func TestOpen_KeyAloneCannotSign(t *testing.T) {
	o := testOptions(nil)
	o.Principal = nil
	_, err := New(o).Open(readSpec(t, "model: oci/cohere.command-latest\napi_key: sk-x\noci_config_file: /nonexistent/config"))
	if err == nil || !strings.HasPrefix(err.Error(), "oci: profile file /nonexistent/config: ") {
		t.Errorf("%v", err)
	}
	d := openWith(t, o, "model: oci/xai.grok-4\napi_key: sk-x", nil)
	r, err := openai.ParseRequest(openai.OpEmbedding, []byte(`{"input":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Embed(t.Context(), r)
	if e := upstreamError(t, err); e.Status != 401 || !strings.Contains(e.Message, "oci_user") {
		t.Errorf("%v", e)
	}
}
