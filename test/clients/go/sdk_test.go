// Package clients runs the official OpenAI SDK for Go against a gateway, which TOLLGATE_URL and TOLLGATE_KEY name.
package clients

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

var chat = []string{"oci-cohere-command", "oci-grok", "oci-gpt5-mini", "oci-llama-4-maverick", "oci-gemini-2.5-flash"}

func newClient(t *testing.T, options ...option.RequestOption) openai.Client {
	t.Helper()
	url, key := os.Getenv("TOLLGATE_URL"), os.Getenv("TOLLGATE_KEY")
	if url == "" || key == "" {
		t.Fatal("TOLLGATE_URL and TOLLGATE_KEY are not set")
	}
	defaults := []option.RequestOption{option.WithBaseURL(url + "/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)}
	return openai.NewClient(append(defaults, options...)...)
}

func request(model, question string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(question)},
	}
}

func TestChat(t *testing.T) {
	client := newClient(t)
	for _, model := range chat {
		t.Run(model, func(t *testing.T) {
			reply, err := client.Chat.Completions.New(t.Context(), request(model, "What is the capital of Italy?"))
			if err != nil {
				t.Fatal(err)
			}
			if got := reply.Choices[0].Message.Content; got != "Rome." {
				t.Errorf("the answer is %q, want Rome.", got)
			}
			if u := reply.Usage; reply.Model != model || u.PromptTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
				t.Errorf("model %s, usage %+v", reply.Model, u)
			}
		})
	}
}

func TestStream(t *testing.T) {
	client := newClient(t)
	for _, model := range chat {
		t.Run(model, func(t *testing.T) {
			params := request(model, "What is the capital of Italy?")
			params.StreamOptions.IncludeUsage = openai.Bool(true)
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			var whole openai.ChatCompletionAccumulator
			for stream.Next() {
				if !whole.AddChunk(stream.Current()) {
					t.Fatalf("the accumulator refuses %s", stream.Current().RawJSON())
				}
			}
			if err := errors.Join(stream.Err(), stream.Close()); err != nil {
				t.Fatal(err)
			}
			if got := whole.Choices[0].Message.Content; got != "Rome." || whole.Usage.TotalTokens == 0 {
				t.Errorf("the answer is %q, usage %+v", got, whole.Usage)
			}
		})
	}
}

func TestTool(t *testing.T) {
	client := newClient(t)
	location := map[string]any{"location": map[string]any{"type": "string"}}
	weather := openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name:        "get_weather",
		Description: openai.String("Get the weather at a location"),
		Parameters:  openai.FunctionParameters{"type": "object", "properties": location, "required": []string{"location"}},
	})
	for _, model := range chat {
		t.Run(model, func(t *testing.T) {
			params := request(model, "What is the weather in Tokyo?")
			params.Tools = []openai.ChatCompletionToolUnionParam{weather}
			asked, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			calls := asked.Choices[0].Message.ToolCalls
			if len(calls) != 1 || calls[0].Function.Name != "get_weather" || asked.Choices[0].FinishReason != "tool_calls" {
				t.Fatalf("the model answered %s", asked.RawJSON())
			}
			var arguments struct{ Location string }
			if err := json.Unmarshal([]byte(calls[0].Function.Arguments), &arguments); err != nil || arguments.Location != "Tokyo" {
				t.Errorf("the arguments are %s (%v)", calls[0].Function.Arguments, err)
			}
			params.Messages = append(params.Messages, asked.Choices[0].Message.ToParam(), openai.ToolMessage("17 degrees in Tokyo", calls[0].ID))
			answered, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			if got := answered.Choices[0].Message.Content; !strings.Contains(got, "17 degrees in Tokyo") {
				t.Errorf("the answer is %q", got)
			}
		})
	}
}

func TestEmbeddings(t *testing.T) {
	client := newClient(t)
	reply, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "oci-cohere-embed",
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"harbour", "mountain"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Data) != 2 || len(reply.Data[0].Embedding) != 1536 || len(reply.Data[1].Embedding) != 1536 {
		t.Errorf("got %d vectors", len(reply.Data))
	}
}

func TestErrorsKeepTheGatewaysText(t *testing.T) {
	for _, c := range []struct {
		name, model, key, text string
		status                 int
	}{
		{"a key that nobody knows", chat[0], "sk-stranger", "Authentication Error", http.StatusUnauthorized},
		{"an alias that nobody knows", "none", os.Getenv("TOLLGATE_KEY"), "none", http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, option.WithAPIKey(c.key))
			_, err := client.Chat.Completions.New(t.Context(), request(c.model, "Hello"))
			refused, ok := errors.AsType[*openai.Error](err)
			if !ok {
				t.Fatalf("the error is %v", err)
			}
			if refused.StatusCode != c.status || !strings.Contains(refused.Message, c.text) {
				t.Errorf("got %d %q, want %d with %q", refused.StatusCode, refused.Message, c.status, c.text)
			}
		})
	}
}
