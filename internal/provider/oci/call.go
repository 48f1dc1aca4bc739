package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

const (
	// providerName is LiteLLM's prefix in error texts.
	providerName = "OCI"
	// maxAnswer bounds an answer in one piece: 96 float embeddings of 1536 dimensions are 3 MB of text.
	maxAnswer = 64 << 20
	// maxErrorBody bounds what of a refusal is read.
	maxErrorBody = 64 << 10
	// maxSkew is how far a Date may be from OCI's clock.
	maxSkew = 5 * time.Minute
)

// post signs and sends a body to one of the actions and returns a 2xx answer, which the caller closes. After a 401
// the credential is renewed and the call sent once more: a refused call did no work. Errors are an
// *provider.UpstreamError or the context's.
func (d *Deployment) post(ctx context.Context, action string, body []byte, hash auth.Body) (*http.Response, error) {
	if d.principal == nil {
		return nil, &provider.UpstreamError{Reason: provider.Authentication, Status: http.StatusUnauthorized, Provider: providerName,
			Message: "this call needs OCI's signed API, but the deployment has a GenAI API key only: set oci_user and its key, or another oci_auth"}
	}
	resp, err := d.sendSigned(ctx, action, body, hash)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		refusal := d.refused(resp)
		if err := d.principal.Refresh(ctx); err != nil {
			refusal.Cause = err
			return nil, refusal
		}
		if resp, err = d.sendSigned(ctx, action, body, hash); err != nil {
			return nil, err
		}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, d.refused(resp)
	}
	return resp, nil
}

// sendSigned makes one attempt; a second one when the pooled connection turns out to have been closed by OCI before
// anything was sent on it.
func (d *Deployment) sendSigned(ctx context.Context, action string, body []byte, hash auth.Body) (*http.Response, error) {
	resp, err := d.sendOnce(ctx, action, body, hash)
	if provider.ClosedWhileIdle(err) && ctx.Err() == nil {
		resp, err = d.sendOnce(ctx, action, body, hash)
	}
	if err == nil {
		return resp, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var upstream *provider.UpstreamError
	if errors.As(err, &upstream) {
		return nil, upstream
	}
	return nil, provider.ErrorFromTransport(providerName, err)
}

func (d *Deployment) sendOnce(ctx context.Context, action string, body []byte, hash auth.Body) (*http.Response, error) {
	target, err := url.Parse(d.settings.actionsURL + "/" + action)
	if err != nil {
		return nil, err
	}
	// net/http knows that a bytes.Reader cannot block, and sends it in one write with the headers.
	reader := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req := &http.Request{
		Method: http.MethodPost, URL: target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.header(), ContentLength: int64(len(body)), GetBody: reader,
	}
	req.Body, _ = reader()
	if err := d.sign(ctx, req, hash); err != nil {
		return nil, err
	}
	return d.transport.RoundTrip(req.WithContext(ctx))
}

// header is what every call carries. No encoding but identity is taken: offered zstd, OCI sends a stream as one
// frame per event, which ends a decoder after the first (BerriAI/litellm#40028).
func (d *Deployment) header() http.Header {
	h := http.Header{
		"Content-Type": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"tollgate"},
	}
	for name, value := range d.spec.Params.ExtraHeaders {
		h.Set(name, value.Reveal())
	}
	return h
}

// sign signs req with the credential in force.
func (d *Deployment) sign(ctx context.Context, req *http.Request, hash auth.Body) error {
	snapshot, err := d.principal.Snapshot(ctx)
	if err == nil {
		err = auth.SignRequest(req, snapshot, hash, d.o.Now())
	}
	if err == nil {
		return nil
	}
	return d.noCredential(ctx, err)
}

// noCredential is the error of a call that cannot be signed. Its cause is the operator's to read, not the caller's.
func (d *Deployment) noCredential(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &provider.UpstreamError{Reason: provider.Authentication, Status: http.StatusUnauthorized, Provider: providerName,
		Message: "the gateway has no valid credential for OCI", Cause: err}
}

// refused reads a refusal and closes it.
func (d *Deployment) refused(resp *http.Response) *provider.UpstreamError {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came of it is what can be told
	now := d.o.Now()
	return d.advised(provider.ErrorFromResponse(providerName, resp.StatusCode, resp.Header, body, now), now)
}

// advised adds to a refusal what its reader needs to end it, and OCI's id of the request.
func (d *Deployment) advised(e *provider.UpstreamError, now time.Time) *provider.UpstreamError {
	var advice string
	switch {
	case e.Status == http.StatusUnauthorized:
		advice = skewAdvice(e.Header, now)
	case e.Status == http.StatusNotFound && e.Code == "NotAuthorizedOrNotFound":
		advice = fmt.Sprintf("model not found or not authorized: check that the model id %q is right and offered in region %s (oci_region), that oci_compartment_id is right, "+
			"and that a policy allows it (allow group <group> to use generative-ai-family in compartment <compartment>)", d.spec.Model, d.settings.region)
	case e.Status == http.StatusBadRequest && strings.Contains(e.Message, "does not match serving model"):
		advice = "the model wants another apiFormat than " + string(d.fam.format) + ": set oci_api_format"
	}
	if advice != "" {
		e.Message = strings.TrimRight(e.Message, ". ") + ". " + advice
	}
	if id := e.Header.Get("Opc-Request-Id"); id != "" {
		e.Message += " (opc-request-id: " + id + ")"
	}
	return e
}

// skewAdvice names the difference between OCI's clock and ours when it alone explains a 401.
func skewAdvice(h http.Header, now time.Time) string {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	skew := now.Sub(theirs).Round(time.Second)
	direction := "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	if skew <= maxSkew {
		return ""
	}
	return fmt.Sprintf("the clock of this machine is %d seconds %s OCI's, and signatures are valid for %d seconds: set the clock",
		int(skew.Seconds()), direction, int(maxSkew.Seconds()))
}

// readAnswer reads an answer in one piece and closes it.
func (d *Deployment) readAnswer(ctx context.Context, resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	var text []byte
	var err error
	if n := resp.ContentLength; n > 0 && n <= 1<<20 {
		text = make([]byte, n)
		_, err = io.ReadFull(resp.Body, text)
	} else {
		text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		e := provider.ErrorFromTransport(providerName, err)
		e.Header = resp.Header
		return nil, e
	case len(text) > maxAnswer:
		return nil, d.broken(resp.Header, fmt.Sprintf("OCI's answer is larger than %d bytes", maxAnswer), nil)
	}
	return text, nil
}

// broken is an answer that cannot be understood. The work was done, so it may have been billed.
func (d *Deployment) broken(h http.Header, message string, cause error) *provider.UpstreamError {
	return &provider.UpstreamError{
		Reason: provider.BadGateway, Status: http.StatusBadGateway, Provider: providerName,
		Message: message, Header: h, Billed: provider.MaybeBilled, Cause: cause,
	}
}
