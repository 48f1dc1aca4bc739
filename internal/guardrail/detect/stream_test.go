package detect_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/contentfilter"
	"tollgate/internal/guardrail/hidesecrets"
	"tollgate/internal/guardrail/pii"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/openai"
)

// pieces is the stream of an answer.
type pieces []string

func (p *pieces) Next() (openai.Chunk, error) {
	if len(*p) == 0 {
		return openai.Chunk{}, io.EOF
	}
	delta, _ := json.Marshal(map[string]string{"content": (*p)[0]})
	*p = (*p)[1:]
	return openai.Chunk{Data: []byte(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + string(delta) + `,"finish_reason":null}]}`)}, nil
}

func (p *pieces) Close() error { return nil }

func (p *pieces) Meta() openai.Meta { return openai.Meta{} }

// TestStream_MasksAsTheWholeIsMasked cuts answers at any place: what arrives is what the guardrail makes of the whole.
func TestStream_MasksAsTheWholeIsMasked(t *testing.T) {
	token := "gh" + "p_" + strings.Repeat("a1B2c3D4e", 4)
	parts := []string{
		"word ", " ", "\n", "é😀", "港は", "ann@example.org", "ann@", "example.org", "4111 1111 1111 1111", "4111", "1111 ", "5555555555554444", "+49 30 1234567", "DE89 3704 0044 0532 0130 00", "536-22-1234",
		"zeta", "Project  Blue", "project ", "blue", token, token[:20], "password: hunter22x, ", "https://example.org/a?b=c", "192.168.10.1", "2001:db8::8a2e:370:7334", "x", ", ", "-", "12", ".", "AB 12 34 56 C",
		strings.Repeat("and so on, ", 30),
	}
	for name, g := range map[string]guardrail.Guardrail{
		"pii":          remotetest.Open(t, pii.Open, `{}`, nil),
		"hide-secrets": remotetest.Open(t, hidesecrets.Open, `{}`, nil),
		"content filter": remotetest.Open(t, contentfilter.Open, `{"patterns":[{"pattern_name":"email","action":"MASK"},{"pattern_name":"credit_card","action":"MASK"},{"pattern_name":"github_token","action":"MASK"}],
			"blocked_words":[{"keyword":"zeta","action":"MASK"},{"keyword":"project blue","action":"MASK"}]}`, nil),
	} {
		t.Run(name, func(t *testing.T) {
			set, err := guardrail.New([]guardrail.Config{{Name: "g", Kind: name, Guardrail: g, DefaultOn: true, Mode: guardrail.On(guardrail.PostCall)}}, guardrail.Options{})
			if err != nil {
				t.Fatal(err)
			}
			request, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","messages":[{"role":"user","content":"Hello"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(rt *rapid.T) {
				text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 40).Draw(rt, "parts"), "")
				run, err := set.Select(guardrail.Selection{Request: request})
				if err != nil {
					rt.Fatal(err)
				}
				var p pieces
				for runes := []rune(text); len(runes) > 0; {
					n := min(rapid.IntRange(1, 80).Draw(rt, "length"), len(runes))
					p, runes = append(p, string(runes[:n])), runes[n:]
				}
				got, err := arrives(run.Stream(t.Context(), &p))
				if err != nil {
					rt.Fatalf("%q: %v", text, err)
				}
				want := text
				if v := remotetest.Post(t, g, remotetest.User(t, "Hello"), remotetest.Answer(t, text)); v.Texts != nil {
					want = v.Texts[0]
				}
				if got != want {
					rt.Fatalf("%q\narrives as   %q\nand whole as %q", text, got, want)
				}
			})
		})
	}
}

func arrives(s openai.Stream) (string, error) {
	var b strings.Builder
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		body, err := content.Reply(openai.OpChat, []byte(strings.Replace(string(c.Data), `"delta"`, `"message"`, 1)))
		if err != nil {
			return "", err
		}
		for _, t := range body.Texts {
			b.WriteString(t.Value)
		}
	}
}
