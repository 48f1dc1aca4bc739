package toolpermission_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/guardrail/toolpermission"
	"tollgate/internal/openai"
)

// deltas is a stream of these deltas of one choice, ended by a reason.
type deltas []string

func (d *deltas) Next() (openai.Chunk, error) {
	if len(*d) == 0 {
		return openai.Chunk{}, io.EOF
	}
	finish := "null"
	if len(*d) == 1 {
		finish = `"tool_calls"`
	}
	data := `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + (*d)[0] + `,"finish_reason":` + finish + `}]}`
	*d = (*d)[1:]
	return openai.Chunk{Data: []byte(data)}, nil
}

func (d *deltas) Close() error { return nil }

func (d *deltas) Meta() openai.Meta { return openai.Meta{} }

// A call in a stream is judged when all of it is there, and nothing of one that is not allowed arrives. Text does not wait for it. One
// whose name has come before its arguments is not judged, and does not arrive either.
func TestStream(t *testing.T) {
	g := remotetest.Open(t, toolpermission.Open, settings(``), nil)
	set, err := guardrail.New([]guardrail.Config{{Name: "g", Kind: "tool_permission", Guardrail: g, DefaultOn: true, Mode: guardrail.On(guardrail.PostCall)}}, guardrail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	request, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, to, opening string
		allowed           bool
	}{
		{"allowed", "a@example.com", `{\"to\":`, true}, {"denied", "eve@evil.test", `{\"to\":`, false},
		{"the name before the arguments", "a@example.com", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			run, err := set.Select(guardrail.Selection{Request: request})
			if err != nil {
				t.Fatal(err)
			}
			rest := `[\"` + test.to + `\"]`
			if test.opening == "" {
				rest = `{\"to\":` + rest
			}
			d := deltas{
				`{"role":"assistant","content":"I write a mail to the list that you have given to me now."}`,
				`{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"send_mail","arguments":"` + test.opening + `"}}]}`,
				`{"tool_calls":[{"index":0,"function":{"arguments":"` + rest + `"}}]}`,
				`{"tool_calls":[{"index":0,"function":{"arguments":",\"options\":{\"urgent\":true}}"}}]}`,
				`{}`,
			}
			s := run.Stream(t.Context(), &d)
			var said strings.Builder
			for {
				c, err := s.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					if test.allowed {
						t.Fatal(err)
					}
					break
				}
				said.Write(c.Data)
			}
			all := said.String()
			if !strings.Contains(all, "I write a mail") || strings.Contains(all, test.to) != test.allowed {
				t.Errorf("%s", all)
			}
		})
	}
}
