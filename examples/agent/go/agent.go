package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
)

// maxTurns bounds how often an agent may call tools before it must have answered.
const maxTurns = 5

// agent is a model with instructions and tools.
type agent struct {
	client openai.Client
	model  string
	system string
	tools  []tool
}

// tool is something that the model may call. Its answer goes back to the model as it is.
type tool struct {
	definition openai.ChatCompletionToolUnionParam
	call       func(arguments string) string
}

// metrics add up over the turns of one prompt.
type metrics struct{ promptTokens, completionTokens, toolCalls int64 }

func (m metrics) String() string {
	s := fmt.Sprintf("prompt tokens %d, completion tokens %d", m.promptTokens, m.completionTokens)
	if m.toolCalls > 0 {
		s += fmt.Sprintf(", tool calls %d", m.toolCalls)
	}
	return s
}

// ask puts a prompt to the model and runs the tools it calls until it answers.
func (a agent) ask(ctx context.Context, prompt string) (string, metrics, error) {
	var m metrics
	request := a.request(prompt)
	for range maxTurns {
		reply, err := a.client.Chat.Completions.New(ctx, request)
		if err != nil {
			return "", m, err
		}
		m.promptTokens += reply.Usage.PromptTokens
		m.completionTokens += reply.Usage.CompletionTokens
		if len(reply.Choices) == 0 {
			return "", m, errors.New("the answer has no choices")
		}
		message := reply.Choices[0].Message
		if len(message.ToolCalls) == 0 {
			return message.Content, m, nil
		}
		request.Messages = append(request.Messages, message.ToParam())
		for _, call := range message.ToolCalls {
			m.toolCalls++
			result := a.run(call.Function.Name, call.Function.Arguments)
			request.Messages = append(request.Messages, openai.ToolMessage(result, call.ID))
		}
	}
	return "", m, fmt.Errorf("no answer after %d turns", maxTurns)
}

// run calls the tool of a name.
func (a agent) run(name, arguments string) string {
	for _, t := range a.tools {
		if f := t.definition.GetFunction(); f != nil && f.Name == name {
			return t.call(arguments)
		}
	}
	return "There is no tool " + name + "."
}

// stream puts a prompt to the model and prints the answer as it comes. It returns how many pieces that were.
func (a agent) stream(ctx context.Context, prompt string) (chunks int, err error) {
	stream := a.client.Chat.Completions.NewStreaming(ctx, a.request(prompt))
	defer func() { err = errors.Join(err, stream.Close()) }()
	for stream.Next() {
		for _, choice := range stream.Current().Choices {
			if choice.Delta.Content != "" {
				chunks++
				fmt.Print(choice.Delta.Content)
			}
		}
	}
	return chunks, stream.Err()
}

func (a agent) request(prompt string) openai.ChatCompletionNewParams {
	request := openai.ChatCompletionNewParams{
		Model:    a.model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(a.system), openai.UserMessage(prompt)},
		// Room for models that think before they answer.
		MaxTokens:   openai.Int(600),
		Temperature: openai.Float(0.2),
	}
	for _, t := range a.tools {
		request.Tools = append(request.Tools, t.definition)
	}
	return request
}
