package auth

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxReply bounds what is read of a reply, in bytes; tokens and certificates have a few thousand.
const maxReply = 256 << 10

// Way is how calls for credentials leave the process. Neither transport may follow
// redirects.
type Way struct {
	// Upstream reaches OCI as all calls of OCI do, through a proxy where one is set.
	Upstream http.RoundTripper
	// Direct reaches what stands beside the process, the metadata service and the
	// cluster's own endpoint, never through a proxy. With roots it trusts them alone.
	Direct func(roots *x509.CertPool) http.RoundTripper
}

// direct is Direct, where the process has a way out at all: a configuration that is
// only checked has none.
func (w Way) direct(roots *x509.CertPool) http.RoundTripper {
	if w.Direct == nil {
		return nil
	}
	return w.Direct(roots)
}

// closeIdle closes the connections that are kept: the next call is half a token's life away.
func closeIdle(way http.RoundTripper) {
	if t, ok := way.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// AcquireError says why a credential could not be got, and what to do about it.
type AcquireError struct {
	Doing  string // for example "ask the instance metadata service"
	Remedy string // what an operator can do; "" if nothing is known
	Err    error
}

// Error puts all of it in one sentence.
func (e *AcquireError) Error() string {
	text := "oci: " + e.Doing + ": " + e.Err.Error()
	if e.Remedy != "" {
		text = strings.TrimSuffix(text, ".") + "; " + e.Remedy
	}
	return text
}

// Unwrap returns the cause.
func (e *AcquireError) Unwrap() error { return e.Err }

// statusError is an answer that is none of the 200s.
type statusError struct {
	status int
	text   string // code and message where the body has them, else the body; without tokens
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("it answered %d %s", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("it answered %d: %s", e.status, e.text)
}

// statusOf is the status of an answer that was refused, 0 for other errors.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	return 0
}

// reply is an answer that was read whole.
type reply struct {
	header http.Header
	body   []byte
}

// roundTrip sends req and reads the answer. An answer that is none of the 200s is a *statusError.
func roundTrip(way http.RoundTripper, req *http.Request) (reply, error) {
	if way == nil {
		return reply{}, errors.New("this process has no way out")
	}
	resp, err := way.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return reply{}, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxReply:
		return reply{}, fmt.Errorf("the answer is larger than %d bytes", maxReply)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return reply{}, &statusError{status: resp.StatusCode, text: refusalText(body)}
	}
	return reply{resp.Header, body}, nil
}

// refusalText is what a refusal says, in the flat form of OCI's errors where it has that.
func refusalText(body []byte) string {
	var e struct{ Code, Message string }
	if json.Unmarshal(body, &e) == nil && e.Code+e.Message != "" {
		return scrub([]byte(strings.TrimSpace(e.Code + " " + e.Message)))
	}
	return scrub(body)
}

// newRequest makes a request with a body in memory; nil for none.
func newRequest(ctx context.Context, method, url string, body []byte) (*http.Request, error) {
	if body == nil {
		return http.NewRequestWithContext(ctx, method, url, nil)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

// parseTokenReply reads {"token": "..."}.
func parseTokenReply(body []byte) (Token, error) {
	var r struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return Token{}, errors.New("the answer is no JSON object with a token")
	}
	return ParseToken(r.Token)
}

// hasScheme reports whether an address is an absolute one of http or https.
func hasScheme(address string) bool {
	return strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://")
}

// withScheme completes an address that names the host alone, as Oracle's SDKs do.
func withScheme(address string) string {
	address = strings.TrimRight(strings.TrimSpace(address), "/")
	if !hasScheme(address) {
		address = "https://" + address
	}
	return address
}
