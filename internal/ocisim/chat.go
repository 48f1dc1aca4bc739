package ocisim

import (
	"encoding/json"
	"net/http"
	"slices"
)

// chatEnvelope is the part of a chat body that all formats share.
type chatEnvelope struct {
	CompartmentID string          `json:"compartmentId"`
	ServingMode   servingMode     `json:"servingMode"`
	ChatRequest   json.RawMessage `json:"chatRequest"`
}

// chat is POST /actions/chat. The order of its refusals: body, compartment, model, format, parameters.
func (x *exchange) chat() error {
	var envelope chatEnvelope
	if err := x.decode(chatDetails, &envelope); err != nil {
		return err
	}
	if err := x.s.authorize(envelope.CompartmentID); err != nil {
		return err
	}
	t, err := x.s.resolve(envelope.ServingMode, capabilityChat)
	if err != nil {
		return err
	}
	x.announce(t.Model)
	var head struct {
		APIFormat string `json:"apiFormat"`
		IsStream  bool   `json:"isStream"`
	}
	if err := json.Unmarshal(envelope.ChatRequest, &head); err != nil {
		return unparsable("%s", correctFormat)
	}
	switch {
	case t.ResponsesOnly:
		return plainRejection("Multi Agent requests are not allowed on chat completions")
	case !slices.Contains(t.formats(), head.APIFormat):
		return plainRejection("Chat request type does not match serving model")
	case head.IsStream && t.endpoint != nil && t.endpoint.NoStream:
		return plainRejection("Streaming is not supported by this endpoint")
	}
	switch head.APIFormat {
	case formatCohere:
		return x.chatCohere(t, envelope.ChatRequest)
	case formatCohereV2:
		return x.chatCohereV2(t, envelope.ChatRequest)
	}
	return x.chatGeneric(t, envelope.ChatRequest)
}

// announce sets the header that warns of a model's end.
func (x *exchange) announce(m *Model) {
	if m.Deprecated {
		x.w.Header().Set("model-deprecation-info", m.ID+" is deprecated and will be retired")
	}
}

// retiredAction answers /actions/generateText and /actions/summarizeText: the operations exist, their models do not.
func (x *exchange) retiredAction() error { return x.s.notFound() }

// wireUsage is the usage object of the native formats.
type wireUsage struct {
	CompletionTokens        int                `json:"completionTokens"`
	PromptTokens            int                `json:"promptTokens"`
	TotalTokens             int                `json:"totalTokens"`
	CompletionTokensDetails *completionDetails `json:"completionTokensDetails,omitempty"`
	PromptTokensDetails     *promptDetails     `json:"promptTokensDetails,omitempty"`
}

type completionDetails struct {
	ReasoningTokens          int  `json:"reasoningTokens"`
	AcceptedPredictionTokens *int `json:"acceptedPredictionTokens,omitempty"`
	RejectedPredictionTokens *int `json:"rejectedPredictionTokens,omitempty"`
}

type promptDetails struct {
	CachedTokens int `json:"cachedTokens"`
}

// wire renders the usage; details appear for OpenAI's models always, for others when they reasoned.
func (u usage) wire(m *Model) *wireUsage {
	w := &wireUsage{CompletionTokens: u.completion, PromptTokens: u.prompt, TotalTokens: u.prompt + u.completion}
	switch {
	case m.vendor() == "openai":
		zero := 0
		w.CompletionTokensDetails = &completionDetails{u.reasoning, &zero, &zero}
		w.PromptTokensDetails = &promptDetails{}
	case u.reasoning > 0:
		w.CompletionTokensDetails = &completionDetails{ReasoningTokens: u.reasoning}
	}
	return w
}

// bill notes what a unary reply costs.
func (x *exchange) bill(u usage) {
	x.count.PromptTokens, x.count.CompletionTokens, x.count.ReasoningTokens = u.prompt, u.completion, u.reasoning
}

// emptied blanks a generation when a fault rule wants a reply without text.
func (x *exchange) emptied(g *generation) {
	if x.rule.Empty != "text" {
		return
	}
	for i := range g.choices {
		g.choices[i] = choice{}
	}
	g.reasoning = ""
	g.usage.completion, g.usage.reasoning = 0, 0
}

// method answers 405 for a path that exists under another method, after authentication like every other refusal.
func (x *exchange) method() error {
	return &serviceError{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "The method is not allowed for this path."}
}

// nowhere answers a path that no operation has.
func (x *exchange) nowhere() error {
	return &serviceError{status: http.StatusNotFound, code: "NotFound", message: "There is no such operation."}
}
