package ocisim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"tollgate/internal/ocisim/answer"
)

// opOpenAIChat is the operation of the OpenAI-compatible surface.
const opOpenAIChat = "openai_chat"

// openAIRequest is a chat completion in OpenAI's own words. Unknown members are passed over.
type openAIRequest struct {
	Model               string          `json:"model"`
	Messages            []openAIMessage `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       *openAIStream   `json:"stream_options"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	Stop                stopList        `json:"stop"`
	N                   int             `json:"n"`
	Seed                int64           `json:"seed"`
	Tools               []openAITool    `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema map[string]any `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
	ReasoningEffort string `json:"reasoning_effort"`
}

type openAIStream struct {
	IncludeUsage bool `json:"include_usage"`
}

type openAITool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  map[string]any `json:"parameters"`
	} `json:"function"`
}

type openAIMessage struct {
	Role       string         `json:"role"`
	Content    openAIContent  `json:"content"`
	ToolCalls  []openAITCFull `json:"tool_calls"`
	ToolCallID string         `json:"tool_call_id"`
}

type openAITCFull struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Function openAIFunction `json:"function"`
}

type openAIFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// openAIContent is a text or a list of parts.
type openAIContent []openAIPart

type openAIPart struct {
	Type     string    `json:"type"`
	Text     string    `json:"text"`
	ImageURL imageLink `json:"image_url"`
}

// UnmarshalJSON reads either form.
func (c *openAIContent) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]openAIPart)(c))
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*c = openAIContent{{Type: "text", Text: text}}
	return nil
}

// stopList is one text or a list of them.
type stopList []string

// UnmarshalJSON reads either form.
func (s *stopList) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(s))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	if one != "" {
		*s = stopList{one}
	}
	return nil
}

// chatOpenAI is POST /openai/v1/chat/completions and its older shim.
func (x *exchange) chatOpenAI() error {
	var q openAIRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		return compatRejection("", "invalid_request", "the body is not a chat completion request: "+jsonFault(err))
	}
	if err := x.compatCompartment(); err != nil {
		return err
	}
	t, err := x.s.resolve(servingMode{ServingType: "ON_DEMAND", ModelID: q.Model}, capabilityChat)
	if err != nil {
		return err
	}
	x.announce(t.Model)
	if err := refuseCompat(t.Model, &q); err != nil {
		return err
	}
	g, err := x.s.generate(t.Model, q.ask())
	if err != nil {
		return err
	}
	x.emptied(g)
	if q.Stream {
		return x.streamOpenAI(&q, t, g)
	}
	x.bill(g.usage)
	return x.reply(x.openAIResult(t, g))
}

// compatCompartment wants a compartment in a header of callers who sign; a GenAI API key belongs to one already.
func (x *exchange) compatCompartment() error {
	if strings.HasPrefix(x.key, "genai-") {
		return nil
	}
	compartment := x.r.Header.Get("opc-compartment-id")
	if compartment == "" && strings.HasPrefix(x.r.URL.Path, "/20231130/") {
		compartment = x.r.Header.Get(x.variants.CompatCompartmentHeader)
	}
	if compartment == "" {
		return missingParameter("The header opc-compartment-id is required")
	}
	return x.s.authorize(compartment)
}

// compatRejection is a model-side 400 in OpenAI's own shape, as this surface answers it.
func compatRejection(param, code, message string) *serviceError {
	return &serviceError{
		status: http.StatusBadRequest, code: "400", message: message,
		bare: openAIInner{openAIInnerError{message, "invalid_request_error", param, code}},
	}
}

// refuseCompat applies what models refuse on this surface.
func refuseCompat(m *Model, q *openAIRequest) error {
	switch {
	case m.vendor() == "cohere":
		return plainRejection("Unsupported OpenAI operation")
	case m.ResponsesOnly:
		return plainRejection("Multi Agent requests are not allowed on chat completions")
	case len(q.Messages) == 0:
		return compatRejection("messages", "invalid_value", "messages must not be empty")
	case m.vendor() == "meta" && len(q.Tools) > 0 && q.Messages[0].Role == "system":
		return compatRejection("messages", "invalid_value", "A conversation with tools cannot start with a system message")
	case m.isOpenAIReasoning() && q.MaxTokens != nil:
		return bare(unsupportedMaxTokens("max_tokens", "max_completion_tokens"))
	}
	if m.vendor() == "openai" && m.isOpenAIReasoning() {
		v := Variants{SnakeParams: true}
		if err := refuseSampling(m, v, sampling{q.Temperature, q.TopP, q.FrequencyPenalty, q.PresencePenalty}); err != nil {
			return bare(err)
		}
	}
	return nil
}

// bare sends a model-side error without the envelope around it.
func bare(err error) error {
	var e *serviceError
	if errors.As(err, &e) {
		e.bare = json.RawMessage(e.message)
	}
	return err
}

func (q *openAIRequest) ask() ask {
	a := ask{stops: q.Stop, n: q.N, effort: strings.ToUpper(q.ReasoningEffort)}
	for _, limit := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if limit != nil {
			a.maxTokens = *limit
		}
	}
	p := answer.Prompt{Seed: q.Seed, Parallel: q.ParallelToolCalls == nil || *q.ParallelToolCalls}
	names := make(map[string]string)
	for _, m := range q.Messages {
		for _, c := range m.ToolCalls {
			names[c.ID] = c.Function.Name
		}
		appendTurn(&p, m.turn(names))
	}
	for _, t := range q.Tools {
		f := t.Function
		p.Tools = append(p.Tools, answer.Offer{Name: f.Name, Description: f.Description, Schema: f.Parameters})
	}
	p.Choice, p.Named = toolChoice(q.ToolChoice)
	if f := q.ResponseFormat; f != nil {
		p.Format = map[string]answer.Format{"json_object": answer.JSONObject, "json_schema": answer.JSONSchema}[f.Type]
		p.Schema = f.JSONSchema.Schema
	}
	a.prompt = p
	return a
}

// toolChoice reads "auto", "none", "required" or an object that names a function.
func toolChoice(raw json.RawMessage) (answer.Choice, string) {
	var named struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if json.Unmarshal(raw, &named) == nil && named.Function.Name != "" {
		return answer.Named, named.Function.Name
	}
	switch string(raw) {
	case `"none"`:
		return answer.None, ""
	case `"required"`:
		return answer.Required, ""
	}
	return answer.Auto, ""
}

func (m openAIMessage) turn(names map[string]string) answer.Message {
	roles := map[string]answer.Role{"system": answer.System, "developer": answer.System, "user": answer.User, "assistant": answer.Assistant, "tool": answer.Tool}
	var texts []string
	var images [][]byte
	for _, part := range m.Content {
		switch part.Type {
		case "text":
			texts = append(texts, part.Text)
		case "image_url":
			images = append(images, dataURI(part.ImageURL.URL))
		}
	}
	return turnOf(roles[m.Role], texts, images, names[m.ToolCallID])
}
