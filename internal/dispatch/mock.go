package dispatch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// mockStreamingError is the mock_response that breaks a stream off after its first chunks.
const mockStreamingError = "Exception: mock_streaming_error"

// mockUsage is what LiteLLM reports for every mock answer.
var mockUsage = json.RawMessage(`{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}`)

// answers reports whether a request is answered by a mock instead of its deployments.
func (m *MockQuery) answers() bool { return m.Response != "" || len(m.ToolCalls) > 0 || m.Timeout }

// mocked is a deployment whose every operation is answered by m: with its text, or with an error where the text is
// one. "litellm.RateLimitError", or any other class of failure, raises that class; "Exception: content_filter_policy"
// a content refusal; "Exception: mock_streaming_error" a stream that breaks off; any other "Exception: ..." a 500.
func mocked(d *Deployment, m *MockQuery) *Deployment {
	p := &mock{d: d, m: m}
	copied := *d
	copied.Chatter, copied.Completer, copied.Embedder, copied.Reranker = p, p, p, p
	return &copied
}

// mock is a provider without an upstream.
type mock struct {
	d *Deployment
	m *MockQuery
}

// begin waits as long as the mock says and returns the error that it stands for, if it stands for one.
func (p *mock) begin(ctx context.Context) error {
	if p.m.Timeout {
		<-ctx.Done() // the attempt's timeout
		return ctx.Err()
	}
	if f := sleep(ctx, p.m.Delay); f != nil {
		return f.cause
	}
	text := p.m.Response
	if class, ok := strings.CutPrefix(text, "litellm."); ok {
		if status, known := mockStatus(provider.Reason(class)); known {
			return p.fail(provider.Reason(class), status, "this is a mock "+class)
		}
	}
	switch {
	case strings.HasPrefix(text, "Exception: content_filter_policy"):
		return p.fail(provider.ContentPolicy, http.StatusBadRequest, text)
	case strings.HasPrefix(text, "Exception:") && text != mockStreamingError:
		return p.fail(provider.InternalServer, http.StatusInternalServerError, text)
	}
	return nil
}

func (p *mock) fail(reason provider.Reason, status int, message string) error {
	return &provider.UpstreamError{Reason: reason, Status: status, Provider: p.d.Provider, Message: message}
}

// mockStatus is the status of a class of failure; known is false for a text that is none.
func mockStatus(reason provider.Reason) (status int, known bool) {
	switch reason {
	case provider.ContextWindow, provider.ContentPolicy:
		return http.StatusBadRequest, true
	case provider.Connection:
		return http.StatusInternalServerError, true
	}
	for _, status := range [...]int{400, 401, 403, 404, 408, 422, 429, 500, 502, 503} {
		if provider.ReasonForStatus(status) == reason {
			return status, true
		}
	}
	return 0, false
}

type mockMessage struct {
	Role      string          `json:"role,omitempty"`
	Content   *string         `json:"content,omitempty"`
	ToolCalls json.RawMessage `json:"tool_calls,omitempty"`
}

type mockChoice struct {
	Index        int          `json:"index"`
	Text         *string      `json:"text,omitempty"`
	Message      *mockMessage `json:"message,omitempty"`
	Delta        *mockMessage `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
}

type mockReply struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []mockChoice    `json:"choices"`
	Usage   json.RawMessage `json:"usage,omitempty"`
}

func (p *mock) reply(prefix, object string) mockReply {
	return mockReply{ID: prefix + rand.Text(), Object: object, Created: time.Now().Unix(), Model: p.d.UpstreamID}
}

// response turns a reply of this file's own types into bytes.
func response(v any) *openai.Response {
	body, err := json.Marshal(v)
	if err != nil { // tool calls come out of a request that has been scanned
		panic(err)
	}
	return &openai.Response{Body: body}
}

func (p *mock) finishReason() *string {
	reason := "stop"
	if len(p.m.ToolCalls) > 0 {
		reason = "tool_calls"
	}
	return &reason
}

// Chat answers with the mock's text.
func (p *mock) Chat(ctx context.Context, _ *openai.Request) (*openai.Response, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	v := p.reply("chatcmpl-", "chat.completion")
	message := &mockMessage{Role: "assistant", Content: &p.m.Response, ToolCalls: p.m.ToolCalls}
	v.Choices = []mockChoice{{Message: message, FinishReason: p.finishReason()}}
	v.Usage = mockUsage
	return response(v), nil
}

// Complete answers with the mock's text.
func (p *mock) Complete(ctx context.Context, _ *openai.Request) (*openai.Response, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	v := p.reply("cmpl-", "text_completion")
	v.Choices = []mockChoice{{Text: &p.m.Response, FinishReason: p.finishReason()}}
	v.Usage = mockUsage
	return response(v), nil
}

// Embed answers with the mock's text as a vector when it is a JSON array, else with LiteLLM's 1536 zeros, for each input.
func (p *mock) Embed(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	vector := make([]float64, 1536)
	var given []float64
	if json.Unmarshal([]byte(p.m.Response), &given) == nil {
		vector = given
	}
	type item struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	}
	data := make([]item, elements(r, "input"))
	for i := range data {
		data[i] = item{Object: "embedding", Index: i, Embedding: vector}
	}
	return response(struct {
		Object string          `json:"object"`
		Data   []item          `json:"data"`
		Model  string          `json:"model"`
		Usage  json.RawMessage `json:"usage"`
	}{"list", data, p.d.UpstreamID, json.RawMessage(`{"prompt_tokens":10,"total_tokens":10}`)}), nil
}

// Rerank keeps the documents in their order.
func (p *mock) Rerank(ctx context.Context, r *openai.Request) (*openai.Response, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	type result struct {
		Index int     `json:"index"`
		Score float64 `json:"relevance_score"`
	}
	results := make([]result, elements(r, "documents"))
	for i := range results {
		results[i] = result{Index: i, Score: 1 / float64(i+1)}
	}
	return response(struct {
		ID      string   `json:"id"`
		Results []result `json:"results"`
	}{"rerank-" + rand.Text(), results}), nil
}

// elements is the length of a member that is a list of strings or objects, and 1 for one that is anything else.
func elements(r *openai.Request, member string) int {
	raw, _ := r.Get(member)
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return 1
	}
	if c := list[0][0]; c != '"' && c != '{' && c != '[' {
		return 1 // one input as a list of token ids
	}
	return len(list)
}

// ChatStream gives the mock's text in pieces, then the finish chunk and the usage.
func (p *mock) ChatStream(ctx context.Context, _ *openai.Request) (openai.Stream, error) {
	return p.stream(ctx, p.reply("chatcmpl-", "chat.completion.chunk"), func(piece *string, first bool) mockChoice {
		delta := &mockMessage{Content: piece}
		if first {
			delta.Role, delta.ToolCalls = "assistant", p.m.ToolCalls
		}
		return mockChoice{Delta: delta}
	})
}

// CompleteStream is ChatStream for text completions.
func (p *mock) CompleteStream(ctx context.Context, _ *openai.Request) (openai.Stream, error) {
	return p.stream(ctx, p.reply("cmpl-", "text_completion"), func(piece *string, _ bool) mockChoice {
		if piece == nil {
			piece = new(string)
		}
		return mockChoice{Text: piece}
	})
}

func (p *mock) stream(ctx context.Context, v mockReply, choice func(piece *string, first bool) mockChoice) (openai.Stream, error) {
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	s := &mockStream{end: io.EOF}
	text := p.m.Response
	for i, piece := range pieces(text) {
		v.Choices = []mockChoice{choice(&piece, i == 0)}
		s.chunks = append(s.chunks, response(v).Body)
	}
	if text == mockStreamingError {
		s.end = p.fail(provider.InternalServer, http.StatusInternalServerError, "Mock streaming error")
		return s, nil
	}
	last := choice(nil, false)
	last.FinishReason = p.finishReason()
	v.Choices = []mockChoice{last}
	s.chunks = append(s.chunks, response(v).Body)
	v.Choices, v.Usage = []mockChoice{}, mockUsage
	s.chunks = append(s.chunks, response(v).Body)
	return s, nil
}

// pieces cuts a text into chunks of a few letters; an empty text is one empty piece.
func pieces(text string) []string {
	const letters = 3
	runes := []rune(text)
	list := []string{string(runes[:min(letters, len(runes))])}
	for at := letters; at < len(runes); at += letters {
		list = append(list, string(runes[at:min(at+letters, len(runes))]))
	}
	return list
}

// mockStream gives chunks that are there already.
type mockStream struct {
	chunks [][]byte
	end    error
}

// Next gives the next chunk.
func (s *mockStream) Next() (openai.Chunk, error) {
	if len(s.chunks) == 0 {
		return openai.Chunk{}, s.end
	}
	data := s.chunks[0]
	s.chunks = s.chunks[1:]
	return openai.Chunk{Data: data}, nil
}

// Close has nothing to release.
func (s *mockStream) Close() error { return nil }

// Meta is empty: there is no upstream.
func (s *mockStream) Meta() openai.Meta { return openai.Meta{} }

// mockTesting is the failure that a request asks of its own alias, to see the fallbacks work; nil when it asks none.
// Nothing is sent, and a fallback's alias is not touched.
func (c *call) mockTesting(s *stage) *failure {
	if c.nested {
		return nil
	}
	fail := func(reason provider.Reason, class string, status int, label string) *failure {
		models := make([]string, 0, 4)
		for _, to := range c.fallbacks(s, reason) {
			models = append(models, to.Model)
		}
		return &failure{reason: reason, status: status, text: fmt.Sprintf(
			"litellm.%s: This is a mock exception for model=%s, to trigger a fallback. %s=%s", class, s.name, label, pythonList(models))}
	}
	switch m := &c.q.Mock; {
	case m.Fallbacks:
		return fail(provider.InternalServer, "InternalServerError", http.StatusInternalServerError, "Fallbacks")
	case m.ContextFallbacks:
		return fail(provider.ContextWindow, "ContextWindowExceededError", http.StatusBadRequest, "Context_Window_Fallbacks")
	case m.ContentPolicyFallback:
		return fail(provider.ContentPolicy, "ContentPolicyViolationError", http.StatusBadRequest, "Content_Policy_Fallbacks")
	}
	return nil
}

// mockRateLimit is the first attempt of mock_testing_rate_limit_error.
func mockRateLimit(name string) *failure {
	return &failure{
		reason: provider.RateLimit, status: http.StatusTooManyRequests,
		text: fmt.Sprintf("litellm.RateLimitError: This is a mock exception for model=%s, to trigger a rate limit error.", name),
	}
}
