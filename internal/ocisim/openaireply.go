package ocisim

import (
	"strings"

	"tollgate/internal/ocisim/answer"
)

// openAIResult is a chat completion, openAIChunk one event of its stream.
type openAIResult struct {
	ID      string         `json:"id"`
	Object  string         `json:"object"`
	Created int64          `json:"created"`
	Model   string         `json:"model"`
	Choices []openAIChoice `json:"choices"`
	Usage   *openAIUsage   `json:"usage,omitempty"`
}

type openAIChoice struct {
	Index        int          `json:"index"`
	Message      *openAIReply `json:"message,omitempty"`
	Delta        *openAIDelta `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
	Logprobs     *struct{}    `json:"logprobs"`
}

type openAIReply struct {
	Role             string         `json:"role"`
	Content          *string        `json:"content"`
	Refusal          *string        `json:"refusal"`
	ReasoningContent string         `json:"reasoning_content,omitempty"`
	ToolCalls        []openAITCFull `json:"tool_calls,omitempty"`
}

type openAIDelta struct {
	Role             string          `json:"role,omitempty"`
	Content          *string         `json:"content,omitempty"`
	ReasoningContent string          `json:"reasoning_content,omitempty"`
	ToolCalls        []openAITCDelta `json:"tool_calls,omitempty"`
}

type openAITCDelta struct {
	Index    int            `json:"index"`
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type,omitempty"`
	Function openAIFunction `json:"function"`
}

type openAIUsage struct {
	PromptTokens            int               `json:"prompt_tokens"`
	CompletionTokens        int               `json:"completion_tokens"`
	TotalTokens             int               `json:"total_tokens"`
	CompletionTokensDetails *openAICompletion `json:"completion_tokens_details,omitempty"`
}

type openAICompletion struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

func (u usage) openAI() *openAIUsage {
	w := &openAIUsage{PromptTokens: u.prompt, CompletionTokens: u.completion, TotalTokens: u.prompt + u.completion}
	if u.reasoning > 0 {
		w.CompletionTokensDetails = &openAICompletion{u.reasoning}
	}
	return w
}

func (x *exchange) openAIHead(t target, object string) openAIResult {
	return openAIResult{
		ID: "chatcmpl-" + strings.ToLower(x.s.hex(24)), Object: object, Created: x.s.clock().Unix(), Model: t.asked,
		Choices: []openAIChoice{},
	}
}

func (x *exchange) openAIFinish(c choice) *string {
	reason := map[finish]string{finishLength: "length", finishCalls: "tool_calls"}[c.finish]
	if reason == "" {
		reason = "stop"
	}
	if x.rule.Finish != "" {
		reason = x.rule.Finish
	}
	return &reason
}

func (x *exchange) openAIResult(t target, g *generation) openAIResult {
	out := x.openAIHead(t, "chat.completion")
	for i, c := range g.choices {
		message := &openAIReply{Role: "assistant", ReasoningContent: g.reasoning}
		if len(c.calls) == 0 {
			message.Content = &c.text
		}
		for _, call := range c.calls {
			message.ToolCalls = append(message.ToolCalls, openAITCFull{call.id, "function", openAIFunction{call.Name, call.arguments}})
		}
		out.Choices = append(out.Choices, openAIChoice{Index: i, Message: message, FinishReason: x.openAIFinish(c)})
	}
	out.Usage = g.usage.openAI()
	return out
}

// streamOpenAI sends chunks as OpenAI does, without padding, [DONE] at the end.
func (x *exchange) streamOpenAI(q *openAIRequest, t target, g *generation) error {
	e := x.newStream(false)
	x.count.PromptTokens = g.usage.prompt
	if t.hidesReasoning() {
		x.count.CompletionTokens = g.usage.reasoning
	}
	return e.settle(x.openAIEvents(e, q, x.openAIHead(t, "chat.completion.chunk"), g))
}

func (x *exchange) openAIEvents(e *eventStream, q *openAIRequest, head openAIResult, g *generation) error {
	chunk := func(c openAIChoice, tokens int) error {
		out := head
		out.Choices = []openAIChoice{c}
		return e.event(out, tokens)
	}
	for i, c := range g.choices {
		for _, d := range deltasOf(c, i, g.reasoning) {
			if err := chunk(openAIChoice{Index: i, Delta: &d.openAIDelta}, d.tokens); err != nil {
				return err
			}
		}
		if x.rule.NoFinish {
			return errStreamOver
		}
		if err := chunk(openAIChoice{Index: i, Delta: &openAIDelta{}, FinishReason: x.openAIFinish(c)}, 0); err != nil {
			return err
		}
	}
	x.count.ReasoningTokens = g.usage.reasoning
	if q.StreamOptions != nil && q.StreamOptions.IncludeUsage {
		out := head
		out.Usage = g.usage.openAI()
		if err := e.event(out, 0); err != nil {
			return err
		}
	}
	return e.done()
}

type pricedDelta struct {
	openAIDelta
	tokens int
}

// deltasOf cuts a choice into the deltas of its chunks.
func deltasOf(c choice, index int, reasoning string) []pricedDelta {
	empty := ""
	deltas := []pricedDelta{{openAIDelta{Role: "assistant", Content: &empty}, 0}}
	if index == 0 {
		for _, piece := range answer.Pieces(reasoning) {
			deltas = append(deltas, pricedDelta{openAIDelta{ReasoningContent: piece}, 1})
		}
	}
	for _, piece := range answer.Pieces(c.text) {
		deltas = append(deltas, pricedDelta{openAIDelta{Content: &piece}, 1})
	}
	for k, call := range c.calls {
		open := openAITCDelta{Index: k, ID: call.id, Type: "function", Function: openAIFunction{Name: call.Name}}
		deltas = append(deltas, pricedDelta{openAIDelta{ToolCalls: []openAITCDelta{open}}, call.tokens()})
		for _, piece := range answer.Pieces(call.arguments) {
			fragment := openAITCDelta{Index: k, Function: openAIFunction{Arguments: piece}}
			deltas = append(deltas, pricedDelta{openAIDelta{ToolCalls: []openAITCDelta{fragment}}, 0})
		}
	}
	return deltas
}
