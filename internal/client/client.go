// Package client is a small typed client of the gateway, for the command line and the end-to-end tests.
//
// Answers of the management API come as Answer: the fields that a person looks at, typed, and the whole of it as it was
// sent, for machines. Amounts of money stay the decimal text that they are.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"tollgate/internal/secret"
)

// Client calls one gateway. It is safe for concurrent use.
type Client struct {
	base string
	key  secret.String
	http *http.Client
}

// New makes a client of the gateway at base ("http://127.0.0.1:4000"), with key as its API key.
func New(base, key string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), key: secret.New(key), http: &http.Client{}}
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 256 << 20

// Fields are the fields of a request by their JSON names. What is not in it is left as it is.
type Fields map[string]any

// Answer is what the gateway answered: the part that is typed, and all of it.
type Answer[T any] struct {
	Value T
	Raw   json.RawMessage
}

// Do sends body (nil for none) as JSON and decodes the answer into out (nil to leave it). A status other than success is
// an *Error.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) error {
	text, err := c.send(ctx, method, path, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(text, out)
}

func (c *Client) send(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !c.key.Empty() {
		req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("the answer to %s is larger than %d bytes", path, maxAnswer)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refusal(resp.StatusCode, text)
	}
	return text, nil
}

// call sends a request and reads the answer, typed and whole.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (Answer[T], error) {
	var a Answer[T]
	text, err := c.send(ctx, method, path, body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a.Value); err != nil {
		return a, fmt.Errorf("the answer to %s is not what was expected, is this a gateway? %w", strings.SplitN(path, "?", 2)[0], err)
	}
	a.Raw = text
	return a, nil
}

// get is call without a body.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (Answer[T], error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return call[T](ctx, c, http.MethodGet, path, nil)
}

// post is call with a body.
func post[T any](ctx context.Context, c *Client, path string, body any) (Answer[T], error) {
	return call[T](ctx, c, http.MethodPost, path, body)
}

// Chat asks model one question and returns the text of the answer.
func (c *Client) Chat(ctx context.Context, model, question string) (string, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	request := struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
	}{model, []message{{"user", question}}}
	var answer struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
	}
	if err := c.Do(ctx, http.MethodPost, "/v1/chat/completions", request, &answer); err != nil {
		return "", err
	}
	if len(answer.Choices) == 0 {
		return "", errors.New("the answer has no choices")
	}
	return answer.Choices[0].Message.Content, nil
}
