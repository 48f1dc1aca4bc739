// Package answer makes up what a simulated model says.
//
// It knows nothing of any wire format: a caller hands over a conversation, the tools on offer and the shape the reply
// must have, and gets text or tool calls back. Answers are plausible (capitals, arithmetic, echo, recall, tool calls
// that fit, JSON that follows a schema) and a pure function of the prompt, so that a test can say beforehand what comes.
package answer

import (
	"encoding/json"
	"slices"
	"strings"
)

// Role says who spoke a message.
type Role int

// The roles of a conversation.
const (
	System Role = iota
	User
	Assistant
	Tool
)

// Message is one turn of the conversation.
type Message struct {
	Role Role
	Text string
	// Images holds the decoded bytes of each picture that came with the text.
	Images [][]byte
	// Results holds what tools gave back; only a Tool message has any.
	Results []Result
}

// Result is what one tool call gave back.
type Result struct {
	Tool string // name of the tool, empty when the wire does not carry it
	Text string
}

// Offer is a tool that the model may call.
type Offer struct {
	Name        string
	Description string
	// Schema is the JSON schema of the arguments, as decoded JSON. Nil means no arguments.
	Schema map[string]any
}

// Choice says whether the model may, must or must not call a tool.
type Choice int

// The choices; Named requires the one tool in Prompt.Named.
const (
	Auto Choice = iota
	None
	Required
	Named
)

// Format is the shape that the reply's text must have.
type Format int

// The formats. JSONSchema follows Prompt.Schema, JSONObject is any object.
const (
	Plain Format = iota
	JSONObject
	JSONSchema
)

// Document is a source that the reply may quote.
type Document struct {
	ID   string
	Text string
}

// Prompt is everything that the model sees.
type Prompt struct {
	Messages  []Message
	Tools     []Offer
	Choice    Choice
	Named     string
	Parallel  bool // more than one call in a turn is allowed
	Format    Format
	Schema    map[string]any
	Documents []Document
	Seed      int64
}

// Call is a tool call that the model asks for.
type Call struct {
	Name      string
	Arguments map[string]any
}

// ArgumentsJSON renders the arguments as the JSON text that most wires carry.
func (c Call) ArgumentsJSON() string {
	b, err := json.Marshal(c.Arguments)
	if err != nil { // the arguments are built from JSON values, so this cannot happen
		return "{}"
	}
	return string(b)
}

// Quote marks a span of the reply that comes from a document. Start and End count characters (runes).
type Quote struct {
	Start, End int
	Text       string
	DocumentID string
}

// Reply is what the model says: text, or calls with an optional plan in Text.
type Reply struct {
	Text   string
	Calls  []Call
	Quotes []Quote
}

// Compose answers the prompt. The same prompt always gives the same reply.
func Compose(p Prompt) Reply {
	p = askedInWords(p)
	last := lastMessage(p.Messages)
	if calls := chooseCalls(p, last); len(calls) > 0 {
		return Reply{Text: plan(calls), Calls: calls}
	}
	if p.Format != Plain {
		return Reply{Text: composeJSON(p, last)}
	}
	if last.Role == Tool {
		return Reply{Text: fromResults(last.Results)}
	}
	if len(p.Documents) > 0 {
		if r, ok := fromDocuments(p.Documents, last.Text); ok {
			return r
		}
	}
	return Reply{Text: say(p, last)}
}

// rule answers questions of one kind. It is tried only when the question holds one of its cues, which is cheaper to see
// than its patterns are to match.
type rule struct {
	cues   []string
	answer func(p Prompt, question string) (string, bool)
}

// rules are tried in order.
var rules = []rule{
	{verbs, func(_ Prompt, q string) (string, bool) { return echoQuoted(q) }},
	{[]string{"capital"}, func(_ Prompt, q string) (string, bool) { return capital(q) }},
	{strings.Split("0123456789", ""), func(_ Prompt, q string) (string, bool) { return arithmetic(q) }},
	{[]string{"my "}, func(p Prompt, q string) (string, bool) { return recall(p.Messages, q) }},
	{[]string{"count"}, func(_ Prompt, q string) (string, bool) { return count(q) }},
	{append([]string{"ping"}, verbs...), func(_ Prompt, q string) (string, bool) { return echo(q) }},
}

// say answers in plain text: the first rule that knows the question wins.
func say(p Prompt, last Message) string {
	lower := strings.ToLower(last.Text)
	for _, r := range rules {
		if !slices.ContainsFunc(r.cues, func(cue string) bool { return strings.Contains(lower, cue) }) {
			continue
		}
		if text, ok := r.answer(p, last.Text); ok {
			return text
		}
	}
	if len(last.Images) > 0 {
		return describeImages(last.Images)
	}
	return paragraph(last.Text, p.Seed)
}

// Of a long text the beginning and the end are read: that is where people put their question.
const (
	gistHead = 300
	gistTail = 700
)

// gist cuts the middle out of a long text.
func gist(text string) string {
	if len(text) <= gistHead+gistTail {
		return text
	}
	return strings.ToValidUTF8(text[:gistHead], "") + "\n" + strings.ToValidUTF8(text[len(text)-gistTail:], "")
}

// lastMessage returns the newest message that asks something, which is the last one that the model did not write.
func lastMessage(messages []Message) Message {
	last := Message{Role: User}
	if len(messages) > 0 {
		last = messages[len(messages)-1]
	}
	for i := len(messages) - 1; i >= 0; i-- {
		if r := messages[i].Role; r == User || r == Tool {
			last = messages[i]
			break
		}
	}
	last.Text = gist(last.Text)
	return last
}

// lastUserText returns the newest words of the user, also when tool results follow them.
func lastUserText(messages []Message) string {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == User {
			return gist(messages[i].Text)
		}
	}
	return ""
}

func plan(calls []Call) string {
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i] = c.Name
	}
	return "I will use " + strings.Join(names, " and ") + " to find that out."
}

func fromResults(results []Result) string {
	parts := make([]string, 0, len(results))
	for _, r := range results {
		if r.Tool == "" {
			parts = append(parts, "The tool says: "+r.Text)
			continue
		}
		parts = append(parts, r.Tool+" says: "+r.Text)
	}
	if len(parts) == 0 {
		return "The tool gave nothing back."
	}
	return strings.Join(parts, "\n")
}

// fromDocuments quotes the document that shares most words with the question; ok is false when none shares any.
func fromDocuments(docs []Document, question string) (Reply, bool) {
	best, score := -1, 0
	for i, d := range docs {
		if n := overlap(keywords(question), keywords(d.Text)); n > score {
			best, score = i, n
		}
	}
	if best < 0 {
		return Reply{}, false
	}
	const lead = "According to the documents: "
	quote := strings.TrimSpace(docs[best].Text)
	start := len([]rune(lead))
	return Reply{
		Text: lead + quote,
		Quotes: []Quote{{
			Start: start, End: start + len([]rune(quote)), Text: quote, DocumentID: docs[best].ID,
		}},
	}, true
}
