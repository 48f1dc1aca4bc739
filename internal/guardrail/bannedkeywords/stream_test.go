package bannedkeywords_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/bannedkeywords"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/openai"
)

// pieces is the stream of an answer.
type pieces []string

func (p *pieces) Next() (openai.Chunk, error) {
	if len(*p) == 0 {
		return openai.Chunk{}, io.EOF
	}
	text, _ := json.Marshal((*p)[0])
	*p = (*p)[1:]
	return openai.Chunk{Data: []byte(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":` + string(text) + `},"finish_reason":null}]}`)}, nil
}

func (p *pieces) Close() error { return nil }

func (p *pieces) Meta() openai.Meta { return openai.Meta{} }

// Wherever an answer is cut, it is blocked where the whole is, and a banned word never arrives.
func TestStream(t *testing.T) {
	g := remotetest.Open(t, bannedkeywords.Open, `{"banned_keywords_list":["zeta","Project Blue","größe"]}`, nil)
	set, err := guardrail.New([]guardrail.Config{{Name: "g", Kind: "banned_keywords", Guardrail: g, DefaultOn: true, Mode: guardrail.On(guardrail.PostCall)}}, guardrail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	request, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"word ", " ", "\n", "é😀", "ze", "ta", "ZETA", "project ", "  blue", "blue", "grö", "ße", "and so on, ", strings.Repeat("much more of it, ", 10)}
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 30).Draw(rt, "parts"), "")
		run, err := set.Select(guardrail.Selection{Request: request})
		if err != nil {
			rt.Fatal(err)
		}
		var p pieces
		for runes := []rune(text); len(runes) > 0; {
			n := min(rapid.IntRange(1, 60).Draw(rt, "length"), len(runes))
			p, runes = append(p, string(runes[:n])), runes[n:]
		}
		got, err := arrives(t, run.Stream(t.Context(), &p))
		blocked := remotetest.Post(t, g, remotetest.User(t, "Hello"), remotetest.Answer(t, text)).Action == guardrail.Block
		if (err != nil) != blocked {
			rt.Fatalf("%q: %v, but blocked whole: %v", text, err, blocked)
		}
		if got != "" && remotetest.Post(t, g, remotetest.User(t, "Hello"), remotetest.Answer(t, got)).Action == guardrail.Block {
			rt.Fatalf("%q arrives of %q", got, text)
		}
		if !blocked && got != text {
			rt.Fatalf("%q arrives as %q", text, got)
		}
	})
}

// arrives reads a stream: what its chunks say, and the error that it ends with.
func arrives(t *testing.T, s openai.Stream) (string, error) {
	t.Helper()
	var b strings.Builder
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		list, err := content.Pieces(openai.OpChat, c.Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			for _, text := range p.Texts {
				b.WriteString(text.Value)
			}
		}
	}
}
