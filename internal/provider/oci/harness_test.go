package oci

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/config"
	"tollgate/internal/egress"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

const (
	testCompartment = "ocid1.compartment.oc1..test"
	testID          = "x"
)

// testNow is when the tests play.
var testNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fakeOCI is the transport of a deployment: it keeps the last request and answers as it is told.
type fakeOCI struct {
	answer func(*http.Request, []byte) *http.Response
	calls  int
	last   *http.Request
	body   []byte
}

func (f *fakeOCI) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.calls, f.last, f.body = f.calls+1, r, body
	return f.answer(r, body), nil
}

// answer is a response with a body; a stream has its type.
func answer(status int, body string, stream bool) *http.Response {
	kind := "application/json"
	if stream {
		kind = "text/event-stream"
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1,
	}
}

// fakePrincipal signs with nothing.
type fakePrincipal struct {
	refreshed int
	refresh   func() error
}

func (p *fakePrincipal) Snapshot(context.Context) (auth.Snapshot, error) {
	return auth.Snapshot{KeyID: "t/u/f" + strings.Repeat("+", p.refreshed), Key: zeroSigner{}}, nil
}

func (p *fakePrincipal) Refresh(context.Context) error {
	p.refreshed++
	if p.refresh != nil {
		return p.refresh()
	}
	return nil
}

type zeroSigner struct{}

func (zeroSigner) SignDigest([sha256.Size]byte) ([]byte, error) { return make([]byte, 256), nil }

// testOptions make everything deterministic.
func testOptions(p auth.Principal) Options {
	return Options{
		Now: func() time.Time { return testNow }, NewID: func() string { return testID },
		Principal: func(Credentials) (auth.Principal, error) { return p, nil },
	}
}

// readSpec makes the Spec of a deployment from litellm_params in YAML. A compartment and a user are added, and what
// is no parameter of a provider becomes a default of the request.
func readSpec(t testing.TB, params string) provider.Spec {
	t.Helper()
	text := "model_list:\n- model_name: alias\n  litellm_params:\n"
	for line := range strings.Lines(params) {
		text += "    " + line
	}
	if !strings.Contains(params, "oci_compartment_id") {
		text += "\n    oci_compartment_id: " + testCompartment
	}
	cfg, diagnostics := config.Parse("config.yaml", []byte(text), func(string) (string, bool) { return "", false })
	if cfg == nil || len(cfg.Models) != 1 {
		t.Fatalf("params: %v\n%s", diagnostics, text)
	}
	p := cfg.Models[0].Params
	spec := provider.Spec{ID: "id", Alias: "alias", Model: strings.TrimPrefix(p.Model, "oci/"), Params: p, Omit: p.AdditionalDropParams}
	spec.DropParams = p.DropParams != nil && *p.DropParams
	for name, value := range p.Extra() {
		spec.Defaults = append(spec.Defaults, jsonscan.Field{Name: name, Value: mustJSON(value)})
	}
	var err error
	if spec.Egress, err = testEgress(); err != nil {
		t.Fatal(err)
	}
	return spec
}

// testEgress is one for all tests: reading the system's certificates costs more than most of them do.
var testEgress = sync.OnceValues(func() (*egress.Egress, error) { return egress.New(egress.Options{}) })

func openDeployment(t testing.TB, params string, oci http.RoundTripper) *Deployment {
	t.Helper()
	return openWith(t, testOptions(&fakePrincipal{}), params, oci)
}

func openWith(t testing.TB, o Options, params string, oci http.RoundTripper) *Deployment {
	t.Helper()
	c, err := New(o).Open(readSpec(t, params))
	if err != nil {
		t.Fatal(err)
	}
	d := c.(*Deployment)
	d.transport = oci
	return d
}

func parseRequest(t testing.TB, body string) *openai.Request {
	t.Helper()
	r, err := openai.ParseRequest(openai.OpChat, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
