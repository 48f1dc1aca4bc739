package ocisim_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

const (
	compartment = "ocid1.compartment.oc1..tests"
	keyID       = "ocid1.tenancy.oc1..t/ocid1.user.oc1..u/00:11"
	apiKey      = "sk-test-0123456789"
	chatPath    = "/20231130/actions/chat"
)

// caller is a client of a simulator under test, with a signer of its own.
type caller struct {
	t   testing.TB
	sim *ocisim.Server
	url string
	key *rsa.PrivateKey
}

// newCaller starts a simulator that knows one key and one GenAI API key. A 1024-bit key keeps signing cheap.
func newCaller(t testing.TB, o ocisim.Options) *caller {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	o.APIKeys = append(o.APIKeys, apiKey)
	sim, err := ocisim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	sim.AddKey(keyID, &key.PublicKey)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	return &caller{t, sim, server.URL, key}
}

// request builds a signed request; the body of a GET is nil.
func (c *caller) request(method, path string, body []byte) *http.Request {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	c.sign(r, body, time.Now())
	return r
}

// sign adds the headers of signature version 1.
func (c *caller) sign(r *http.Request, body []byte, date time.Time) {
	c.signAs(r, body, date, keyID)
}

func (c *caller) signAs(r *http.Request, body []byte, date time.Time, id string) {
	r.Header.Set("Date", date.UTC().Format(http.TimeFormat))
	names := []string{"date", "(request-target)", "host"}
	if r.Method != http.MethodGet {
		sum := sha256.Sum256(body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Content-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
		names = append(names, "content-length", "content-type", "x-content-sha256")
	}
	c.signNames(r, len(body), id, names)
}

func (c *caller) signNames(r *http.Request, length int, id string, names []string) {
	c.t.Helper()
	lines := make([]string, len(names))
	for i, name := range names {
		value := r.Header.Get(name)
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			value = r.URL.Host
		case "content-length":
			value = fmt.Sprint(length)
		}
		lines[i] = name + ": " + value
	}
	digest := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, digest[:])
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", fmt.Sprintf(`Signature version="1",headers="%s",keyId="%s",algorithm="rsa-sha256",signature="%s"`,
		strings.Join(names, " "), id, base64.StdEncoding.EncodeToString(signature)))
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // what ended the reading of the body, nil for a clean end
}

func (c *caller) do(r *http.Request) reply {
	c.t.Helper()
	// Identity keeps the transport from offering gzip; what the simulator sends is what the test sees.
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", "identity")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, body, err}
}

// post sends a signed body.
func (c *caller) post(path, body string) reply {
	c.t.Helper()
	return c.do(c.request(http.MethodPost, path, []byte(body)))
}

// chat sends a chat request on demand.
func (c *caller) chat(model, chatRequest string) reply {
	c.t.Helper()
	return c.post(chatPath, chatBody(model, chatRequest))
}

func chatBody(model, chatRequest string) string {
	return fmt.Sprintf(`{"compartmentId":%q,"servingMode":{"servingType":"ON_DEMAND","modelId":%q},"chatRequest":%s}`,
		compartment, model, chatRequest)
}

// control calls the control API.
func (c *caller) control(method, path, body string) reply {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.do(r)
}

// mustControl is control for calls that have to succeed.
func (c *caller) mustControl(method, path, body string) {
	c.t.Helper()
	if got := c.control(method, path, body); got.err != nil || got.status >= 300 {
		c.t.Fatalf("%s %s: %d %s %v", method, path, got.status, got.body, got.err)
	}
}

// object decodes the body.
func (r reply) object(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("status %d, body %q: %v", r.status, r.body, err)
	}
	return v
}

// failure returns status, code and message of an error reply.
func (r reply) failure(t testing.TB) (status int, code, message string) {
	t.Helper()
	v := r.object(t)
	code, _ = v["code"].(string)
	message, _ = v["message"].(string)
	return r.status, code, message
}

// at walks a decoded JSON value: at(v, "choices", 0, "message").
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			a, _ := v.([]any)
			if step < 0 {
				step += len(a)
			}
			if step < 0 || step >= len(a) {
				return nil
			}
			v = a[step]
		}
	}
	return v
}

// events splits a stream into its events and reports whether [DONE] ended it.
func (r reply) events(t testing.TB) (events []map[string]any, done bool) {
	t.Helper()
	for line := range strings.SplitSeq(string(r.body), "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		switch {
		case line == "":
		case !ok:
			t.Errorf("line %q is no data line", line)
		case data == "[DONE]":
			done = true
		default:
			var v map[string]any
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				t.Errorf("event %q: %v", data, err)
			}
			events = append(events, v)
		}
	}
	return events, done
}

// ask is a GENERIC request with one user message and some more members.
func ask(text, more string) string {
	return fmt.Sprintf(`{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":%q}]}]%s}`, text, more)
}

// askCohere is the same in COHERE.
func askCohere(text, more string) string {
	return fmt.Sprintf(`{"apiFormat":"COHERE","message":%q%s}`, text, more)
}

// pngURI is a small picture of one colour as a data URI.
func pngURI(t testing.TB, r, g, b uint8) string {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 8, 8))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(color.RGBA{r, g, b, 255}), image.Point{}, draw.Src)
	var buf bytes.Buffer
	if err := png.Encode(&buf, picture); err != nil {
		t.Fatal(err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(buf.Bytes())
}
