package remotetest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

// found is what a vendor's words must not repeat.
const found = "ada.lovelace@example.org"

// FuzzReplies feeds a guardrail with replies of a vendor that may be anything. Whatever comes, there is a verdict that can be put
// into effect or an error, and the error shows nothing of what was judged.
func FuzzReplies(f *testing.F, open guardrail.Opener, settings string, seeds ...string) {
	for _, s := range append(seeds, `{}`, `[]`, `null`, `"x"`, `{"error":{"message":"no `+found+`"}}`) {
		f.Add([]byte(s), 200)
		f.Add([]byte(s), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		if status < 200 || status > 599 {
			return // no status of a final answer
		}
		spec := Spec(t, settings, nil)
		spec.Client = &http.Client{Transport: replier(func(r *http.Request) *http.Response {
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}
		})}
		g, err := open(spec)
		if err != nil {
			t.Fatal(err)
		}
		asked := Chat(t, `[{"role":"system","content":"👍"},{"role":"user","content":"é `+found+`"}]`)
		for phase, c := range map[guardrail.Phase]*content.Body{guardrail.PreCall: asked, guardrail.PostCall: Answer(t, "é "+found, "𝒜")} {
			v, err := g.Check(t.Context(), &guardrail.Input{Phase: phase, Content: c, Request: asked, Call: &guardrail.Call{}})
			if err != nil {
				if strings.Contains(err.Error(), found) {
					t.Errorf("the error shows what was judged: %v", err)
				}
				continue
			}
			if v.Texts == nil {
				continue
			}
			if _, err := c.With(v.Texts); err != nil && !errors.Is(err, content.ErrArguments) {
				t.Errorf("the texts do not fit: %v", err)
			}
		}
	})
}

type replier func(r *http.Request) *http.Response

func (f replier) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }
