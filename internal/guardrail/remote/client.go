// Package remote holds what all guardrails of vendors share: the one HTTP client with its bounds and its breaker, errors that
// are safe to show, and the replacing of spans that vendors count in characters.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/guardrail"
	"tollgate/internal/secret"
)

// maxReply bounds a vendor's reply, in bytes.
const maxReply = 1 << 20

// Client calls one vendor. It is safe for concurrent use.
type Client struct {
	vendor  string
	http    *http.Client
	timeout time.Duration
	breaker breaker
	secrets []secret.String
}

// New makes a client; vendor is its name in errors. It reads the setting timeout (seconds). secrets are what errors must not
// repeat.
func New(vendor string, spec *guardrail.Spec, secrets ...secret.String) *Client {
	once := *spec.Client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a redirect would take the key elsewhere
	timeout := spec.Settings.Seconds("timeout", guardrail.Timeout)
	if timeout == 0 {
		timeout = guardrail.Timeout
	}
	return &Client{vendor: vendor, http: &once, timeout: timeout, secrets: secrets}
}

// Call is one call of a vendor.
type Call struct {
	Method string // "" is POST
	URL    string
	Header http.Header // may be nil
	// Body is encoded as JSON; nil sends none.
	Body any
	// Sign signs the finished request; nil where a header says who calls.
	Sign func(ctx context.Context, r *http.Request, body []byte) error
	// Judged are the texts that are judged: an error must not repeat them.
	Judged []string
	// Chosen says that the caller has set parameters of the call: what the vendor says of them tells nothing of other callers' calls,
	// and must not open the breaker for these.
	Chosen bool
}

// Do makes a call and decodes the JSON reply into reply, which may be nil. Every error but the caller's own context's is an *Error.
func (c *Client) Do(ctx context.Context, call Call, reply any) error {
	if wait := c.breaker.wait(time.Now()); wait > 0 {
		return &Error{Vendor: c.vendor, Message: "it failed several times in a row and is not asked for a moment", RetryAfter: wait, unreachable: true}
	}
	err := c.do(ctx, call, reply)
	if ctx.Err() != nil {
		c.breaker.left()
		return ctx.Err()
	}
	var failure *Error
	against := errors.As(err, &failure) && failure.tellsOfVendor()
	if against && (call.Chosen || failure.large) {
		c.breaker.left()
		return err
	}
	c.breaker.note(time.Now(), err, against)
	return err
}

func (c *Client) do(ctx context.Context, call Call, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, &call)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return c.unreachable(err)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return c.refused(resp, text, call.Judged)
	case len(text) > maxReply:
		return &Error{Vendor: c.vendor, Status: resp.StatusCode, Message: "the reply is larger than 1 MB", large: true}
	case reply == nil:
		return nil
	}
	// A proxy's or a login page's HTML must not pass for a verdict.
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "application/json" && !strings.HasSuffix(media, "+json") && media != "application/x-amz-json-1.1" {
		return &Error{Vendor: c.vendor, Status: resp.StatusCode, Message: "the reply is not JSON (Content-Type " + clip(media, 60) + ")"}
	}
	if err := json.Unmarshal(text, reply); err != nil {
		return &Error{Vendor: c.vendor, Status: resp.StatusCode, Message: "the reply has another shape than expected"}
	}
	return nil
}

func (c *Client) request(ctx context.Context, call *Call) (*http.Request, error) {
	var body []byte
	if call.Body != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(call.Body); err != nil {
			return nil, &Error{Vendor: c.vendor, Message: "the request cannot be written as JSON"}
		}
		body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	method := call.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, call.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Vendor: c.vendor, Message: "the address is none"}
	}
	for name, values := range call.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tollgate")
	if call.Sign == nil {
		return req, nil
	}
	if err := call.Sign(ctx, req, body); err != nil {
		return nil, c.NoCredential(err)
	}
	return req, nil
}

// unreachable is a call without an answer. The address is left out: it may hold what should not be shown.
func (c *Client) unreachable(err error) error {
	e := &Error{Vendor: c.vendor, Message: "it cannot be reached", unreachable: true, cause: err}
	var u *url.Error
	if errors.As(err, &u) {
		e.cause = u.Err
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		e.Message = "it did not answer within " + c.timeout.String()
	}
	return e
}

// Base reads the address of a vendor and faults what is none: no scheme but http and https, no user name, no query. It has no
// slash at its end.
func Base(spec *guardrail.Spec, name, standard string, env ...string) string {
	base := spec.Settings.Text(name, env...)
	if base == "" {
		base = standard
	}
	if base == "" {
		return spec.Settings.Need(name, env...)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		spec.Settings.Fault(name, "expected http:// or https:// and a host, without a user name or a query")
		return ""
	}
	return strings.TrimRight(base, "/")
}

// Bearer is the header that most vendors want.
func Bearer(key secret.String) http.Header {
	return http.Header{"Authorization": {"Bearer " + key.Reveal()}}
}

// Merge adds a caller's own parameters to a request, but for those that the gateway sets itself: a caller must not be able to
// put another text in the place of the one that is judged.
func Merge(body, extra map[string]any) map[string]any {
	for name, value := range extra {
		if _, set := body[name]; !set {
			body[name] = value
		}
	}
	return body
}
