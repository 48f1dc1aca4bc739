package ocisim

import (
	"fmt"
	"strings"

	"tollgate/internal/ocisim/answer"
)

// ask is a chat request of any format, as the generation sees it.
type ask struct {
	prompt    answer.Prompt
	maxTokens int // most completion tokens that the caller allows, 0 when it said nothing
	stops     []string
	n         int    // how many choices, at least 1
	effort    string // NONE, MINIMAL, LOW, MEDIUM, HIGH or empty
	plans     bool   // tool turns say what they are about to do
}

// turnOf makes a turn of the parts of a message. What a tool message says is the result of the named tool.
func turnOf(role answer.Role, texts []string, images [][]byte, tool string) answer.Message {
	text := strings.Join(texts, "\n")
	if role == answer.Tool {
		return answer.Message{Role: role, Results: []answer.Result{{Tool: tool, Text: text}}}
	}
	return answer.Message{Role: role, Text: text, Images: images}
}

// appendTurn adds a turn to a prompt; tool results that follow each other are one turn.
func appendTurn(p *answer.Prompt, m answer.Message) {
	if last := len(p.Messages) - 1; m.Role == answer.Tool && last >= 0 && p.Messages[last].Role == answer.Tool {
		p.Messages[last].Results = append(p.Messages[last].Results, m.Results...)
		return
	}
	p.Messages = append(p.Messages, m)
}

// finish says why a choice ended; each format has its own words for it.
type finish int

const (
	finishStop finish = iota
	finishStopSequence
	finishLength
	finishCalls
)

// wireCall is a tool call with its arguments as text.
type wireCall struct {
	answer.Call
	id        string
	arguments string
}

// choice is one of the answers.
type choice struct {
	text   string
	calls  []wireCall
	quotes []answer.Quote
	finish finish
}

// generation is the outcome of a chat call.
type generation struct {
	choices   []choice
	reasoning string // shown reasoning, empty when the model hides it or does none
	usage     usage
}

// usage counts tokens; all formats derive theirs from it.
type usage struct {
	prompt, completion, reasoning int
}

// Per-message and per-call overheads of the token count, and the price of a picture.
const (
	messageOverhead = 4
	callOverhead    = 4
	imageTokens     = 512
)

// generate answers a request within its cap. A prompt that does not fit the model's context is refused.
func (s *Server) generate(m *Model, a ask) (*generation, error) {
	a.prompt.Seed += s.seed
	g := &generation{usage: usage{prompt: countPrompt(a.prompt)}}
	if m.Context > 0 && g.usage.prompt > m.Context {
		return nil, contextRefusal(m, g.usage.prompt)
	}
	limit := s.outputCap(m, a.maxTokens)
	thinking := thinkingTokens(m, a.effort)
	if m.hidesReasoning() {
		thinking = min(thinking, limit)
		limit -= thinking
	} else if thinking > 0 {
		g.reasoning = think(a.prompt, thinking)
		thinking = answer.Count(g.reasoning)
	}
	g.usage.reasoning, g.usage.completion = thinking, thinking
	for range max(a.n, 1) {
		c := s.choose(a, limit)
		g.choices = append(g.choices, c)
		g.usage.completion += c.tokens()
	}
	return g, nil
}

// outputCap is the caller's cap within the model's; without one the service gives a few tokens only.
func (s *Server) outputCap(m *Model, asked int) int {
	if asked <= 0 {
		asked = s.Variants().DefaultMaxTokens
	}
	if m.MaxOutput > 0 {
		asked = min(asked, m.MaxOutput)
	}
	return asked
}

// thinkingTokens scales the model's reasoning by the effort.
func thinkingTokens(m *Model, effort string) int {
	switch effort {
	case "NONE":
		return 0
	case "MINIMAL":
		return m.ReasoningTokens / 8
	case "LOW":
		return m.ReasoningTokens / 2
	case "HIGH":
		return m.ReasoningTokens * 2
	}
	return m.ReasoningTokens
}

// think writes reasoning of about so many tokens.
func think(p answer.Prompt, tokens int) string {
	question := ""
	for _, m := range p.Messages {
		if m.Role == answer.User {
			question = m.Text
		}
	}
	if words := strings.Fields(question); len(words) > 12 {
		question = strings.Join(words[:12], " ")
	}
	thought := fmt.Sprintf("The user asks: %s. I look at what is wanted and answer that. ", strings.TrimRight(question, ".?! "))
	pieces := answer.Pieces(thought)
	for len(pieces) < tokens {
		pieces = append(pieces, answer.Pieces("Let me check this once more. ")...)
	}
	return strings.TrimSpace(strings.Join(pieces[:tokens], ""))
}

// choose composes one choice and cuts it to the stop sequences and the limit.
func (s *Server) choose(a ask, limit int) choice {
	reply := answer.Compose(a.prompt)
	if len(reply.Calls) > 0 {
		return s.callChoice(a, reply, limit)
	}
	c := choice{text: reply.Text, quotes: reply.Quotes}
	for _, stop := range a.stops {
		if at := strings.Index(c.text, stop); at >= 0 && stop != "" {
			c.text, c.finish = c.text[:at], finishStopSequence
		}
	}
	if pieces := answer.Pieces(c.text); len(pieces) > limit {
		c.text, c.finish = strings.Join(pieces[:limit], ""), finishLength
	}
	length := len([]rune(c.text))
	kept := c.quotes[:0]
	for _, q := range c.quotes {
		if q.End <= length {
			kept = append(kept, q)
		}
	}
	c.quotes = kept
	return c
}

// callChoice turns calls into a choice. When the limit ends inside the arguments, the last call's are cut, as real
// models leave them.
func (s *Server) callChoice(a ask, reply answer.Reply, limit int) choice {
	c := choice{finish: finishCalls}
	if a.plans {
		c.text = reply.Text
		limit -= answer.Count(c.text)
	}
	for _, call := range reply.Calls {
		w := wireCall{Call: call, id: "call_" + strings.ToLower(s.hex(24)), arguments: call.ArgumentsJSON()}
		pieces := answer.Pieces(w.arguments)
		room := limit - callOverhead - answer.Count(w.Name)
		if len(pieces) > room {
			w.arguments = strings.Join(pieces[:max(room, 0)], "")
			c.calls, c.finish = append(c.calls, w), finishLength
			return c
		}
		limit = room - len(pieces)
		c.calls = append(c.calls, w)
	}
	return c
}

func (c choice) tokens() int {
	n := answer.Count(c.text)
	for _, call := range c.calls {
		n += call.tokens()
	}
	return n
}

func (w wireCall) tokens() int {
	return callOverhead + answer.Count(w.Name) + answer.Count(w.arguments)
}

// countPrompt counts what the caller sent: texts, pictures, tools and schema.
func countPrompt(p answer.Prompt) int {
	n := 3
	for _, m := range p.Messages {
		n += messageOverhead + answer.Count(m.Text) + imageTokens*len(m.Images)
		for _, r := range m.Results {
			n += answer.Count(r.Text)
		}
	}
	for _, t := range p.Tools {
		n += callOverhead + answer.Count(t.Name) + answer.Count(t.Description) + countJSON(t.Schema)
	}
	for _, d := range p.Documents {
		n += answer.Count(d.Text)
	}
	return n + countJSON(p.Schema)
}

func countJSON(v map[string]any) int {
	if v == nil {
		return 0
	}
	b, err := encode(v)
	if err != nil { // it came from JSON
		return 0
	}
	return answer.Count(string(b))
}

func contextRefusal(m *Model, tokens int) *serviceError {
	message := fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens.", m.Context, tokens)
	switch m.vendor() {
	case "openai":
		return openAIRejection("messages", "context_length_exceeded", message)
	case "xai":
		return xaiRejection(message)
	case "google":
		return googleRejection(message)
	case "cohere":
		return cohereRejection("too many tokens: " + message)
	}
	return plainRejection("%s", message)
}
