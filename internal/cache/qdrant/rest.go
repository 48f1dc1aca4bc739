package qdrant

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/secret"
)

const (
	// timeout bounds a call that has no shorter one of its own.
	timeout = 10 * time.Second
	// largest bounds an answer, in bytes: one entry and little else.
	largest = 64 << 20
	// longest bounds what is shown of an error, in bytes.
	longest = 300
)

// rest calls Qdrant's REST API.
type rest struct {
	base   string // without a slash at the end
	key    secret.String
	client *http.Client
}

// withoutRedirects is the client, which would send the key along elsewhere, without redirects.
func withoutRedirects(client *http.Client) *http.Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Error is an answer of Qdrant that is no success.
type Error struct {
	Status  int
	Message string // "" where the answer is not Qdrant's: a route that it does not have, a proxy
}

func (e *Error) Error() string {
	return fmt.Sprintf("qdrant: HTTP %d: %s", e.Status, cmp.Or(e.Message, http.StatusText(e.Status)))
}

// call sends body as JSON, nil = none, and decodes the answer's result into result, nil = it does not matter.
func (r *rest) call(ctx context.Context, method, path string, body, result any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("qdrant: %w", err) // a vector with a number that is none
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("qdrant: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.key.Empty() {
		req.Header.Set("Api-Key", r.key.Reveal())
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("qdrant: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, largest+1))
	switch {
	case err != nil:
		return fmt.Errorf("qdrant: %w", err)
	case len(answer) > largest:
		return fmt.Errorf("qdrant: the answer has more than %d bytes", largest)
	case resp.StatusCode != http.StatusOK:
		return &Error{Status: resp.StatusCode, Message: message(answer)}
	}
	return decode(answer, result)
}

// decode reads {"result": …, "status": "ok"}.
func decode(answer []byte, result any) error {
	envelope := struct {
		Result any             `json:"result"`
		Status json.RawMessage `json:"status"`
	}{Result: result}
	if err := json.Unmarshal(answer, &envelope); err != nil || string(envelope.Status) != `"ok"` {
		return fmt.Errorf("qdrant: the answer is not Qdrant's: %s", clip(string(answer)))
	}
	return nil
}

// message is the text of {"status": {"error": "…"}}, "" where the answer is no such thing.
func message(answer []byte) string {
	var envelope struct {
		Status struct {
			Error string `json:"error"`
		} `json:"status"`
	}
	if json.Unmarshal(answer, &envelope) != nil {
		return ""
	}
	return clip(envelope.Status.Error)
}

// clip makes a foreign text fit for one line.
func clip(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
