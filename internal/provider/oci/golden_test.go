package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
)

// TestGolden plays every case of testdata. A case is a text with sections:
//
//	-- params --   the deployment's litellm_params as YAML; model is there always
//	-- request --  the caller's body
//	-- oci --      the chatRequest that OCI must get (and a line "serving: ..." cases compare the whole body with oci-body)
//	-- reply --    OCI's answer, JSON; or
//	-- stream --   OCI's stream, bytes as they come
//	-- openai --   what the caller must get: one JSON object, or one a line for a stream
//	-- error --    the error's text in place of an answer, or behind the chunks of a stream
//	-- dropped --  the names of the parameters left out
//
// Everything in front of the first section says where the expectation comes from.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar"), func(t *testing.T) {
			playCase(t, readCase(t, file))
		})
	}
}

// mintedID is an id that the gateway made; a case writes it as "call_*".
var mintedID = regexp.MustCompile(`"call_[0-9a-f]{24}"`)

// sections is a case by the names of its sections.
type sections map[string]string

func readCase(t *testing.T, file string) sections {
	t.Helper()
	out := readSections(t, file)
	for name := range out {
		if !slices.Contains([]string{"", "params", "request", "oci", "oci-body", "reply", "stream", "openai", "error", "dropped"}, name) {
			t.Fatalf("unknown section %q", name)
		}
	}
	return out
}

func readSections(t testing.TB, file string) sections {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, name := sections{}, ""
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(strings.TrimSpace(title), " --") {
			name = strings.TrimSuffix(strings.TrimSpace(title), " --")
			if _, twice := out[name]; twice {
				t.Fatalf("section %s is there twice", name)
			}
			out[name] = ""
			continue
		}
		out[name] += line
	}
	return out
}

func playCase(t *testing.T, c sections) {
	stream, streamed := c["stream"]
	body := c["reply"]
	if streamed {
		body = strings.TrimSuffix(stream, "\n") + "\n"
	}
	oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response { return answer(200, body, streamed) }}
	d := openDeployment(t, c["params"], oci)
	r := parseRequest(t, c["request"])

	got := ask(t, d, r, streamed)
	lines := make([]string, len(got.lines))
	for i, line := range got.lines {
		lines[i] = mintedID.ReplaceAllString(line, `"call_*"`)
	}
	compareLines(t, "answer", lines, c["openai"])
	if want := strings.TrimSpace(c["error"]); want != got.err {
		t.Errorf("error\n got %s\nwant %s", got.err, want)
	}
	if want := strings.Fields(c["dropped"]); !slices.Equal(want, got.dropped) && len(want)+len(got.dropped) > 0 {
		t.Errorf("dropped %q, want %q", got.dropped, want)
	}
	compareBody(t, c, oci.body)
	if streamed {
		splitEverywhere(t, d, r, oci, body, got)
	}
}

// splitEverywhere gives the stream in two pieces, cut at each byte in turn, and byte by byte.
func splitEverywhere(t *testing.T, d *Deployment, r *openai.Request, oci *fakeOCI, body string, want asked) {
	for i := range len(body) + 1 {
		oci.answer = func(*http.Request, []byte) *http.Response {
			resp := answer(200, "", true)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:i]), strings.NewReader(body[i:])))
			return resp
		}
		got := ask(t, d, r, true)
		if !slices.Equal(got.lines, want.lines) || got.err != want.err {
			t.Fatalf("cut at byte %d:\n got %q %s\nwant %q %s", i, got.lines, got.err, want.lines, want.err)
		}
	}
}

// asked is what a caller got.
type asked struct {
	lines   []string
	err     string
	dropped []string
}

func ask(t *testing.T, d *Deployment, r *openai.Request, stream bool) asked {
	t.Helper()
	if !stream {
		resp, err := d.Chat(t.Context(), r)
		if err != nil {
			return asked{err: errorText(err)}
		}
		return asked{lines: []string{string(resp.Body)}, dropped: resp.Dropped}
	}
	s, err := d.ChatStream(t.Context(), r)
	if err != nil {
		return asked{err: errorText(err)}
	}
	defer s.Close()
	got := asked{dropped: s.Meta().Dropped}
	for {
		chunk, err := s.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			got.err = errorText(err)
			return got
		}
		got.lines = append(got.lines, string(chunk.Data))
	}
}

// errorText is an error as a case writes it: the status and the param of a refusal stand before its text.
func errorText(err error) string {
	var refusal *apierr.Error
	if errors.As(err, &refusal) {
		return fmt.Sprintf("%d %s: %s", refusal.Status, refusal.Param, refusal.Message)
	}
	return err.Error()
}

func compareBody(t *testing.T, c sections, body []byte) {
	t.Helper()
	want, whole := c["oci-body"]
	if !whole {
		if want = c["oci"]; want == "" {
			return
		}
		var sent struct {
			ChatRequest json.RawMessage `json:"chatRequest"`
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("OCI got %s: %v", body, err)
		}
		body = sent.ChatRequest
	}
	compareJSON(t, "OCI's body", string(body), want)
}

func compareLines(t *testing.T, what string, got []string, want string) {
	t.Helper()
	var wanted []string
	dec := json.NewDecoder(strings.NewReader(want))
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatalf("the case's own JSON: %v", err)
		}
		wanted = append(wanted, string(raw))
	}
	for i := range max(len(got), len(wanted)) {
		switch {
		case i >= len(wanted):
			t.Errorf("%s %d is too much: %s", what, i, got[i])
		case i >= len(got):
			t.Errorf("%s %d is missing: %s", what, i, wanted[i])
		default:
			compareJSON(t, fmt.Sprintf("%s %d", what, i), withoutFrame(t, got[i], wanted[i]), wanted[i])
		}
	}
}

// withoutFrame takes id, object, created and model out of an answer where the case does not speak of them, once it
// has seen that they are the ones of every answer.
func withoutFrame(t *testing.T, got, want string) string {
	t.Helper()
	var have, expected map[string]json.RawMessage
	if json.Unmarshal([]byte(got), &have) != nil || json.Unmarshal([]byte(want), &expected) != nil || expected["id"] != nil {
		return got
	}
	if string(have["id"]) != `"chatcmpl-x"` || string(have["created"]) != "1795521600" {
		t.Errorf("id %s, created %s", have["id"], have["created"])
	}
	for _, name := range []string{"id", "object", "created", "model"} {
		delete(have, name)
	}
	return string(mustJSON(have))
}

func compareJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var a, b any
	if err := decodeExactly(got, &a); err != nil {
		t.Errorf("%s is not JSON: %v\n%s", what, err, got)
		return
	}
	if err := decodeExactly(want, &b); err != nil {
		t.Fatalf("the case's own JSON: %v\n%s", err, want)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%s", what, diff, got)
	}
}

func decodeExactly(text string, v any) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	return dec.Decode(v)
}
