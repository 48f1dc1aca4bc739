// Package content finds the texts in requests, replies and streams of every surface that the gateway serves, and puts
// changed ones back: the one place that guardrails, caches and callbacks look through. A surface that it does not
// know is an error, never an empty list.
//
// It scans instead of building trees: a body of several hundred kilobytes is looked at once, and a changed text is put in the
// place of the old one with every other byte as it was.
package content

import (
	"errors"

	"tollgate/internal/openai"
)

var (
	// ErrUnknownSurface says that nobody has taught this package where the texts of an operation are.
	ErrUnknownSurface = errors.New("content: this operation's texts are not known")
	// ErrArguments says that the arguments of a tool call would be no JSON any more.
	ErrArguments = errors.New("content: the arguments of a tool call would be no JSON any more")
)

// Kind says what a text is.
type Kind string

// The kinds of texts.
const (
	Plain      Kind = "text"       // content, prompt, input, document, query, the name of who speaks
	Reasoning  Kind = "reasoning"  // what a model has thought
	Refusal    Kind = "refusal"    // why a model does not answer
	Arguments  Kind = "arguments"  // of a tool call: JSON as text
	Definition Kind = "definition" // what a tool or a schema is described with
)

// Text is one text of a body.
type Text struct {
	Kind Kind
	Role string // of the message; "system" of definitions, "" where there are no messages, "assistant" in answers
	// Index is that of the message, the prompt, the input, the document, the tool; in answers that of the choice.
	Index int
	Name  string // of the tool that is called
	Call  int    // the tool call's index in its message
	Field string // the member that it stands in: content, reasoning_content, refusal, arguments, text, prompt ...
	Value string
}

// Body is a request or an answer with its texts, in the order in which they stand. It is not changed once made, but for what
// its maker does, and safe for concurrent reads.
type Body struct {
	Surface openai.Operation
	// Texts are never empty ones.
	Texts  []Text
	Images []string // URLs and data URIs, in the order in which they stand
	// Tokens is true where a prompt or an input is given as token numbers, which nobody here can read.
	Tokens bool
	// Tools is the request's list of tools as it stands, nil without one.
	Tools []byte

	src    []byte
	places []place // of Texts, one for one
	again  []place // of what repeats the text of its choice: logprobs, an upstream's citations
	pieces bool    // of a chunk: arguments are JSON only when they are put together
}

// place is where something stands in the body.
type place struct {
	start, end int
	owner      int  // the choice that it belongs to, by position; 0 in requests
	object     bool // arguments that are written as an object rather than as text
}
