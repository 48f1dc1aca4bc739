package ocisim

import (
	"encoding/json"
	"strconv"
	"strings"

	"tollgate/internal/ocisim/answer"
)

// genericRequest is a chat request of the format GENERIC.
type genericRequest struct {
	Messages            []genericMessage `json:"messages"`
	IsStream            bool             `json:"isStream"`
	StreamOptions       *streamSettings  `json:"streamOptions"`
	MaxTokens           *int             `json:"maxTokens"`
	MaxCompletionTokens *int             `json:"maxCompletionTokens"`
	Temperature         *float64         `json:"temperature"`
	TopP                *float64         `json:"topP"`
	FrequencyPenalty    *float64         `json:"frequencyPenalty"`
	PresencePenalty     *float64         `json:"presencePenalty"`
	Stop                []string         `json:"stop"`
	NumGenerations      int              `json:"numGenerations"`
	Seed                int64            `json:"seed"`
	LogProbs            *int             `json:"logProbs"`
	Tools               []genericTool    `json:"tools"`
	ToolChoice          *genericChoice   `json:"toolChoice"`
	IsParallelToolCalls *bool            `json:"isParallelToolCalls"`
	ResponseFormat      *genericFormat   `json:"responseFormat"`
	ReasoningEffort     string           `json:"reasoningEffort"`
	WebSearchOptions    *struct{}        `json:"webSearchOptions"`
}

type streamSettings struct {
	IsIncludeUsage bool `json:"isIncludeUsage"`
}

type genericMessage struct {
	Role       string         `json:"role"`
	Content    []genericPart  `json:"content"`
	ToolCalls  []genericCalls `json:"toolCalls"`
	ToolCallID string         `json:"toolCallId"`
}

type genericPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"imageUrl"`
}

type genericCalls struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type genericTool struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parameters"`
}

type genericChoice struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

type genericFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Schema map[string]any `json:"schema"`
	} `json:"jsonSchema"`
}

// chatGeneric answers a GENERIC request.
func (x *exchange) chatGeneric(t target, body json.RawMessage) error {
	var q genericRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return unparsable("%s: %s", correctFormat, jsonFault(err))
	}
	if err := refuseGeneric(t.Model, &q, x.variants); err != nil {
		return err
	}
	a := q.ask()
	if t.vendor() == "meta" && x.variants.LlamaLoops && a.prompt.Choice == answer.Auto && q.afterResult() {
		a.prompt.Choice = answer.Required
	}
	g, err := x.s.generate(t.Model, a)
	if err != nil {
		return err
	}
	x.emptied(g)
	if t.vendor() == "meta" && x.variants.LlamaDoubleEncoded {
		encodeTwice(g)
	}
	if q.IsStream {
		return x.streamGeneric(t, &q, g)
	}
	x.bill(g.usage)
	return x.reply(x.genericResult(t, &q, g))
}

// afterResult reports whether the conversation ends in a tool's result.
func (q *genericRequest) afterResult() bool {
	return q.Messages[len(q.Messages)-1].Role == "TOOL"
}

// encodeTwice makes JSON texts of the arguments of all calls.
func encodeTwice(g *generation) {
	for _, c := range g.choices {
		for i := range c.calls {
			if b, err := encode(c.calls[i].arguments); err == nil { // a string can always be encoded
				c.calls[i].arguments = string(b)
			}
		}
	}
}

// ask turns the request into what the generation needs.
func (q *genericRequest) ask() ask {
	a := ask{stops: q.Stop, n: q.NumGenerations, effort: q.ReasoningEffort}
	for _, limit := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if limit != nil {
			a.maxTokens = *limit
		}
	}
	p := answer.Prompt{Seed: q.Seed, Parallel: q.IsParallelToolCalls == nil || *q.IsParallelToolCalls}
	names := make(map[string]string)
	for _, m := range q.Messages {
		for _, c := range m.ToolCalls {
			names[c.ID] = c.Name
		}
		appendTurn(&p, m.turn(names))
	}
	for _, tool := range q.Tools {
		p.Tools = append(p.Tools, answer.Offer{Name: tool.Name, Description: tool.Description, Schema: tool.Parameters})
	}
	if c := q.ToolChoice; c != nil {
		p.Choice = map[string]answer.Choice{"AUTO": answer.Auto, "NONE": answer.None, "REQUIRED": answer.Required, "FUNCTION": answer.Named}[c.Type]
		p.Named = c.Name
	}
	if f := q.ResponseFormat; f != nil {
		p.Format = map[string]answer.Format{"TEXT": answer.Plain, "JSON_OBJECT": answer.JSONObject, "JSON_SCHEMA": answer.JSONSchema}[f.Type]
		p.Schema = f.JSONSchema.Schema
	}
	a.prompt = p
	return a
}

// turn reads one message; names maps the ids of earlier calls to their tools.
func (m genericMessage) turn(names map[string]string) answer.Message {
	roles := map[string]answer.Role{"SYSTEM": answer.System, "DEVELOPER": answer.System, "USER": answer.User, "ASSISTANT": answer.Assistant, "TOOL": answer.Tool}
	var texts []string
	var images [][]byte
	for _, part := range m.Content {
		switch part.Type {
		case "TEXT":
			texts = append(texts, part.Text)
		case "IMAGE":
			images = append(images, dataURI(part.ImageURL.URL))
		}
	}
	return turnOf(roles[m.Role], texts, images, names[m.ToolCallID])
}

// genericOut is a message of the reply; which keys appear differs by vendor.
type genericOut struct {
	Role             string           `json:"role"`
	Content          []genericOutPart `json:"content,omitempty"`
	ToolCalls        *[]genericOutTC  `json:"toolCalls,omitempty"`
	Annotations      *[]annotation    `json:"annotations,omitempty"`
	ReasoningContent string           `json:"reasoningContent,omitempty"`
}

type genericOutPart struct {
	Type string  `json:"type"`
	Text *string `json:"text,omitempty"` // Google leaves it out when there is none
}

type genericOutTC struct {
	Type      string  `json:"type"`
	ID        string  `json:"id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Arguments *string `json:"arguments,omitempty"`
}

type annotation struct {
	Type        string      `json:"type"`
	URLCitation urlCitation `json:"urlCitation"`
}

type urlCitation struct {
	StartIndex int    `json:"startIndex"`
	EndIndex   int    `json:"endIndex"`
	Title      string `json:"title"`
	URL        string `json:"url"`
}

type genericOutChoice struct {
	Index             int        `json:"index"`
	Message           genericOut `json:"message"`
	FinishReason      string     `json:"finishReason"`
	Logprobs          *logprobs  `json:"logprobs,omitempty"`
	GroundingMetadata *grounding `json:"groundingMetadata,omitempty"`
}

// grounding is where Google's models say what they found on the web.
type grounding struct {
	WebSearchQueries []string         `json:"webSearchQueries"`
	GroundingChunks  []groundingChunk `json:"groundingChunks"`
}

type groundingChunk struct {
	Web struct {
		URI    string `json:"uri"`
		Title  string `json:"title"`
		Domain string `json:"domain"`
	} `json:"web"`
}

// logprobs is empty, yet there, when none were asked for.
type logprobs struct {
	Tokens        []string            `json:"tokens,omitempty"`
	TokenLogprobs []float64           `json:"tokenLogprobs,omitempty"`
	TopLogprobs   []map[string]string `json:"topLogprobs,omitempty"` // the numbers are strings on the wire
	TextOffset    []int               `json:"textOffset,omitempty"`
}

type chatResult struct {
	ModelID      string `json:"modelId"`
	ModelVersion string `json:"modelVersion"`
	ChatResponse any    `json:"chatResponse"`
}

type genericResponse struct {
	APIFormat   string             `json:"apiFormat"`
	TimeCreated string             `json:"timeCreated"`
	Choices     []genericOutChoice `json:"choices"`
	Usage       *wireUsage         `json:"usage"`
	ServiceTier string             `json:"serviceTier,omitempty"`
}

func (x *exchange) genericResult(t target, q *genericRequest, g *generation) chatResult {
	r := genericResponse{
		APIFormat:   formatGeneric,
		TimeCreated: x.s.clock().UTC().Format("2006-01-02T15:04:05.000Z"),
		Usage:       g.usage.wire(t.Model),
	}
	if t.vendor() == "openai" {
		r.ServiceTier = "DEFAULT"
	}
	for i, c := range g.choices {
		out := genericOutChoice{Index: i, FinishReason: x.genericFinish(t.Model, c), Logprobs: &logprobs{}}
		out.Message = genericMessageOf(t.Model, g, c)
		if q.LogProbs != nil {
			out.Logprobs = makeLogprobs(c.text, *q.LogProbs)
		}
		if q.WebSearchOptions != nil && len(c.calls) == 0 {
			cite(t.Model, &out, c.text)
		}
		r.Choices = append(r.Choices, out)
	}
	return chatResult{t.asked, t.Version, r}
}

// genericMessageOf builds a unary message with the vendor's habits.
func genericMessageOf(m *Model, g *generation, c choice) genericOut {
	out := genericOut{Role: "ASSISTANT", ReasoningContent: g.reasoning}
	if len(c.calls) == 0 || c.text != "" {
		out.Content = []genericOutPart{{Type: "TEXT", Text: &c.text}}
	}
	calls := make([]genericOutTC, len(c.calls))
	for i, call := range c.calls {
		calls[i] = genericOutTC{Type: "FUNCTION", ID: call.id, Name: call.Name, Arguments: &call.arguments}
	}
	switch m.vendor() {
	case "google":
		if len(calls) > 0 {
			out.Content = []genericOutPart{{Type: "TEXT"}}
			for i := range calls {
				calls[i].ID = ""
			}
		}
	case "openai":
		out.Annotations = &[]annotation{}
	case "meta":
		out.ToolCalls = &calls // an empty list when there are none
	}
	if len(calls) > 0 {
		out.ToolCalls = &calls
	}
	return out
}

// cite adds the source of an answer that was looked up on the web, in the vendor's way.
func cite(m *Model, out *genericOutChoice, text string) {
	if m.vendor() != "google" {
		out.Message.Annotations = &[]annotation{{"url_citation", urlCitation{0, len([]rune(text)), "Example", "https://example.com/"}}}
		return
	}
	var source groundingChunk
	source.Web.URI, source.Web.Title, source.Web.Domain = "https://example.com/", "Example", "example.com"
	out.GroundingMetadata = &grounding{[]string{text}, []groundingChunk{source}}
}

// genericFinish names the end of a choice in lower case, as the captures show.
func (x *exchange) genericFinish(m *Model, c choice) string {
	switch {
	case x.rule.Finish != "":
		return x.rule.Finish
	case c.finish == finishLength:
		return "length"
	case c.finish != finishCalls:
		return "stop"
	case m.vendor() == "google":
		return "stop"
	case m.vendor() == "meta":
		return x.variants.LlamaToolFinish
	}
	return "tool_calls"
}

// makeLogprobs invents falling but harmless numbers for each token.
func makeLogprobs(text string, alternatives int) *logprobs {
	l := &logprobs{}
	offset := 0
	for i, piece := range answer.Pieces(text) {
		p := -0.01 * float64(1+i%7)
		l.Tokens = append(l.Tokens, piece)
		l.TokenLogprobs = append(l.TokenLogprobs, p)
		l.TextOffset = append(l.TextOffset, offset)
		offset += len([]rune(piece))
		top := map[string]string{piece: strconv.FormatFloat(p, 'f', -1, 64)}
		for k := 1; k < alternatives; k++ {
			top[piece+strings.Repeat("'", k)] = strconv.FormatFloat(p-float64(k), 'f', -1, 64)
		}
		l.TopLogprobs = append(l.TopLogprobs, top)
	}
	return l
}
