package e2e_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

func TestDemoAnswersTheFirstChat(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(binary, "demo", "--port", "0", "--check").Output()
	if err != nil {
		t.Fatal(err)
	}
	if first := strings.Fields(string(out))[0]; !strings.HasPrefix(first, "sk-") {
		t.Errorf("the first word is %q, want the master key", first)
	}
	if !strings.Contains(string(out), "oci-cohere-command: Rome.") {
		t.Errorf("no Rome in:\n%s", out)
	}
}

func TestSixModels(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	g := serve(t, env, sample(t))
	for _, model := range []string{"oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"} {
		t.Run(model, func(t *testing.T) {
			r, err := g.post("/v1/chat/completions", ask(model, "What is the capital of Italy?", obj{"temperature": 0.2, "top_p": 0.9, "max_tokens": 400}))
			must(t, r, err)
			if !strings.Contains(content(t, r), "Rome") {
				t.Errorf("answer: %s", r.body)
			}
			if got := r.json(t)["model"]; got != model {
				t.Errorf("model %v, want the alias", got)
			}
			if r.header.Get("x-litellm-response-cost") == "" {
				t.Error("no cost")
			}
			streamed := stream(t, g, ask(model, "What is the capital of Italy?", obj{"stream": true, "stream_options": obj{"include_usage": true}}))
			if !strings.Contains(streamed.content, "Rome") || streamed.finishes != 1 || streamed.ids != 1 || !streamed.done || streamed.usage["total_tokens"] == nil {
				t.Errorf("stream: %+v", streamed)
			}
		})
	}
	t.Run("oci-cohere-embed", func(t *testing.T) {
		r, err := g.post("/v1/embeddings", obj{"model": "oci-cohere-embed", "input": []string{"a", "b", "c"}})
		must(t, r, err)
		if data := r.json(t)["data"].([]any); len(data) != 3 || len(data[2].(map[string]any)["embedding"].([]any)) != 1536 {
			t.Errorf("embeddings: %.300s", r.body)
		}
	})
	t.Run("the broken alias falls back", func(t *testing.T) {
		r, err := g.post("/v1/chat/completions", ask("oci-broken-demo", "What is the capital of Italy?"))
		must(t, r, err)
		if r.json(t)["model"] != "cohere.command-latest" || content(t, r) != "Rome." {
			t.Errorf("%s", r.body)
		}
	})
	t.Run("a list of models", func(t *testing.T) {
		r, err := g.send("GET", "/v1/models", "")
		must(t, r, err)
		if n := len(r.json(t)["data"].([]any)); n != 7 {
			t.Errorf("%d models: %s", n, r.body)
		}
	})
	t.Run("health", func(t *testing.T) {
		r, err := g.send("GET", "/health", "")
		must(t, r, err)
		if v := r.json(t); v["healthy_count"] != 6.0 || v["unhealthy_count"] != 1.0 {
			t.Errorf("%s", r.body)
		}
	})
}

// streamed is what a client makes of a stream.
type streamed struct {
	content   string
	reasoning string
	tools     []toolCall
	finish    string
	finishes  int
	ids       int
	usage     obj
	done      bool
	err       obj
}

type toolCall struct{ id, name, arguments string }

// stream reads a stream as OpenAI's SDKs do: tool calls by index, a later id or name overwrites, arguments add up.
func stream(t *testing.T, g *process, body obj) streamed {
	t.Helper()
	r, err := g.post("/v1/chat/completions", body)
	must(t, r, err)
	var s streamed
	ids := map[any]bool{}
	for _, event := range strings.Split(string(r.body), "\n\n") {
		text, ok := strings.CutPrefix(event, "data: ")
		if !ok {
			continue
		}
		if s.done {
			t.Errorf("an event after [DONE]: %s", event)
		}
		if text == "[DONE]" {
			s.done = true
			continue
		}
		var chunk struct {
			ID      string `json:"id"`
			Error   obj    `json:"error"`
			Usage   obj    `json:"usage"`
			Choices []struct {
				Delta struct {
					Content   string `json:"content"`
					Reasoning string `json:"reasoning_content"`
					ToolCalls []struct {
						Index    int    `json:"index"`
						ID       string `json:"id"`
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
				} `json:"delta"`
				Finish *string `json:"finish_reason"`
			} `json:"choices"`
		}
		if err := json.Unmarshal([]byte(text), &chunk); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if chunk.Error != nil {
			s.err = chunk.Error
			continue
		}
		ids[chunk.ID] = true
		if chunk.Usage != nil {
			s.usage = chunk.Usage
			if len(chunk.Choices) != 0 {
				t.Errorf("usage in a chunk with choices: %s", text)
			}
		}
		for _, c := range chunk.Choices {
			s.content += c.Delta.Content
			s.reasoning += c.Delta.Reasoning
			for _, call := range c.Delta.ToolCalls {
				for len(s.tools) <= call.Index {
					s.tools = append(s.tools, toolCall{})
				}
				have := &s.tools[call.Index]
				if call.ID != "" {
					have.id = call.ID
				}
				if call.Function.Name != "" {
					have.name = call.Function.Name
				}
				have.arguments += call.Function.Arguments
			}
			if c.Finish != nil {
				s.finish = *c.Finish
				s.finishes++
			}
		}
	}
	s.ids = len(ids)
	return s
}

var weather = obj{"tools": []obj{{"type": "function", "function": obj{
	"name": "get_weather", "description": "Weather of a location",
	"parameters": obj{"type": "object", "properties": obj{"location": obj{"type": "string"}}, "required": []string{"location"}},
}}}}

func TestToolsOfEveryVendor(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	g := serve(t, env, sample(t))
	for _, model := range []string{"oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"} {
		t.Run(model, func(t *testing.T) {
			s := stream(t, g, ask(model, "What is the weather in Tokyo?", weather, obj{"stream": true}))
			if s.finish != "tool_calls" || len(s.tools) != 1 || s.tools[0].name != "get_weather" || s.tools[0].id == "" || s.usage != nil {
				t.Fatalf("stream: %+v", s)
			}
			checkLocation(t, s.tools[0].arguments)

			r, err := g.post("/v1/chat/completions", ask(model, "What is the weather in Tokyo?", weather))
			must(t, r, err)
			choice := r.json(t)["choices"].([]any)[0].(map[string]any)
			calls, _ := choice["message"].(map[string]any)["tool_calls"].([]any)
			if choice["finish_reason"] != "tool_calls" || len(calls) != 1 {
				t.Fatalf("%s", r.body)
			}
			call := calls[0].(map[string]any)
			checkLocation(t, call["function"].(map[string]any)["arguments"].(string))

			// The second turn: the result of the call goes back, and the answer speaks of it.
			second := ask(model, "What is the weather in Tokyo?", weather)
			second["messages"] = append(second["messages"].([]obj),
				obj{"role": "assistant", "content": "", "tool_calls": calls},
				obj{"role": "tool", "tool_call_id": call["id"], "content": "21 degrees and sunny"})
			r, err = g.post("/v1/chat/completions", second)
			must(t, r, err)
			if !strings.Contains(content(t, r), "21 degrees") {
				t.Errorf("second turn: %s", r.body)
			}
		})
	}
}

func checkLocation(t *testing.T, arguments string) {
	t.Helper()
	var args struct{ Location string }
	if err := json.Unmarshal([]byte(arguments), &args); err != nil || args.Location != "Tokyo" {
		t.Errorf("arguments %q: %v", arguments, err)
	}
}

func TestStructuredOutputOfEveryVendor(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	g := serve(t, env, sample(t))
	schema := obj{
		"type": "object", "additionalProperties": false, "required": []string{"city", "place"},
		"properties": obj{"city": obj{"type": "string"}, "place": obj{"$ref": "#/$defs/Place"}},
		"$defs":      obj{"Place": obj{"type": "object", "additionalProperties": false, "required": []string{"country"}, "properties": obj{"country": obj{"type": "string"}}}},
	}
	format := obj{"response_format": obj{"type": "json_schema", "json_schema": obj{"name": "answer", "strict": true, "schema": schema}}}
	for _, model := range []string{"oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"} {
		t.Run(model, func(t *testing.T) {
			r, err := g.post("/v1/chat/completions", ask(model, "Where is the Eiffel tower?", format))
			must(t, r, err)
			var v struct {
				City  *string
				Place *struct{ Country *string }
			}
			if err := json.Unmarshal([]byte(content(t, r)), &v); err != nil || v.City == nil || v.Place == nil || v.Place.Country == nil {
				t.Errorf("%v: %s", err, r.body)
			}
		})
	}
}

func TestDroppedParametersAreNamed(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	body := ask("oci-gpt5-mini", "Hello", obj{"temperature": 0.3, "logit_bias": obj{"1": 2}, "top_p": 0.5})
	g := serve(t, env, sample(t))
	r, err := g.post("/v1/chat/completions", body)
	must(t, r, err)
	if got := r.header.Get("x-tollgate-dropped-params"); !strings.Contains(got, "temperature") || !strings.Contains(got, "top_p") {
		t.Errorf("x-tollgate-dropped-params: %q", got)
	}
	strict := serve(t, env, strings.Replace(sample(t), "drop_params: true", "drop_params: false", 1))
	r, err = strict.post("/v1/chat/completions", body)
	if err != nil || r.status != 400 || !strings.Contains(string(r.body), "UnsupportedParamsError") || !strings.Contains(string(r.body), "temperature") {
		t.Errorf("%v %d: %s", err, r.status, r.body)
	}
}

func TestRerank(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	config := strings.Replace(sample(t), "model_list:\n", "model_list:\n  - model_name: oci-rerank\n    litellm_params: {model: oci/cohere.rerank-v4.0-pro, <<: *oci}\n", 1)
	g := serve(t, env, config)
	r, err := g.post("/v1/rerank", obj{"model": "oci-rerank", "query": "capital of France", "documents": []any{"Bread is food", obj{"text": "Paris is the capital of France"}, "Cats purr"}, "top_n": 2, "return_documents": true})
	must(t, r, err)
	results := r.json(t)["results"].([]any)
	first := results[0].(map[string]any)
	if len(results) != 2 || first["index"] != 1.0 || first["document"] == nil {
		t.Errorf("%s", r.body)
	}
}

func TestMockAnswersForTheMasterKey(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	g := serve(t, env, sample(t))
	r, err := g.post("/v1/chat/completions", ask("oci-grok", "x", obj{"mock_response": "made up"}))
	must(t, r, err)
	if content(t, r) != "made up" {
		t.Errorf("%s", r.body)
	}
	r, err = g.post("/v1/chat/completions", ask("oci-grok", "What is the capital of Italy?", obj{"mock_testing_fallbacks": true}))
	must(t, r, err)
	if r.json(t)["model"] != "cohere.command-latest" {
		t.Errorf("%s", r.body)
	}
}
