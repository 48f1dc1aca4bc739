package ocisim

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"tollgate/internal/ocisim/answer"
)

// cohereRequest is a chat request of the format COHERE.
type cohereRequest struct {
	Message          string           `json:"message"`
	ChatHistory      []cohereTurn     `json:"chatHistory"`
	PreambleOverride string           `json:"preambleOverride"`
	Documents        []map[string]any `json:"documents"`
	Tools            []cohereTool     `json:"tools"`
	ToolResults      []cohereResult   `json:"toolResults"`
	IsSearchQueries  bool             `json:"isSearchQueriesOnly"`
	IsEcho           bool             `json:"isEcho"`
	IsStream         bool             `json:"isStream"`
	StreamOptions    *streamSettings  `json:"streamOptions"`
	MaxTokens        int              `json:"maxTokens"`
	Seed             int64            `json:"seed"`
	StopSequences    []string         `json:"stopSequences"`
	ResponseFormat   *cohereFormatOf  `json:"responseFormat"`
}

type cohereFormatOf struct {
	Type   string         `json:"type"`
	Schema map[string]any `json:"schema"`
}

type cohereTurn struct {
	Role        string         `json:"role"`
	Message     string         `json:"message,omitempty"`
	ToolCalls   []cohereTC     `json:"toolCalls,omitempty"`
	ToolResults []cohereResult `json:"toolResults,omitempty"`
}

type cohereTC struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters"`
}

type cohereResult struct {
	Call    cohereTC         `json:"call"`
	Outputs []map[string]any `json:"outputs"`
}

type cohereTool struct {
	Name                 string                     `json:"name"`
	Description          string                     `json:"description"`
	ParameterDefinitions map[string]cohereParamType `json:"parameterDefinitions"`
}

type cohereParamType struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	IsRequired  bool   `json:"isRequired"`
}

// chatCohere answers a COHERE request.
func (x *exchange) chatCohere(t target, body json.RawMessage) error {
	var q cohereRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return unparsable("%s: %s", correctFormat, jsonFault(err))
	}
	if err := refuseCohere(t.Model, &q); err != nil {
		return err
	}
	g, err := x.s.generate(t.Model, q.ask())
	if err != nil {
		return err
	}
	x.emptied(g)
	final := x.cohereFinal(&q, g)
	if q.IsStream {
		return x.streamCohere(&q, g, final)
	}
	x.bill(g.usage)
	final.Usage = g.usage.wire(t.Model)
	return x.reply(chatResult{t.asked, t.Version, final})
}

// ask turns the request into what the generation needs.
func (q *cohereRequest) ask() ask {
	p := answer.Prompt{Seed: q.Seed, Parallel: true}
	if q.PreambleOverride != "" {
		p.Messages = append(p.Messages, answer.Message{Role: answer.System, Text: q.PreambleOverride})
	}
	for _, turn := range q.ChatHistory {
		appendTurn(&p, turn.turn())
	}
	if q.Message != "" {
		appendTurn(&p, answer.Message{Role: answer.User, Text: q.Message})
	}
	if len(q.ToolResults) > 0 {
		appendTurn(&p, cohereTurn{Role: "TOOL", ToolResults: q.ToolResults}.turn())
	}
	for _, tool := range q.Tools {
		p.Tools = append(p.Tools, answer.Offer{Name: tool.Name, Description: tool.Description, Schema: tool.schema()})
	}
	for i, d := range q.Documents {
		p.Documents = append(p.Documents, cohereDocument(i, d))
	}
	p.Format, p.Schema = q.ResponseFormat.format()
	return ask{prompt: p, maxTokens: q.MaxTokens, stops: q.StopSequences, n: 1, plans: true}
}

// format reads the response format, which both of Cohere's formats share.
func (f *cohereFormatOf) format() (answer.Format, map[string]any) {
	switch {
	case f == nil || f.Type != "JSON_OBJECT":
		return answer.Plain, nil
	case f.Schema != nil:
		return answer.JSONSchema, f.Schema
	}
	return answer.JSONObject, nil
}

func (t cohereTurn) turn() answer.Message {
	roles := map[string]answer.Role{"USER": answer.User, "SYSTEM": answer.System, "CHATBOT": answer.Assistant, "TOOL": answer.Tool}
	m := answer.Message{Role: roles[t.Role], Text: t.Message}
	for _, r := range t.ToolResults {
		m.Results = append(m.Results, answer.Result{Tool: r.Call.Name, Text: r.text()})
	}
	return m
}

// text renders what a tool gave back: the bare value of a single-member output, else JSON.
func (r cohereResult) text() string {
	parts := make([]string, len(r.Outputs))
	for i, output := range r.Outputs {
		if len(output) == 1 {
			for _, v := range output {
				parts[i] = fmt.Sprint(v)
			}
			continue
		}
		b, err := encode(output)
		if err == nil { // it came from JSON
			parts[i] = string(b)
		}
	}
	return strings.Join(parts, ", ")
}

// cohereDocument flattens a document's strings; snippet and text come first, whatever their key order.
func cohereDocument(index int, d map[string]any) answer.Document {
	out := answer.Document{ID: fmt.Sprintf("doc_%d", index)}
	if id, ok := d["id"].(string); ok {
		out.ID = id
	}
	for _, key := range []string{"snippet", "text", "contents", "data"} {
		if v, ok := d[key].(string); ok {
			out.Text = v
			return out
		}
	}
	var values []string
	for key, v := range d {
		if s, ok := v.(string); ok && key != "id" {
			values = append(values, s)
		}
	}
	sort.Strings(values)
	out.Text = strings.Join(values, ". ")
	return out
}

// pythonTypes maps the names that Cohere takes to those of JSON schema.
var pythonTypes = map[string]string{
	"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object",
}

// schemaType reads a Python type name; ok is false for what Cohere does not survive, such as a bare List.
func schemaType(python string) (string, bool) {
	if kind, ok := pythonTypes[python]; ok {
		return kind, true
	}
	for prefix, kind := range map[string]string{"List[": "array", "list[": "array", "Dict[": "object", "dict[": "object"} {
		if strings.HasPrefix(python, prefix) && strings.HasSuffix(python, "]") {
			return kind, true
		}
	}
	return "", false
}

// schema turns parameter definitions into the JSON schema that they stand for.
func (t cohereTool) schema() map[string]any {
	props, need := make(map[string]any), []any{}
	for name, p := range t.ParameterDefinitions {
		kind, _ := schemaType(p.Type)
		props[name] = map[string]any{"type": kind, "description": p.Description}
		if p.IsRequired {
			need = append(need, name)
		}
	}
	sort.Slice(need, func(i, j int) bool { return need[i].(string) < need[j].(string) })
	return map[string]any{"type": "object", "properties": props, "required": need}
}

// cohereEvent is a reply and an event of a stream alike. FinishReason is a pointer to a pointer because null is one of
// its values and absence another.
type cohereEvent struct {
	APIFormat     string           `json:"apiFormat"`
	Text          string           `json:"text"`
	ChatHistory   []cohereTurn     `json:"chatHistory,omitempty"`
	FinishReason  **string         `json:"finishReason,omitempty"`
	Citations     []cohereCitation `json:"citations,omitempty"`
	Documents     []map[string]any `json:"documents,omitempty"`
	SearchQueries []cohereQuery    `json:"searchQueries,omitempty"`
	ToolCalls     []cohereTC       `json:"toolCalls,omitempty"`
	Prompt        string           `json:"prompt,omitempty"`
	Usage         *wireUsage       `json:"usage,omitempty"`
}

type cohereCitation struct {
	Start       int      `json:"start"`
	End         int      `json:"end"`
	Text        string   `json:"text"`
	DocumentIDs []string `json:"documentIds"`
}

type cohereQuery struct {
	Text string `json:"text"`
}

// cohereFinal is the whole reply without usage: the unary answer, and the last event of a stream.
func (x *exchange) cohereFinal(q *cohereRequest, g *generation) cohereEvent {
	c := g.choices[0]
	out := cohereEvent{APIFormat: formatCohere, Text: c.text}
	reason := x.cohereFinish(c)
	if c.finish == finishStopSequence && x.variants.CohereNullFinish && x.rule.Finish == "" {
		reason = nil
		out.Text += "<|"
	}
	out.FinishReason = &reason
	for _, quote := range c.quotes {
		out.Citations = append(out.Citations, cohereCitation{quote.Start, quote.End, quote.Text, []string{quote.DocumentID}})
		out.Documents = q.Documents
	}
	if c.finish == finishCalls {
		for _, call := range c.calls {
			out.ToolCalls = append(out.ToolCalls, cohereTC{call.Name, call.Arguments})
		}
	}
	if q.IsSearchQueries {
		out.SearchQueries = []cohereQuery{{q.Message}}
	}
	if q.IsEcho {
		out.Prompt = q.Message
	}
	out.ChatHistory = append(out.ChatHistory, q.ChatHistory...)
	if q.Message != "" {
		out.ChatHistory = append(out.ChatHistory, cohereTurn{Role: "USER", Message: q.Message})
	}
	if len(q.ToolResults) > 0 {
		out.ChatHistory = append(out.ChatHistory, cohereTurn{Role: "TOOL", ToolResults: q.ToolResults})
	}
	out.ChatHistory = append(out.ChatHistory, cohereTurn{Role: "CHATBOT", Message: out.Text, ToolCalls: out.ToolCalls})
	return out
}

// cohereFinish names the end of a reply. There is no word for tools: such turns are COMPLETE.
func (x *exchange) cohereFinish(c choice) *string {
	reason := "COMPLETE"
	switch {
	case x.rule.Finish != "":
		reason = x.rule.Finish
	case c.finish == finishLength:
		reason = "MAX_TOKENS"
	}
	return &reason
}

// streamCohere sends text deltas, then calls with the whole text again, then the terminal event that repeats
// everything. There is no [DONE].
func (x *exchange) streamCohere(q *cohereRequest, g *generation, final cohereEvent) error {
	e := x.newStream(true)
	x.count.PromptTokens = g.usage.prompt
	return e.settle(x.cohereEvents(e, q, g, final))
}

func (x *exchange) cohereEvents(e *eventStream, q *cohereRequest, g *generation, final cohereEvent) error {
	c := g.choices[0]
	for _, piece := range answer.Pieces(final.Text) {
		if err := e.event(cohereEvent{APIFormat: formatCohere, Text: piece}, 1); err != nil {
			return err
		}
	}
	if len(final.ToolCalls) > 0 {
		if err := e.event(cohereEvent{APIFormat: formatCohere, Text: final.Text, ToolCalls: final.ToolCalls}, 0); err != nil {
			return err
		}
	}
	if x.rule.NoFinish {
		return errStreamOver
	}
	x.count.CompletionTokens = c.tokens()
	if q.StreamOptions != nil && q.StreamOptions.IsIncludeUsage {
		final.Usage = &wireUsage{CompletionTokens: g.usage.completion, PromptTokens: g.usage.prompt, TotalTokens: g.usage.prompt + g.usage.completion}
	}
	return e.last(final)
}

// refuseCohere applies what Cohere's models refuse in a COHERE request.
func refuseCohere(m *Model, q *cohereRequest) error {
	for _, tool := range q.Tools {
		for _, p := range tool.ParameterDefinitions {
			if _, ok := schemaType(p.Type); !ok {
				return internalError() // an unknown Python type, a bare List among them, breaks the service
			}
		}
	}
	for _, turn := range q.ChatHistory {
		if turn.Role != "TOOL" && turn.Message == "" && len(turn.ToolCalls) == 0 {
			return cohereRejection("invalid request: all elements in history must have a message.")
		}
	}
	last := len(q.ChatHistory) - 1
	afterResults := len(q.ToolResults) > 0 || (last >= 0 && q.ChatHistory[last].Role == "TOOL")
	switch {
	case q.Message != "" && afterResults:
		return cohereRejection("invalid request: cannot specify message if the last entry in chat history contains tool results")
	case q.Message == "" && !afterResults:
		return cohereRejection("invalid request: message must be at least 1 token long or tool results must be specified.")
	}
	if strings.HasPrefix(m.ID, "cohere.command-a") {
		return refuseOpenCalls(q)
	}
	return nil
}

// refuseOpenCalls refuses a history in which a tool call has no result, which Command A does and Command R does not.
func refuseOpenCalls(q *cohereRequest) error {
	open := make(map[string]int)
	settle := func(results []cohereResult) {
		for _, r := range results {
			open[r.Call.Name]--
		}
	}
	for _, turn := range q.ChatHistory {
		for _, c := range turn.ToolCalls {
			open[c.Name]++
		}
		settle(turn.ToolResults)
	}
	settle(q.ToolResults)
	for name, n := range open {
		if n > 0 {
			return cohereRejection("invalid request: tool call " + name + " has no matching tool result")
		}
	}
	return nil
}
