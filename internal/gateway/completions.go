package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// This file answers legacy text completions by chat, for providers that have no completions of their own.

// maxPrompts bounds the chat calls that one request for completions may cause.
const maxPrompts = 20

func completionError(param, message string) error {
	return badBody(openai.OpCompletion, &openai.ParseError{Param: param, Message: message})
}

// prompts reads the prompt: a text or a list of texts. Token arrays have no meaning for another model's chat.
func prompts(r *openai.Request) ([]string, error) {
	raw, _ := r.Get("prompt")
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil || len(many) == 0 {
		return nil, completionError("prompt", "Invalid type for 'prompt': this model takes a string or a list of strings.")
	}
	if len(many) > maxPrompts {
		return nil, completionError("prompt", fmt.Sprintf("Too many prompts: at most %d in one call of this model.", maxPrompts))
	}
	return many, nil
}

// neutral are the members of a text completion that a chat does not know, each with the values that ask for nothing.
var neutral = map[string][]string{
	"suffix": {`""`, "null"}, "echo": {"false", "null"}, "best_of": {"1", "null"}, "logprobs": {"0", "null"},
}

func textOnly(name []byte) bool {
	return string(name) == "prompt" || neutral[string(name)] != nil
}

// unsupported names the members that ask for what a chat cannot do. They are refused unless parameters are dropped.
func unsupported(r *openai.Request, drop bool) ([]string, error) {
	var names []string
	for _, m := range r.Members {
		if values := neutral[string(m.Name)]; values != nil && !slices.Contains(values, string(m.Value)) {
			names = append(names, string(m.Name))
		}
	}
	slices.Sort(names)
	if len(names) == 0 || drop {
		return names, nil
	}
	return nil, &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: names[0],
		Message: fmt.Sprintf("litellm.UnsupportedParamsError: this model answers text completions by chat and does not support parameters: ['%s']. "+
			"To drop these, set `litellm.drop_params=True` or for proxy: `litellm_settings: drop_params: true`", strings.Join(names, "', '")),
	}
}

// withDropped adds names to those that the provider has dropped.
func withDropped(meta openai.Meta, names []string) openai.Meta {
	meta.Dropped = slices.Sorted(slices.Values(slices.Concat(meta.Dropped, names)))
	return meta
}

func chatRequest(r *openai.Request, prompt string) (*openai.Request, error) {
	messages := append(append([]byte(`[{"role":"user","content":`), jsonscan.Text(prompt)...), "}]"...)
	body := jsonscan.Splice(r.Body, r.Members, []jsonscan.Field{{Name: "messages", Value: messages}}, textOnly).Bytes()
	return openai.ParseRequest(openai.OpChat, body)
}

type textChoice struct {
	Text         string          `json:"text"`
	Index        int             `json:"index"`
	Logprobs     json.RawMessage `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
}

type textCompletion struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []textChoice    `json:"choices"`
	Usage   json.RawMessage `json:"usage,omitempty"`
}

// chatAnswer is the part of a chat's answer, or of one chunk of it, that a text completion repeats.
type chatAnswer struct {
	ID      string `json:"id"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []struct {
		Index        int       `json:"index"`
		Message      chatDelta `json:"message"`
		Delta        chatDelta `json:"delta"`
		FinishReason *string   `json:"finish_reason"`
	} `json:"choices"`
	Usage json.RawMessage `json:"usage"`
}

type chatDelta struct {
	Content *string `json:"content"`
}

func (d chatDelta) text() string {
	if d.Content == nil {
		return ""
	}
	return *d.Content
}

func completeByChat(ctx context.Context, c provider.Chatter, r *openai.Request, drop bool) (*openai.Response, error) {
	dropped, err := unsupported(r, drop)
	if err != nil {
		return nil, err
	}
	texts, err := prompts(r)
	if err != nil {
		return nil, err
	}
	answers, errs := make([]*openai.Response, len(texts)), make([]error, len(texts))
	group, ctx := errgroup.WithContext(ctx)
	for i, prompt := range texts {
		group.Go(func() error {
			answers[i], errs[i] = chatOnce(ctx, c, r, prompt)
			return errs[i]
		})
	}
	if err := group.Wait(); err != nil {
		return nil, withBilling(err, errs)
	}
	out, err := joinCompletions(answers)
	if err != nil {
		return nil, err
	}
	out.Meta = withDropped(out.Meta, dropped)
	return out, nil
}

// chatOnce answers one prompt, in a goroutine of its own.
func chatOnce(ctx context.Context, c provider.Chatter, r *openai.Request, prompt string) (answer *openai.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, caught(p)
		}
	}()
	chat, err := chatRequest(r, prompt)
	if err != nil {
		return nil, badBody(openai.OpCompletion, err)
	}
	return c.Chat(ctx, chat)
}

// caught is the failure that a panic of a goroutine beside the call's own becomes: unlike the call's own it would end
// the process. The log gets the place but not the value, which may hold what a caller sent.
func caught(p any) error {
	what := fmt.Sprintf("%T", p)
	if e, ok := p.(runtime.Error); ok {
		what = e.Error()
	}
	return apierr.From(fmt.Errorf("panic: %s\n%s", what, debug.Stack()))
}

// withBilling is the failure err of several chats, each of which ended by one of errs. The upstream may bill it when it
// has answered another one, or was at work on one that the failure cut off.
func withBilling(err error, errs []error) error {
	var failed *provider.UpstreamError
	if !errors.As(err, &failed) || !slices.ContainsFunc(errs, maybeBilled) {
		return err
	}
	billed := *failed
	billed.Billed = provider.MaybeBilled
	return &billed
}

func maybeBilled(err error) bool {
	var failed *provider.UpstreamError
	return err == nil || errors.Is(err, context.Canceled) || errors.As(err, &failed) && failed.Billed == provider.MaybeBilled
}

// joinCompletions numbers the choices through and adds the token counts up.
func joinCompletions(answers []*openai.Response) (*openai.Response, error) {
	out := textCompletion{Object: "text_completion", Choices: []textChoice{}}
	var sum openai.Usage
	for i, a := range answers {
		var chat chatAnswer
		if err := json.Unmarshal(a.Body, &chat); err != nil {
			return nil, fmt.Errorf("the upstream's chat answer: %w", err)
		}
		if i == 0 {
			out.ID, out.Created, out.Model = textID(chat.ID), chat.Created, chat.Model
		}
		for _, ch := range chat.Choices {
			out.Choices = append(out.Choices, textChoice{Text: ch.Message.text(), Index: len(out.Choices), FinishReason: ch.FinishReason})
		}
		if u, ok := openai.ParseUsage(chat.Usage); ok {
			sum.PromptTokens += u.PromptTokens
			sum.CompletionTokens += u.CompletionTokens
			sum.TotalTokens += u.TotalTokens
		}
		out.Usage = chat.Usage
	}
	if len(answers) > 1 {
		out.Usage = []byte(`{"prompt_tokens":` + strconv.Itoa(sum.PromptTokens) + `,"completion_tokens":` + strconv.Itoa(sum.CompletionTokens) +
			`,"total_tokens":` + strconv.Itoa(sum.TotalTokens) + `}`)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &openai.Response{Meta: answers[0].Meta, Body: body}, nil
}

func textID(chatID string) string { return "cmpl-" + strings.TrimPrefix(chatID, "chatcmpl-") }

func completeStreamByChat(ctx context.Context, c provider.Chatter, r *openai.Request, drop bool) (openai.Stream, error) {
	dropped, err := unsupported(r, drop)
	if err != nil {
		return nil, err
	}
	texts, err := prompts(r)
	if err != nil {
		return nil, err
	}
	if len(texts) != 1 {
		return nil, completionError("prompt", "A stream takes one prompt: this model answers several only without 'stream'.")
	}
	chat, err := chatRequest(r, texts[0])
	if err != nil {
		return nil, badBody(openai.OpCompletion, err)
	}
	s, err := c.ChatStream(ctx, chat)
	if err != nil {
		return nil, err
	}
	return &textStream{Stream: s, dropped: dropped}, nil
}

// textStream turns the chunks of a chat into those of a text completion.
type textStream struct {
	openai.Stream
	dropped []string
}

// Meta implements openai.Stream.
func (s *textStream) Meta() openai.Meta { return withDropped(s.Stream.Meta(), s.dropped) }

// Next implements openai.Stream.
func (s *textStream) Next() (openai.Chunk, error) {
	chunk, err := s.Stream.Next()
	if err != nil {
		return openai.Chunk{}, err
	}
	var chat chatAnswer
	if err := json.Unmarshal(chunk.Data, &chat); err != nil {
		return openai.Chunk{}, fmt.Errorf("the upstream's chunk: %w", err)
	}
	out := textCompletion{ID: textID(chat.ID), Object: "text_completion", Created: chat.Created, Model: chat.Model, Choices: []textChoice{}}
	for _, ch := range chat.Choices {
		out.Choices = append(out.Choices, textChoice{Text: ch.Delta.text(), Index: ch.Index, FinishReason: ch.FinishReason})
	}
	if !bytes.Equal(chat.Usage, []byte("null")) {
		out.Usage = chat.Usage
	}
	data, err := json.Marshal(out)
	return openai.Chunk{Data: data}, err
}
