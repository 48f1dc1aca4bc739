// Package post sends batches of events to backends that take them by HTTP POST, and tells apart what may be tried again,
// what is too large and what will never be taken. It is shared by the callbacks that speak JSON.
package post

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tollgate/internal/callback"
)

// Refused says that a backend has not taken a body, and why: it will not take it next time either.
type Refused struct {
	Status int
	Text   string // what the backend said: short, and without what was sent
}

// Error tells status and text.
func (r *Refused) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("the backend answers %d", r.Status)
	}
	return fmt.Sprintf("the backend answers %d: %s", r.Status, r.Text)
}

// Poster sends bodies to one address. It is safe for concurrent use; its fields do not change.
type Poster struct {
	Client  *http.Client // no redirect is followed, since a credential would go along
	URL     string
	Header  http.Header // of every request, credentials among them; it is never printed
	Gzip    bool
	Timeout time.Duration // of one request; 0 = callback.Timeout
	// Taken looks at the answer of a backend that has taken a body; its error is Post's. nil = the answer does not matter.
	Taken func(answer, sent []byte) error
}

// longestAnswer bounds what is read of an answer, in bytes.
const longestAnswer = 64 << 10

// Post sends a body. The error is a *Refused, a *callback.RetryAfter where the backend says when to come again, or another
// one that may pass. 401 and 403 may pass: an operator can mend a key.
func (p *Poster) Post(ctx context.Context, body []byte) error {
	timeout := p.Timeout
	if timeout <= 0 {
		timeout = callback.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent := body
	if p.Gzip {
		var err error
		if sent, err = compressed(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(sent))
	if err != nil {
		return errors.New("the backend's address is no URL")
	}
	if p.Header != nil {
		r.Header = p.Header.Clone()
	}
	if p.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	client := *p.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		return WithoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, longestAnswer)) // what is missing of it is not needed
	if p.repeatsKey(text) {
		text = nil
	}
	if p.Taken != nil && answer.StatusCode/100 == 2 {
		return p.Taken(text, body)
	}
	return judge(answer, text, body)
}

// repeatsKey reports whether a backend's answer holds what a header says who calls with: the log and the operators' pages must not.
func (p *Poster) repeatsKey(text []byte) bool {
	const shortest = 8
	for name, values := range p.Header {
		if name == "Content-Type" || name == "User-Agent" {
			continue
		}
		for _, v := range values {
			v = v[strings.LastIndexByte(v, ' ')+1:] // behind "Bearer "
			if len(v) >= shortest && bytes.Contains(text, []byte(v)) {
				return true
			}
		}
	}
	return false
}

// WithoutURL is what went wrong on the way to a backend. The URL is left out: it may hold a key.
func WithoutURL(err error) error {
	var with *url.Error
	if errors.As(err, &with) {
		return with.Err
	}
	return err
}

func compressed(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// judge turns an answer into an error.
func judge(answer *http.Response, text, sent []byte) error {
	if answer.StatusCode/100 == 2 {
		return nil
	}
	refused := &Refused{Status: answer.StatusCode, Text: Quotable(text, sent)}
	switch code := answer.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		if after := retryAfter(answer.Header.Get("Retry-After")); after > 0 {
			return &callback.RetryAfter{After: after, Err: errors.New(refused.Error())}
		}
		return errors.New(refused.Error())
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusUnauthorized, code == http.StatusForbidden:
		return errors.New(refused.Error())
	case code/100 == 3:
		return fmt.Errorf("the backend redirects (%d), which is not followed: give its final address", code)
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		return errors.New(refused.Error()) // the address is wrong, not the events
	}
	return refused
}

// retryAfter reads the header, in seconds or as a date; 0 when it says nothing.
func retryAfter(value string) time.Duration {
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// Quotable is what a backend has said, short and in one line, or "" where it repeats what was sent: the log must not hold
// what callers ask.
func Quotable(text, sent []byte) string {
	const longest, window, stride = 300, 24, 8
	if len(text) > longest {
		text = text[:longest]
	}
	for i := 0; i+window <= len(text); i += stride {
		if bytes.Contains(sent, text[i:i+window]) {
			return ""
		}
	}
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(text), ""), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}
