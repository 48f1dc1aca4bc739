package guardrail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
)

// fake is a guardrail whose verdict is a function. It keeps what it was asked.
type fake struct {
	verdict func(in *guardrail.Input) (guardrail.Verdict, error)
	mu      sync.Mutex
	asked   []guardrail.Input
}

func (f *fake) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	f.mu.Lock()
	f.asked = append(f.asked, *in)
	f.mu.Unlock()
	if f.verdict == nil {
		return guardrail.Verdict{}, ctx.Err()
	}
	return f.verdict(in)
}

func (f *fake) times() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// away is a vendor that cannot be reached.
type away struct{}

func (away) Error() string     { return "connection refused" }
func (away) Unreachable() bool { return true }

// pattern masks, or blocks, what an expression finds.
type pattern struct {
	re  *regexp.Regexp
	put string // in place of what is found; "" = block
}

func (p *pattern) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	v := guardrail.Verdict{Action: guardrail.Allow}
	texts := make([]string, len(in.Content.Texts))
	for i, t := range in.Content.Texts {
		texts[i] = p.re.ReplaceAllString(t.Value, p.put)
		if n := len(p.re.FindAllString(t.Value, -1)); n > 0 {
			v.Action, v.Texts = guardrail.Mask, texts
			v.Findings = append(v.Findings, guardrail.Finding{Kind: "SECRET", Action: guardrail.Mask, Count: n})
		}
	}
	if v.Action == guardrail.Mask && p.put == "" {
		return guardrail.Verdict{Action: guardrail.Block, Reason: "There is a secret in it.", Findings: []guardrail.Finding{{Kind: "SECRET", Action: guardrail.Block}}}, nil
	}
	return v, nil
}

// windowed is a pattern whose finds have a length, so that it can judge piece by piece.
type windowed struct {
	pattern
	overlap int
}

func (w *windowed) Overlap() int { return w.overlap }

const longestSecret = 24

// secret finds what is up to 23 characters long: numbers, whose beginnings look like numbers too; a phrase, whose beginnings look
// like nothing; words in brackets, which begin and end as what is put in their place; and a phrase with such words in it.
var secret = regexp.MustCompile(`\bs-[0-9]{4,21}\b|open the pod bay door|open the \[abc\] doors|\[[a-z ]{1,20}\]`)

func masking() *windowed {
	return &windowed{pattern{re: secret, put: "[SECRET]"}, longestSecret}
}

func blocking() *windowed { return &windowed{pattern{re: secret}, longestSecret} }

func newSet(t testing.TB, configs ...guardrail.Config) *guardrail.Set {
	t.Helper()
	for i := range configs {
		if configs[i].Kind == "" {
			configs[i].Kind = "fake"
		}
	}
	s, err := guardrail.New(configs, guardrail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, op openai.Operation, body string) *openai.Request {
	t.Helper()
	r, err := openai.ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const hello = `{"model":"m","messages":[{"role":"system","content":"be good"},{"role":"user","content":"hello s-12345 there"}]}`

// on is a guardrail that is always on.
func on(name string, g guardrail.Guardrail, phases ...guardrail.Phase) guardrail.Config {
	return guardrail.Config{Name: name, Guardrail: g, Mode: guardrail.On(phases...), DefaultOn: true}
}

// start selects the guardrails of a call and runs its pre_call.
func start(t testing.TB, s *guardrail.Set, body string) (*guardrail.Run, *openai.Request) {
	t.Helper()
	req := parse(t, openai.OpChat, body)
	run, err := s.Select(guardrail.Selection{Request: req, Call: &guardrail.Call{ID: "id"}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.Pre(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return run, out
}

// chunks is a stream of given chunks, ended by err or io.EOF. A chunk is only valid until the next one.
type chunks struct {
	list   []string
	err    error
	buf    []byte
	closed bool
	pulled int
}

func (c *chunks) Next() (openai.Chunk, error) {
	for i := range c.buf {
		c.buf[i] = 'x'
	}
	if c.closed {
		return openai.Chunk{}, errors.New("closed")
	}
	if len(c.list) == 0 {
		if c.err != nil {
			return openai.Chunk{}, c.err
		}
		return openai.Chunk{}, io.EOF
	}
	c.buf = append(c.buf[:0], c.list[0]...)
	c.list = c.list[1:]
	c.pulled++
	return openai.Chunk{Data: c.buf}, nil
}

func (c *chunks) Close() error      { c.closed = true; return nil }
func (c *chunks) Meta() openai.Meta { return openai.Meta{} }

// read reads a stream to its end.
func read(t testing.TB, s openai.Stream) (list []string, err error) {
	t.Helper()
	for {
		chunk, err := s.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if !json.Valid(chunk.Data) {
			t.Fatalf("a chunk is no JSON: %s", chunk.Data)
		}
		list = append(list, string(bytes.Clone(chunk.Data)))
	}
}

// put puts chunks together again.
func put(t testing.TB, op openai.Operation, list []string) *content.Body {
	t.Helper()
	a := content.NewAssembler(op)
	for _, c := range list {
		if err := a.Add([]byte(c)); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
	b, err := content.Reply(op, a.Reply())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// chunk is one chunk of a chat.
func chunk(choice int, delta, finish string) string {
	if finish == "" {
		finish = "null"
	}
	return `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":` + string(rune('0'+choice)) + `,"delta":` + delta + `,"logprobs":null,"finish_reason":` + finish + `}]}`
}

const usageChunk = `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`

func contentDelta(text string) string {
	quoted, _ := json.Marshal(text)
	return `{"content":` + string(quoted) + `}`
}

// streamOf is an answer of one choice in pieces.
func streamOf(pieces ...string) *chunks {
	c := &chunks{list: []string{chunk(0, `{"role":"assistant","content":""}`, "")}}
	for _, p := range pieces {
		c.list = append(c.list, chunk(0, contentDelta(p), ""))
	}
	c.list = append(c.list, chunk(0, `{}`, `"stop"`), usageChunk)
	return c
}

func allTexts(b *content.Body) string {
	var all []string
	for _, t := range b.Texts {
		all = append(all, t.Value)
	}
	return strings.Join(all, "|")
}
