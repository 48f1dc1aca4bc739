// Package compat serves every upstream that speaks OpenAI's wire format: OpenAI itself, the hosted services that
// copy it, and local servers such as vLLM. Bytes pass through: of a request only the top level is looked at, of an
// answer only what tells success from failure.
//
// Client is the wire alone (one POST, its answer or its stream) and serves any provider that has a way of its own to
// name paths and to authorise calls. Open makes the provider of one deployment from a table of known upstreams.
//
// # Sending once
//
// A model call costs money and is not idempotent, so a call goes out a second time in three cases only. net/http
// repeats it by itself when the connection from its pool broke before any byte of the request was written, or when
// an HTTP/2 server said that it did not look at the stream (GOAWAY, REFUSED_STREAM). Client repeats it when the
// pooled connection had been closed by the upstream before the request was put on it, which net/http reports but
// does not repeat for a POST. And after a 401 with Options.Refresh set: a refused call did no work.
// In every other case, a connection that dies after the request was written, with no byte of an answer, among them,
// nobody can know whether the upstream worked, so the error says MaybeBilled and the router decides.
package compat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/egress"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// maxResends bounds how often a call meets a closed connection of the pool: an upstream that restarts closes all of
// them at once.
const maxResends = 3

// Options says how a Client reaches its upstream.
type Options struct {
	// Provider is the label in error texts: "OpenAI" gives "OpenAIException - ...".
	Provider string
	// BaseURL is what the paths are appended to, with or without a slash at its end: "https://api.openai.com/v1".
	BaseURL string
	// Egress is the way out of the process.
	Egress *egress.Egress
	// Authorize puts the credential on a request whose other headers are complete; body is what will be sent, for
	// those who sign it. It is called once per request that goes out, again after Refresh. Its error ends the call and
	// is returned as it is. nil sends no credential.
	Authorize func(req *http.Request, body jsonscan.Parts) error
	// Refresh renews the credential after a 401; the call is then authorised anew and sent once more. nil takes the
	// first 401 for the answer. It may be called by many goroutines at once.
	Refresh func(ctx context.Context) error
	// Header is sent with every call and stands when Authorize is called. It wins over the headers that Client makes,
	// Accept-Encoding excepted; may be nil.
	Header http.Header
	// LineEvents takes every data line of a stream for an event, whether or not a blank line follows
	// (sse.NewLineReader), for upstreams that leave blank lines out.
	LineEvents bool
	// Now is the clock that Retry-After dates are compared with; nil means time.Now.
	Now func() time.Time
}

// Client speaks OpenAI's wire format to one upstream. It is safe for concurrent use.
type Client struct {
	o         Options
	base      *url.URL
	host      string
	header    http.Header // of every call; copied before anything is set
	transport http.RoundTripper
	buffers   bufferPool
}

// NewClient checks the options. It does no network I/O.
func NewClient(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Egress == nil {
		return nil, errors.New("compat: no egress")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{o: o, base: base, transport: o.Egress.Transport(), header: http.Header{
		"Content-Type": {"application/json"},
		"Accept":       {"application/json"}, // for streams too, as OpenAI's SDKs do
		"User-Agent":   {"tollgate"},
	}}
	maps.Copy(c.header, o.Header)
	if c.host = c.header.Get("Host"); c.host == "" { // net/http takes it from Request.Host alone
		c.host = base.Host
	}
	c.header.Del("Host")
	// Never the caller's: OCI compresses event by event, one zstd frame each (BerriAI/litellm#40028).
	c.header.Set("Accept-Encoding", "identity")
	return c, nil
}

// parseBase accepts an absolute http or https URL without credentials: those would show in logs and headers.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("base URL: not a URL") // the parser's own error would repeat a password in it
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, errors.New("base URL: expected http:// or https:// and a host")
	case base.User != nil:
		return nil, errors.New("base URL: must not hold a user name or password; use api_key or extra_headers")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = strings.TrimRight(base.RawPath, "/")
	base.Fragment, base.RawFragment = "", ""
	return base, nil
}

// Post sends body to path, which begins with a slash, and returns the answer: a JSON object that is no error. further
// headers, which may be nil, go along where the client sets none of that name.
// It fails with a *provider.UpstreamError, with Authorize's error, or with ctx's when ctx has ended.
func (c *Client) Post(ctx context.Context, path string, body jsonscan.Parts, further http.Header) (*openai.Response, error) {
	resp, err := c.call(ctx, path, body, further)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, members, err := c.readAnswer(ctx, resp)
	if err != nil {
		return nil, err
	}
	return &openai.Response{Meta: openai.Meta{Header: resp.Header}, Body: text, Members: members}, nil
}

// Stream sends body to path and returns once a 2xx and its headers have come. ctx governs the whole stream. An
// upstream that answers in one piece all the same is given as a stream of that answer. Errors are those of Post.
func (c *Client) Stream(ctx context.Context, path string, body jsonscan.Parts, further http.Header) (openai.Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := c.call(ctx, path, body, further)
	if err != nil {
		cancel()
		return nil, err
	}
	switch kind := mediaType(resp.Header); kind {
	case "text/event-stream", "": // some small servers name no type; what is no event stream then ends as a cut one
		return newEventStream(ctx, cancel, c, resp), nil
	case "application/json":
		defer cancel()
		defer resp.Body.Close()
		text, _, err := c.readAnswer(ctx, resp)
		if err != nil {
			return nil, err
		}
		return newAnswerStream(c, resp.Header, text)
	default:
		cancel()
		_ = resp.Body.Close() // cancelled: nothing in it is wanted
		return nil, c.broken(resp.Header, fmt.Sprintf("the upstream answered a stream request with content type %q", kind), nil)
	}
}

// call sends body to path, after a 401 once more with a renewed credential, and returns a 2xx answer whose body is
// not encoded. The caller closes it.
func (c *Client) call(ctx context.Context, path string, body jsonscan.Parts, further http.Header) (*http.Response, error) {
	resp, err := c.send(ctx, path, body, further)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized && c.o.Refresh != nil {
		refusal := c.refused(ctx, resp)
		if err := c.o.Refresh(ctx); err != nil {
			var unauthorized *provider.UpstreamError
			if errors.As(refusal, &unauthorized) {
				unauthorized.Cause = err
			}
			return nil, refusal
		}
		if resp, err = c.send(ctx, path, body, further); err != nil {
			return nil, err
		}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refused(ctx, resp)
	}
	if encoding := resp.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		_ = resp.Body.Close() // unreadable whatever it holds
		return nil, c.broken(resp.Header, fmt.Sprintf("the upstream encoded its answer as %q although only identity was accepted", encoding), nil)
	}
	return resp, nil
}

// send makes the request, authorises it and puts it on the wire.
func (c *Client) send(ctx context.Context, path string, body jsonscan.Parts, further http.Header) (*http.Response, error) {
	resp, err := c.sendOnce(ctx, path, body, further)
	for resends := 0; err != nil && provider.ClosedWhileIdle(err) && resends < maxResends && ctx.Err() == nil; resends++ {
		resp, err = c.sendOnce(ctx, path, body, further)
	}
	var unsent *authorizeError
	switch {
	case err == nil:
		return resp, nil
	case errors.As(err, &unsent):
		return nil, unsent.cause
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, provider.ErrorFromTransport(c.o.Provider, err)
}

func (c *Client) sendOnce(ctx context.Context, path string, body jsonscan.Parts, further http.Header) (*http.Response, error) {
	req := c.request(path, body, further).WithContext(ctx)
	if c.o.Authorize != nil {
		if err := c.o.Authorize(req, body); err != nil {
			return nil, &authorizeError{err}
		}
	}
	// The transport itself and no http.Client: redirects are not followed, so that neither a key nor a signature
	// goes where the operator did not send it, and the context is the only timeout.
	return c.transport.RoundTrip(req)
}

// request is a POST of body. Its body can be sent again as long as nobody has seen it (GetBody). further headers give
// way to the client's own.
func (c *Client) request(path string, body jsonscan.Parts, further http.Header) *http.Request {
	header := make(http.Header, len(c.header)+len(further)+4)
	maps.Copy(header, further)
	maps.Copy(header, c.header)
	target := *c.base
	path, query, _ := strings.Cut(path, "?")
	target.Path += path
	if target.RawPath != "" {
		target.RawPath += path
	}
	if query != "" {
		target.RawQuery = strings.Trim(target.RawQuery+"&"+query, "&")
	}
	return &http.Request{
		Method: http.MethodPost, URL: &target, Host: c.host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header,
		Body:   body.Reader(), GetBody: replay(body), ContentLength: body.Len(),
	}
}
