package ocisim

import (
	"strings"

	"tollgate/internal/ocisim/answer"
)

// genericEvent is one event of a GENERIC stream: no format, no model, no id.
type genericEvent struct {
	Index        *int        `json:"index,omitempty"`
	Message      *genericOut `json:"message,omitempty"`
	FinishReason string      `json:"finishReason,omitempty"`
	Usage        *wireUsage  `json:"usage,omitempty"`
}

// streamGeneric sends reasoning, text or calls, the finish event, usage when it was asked for, and [DONE].
func (x *exchange) streamGeneric(t target, q *genericRequest, g *generation) error {
	e := x.newStream(true)
	x.count.PromptTokens = g.usage.prompt
	if t.hidesReasoning() {
		x.count.CompletionTokens = g.usage.reasoning // thought before the first event
	}
	return e.settle(x.genericEvents(e, t, q, g))
}

func (x *exchange) genericEvents(e *eventStream, t target, q *genericRequest, g *generation) error {
	for i, c := range g.choices {
		if err := e.openGeneric(i, t.Model, g, c); err != nil {
			return err
		}
		if err := x.streamCalls(e, i, t.Model, c); err != nil {
			return err
		}
		if x.rule.NoFinish {
			return errStreamOver
		}
		if err := e.event(x.finishEvent(t.Model, c), 0); err != nil {
			return err
		}
	}
	x.count.ReasoningTokens = g.usage.reasoning
	if q.StreamOptions != nil && q.StreamOptions.IsIncludeUsage {
		if err := e.event(genericEvent{Usage: g.usage.wire(t.Model)}, 0); err != nil {
			return err
		}
	}
	return e.done()
}

// openGeneric sends the empty first event, the reasoning (before the first choice) and the text of a choice.
func (e *eventStream) openGeneric(index int, m *Model, g *generation, c choice) error {
	message := func(out genericOut) genericEvent {
		out.Role = "ASSISTANT"
		return genericEvent{Index: &index, Message: &out}
	}
	if index == 0 && g.reasoning != "" {
		for _, piece := range answer.Pieces(g.reasoning) {
			if err := e.event(message(genericOut{ReasoningContent: piece}), 1); err != nil {
				return err
			}
		}
	}
	if len(c.calls) == 0 || m.vendor() == "openai" {
		empty := ""
		if err := e.event(message(genericOut{Content: []genericOutPart{{"TEXT", &empty}}}), 0); err != nil {
			return err
		}
	}
	for _, piece := range answer.Pieces(c.text) {
		if err := e.event(message(genericOut{Content: []genericOutPart{{"TEXT", &piece}}}), 1); err != nil {
			return err
		}
	}
	return nil
}

// streamCalls sends tool calls in the vendor's pattern. No pattern carries an index: the position in the event is
// always the first.
func (x *exchange) streamCalls(e *eventStream, index int, m *Model, c choice) error {
	for _, call := range c.calls {
		for _, delta := range x.callDeltas(m, call) {
			calls := []genericOutTC{delta}
			out := &genericOut{Role: "ASSISTANT", ToolCalls: &calls}
			if m.vendor() == "google" {
				out.Content = []genericOutPart{{Type: "TEXT"}}
			}
			if err := e.event(genericEvent{Index: &index, Message: out}, 0); err != nil {
				return err
			}
		}
		x.count.CompletionTokens += call.tokens()
	}
	return nil
}

// callDeltas cuts a call into the events of its vendor: xAI and Google send it whole (Google without an id), the others
// open it with empty arguments and go on in fragments that have neither name nor id, or, as a variant of Llama, an id
// that is new each time.
func (x *exchange) callDeltas(m *Model, call wireCall) []genericOutTC {
	whole := genericOutTC{Type: "FUNCTION", ID: call.id, Name: call.Name, Arguments: &call.arguments}
	switch m.vendor() {
	case "xai":
		return []genericOutTC{whole}
	case "google":
		whole.ID = ""
		return []genericOutTC{whole}
	}
	empty := ""
	deltas := []genericOutTC{{Type: "FUNCTION", ID: call.id, Name: call.Name, Arguments: &empty}}
	for _, piece := range answer.Pieces(call.arguments) {
		fragment := genericOutTC{Type: "FUNCTION", Arguments: &piece}
		if m.vendor() == "meta" && x.variants.LlamaFreshIDs {
			fragment.ID = "chatcmpl-tool-" + strings.ToLower(x.s.hex(32))
		}
		deltas = append(deltas, fragment)
	}
	return deltas
}

// finishEvent ends a choice. It has no index; on tool turns some services leave the message out as well.
func (x *exchange) finishEvent(m *Model, c choice) genericEvent {
	event := genericEvent{FinishReason: x.genericFinish(m, c)}
	bare := len(c.calls) > 0 && (x.variants.BareToolFinish || m.vendor() == "xai")
	if !bare {
		empty := ""
		event.Message = &genericOut{Role: "ASSISTANT", Content: []genericOutPart{{"TEXT", &empty}}}
	}
	return event
}
