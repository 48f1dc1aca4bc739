package oci

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/ocisim"
	"tollgate/internal/openai"
	"tollgate/internal/provider/oci/auth"
)

// cloud is the simulator behind TCP, and a factory whose deployments sign for it with a real key.
type cloud struct {
	sim     *ocisim.Server
	url     string
	factory *Factory
	keyFile string
}

// Dedicated endpoints that refuse streams.
const (
	simEndpoint       = "ocid1.generativeaiendpoint.oc1.us-chicago-1.aaaaaaaawhole"
	simCohereEndpoint = "ocid1.generativeaiendpoint.oc1.us-chicago-1.aaaaaaaacohere"
)

const simUser, simTenancy = "ocid1.user.oc1..aaaaaaaauser", "ocid1.tenancy.oc1..aaaaaaaatenancy"

// simKey is the user's key at every simulator of the tests.
var simKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newCloud(t *testing.T) *cloud {
	t.Helper()
	key, err := simKey()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint, err := auth.Fingerprint(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := ocisim.New(ocisim.Options{
		APIKeys: []string{"sk-genai"}, Seed: 1,
		Scenario: &ocisim.Scenario{Endpoints: []ocisim.Endpoint{
			{ID: simEndpoint, Model: "meta.llama-3.3-70b-instruct", NoStream: true}, {ID: simCohereEndpoint, Model: "cohere.command-latest", NoStream: true},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sim.AddKey(simTenancy+"/"+simUser+"/"+fingerprint, &key.PublicKey)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &cloud{sim: sim, url: server.URL, factory: New(Options{}), keyFile: file}
}

func (c *cloud) open(t *testing.T, model string, more ...string) *Deployment {
	t.Helper()
	params := append([]string{"model: oci/" + model, "api_base: " + c.url, "oci_user: " + simUser, "oci_tenancy: " + simTenancy, "oci_key_file: " + c.keyFile, "drop_params: true"}, more...)
	d, err := c.factory.Open(readSpec(t, strings.Join(params, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return d.(*Deployment)
}

// simModels are the six aliases of the sample, and one of each other kind of format and vendor.
var simModels = []string{
	"cohere.command-latest", "xai.grok-4.20-reasoning", "openai.gpt-5-mini", "meta.llama-4-maverick-17b-128e-instruct-fp8", "google.gemini-2.5-flash",
	"cohere.command-a-03-2025", "cohere.command-a-vision-07-2025", "openai.gpt-oss-120b", "meta.llama-3.3-70b-instruct", "xai.grok-3-mini", "xai.grok-4.3",
}

// completion is what the tests read of an answer.
type completion struct {
	Choices []completionChoice `json:"choices"`
	Usage   struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
}

type completionChoice struct {
	Message struct {
		Content   string         `json:"content"`
		ToolCalls []completeCall `json:"tool_calls"`
	} `json:"message"`
	Delta struct {
		Content   string         `json:"content"`
		ToolCalls []completeCall `json:"tool_calls"`
	} `json:"delta"`
	Finish string `json:"finish_reason"`
}

type completeCall struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

func (c *cloud) chat(t *testing.T, d *Deployment, body string) completion {
	t.Helper()
	resp, err := d.Chat(t.Context(), parseRequest(t, body))
	if err != nil {
		t.Fatal(err)
	}
	var out completion
	if err := json.Unmarshal(resp.Body, &out); err != nil || len(out.Choices) == 0 {
		t.Fatalf("%v: %s", err, resp.Body)
	}
	return out
}

// gathered puts a stream's chunks together as OpenAI's SDKs do, and counts the ends.
func gathered(t *testing.T, lines []string) (out completion, finishes int) {
	t.Helper()
	out.Choices = make([]completionChoice, 1)
	whole := &out.Choices[0]
	for _, line := range lines {
		var chunk completion
		if err := json.Unmarshal([]byte(line), &chunk); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if len(chunk.Choices) == 0 {
			out.Usage = chunk.Usage
		}
		for _, choice := range chunk.Choices {
			whole.Message.Content += choice.Delta.Content
			if choice.Finish != "" {
				whole.Finish = choice.Finish
				finishes++
			}
			for _, call := range choice.Delta.ToolCalls {
				for len(whole.Message.ToolCalls) <= call.Index {
					whole.Message.ToolCalls = append(whole.Message.ToolCalls, completeCall{Index: call.Index})
				}
				at := &whole.Message.ToolCalls[call.Index]
				if call.ID != "" {
					at.ID, at.Function.Name = call.ID, call.Function.Name
				}
				at.Function.Arguments += call.Function.Arguments
			}
		}
	}
	return out, finishes
}

func TestEndToEnd_Chat(t *testing.T) {
	c := newCloud(t)
	for _, model := range simModels {
		t.Run(model, func(t *testing.T) {
			d := c.open(t, model)
			body := `{"model":"a","max_tokens":2000,"temperature":0.2,"top_p":0.9,"messages":[{"role":"system","content":"Answer in one word."},{"role":"user","content":"What is the capital of Italy?"}]}`
			whole := c.chat(t, d, body)
			if !strings.Contains(whole.Choices[0].Message.Content, "Rome") || whole.Choices[0].Finish != "stop" || whole.Usage.Prompt == 0 || whole.Usage.Completion == 0 {
				t.Errorf("whole: %+v", whole)
			}
			got := ask(t, d, parseRequest(t, body), true)
			if got.err != "" {
				t.Fatal(got.err)
			}
			streamed, finishes := gathered(t, got.lines)
			if streamed.Choices[0].Message.Content != whole.Choices[0].Message.Content || finishes != 1 || streamed.Choices[0].Finish != "stop" || streamed.Usage != whole.Usage {
				t.Errorf("streamed: %d finishes, %+v\nwhole: %+v", finishes, streamed, whole)
			}
		})
	}
}

// A whole tool loop: two calls asked for, results given back under the ids that came, an answer in text.
func TestEndToEnd_Tools(t *testing.T) {
	c := newCloud(t)
	const tools = `"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object","properties":{"location":{"type":"string","description":"city"}},"required":["location"]}}}],"tool_choice":"auto","max_tokens":2000`
	for _, model := range simModels {
		t.Run(model, func(t *testing.T) {
			d := c.open(t, model)
			question := `{"role":"user","content":"What is the weather in Tokyo?"}`
			body := `{"model":"a",` + tools + `,"messages":[` + question + `]}`
			whole := c.chat(t, d, body)
			got := ask(t, d, parseRequest(t, body), true)
			if got.err != "" {
				t.Fatal(got.err)
			}
			streamed, finishes := gathered(t, got.lines)
			if finishes != 1 {
				t.Errorf("%d finishes", finishes)
			}
			for kind, out := range map[string]completion{"whole": whole, "streamed": streamed} {
				calls := out.Choices[0].Message.ToolCalls
				if len(calls) == 0 || calls[0].Function.Name != "get_weather" || calls[0].ID == "" || out.Choices[0].Finish != "tool_calls" {
					t.Fatalf("%s: %+v\n%s", kind, out, strings.Join(got.lines, "\n"))
				}
				var args struct {
					Location string `json:"location"`
				}
				if err := json.Unmarshal([]byte(calls[0].Function.Arguments), &args); err != nil || args.Location == "" {
					t.Errorf("%s: arguments %s: %v", kind, calls[0].Function.Arguments, err)
				}
			}
			history := question + `,{"role":"assistant","content":"","tool_calls":[`
			results := ""
			for i, call := range whole.Choices[0].Message.ToolCalls {
				if i > 0 {
					history += ","
				}
				history += string(mustJSON(map[string]any{"id": call.ID, "type": "function", "function": map[string]string{"name": call.Function.Name, "arguments": call.Function.Arguments}}))
				results += "," + string(mustJSON(map[string]string{"role": "tool", "tool_call_id": call.ID, "content": "21 degrees and sunny"}))
			}
			answer := c.chat(t, d, `{"model":"a",`+tools+`,"messages":[`+history+`]}`+results+`]}`)
			if answer.Choices[0].Message.Content == "" {
				t.Errorf("after the results: %+v", answer)
			}
		})
	}
}

func TestEndToEnd_EmbedAndRerank(t *testing.T) {
	c := newCloud(t)
	embed := func(input string) []float64 {
		t.Helper()
		r, err := openai.ParseRequest(openai.OpEmbedding, []byte(`{"model":"a","input":`+input+`,"dimensions":512}`))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.open(t, "cohere.embed-v4.0").Embed(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Data []struct {
				Embedding []float64 `json:"embedding"`
			} `json:"data"`
		}
		if err := json.Unmarshal(resp.Body, &out); err != nil || len(out.Data) != 1 {
			t.Fatalf("%v: %s", err, resp.Body)
		}
		return out.Data[0].Embedding
	}
	text, tokens := embed(`"hello world"`), embed(`[15339,1917]`)
	if len(text) != 512 || len(tokens) != 512 || text[0] != tokens[0] || text[511] != tokens[511] {
		t.Errorf("%d and %d dimensions", len(text), len(tokens))
	}

	r, err := openai.ParseRequest(openai.OpRerank, []byte(`{"model":"a","query":"capital of Italy","documents":["Bananas are yellow.","Rome is the capital of Italy."],"top_n":1}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.open(t, "cohere.rerank-v4.0-fast").Rerank(t.Context(), r)
	if err != nil || !strings.Contains(string(resp.Body), `"results":[{"index":1,`) {
		t.Errorf("%v: %+v", err, resp)
	}
}

func TestEndToEnd_OpenAISurface(t *testing.T) {
	c := newCloud(t)
	const body = `{"model":"a","max_tokens":2000,"messages":[{"role":"user","content":"What is the capital of Italy?"}]}`
	for name, more := range map[string]string{"bearer": "api_key: sk-genai", "signed": "oci_surface: openai"} {
		d := c.open(t, "xai.grok-4.20-reasoning", more)
		if out := c.chat(t, d, body); !strings.Contains(out.Choices[0].Message.Content, "Rome") {
			t.Errorf("%s: %+v", name, out)
		}
		got := ask(t, d, parseRequest(t, body), true)
		if out, finishes := gathered(t, got.lines); got.err != "" || finishes != 1 || !strings.Contains(out.Choices[0].Message.Content, "Rome") {
			t.Errorf("%s: %s %+v", name, got.err, out)
		}
	}
}

// A model that does not exist is a 404 that falls back, and says what to check.
func TestEndToEnd_UnknownModel(t *testing.T) {
	c := newCloud(t)
	_, err := c.open(t, "xai.grok-NONEXISTENT-9999").Chat(t.Context(), parseRequest(t, hello))
	if e := upstreamError(t, err); e.Status != 404 || !strings.Contains(e.Message, "model not found") || !strings.Contains(e.Message, "opc-request-id") {
		t.Errorf("%v", e)
	}
}

func TestEndToEnd_WrongKey(t *testing.T) {
	c := newCloud(t)
	d := c.open(t, "xai.grok-4", "oci_fingerprint: 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff")
	_, err := d.Chat(t.Context(), parseRequest(t, hello))
	if e := upstreamError(t, err); e.Status != 401 {
		t.Errorf("%v", e)
	}
}
