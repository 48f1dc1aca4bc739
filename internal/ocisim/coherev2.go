package ocisim

import (
	"encoding/json"
	"slices"
	"strings"

	"tollgate/internal/ocisim/answer"
)

// cohereV2Request is a chat request of the format COHEREV2.
type cohereV2Request struct {
	Messages          []cohereV2Message `json:"messages"`
	Documents         []any             `json:"documents"`
	Tools             []cohereV2Tool    `json:"tools"`
	ToolsChoice       string            `json:"toolsChoice"`
	Thinking          *cohereThinking   `json:"thinking"`
	IsLogProbsEnabled bool              `json:"isLogProbsEnabled"`
	ResponseFormat    *cohereFormatOf   `json:"responseFormat"`
	StreamOptions     *streamSettings   `json:"streamOptions"`
	IsStream          bool              `json:"isStream"`
	MaxTokens         int               `json:"maxTokens"`
	Seed              int64             `json:"seed"`
	StopSequences     []string          `json:"stopSequences"`
}

type cohereThinking struct {
	Type string `json:"type"`
}

type cohereV2Tool struct {
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  map[string]any `json:"parameters"`
	} `json:"function"`
}

type cohereV2Message struct {
	Role       string         `json:"role"`
	Content    []cohereV2Part `json:"content"`
	ToolCallID string         `json:"toolCallId"`
	ToolCalls  []cohereV2TC   `json:"toolCalls"`
}

type cohereV2Part struct {
	Type     string    `json:"type"`
	Text     string    `json:"text"`
	ImageURL imageLink `json:"imageUrl"`
	Document any       `json:"document"`
}

type imageLink struct {
	URL string `json:"url"`
}

type cohereV2TC struct {
	ID       string           `json:"id"`
	Type     string           `json:"type"`
	Function cohereV2Function `json:"function"`
}

type cohereV2Function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// chatCohereV2 answers a COHEREV2 request.
func (x *exchange) chatCohereV2(t target, body json.RawMessage) error {
	var q cohereV2Request
	if err := json.Unmarshal(body, &q); err != nil {
		return unparsable("%s: %s", correctFormat, jsonFault(err))
	}
	if !slices.ContainsFunc(q.Messages, func(m cohereV2Message) bool { return m.Role == "USER" }) {
		return cohereRejection("invalid request: messages must have at least one message of the user")
	}
	if q.ToolsChoice == "REQUIRED" && len(q.Tools) == 0 {
		return cohereRejection("invalid request: tools must be specified when tool_choice is REQUIRED")
	}
	g, err := x.s.generate(t.Model, q.ask())
	if err != nil {
		return err
	}
	x.emptied(g)
	if q.IsStream {
		e := x.newStream(true)
		x.count.PromptTokens = g.usage.prompt
		return e.settle(x.cohereV2Events(e, t, &q, g))
	}
	x.bill(g.usage)
	out := cohereV2Reply{
		cohereV2Event:    cohereV2Event{APIFormat: formatCohereV2, Message: cohereV2MessageOf(g), FinishReason: x.cohereV2Finish(g.choices[0]), Usage: g.usage.wire(t.Model)},
		ID:               strings.ToLower(x.s.hex(32)),
		LogProbabilities: q.logProbabilities(g.choices[0].text),
	}
	return x.reply(chatResult{t.asked, t.Version, out})
}

func (q *cohereV2Request) ask() ask {
	a := ask{maxTokens: q.MaxTokens, stops: q.StopSequences, n: 1, plans: true}
	if q.Thinking != nil && q.Thinking.Type == "DISABLED" {
		a.effort = "NONE"
	}
	p := answer.Prompt{Seed: q.Seed, Parallel: true}
	names := make(map[string]string)
	for _, m := range q.Messages {
		for _, c := range m.ToolCalls {
			names[c.ID] = c.Function.Name
		}
		appendTurn(&p, m.turn(names))
	}
	for _, tool := range q.Tools {
		f := tool.Function
		p.Tools = append(p.Tools, answer.Offer{Name: f.Name, Description: f.Description, Schema: f.Parameters})
	}
	p.Choice = map[string]answer.Choice{"REQUIRED": answer.Required, "NONE": answer.None}[q.ToolsChoice]
	for i, d := range q.Documents {
		switch d := d.(type) {
		case string:
			p.Documents = append(p.Documents, cohereDocument(i, map[string]any{"text": d}))
		case map[string]any:
			if inner, ok := d["data"].(map[string]any); ok {
				d = inner
			}
			p.Documents = append(p.Documents, cohereDocument(i, d))
		}
	}
	p.Format, p.Schema = q.ResponseFormat.format()
	a.prompt = p
	return a
}

func (m cohereV2Message) turn(names map[string]string) answer.Message {
	roles := map[string]answer.Role{"USER": answer.User, "SYSTEM": answer.System, "ASSISTANT": answer.Assistant, "TOOL": answer.Tool}
	var texts []string
	var images [][]byte
	for _, part := range m.Content {
		switch part.Type {
		case "TEXT":
			texts = append(texts, part.Text)
		case "IMAGE_URL":
			images = append(images, dataURI(part.ImageURL.URL))
		case "DOCUMENT":
			if b, err := encode(part.Document); err == nil { // it came from JSON
				texts = append(texts, string(b))
			}
		}
	}
	return turnOf(roles[m.Role], texts, images, names[m.ToolCallID])
}

// cohereV2Event is an event of a stream; a unary reply adds to it.
type cohereV2Event struct {
	APIFormat    string          `json:"apiFormat"`
	Message      *cohereV2OutMsg `json:"message,omitempty"`
	FinishReason string          `json:"finishReason,omitempty"`
	Usage        *wireUsage      `json:"usage,omitempty"`
}

type cohereV2Reply struct {
	cohereV2Event
	ID               string           `json:"id"`
	LogProbabilities []logProbability `json:"logProbabilities,omitempty"`
}

type cohereV2OutMsg struct {
	Role      string             `json:"role"`
	Content   []cohereV2OutPart  `json:"content"`
	ToolPlan  string             `json:"toolPlan,omitempty"`
	ToolCalls []cohereV2TC       `json:"toolCalls,omitempty"`
	Citations []cohereV2Citation `json:"citations,omitempty"`
}

type cohereV2OutPart struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	Thinking string `json:"thinking,omitempty"`
}

type cohereV2Citation struct {
	Start        int              `json:"start"`
	End          int              `json:"end"`
	Text         string           `json:"text"`
	ContentIndex int              `json:"contentIndex"`
	Type         string           `json:"type"`
	Sources      []cohereV2Source `json:"sources"`
}

type cohereV2Source struct {
	Type     string `json:"type"`
	Document struct {
		ID string `json:"id"`
	} `json:"document"`
}

type logProbability struct {
	TokenIDs         []int     `json:"tokenIds"`
	Text             string    `json:"text"`
	LogProbabilities []float64 `json:"logProbabilities"`
}

func (q *cohereV2Request) logProbabilities(text string) []logProbability {
	if !q.IsLogProbsEnabled {
		return nil
	}
	var all []logProbability
	for i, piece := range answer.Pieces(text) {
		all = append(all, logProbability{[]int{1000 + i}, piece, []float64{-0.01 * float64(1+i%7)}})
	}
	return all
}

// cohereV2MessageOf builds the whole message: thinking before text, calls beside a plan.
func cohereV2MessageOf(g *generation) *cohereV2OutMsg {
	c := g.choices[0]
	out := &cohereV2OutMsg{Role: "ASSISTANT", Content: []cohereV2OutPart{}}
	if g.reasoning != "" {
		out.Content = append(out.Content, cohereV2OutPart{Type: "THINKING", Thinking: g.reasoning})
	}
	if len(c.calls) > 0 {
		out.ToolPlan = c.text
		out.ToolCalls = cohereV2Calls(c)
		return out
	}
	out.Content = append(out.Content, cohereV2OutPart{Type: "TEXT", Text: c.text})
	for _, quote := range c.quotes {
		source := cohereV2Source{Type: "DOCUMENT"}
		source.Document.ID = quote.DocumentID
		out.Citations = append(out.Citations, cohereV2Citation{quote.Start, quote.End, quote.Text, len(out.Content) - 1, "TEXT_CONTENT", []cohereV2Source{source}})
	}
	return out
}

func cohereV2Calls(c choice) []cohereV2TC {
	calls := make([]cohereV2TC, len(c.calls))
	for i, call := range c.calls {
		calls[i] = cohereV2TC{call.id, "FUNCTION", cohereV2Function{call.Name, call.arguments}}
	}
	return calls
}

func (x *exchange) cohereV2Finish(c choice) string {
	switch {
	case x.rule.Finish != "":
		return x.rule.Finish
	case c.finish == finishLength:
		return "MAX_TOKENS"
	case c.finish == finishStopSequence:
		return "STOP_SEQUENCE"
	case c.finish == finishCalls:
		return "TOOL_CALL"
	}
	return "COMPLETE"
}

// cohereV2Events sends increments of the message, then a terminal event. No capture shows the detail; whether the
// terminal event repeats the message is a variant.
func (x *exchange) cohereV2Events(e *eventStream, t target, q *cohereV2Request, g *generation) error {
	c := g.choices[0]
	delta := func(out cohereV2OutMsg, tokens int) error {
		out.Role = "ASSISTANT"
		if out.Content == nil {
			out.Content = []cohereV2OutPart{}
		}
		return e.event(cohereV2Event{APIFormat: formatCohereV2, Message: &out}, tokens)
	}
	for _, piece := range answer.Pieces(g.reasoning) {
		if err := delta(cohereV2OutMsg{Content: []cohereV2OutPart{{Type: "THINKING", Thinking: piece}}}, 1); err != nil {
			return err
		}
	}
	for _, piece := range answer.Pieces(c.text) {
		out := cohereV2OutMsg{Content: []cohereV2OutPart{{Type: "TEXT", Text: piece}}}
		if len(c.calls) > 0 {
			out = cohereV2OutMsg{ToolPlan: piece}
		}
		if err := delta(out, 1); err != nil {
			return err
		}
	}
	if len(c.calls) > 0 {
		if err := delta(cohereV2OutMsg{ToolCalls: cohereV2Calls(c)}, c.tokens()-answer.Count(c.text)); err != nil {
			return err
		}
	}
	if x.rule.NoFinish {
		return errStreamOver
	}
	final := cohereV2Event{APIFormat: formatCohereV2, FinishReason: x.cohereV2Finish(c)}
	if x.variants.CohereV2Repeats {
		final.Message = cohereV2MessageOf(g)
	}
	if q.StreamOptions != nil && q.StreamOptions.IsIncludeUsage {
		final.Usage = g.usage.wire(t.Model)
	}
	x.count.ReasoningTokens = g.usage.reasoning
	return e.last(final)
}
