package gateway

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// chats answers each prompt by what a test says of it.
type chats func(ctx context.Context, prompt string) error

func (f chats) Chat(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	messages, _ := r.Get("messages")
	_, text, _ := strings.Cut(string(messages), `"content":"`)
	prompt, _, _ := strings.Cut(text, `"`)
	if err := f(ctx, prompt); err != nil {
		return nil, err
	}
	return &openai.Response{Body: []byte(`{"id":"chatcmpl-1","choices":[{"index":0,"message":{"content":"x"}}]}`)}, nil
}

func (f chats) ChatStream(ctx context.Context, _ *openai.Request) (openai.Stream, error) {
	return nil, f(ctx, "")
}

func complete(t *testing.T, c chats, body string) error {
	t.Helper()
	r, err := openai.ParseRequest(openai.OpCompletion, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, err = completeByChat(t.Context(), c, r, false)
	return err
}

const secretValue = "what the caller sent"

// A panic of one of several chats is that call's failure and no more; its value stays out of texts and logs.
func TestCompletionsByChat_Panic(t *testing.T) {
	for name, panics := range map[string]func(){
		"of a value":      func() { panic(secretValue) },
		"of the run time": func() { _ = []int{}[len(secretValue)] },
	} {
		t.Run(name, func(t *testing.T) {
			err := complete(t, func(_ context.Context, prompt string) error {
				if prompt == "b" {
					panics()
				}
				return nil
			}, `{"model":"m","prompt":["a","b","c"]}`)
			var e *apierr.Error
			if !errors.As(err, &e) || e.Status != 500 || strings.Contains(e.Message, "panic") {
				t.Fatalf("%v", err)
			}
			if cause := e.Cause.Error(); !strings.Contains(cause, "completions_test.go") || strings.Contains(cause, secretValue) {
				t.Errorf("the log's cause must name the place and not the value: %s", cause)
			}
		})
	}
}

// What other prompts of the same call have cost must not be taken for free because one failed.
func TestCompletionsByChat_Billing(t *testing.T) {
	refusal := &provider.UpstreamError{Reason: provider.RateLimit, Status: 429, Provider: "OCI", Message: "slow down"}
	tests := []struct {
		name string
		b    func(ctx context.Context, answered <-chan struct{}) error // of prompt b
		a    error                                                     // of prompt a
		want provider.Billing
	}{
		{"another answered", func(_ context.Context, first <-chan struct{}) error { <-first; return refusal }, nil, provider.MaybeBilled},
		{"another was cut off", func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() }, refusal, provider.MaybeBilled},
		{"both were refused", func(_ context.Context, first <-chan struct{}) error { <-first; return refusal }, refusal, provider.NotBilled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first := make(chan struct{})
			var once sync.Once
			err := complete(t, func(ctx context.Context, prompt string) error {
				if prompt == "a" {
					defer once.Do(func() { close(first) })
					return tt.a
				}
				return tt.b(ctx, first)
			}, `{"model":"m","prompt":["a","b"]}`)
			var got *provider.UpstreamError
			if !errors.As(err, &got) || got.Status != 429 || got.Billed != tt.want {
				t.Errorf("%+v, want billing %v", err, tt.want)
			}
			if refusal.Billed != provider.NotBilled {
				t.Error("the provider's own error was changed")
			}
		})
	}
}
