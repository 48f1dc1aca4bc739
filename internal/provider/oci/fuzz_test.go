package oci

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// fuzzModels is one model of each format and of the families with rules of their own for messages.
var fuzzModels = []string{"cohere.command-latest", "cohere.command-a-vision-07-2025", "google.gemini-2.5-flash", "meta.llama-3.3-70b-instruct", "openai.gpt-5"}

func fuzzDeployments(f *testing.F) []*Deployment {
	f.Helper()
	var out []*Deployment
	for _, model := range fuzzModels {
		out = append(out, openDeployment(f, "model: oci/"+model+"\ndrop_params: true\noci_surface: actions", nil))
	}
	return out
}

// seeds adds a section of every golden case to the corpus.
func seeds(f *testing.F, section string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		if text := readSections(f, file)[section]; text != "" {
			f.Add([]byte(text))
		}
	}
}

// FuzzTranslate: every request becomes valid JSON or the caller's error.
func FuzzTranslate(f *testing.F) {
	seeds(f, "request")
	deployments := fuzzDeployments(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openai.ParseRequest(openai.OpChat, body)
		if err != nil {
			return
		}
		for _, d := range deployments {
			in, err := d.readChat(r)
			if err == nil {
				var out *outgoing
				if out, err = d.translate(t.Context(), in, r.Stream); err == nil {
					if !json.Valid(out.body) {
						t.Fatalf("%s: %q", d.spec.Model, out.body)
					}
					continue
				}
			}
			var refused *apierr.Error
			if !errors.As(badRequest(err), &refused) {
				t.Fatalf("%s: %T %v", d.spec.Model, err, err)
			}
		}
	})
}

// FuzzReply: every answer becomes a valid completion or an upstream's error.
func FuzzReply(f *testing.F) {
	seeds(f, "reply")
	deployments := fuzzDeployments(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range deployments {
			d.transport = roundTripFunc(func(*http.Request) (*http.Response, error) { return answer(200, string(body), false), nil })
			resp, err := d.Chat(t.Context(), parseRequest(t, hello))
			if err != nil {
				upstreamError(t, err)
				continue
			}
			if !json.Valid(resp.Body) {
				t.Fatalf("%s: %q", d.spec.Model, resp.Body)
			}
		}
	})
}

// FuzzStream: whatever OCI sends, every chunk is valid JSON, each choice ends at most once, and the stream ends
// with io.EOF or an upstream's error.
func FuzzStream(f *testing.F) {
	seeds(f, "stream")
	deployments := fuzzDeployments(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range deployments {
			d.transport = roundTripFunc(func(*http.Request) (*http.Response, error) { return answer(200, string(body), true), nil })
			s, err := d.ChatStream(t.Context(), parseRequest(t, hello))
			if err != nil {
				t.Fatal(err)
			}
			finished := map[int]int{}
			for {
				chunk, err := s.Next()
				if err != nil {
					var upstream *provider.UpstreamError
					if err != io.EOF && !errors.As(err, &upstream) {
						t.Fatalf("%T %v", err, err)
					}
					if _, again := s.Next(); again != err {
						t.Fatalf("after %v came %v", err, again)
					}
					break
				}
				var c struct {
					Choices []struct {
						Index  int     `json:"index"`
						Finish *string `json:"finish_reason"`
					} `json:"choices"`
				}
				if err := json.Unmarshal(chunk.Data, &c); err != nil {
					t.Fatalf("%q: %v", chunk.Data, err)
				}
				for _, choice := range c.Choices {
					if choice.Finish != nil {
						finished[choice.Index]++
					}
				}
			}
			for index, times := range finished {
				if times > 1 {
					t.Fatalf("choice %d ended %d times in %q", index, times, body)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzEmbedInput: every input is read or refused.
func FuzzEmbedInput(f *testing.F) {
	for _, seed := range []string{`"a"`, `["a"]`, `[1,2]`, `[[1],"b",{"type":"text","text":"t"}]`, `{}`, `[]`, `[null]`, `[[]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = []byte(strings.TrimSpace(string(raw)))
		if !json.Valid(raw) {
			return
		}
		inputs, err := readInputs(raw)
		if err != nil {
			return
		}
		for _, in := range inputs {
			if !json.Valid(in.text) {
				t.Fatalf("%q gave %q", raw, in.text)
			}
		}
	})
}
