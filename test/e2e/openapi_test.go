package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// openAISchema compiles one component of OpenAI's own OpenAPI description. The description is not part of this
// repository: OPENAI_OPENAPI names its file, or it lies as openapi/openapi.json in a folder beside the checkout.
func openAISchema(t *testing.T) func(component string) *jsonschema.Schema {
	t.Helper()
	files := []string{os.Getenv("OPENAI_OPENAPI")}
	if files[0] == "" {
		var err error
		if files, err = filepath.Glob("../../../*/openapi/openapi.json"); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Skip("OpenAI's OpenAPI description is not here; name its openapi.json in OPENAI_OPENAPI")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	allowNull(doc)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openai.json", doc); err != nil {
		t.Fatal(err)
	}
	return func(component string) *jsonschema.Schema {
		s, err := c.Compile("openai.json#/components/schemas/" + component)
		if err != nil {
			t.Fatalf("%s: %v", component, err)
		}
		return s
	}
}

// allowNull turns nullable, which the description still uses although OpenAPI 3.1 has dropped it, into JSON Schema.
func allowNull(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			allowNull(item)
		}
	case map[string]any:
		if v["nullable"] == true {
			if typ, ok := v["type"].(string); ok {
				v["type"] = []any{typ, "null"}
			}
			if enum, ok := v["enum"].([]any); ok {
				v["enum"] = append(enum, nil)
			}
		}
		for _, item := range v {
			allowNull(item)
		}
	}
}

// TestAnswersFitOpenAIsDescription validates replies, chunks and errors of every vendor. There are no differences to
// list: whatever does not fit fails.
func TestAnswersFitOpenAIsDescription(t *testing.T) {
	t.Parallel()
	schema := openAISchema(t)
	_, env := sim(t)
	p := serve(t, env, sample(t))
	said := map[string]bool{} // a stream repeats one difference in each chunk
	check := func(t *testing.T, component string, text []byte) {
		t.Helper()
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if err := schema(component).Validate(v); err != nil {
			_, where, _ := strings.Cut(err.Error(), "\n")
			if key := component + t.Name() + where; !said[key] {
				said[key] = true
				t.Errorf("%s: %s\n%s", component, where, text)
			}
		}
	}
	for _, model := range []string{"oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"} {
		for name, more := range map[string]obj{"text": {}, "tools": weather, "JSON": {"response_format": obj{"type": "json_object"}}, "logprobs": {"logprobs": true, "top_logprobs": 2}} {
			t.Run(model+" "+name, func(t *testing.T) {
				r, err := p.post("/v1/chat/completions", ask(model, "What is the weather in Tokyo, as JSON?", more))
				must(t, r, err)
				check(t, "CreateChatCompletionResponse", r.body)
				r, err = p.post("/v1/chat/completions", ask(model, "What is the weather in Tokyo, as JSON?", more, obj{"stream": true, "stream_options": obj{"include_usage": true}}))
				must(t, r, err)
				for _, event := range strings.Split(string(r.body), "\n\n") {
					if data, ok := strings.CutPrefix(event, "data: "); ok && data != "[DONE]" {
						check(t, "CreateChatCompletionStreamResponse", []byte(data))
					}
				}
			})
		}
	}
	t.Run("completion", func(t *testing.T) {
		r, err := p.post("/v1/completions", obj{"model": "oci-cohere-command", "prompt": "Say hello"})
		must(t, r, err)
		check(t, "CreateCompletionResponse", r.body)
	})
	t.Run("embedding", func(t *testing.T) {
		r, err := p.post("/v1/embeddings", obj{"model": "oci-cohere-embed", "input": "hello"})
		must(t, r, err)
		check(t, "CreateEmbeddingResponse", r.body)
	})
	t.Run("models", func(t *testing.T) {
		r, err := p.send("GET", "/v1/models", "")
		must(t, r, err)
		check(t, "ListModelsResponse", r.body)
	})
	t.Run("errors", func(t *testing.T) {
		for _, body := range []any{ask("nope", "x"), obj{"model": "oci-grok"}, ask("oci-grok", "x", obj{"api_key": "x"}), ask("oci-grok", "x", obj{"messages": []obj{{"role": "nobody", "content": "x"}}})} {
			r, err := p.post("/v1/chat/completions", body)
			if err != nil || r.status < 400 {
				t.Fatalf("%v %d", err, r.status)
			}
			check(t, "ErrorResponse", r.body)
		}
	})
}

// TestOurDescriptionNamesEveryRoute: /openapi.json is made from the route table, so what it names is served.
func TestOurDescriptionNamesEveryRoute(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	r, err := p.send("GET", "/openapi.json", "")
	must(t, r, err)
	var description struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(r.body, &description); err != nil {
		t.Fatal(err)
	}
	if len(description.Paths) < 25 {
		t.Errorf("%d paths", len(description.Paths))
	}
	nowhere, err := p.send("GET", "/there-is-no-such-route", "")
	if err != nil || nowhere.status != 404 {
		t.Fatalf("%v %d", err, nowhere.status)
	}
	unknown := strings.ReplaceAll(string(nowhere.body), "/there-is-no-such-route", "")
	for path, methods := range description.Paths {
		for method := range methods {
			r, err := p.send(strings.ToUpper(method), strings.ReplaceAll(path, "{model}", "oci-grok"), "{}")
			if err != nil {
				t.Fatal(err)
			}
			// An object that does not exist is a 404 as well, of another text.
			if r.status == 405 || r.status == 404 && strings.ReplaceAll(string(r.body), path, "") == unknown {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
	}
}
