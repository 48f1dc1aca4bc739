package dispatch

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"tollgate/internal/openai"
)

func body(t *testing.T, op openai.Operation, text string) *openai.Request {
	t.Helper()
	r, err := openai.ParseRequest(op, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mockRouter serves alias a by a deployment with a mock_response, and b by one whose upstream is never there.
func mockRouter(t *testing.T, response string, change ...func(*Options)) *Router {
	ds := deployments("a", "b")
	ds[0].MockResponse = response
	return newRouter(t, options(change...), ds)
}

func TestMock_AnswersEveryOperation(t *testing.T) {
	r := mockRouter(t, "Rome.")
	answer := func(q *Query, f func(context.Context, Target) (*openai.Response, error)) map[string]any {
		t.Helper()
		res, _, err := Call(t.Context(), r, q, f)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(res.Body, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	chatReply := answer(chat("a"), func(ctx context.Context, target Target) (*openai.Response, error) {
		return target.Chatter.Chat(ctx, body(t, openai.OpChat, `{"model":"a"}`))
	})
	choice := chatReply["choices"].([]any)[0].(map[string]any)
	if choice["message"].(map[string]any)["content"] != "Rome." || choice["finish_reason"] != "stop" || chatReply["object"] != "chat.completion" ||
		chatReply["usage"].(map[string]any)["total_tokens"] != 30.0 || chatReply["model"] != "a-model" {
		t.Errorf("chat: %v", chatReply)
	}
	text := answer(chat("a"), func(ctx context.Context, target Target) (*openai.Response, error) {
		return target.Completer.Complete(ctx, body(t, openai.OpCompletion, `{"model":"a"}`))
	})
	if text["choices"].([]any)[0].(map[string]any)["text"] != "Rome." || text["object"] != "text_completion" {
		t.Errorf("completion: %v", text)
	}
	embedding := answer(chat("a"), func(ctx context.Context, target Target) (*openai.Response, error) {
		return target.Embedder.Embed(ctx, body(t, openai.OpEmbedding, `{"model":"a","input":["x","y"]}`))
	})
	if data := embedding["data"].([]any); len(data) != 2 || len(data[1].(map[string]any)["embedding"].([]any)) != 1536 {
		t.Errorf("embedding: %d items", len(data))
	}
	rerank := answer(chat("a"), func(ctx context.Context, target Target) (*openai.Response, error) {
		return target.Reranker.Rerank(ctx, body(t, openai.OpRerank, `{"model":"a","query":"q","documents":["x","y","z"]}`))
	})
	if results := rerank["results"].([]any); len(results) != 3 {
		t.Errorf("rerank: %v", rerank)
	}
}

func TestMock_Streams(t *testing.T) {
	r := mockRouter(t, "Rome is it")
	for op, open := range map[openai.Operation]func(context.Context, Target) (openai.Stream, error){
		openai.OpChat: func(ctx context.Context, target Target) (openai.Stream, error) {
			return target.Chatter.ChatStream(ctx, nil)
		},
		openai.OpCompletion: func(ctx context.Context, target Target) (openai.Stream, error) {
			return target.Completer.CompleteStream(ctx, nil)
		},
	} {
		s, _, err := r.Stream(t.Context(), chat("a"), open)
		if err != nil {
			t.Fatal(err)
		}
		var text, finish string
		ids := map[string]bool{}
		var usage any
		for {
			c, err := s.Next()
			if err != nil {
				break
			}
			var v struct {
				ID      string
				Choices []struct {
					Text         string
					Delta        struct{ Content string }
					FinishReason string `json:"finish_reason"`
				}
				Usage any
			}
			if err := json.Unmarshal(c.Data, &v); err != nil {
				t.Fatal(err)
			}
			ids[v.ID] = true
			for _, choice := range v.Choices {
				text += choice.Text + choice.Delta.Content
				finish += choice.FinishReason
			}
			usage = v.Usage
		}
		_ = s.Close()
		if text != "Rome is it" || finish != "stop" || len(ids) != 1 || usage == nil {
			t.Errorf("%s: %q finished %q under %d ids, usage %v", op, text, finish, len(ids), usage)
		}
	}
}

func TestMock_Raises(t *testing.T) {
	tests := []struct {
		response string
		status   int
		text     string
	}{
		{"litellm.RateLimitError", 429, "litellm.RateLimitError"},
		{"litellm.InternalServerError", 500, "litellm.InternalServerError"},
		{"litellm.ContextWindowExceededError", 400, "litellm.ContextWindowExceededError"},
		{"litellm.ContentPolicyViolationError", 400, "litellm.ContentPolicyViolationError"},
		{"litellm.NotFoundError", 404, "litellm.NotFoundError"},
		{"litellm.Timeout", 408, "litellm.Timeout"},
		{"Exception: content_filter_policy", 400, "litellm.ContentPolicyViolationError"},
		{"Exception: no luck", 500, "Exception: no luck"},
	}
	for _, tt := range tests {
		t.Run(tt.response, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := mockRouter(t, tt.response)
				_, _, err := Call(t.Context(), r, chat("a"), func(ctx context.Context, target Target) (*openai.Response, error) {
					return target.Chatter.Chat(ctx, nil)
				})
				wantError(t, err, tt.status, tt.text)
			})
		})
	}
}

func TestMock_StreamBreaksOff(t *testing.T) {
	r := mockRouter(t, "Exception: mock_streaming_error")
	s, _, err := r.Stream(t.Context(), chat("a"), func(ctx context.Context, target Target) (openai.Stream, error) {
		return target.Chatter.ChatStream(ctx, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := read(s)
	wantError(t, err, 500, "Mock streaming error")
	if n == 0 {
		t.Fatal("no chunk before the error")
	}
}

// mock_response, mock_tool_calls, mock_delay and mock_timeout of a request.
func TestMock_OfARequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := mockRouter(t, "unused", func(o *Options) { o.NumRetries = 0 })
		ask := func(ctx context.Context, target Target) (string, error) {
			if target.Chatter == nil {
				return "", failing(500)
			}
			res, err := target.Chatter.Chat(ctx, nil)
			if err != nil {
				return "", err
			}
			return string(res.Body), nil
		}
		q := chat("b")
		q.Mock = MockQuery{Response: "hi", ToolCalls: json.RawMessage(`[{"id":"call_1"}]`), Delay: 3 * time.Second}
		start := time.Now()
		answer, _, err := Call(t.Context(), r, q, ask)
		if err != nil || !strings.Contains(answer, `"tool_calls":[{"id":"call_1"}]`) || !strings.Contains(answer, `"finish_reason":"tool_calls"`) ||
			!strings.Contains(answer, `"content":"hi"`) || time.Since(start) != 3*time.Second {
			t.Fatalf("%s after %v, %v", answer, time.Since(start), err)
		}
		q.Mock, q.Timeout = MockQuery{Timeout: true}, 2*time.Second
		start = time.Now()
		_, _, err = Call(t.Context(), r, q, ask)
		wantError(t, err, 408, "litellm.Timeout")
		if time.Since(start) != 2*time.Second {
			t.Fatalf("a mock timeout took %v", time.Since(start))
		}
	})
}

// mock_testing_*: the alias fails without being asked, its fallbacks are real.
func TestMock_TestingFallbacks(t *testing.T) {
	tests := []struct {
		name   string
		mock   MockQuery
		asked  string
		answer string
	}{
		{"fallbacks", MockQuery{Fallbacks: true}, "b", "b"},
		{"context", MockQuery{ContextFallbacks: true}, "c", "c"},
		{"content policy", MockQuery{ContentPolicyFallback: true}, "d", "d"},
		{"rate limit: a retry answers", MockQuery{RateLimitError: true}, "a", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRouter(t, options(set("a:b"), func(o *Options) {
					o.ContextWindowFallbacks = chains(map[string][]string{"a": {"c"}})
					o.ContentPolicyFallbacks = chains(map[string][]string{"a": {"d"}})
				}), deployments("a", "b", "c", "d"))
				q, u := chat("a"), &upstreams{}
				q.Mock = tt.mock
				answer, out, err := Call(t.Context(), r, q, u.ask)
				if err != nil || answer != tt.answer || out.FellBack != (tt.answer != "a") {
					t.Fatalf("%q %+v %v", answer, out, err)
				}
				wantAsked(t, u, tt.asked)
			})
		})
	}
	bubble(t, func(t *testing.T) {
		q := chat("a")
		q.Mock.Fallbacks = true
		_, _, err := Call(t.Context(), newRouter(t, options(), deployments("a")), q, (&upstreams{}).ask)
		wantError(t, err, 500, "This is a mock exception for model=a, to trigger a fallback. Fallbacks=[]")
		q.Mock, q.NumRetries = MockQuery{RateLimitError: true}, ptr(0)
		_, _, err = Call(t.Context(), newRouter(t, options(), deployments("a")), q, (&upstreams{}).ask)
		wantError(t, err, 429, "This is a mock exception for model=a, to trigger a rate limit error.")
	})
}
