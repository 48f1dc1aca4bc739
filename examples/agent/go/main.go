// Command agent is the agent companion: a small agent on the official OpenAI SDK, whose model is an alias of the gateway.
//
// The program knows an address, a key and the name of an alias. It holds no cloud credential: the gateway signs the calls.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const banner = `Agent companion: an agent on a model behind the gateway.

  agent  -- virtual key -->  gateway  -- signed by OCI's rules -->  OCI Generative AI

  LITELLM_GATEWAY_URL    %s
  LITELLM_GATEWAY_KEY    %s
  LITELLM_GATEWAY_MODEL  %s

`

const howTo = `Not set: %s. Nothing was called. For example:

  export LITELLM_GATEWAY_URL=http://127.0.0.1:4000
  export LITELLM_GATEWAY_KEY=sk-...    # a virtual key, or the master key
`

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// run prints the wiring and, where there is one, talks to the gateway.
func run(ctx context.Context) error {
	url := strings.TrimRight(os.Getenv("LITELLM_GATEWAY_URL"), "/")
	key := os.Getenv("LITELLM_GATEWAY_KEY")
	alias := cmp.Or(os.Getenv("LITELLM_GATEWAY_MODEL"), "oci-cohere-command")
	var missing []string
	keyState := "set"
	if url == "" {
		missing = append(missing, "LITELLM_GATEWAY_URL")
	}
	if key == "" {
		missing, keyState = append(missing, "LITELLM_GATEWAY_KEY"), "not set"
	}
	fmt.Printf(banner, cmp.Or(url, "not set"), keyState, alias)
	if len(missing) > 0 {
		fmt.Printf(howTo, strings.Join(missing, ", "))
		return nil
	}
	client := openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key))
	if err := check(ctx, client, url, alias); err != nil {
		return err
	}
	return converse(ctx, agent{client: client, model: alias})
}

// check asks the gateway for its models, in 5 seconds at most: it is there, takes the key, and has the alias.
func check(ctx context.Context, client openai.Client, url, alias string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	page, err := client.Models.List(ctx, option.WithMaxRetries(0))
	if _, refused := errors.AsType[*openai.Error](err); refused {
		return fmt.Errorf("%s/v1/models answered %s", url, reason(err))
	}
	if err != nil {
		return fmt.Errorf("no gateway answers at %s: %s", url, reason(err))
	}
	var aliases []string
	for _, m := range page.Data {
		aliases = append(aliases, m.ID)
	}
	fmt.Printf("models: %s\n\n", strings.Join(aliases, ", "))
	if !slices.Contains(aliases, alias) {
		return fmt.Errorf("the gateway has no model %s for this key", alias)
	}
	return nil
}

// converse runs two prompts, one with a tool, and one that is streamed.
func converse(ctx context.Context, plain agent) error {
	plain.system = "Answer in a single sentence."
	equipped := plain
	equipped.system, equipped.tools = "Be brief.", []tool{weather}
	for _, step := range []struct {
		agent  agent
		prompt string
	}{
		{plain, "What is the capital of Japan?"},
		{plain, "What is 7 x 8?"},
		{equipped, "What is the weather in Tokyo?"},
	} {
		fmt.Println(">", step.prompt)
		answer, metrics, err := step.agent.ask(ctx, step.prompt)
		if err != nil {
			return fmt.Errorf("the gateway refused the prompt: %s", reason(err))
		}
		fmt.Printf("%s\n  %s\n\n", answer, metrics)
	}
	const prompt = "What is the capital of Norway?"
	fmt.Println(">", prompt, "(streamed)")
	chunks, err := plain.stream(ctx, prompt)
	if err != nil {
		return fmt.Errorf("the stream broke off: %s", reason(err))
	}
	fmt.Printf("\n  chunks %d\n", chunks)
	return nil
}

// weather is the tool of the example.
var weather = tool{
	definition: openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name:        "get_weather",
		Description: openai.String("Get the weather at a location."),
		Parameters: openai.FunctionParameters{
			"type":       "object",
			"properties": map[string]any{"location": map[string]any{"type": "string"}},
			"required":   []string{"location"},
		},
	}),
	call: func(arguments string) string {
		var a struct{ Location string }
		if err := json.Unmarshal([]byte(arguments), &a); err != nil {
			return "The arguments are not JSON: " + err.Error()
		}
		return fmt.Sprintf("It is 17 degrees in %s.", a.Location)
	},
}

// reason is an error in one line. That of a refusal is the gateway's own message, which the SDK's Error does not show.
func reason(err error) string {
	text := err.Error()
	if refused, ok := errors.AsType[*openai.Error](err); ok {
		text = fmt.Sprintf("%d: %s", refused.StatusCode, refused.Message)
	}
	return strings.Join(strings.Fields(text), " ")
}
